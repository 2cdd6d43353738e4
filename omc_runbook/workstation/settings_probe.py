"""The application's Settings, loaded in a separate process to see whether they accept the .env."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from threading import Thread
from typing import Any

from omc_runbook.messages.startline import StartProblem
from omc_runbook.messages.startlog import problem_of, read_log
from omc_runbook.messages.validation import FieldError
from omc_runbook.model import programs, temporary
from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import at_home, expand
from omc_runbook.repository.settings_search import MAIN_CLASS
from omc_runbook.repository.settings_source import CONFIG, import_folder

SECONDS = 30.0
LARGEST_OUTPUT = 1_048_576
"""The largest output that is kept of each stream of the process, in bytes."""

_LOADER = Path(__file__).with_name("settings_loader.py")
_NAME_A_PYTHON = "name a Python that has them with -p python PATH."
_INTERPRETERS = (".venv/bin/python", ".venv/Scripts/python.exe", "venv/bin/python", "venv/Scripts/python.exe")


@dataclass(frozen=True)
class UrlPart:
    """A variable that a property of Settings puts into a URL, and whether as it is, without escaping it."""

    variable: str
    property: str
    is_raw: bool


@dataclass(frozen=True, kw_only=True)
class SettingsResult:
    """The result of loading Settings: whether it succeeded, and its errors and warnings, without values.

    `env_files` are the files that Settings read, each with whether it exists. `obstacle` says why loading could not be
    tried, "" if it was; `ok` means nothing then. `broken` are variables whose value makes a property of Settings fail,
    each with the property; `borrowed` the packages that the interpreter lacks and this one has.
    """

    ok: bool
    messages: tuple[StartProblem, ...] = ()
    env_files: tuple[tuple[Path, bool], ...] = ()
    obstacle: str = ""
    url_parts: tuple[UrlPart, ...] = ()
    broken: tuple[tuple[str, str], ...] = ()
    borrowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Module:
    """The module with the main class: its file, the folder that it is imported from, and the class's name."""

    config: str
    folder: str
    main: str

    @property
    def package(self) -> str:
        """The application's own package."""
        return self.config.removeprefix(f"{self.folder}/").partition("/")[0].removesuffix(".py")

    @property
    def virtual_environment(self) -> str:
        """Where the application's requirements are usually installed."""
        folder = "" if self.folder == "src" else self.folder.removesuffix("/src")
        return f"{folder}/.venv".lstrip("/")


@dataclass(frozen=True)
class _Output:
    """Both streams of the process, which may hold values, and its exit code; None if it was killed."""

    report: bytes = field(repr=False)
    log: bytes = field(repr=False)
    code: int | None


def find_program(python: str) -> str:
    """The path of the Python that the parameter `python` names, "" for none; raises UsageError if there is no such."""
    if not python.strip():
        return ""
    path = shutil.which(str(expand(python.strip()).absolute())) or programs.find(python.strip())
    if path is None:
        raise UsageError(
            f"python {python} is not an executable: name an interpreter with the application's requirements."
        )
    return os.path.abspath(path)  # noqa: PTH100 - a virtual environment's python is a link, which must stay


