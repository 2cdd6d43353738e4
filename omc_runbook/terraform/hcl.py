"""The syntax of a Terraform file: its blocks and expressions, each with its position in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl_text import plain
from omc_runbook.textfile.file import SourceFile

if TYPE_CHECKING:
    from lark import Token, Tree

    Branch: TypeAlias = Tree[Token]

Kind = Literal[
    "string",
    "heredoc",
    "number",
    "tuple",
    "object",
    "member",
    "call",
    "path",
    "group",
    "for",
    "object-for",
    "conditional",
    "index",
    "attribute",
    "splat",
    "binary",
    "unary",
    "other",
]

LINE_ENDS = "new_line_or_comment"
DEEPEST, _DEEPEST_TREE = 100, 400
"""How deep expressions may nest, and the parser's tree, which has several levels for one of theirs."""
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Node:
    """An expression, or a member of an object or a block, from `start` to `end` of its file's text, in characters.

    `name` is a string's text, a number, a member's key, a function's name, a path such as local.a.b, the variables of a
    for expression, an operator, or what follows an index or a splat, such as arn. `parts` are the elements of a tuple,
    the members of an object, a member's key and value, a call's arguments, what an operator or index applies to, or a
    for expression's collection, its key where it makes an object, its result, and its condition.
    """

    kind: Kind
    file: SourceFile = field(repr=False)
    start: int
    end: int
    name: str = field(default="", repr=False)
    parts: tuple[Node, ...] = field(default=(), repr=False)

    @property
    def source(self) -> str:
        """Its text in the file."""
        return self.file.text[self.start : self.end]

    @property
    def line(self) -> int:
        """Its first line, counted from 1."""
        return self.file.text.count("\n", 0, self.start) + 1

    @property
    def location(self) -> str:
        """Its file's name and its line, as a person looks for it."""
        return f"{self.file.name}:{self.line}"

    @property
    def position(self) -> tuple[str, int]:
        """Its file's name and its start: unique in a checkout."""
        return self.file.name, self.start

    @property
    def condition(self) -> Node | None:
        """The condition of a for expression; None without one."""
        results = {"for": 1, "object-for": 2}.get(self.kind, len(self.parts))
        return self.parts[1 + results] if len(self.parts) > 1 + results else None

    @property
    def value(self) -> Node:
        """The value of a member."""
        return self.parts[-1]

    def encloses(self, other: Node) -> bool:
        """Whether another expression is inside this one."""
        return self.file.name == other.file.name and self.start <= other.start and other.end <= self.end

    def argument_of(self, *names: str) -> Node | None:
        """The argument of a call of one of these functions that has one; None for any other expression."""
        is_call = self.kind == "call" and self.name in names and len(self.parts) == 1
        return self.parts[0] if is_call else None

    def member(self, key: str) -> Node | None:
        """The last member of an object with this key."""
        return next((part for part in reversed(self.parts) if part.kind == "member" and part.name == key), None)


@dataclass(frozen=True)
class Block:
    """A block: its type, its labels, its attributes and the blocks in it."""

    type: str
    labels: tuple[str, ...]
    attributes: tuple[Node, ...] = field(repr=False)
    blocks: tuple[Block, ...] = field(default=(), repr=False)

    def find(self, name: str) -> Node | None:
        """An attribute by its name."""
        return next((attribute for attribute in self.attributes if attribute.name == name), None)

    def expression(self, name: str) -> Node | None:
        """The expression of an attribute; None where it has none."""
        attribute = self.find(name)
        return attribute.value if attribute else None

    def ignores(self, argument: str) -> bool:
        """Whether ignore_changes keeps later applies from changing an argument."""
        lists = (block.expression("ignore_changes") for block in self.blocks if block.type == "lifecycle")
        return any({part.name for part in (each.parts or (each,))} & {"all", argument} for each in lists if each)


@lru_cache(maxsize=512)
def read_blocks(file: SourceFile) -> tuple[Block, ...]:
    """Parse the blocks of a file; raises UsageError, with the line, if it cannot be read as HCL."""
    tree = _parse(file.text, file.name)
    return tuple(_block(child, file) for body in _trees(tree) for child in _trees(body) if child.data == "block")


@lru_cache(maxsize=512)
def read_attributes(file: SourceFile) -> tuple[Node, ...]:
    """Parse the attributes at the top of a file, as .tfvars has them; raises UsageError if it is not HCL."""
    tree = _parse(file.text, file.name)
    attributes = (child for body in _trees(tree) for child in _trees(body) if child.data == "attribute")
    return tuple(_member(child, file, 0) for child in attributes)


def read_valid_attributes(file: SourceFile) -> tuple[Node, ...]:
    """The attributes at the top of a file; () for one that is not valid."""
    try:
        return read_attributes(file)
    except UsageError:
        return ()


def read_expression(text: str, file: SourceFile, position: int) -> Node:
    """Parse an expression that begins at a position of a file, from text of the same length as the file has there.

    Raises UsageError if it is not a valid expression.
    """
    before = "x = "
    tree = _parse(before + text, file.name)
    ((_, value),) = (tuple(_trees(attribute)) for body in _trees(tree) for attribute in _trees(body))
    return _node(value, file, position - len(before))


def _parse(text: str, name: str) -> Branch:
    # The grammar takes a second to load.
    import hcl2
    from lark.exceptions import LarkError

    try:
        try:
            tree = hcl2.parses_to_tree(text)
        except LarkError:
            tree = hcl2.parses_to_tree(plain(text))
    except RecursionError:
        raise UsageError(f"{name} is nested too deeply.") from None
    except LarkError as error:
        at = getattr(error, "pos_in_stream", None)
        line = text.count("\n", 0, at if isinstance(at, int) and at >= 0 else len(text)) + 1
        advice = "correct it, or write it in a simpler way if terraform validate accepts it"
        raise UsageError(f"{name}, line {line} cannot be read as HCL: {advice}.") from None
    # What follows a tree down is recursive.
    refuse_deep(tree, _trees, _DEEPEST_TREE, name)
    return tree


