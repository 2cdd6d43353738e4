"""Stands in for docker with its compose plugin: the same command line, exit codes and words, and no engine.

It is told by variables what to do: STANDIN_DOCKER_ENGINE is "no" where no engine is to answer, STANDIN_DOCKER_LOGS is
the file with what `compose logs` prints, STANDIN_DOCKER_PS what `compose ps` prints, STANDIN_DOCKER_FAILS is
"VERB:WORDS" for a command that fails with these words, or "VERB:hang" for one that does not end, STANDIN_DOCKER_LOG is
the file for what it was called with, and STANDIN_DOCKER_COMPOSE has the words that call the real Docker Compose, which
answers `compose config`. It is started some hundred times, so that it imports next to nothing.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NO_ENGINE = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
ASKING = {"ls", "ps", "up", "down", "logs"}
"""The verbs of compose that need an engine."""


def fail(words: str, code: int = 1) -> NoReturn:
    """End as docker does: the words on standard error, and an exit code."""
    sys.stderr.write(f"{words}\n")
    sys.exit(code)


def compose(options: list[str], verb: str, flags: list[str]) -> None:
    if verb in ASKING and os.environ.get("STANDIN_DOCKER_ENGINE") == "no":
        fail(NO_ENGINE)
    if verb == "config":
        real = [*os.environ["STANDIN_DOCKER_COMPOSE"].split(), *options, verb, *flags]
        os.execvp(real[0], real)
    elif verb == "version":
        sys.stdout.write("Docker Compose version v2.26.1\n")
    elif verb == "logs":
        if logs := os.environ.get("STANDIN_DOCKER_LOGS"):
            with open(logs) as file:  # noqa: PTH123 - without pathlib
                sys.stdout.write(file.read())
    elif verb == "ps":
        sys.stdout.write(os.environ.get("STANDIN_DOCKER_PS", ""))
    elif verb in ("up", "down"):
        sys.stderr.write(f" Container stand-in-1  {'Started' if verb == 'up' else 'Removed'}\n")
    elif verb not in ASKING:
        fail(f'unknown docker command: "compose {verb}"', 16)


def main() -> None:
    words = sys.argv[1:]
    if log := os.environ.get("STANDIN_DOCKER_LOG"):
        with open(log, "a") as file:  # noqa: PTH123 - without pathlib
            file.write(" ".join(["docker", *words]) + "\n")
    options: list[str] = []
    while words[1:] and words[1].startswith("--"):
        options += [words.pop(1), words.pop(1)]
    group, verb, *flags = [*words, "", ""]
    failing, _, failure = os.environ.get("STANDIN_DOCKER_FAILS", "").partition(":")
    if failing and failing == verb:
        if failure == "hang":
            time.sleep(60)
        fail(failure)
    if group == "compose":
        compose(options, verb, [flag for flag in flags if flag])
    elif group == "version":
        if os.environ.get("STANDIN_DOCKER_ENGINE") == "no":
            fail(NO_ENGINE)
        sys.stdout.write("Client: stand-in\nServer: stand-in\n")
    else:
        fail(f"docker: '{group}' is not a docker command.")


if __name__ == "__main__":
    main()