def load_settings(
    repository: Path,
    dotenv: Path | None = None,
    names: Collection[str] = (),
    python: str = "",
    config: str = CONFIG,
    main: str = MAIN_CLASS,
    later: Iterable[Path] = (),
    earlier: Iterable[Path] = (),
) -> SettingsResult:
    """Load the class `main` of a checkout's file `config`, as the application would, in a process of its own.

    `dotenv` replaces the file that Settings would read, with `later` ones that override it and `earlier` ones that it
    overrides; `names` are the .env's variables, which may be shown in messages even if Settings has no such field. The
    interpreter is `python`, else that of the checkout's .venv, else this one; packages that it lacks are taken from
    this one's. The process inherits no variables. A failure to load is in the result; nothing is raised.
    """
    if not (repository / config).is_file():
        return SettingsResult(ok=False, obstacle=f"{repository} has no {config}: name a checkout of the platform.")
    folder = import_folder(repository, config)
    python = python or _find_python(repository, folder)
    paths = sysconfig.get_paths()
    packages = dict.fromkeys((paths["purelib"], paths["platlib"])) if python != sys.executable else ()
    module = config.removeprefix(f"{folder}/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    # A secret value must not be an argument; a file's name may.
    paths_of_dotenv = json.dumps([str(each.absolute()) for each in (*earlier, dotenv, *later) if each])
    command = [python, "-I", "-B", str(_LOADER), module, main, paths_of_dotenv, *packages]
    try:
        with temporary.folder("settings") as home:
            variables = {"PATH": programs.search_path(repository), "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
            output = _run(command, (repository / folder).absolute(), variables)
    except OSError as error:
        return SettingsResult(ok=False, obstacle=f"{python} could not be started: {error.strerror}.")
    return _read(output, python, frozenset(names), _Module(config, folder, main), Path(home).resolve())


def _find_python(repository: Path, folder: str) -> str:
    # Of src/ it is in the folder above, and of a workspace at the top.
    folders = [repository / folder, *(repository / each for each in Path(folder).parents)]
    return next(
        (str(path) for each in folders for name in _INTERPRETERS if (path := each / name).is_file()), sys.executable
    )


def _run(command: list[str], folder: Path, variables: dict[str, str]) -> _Output:
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    buffers = (bytearray(), bytearray())
    with subprocess.Popen(
        command, cwd=folder, env=variables, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True
    ) as process:
        streams = (process.stdout, process.stderr)
        readers = [Thread(target=_drain, args=pair, daemon=True) for pair in zip(streams, buffers, strict=True)]
        for reader in readers:
            reader.start()
        code: int | None = None
        with suppress(subprocess.TimeoutExpired):
            code = process.wait(SECONDS)
        for reader in readers:
            reader.join(1.0 if code is not None else 0.0)
        if code is None or any(reader.is_alive() for reader in readers):
            # Child processes of the application would keep the pipes open.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        for reader in readers:
            reader.join()
    return _Output(bytes(buffers[0]), bytes(buffers[1]), code)


def _drain(stream: BufferedReader, buffer: bytearray) -> None:
    """Read a stream to its end, so that the writer never blocks, and keep its first bytes."""
    while chunk := stream.read1(65_536):
        buffer += chunk[: LARGEST_OUTPUT - len(buffer)]


def _read(output: _Output, python: str, names: frozenset[str], module: _Module, home: Path) -> SettingsResult:
    log = output.log.decode("utf-8", "replace")
    report, urls = _documents(output.report)
    if output.code is None and report is None:
        timeout = f"{module.config} did not end within {SECONDS:g} seconds: see what it waits for."
        return SettingsResult(ok=False, messages=read_log(log), obstacle=timeout)
    if report is None:
        no_report = (
            f"{python} ended with exit code {output.code} and no answer: install Python 3.10 or later with the "
            f"application's requirements into {module.virtual_environment}, or {_NAME_A_PYTHON}"
        )
        return SettingsResult(ok=False, messages=read_log(log), obstacle=no_report)
    variables = _spellings(report)
    names_of_variables = frozenset(variables.values()) | names
    message, errors = str(report.get("message", "")), tuple(_field_errors(report, variables, names_of_variables))
    ok = bool(report.get("ok"))
    return SettingsResult(
        ok=ok,
        messages=tuple(dict.fromkeys((*errors, *read_log(f"{log}\n{message}", names_of_variables)))),
        env_files=tuple(_found(Path(path), exists, home) for path, exists in report.get("env_files", ())),
        obstacle="" if ok or errors or read_log(message, names_of_variables) else _obstacle(report, python, module),
        url_parts=tuple(UrlPart(*part) for part in urls.get("urls", ())),
        broken=tuple((variable, name) for variable, name in urls.get("broken", ())),
        borrowed=tuple(report.get("borrowed", ())),
    )


def _found(path: Path, exists: bool, home: Path) -> tuple[Path, bool]:
    """A file that Settings look for, and whether it exists: what is in the process's own `home` is in the user's."""
    if not path.is_relative_to(home):
        return path, exists
    path = at_home("~") / path.relative_to(home)
    return path, path.is_file()


def _documents(output: bytes) -> tuple[Mapping[str, Any] | None, Mapping[str, Any]]:
    """The report and what URLs hold: one line of JSON each; None for no report."""
    report, urls = map(_document, [*output.splitlines(), b"", b""][:2])
    return report, urls or {}


def _document(line: bytes) -> Mapping[str, Any] | None:
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _spellings(report: Mapping[str, Any]) -> dict[str, str]:
    """By lower-case name that pydantic may use for a field, the variable to show."""
    spellings: dict[str, str] = {}
    for name, variables in report.get("variables", {}).items():
        spellings |= {each.casefold(): each for each in variables} | {name.casefold(): variables[0]}
    return spellings


def _field_errors(
    report: Mapping[str, Any], variables: Mapping[str, str], names: frozenset[str]
) -> Iterator[StartProblem]:
    for error in report.get("errors", ()):
        head, *rest = error["loc"] or [""]
        location = ".".join((variables.get(head.casefold(), head), *rest))
        yield problem_of(FieldError(location, error["type"], error["message"]), names)


def _obstacle(report: Mapping[str, Any], python: str, module: _Module) -> str:
    error, missing, at = str(report.get("error")), str(report.get("missing", "")), str(report.get("at", ""))
    where = f" at {f'{module.folder}/{at}'.lstrip('/')}" if at else ""
    if error == "no-settings":
        return f"{module.config} has no class {module.main}: name a checkout of the platform."
    if missing.partition(".")[0] == module.package:
        return f"{module.config} needs the module {missing}{where}, which the checkout does not have."
    if missing:
        package = missing.partition(".")[0]
        return (
            f"{python} has no package {package}, which the application needs: install its "
            f"requirements into {module.virtual_environment}, or {_NAME_A_PYTHON}"
        )
    return f"{module.config} raised {error}{where} before {module.main} was instantiated: run it in a private terminal."
