"""The application's Settings, loaded in a separate process: whether they accept the .env."""

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

from omc_runbook.messages.startlog import StartProblem, problem_of, read_log
from omc_runbook.messages.validation import FieldError

CONFIG = Path("backend", "app", "core", "config.py")
"""The module with Settings, within a checkout."""

SECONDS = 30.0
LARGEST_ANSWER = 1_048_576
"""The largest output that is kept of each stream of the process, in bytes."""

_LOADER = Path(__file__).with_name("settings_loader.py")
_INTERPRETERS = (".venv/bin/python", ".venv/Scripts/python.exe")


@dataclass(frozen=True, kw_only=True)
class SettingsResult:
    """The result of loading Settings: whether it succeeded, and its errors and warnings, without values.

    `env_files` are the files that Settings read, each with whether it exists, and `filled` the fields with a value
    from them or from the environment. `obstacle` says why loading could not be tried, "" if it was; `ok` means
    nothing then.
    """

    ok: bool
    messages: tuple[StartProblem, ...] = ()
    env_files: tuple[tuple[Path, bool], ...] = ()
    filled: tuple[str, ...] = ()
    obstacle: str = ""


@dataclass(frozen=True)
class _Output:
    """Both streams of the process, which may hold values, and its exit code; None if it was killed."""

    answer: bytes = field(repr=False)
    log: bytes = field(repr=False)
    code: int | None


def load_settings(
    repository: Path,
    dotenv: Path | None = None,
    python: str = "",
    extra: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
    names: Collection[str] = (),
) -> SettingsResult:
    """Load `app.core.config` of a checkout as the application would, in a process of its own.

    `dotenv` replaces the file that Settings would read. `python` is the interpreter: by default that of the
    checkout's .venv, else this one. The process inherits no variables; `extra` are those it gets, `names` those of
    the .env, which may be shown in messages even if Settings have no such field. `seconds` is the time limit.
    A failure to load is in the result; nothing is raised.
    """
    if not (repository / CONFIG).is_file():
        return SettingsResult(
            ok=False, obstacle=f"{repository} has no {CONFIG.as_posix()}: name a checkout of the platform."
        )
    chosen = python or _find_python(repository)
    # A secret value must not be an argument; a file's name may.
    command = [chosen, "-I", "-B", str(_LOADER), str(dotenv.absolute()) if dotenv else ""]
    try:
        with tempfile.TemporaryDirectory() as home:
            process = _run(command, (repository / "backend").absolute(), _environment(home, extra or {}), seconds)
    except OSError as error:
        return SettingsResult(ok=False, obstacle=f"{chosen} could not be started: {error.strerror}.")
    return _read(process, chosen, seconds, frozenset(names))


def _find_python(repository: Path) -> str:
    folders = (repository / "backend", repository)
    return next(
        (str(path) for folder in folders for name in _INTERPRETERS if (path := folder / name).is_file()), sys.executable
    )


def _environment(home: str, extra: Mapping[str, str]) -> dict[str, str]:
    own = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
    return {**extra, **own}


def _run(command: list[str], folder: Path, environment: dict[str, str], seconds: float) -> _Output:
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    buffers = (bytearray(), bytearray())
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        streams = (process.stdout, process.stderr)
        readers = [Thread(target=_keep, args=pair, daemon=True) for pair in zip(streams, buffers, strict=True)]
        for reader in readers:
            reader.start()
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(seconds)
        for reader in readers:
            reader.join(1.0 if code is not None else 0.0)
        if code is None or any(reader.is_alive() for reader in readers):
            # Child processes of the application would keep the pipes open.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        for reader in readers:
            reader.join()
    return _Output(bytes(buffers[0]), bytes(buffers[1]), code)


def _keep(stream: BufferedReader, buffer: bytearray) -> None:
    """Read a stream to its end, so that the writer never blocks, and keep its first bytes."""
    while chunk := stream.read1(65_536):
        buffer += chunk[: LARGEST_ANSWER - len(buffer)]


def _read(process: _Output, python: str, seconds: float, names: frozenset[str]) -> SettingsResult:
    log = process.log.decode("utf-8", "replace")
    if process.code is None:
        timeout = f"backend/app/core/config.py did not end within {seconds:g} seconds: see what it waits for."
        return SettingsResult(ok=False, messages=read_log(log), obstacle=timeout)
    try:
        answer = json.loads(process.answer)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        no_answer = (
            f"{python} ended with exit code {process.code} and no answer: name a Python of version 3.10 or later that "
            f"has the application's requirements."
        )
        return SettingsResult(ok=False, messages=read_log(log), obstacle=no_answer)
    variables = _spellings(answer)
    known = frozenset(variables.values()) | names
    logged = read_log(f"{log}\n{answer.get('message', '')}", known)
    messages = tuple(dict.fromkeys((*_refusals(answer, variables, known), *logged)))
    files = tuple((Path(path), there) for path, there in answer.get("env_files", ()))
    ok = bool(answer.get("ok"))
    refused = bool(answer.get("errors")) or bool(read_log(str(answer.get("message", "")), known))
    return SettingsResult(
        ok=ok,
        messages=messages,
        env_files=files,
        filled=tuple(answer.get("filled", ())),
        obstacle="" if ok or refused else _obstacle(answer, python),
    )


def _spellings(answer: Mapping[str, Any]) -> dict[str, str]:
    """By lower-case name that pydantic may use for a field, the variable to show."""
    spellings: dict[str, str] = {}
    for name, variables in answer.get("variables", {}).items():
        spellings |= {each.casefold(): each for each in variables} | {name.casefold(): variables[0]}
    return spellings


def _refusals(answer: Mapping[str, Any], variables: Mapping[str, str], known: frozenset[str]) -> Iterator[StartProblem]:
    for error in answer.get("errors", ()):
        head, *rest = error["loc"] or [""]
        location = ".".join((variables.get(head.casefold(), head), *rest))
        refusal = FieldError(location, error["type"], error["message"])
        yield problem_of(refusal, known)


def _obstacle(answer: Mapping[str, Any], python: str) -> str:
    error, missing, at = str(answer.get("error")), str(answer.get("missing", "")), str(answer.get("at", ""))
    where = f" at backend/{at}" if at else ""
    if error == "no-settings":
        return f"{CONFIG.as_posix()} has no class Settings: name a checkout of the platform."
    if missing.partition(".")[0] == "app":
        return f"{CONFIG.as_posix()} needs the module {missing}{where}, which the checkout does not have."
    if missing:
        package = missing.partition(".")[0]
        return (
            f"{python} has no package {package}, which the application needs: install the application's own "
            f"requirements into backend/.venv, or name a Python that has them."
        )
    return f"{CONFIG.as_posix()} raised {error}{where} before Settings were made: run it by hand, unobserved."
