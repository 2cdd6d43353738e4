"""The application's Settings: their fields and the variables of each, parsed from the source without running it."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.repository.conditions import Condition, find_conditions
from omc_runbook.repository.readers import find_environment_reads
from omc_runbook.repository.settings_search import MAIN_CLASS, find_settings_classes, is_main
from omc_runbook.textfile.file import SourceFile, read_source

CONFIG = "backend/app/core/config.py"
"""The path of the platform's Settings within a checkout."""

FOLDERS = ("backend", "", "backend/src", "src", "api", "server")
"""The folders that an application is imported from, within a checkout."""

MODULES = ("app/core/config.py", "app/config.py", "app/core/settings.py", "app/settings.py")
"""The modules that Settings are in, within such a folder."""

NAMING = (
    *("env_prefix", "env_prefix_target", "case_sensitive", "env_nested_delimiter"),
    *("populate_by_name", "validate_by_name", "alias_generator"),
)
"""Options that decide the names of variables."""

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""A line as Python counts them, with its line ending; a form feed is none."""

_IMPORTED = re.compile(r"^(?:from|import)[ \t]+(\w+)", re.MULTILINE)
_CLASS = re.compile(rf"^class[ \t]+{MAIN_CLASS}[ \t]*\(", re.MULTILINE)

FOUNDATION = frozenset({"BaseSettings", "BaseModel", "ABC", "Generic", "object"})
"""Base classes of settings that have no fields."""

COMPUTED = object()
"""The value of an option that is an expression, known only by running the file."""

OPTIONS = {
    "env_file": None,
    "env_prefix": "",
    "env_prefix_target": "variable",
    "case_sensitive": False,
    "env_ignore_empty": False,
    "env_nested_delimiter": None,
    "populate_by_name": False,
    "validate_by_name": False,
    "alias_generator": None,
}
"""The options of model_config that are read, with the defaults of pydantic-settings."""


_INVALID_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
"""The exceptions of ast.parse and compile for a text that is not valid Python."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a settings class, and its variables in order of precedence."""

    name: str
    variables: tuple[str, ...]
    annotation: str
    """The annotation's source."""
    required: bool
    owner: str
    """The settings class that reads it; inherited fields count as the class's own."""
    line: int
    file: str = ""
    """The path within the checkout of the file that declares it."""
    has_known_names: bool = True
    """Whether no option that decides the names of its variables is an expression."""
    nested: Mapping[str, bool] = field(default_factory=dict)
    """Those of the variables that are of a field of a nested model, each with whether it is required where it is."""
    default: str = field(default="", repr=False)
    """Its default, where that is a text in the source."""

    @property
    def reason(self) -> str:
        """Why the application needs the variable, where it is required."""
        return "Settings has no default for it" if self.owner else f"{self.file}, line {self.line}, fails without it"


@dataclass(frozen=True, kw_only=True)
class SettingsSource:
    """The application's settings as the source declares them.

    Without a class of settings, each variable that the code asks the environment for is a field.
    """

    file: SourceFile | None = field(repr=False)
    """The file of the main class; None without such a class."""
    name: str = MAIN_CLASS
    """The name of the main class."""
    fields: tuple[Field, ...]
    """The fields of the main class, then those of other settings classes that its file has or uses."""
    env_files: tuple[str, ...] | None
    """The env_file of the main class, as in the source; None if it is an expression."""
    env_prefix: str
    case_sensitive: bool
    ignore_empty: bool
    computed_options: tuple[str, ...] = ()
    """Options of the main class that are expressions; their defaults are used here."""
    ambiguities: tuple[str, ...] = ()
    """A clause on each reason why fields or the names of their variables may be unknown."""
    conditions: tuple[Condition, ...] = ()
    """Variables that validators require where another one has one of some values."""

    @property
    def folder(self) -> str:
        """The folder within the checkout that the application is imported from; "" for the top."""
        return import_folder(repository_of(self.file), self.file.name) if self.file else ""

    @property
    def path(self) -> str:
        """The path of the main class's file within the checkout; "" without such a class."""
        return self.file.name if self.file else ""

    def find(self, variable: str) -> Field | None:
        """The field of a variable; of several, the one whose first variable it is."""
        return self._by_variable.get(self._cased(variable))

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


