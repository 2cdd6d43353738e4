"""The application's Settings: which variables fill which field, told from its source and never by running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.repository.classes import MAIN, OPTIONS, UNTOLD, Classes, alternatives, last_name
from omc_runbook.textfile.file import SourceFile, read_source

CONFIG = "backend/app/core/config.py"
"""Where the platform keeps its Settings, within a checkout."""

NAMING = (
    *("env_prefix", "env_prefix_target", "case_sensitive", "env_nested_delimiter"),
    *("populate_by_name", "validate_by_name", "alias_generator"),
)
"""Options without which it cannot be told what variables are called."""


@dataclass(frozen=True)
class Field:
    """A field of a class of settings, and the variables that fill it, the one that counts first."""

    name: str
    variables: tuple[str, ...]
    annotation: str
    """The annotation's source."""
    required: bool
    owner: str
    """The class that reads it; a field that Settings has from a class above it is its own."""
    line: int
    named: bool = True
    """Whether its variables can be told: no option on which they hang is an expression."""


@dataclass(frozen=True)
class Settings:
    """The settings of the application, as a file declares them."""

    file: SourceFile = field(repr=False)
    fields: tuple[Field, ...]
    """The fields of class Settings, then those of the other classes of settings in the file."""
    env_files: tuple[str, ...] | None
    """The files that class Settings reads, as written; None where that is an expression."""
    env_prefix: str
    case_sensitive: bool
    ignore_empty: bool
    extra: str
    untold: tuple[str, ...] = ()
    """Options of class Settings that are expressions: the default stands for them here."""
    vague: tuple[str, ...] = ()
    """A clause on each thing without which it cannot be told what is read, and what it is called."""

    def find(self, variable: str) -> Field | None:
        """The field that a variable fills, before those that it fills only where another variable is not set."""
        wanted = self._cased(variable)
        filled = [each for each in self.fields if wanted in map(self._cased, each.variables)]
        return min(filled, key=lambda each: self._cased(each.variables[0]) != wanted, default=None)

    @property
    def variables(self) -> tuple[str, ...]:
        """The first variable of every field, each once."""
        return tuple(dict.fromkeys(each.variables[0] for each in self.fields))

    @property
    def required(self) -> tuple[str, ...]:
        """The first variable of every field that has no default, each once."""
        return tuple(dict.fromkeys(each.variables[0] for each in self.fields if each.required))

    def _cased(self, variable: str) -> str:
        return variable if self.case_sensitive else variable.upper()


def read_settings(repository: Path) -> Settings:
    """Read the Settings of a checkout of the platform.

    Raises UsageError where there is no such file, no class Settings in it, or where it is no Python.
    """
    file = read_source(repository, CONFIG)
    if file is None:
        raise UsageError(f"{repository} has no {CONFIG}: name a checkout of the platform.")
    return settings_of(file)


def settings_of(file: SourceFile) -> Settings:
    """The Settings that a file declares; raises UsageError where it is no Python or has no class Settings."""
    classes = Classes(file)
    lineage = classes.lineage(MAIN)
    options = classes.options(lineage)
    told = OPTIONS | {name: value for name, value in options.items() if value is not UNTOLD}
    fields = list(_fields(classes, MAIN))
    above = {each.name for each in lineage}
    for name in classes.nodes:
        if name not in above and classes.is_settings(name):
            seen = {(each.line, each.variables) for each in fields}
            fields += (each for each in _fields(classes, name) if (each.line, each.variables) not in seen)
    return Settings(
        file,
        tuple(fields),
        _file_names(options.get("env_file")),
        str(told["env_prefix"] or ""),
        bool(told["case_sensitive"]),
        bool(told["env_ignore_empty"]),
        str(told["extra"]),
        tuple(name for name in OPTIONS if options.get(name) is UNTOLD),
        tuple(why for name in classes.nodes for why in _vague(classes, name)),
    )


def _vague(classes: Classes, name: str) -> Iterator[str]:
    """What of a class of settings cannot be told from its file, though variables hang on it."""
    if name != MAIN and not classes.is_settings(name):
        return
    lineage = classes.lineage(name)
    options = classes.options(lineage)
    yield from (f"{option} of class {name} is an expression" for option in NAMING if options.get(option) is UNTOLD)
    yield from (f"class {name} derives from {base} of another file" for base in classes.unread(lineage))


