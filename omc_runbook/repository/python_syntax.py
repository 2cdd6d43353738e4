"""Python's syntax: texts parsed without running them, and the names, texts and values in expressions."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from omc_runbook.model.errors import UsageError
from omc_runbook.textfile.conflict import find_conflict
from omc_runbook.textfile.file import SourceFile

_INVALID = (SyntaxError, ValueError, RecursionError, MemoryError)
"""The exceptions of ast.parse and compile for a text that is not valid Python."""

_OPPOSITES: Mapping[type[ast.cmpop], type[ast.cmpop]] = {ast.In: ast.NotIn, ast.IsNot: ast.Is, ast.NotEq: ast.Eq}


@contextmanager
def without_warnings() -> Iterator[None]:
    """Suppress the warnings of parsing and compiling: they show the source line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def python_errors(file: SourceFile) -> Iterator[None]:
    """Parse or compile a file: raises UsageError, with the line but none of its text, if it is invalid."""
    try:
        with without_warnings():
            yield
    except UnicodeDecodeError:
        raise UsageError(
            f"{file.name} is not UTF-8: save it as UTF-8, without a comment that names its coding."
        ) from None
    except _INVALID as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        conflict = find_conflict(file.name, file.text)
        raise UsageError(conflict or f"{file.name}{line} is not valid Python: fix it first.") from None


def parse_python(text: str) -> ast.Module:
    """Parse a Python file's text; a module without a statement if it is not valid."""
    try:
        with without_warnings():
            return ast.parse(text.removeprefix("\ufeff"))
    except _INVALID:
        return ast.Module([], [])


def parse_expression(text: str) -> ast.expr | None:
    """Parse an expression; None if it is not valid."""
    try:
        with without_warnings():
            return ast.parse(text.strip(), mode="eval").body
    except _INVALID:
        return None


def last_name(node: ast.AST) -> str:
    """The last part of a dotted name; "" for anything else."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def text_of(node: ast.AST) -> str:
    """The text that an expression is; "" for anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def texts_of(nodes: Iterable[ast.AST]) -> list[str]:
    """Those of some nodes that are texts."""
    return [each.value for each in nodes if isinstance(each, ast.Constant) and isinstance(each.value, str)]


def is_value(node: ast.AST | None, value: object) -> bool:
    """Whether an expression is True, False, None or an ellipsis, whichever is asked for."""
    return isinstance(node, ast.Constant) and node.value is value


def assigned(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that those of some nodes give which are assignments, each with the expression."""
    for node in nodes:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def operands(test: ast.expr, operator: type[ast.And | ast.Or]) -> Sequence[ast.expr]:
    """The expressions that `and`, or `or`, joins to a test; the test itself where it is no such."""
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, operator) else [test]


def negated(test: ast.expr) -> ast.expr:
    """What is true where a test is false, as where an assertion fails."""
    match test:
        case ast.Compare(left=left, ops=[operator], comparators=values) if type(operator) in _OPPOSITES:
            return ast.Compare(left, [_OPPOSITES[type(operator)]()], values)
    return ast.UnaryOp(ast.Not(), test)


def in_brackets(node: ast.Subscript) -> Sequence[ast.expr]:
    """What the brackets of an expression have in them, as in dict[str, int]."""
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def union_members(annotation: ast.expr) -> Iterator[ast.expr]:
    """Yield the members of an annotation's union, with Optional, Annotated and quotes resolved."""
    if isinstance(annotation, ast.BinOp) and isinstance(annotation.op, ast.BitOr):
        yield from union_members(annotation.left)
        yield from union_members(annotation.right)
    elif isinstance(annotation, ast.Subscript) and last_name(annotation.value) in ("Optional", "Union", "Annotated"):
        kind = last_name(annotation.value)
        inner = in_brackets(annotation)
        for each in inner[:1] if kind == "Annotated" else inner:
            yield from union_members(each)
        if kind == "Optional":
            yield ast.Constant(None)
    elif isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        quoted = parse_expression(annotation.value)
        yield from union_members(quoted) if quoted else [annotation]
    else:
        yield annotation


def returned_value(function: ast.FunctionDef | None) -> ast.expr | None:
    """What a function returns, where it does so in one place."""
    returned = [each.value for each in ast.walk(function) if isinstance(each, ast.Return)] if function else []
    return returned[0] if len(returned) == 1 else None


def constant_name(node: ast.expr) -> str:
    """The name in an expression that is one, or a class and a name in it; "" for any other."""
    if isinstance(node, ast.Attribute):
        return f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else ""
    return node.id if isinstance(node, ast.Name) else ""


def has_as_value(tree: ast.Module, name: str, name_of: Callable[[ast.expr], str]) -> bool:
    """Whether a module has a name outside of annotations, or gives it another."""
    nodes = [*ast.walk(tree)]
    annotations = [each.annotation for each in nodes if isinstance(each, ast.AnnAssign | ast.arg)]
    annotations += [each.returns for each in nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {inner for each in annotations if each for inner in ast.walk(each)}
    values = (each for each in nodes if isinstance(each, ast.Name | ast.Attribute) and each not in inside)
    is_renamed = any(isinstance(each, ast.alias) and each.name == name and each.asname for each in nodes)
    return is_renamed or any(name_of(each) == name for each in values)


def statements_in(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a class's body, with those under conditions, but for what only type checkers read."""
    for each in body:
        yield each
        is_checked = isinstance(each, ast.If) and last_name(each.test) == "TYPE_CHECKING"
        if isinstance(each, ast.If | ast.Try | ast.With):
            blocks = [] if is_checked else [each.body]
            handlers = each.handlers if isinstance(each, ast.Try) else ()
            blocks += [*(getattr(each, name, []) for name in ("orelse", "finalbody")), *(one.body for one in handlers)]
            yield from (inner for block in blocks for inner in statements_in(block))