def read_settings(repository: Path) -> SettingsSource:
    """Parse the Settings of a checkout: the platform's file, else the class in another one that is its Settings.

    Without such a class, the variables that the code asks the environment for are its fields. Raises UsageError if
    there are none, for several such classes, and for a file that is not valid Python.
    """
    names = [name for module in MODULES for folder in FOLDERS if (name := f"{folder}/{module}".lstrip("/"))]
    for name in (CONFIG, *names):
        if (file := read_source(repository, name)) and _CLASS.search(file.text):
            return parse_settings(file)
    found = find_settings_classes(repository)
    if found and not is_main(found):
        raise UsageError(
            f"{repository} has several classes of settings: {'; '.join(each.label for each in found)}. Set repository"
            " to the folder of the application that is meant."
        )
    sources = [(read_source(repository, each.file), each.name) for each in found]
    main, *others = [parse_settings(file, name) for file, name in sources if file] or [_without_class(repository)]
    known = {(each.file, each.line) for each in main.fields}
    rest = {(each.file, each.line): each for other in others for each in other.fields}
    return replace(main, fields=(*main.fields, *(each for place, each in rest.items() if place not in known)))


def _without_class(repository: Path) -> SettingsSource:
    reads, _ = find_environment_reads(repository, "")
    if not reads and (file := read_source(repository, CONFIG)):
        return parse_settings(file)
    if not reads:
        raise UsageError(
            f"{repository} has no {CONFIG}, no class that derives from BaseSettings, and no code that reads os.environ,"
            " also by starlette, decouple or environs: name a checkout of the platform."
        )
    fields: dict[str, Field] = {}
    for each in sorted(reads, key=lambda read: not read.is_required):
        variable = Field(
            name=each.variable,
            variables=(each.variable,),
            annotation="str",
            required=each.is_required,
            owner="",
            line=each.line,
            file=each.file,
        )
        fields.setdefault(each.variable, variable)
    return SettingsSource(
        file=None,
        name="",
        fields=(*fields.values(),),
        env_files=(),
        env_prefix="",
        case_sensitive=True,
        ignore_empty=False,
    )


def parse_settings(file: SourceFile, name: str = MAIN_CLASS) -> SettingsSource:
    """Parse the settings of a main class in a file, with the classes of other files that it uses.

    Raises UsageError if the file is not valid Python or has no such class.
    """
    classes = Classes(file, name)
    lineage = classes.lineage(name)
    options = classes.options(lineage)
    effective = OPTIONS | {name: value for name, value in options.items() if value is not COMPUTED}
    fields = list(_fields(classes, name))
    main_names = {each.name for each in lineage}
    for other in classes.nodes:
        if other not in main_names and classes.is_settings(other):
            known = {(each.file, each.line, each.variables) for each in fields}
            fields += (each for each in _fields(classes, other) if (each.file, each.line, each.variables) not in known)
    return SettingsSource(
        file=file,
        name=name,
        fields=tuple(fields),
        env_files=_file_names(options.get("env_file")),
        env_prefix=str(effective["env_prefix"] or ""),
        case_sensitive=bool(effective["case_sensitive"]),
        ignore_empty=bool(effective["env_ignore_empty"]),
        computed_options=tuple(name for name in OPTIONS if options.get(name) is COMPUTED),
        conditions=tuple(_conditions(classes, fields)),
        ambiguities=tuple(reason for each in classes.nodes for reason in _ambiguities(classes, each)),
    )


def _conditions(classes: Classes, fields: list[Field]) -> Iterator[Condition]:
    enums = {
        name: {
            target.id: each.value.value
            for each in node.body
            if isinstance(each, ast.Assign) and isinstance(each.value, ast.Constant)
            for target in each.targets
            if isinstance(target, ast.Name) and isinstance(each.value.value, str)
        }
        for name, node in classes.nodes.items()
    }
    for owner in dict.fromkeys(each.owner for each in fields):
        variables = {each.name: each.variables[0] for each in fields if each.owner == owner}
        yield from find_conditions(classes.lineage(owner), enums, variables)


def _ambiguities(classes: Classes, name: str) -> Iterator[str]:
    """Yield the reasons why the fields or variables of a settings class may be unknown."""
    if name != classes.main and not classes.is_settings(name):
        return
    lineage = classes.lineage(name)
    options = classes.options(lineage)
    yield from (f"{option} of class {name} is an expression" for option in NAMING if options.get(option) is COMPUTED)
    yield from (f"class {name} derives from {base} of another file" for base in classes.foreign_bases(lineage))