def _fields(classes: Classes, owner: str) -> Iterator[Field]:
    """The fields of a class, those of the classes above it first."""
    lineage = classes.lineage(owner)
    options = classes.options(lineage)
    told = {name: statement for each in reversed(lineage) for name, statement in classes.declared(each)}
    for name, statement in told.items():
        calls = _calls(classes, statement)
        variables = _variables(classes, name, calls, options)
        nested = _nested(classes, statement.annotation, variables, options.get("env_nested_delimiter"))
        every = [each if options.get("case_sensitive") is True else each.upper() for each in (*variables, *nested)]
        required = _requires(classes, statement, calls)
        shown = classes.source(statement.annotation)
        named = not any(options.get(option) is UNTOLD for option in NAMING)
        yield Field(name, tuple(dict.fromkeys(every)), shown, required, owner, statement.lineno, named)


def _calls(classes: Classes, statement: ast.AnnAssign) -> list[ast.Call]:
    """The calls of Field() that describe a field: in Annotated first, for the assigned one overrides them."""
    annotation = statement.annotation
    told = [statement.value] if statement.value else []
    if isinstance(annotation, ast.Subscript) and classes.name(annotation) == "Annotated":
        told = [*getattr(annotation.slice, "elts", ())[1:], *told]
    return [each for each in told if isinstance(each, ast.Call) and classes.name(each.func) == "Field"]


def _requires(classes: Classes, statement: ast.AnnAssign, calls: list[ast.Call]) -> bool:
    """Whether a field has no default; one that cannot be told is taken for one."""
    plain = statement.value is None or statement.value in calls or _is_ellipsis(statement.value)
    return plain and not any(_gives_default(call) for call in calls)


def _variables(classes: Classes, name: str, calls: list[ast.Call], options: Mapping[str, object]) -> list[str]:
    """The variables of a field: its aliases, or its name after the prefix."""
    words = {word.arg: word.value for call in calls for word in call.keywords}
    told = _aliases(classes, words.get("validation_alias")) or _aliases(classes, words.get("alias"))
    prefix, target = options.get("env_prefix"), options.get("env_prefix_target", "variable")
    head = prefix if isinstance(prefix, str) else ""
    own = name if target == "alias" else f"{head}{name}"
    if target in ("alias", "all"):
        told = [f"{head}{each}" for each in told]
    by_name = options.get("populate_by_name") is True or options.get("validate_by_name") is True
    return [*told, own] if by_name or not told else told


def _aliases(classes: Classes, node: ast.expr | None) -> list[str]:
    """The names in an alias, in the order in which they count."""
    if isinstance(node, ast.Call) and classes.name(node.func) in ("AliasChoices", "AliasPath"):
        choices = node.args if classes.name(node.func) == "AliasChoices" else node.args[:1]
        return [alias for each in choices for alias in _aliases(classes, each)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _nested(
    classes: Classes, annotation: ast.expr, heads: list[str], delimiter: object, seen: tuple[str, ...] = ()
) -> list[str]:
    """The variables that fill the fields of a model that a field holds."""
    found: list[str] = []
    for name in map(last_name, alternatives(annotation)):
        if isinstance(delimiter, str) and delimiter and name not in seen and classes.is_model(name):
            for own, statement in (each for node in classes.lineage(name) for each in classes.declared(node)):
                tails = _variables(classes, own, _calls(classes, statement), {})
                these = [f"{head}{delimiter}{tail}" for head in heads for tail in tails]
                found += these + _nested(classes, statement.annotation, these, delimiter, (*seen, name))
    return found


def _file_names(told: object) -> tuple[str, ...] | None:
    names = (told,) if isinstance(told, str) else () if told is None else told
    texts = isinstance(names, tuple | list) and all(isinstance(each, str) for each in names)
    return tuple(map(str, names)) if texts and isinstance(names, tuple | list) else None


def _is_ellipsis(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _gives_default(call: ast.Call) -> bool:
    words = {word.arg: word.value for word in call.keywords}
    given = [*call.args[:1], *(words[name] for name in ("default", "default_factory", None) if name in words)]
    return any(not _is_ellipsis(each) for each in given)