def refuse_deep(root: T, children: Callable[[T], Iterable[T]], deepest: int, name: str) -> None:
    """Raise UsageError for a file by its name whose tree has more than so many levels."""
    level = [root]
    for _ in range(deepest):
        level = [child for each in level for child in children(each)]
        if not level:
            return
    raise UsageError(f"{name} is nested too deeply.")


def _trees(tree: Branch) -> Iterator[Branch]:
    """The child trees, without tokens, line ends and comments."""
    return (child for child in tree.children if not isinstance(child, str) and child.data != LINE_ENDS)


def _block(tree: Branch, file: SourceFile) -> Block:
    *header, body = _trees(tree)
    type_, *labels = (_words(each, file).strip('"') for each in header)
    attributes = tuple(_member(child, file, 0) for child in _trees(body) if child.data == "attribute")
    blocks = tuple(_block(child, file) for child in _trees(body) if child.data == "block")
    return Block(type_, tuple(labels), attributes, blocks)


def _member(tree: Branch, file: SourceFile, shift: int) -> Node:
    key, value = _trees(tree)
    while key.data in ("object_elem_key", "expr_term") and not isinstance(key.children[0], str):
        (key,) = _trees(key)
    start, end = _span(key, shift)
    is_literal = key.data in ("identifier", "keyword", "string", "literal_value", "int_lit", "float_lit")
    name = file.text[start:end].strip('"') if is_literal else ""
    key_kind: Kind = "string" if key.data == "string" else "path"
    key_node = Node(kind=key_kind, file=file, start=start, end=end, name=name)
    parts = (_node(key, file, shift) if key.data == "expr_term" else key_node, _node(value, file, shift))
    return Node(kind="member", file=file, start=start, end=parts[1].end, name=name, parts=parts)


def _node(tree: Branch, file: SourceFile, shift: int) -> Node:
    """The expression of a syntax tree; kinds that are not resolved further become "other"."""
    start, end = _span(tree, shift)
    inner = list(_trees(tree))

    def node(kind: Kind, name: str = "", parts: tuple[Node, ...] = ()) -> Node:
        return Node(kind=kind, file=file, start=start, end=end, name=name, parts=parts)

    def nodes(trees: Iterable[Branch]) -> tuple[Node, ...]:
        return tuple(_node(each, file, shift) for each in trees)

    match tree.data:
        case "expr_term":
            is_group = isinstance(tree.children[0], str)
            return node("group", parts=nodes(inner)) if is_group else _node(inner[0], file, shift)
        case "string":
            return node("string", file.text[start + 1 : end - 1])
        case "heredoc_template" | "heredoc_template_trim":
            return node("heredoc")
        case "tuple":
            return node("tuple", parts=nodes(inner))
        case "object":
            return node("object", parts=tuple(_member(each, file, shift) for each in inner))
        case "function_call":
            arguments = [child for child in inner if child.data == "arguments"]
            spread = any("..." in each.children for each in arguments)
            name = "::".join(_words(child, file, shift) for child in inner if child.data == "identifier")
            return node("call", name + "..." * spread, nodes(part for each in arguments for part in _trees(each)))
        case "identifier" | "literal_value":
            return node("path", _words(tree, file, shift))
        case "get_attr_expr_term":
            base = _node(inner[0], file, shift)
            attribute = "".join(_words(child, file, shift) for child in _trees(inner[1]))
            is_path = base.kind == "path"
            return node("path", f"{base.name}.{attribute}") if is_path else node("attribute", attribute, (base,))
        case "int_lit" | "float_lit":
            return node("number", _words(tree, file, shift))
        case "index_expr_term":
            base = _node(inner[0], file, shift)
            is_short = inner[1].data == "short_index"
            return node("index", parts=(base, *nodes([inner[1]] if is_short else _trees(inner[1]))))
        case "short_index":
            # The number in `list.0`.
            return node("number", _words(tree, file, shift).lstrip("."))
        case "attr_splat_expr_term" | "full_splat_expr_term":
            attributes = [_words(child, file, shift).lstrip(".") for child in _trees(inner[1])]
            return node("splat", ".".join(attributes), (_node(inner[0], file, shift),))
        case "binary_op":
            operator, right = _trees(inner[1])
            return node("binary", _words(operator, file, shift), nodes((inner[0], right)))
        case "unary_op":
            return node("unary", str(tree.children[0]), nodes(inner))
        case "conditional":
            return node("conditional", parts=nodes(inner))
        case "for_tuple_expr" | "for_object_expr":
            *variables, collection = _trees(inner[0])
            names = ",".join(_words(child, file, shift) for child in variables)
            conditions = [part for child in inner if child.data == "for_cond" for part in _trees(child)]
            results = [child for child in inner[1:] if child.data != "for_cond"]
            # Several values of one key would be grouped.
            is_grouped = "..." in tree.children
            kind: Kind = "for" if tree.data == "for_tuple_expr" else "other" if is_grouped else "object-for"
            return node(kind, names, nodes((collection, *results, *conditions)))
        case _:
            return node("other")


def _span(tree: Branch, shift: int) -> tuple[int, int]:
    return tree.meta.start_pos + shift, tree.meta.end_pos + shift


def _words(tree: Branch, file: SourceFile, shift: int = 0) -> str:
    start, end = _span(tree, shift)
    return file.text[start:end]