def _fields(classes: Classes, owner: str) -> Iterator[Field]:
    """The fields of a class, inherited ones first."""
    lineage = classes.lineage(owner)
    options = classes.options(lineage)
    statements = {
        name: (statement, classes.file_of(each))
        for each in reversed(lineage)
        for name, statement in classes.own_fields(each)
    }
    for name, (statement, file) in statements.items():
        calls = _calls(classes, statement)
        variables = _variables(classes, name, calls, options)
        nested = _nested(classes, statement.annotation, variables, options.get("env_nested_delimiter"))
        cased = {
            each: each if options.get("case_sensitive") is True else each.upper() for each in (*variables, *nested)
        }
        yield Field(
            name=name,
            variables=tuple(dict.fromkeys(cased.values())),
            nested={cased[each]: is_required for each, is_required in nested.items()},
            annotation=classes.source(statement.annotation, file),
            required=_is_required(statement, calls),
            owner=owner,
            line=statement.lineno,
            file=file.name,
            default=_default(statement, calls),
            has_known_names=not any(options.get(option) is COMPUTED for option in NAMING),
        )


def _calls(classes: Classes, statement: ast.AnnAssign) -> list[ast.Call]:
    """The calls of Field() for a field: those in Annotated first, since the assigned one overrides them."""
    annotation = statement.annotation
    calls = [statement.value] if statement.value else []
    if isinstance(annotation, ast.Subscript) and classes.name(annotation) == "Annotated":
        calls = [*getattr(annotation.slice, "elts", ())[1:], *calls]
    return [each for each in calls if isinstance(each, ast.Call) and classes.name(each.func) == "Field"]


def _is_required(statement: ast.AnnAssign, calls: list[ast.Call]) -> bool:
    """Whether a field has no default; an expression counts as one."""
    no_value = statement.value is None or statement.value in calls or _is_ellipsis(statement.value)
    return no_value and not any(map(_has_default, calls))


