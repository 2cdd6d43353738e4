"""Docker Compose itself, where there is one: what it makes of the files, and a start of what they describe."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from omc_runbook.masking import registry
from omc_runbook.masking.public_values import find_public
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import CouldNotLook

PROGRAMS = (("docker", "compose"), ("docker-compose",))

SECONDS = {"version": 20, "config": 30, "ls": 20, "up": 900, "logs": 60}
"""How long a command may take; `up` may have images to build."""

LINES = 5000
"""How many of each service's last lines a log has."""

Kind = Literal["", "unterminated", "space-in-name", "bad-name", "bad-interpolation", "other"]
"""Why Compose refuses a .env, by its own words; "other" for words that are not known here, "" where it takes it."""

_KINDS: tuple[tuple[str, Kind], ...] = (
    ("unterminated quoted value", "unterminated"),
    ("key cannot contain a space", "space-in-name"),
    ("unexpected character", "bad-name"),
    ("zero length string", "bad-name"),
    ("Invalid template", "bad-interpolation"),
    ("required variable", "bad-interpolation"),
)
_NAMELESS = "setenv: invalid argument"
_REFUSAL = re.compile(rf"failed to read .+?: (?:line (\d+): )?({'|'.join(words for words, _ in _KINDS)})")
_VERSION = re.compile(r"version v?(\d+)\.")
_UNSET = re.compile(r'The \\?"([^"\\]*)\\?" variable is not set')
_READING = re.compile(r"failed to read (\S+): (?:line (\d+): )?")
_NEEDED = re.compile(r"error while interpolating (\S+): required variable (\w+) is missing")
_YAML = re.compile(r"(?<![.\w])yaml: (?:line (\d+))?|mapping key .* already defined at line (\d+)")
_NO_FILE = re.compile(r"(?i)env file (.+?) not found")
_PORT = re.compile(r"(?i)(?:0\.0\.0\.0|\[::\]|127\.0\.0\.1):(\d+)\D.*?(?:already allocated|already in use)")
_UNHEALTHY = re.compile(r"dependency failed to start: container (\S+) (is unhealthy|exited \(\d+\))")

FAILURES = (
    (r"(?i)cannot connect to the docker daemon|is the docker daemon running", "no Docker engine answers: start Docker"),
    (r"(?i)permission denied.*docker|docker.*permission denied", "this user may not talk to Docker's engine"),
    (r"(?i)no configuration file provided", "there is no compose file"),
    (r"(?i)pull access denied|manifest unknown|manifest for .* not found", "an image could not be pulled"),
    (r"(?i)no space left on device", "the disk is full"),
    (r"(?i)failed to solve|failed to build|executor failed running", "an image could not be built"),
    (r"(?i)already allocated|address already in use", "a port is taken by another program"),
    (r"(?i)i/o timeout|no such host|TLS handshake|connection refused", "a registry could not be reached"),
    (
        r"(?i)validating |not allowed|must be a |undefined service|invalid compose project",
        "a compose file is not valid",
    ),
    (r"(?i)invalid template|invalid interpolation", "a ${…} in a compose file or the .env is not valid"),
)
"""What Compose fails for, by its own words, which may hold values and are not passed on."""


@dataclass(frozen=True)
class Config:
    """What Compose makes of the compose files and the .env."""

    environment: Mapping[str, Mapping[str, Masked]]
    """By service: the variables that its container would have."""
    warnings: tuple[str, ...] = ()
    error: str = ""
    """Why it makes nothing of them, as a sentence; "" where it does."""
    unset: frozenset[str] = field(default=frozenset(), repr=False)
    """Names after a $ for which it puts nothing: one of them may be a piece of a password."""


