"""What the application reads from its environment: the fields of its settings, and the variables of each."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from omc_runbook.repository.code_files import SCRIPTS
from omc_runbook.repository.conditions import Condition
from omc_runbook.textfile.file import SourceFile, read_source

CONFIG = "backend/app/core/config.py"
"""The path of the platform's Settings within a checkout."""

FOLDERS = ("backend", "", "backend/src", "src", "api", "server")
"""The folders that an application is imported from, within a checkout."""

MODULES = ("app/core/config.py", "app/config.py", "app/core/settings.py", "app/settings.py")
"""The modules that Settings are in, within such a folder."""

_IMPORTED = re.compile(r"^(?:from|import)[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True)
class FieldPart:
    """A field, or one of a nested model, as a variable of its own fills it."""

    annotation: str
    """The annotation's source."""
    required: bool
    """Whether it has to have a value, of a nested model where that has to."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a settings class, and its variables in order of precedence."""

    name: str
    variables: tuple[str, ...]
    annotation: str
    """The annotation's source."""
    required: bool
    owner: str = ""
    """The settings class that reads it, "" without one; inherited fields count as the class's own."""
    line: int
    file: str
    """The path within the checkout of the file that declares it."""
    has_known_names: bool = True
    """Whether no option that decides the names of its variables is an expression."""
    nested: Mapping[str, FieldPart] = field(default_factory=dict)
    """Those of the variables that are of a field of a nested model."""
    is_conditional: bool = False
    """Whether a condition in the body of its class decides if there is such a field."""
    doubt: str = ""
    """Why it is uncertain that the field is required where it has no default, as a clause; "" where it is certain."""
    is_local: bool = True
    """Whether what reads it may run on a developer's machine; False for what manage.py's settings leave out."""
    default: str = field(default="", repr=False)
    """Its default, where that is a text in the source."""
    has_default: bool = False
    """Whether it has a default that an empty text would override: any but None or an empty one."""
    refuses_empty: bool = False
    """Whether its value has a `min_length` or a pattern, which an empty text has not."""
    setting: str = ""
    """Without a class of settings, SECRET_KEY where that setting of Django's or Flask's has its value."""

    @property
    def own_variables(self) -> tuple[str, ...]:
        """Those that have its whole value, and not that of a field of a nested model alone."""
        return tuple(each for each in self.variables if each not in self.nested)

    @property
    def required_parts(self) -> tuple[str, ...]:
        """The variables that it needs instead where it is required and nothing has its whole value."""
        return tuple(name for name, part in self.nested.items() if part.required)

    @property
    def reason(self) -> str:
        """Why the application needs the variable, where it is required."""
        reader = "Settings" if self.owner else f"{self.file}, line {self.line},"
        return f"{reader} has no default for it"


@dataclass(frozen=True, kw_only=True)
class SettingsSource:
    """The application's settings as the source declares them.

    Without a class of settings, each variable that the code asks the environment for is a field.
    """

    file: SourceFile | None = field(default=None, repr=False)
    """The file of the main class; None without such a class."""
    name: str = ""
    """The name of the main class; "" without such a class."""
    fields: tuple[Field, ...]
    """The fields of the main class, then those of other settings classes that its file has or uses."""
    env_files: tuple[str, ...] | None = ()
    """The env_file of the main class, as in the source, if it reads it; None if it is an expression."""
    variables_win: bool = True
    """Whether the main class takes a variable before what the .env has for it."""
    env_prefix: str = ""
    case_sensitive: bool = True
    ignore_empty: bool = False
    none_text: str = ""
    """The text that the main class takes for None, as "null"; "" for none."""
    nested_delimiter: str = ""
    """What stands in a variable's name between a field and a part of its value; "" where parts have no variables."""
    secrets_dirs: tuple[str, ...] = ()
    """The folders in which the main class reads a field's value from a file of its name, too; as in the source."""
    from_json: bool = False
    """Whether the main class certainly reads a list from JSON: it has no source of its own and no option against it."""
    forbids_others: bool = False
    """Whether the main class certainly refuses an env_file with a value that it has no field for."""
    is_pydantic_1: bool = False
    """Whether the main class is pydantic 1's."""
    computed_options: tuple[str, ...] = ()
    """Options of the main class that are expressions; their defaults are used here."""
    ambiguities: tuple[str, ...] = ()
    """A clause on each reason why fields or the names of their variables may be unknown."""
    library: str = ""
    """The library that makes the settings without a class of their own."""
    open_prefixes: tuple[str, ...] = ()
    """What variables begin with that the code takes without naming them, as Flask's from_prefixed_env() does."""
    django_settings: str = ""
    """The module of Django's settings that manage.py names, where it leaves others out beside it."""
    conditions: tuple[Condition, ...] = ()
    """Variables that validators require where another one has one of some values."""
    apart_folders: tuple[str, ...] = ()
    """The folders that each of several applications is imported from, where none has the main class; else ()."""

    equal_classes: tuple[str, ...] = ()
    """Other classes of settings in the main one's folder, which has nothing but its place before them."""

    @property
    def are_several(self) -> bool:
        """Whether they are of several classes, none of which is the main one, as of several applications."""
        return self.file is None and any(each.owner for each in self.fields)

    def alias(self, variable: str) -> str:
        """The argument of Field() by which a field of the main class has a variable of another name than its own."""
        return f"{'env' if self.is_pydantic_1 else 'validation_alias'}={variable!r}"

    @property
    def folder(self) -> str:
        """The folder within the checkout that the application is imported from; "" for the top."""
        return import_folder(repository_of(self.file), self.file.name) if self.file else ""

    @property
    def start_folders(self) -> tuple[tuple[str, ...], ...]:
        """The folders below the top in which each application may be started: of src/ the one above it, too."""
        of_each = ((each, posixpath.dirname(each)) for each in self.apart_folders or (self.folder,))
        return tuple((own, above) if posixpath.basename(own) == "src" else (own,) for own, above in of_each)

    @property
    def path(self) -> str:
        """The path of the main class's file within the checkout; "" without such a class."""
        return self.file.name if self.file else ""

    @property
    def path_or_folder(self) -> str:
        """The same, else the folder of all code but scripts which reads a variable, with a slash; "" for the top."""
        files = [each.file for each in self.fields if not each.file.startswith(f"{SCRIPTS}/")]
        folders = {*map(posixpath.dirname, files)} if self.file is None else set()
        folder = posixpath.commonpath(folders) if folders else ""
        return f"{folder}/" if folder else self.path

    def find(self, variable: str) -> Field | None:
        """The field of a variable; of several, the one whose first variable it is."""
        return self._by_variable.get(self._cased(variable))

    def part(self, variable: str) -> FieldPart | None:
        """What a variable is the value of: a field, or a part of its model, which is required only where that is."""
        found = self.find(variable)
        if found is None:
            return None
        parts = {self._cased(name): part for name, part in found.nested.items()}
        part = parts.get(self._cased(variable), FieldPart(found.annotation, True))
        return FieldPart(part.annotation, found.required and part.required)

    def takes(self, variable: str) -> bool:
        """Whether the code takes a variable without naming it."""
        return variable.isascii() and variable.isidentifier() and variable.startswith(self.open_prefixes)

    def takes_file(self, variable: str, files: Collection[str]) -> bool:
        """Whether one of some files in a folder of secrets_dir has a variable's name, in the case that counts."""
        return self._cased(variable) in map(self._cased, files)

    def find_whole(self, variable: str) -> Field | None:
        """The field of whose value a variable is a part; None for none."""
        if not self.nested_delimiter:
            return None
        delimiter = self._cased(self.nested_delimiter)
        parts = self._cased(variable).split(delimiter)
        wholes = (self.find(delimiter.join(parts[:count])) for count in range(1, len(parts)))
        return next(filter(None, wholes), None)

    @cached_property
    def _by_variable(self) -> dict[str, Field]:
        others = {self._cased(name): each for each in reversed(self.fields) for name in each.variables}
        return others | {self._cased(name): each for each in reversed(self.fields) for name in each.variables[:1]}

    def _cased(self, variable: str) -> str:
        return variable if self.case_sensitive else variable.upper()


def import_folder(repository: Path, name: str) -> str:
    """The folder within a checkout that a module, by its path there, is imported from; "" for the top."""
    usual = next((name.removesuffix(each).rstrip("/") for each in MODULES if name.endswith(each)), None)
    if usual is not None:
        return usual
    folder = Path(name).parent
    while folder.name and (repository / folder / "__init__.py").is_file():
        folder = folder.parent
    if folder == Path(name).parent and (file := read_source(repository, name)):
        # A package may do without __init__.py: then its own imports say where it begins.
        packages = _IMPORTED.findall(file.text)
        above = (
            each for each in Path(name).parents if any((repository / each / package).is_dir() for package in packages)
        )
        folder = next(above, folder)
    return "" if folder == Path() else folder.as_posix()


def repository_of(file: SourceFile) -> Path:
    """The checkout that a file is of."""
    parents = file.path.parents
    return parents[min(len(Path(file.name).parts), len(parents)) - 1]
