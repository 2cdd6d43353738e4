"""The classes of settings in Python's syntax: their lineage, their options and fields, over several files."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import at_home
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.dotenv_loading import path_of
from omc_runbook.repository.python_syntax import (
    constant_name,
    has_as_value,
    is_value,
    last_name,
    parse_python,
    python_errors,
    returned_value,
    statements_in,
    union_members,
)
from omc_runbook.repository.settings_files import is_left_out, paths_in, read_tables
from omc_runbook.repository.settings_search import MAIN_CLASS
from omc_runbook.repository.settings_source import import_folder, repository_of
from omc_runbook.textfile.file import SourceFile, is_inside, read_first, read_if_readable

NAMING = (
    *("env_prefix", "env_prefix_target", "case_sensitive", "env_nested_delimiter", "env_nested_max_split"),
    *("populate_by_name", "validate_by_name", "validate_by_alias", "alias_generator", "fields"),
)
"""Options that decide the names of variables."""

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""A line as Python counts them, with its line ending; a form feed is none."""

FOUNDATION = frozenset({"BaseSettings", "BaseModel", "ABC", "Generic", "object"})
"""Base classes of settings that have no fields."""

_CUSTOMISING = ("settings_customise_sources", "customise_sources")
"""The methods that decide the sources of settings, of pydantic-settings and of pydantic 1."""

SOURCES = ("init_settings", "env_settings", "dotenv_settings", "file_secret_settings")
"""What pydantic-settings gives such a method, in the order of precedence that it has without one."""

_FILE_SOURCES = {
    "TomlConfigSettingsSource": ("toml_file", "toml_table_header", None, None),
    "JsonConfigSettingsSource": ("json_file", "json_table", None, None),
    "YamlConfigSettingsSource": ("yaml_file", "yaml_config_section", None, None),
    "PyprojectTomlConfigSettingsSource": (
        *("toml_file", "pyproject_toml_table_header"),
        *("pyproject.toml", ("tool", "pydantic-settings")),
    ),
}
"""The sources that read a file, with the options of its path and of the table in it, and what these are without one."""

_PRIVATE = re.compile(r"(?i)(?:^|[^a-z])(?:secrets?|local|private)(?:[^a-z]|$)")
"""The name of a file that each machine may have with other settings."""

IN_SECRETS_DIR = "a file in secrets_dir"
"""What may have the value of a field that neither a variable nor the .env has."""

DEEPEST = 40
"""The deepest nesting of constants, and of the expressions in them, that is followed."""

_CONFIGS = ("SettingsConfigDict", "ConfigDict", "dict")
"""The calls whose keywords are the options of a model_config."""

LONGEST = 1000
"""The longest text that is joined, in characters."""

COMPUTED = object()
"""The value of an option that is an expression, known only by running the file."""

OPTIONS = {
    "env_file": None,
    "env_prefix": "",
    "env_prefix_target": "variable",
    "case_sensitive": False,
    "env_ignore_empty": False,
    "env_parse_none_str": None,
    "enable_decoding": True,
    "env_nested_delimiter": None,
    "env_nested_max_split": None,
    "secrets_dir": None,
    "toml_file": None,
    "toml_table_header": None,
    "json_file": None,
    "yaml_file": None,
    "yaml_config_section": None,
    "pyproject_toml_table_header": None,
    "populate_by_name": False,
    "validate_by_name": False,
    "validate_by_alias": True,
    "alias_generator": None,
    "fields": None,
    "extra": "forbid",
    "dotenv_filtering": None,
}
"""The options of model_config that are read, with the defaults of pydantic-settings; `fields` is pydantic 1's."""


_FROM_ELSEWHERE = frozenset({*sys.stdlib_module_names, "pydantic", "pydantic_settings", "typing_extensions"})
"""Packages that no checkout is searched for."""


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
    name = statement.target.id
    return "" if name.startswith("_") or name == "model_config" or _is_class_variable(statement) else name


def class_variables(node: ast.ClassDef) -> frozenset[str]:
    """The names that a class declares as ClassVar, or as Final with a default, so that they are no fields."""
    declared = (each for each in node.body if isinstance(each, ast.AnnAssign) and _is_class_variable(each))
    return frozenset(last_name(each.target) for each in declared)