@dataclass(frozen=True)
class EnvFile:
    """What Compose reads from a .env beside the compose file: its variables, or why it refuses all of it."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    kind: Kind = ""
    line: int = 0
    """Where it stops, counted by line feeds: of an open quote the end; 0 where it does not say."""
    unset: frozenset[str] = field(default=frozenset(), repr=False)
    """Names after a $ for which it puts nothing: one of them may be a piece of a password."""


@dataclass(frozen=True)
class Started:
    """Whether the services were started, and a sentence on it."""

    ok: bool
    said: str


def find_compose() -> tuple[str, ...] | None:
    """The words that call Compose here: those of docker's plugin, else of the program of its own; None for neither.

    The first version, which was another program, does not count.
    """
    for program in PROGRAMS:
        try:
            done = _call(program, "version", (), Path.cwd())
        except CouldNotLook:
            continue
        version = _VERSION.search(done.stdout)
        if done.returncode == 0 and version and int(version[1]) >= 2:
            return program
    return None


def read_env_file(program: Sequence[str], path: Path, env: Mapping[str, str] | None = None) -> EnvFile:
    """Ask Compose how it reads a .env, for the project and for a service, whatever the compose files say.

    `env` are the variables of the shell, this process's own where it is None. Raises CouldNotLook as `config` does.
    """
    service = {"image": "none", "env_file": [str(path.absolute()).replace("$", "$$")]}
    project = ("--project-name", "dotenv", "--project-directory", str(path.parent.absolute()), "--file", "-")
    body = json.dumps({"services": {"dotenv": service}})
    done = _call((*program, *project), "config", ("--format", "json"), path.parent, env, body)
    unset = frozenset(_UNSET.findall(done.stderr))
    if done.returncode == 0:
        return EnvFile(_variables(json.loads(done.stdout)["services"]["dotenv"]), unset=unset)
    found = _REFUSAL.search(done.stderr)
    if found:
        return EnvFile(kind=dict(_KINDS)[found[2]], line=int(found[1] or 0), unset=unset)
    return EnvFile(kind="bad-name" if _NAMELESS in done.stderr else "other", unset=unset)


def config(program: Sequence[str], repository: Path, env: Mapping[str, str] | None = None) -> Config:
    """Ask Compose for its configuration, with the variables of `env`, this process's own where it is None.

    Raises CouldNotLook where the program cannot be started or does not come to an end.
    """
    done = _call(program, "config", ("--format", "json"), repository, env)
    warnings = tuple(_warnings(done.stderr))
    if done.returncode:
        return Config({}, warnings, f"docker compose config failed in {repository}: {_reason(done)}.")
    try:
        services: Mapping[str, Any] = json.loads(done.stdout).get("services") or {}
    except json.JSONDecodeError:
        return Config({}, warnings, f"{' '.join(program)} config gives no JSON: install a newer Docker Compose.")
    plain = {service: _variables(body) for service, body in services.items()}
    pairs = [pair for variables in plain.values() for pair in variables.items()]
    registry.exempt({*services, *find_public(pairs)})
    environment = {
        service: {name: Masked(value, name) for name, value in variables.items()}
        for service, variables in plain.items()
    }
    return Config(environment, warnings, unset=frozenset(_UNSET.findall(done.stderr)))


def has_engine(program: Sequence[str]) -> str:
    """Ask whether an engine answers: "" where one does, else why not, in a sentence."""
    try:
        done = _call(program, "ls", ("--quiet",), Path.cwd())
    except CouldNotLook as error:
        return str(error)
    return f"Docker cannot be used: {_reason(done)}." if done.returncode else ""


def up(program: Sequence[str], repository: Path) -> Started:
    """Start everything that the compose files describe, in the background, as a developer would.

    Raises CouldNotLook where the program cannot be started or does not come to an end.
    """
    done = _call(program, "up", ("--detach",), repository)
    words = " ".join(program)
    if done.returncode:
        return Started(False, registry.mask(f"{words} up failed in {repository}: {_reason(done)}."))
    return Started(True, f"{words} up has started the services of {repository}.")


def logs(program: Sequence[str], repository: Path, services: Sequence[str] = ()) -> str:
    """What services have said, all of them where none is named, as Compose prints it; it may hold values.

    Raises CouldNotLook where Compose cannot tell.
    """
    words = ("--no-color", "--tail", str(LINES), *services)
    done = _call(program, "logs", words, repository)
    if done.returncode:
        raise CouldNotLook(registry.mask(f"{' '.join(program)} logs failed in {repository}: {_reason(done)}."))
    # What a container writes to its standard error comes out there again.
    return done.stdout + done.stderr


def undo(program: Sequence[str]) -> str:
    """The command that takes down again what `up` has started; volumes stay."""
    return " ".join([*program, "down"])


def _call(
    program: Sequence[str],
    verb: str,
    words: Sequence[str],
    folder: Path,
    env: Mapping[str, str] | None = None,
    body: str = "",
) -> subprocess.CompletedProcess[str]:
    variables = {**(os.environ if env is None else env), "COMPOSE_ANSI": "never", "COMPOSE_MENU": "false"}
    try:
        return subprocess.run(
            [*program, verb, *words],
            cwd=folder,
            env=variables,
            input=body,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS[verb],
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CouldNotLook(
            f"{' '.join(program)} {verb} did not end within {SECONDS[verb]} s in {folder}:"
            " run it by hand to see what it waits for."
        ) from None
    except OSError as error:
        raise CouldNotLook(f"{program[0]} could not be started in {folder}: {error.strerror}.") from None


def _variables(service: Mapping[str, Any]) -> dict[str, str]:
    """The variables of a service; on its way out every $ is doubled, so that the output could be read in again."""
    variables = (service.get("environment") or {}).items()
    return {name: str(value).replace("$$", "$") for name, value in variables if value is not None}


def _warnings(said: str) -> Iterator[str]:
    """Sentences without a name: a name after a $ may be a piece of a password."""
    names = {found[1] for found in _UNSET.finditer(said)}
    if names:
        what = "A variable that a $ names is" if len(names) == 1 else f"{len(names)} variables that a $ names are"
        yield f"{what} not set: compose puts nothing there."
    if "is obsolete" in said:
        yield "A compose file has an attribute that compose ignores as obsolete."


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why a command failed, in words of ours and with no more of its text than names of files and settings."""
    said = _UNSET.sub("", done.stderr)
    if found := _NEEDED.search(said):
        return f"{found[1]} needs {found[2]}, which is not set"
    if found := _READING.search(said):
        return f"it cannot read {found[1]}" + (f", line {found[2]}" if found[2] else "")
    if found := _NO_FILE.search(said):
        return f"{found[1]} is missing, which env_file names"
    if found := _YAML.search(said):
        line = found[1] or found[2]
        return "a compose file is not valid YAML" + (f", line {line}" if line else "")
    if found := _UNHEALTHY.search(said):
        return f"container {found[1]} {found[2]}"
    if found := _PORT.search(said):
        return f"port {found[1]} is taken by another program"
    return next((why for words, why in FAILURES if re.search(words, said)), f"it ended with {done.returncode}")
