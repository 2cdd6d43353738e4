"""The classes of settings in a Python file: how they derive from each other, what they declare, which options they set.

Told from the file's syntax: nothing of it is imported or run.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from omc_runbook.model.errors import UsageError
from omc_runbook.textfile.file import SourceFile

MAIN = "Settings"
"""The class that the application makes its settings from."""

LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""A line as Python counts them, with its end: a form feed ends none."""

FOUNDATION = frozenset({"BaseSettings", "BaseModel", "ABC", "Generic", "object"})
"""What classes of settings derive from, and have no field of."""

UNTOLD = object()
"""Stands for an option that is an expression: only running the file would tell."""

OPTIONS = {
    "env_file": None,
    "env_prefix": "",
    "env_prefix_target": "variable",
    "case_sensitive": False,
    "env_ignore_empty": False,
    "extra": "forbid",
    "env_nested_delimiter": None,
    "populate_by_name": False,
    "validate_by_name": False,
    "alias_generator": None,
}
"""The options that are looked at, with the defaults of pydantic-settings."""


NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What Python raises for a text that it cannot parse."""


def syntax_of(file: SourceFile) -> ast.Module:
    """The syntax of a Python file; raises UsageError, with the line alone, where it is none."""
    try:
        with quietly():
            return ast.parse(file.text)
    except NO_PYTHON as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UsageError(f"{file.name}{line} is not valid Python: mend it first.") from None


def expression(text: str) -> ast.expr | None:
    """The syntax of an expression; None for a text that is none."""
    try:
        with quietly():
            return ast.parse(text.strip(), mode="eval").body
    except NO_PYTHON:
        return None


@contextmanager
def quietly() -> Iterator[None]:
    """Parse or compile without Python's warnings: they would show the line that they are about."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def alternatives(annotation: ast.expr) -> Iterator[ast.expr]:
    """The types that an annotation allows: through unions, Optional, Annotated and quotes."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from alternatives(annotation.left)
        yield from alternatives(annotation.right)
    elif isinstance(annotation, ast.Subscript) and last_name(annotation.value) in ("Optional", "Union", "Annotated"):
        kind = last_name(annotation.value)
        inner = annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice]
        for each in inner[:1] if kind == "Annotated" else inner:
            yield from alternatives(each)
        if kind == "Optional":
            yield ast.Constant(None)
    elif isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        quoted = expression(annotation.value)
        yield from alternatives(quoted) if quoted else [annotation]
    else:
        yield annotation


def last_name(node: ast.expr) -> str:
    """The last word of a name with dots in it; "" for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def config_of(statement: ast.stmt) -> bool:
    """Whether a statement of a class is its model_config, or the inner class that was the same once."""
    if isinstance(statement, ast.ClassDef):
        return statement.name == "Config"
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return any(isinstance(each, ast.Name) and each.id == "model_config" for each in targets)


def declares(statement: ast.stmt) -> str:
    """The name of the field that a statement of a class declares; "" for one that declares none."""
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name) or not statement.simple:
        return ""
    name, kinds = statement.target.id, alternatives(statement.annotation)
    plain = [each.value if isinstance(each, ast.Subscript) else each for each in kinds]
    hidden = name.startswith("_") or name == "model_config" or "ClassVar" in map(last_name, plain)
    return "" if hidden else name


class Classes:
    """The classes at the top of a file, and the names that its imports gave to others."""

    def __init__(self, file: SourceFile) -> None:
        """Read a file; raises UsageError where it is no Python or has no class Settings."""
        self.file = file
        self.tree = syntax_of(file)
        self.lines: list[str] = LINE.findall(file.text)
        self.nodes = {node.name: node for node in self.tree.body if isinstance(node, ast.ClassDef)}
        if MAIN not in self.nodes:
            raise UsageError(f"{file.name} has no class {MAIN}: name a checkout of the platform.")
        imports = (node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom))
        self.known = {alias.asname: alias.name for node in imports for alias in node.names if alias.asname}

    def name(self, node: ast.expr) -> str:
        """The name of a class or function as its own module calls it."""
        bare = node.value if isinstance(node, ast.Subscript) else node
        return self.known.get(bare.id, bare.id) if isinstance(bare, ast.Name) else last_name(bare)

    def lineage(self, name: str, below: tuple[str, ...] = ()) -> list[ast.ClassDef]:
        """A class and those of the file that it derives from, the nearest first."""
        if name not in self.nodes or name in below:
            return []
        node = self.nodes[name]
        above = [each for base in node.bases for each in self.lineage(self.name(base), (*below, name))]
        return [node, *reversed(dict.fromkeys(reversed(above)))]

    def is_settings(self, name: str) -> bool:
        """Whether a class derives from BaseSettings, directly or by way of others of the file."""
        return self._derives(name, "BaseSettings")

    def is_model(self, name: str) -> bool:
        """Whether a class derives from BaseModel, or is a class of settings."""
        return self._derives(name, "BaseModel") or self.is_settings(name)

    def options(self, lineage: list[ast.ClassDef]) -> dict[str, object]:
        """What a class sets of the options, or one above it; an expression is UNTOLD."""
        told: dict[str, object] = {}
        for each in reversed(lineage):
            for statement in filter(config_of, each.body):
                told |= _options(statement)
            told |= {word.arg: _literal(word.value) for word in each.keywords if word.arg in OPTIONS}
        return told

    def unread(self, lineage: list[ast.ClassDef]) -> tuple[str, ...]:
        """The classes of other files that some classes derive from."""
        names = [self.name(base) for node in lineage for base in node.bases]
        return tuple(dict.fromkeys(name for name in names if name not in self.nodes and name not in FOUNDATION))

    def declared(self, node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
        """The fields that the body of a class declares itself."""
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and (name := declares(each)):
                yield name, each

    def source(self, node: ast.expr) -> str:
        """The source of an expression, on one line."""
        if node.lineno != node.end_lineno:
            return ast.unparse(node)
        return self.lines[node.lineno - 1].encode()[node.col_offset : node.end_col_offset].decode()

    def _derives(self, name: str, root: str) -> bool:
        return any(self.name(base) == root for each in self.lineage(name) for base in each.bases)


def _options(statement: ast.stmt) -> dict[str, object]:
    """The options that a model_config sets, or an inner class Config."""
    if isinstance(statement, ast.ClassDef):
        pairs = [
            (target, each.value) for each in statement.body if isinstance(each, ast.Assign) for target in each.targets
        ]
        return {last_name(target): _literal(value) for target, value in pairs if last_name(target) in OPTIONS}
    value = getattr(statement, "value", None)
    if isinstance(value, ast.Call) and not value.args:
        words = [(word.arg, word.value) for word in value.keywords]
    elif isinstance(value, ast.Dict):
        keys = [each.value if isinstance(each, ast.Constant) else None for each in value.keys]
        words = [(key if isinstance(key, str) else None, each) for key, each in zip(keys, value.values, strict=True)]
    else:
        words = [(None, ast.Constant(None))]
    # What stands behind two asterisks may set any of them; those named after it are told all the same.
    told: dict[str, object] = dict.fromkeys(OPTIONS, UNTOLD) if None in dict(words) else {}
    return told | {name: _literal(value) for name, value in words if name in OPTIONS}


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError):
        return UNTOLD
