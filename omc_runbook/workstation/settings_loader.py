"""The script that loads the application's Settings in a process of its own and reports names, never values.

It is run by its path with the application's own Python, so it imports the standard library and the application's
packages only.
"""

import dis
import functools
import importlib
import importlib.util
import inspect
import json
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

# Messages of the application's own validators; pydantic's say no more than their type.
_CUSTOM_ERRORS = ("value_error", "assertion_error", "type_error")
_LONGEST = 2000

_PLAIN, _BREAKING, _OTHER = "omcmark7", "omc/mark7@:#", "omcother"
"""Texts put in the place of a value, to see whether a URL holds it, and whether as it is."""
_IN_URL = re.compile(rf"://[^\s/?#]*{_PLAIN}[^\s/?#]*@|://\S*[?&][^\s=&]*=[^\s&]*{_PLAIN}")
_URL_SECONDS = 5.0
"""How long properties may take, which is after the report is written."""
_DUMMIES = {"int": 1, "float": 1.0, "bool": False, "EmailStr": "omc@example.com", "str": "omc"}


class _Report:
    """The settings classes that the application has instantiated so far, and the pipe to report to.

    `packages` are the folders of packages that were lent to the interpreter, `main` is the name of the main class;
    of the files `dotenv` a later one overrides those before.
    """

    def __init__(self, pipe: int, main: str, dotenv: list[str], packages: list[str]) -> None:
        self.pipe = pipe
        self.main = main
        self.dotenv = dotenv
        self.packages = packages
        self.started: list[type[Any]] = []
        self.instances: dict[type[Any], Any] = {}
        self.files: dict[type[Any], Any] = {}
        """The files that calls name, which override the option of their class."""

    def watch(self) -> None:
        """Record each BaseSettings that is instantiated: an import that fails leaves no module to inspect."""
        from pydantic_settings import BaseSettings

        original: Any = BaseSettings.__init__

        @functools.wraps(original)
        def fill(settings: Any, *arguments: Any, **options: Any) -> None:
            kind = type(settings)
            self.started.append(kind)
            self.files |= {kind: options["_env_file"]} if "_env_file" in options else {}
            if self.dotenv and _reads_file(kind):
                options.setdefault("_env_file", self.dotenv)
            elif self.dotenv:
                # Without an env_file that it reads the application gets its variables from the process that starts it.
                _inherit(self.dotenv)
            original(settings, *arguments, **options)
            self.instances[kind] = settings

        setattr(BaseSettings, "__init__", fill)  # noqa: B010

    def load(self, name: str) -> None:
        """Import the application's configuration, and instantiate the main class if the import does not."""
        module = importlib.import_module(name)
        kind = getattr(module, self.main, None)
        if not inspect.isclass(kind):
            self.end({"error": "no-settings"})
        if kind not in self.instances:
            kind()
        self.end({"ok": True}, kind)

    def fail(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Report an uncaught exception; this is sys.excepthook."""
        report: dict[str, Any] = {"error": _class_name(kind), "missing": _missing(error), "at": _location(error, trace)}
        if hasattr(error, "errors") and kind.__name__ == "ValidationError":
            report["errors"] = [_error(each) for each in error.errors()]
        else:
            report["message"] = str(error)[:_LONGEST]
        classes = [each for each in self.started if each.__name__ == self.main] or self.started
        # A class that another one's default is made of has names of its own.
        refusing = [each for each in self.started if each not in self.instances][-1:]
        self.end(report, classes[-1] if classes else None, refusing)

    def end(
        self, report: dict[str, Any], kind: type[Any] | None = None, refusing: Iterable[type[Any]] = ()
    ) -> NoReturn:
        """Write the report as one line of JSON, what URLs hold as a second, and exit, even if threads still run."""
        if kind is not None:
            report |= self._describe(kind)
        for each in refusing:
            report["variables"] = {**report.get("variables", {}), **_all_variables(each)}
        report["borrowed"] = _borrowed(self.packages)
        with open(self.pipe, "w", encoding="utf-8") as pipe:  # noqa: PTH123
            pipe.write(json.dumps(report) + "\n")
            pipe.flush()
            sys.stderr.flush()
            # What a property prints about a mark is no message of the application.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            timer = threading.Timer(_URL_SECONDS, os._exit, (0,))
            timer.daemon = True
            timer.start()
            kinds = dict.fromkeys((*self.started, *([kind] if kind is not None else ())))
            pipe.write(json.dumps(_find_urls((each, self.instances.get(each)) for each in kinds)) + "\n")
        os._exit(0)

    def _describe(self, kind: type[Any]) -> dict[str, Any]:
        config = getattr(kind, "model_config", {})
        names = self.dotenv or config.get("env_file") if _reads_file(kind) else None
        names = self.files.get(kind, names)
        paths = [Path(each).expanduser() for each in _as_list(names)]
        files = [path.parent.resolve() / path.name for path in paths]
        return {"variables": _all_variables(kind), "env_files": [[str(each), each.is_file()] for each in files]}


def _reads_file(kind: type[Any]) -> bool:
    """Whether a class has an env_file, and its sources are not without it; they are looked at, not called."""
    method = getattr(getattr(kind, "settings_customise_sources", None), "__func__", None)
    is_used = not inspect.isfunction(method)
    if method and not is_used:
        specification = inspect.getfullargspec(method)
        # Python 3.13 loads two names by one instruction.
        loaded = [each.argval for each in dis.get_instructions(method) if "LOAD" in each.opname]
        names = {str(name) for each in loaded for name in (each if isinstance(each, tuple) else (each,))}
        is_used = not names.isdisjoint((specification.varargs, specification.varkw))
        is_used = is_used or any("dotenv" in name.casefold() for name in names)
    return is_used and getattr(kind, "model_config", {}).get("env_file") is not None


def _borrowed(packages: list[str]) -> list[str]:
    """The packages that were lent to the interpreter and that it imported."""
    files = ((name, str(getattr(module, "__file__", None) or "")) for name, module in [*sys.modules.items()])
    folders = tuple(f"{each}{os.sep}" for each in packages)
    return sorted({name.partition(".")[0] for name, file in files if folders and file.startswith(folders)})


def _find_urls(classes: Iterator[tuple[type[Any], Any]]) -> dict[str, Any]:
    """Which variables the properties of settings put into a URL.

    Each with the property, and whether as it is; and which properties a variable's present value makes fail.
    """
    urls: list[list[Any]] = []
    broken: list[list[str]] = []
    for kind, settings in classes:
        instance = settings if settings is not None else _without_values(kind)
        names = [*_properties(kind, instance)] if instance is not None else []
        failing = [each for each in names if settings is not None and _evaluate(settings, each) is None]
        slots = [*_slots(kind, instance)] if names else []
        faulty = {
            variable: [each for each in failing if _evaluate(instance, each, fill(_PLAIN)) is not None]
            for variable, fill in slots
        }
        # A value that makes a property fail would hide what the others do.
        healthy = {name: value for variable, fill in slots if faulty[variable] for name, value in fill(_OTHER).items()}
        for variable, fill in slots:
            broken += [[variable, each] for each in faulty[variable]]
            for each in names:
                plain = _evaluate(instance, each, {**healthy, **fill(_PLAIN)})
                if any(map(_IN_URL.search, plain or ())):
                    breaking = _evaluate(instance, each, {**healthy, **fill(_BREAKING)})
                    urls.append([variable, each, breaking is None or any(_BREAKING in text for text in breaking)])
    return {"urls": urls, "broken": broken}


def _slots(kind: type[Any], instance: Any) -> Iterator[tuple[str, Callable[[str], dict[str, Any]]]]:
    """The variables of a settings class, nested models' included, each with what puts a text into its field."""
    fields, config = getattr(kind, "model_fields", {}), getattr(kind, "model_config", {})
    delimiter = config.get("env_nested_delimiter")
    for name, field in fields.items():
        variable, value = _variables(name, field, config)[0], getattr(instance, name, None)
        if make := _maker(field, value):
            yield variable, functools.partial(_put, name, make)
        for inner, each in getattr(type(value), "model_fields", {}).items() if delimiter else ():
            if make := _maker(each, getattr(value, inner, None)):
                own = _variables(inner, each, {"case_sensitive": config.get("case_sensitive")})[0]
                yield f"{variable}{delimiter}{own}", functools.partial(_put_inside, name, value, inner, make)


def _put(name: str, make: Callable[[str], Any], text: str) -> dict[str, Any]:
    return {name: make(text)}


def _put_inside(name: str, model: Any, inner: str, make: Callable[[str], Any], text: str) -> dict[str, Any]:
    return {name: model.model_copy(update={inner: make(text)})}


def _without_values(kind: type[Any]) -> Any:
    """An instance with the defaults, and anything for what has none; None where there can be none."""
    required = {name: each for name, each in getattr(kind, "model_fields", {}).items() if each.is_required()}
    return _try(lambda: kind.model_construct(**{name: _dummy(each.annotation) for name, each in required.items()}))


def _try(call: Callable[[], Any]) -> Any:
    """What a call returns; None if it raises: the application's own code may raise anything, which ends its thread."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()
    thread.join()
    return results[0] if results else None


def _dummy(annotation: Any) -> Any:
    if hasattr(annotation, "model_fields"):
        return _without_values(annotation)
    if "SecretStr" in str(annotation):
        return _secret("omc")
    return next((value for name, value in _DUMMIES.items() if name in str(annotation)), None)


def _secret(text: str) -> Any:
    from pydantic import SecretStr

    return SecretStr(text)


def _properties(kind: type[Any], instance: Any) -> Iterator[str]:
    """The properties, cached or computed, of the application's own classes; a nested model's after its field's name."""
    kinds = (property, functools.cached_property)
    own = [each for each in kind.__mro__ if not each.__module__.startswith(("pydantic", "builtins"))]
    names = [name for each in own for name, member in vars(each).items() if isinstance(member, kinds)]
    yield from dict.fromkeys((*names, *getattr(kind, "model_computed_fields", {})))
    for name in getattr(kind, "model_fields", {}):
        value = getattr(instance, name, None)
        if hasattr(type(value), "model_fields"):
            yield from (f"{name}.{each}" for each in _properties(type(value), value))


def _maker(field: Any, value: Any) -> Callable[[str], Any] | None:
    """What makes a text a value of a field; None for a field that takes no text."""
    if hasattr(value, "get_secret_value"):
        return type(value) if isinstance(value.get_secret_value(), str) else None
    annotation = str(field.annotation)
    if value is None and "SecretStr" in annotation:
        return _secret
    return str if isinstance(value, str) or (value is None and "str" in annotation.lower()) else None


def _evaluate(settings: Any, name: str, values: dict[str, Any] | None = None) -> list[str] | None:
    """The texts in a property's value, where some fields have other values; None if it raises."""

    def read() -> list[str]:
        value = settings.model_copy(update=values)
        for part in name.split("."):
            for cached in [each for each in vars(value) if each not in type(value).model_fields]:
                del vars(value)[cached]
            value = getattr(value, part)
        return [*_texts(value)]

    texts: list[str] | None = _try(read)
    return texts


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        yield from _texts([*value.values()])
    elif hasattr(value, "get_secret_value"):
        yield from _texts(value.get_secret_value())
    elif hasattr(value, "render_as_string"):
        # SQLAlchemy's URL shows no password in str().
        yield value.render_as_string(hide_password=False)
    else:
        yield str(value)


def _inherit(dotenv: list[str]) -> None:
    from dotenv import dotenv_values

    for path in reversed(dotenv):
        for name, value in dotenv_values(path).items():
            os.environ.setdefault(name, value or "")


def _error(error: dict[str, Any]) -> dict[str, Any]:
    kind = str(error["type"])
    message = str(error.get("msg", ""))[:_LONGEST] if kind.startswith(_CUSTOM_ERRORS) else ""
    return {"loc": [str(part) for part in error["loc"]], "type": kind, "message": message}


def _all_variables(kind: type[Any]) -> dict[str, list[str]]:
    """The variables of each field of a class."""
    fields, config = getattr(kind, "model_fields", {}), getattr(kind, "model_config", {})
    return {name: _variables(name, field, config) for name, field in fields.items()}


def _variables(name: str, field: Any, config: Any) -> list[str]:
    """The variables of a field; the first is the one in pydantic's errors."""
    alias = getattr(field, "validation_alias", None) or getattr(field, "alias", None)
    choices = list(getattr(alias, "choices", None) or ([alias] if alias else []))
    prefix, target = config.get("env_prefix") or "", config.get("env_prefix_target") or "variable"
    before = prefix if target in ("alias", "all") else ""
    aliases = [f"{before}{each.path[0] if hasattr(each, 'path') else each}" for each in choices]
    if config.get("validate_by_alias") is False:
        aliases = []
    if not aliases or config.get("validate_by_name", config.get("populate_by_name")):
        aliases.append(name if target == "alias" else f"{prefix}{name}")
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
    working_folder = str(Path.cwd()) + os.sep
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(working_folder):
        return f"{str(error.filename).removeprefix(working_folder)}, line {error.lineno}"
    frames = [frame for frame in traceback.extract_tb(trace) if frame.filename.startswith(working_folder)]
    return f"{frames[-1].filename.removeprefix(working_folder)}, line {frames[-1].lineno}" if frames else ""


def main(module: str, name: str, dotenv: str, packages: list[str]) -> None:
    """Report on the original standard output; what the application prints goes to standard error.

    `module` is the one with the class `name` of settings, `dotenv` a list in JSON of the files that replace
    those that they read, and `packages` are folders of packages to take those from that the interpreter lacks.
    """
    report = _Report(os.dup(1), name, json.loads(dotenv), packages)
    os.dup2(2, 1)
    # Settings may parse arguments, of which the application gets none.
    del sys.argv[1:]
    sys.excepthook = report.fail
    sys.path.insert(0, str(Path.cwd()))
    sys.path += packages
    try:
        if importlib.util.find_spec("pydantic_settings"):
            report.watch()
        report.load(module)
    except SystemExit:
        report.end({"error": "SystemExit"})


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:])