def _is_class_variable(statement: ast.AnnAssign) -> bool:
    members = union_members(statement.annotation)
    kinds = {last_name(each.value if isinstance(each, ast.Subscript) else each) for each in members}
    value = statement.value
    gives_default = has_default(value) if isinstance(value, ast.Call) else not (value is None or is_value(value, ...))
    return "ClassVar" in kinds or ("Final" in kinds and gives_default)


def has_default(call: ast.Call) -> bool:
    """Whether a call of Field() gives a field a default; an expression counts as one."""
    keywords = {each.arg: each.value for each in call.keywords}
    defaults = [*call.args[:1], *(keywords[name] for name in ("default", "default_factory", None) if name in keywords)]
    return not all(is_value(each, ...) for each in defaults)


class Classes:
    """The top-level classes of a file, those of other files that they use, and the aliases in their imports."""

    def __init__(self, file: SourceFile, main: str = MAIN_CLASS, files: CheckoutFiles | None = None) -> None:
        """Parse a file; raises UsageError if it is not valid Python or has no class of the name `main`."""
        self.file, self.main = file, main
        self._files = files or CheckoutFiles(repository_of(file))
        with python_errors(file):
            self.tree = ast.parse(file.text)
        self.lines: list[str] = LINE.findall(file.text)
        self.nodes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}
        if main not in self.nodes:
            raise UsageError(f"{file.name} has no class {main}: name a checkout of the platform.")
        self.imported_names: dict[str, str] = {}
        self._constants: dict[str, ast.expr] = {}
        self._clashing: set[str] = set()
        self._values: dict[str, object] = {}
        self._lineages: dict[str, list[ast.ClassDef]] = {}
        self._shared_options: dict[str, dict[str, object]] = {}
        self._options_by_class: dict[str, Mapping[str, object]] = {}
        self._other_sources_by_class: dict[str, tuple[Mapping[tuple[str, ...], bool], str]] = {}
        self._functions: dict[str, ast.FunctionDef] = {}
        self._packages_of_settings: set[str] = set()
        self._names_of_others: set[str] = set()
        self._foreign: dict[str, SourceFile] = {}
        self._modules: dict[ast.Name, Path] = {}
        self._included: set[tuple[str, str]] = set()
        all_nodes = [*ast.walk(self.tree)]
        self._calls = [each for each in all_nodes if isinstance(each, ast.Call)]
        self._include(file, self.tree, all_nodes, [*self.nodes.values()])

    def file_of(self, node: ast.ClassDef) -> SourceFile:
        """The file that declares a class."""
        return self._foreign.get(node.name, self.file)

    def _include(
        self, file: SourceFile, tree: ast.Module, nodes: Sequence[ast.AST], definitions: Sequence[ast.ClassDef]
    ) -> None:
        """Include the classes that some classes of a file use from elsewhere, and the aliases of its imports.

        `nodes` are all of the tree.
        """
        imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
        aliases = {alias.asname: alias.name for node in imports for alias in node.names if alias.asname}
        self._packages_of_settings |= {
            str(node.module) for node in imports for alias in node.names if alias.name == "BaseSettings"
        }
        self.imported_names = aliases | self.imported_names
        self._functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)} | self._functions
        names = [node for node in nodes if isinstance(node, ast.Name)]
        self._modules |= {node: file.path for node in names if node.id == "__file__"}
        constants = _constants(tree, names)
        twice = constants.keys() & self._constants.keys()
        self._clashing |= {each for each in twice if ast.dump(constants[each]) != ast.dump(self._constants[each])}
        self._constants = constants | self._constants
        origins = {alias.asname or alias.name: (node, alias.name) for node in imports for alias in node.names}
        own_classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        others = (node for node in imports if (node.module or "").partition(".")[0] != "pydantic_settings")
        self._names_of_others |= {*own_classes, *(alias.name for node in others for alias in node.names)}
        for used in dict.fromkeys(name for node in definitions for name in _used_names(node)):
            if used in own_classes:
                found = (file, tree, own_classes[used]) if file is not self.file else None
            else:
                found = self._find_class(file, *origins[used]) if used in origins else None
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
            self._include(source, module, [*ast.walk(module)], [definition])

    def name(self, node: ast.expr) -> str:
        """The original name of a class or function, with import aliases resolved."""
        bare = node.value if isinstance(node, ast.Subscript) else node
        return self.imported_names.get(bare.id, bare.id) if isinstance(bare, ast.Name) else last_name(bare)

    def lineage(self, name: str) -> list[ast.ClassDef]:
        """A class and its base classes in the file, the nearest first; found once for each class."""
        if name not in self.nodes:
            return []
        if name not in self._lineages:
            node = self.nodes[name]
            # A class that derives from itself, which Python refuses, finds this.
            self._lineages[name] = [node]
            above = [each for base in node.bases for each in self.lineage(self.name(base)) if each is not node]
            self._lineages[name] = [node, *reversed(dict.fromkeys(reversed(above)))]
        return [*self._lineages[name]]

    @property
    def is_pydantic_1(self) -> bool:
        """Whether the settings are pydantic 1's: later versions import them from pydantic_settings."""
        return bool(self._packages_of_settings) and self._packages_of_settings <= {"pydantic", "pydantic.v1"}

    def is_settings(self, name: str) -> bool:
        """Whether a class derives from BaseSettings, directly or through others in the file."""
        return self._derives(name, "BaseSettings")

    def derives_from_main(self, name: str) -> bool:
        """Whether a class derives from the main one, as one of several that the application chooses from may."""
        return name != self.main and self.nodes[self.main] in self.lineage(name)

    def is_model(self, name: str) -> bool:
        """Whether a class derives from BaseModel or BaseSettings."""
        return self._derives(name, "BaseModel") or self.is_settings(name)

    def options(self, lineage: list[ast.ClassDef]) -> Mapping[str, object]:
        """The options that a class or its bases set; `COMPUTED` for an expression."""
        name = lineage[0].name if lineage else ""
        if name not in self._options_by_class:
            self._options_by_class[name] = self._find_options(lineage)
        return self._options_by_class[name]

    def _find_options(self, lineage: list[ast.ClassDef]) -> Mapping[str, object]:
        options: dict[str, object] = {}
        for each in reversed(lineage):
            for statement in filter(is_config, each.body):
                if isinstance(statement, ast.ClassDef):
                    options |= self._options_of_pydantic_1(statement)
                else:
                    options |= self._options(getattr(statement, "value", None))
            options |= {word.arg: self.value(word.value) for word in each.keywords if word.arg in OPTIONS}
        # An argument such as _env_file overrides the option.
        options_of_calls = [
            {name: self.value(words[f"_{name}"]) for name in OPTIONS if f"_{name}" in words}
            for words in (self.arguments(lineage[0].name) if lineage else ())
        ]
        return (
            options | options_of_calls[0]
            if options_of_calls and all(each == options_of_calls[0] for each in options_of_calls)
            else options
        )

    def value(self, node: ast.expr, depth: int = 0) -> object:
        """The value of an expression of literals and of constants of its module; `COMPUTED` for any other.

        Of one that is a path, as Path(__file__).parent / ".env", that is the text.
        """
        if depth > DEEPEST:
            return COMPUTED
        match node:
            case ast.Name() | ast.Attribute() if constant := self.constant(node):
                name = constant_name(node)
                if name not in self._values:
                    # Each is computed once, and one that needs itself has no value.
                    self._values[name] = COMPUTED
                    self._values[name] = self.value(constant, depth + 1)
                return self._values[name]
            case ast.Call(args=[ast.Constant(value=str(text))], keywords=[]) if self.name(node.func) == "Path":
                return text
            case ast.JoinedStr():
                return self._joined(node.values, depth)
            case ast.FormattedValue(conversion=-1, format_spec=None):
                return self.value(node.value, depth + 1)
            case ast.BinOp(op=ast.Add()):
                return self._joined((node.left, node.right), depth)
            case ast.Tuple() | ast.List():
                values = [self.value(each, depth + 1) for each in node.elts]
                return COMPUTED if COMPUTED in values or any(isinstance(each, list) for each in values) else values
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            known = {name: each for name, each in self._constants.items() if name not in self._clashing}
            path = path_of(node, self._modules.get, known)
            return str(path) if path and path.is_absolute() else COMPUTED

    def _joined(self, nodes: Sequence[ast.expr], depth: int) -> object:
        """The text that expressions are joined to; `COMPUTED` where one is none, or for one that no name has."""
        values = [self.value(each, depth + 1) for each in nodes]
        texts = [each for each in values if isinstance(each, str)]
        return "".join(texts) if len(texts) == len(values) and sum(map(len, texts)) <= LONGEST else COMPUTED

    def constant(self, node: ast.expr) -> ast.expr | None:
        """The expression that a module, or a class of it, names once and for all; None for any other expression."""
        name = constant_name(node)
        # Two files may have different ones of a name.
        return None if name in self._clashing else self._constants.get(name)

    def field_call(self, node: ast.expr | None) -> ast.Call | None:
        """The call of Field() that an expression is, or that the function returns which it calls; None for any other.

        Of a function only one in the same file counts, with one return.
        """
        if not isinstance(node, ast.Call):
            return None
        if self.name(node.func) == "Field":
            return node
        function = self._functions.get(last_name(node.func)) if isinstance(node.func, ast.Name) else None
        value = returned_value(function)
        return value if isinstance(value, ast.Call) and self.name(value.func) == "Field" else None

    def _options_of_pydantic_1(self, config: ast.ClassDef) -> dict[str, object]:
        # The Config of a base class is inherited with that class.
        bases = [base for base in map(self.name, config.bases) if base not in FOUNDATION | {"BaseConfig", "Config"}]
        if not self.nodes.keys() >= {*bases}:
            return dict.fromkeys(OPTIONS, COMPUTED)
        nodes = dict.fromkeys(node for base in reversed(bases) for node in reversed(self.lineage(base)))
        return {
            last_name(target): self.value(each.value)
            for node in (*nodes, config)
            for each in node.body
            if isinstance(each, ast.Assign | ast.AnnAssign) and each.value
            for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
            if last_name(target) in OPTIONS
        }

    def _options(self, node: ast.expr | None, depth: int = 0) -> dict[str, object]:
        """The options in the value of a model_config, and in what it takes over from others by ** or |."""
        unknown = dict.fromkeys(OPTIONS, COMPUTED)
        if node is None or depth == DEEPEST:
            return unknown
        if constant := self.constant(node):
            shared = constant_name(node)
            if shared not in self._shared_options:
                self._shared_options[shared] = unknown
                self._shared_options[shared] = self._options(constant, depth + 1)
            return self._shared_options[shared]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._options(node.left, depth + 1) | self._options(node.right, depth + 1)
        if isinstance(node, ast.Call) and self.name(node.func) in _CONFIGS and not node.args:
            # Of a call, what is named overrides what ** brings, wherever that is.
            pairs = sorted(((each.arg, each.value) for each in node.keywords), key=lambda pair: pair[0] is not None)
        elif isinstance(node, ast.Dict):
            keys = [each.value if isinstance(each, ast.Constant) else None for each in node.keys]
            pairs = [(str(key) if key else None, each) for key, each in zip(keys, node.values, strict=True)]
        else:
            # It may set any option.
            return unknown
        options: dict[str, object] = {}
        for name, each in pairs:
            if name is None:
                options |= self._options(each, depth + 1)
            elif name in OPTIONS:
                options[name] = self.value(each)
        return options

    def foreign_bases(self, lineage: list[ast.ClassDef]) -> tuple[str, ...]:
        """The base classes that are defined in other files."""
        names = [self.name(base) for node in lineage for base in node.bases]
        return tuple(dict.fromkeys(name for name in names if name not in self.nodes and name not in FOUNDATION))

    def own_fields(self, node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
        """Yield the fields in the body of a class, with their statements, also those under a condition."""
        for each in statements_in(node.body):
            if isinstance(each, ast.AnnAssign) and (name := field_name(each)):
                yield name, each

    def other_sources(self, lineage: list[ast.ClassDef]) -> tuple[Mapping[tuple[str, ...], bool], str]:
        """What fills a class's fields beside variables and the .env.

        What files of the checkout have, by the path of names, each with whether one has a value for it, other than
        null; and what may fill any other field, in words, "" for nothing.
        """
        name = lineage[0].name if lineage else ""
        if name not in self._other_sources_by_class:
            self._other_sources_by_class[name] = self._find_other_sources(lineage)
        return self._other_sources_by_class[name]

    def _find_other_sources(self, lineage: list[ast.ClassDef]) -> tuple[Mapping[tuple[str, ...], bool], str]:
        if self.options(lineage).get("secrets_dir"):
            return {}, IN_SECRETS_DIR
        method = _customising(lineage)
        given, others = dict[tuple[str, ...], bool](), list[str]()
        if method is None:
            return given, ""
        for source in _own_sources(method):
            # Of several returns, only one may have it.
            is_certain = sum(isinstance(each, ast.Return) for each in ast.walk(method)) == 1
            names, table = self._files_of(source, lineage) if is_certain else (None, ())
            kind = self.name(source.func) if isinstance(source, ast.Call) else ""
            # A function may give several.
            as_class = f"{kind} as " if kind[:1].isupper() else ""
            others += [f"{as_class}a source of {method.name}"] if names is None else []
            for name in names or ():
                files = [*self._beside(name)]
                given |= {path: is_set for file in files for path, is_set in paths_in(read_tables(file, table))}
                others += [] if files else [f"{Path(name).name}, which {method.name} names,"]
        return given, next(iter(others), "")

    def sources(self, lineage: list[ast.ClassDef]) -> tuple[str, ...]:
        """Which of `SOURCES` a class reads, in the order of precedence; all of them where only its code tells."""
        method = _customising(lineage)
        value = returned_value(method)
        if method is None or not isinstance(value, ast.Tuple | ast.List):
            return SOURCES
        # Another decorator may change what is returned.
        if not {"classmethod", "override"}.issuperset(map(last_name, method.decorator_list)):
            return SOURCES
        names = [each.id if isinstance(each, ast.Name) else "" for each in value.elts]
        kinds = _FILE_SOURCES.keys() - self._names_of_others
        calls = [each for each in value.elts if isinstance(each, ast.Call) and self.name(each.func) in kinds]
        known = [name for name in names if name in SOURCES]
        if len(known) + len(calls) < len(names):
            return SOURCES
        # pydantic 1 reads the .env with the variables.
        both = ("env_settings", "dotenv_settings")
        is_1 = method.name == _CUSTOMISING[1]
        return tuple(each for name in known for each in (both if is_1 and name == both[0] else (name,)))

    def _files_of(
        self, source: ast.expr, lineage: list[ast.ClassDef]
    ) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        """The files that a source of pydantic-settings reads, with the path of its table there.

        None in the place of the files for another source, and where they or the table are an expression.
        """
        kind = self.name(source.func) if isinstance(source, ast.Call) else ""
        if not isinstance(source, ast.Call) or kind not in _FILE_SOURCES or kind in self._names_of_others:
            # The checkout may have a class of the same name.
            return None, ()
        file, table, usual_file, usual_table = _FILE_SOURCES[kind]
        options = self.options(lineage)
        values = {file: usual_file or options.get(file), table: options.get(table, usual_table)}
        arguments = {file: source.args[1]} if len(source.args) > 1 else {}
        arguments |= {word.arg: word.value for word in source.keywords if word.arg}
        values |= {name: self.value(node) for name, node in arguments.items()}
        path = file_names(values.get(table))
        names = file_names(values.get(file)) if path is not None else None
        return names, tuple(part for each in path or () for part in each.split("."))

    def _beside(self, name: str) -> Iterator[SourceFile]:
        """The files of a path, as seen from where the application is started, or from a folder on the way to it.

        Not those that a task may lack or have otherwise.
        """
        repository = repository_of(self.file)
        for folder in dict.fromkeys((Path(import_folder(repository, self.file.name)), *Path(self.file.name).parents)):
            path = os.path.relpath(os.path.normpath(repository / folder / name), repository)
            file = read_if_readable(repository, path) if is_inside(path) and not _PRIVATE.search(path) else None
            if file and not is_left_out(repository, path):
                yield file

    def arguments(self, name: str) -> list[dict[str, ast.expr]]:
        """The arguments by keyword of each call that makes an object of a class, in the main file."""
        calls = (each for each in self._calls if last_name(each.func) == name)
        return [{word.arg: word.value for word in call.keywords if word.arg} for call in calls]

    def is_used_as_value(self, name: str) -> bool:
        """Whether the checkout's code has the name of a class outside of annotations, as where it is called."""
        if has_as_value(self.tree, name, self.name):
            return True
        texts = (self._files.text(path) for path in self._files.code if path != self.file.path)
        return any(has_as_value(parse_python(text), name, last_name) for text in texts if name in text)

    def source(self, node: ast.expr, file: SourceFile) -> str:
        """The source of an expression of a file, on one line."""
        if node.lineno != node.end_lineno or file is not self.file:
            return ast.unparse(node)
        return self.lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()

    def _derives(self, name: str, root: str) -> bool:
        return any(self.name(base) == root for each in self.lineage(name) for base in each.bases)

    def _find_class(
        self, file: SourceFile, node: ast.ImportFrom, name: str, depth: int = 5
    ) -> tuple[SourceFile, ast.Module, ast.ClassDef] | None:
        """The class that an import of a file brings, in the checkout's file that defines it; None for any other."""
        source = self._module_of(file, node)
        if source is None or not depth:
            return None
        with python_errors(source):
            tree = ast.parse(source.text)
        for each in ast.walk(tree):
            if isinstance(each, ast.ClassDef) and each.name == name and each in tree.body:
                return source, tree, each
            if isinstance(each, ast.ImportFrom):
                for alias in each.names:
                    if (alias.asname or alias.name) == name:
                        return self._find_class(source, each, alias.name, depth - 1)
        return None

    def _module_of(self, file: SourceFile, node: ast.ImportFrom) -> SourceFile | None:
        """The file of the checkout that an import names; None for a package from elsewhere."""
        repository, parents = repository_of(file), Path(file.name).parents
        if node.level > len(parents):
            return None
        own = parents[node.level - 1] if node.level else Path(import_folder(repository, file.name))
        module = (node.module or "").split(".")
        if source := _read_module(repository, own.joinpath(*module)):
            return source
        if node.level or module[0] in _FROM_ELSEWHERE:
            return None
        found = (_read_module(repository, folder.joinpath(*module)) for folder in self._packages)
        return next(filter(None, found), None)

    @cached_property
    def _packages(self) -> tuple[Path, ...]:
        """The folders within the checkout that the packages of its other projects are imported from."""
        files = self._files
        projects = dict.fromkeys(path.parent for path in files.with_names(("pyproject.toml", "setup.py")))
        return tuple(folder.relative_to(files.root) for project in projects for folder in (project / "src", project))


def _used_names(node: ast.ClassDef) -> Iterator[str]:
    """Yield the names of a class's bases and of its fields' types."""
    yield from map(last_name, node.bases)
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign):
            yield from map(last_name, union_members(statement.annotation))


