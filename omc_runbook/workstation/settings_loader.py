"""The script that loads the application's Settings in a process of its own and reports names, never values.

It is run by its path with the application's own Python, so it imports the standard library and the application's
packages only.
"""

import functools
import importlib
import importlib.util
import inspect
import json
import os
import sys
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

MODULE = "app.core.config"
# Messages of the application's own validators; pydantic's say no more than their type.
_CUSTOM_ERRORS = ("value_error", "assertion_error", "type_error")
_LONGEST = 2000


class _Report:
    """The settings classes that the application has instantiated so far, and the pipe to report to."""

    def __init__(self, pipe: int, dotenv: str) -> None:
        self.pipe = pipe
        self.dotenv = dotenv
        self.started: list[type[Any]] = []
        self.instantiated: set[type[Any]] = set()

    def watch(self) -> None:
        """Record each BaseSettings that is instantiated: an import that fails leaves no module to inspect."""
        from pydantic_settings import BaseSettings

        original: Any = BaseSettings.__init__

        @functools.wraps(original)
        def fill(settings: Any, *arguments: Any, **options: Any) -> None:
            kind = type(settings)
            self.started.append(kind)
            if self.dotenv and kind.model_config.get("env_file") is not None:
                options.setdefault("_env_file", self.dotenv)
            elif self.dotenv:
                # Without an env_file the application gets its variables from the process that starts it.
                _inherit(self.dotenv)
            original(settings, *arguments, **options)
            self.instantiated.add(kind)

        setattr(BaseSettings, "__init__", fill)  # noqa: B010

    def load(self) -> None:
        """Import the application's configuration, and instantiate Settings if the import does not."""
        module = importlib.import_module(MODULE)
        kind = getattr(module, "Settings", None)
        if not inspect.isclass(kind):
            self.end({"error": "no-settings"})
        if kind not in self.instantiated:
            kind()
        self.end({"ok": True}, kind)

    def fail(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Report an uncaught exception; this is sys.excepthook."""
        report: dict[str, Any] = {"error": _class_name(kind), "missing": _missing(error), "at": _location(error, trace)}
        if hasattr(error, "errors") and kind.__name__ == "ValidationError":
            report["errors"] = [_error(each) for each in error.errors()]
        else:
            report["message"] = str(error)[:_LONGEST]
        classes = [each for each in self.started if each.__name__ == "Settings"] or self.started
        self.end(report, classes[-1] if classes else None)

    def end(self, report: dict[str, Any], kind: type[Any] | None = None) -> NoReturn:
        """Write the report as one line of JSON and exit, even if threads of the application still run."""
        if kind is not None:
            report |= self._describe(kind)
        with open(self.pipe, "w", encoding="utf-8") as pipe:  # noqa: PTH123
            pipe.write(json.dumps(report) + "\n")
        sys.stderr.flush()
        os._exit(0)

    def _describe(self, kind: type[Any]) -> dict[str, Any]:
        config = getattr(kind, "model_config", {})
        variables = {name: _variables(name, field, config) for name, field in getattr(kind, "model_fields", {}).items()}
        names = self.dotenv if self.dotenv and config.get("env_file") is not None else config.get("env_file")
        paths = [Path(each).expanduser() for each in _as_list(names)]
        files = [path.parent.resolve() / path.name for path in paths]
        return {"variables": variables, "env_files": [[str(each), each.is_file()] for each in files]}


def _inherit(dotenv: str) -> None:
    from dotenv import dotenv_values

    for name, value in dotenv_values(dotenv).items():
        os.environ.setdefault(name, value or "")


def _error(error: dict[str, Any]) -> dict[str, Any]:
    kind = str(error["type"])
    message = str(error.get("msg", ""))[:_LONGEST] if kind.startswith(_CUSTOM_ERRORS) else ""
    return {"loc": [str(part) for part in error["loc"]], "type": kind, "message": message}


def _variables(name: str, field: Any, config: Any) -> list[str]:
    """The variables of a field; the first is the one in pydantic's errors."""
    alias = getattr(field, "validation_alias", None) or getattr(field, "alias", None)
    choices = list(getattr(alias, "choices", None) or ([alias] if alias else []))
    aliases = [str(each.path[0]) if hasattr(each, "path") else str(each) for each in choices]
    prefixed = f"{config.get('env_prefix') or ''}{name}"
    if not aliases or config.get("populate_by_name") or config.get("validate_by_name"):
        aliases.append(prefixed)
    return aliases if config.get("case_sensitive") else [each.upper() for each in aliases]


def _as_list(names: Any) -> list[str]:
    if names is None:
        return []
    return [str(names)] if isinstance(names, str | os.PathLike) else [str(each) for each in names]


def _class_name(kind: type[BaseException]) -> str:
    """The name of an exception's class, or of the nearest base class that its module defines by that name."""
    # A class created at runtime may have any name, a value too.
    classes = (each for each in kind.__mro__ if getattr(sys.modules.get(each.__module__), each.__name__, None) is each)
    return str(next(classes).__name__)


def _missing(error: BaseException | None) -> str:
    """The module that was not found, if the exception or its cause is a ModuleNotFoundError."""
    while isinstance(error, ImportError):
        if isinstance(error, ModuleNotFoundError) and error.name:
            # A name that is in no source line was computed, perhaps from a value.
            lines = [str(frame.line) for frame in traceback.extract_tb(error.__traceback__)]
            return error.name if any(error.name.partition(".")[0] in line for line in lines) else ""
        error = error.__cause__ or error.__context__
    return ""


def _location(error: BaseException, trace: TracebackType | None) -> str:
    """The application's file and line that raised the exception; "" if none did."""
    here = str(Path.cwd()) + os.sep
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(here):
        return f"{str(error.filename).removeprefix(here)}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(trace) if frame.filename.startswith(here)]
    return f"{frames[-1].filename.removeprefix(here)}, line {frames[-1].lineno}" if frames else ""


def main(dotenv: str) -> None:
    """Report on the original standard output; what the application prints goes to standard error."""
    report = _Report(os.dup(1), dotenv)
    os.dup2(2, 1)
    sys.excepthook = report.fail
    sys.path.insert(0, str(Path.cwd()))
    try:
        if importlib.util.find_spec("pydantic_settings"):
            report.watch()
        report.load()
    except SystemExit:
        report.end({"error": "SystemExit"})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
