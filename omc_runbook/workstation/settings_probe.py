"""The application's own Settings, loaded in a process of its own: whether they accept the .env that is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from threading import Thread
from typing import Any

from omc_runbook.messages.startlog import StartProblem, read_log, tell
from omc_runbook.messages.validation import Refusal

CONFIG = Path("backend", "app", "core", "config.py")
"""The module with Settings, within a checkout."""

SECONDS = 30.0
LARGEST_ANSWER = 1_048_576
"""Bytes that are kept of each stream of the other process."""

_LOADER = Path(__file__).with_name("settings_loader.py")
_PLACES = (".venv/bin/python", ".venv/Scripts/python.exe")


@dataclass(frozen=True)
class Loaded:
    """What became of Settings: whether they were made, and what was said, without a value.

    `env_files` are the files that Settings read, each with whether it is there, and `filled` the fields whose values
    came from them or from the environment. `obstacle` says why it could not be tried, "" where it was: then nothing
    is known, and `ok` is no verdict.
    """

    ok: bool
    told: tuple[StartProblem, ...] = ()
    env_files: tuple[tuple[Path, bool], ...] = ()
    filled: tuple[str, ...] = ()
    obstacle: str = ""


@dataclass(frozen=True)
class _Ended:
    """Both streams of the process, which may hold values, and how it ended; None where it was stopped."""

    answer: bytes = field(repr=False)
    said: bytes = field(repr=False)
    code: int | None


def load_settings(
    repository: Path,
    dotenv: Path | None = None,
    python: str = "",
    extra: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
    names: Collection[str] = (),
) -> Loaded:
    """Load `app.core.config` of a checkout as the application would, and say what its Settings make of it.

    Where `dotenv` is given it stands in the place of the file that Settings would read. The application's own Python
    is used where the checkout has one. Of this process's environment the other one sees nothing; `extra` are variables
    that a shell would set, `names` those of the file, which may be told of where Settings do not have them.
    """
    if not (repository / CONFIG).is_file():
        return Loaded(False, obstacle=f"{repository} has no {CONFIG.as_posix()}: name a checkout of the platform.")
    chosen = python or _find_python(repository)
    # A value that a file or a variable has must not be an argument; a file's name may.
    command = [chosen, "-I", "-B", str(_LOADER), str(dotenv.absolute()) if dotenv else ""]
    try:
        with tempfile.TemporaryDirectory() as home:
            ended = _run(command, (repository / "backend").absolute(), _environment(home, extra or {}), seconds)
    except OSError as error:
        return Loaded(False, obstacle=f"{chosen} could not be started: {error.strerror}.")
    return _read(ended, chosen, seconds, frozenset(names))


def _find_python(repository: Path) -> str:
    folders = (repository / "backend", repository)
    return next((str(found) for at in folders for place in _PLACES if (found := at / place).is_file()), sys.executable)


def _environment(home: str, extra: Mapping[str, str]) -> dict[str, str]:
    own = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
    return {**extra, **own}


def _run(command: list[str], folder: Path, environment: dict[str, str], seconds: float) -> _Ended:
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    kept = (bytearray(), bytearray())
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        streams = (process.stdout, process.stderr)
        readers = [Thread(target=_keep, args=pair, daemon=True) for pair in zip(streams, kept, strict=True)]
        for reader in readers:
            reader.start()
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(seconds)
        for reader in readers:
            reader.join(1.0 if code is not None else 0.0)
        if code is None or any(reader.is_alive() for reader in readers):
            # What the application began itself would keep the pipes open.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        for reader in readers:
            reader.join()
    return _Ended(bytes(kept[0]), bytes(kept[1]), code)


def _keep(stream: BufferedReader, kept: bytearray) -> None:
    """Read a stream to its end, so that nobody waits for it, and keep no more of it than is allowed."""
    while chunk := stream.read1(65_536):
        kept += chunk[: LARGEST_ANSWER - len(kept)]


def _read(ended: _Ended, python: str, seconds: float, names: frozenset[str]) -> Loaded:
    said = ended.said.decode("utf-8", "replace")
    if ended.code is None:
        late = f"backend/app/core/config.py did not end within {seconds:g} seconds: look what it waits for."
        return Loaded(False, read_log(said), obstacle=late)
    try:
        answer = json.loads(ended.answer)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        silent = (
            f"{python} ended with exit code {ended.code} and no answer: name a Python of version 3.10 or later that "
            f"has the application's requirements."
        )
        return Loaded(False, read_log(said), obstacle=silent)
    variables = _spellings(answer)
    known = frozenset(variables.values()) | names
    spoken = read_log(f"{said}\n{answer.get('said', '')}", known)
    told = tuple(dict.fromkeys((*_refusals(answer, variables, known), *spoken)))
    files = tuple((Path(path), there) for path, there in answer.get("env_files", ()))
    ok = bool(answer.get("ok"))
    refused = bool(answer.get("errors")) or bool(read_log(str(answer.get("said", "")), known))
    return Loaded(ok, told, files, tuple(answer.get("filled", ())), "" if ok or refused else _obstacle(answer, python))


def _spellings(answer: Mapping[str, Any]) -> dict[str, str]:
    """The variable for each name by which pydantic may call a field, without case."""
    found: dict[str, str] = {}
    for name, variables in answer.get("variables", {}).items():
        found |= {each.casefold(): each for each in variables} | {name.casefold(): variables[0]}
    return found


def _refusals(answer: Mapping[str, Any], variables: Mapping[str, str], known: frozenset[str]) -> Iterator[StartProblem]:
    for error in answer.get("errors", ()):
        head, *rest = error["loc"] or [""]
        location = ".".join((variables.get(head.casefold(), head), *rest))
        refusal = Refusal(location, error["type"], error["said"])
        yield tell(refusal, known)


def _obstacle(answer: Mapping[str, Any], python: str) -> str:
    error, missing, at = str(answer.get("error")), str(answer.get("missing", "")), str(answer.get("at", ""))
    where = f" at backend/{at}" if at else ""
    if error == "no-settings":
        return f"{CONFIG.as_posix()} has no class Settings: nothing else is known to hold the configuration."
    if missing.partition(".")[0] == "app":
        return f"{CONFIG.as_posix()} needs the module {missing}, which the checkout does not have{where}."
    if missing:
        package = missing.partition(".")[0]
        return (
            f"{python} has no package {package}, which the application needs: install the application's own "
            f"requirements into backend/.venv, or name a Python that has them."
        )
    return f"{CONFIG.as_posix()} ended with {error}{where} before its Settings were made: run it by hand, out of sight."