def _customising(lineage: list[ast.ClassDef]) -> ast.FunctionDef | None:
    """The method that decides the sources of a class of settings; None without one."""
    inner = [each for node in lineage for each in node.body]
    bodies = [inner, *(each.body for each in inner if isinstance(each, ast.ClassDef))]
    methods = (each for body in bodies for each in body if isinstance(each, ast.FunctionDef))
    return next((each for each in methods if each.name in _CUSTOMISING), None)


def _own_sources(method: ast.FunctionDef) -> list[ast.expr]:
    """What a method that decides the sources of settings gives beside those that it is given."""
    own = {each.arg for each in (*method.args.args, *method.args.kwonlyargs)}
    returned = [each.value for each in ast.walk(method) if isinstance(each, ast.Return) and each.value]
    sources = [each for value in returned for each in getattr(value, "elts", [value])]
    return [each for each in sources if not (isinstance(each, ast.Name) and each.id in own)]


def file_names(option: object) -> tuple[str, ...] | None:
    """The paths of an option that has one or several, such as env_file, with ~ expanded; None for an expression."""
    names = (option,) if isinstance(option, str) else () if option is None else option
    if not isinstance(names, tuple | list) or not all(isinstance(each, str) for each in names):
        return None
    # Others stay as they are, such as ./.env.
    return tuple(str(at_home(each)) if each.startswith("~") else each for each in map(str, names))


def _read_module(repository: Path, module: Path) -> SourceFile | None:
    return read_first(repository, (f"{module.as_posix()}.py", (module / "__init__.py").as_posix()))


def _constants(tree: ast.Module, names: Iterable[ast.Name]) -> dict[str, ast.expr]:
    """What a module and its classes name once, by the name, as in PREFIX or Names.KEY; `names` are all in it."""
    counts = Counter(node.id for node in names if isinstance(node.ctx, ast.Store))
    constants = {name: value for name, value in _assignments(tree.body) if counts[name] == 1}
    for node in (each for each in tree.body if isinstance(each, ast.ClassDef)):
        # What its bases set counts in a model_config too.
        is_whole = FOUNDATION.issuperset(map(last_name, node.bases))
        assignments = ((name, value) for name, value in _assignments(node.body) if is_whole or name != "model_config")
        constants |= {f"{node.name}.{name}": value for name, value in assignments}
    return constants


def _assignments(body: Sequence[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for each in body:
        match each:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                yield name, value
