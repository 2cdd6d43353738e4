"""The syntax of a Terraform file: its blocks and expressions, each with its position in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl_text import plain
from omc_runbook.textfile.conflict import find_conflict
from omc_runbook.textfile.file import SourceFile

if TYPE_CHECKING:
    from lark import Token, Tree

    Branch: TypeAlias = Tree[Token]

Kind = (
    Literal["string", "heredoc", "number", "tuple", "object", "member", "call", "path", "group"]
    | Literal["for", "object-for", "conditional", "index", "attribute", "splat", "binary", "unary", "other"]
)

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
    def is_loop(self) -> bool:
        """Whether it is a for expression, which can make many references of one."""
        return self.kind in ("for", "object-for")

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
    return tuple(_Reader(file).block(each) for body in _trees(tree) for each in _trees(body) if each.data == "block")


@lru_cache(maxsize=512)
def read_attributes(file: SourceFile) -> tuple[Node, ...]:
    """Parse the attributes at the top of a file, as .tfvars has them; raises UsageError if it is not HCL."""
    tree = _parse(file.text, file.name)
    attributes = (child for body in _trees(tree) for child in _trees(body) if child.data == "attribute")
    return tuple(map(_Reader(file).member, attributes))


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
    return _Reader(file, position - len(before)).node(value)


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
        conflict = find_conflict(name, text, line)
        raise UsageError(conflict or f"{name}, line {line} cannot be read as HCL: {advice}.") from None
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


class _Reader:
    """The blocks and expressions of a syntax tree, whose positions are shifted against those of a file."""

    def __init__(self, file: SourceFile, shift: int = 0) -> None:
        self.file, self.text, self.shift = file, file.text, shift

    def block(self, tree: Branch) -> Block:
        """A block with those in it."""
        *header, body = _trees(tree)
        type_, *labels = (self._words(each).strip('"') for each in header)
        attributes = tuple(self.member(child) for child in _trees(body) if child.data == "attribute")
        blocks = tuple(self.block(child) for child in _trees(body) if child.data == "block")
        return Block(type_, tuple(labels), attributes, blocks)

    def member(self, tree: Branch) -> Node:
        """A member of an object, or an attribute of a block."""
        key, value = _trees(tree)
        while key.data in ("object_elem_key", "expr_term") and not isinstance(key.children[0], str):
            (key,) = _trees(key)
        is_literal = key.data in ("identifier", "keyword", "string", "literal_value", "int_lit", "float_lit")
        name = self._words(key).strip('"') if is_literal else ""
        key_node = self._make(key, "string" if key.data == "string" else "path", name)
        parts = (self.node(key) if key.data == "expr_term" else key_node, self.node(value))
        return Node(kind="member", file=self.file, start=key_node.start, end=parts[1].end, name=name, parts=parts)

    def node(self, tree: Branch) -> Node:
        """The expression of a syntax tree; kinds that are not resolved further become "other"."""
        inner, words = list(_trees(tree)), self._words(tree)
        match tree.data:
            case "expr_term":
                is_group = isinstance(tree.children[0], str)
                return self._make(tree, "group", parts=self._nodes(inner)) if is_group else self.node(inner[0])
            case "string":
                return self._make(tree, "string", words[1:-1])
            case "heredoc_template" | "heredoc_template_trim":
                return self._make(tree, "heredoc")
            case "tuple":
                return self._make(tree, "tuple", parts=self._nodes(inner))
            case "object":
                return self._make(tree, "object", parts=tuple(map(self.member, inner)))
            case "function_call":
                arguments = [child for child in inner if child.data == "arguments"]
                spread = any("..." in each.children for each in arguments)
                name = "::".join(self._words(child) for child in inner if child.data == "identifier")
                parts = self._nodes(part for each in arguments for part in _trees(each))
                return self._make(tree, "call", name + "..." * spread, parts)
            case "identifier" | "literal_value":
                return self._make(tree, "path", words)
            case "get_attr_expr_term":
                base = self.node(inner[0])
                attribute = "".join(map(self._words, _trees(inner[1])))
                if base.kind == "path":
                    return self._make(tree, "path", f"{base.name}.{attribute}")
                return self._make(tree, "attribute", attribute, (base,))
            case "int_lit" | "float_lit":
                return self._make(tree, "number", words)
            case "short_index":
                # The number in `list.0`.
                return self._make(tree, "number", words.lstrip("."))
            case "index_expr_term":
                index = [inner[1]] if inner[1].data == "short_index" else _trees(inner[1])
                return self._make(tree, "index", parts=self._nodes((inner[0], *index)))
            case "attr_splat_expr_term" | "full_splat_expr_term":
                attributes = [self._words(child).lstrip(".") for child in _trees(inner[1])]
                return self._make(tree, "splat", ".".join(attributes), (self.node(inner[0]),))
            case "binary_op":
                operator, right = _trees(inner[1])
                return self._make(tree, "binary", self._words(operator), self._nodes((inner[0], right)))
            case "unary_op":
                return self._make(tree, "unary", str(tree.children[0]), self._nodes(inner))
            case "conditional":
                return self._make(tree, "conditional", parts=self._nodes(inner))
            case "for_tuple_expr" | "for_object_expr":
                *variables, collection = _trees(inner[0])
                conditions = [part for child in inner if child.data == "for_cond" for part in _trees(child)]
                results = [child for child in inner[1:] if child.data != "for_cond"]
                # Several values of one key would be grouped.
                is_grouped = "..." in tree.children
                kind: Kind = "for" if tree.data == "for_tuple_expr" else "other" if is_grouped else "object-for"
                names = ",".join(map(self._words, variables))
                return self._make(tree, kind, names, self._nodes((collection, *results, *conditions)))
            case _:
                return self._make(tree, "other")

    def _nodes(self, trees: Iterable[Branch]) -> tuple[Node, ...]:
        return tuple(map(self.node, trees))

    def _make(self, tree: Branch, kind: Kind, name: str = "", parts: tuple[Node, ...] = ()) -> Node:
        start, end = tree.meta.start_pos + self.shift, tree.meta.end_pos + self.shift
        return Node(kind=kind, file=self.file, start=start, end=end, name=name, parts=parts)

    def _words(self, tree: Branch) -> str:
        return self.text[tree.meta.start_pos + self.shift : tree.meta.end_pos + self.shift]
