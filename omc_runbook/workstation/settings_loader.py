"""The script that loads the application's Settings in a process of its own and answers with names, never with values.

It is started by its path, by the application's own Python, and so uses nothing but the standard library and what the
application itself imports.
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
# Only the texts of an application's own checks are of use; pydantic's say no more than their type.
_TOLD = ("value_error", "assertion_error", "type_error")
_LONGEST = 2000


class _Answer:
    """What is known so far of the Settings that the application made, and the pipe that it goes to."""

    def __init__(self, pipe: int, dotenv: str) -> None:
        self.pipe = pipe
        self.dotenv = dotenv
        self.begun: list[type[Any]] = []
        self.made: dict[type[Any], Any] = {}

    def watch(self) -> None:
        """Note each settings class that is about to be filled: an import that fails leaves no module to ask."""
        from pydantic_settings import BaseSettings

        begin: Any = BaseSettings.__init__

        @functools.wraps(begin)
        def fill(settings: Any, *arguments: Any, **given: Any) -> None:
            kind = type(settings)
            self.begun.append(kind)
            if self.dotenv and kind.model_config.get("env_file") is not None:
                given.setdefault("_env_file", self.dotenv)
            elif self.dotenv:
                # Without a file of its own it has its variables from whoever starts it, as compose does by env_file.
                _inherit(self.dotenv)
            begin(settings, *arguments, **given)
            self.made[kind] = settings

        setattr(BaseSettings, "__init__", fill)  # noqa: B010

    def load(self) -> None:
        """Import the application's configuration and see that its Settings are made, if it did not make them itself."""
        module = importlib.import_module(MODULE)
        kind = getattr(module, "Settings", None)
        if not inspect.isclass(kind):
            self.end({"error": "no-settings"})
        if kind not in self.made:
            kind()
        self.end({"ok": True}, kind)

    def fail(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Tell of an exception that nobody caught, as the interpreter hands it over."""
        told: dict[str, Any] = {"error": _named(kind), "missing": _missing(error), "at": _place(error, trace)}
        if hasattr(error, "errors") and kind.__name__ == "ValidationError":
            told["errors"] = [_told(each) for each in error.errors()]
        else:
            told["said"] = str(error)[:_LONGEST]
        named = [each for each in self.begun if each.__name__ == "Settings"] or self.begun
        self.end(told, named[-1] if named else None)

    def end(self, told: dict[str, Any], kind: type[Any] | None = None) -> NoReturn:
        """Answer in one line and end, whatever threads the application may have begun."""
        if kind is not None:
            told |= self._describe(kind)
        with open(self.pipe, "w", encoding="utf-8") as pipe:  # noqa: PTH123
            pipe.write(json.dumps(told) + "\n")
        sys.stderr.flush()
        os._exit(0)

    def _describe(self, kind: type[Any]) -> dict[str, Any]:
        config = getattr(kind, "model_config", {})
        variables = {name: _variables(name, field, config) for name, field in getattr(kind, "model_fields", {}).items()}
        names = self.dotenv if self.dotenv and config.get("env_file") is not None else config.get("env_file")
        paths = [Path(each).expanduser() for each in _listed(names)]
        files = [path.parent.resolve() / path.name for path in paths]
        settings = self.made.get(kind)
        return {
            "variables": variables,
            "env_files": [[str(each), each.is_file()] for each in files],
            "ignore_empty": bool(config.get("env_ignore_empty")),
            "extra": str(config.get("extra")),
            "filled": _filled(settings, variables, files, config) if settings is not None else [],
        }


def _inherit(dotenv: str) -> None:
    from dotenv import dotenv_values

    for name, value in dotenv_values(dotenv).items():
        os.environ.setdefault(name, value or "")


def _told(error: dict[str, Any]) -> dict[str, Any]:
    kind = str(error["type"])
    said = str(error.get("msg", ""))[:_LONGEST] if kind.startswith(_TOLD) else ""
    return {"loc": [str(part) for part in error["loc"]], "type": kind, "said": said}


def _variables(name: str, field: Any, config: Any) -> list[str]:
    """The variables that fill a field, the first as pydantic names it in its errors."""
    alias = getattr(field, "validation_alias", None) or getattr(field, "alias", None)
    choices = list(getattr(alias, "choices", None) or ([alias] if alias else []))
    aliases = [str(each.path[0]) if hasattr(each, "path") else str(each) for each in choices]
    prefixed = f"{config.get('env_prefix') or ''}{name}"
    if not aliases or config.get("populate_by_name") or config.get("validate_by_name"):
        aliases.append(prefixed)
    return aliases if config.get("case_sensitive") else [each.upper() for each in aliases]


def _listed(names: Any) -> list[str]:
    if names is None:
        return []
    return [str(names)] if isinstance(names, str | os.PathLike) else [str(each) for each in names]


def _filled(settings: Any, variables: dict[str, list[str]], files: list[Path], config: Any) -> list[str]:
    """The fields that have their value from a file or a variable; a validator may have set others."""
    from dotenv import dotenv_values

    given: dict[str, str | None] = {}
    for each in files:
        if each.is_file():
            given |= dotenv_values(each, encoding=config.get("env_file_encoding") or "utf8")
    given |= os.environ
    if not config.get("case_sensitive"):
        given = {name.upper(): value for name, value in given.items()}
    present = {name for name, value in given.items() if value or not config.get("env_ignore_empty")}
    deep = config.get("env_nested_delimiter")
    heads = {name.partition(deep)[0] for name in present} if deep else set()
    return [
        name for name in variables if name in settings.model_fields_set and (present | heads) & set(variables[name])
    ]


def _named(kind: type[BaseException]) -> str:
    """The name of an exception's class, or of the nearest above it that a module has by that name."""
    # One that was made while the program ran may be called anything.
    written = (each for each in kind.__mro__ if getattr(sys.modules.get(each.__module__), each.__name__, None) is each)
    return str(next(written).__name__)


def _missing(error: BaseException | None) -> str:
    """The module or package for want of which an import failed, be it the error itself or what it came from."""
    while isinstance(error, ImportError):
        if isinstance(error, ModuleNotFoundError) and error.name:
            # A name that stands in no file was put together from something, such as a value.
            lines = [str(frame.line) for frame in traceback.extract_tb(error.__traceback__)]
            return error.name if any(error.name.partition(".")[0] in line for line in lines) else ""
        error = error.__cause__ or error.__context__
    return ""


def _place(error: BaseException, trace: TracebackType | None) -> str:
    """Where in the application's own files it happened."""
    here = str(Path.cwd()) + os.sep
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(here):
        return f"{str(error.filename).removeprefix(here)}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(trace) if frame.filename.startswith(here)]
    return f"{frames[-1].filename.removeprefix(here)}, line {frames[-1].lineno}" if frames else ""


def main(dotenv: str) -> None:
    """Answer on what was standard output; what the application prints goes with its warnings."""
    answer = _Answer(os.dup(1), dotenv)
    os.dup2(2, 1)
    sys.excepthook = answer.fail
    sys.path.insert(0, str(Path.cwd()))
    try:
        if importlib.util.find_spec("pydantic_settings"):
            answer.watch()
        answer.load()
    except SystemExit:
        answer.end({"error": "SystemExit"})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