def _default(statement: ast.AnnAssign, calls: list[ast.Call]) -> str:
    keywords = [each.value for call in calls for each in call.keywords if each.arg == "default"]
    nodes = [*([statement.value] if statement.value else []), *(call.args[0] for call in calls if call.args), *keywords]
    texts = [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    return texts[-1] if texts else ""


def _variables(classes: Classes, name: str, calls: list[ast.Call], options: Mapping[str, object]) -> list[str]:
    """The variables of a field: its aliases, or its name after the prefix."""
    keywords = {each.arg: each.value for call in calls for each in call.keywords}
    aliases = _aliases(classes, keywords.get("validation_alias")) or _aliases(classes, keywords.get("alias"))
    option, target = options.get("env_prefix"), options.get("env_prefix_target", "variable")
    prefix = option if isinstance(option, str) else ""
    variable = name if target == "alias" else f"{prefix}{name}"
    if target in ("alias", "all"):
        aliases = [f"{prefix}{each}" for each in aliases]
    by_name = options.get("populate_by_name") is True or options.get("validate_by_name") is True
    return [*aliases, variable] if by_name or not aliases else aliases


def _aliases(classes: Classes, node: ast.expr | None) -> list[str]:
    """The names in an alias, in order of precedence."""
    if isinstance(node, ast.Call) and classes.name(node.func) in ("AliasChoices", "AliasPath"):
        choices = node.args if classes.name(node.func) == "AliasChoices" else node.args[:1]
        return [alias for each in choices for alias in _aliases(classes, each)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _nested(
    classes: Classes, annotation: ast.expr, prefixes: list[str], delimiter: object, above: tuple[str, ...] = ()
) -> dict[str, bool]:
    """The variables of the fields of a nested model, each with whether it is required where the model is.

    `above` are the models that it is nested in.
    """
    nested: dict[str, bool] = {}
    for name in map(last_name, union_members(annotation)):
        if isinstance(delimiter, str) and delimiter and name not in above and classes.is_model(name):
            for member, statement in (each for node in classes.lineage(name) for each in classes.own_fields(node)):
                calls = _calls(classes, statement)
                suffixes, is_required = _variables(classes, member, calls, {}), _is_required(statement, calls)
                variables = [f"{prefix}{delimiter}{suffix}" for prefix in prefixes for suffix in suffixes]
                inner = _nested(classes, statement.annotation, variables, delimiter, (*above, name))
                nested |= dict.fromkeys(variables, is_required and not inner)
                nested |= {each: is_required and needed for each, needed in inner.items()}
    return nested


def _file_names(option: object) -> tuple[str, ...] | None:
    names = (option,) if isinstance(option, str) else () if option is None else option
    texts = isinstance(names, tuple | list) and all(isinstance(each, str) for each in names)
    return tuple(map(str, names)) if texts and isinstance(names, tuple | list) else None


def _is_ellipsis(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _has_default(call: ast.Call) -> bool:
    keywords = {each.arg: each.value for each in call.keywords}
    defaults = [*call.args[:1], *(keywords[name] for name in ("default", "default_factory", None) if name in keywords)]
    return not all(map(_is_ellipsis, defaults))


@contextmanager
def python_errors(name: str) -> Iterator[None]:
    """Parse or compile a file of this name: raises UsageError, with the line but none of its text, if it is invalid."""
    try:
        with _without_warnings():
            yield
    except _INVALID_PYTHON as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UsageError(f"{name}{line} is not valid Python: fix it first.") from None


def parse_expression(text: str) -> ast.expr | None:
    """Parse an expression; None if it is not valid."""
    try:
        with _without_warnings():
            return ast.parse(text.strip(), mode="eval").body
    except _INVALID_PYTHON:
        return None


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppress the warnings of parsing and compiling: they show the source line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def union_members(annotation: ast.expr) -> Iterator[ast.expr]:
    """Yield the members of an annotation's union, with Optional, Annotated and quotes resolved."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from union_members(annotation.left)
        yield from union_members(annotation.right)
    elif isinstance(annotation, ast.Subscript) and last_name(annotation.value) in ("Optional", "Union", "Annotated"):
        kind = last_name(annotation.value)
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        for each in inner[:1] if kind == "Annotated" else inner:
            yield from union_members(each)
        if kind == "Optional":
            yield ast.Constant(None)
    elif isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        quoted = parse_expression(annotation.value)
        yield from union_members(quoted) if quoted else [annotation]
    else:
        yield annotation


def last_name(node: ast.expr) -> str:
    """The last part of a dotted name; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def is_config(statement: ast.stmt) -> bool:
    """Whether a statement of a class is its model_config, or the inner class Config of pydantic 1."""
    if isinstance(statement, ast.ClassDef):
        return statement.name == "Config"
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return any(isinstance(each, ast.Name) and each.id == "model_config" for each in targets)


def field_name(statement: ast.stmt) -> str:
    """The name of the field that a statement of a class declares; "" for none."""
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name) or not statement.simple:
        return ""
    name, kinds = statement.target.id, union_members(statement.annotation)
    plain = [each.value if isinstance(each, ast.Subscript) else each for each in kinds]
    hidden = name.startswith("_") or name == "model_config" or "ClassVar" in map(last_name, plain)
    return "" if hidden else name


class Classes:
    """The top-level classes of a file, those of other files that they use, and the aliases in their imports."""

    def __init__(self, file: SourceFile, main: str = MAIN_CLASS) -> None:
        """Parse a file; raises UsageError if it is not valid Python or has no class of the name `main`."""
        self.file, self.main = file, main
        with python_errors(file.name):
            self.tree = ast.parse(file.text)
        self.lines: list[str] = LINE.findall(file.text)
        self.nodes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}
        if main not in self.nodes:
            raise UsageError(f"{file.name} has no class {main}: name a checkout of the platform.")
        self.imported_names: dict[str, str] = {}
        self._foreign: dict[str, SourceFile] = {}
        self._included: set[tuple[str, str]] = set()
        self._include(file, self.tree, [*self.nodes.values()])

    def file_of(self, node: ast.ClassDef) -> SourceFile:
        """The file that declares a class."""
        return self._foreign.get(node.name, self.file)

    def _include(self, file: SourceFile, tree: ast.Module, definitions: Sequence[ast.ClassDef]) -> None:
        """Include the classes that some classes of a file use from elsewhere, and the aliases of its imports."""
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        aliases = {alias.asname: alias.name for node in imports for alias in node.names if alias.asname}
        self.imported_names = aliases | self.imported_names
        origins = {alias.asname or alias.name: (node, alias.name) for node in imports for alias in node.names}
        here = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        for used in dict.fromkeys(name for node in definitions for name in _used_names(node)):
            if used in here:
                found = (file, tree, here[used]) if file is not self.file else None
            else:
                found = _find_class(file, *origins[used]) if used in origins else None
            if found is None or (found[0].name, found[2].name) in self._included or found[0].name == self.file.name:
                continue
            source, module, definition = found
            self._included.add((source.name, definition.name))
            if definition.name in self.nodes:
                # Two classes of one name: the other one gets its own.
                definition.name = f"{source.name}:{definition.name}"
            if used != definition.name:
                self.imported_names[used] = definition.name
            self.nodes[definition.name], self._foreign[definition.name] = definition, source
            self._include(source, module, [definition])

    def name(self, node: ast.expr) -> str:
        """The original name of a class or function, with import aliases resolved."""
        bare = node.value if isinstance(node, ast.Subscript) else node
        return self.imported_names.get(bare.id, bare.id) if isinstance(bare, ast.Name) else last_name(bare)

    def lineage(self, name: str, below: tuple[str, ...] = ()) -> list[ast.ClassDef]:
        """A class and its base classes in the file, the nearest first."""
        if name not in self.nodes or name in below:
            return []
        node = self.nodes[name]
        above = [each for base in node.bases for each in self.lineage(self.name(base), (*below, name))]
        return [node, *reversed(dict.fromkeys(reversed(above)))]

    def is_settings(self, name: str) -> bool:
        """Whether a class derives from BaseSettings, directly or through others in the file."""
        return self._derives(name, "BaseSettings")

    def is_model(self, name: str) -> bool:
        """Whether a class derives from BaseModel or BaseSettings."""
        return self._derives(name, "BaseModel") or self.is_settings(name)

    def options(self, lineage: list[ast.ClassDef]) -> dict[str, object]:
        """The options that a class or its bases set; `COMPUTED` for an expression."""
        options: dict[str, object] = {}
        for each in reversed(lineage):
            for statement in filter(is_config, each.body):
                options |= _options(statement)
            options |= {word.arg: _literal(word.value) for word in each.keywords if word.arg in OPTIONS}
        return options

    def foreign_bases(self, lineage: list[ast.ClassDef]) -> tuple[str, ...]:
        """The base classes that are defined in other files."""
        names = [self.name(base) for node in lineage for base in node.bases]
        return tuple(dict.fromkeys(name for name in names if name not in self.nodes and name not in FOUNDATION))

    def own_fields(self, node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
        """Yield the fields in the body of a class, with their statements."""
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and (name := field_name(each)):
                yield name, each

    def source(self, node: ast.expr, file: SourceFile) -> str:
        """The source of an expression of a file, on one line."""
        if node.lineno != node.end_lineno or file is not self.file:
            return ast.unparse(node)
        return self.lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()

    def _derives(self, name: str, root: str) -> bool:
        return any(self.name(base) == root for each in self.lineage(name) for base in each.bases)


def _used_names(node: ast.ClassDef) -> Iterator[str]:
    """Yield the names of a class's bases and of its fields' types."""
    yield from map(last_name, node.bases)
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign):
            yield from map(last_name, union_members(statement.annotation))


def _find_class(
    file: SourceFile, node: ast.ImportFrom, name: str, depth: int = 5
) -> tuple[SourceFile, ast.Module, ast.ClassDef] | None:
    """The class that an import of a file brings, in the checkout's file that defines it; None for any other."""
    source = _module_of(file, node)
    if source is None or not depth:
        return None
    with python_errors(source.name):
        tree = ast.parse(source.text)
    for each in ast.walk(tree):
        if isinstance(each, ast.ClassDef) and each.name == name and each in tree.body:
            return source, tree, each
        if isinstance(each, ast.ImportFrom):
            for alias in each.names:
                if (alias.asname or alias.name) == name:
                    return _find_class(source, each, alias.name, depth - 1)
    return None


def _module_of(file: SourceFile, node: ast.ImportFrom) -> SourceFile | None:
    """The file of the checkout that an import names; None for a package from elsewhere."""
    repository, parents = repository_of(file), Path(file.name).parents
    if node.level > len(parents):
        return None
    folder = parents[node.level - 1] if node.level else Path(import_folder(repository, file.name))
    module = folder.joinpath(*(node.module or "").split("."))
    names = (f"{module.as_posix()}.py", (module / "__init__.py").as_posix())
    return next((source for name in names if (source := read_source(repository, name))), None)


def _options(statement: ast.stmt) -> dict[str, object]:
    """The options that a model_config sets, or an inner class Config."""
    if isinstance(statement, ast.ClassDef):
        return {
            last_name(target): _literal(each.value)
            for each in statement.body
            if isinstance(each, ast.Assign)
            for target in each.targets
            if last_name(target) in OPTIONS
        }
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call) and not value.args:
        pairs = [(each.arg, each.value) for each in value.keywords]
    elif isinstance(value, ast.Dict):
        keys = [each.value if isinstance(each, ast.Constant) else None for each in value.keys]
        pairs = [(key if isinstance(key, str) else None, each) for key, each in zip(keys, value.values, strict=True)]
    else:
        pairs = [(None, ast.Constant(None))]
    # A ** argument may set any option; those named after it override it.
    options: dict[str, object] = dict.fromkeys(OPTIONS, COMPUTED) if None in dict(pairs) else {}
    return options | {name: _literal(value) for name, value in pairs if name in OPTIONS}


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return COMPUTED
