"""Terraform's syntax in JSON: files as the blocks and values that the native syntax would have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl import DEEPEST, Block, Kind, Node, refuse_deep
from omc_runbook.textfile.conflict import find_conflict
from omc_runbook.textfile.file import SourceFile

JSON = (".tf.json", ".tofu.json")
"""The endings of files in this syntax."""

_LABELS: Mapping[str, int] = {"resource": 2, "data": 2, "provider": 1, "module": 1, "variable": 1, "output": 1}
"""How many labels a block of each type has; one of another type has none."""

_SYNTHESIZED = re.compile(rb'\s*\{\s*"//"\s*:\s*\{\s*"metadata"\s*:\s*\{')
_DECODER = json.JSONDecoder()
_COMMENT = "//"
_BLANK = re.compile(r"[\s,:]*")
_WORD = re.compile(r"[^\s,:\]}]+")
_CHARACTER = re.compile(r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u....|\\.|.", re.DOTALL)
"""A character of a JSON string: a pair of surrogates, an escape, or itself."""


@dataclass(frozen=True)
class JsonString(SourceFile):
    """A string of a JSON file as a text in which its escapes are resolved, and which begins at the same position."""

    start: int
    """The position of its opening quote."""

    @property
    def outer(self) -> SourceFile:
        """The file that it is in."""
        return SourceFile(self.path, self.name, self.raw)

    @cached_property
    def text(self) -> str:
        """The string between quotes, after blanks in place of what is before it."""
        before = self.outer.text
        return re.sub(r"[^\n]", " ", before[: self.start]) + f'"{_DECODER.raw_decode(before, self.start)[0]}"'

    def outer_position(self, position: int) -> int:
        """The position in its file of one in its text."""
        text, at = self.outer.text, self.start + 1
        for _ in range(position - at):
            character = _CHARACTER.match(text, at)
            at = character.end() if character else at
        return at


def is_synthesized(file: SourceFile) -> bool:
    """Whether CDK for Terraform has made a file, as cdktf.out/stacks/NAME/cdk.tf.json."""
    return file.name.endswith(JSON) and _SYNTHESIZED.match(file.raw) is not None


@lru_cache(maxsize=512)
def read_json_blocks(file: SourceFile) -> tuple[Block, ...]:
    """Parse the blocks of a file; raises UsageError, with the line, if it is not valid JSON.

    See https://developer.hashicorp.com/terraform/language/syntax/json
    """
    return tuple(
        block
        for each in _objects(_read(file))
        for member in each.parts
        if member.name != _COMMENT
        for block in _blocks(member.value, member.name, (), _LABELS.get(member.name, 0))
    )


@lru_cache(maxsize=512)
def read_json_values(file: SourceFile) -> tuple[Node, ...]:
    """Parse the members of a file's object, as .tfvars.json has them; raises UsageError if it is not valid JSON."""
    return tuple(member for each in _objects(_read(file)) for member in each.parts)


def _read(file: SourceFile) -> Node:
    try:
        json.loads(file.text)
        node = _Reader(file).read()
    except json.JSONDecodeError as error:
        conflict = find_conflict(file.name, file.text)
        raise UsageError(conflict or f"{file.name}, line {error.lineno} is not valid JSON: fix it first.") from None
    except RecursionError:
        raise UsageError(f"{file.name} is nested too deeply.") from None
    refuse_deep(node, lambda each: each.parts, DEEPEST, file.name)
    return node


class _Reader:
    """The expressions of a JSON file that is valid."""

    def __init__(self, file: SourceFile) -> None:
        self.file, self.text, self.at = file, file.text, 0

    def read(self) -> Node:
        start = self._skip()
        match self.text[start]:
            case "{":
                return self._node("object", start, tuple(self._entries("}", self._member)))
            case "[":
                return self._node("tuple", start, tuple(self._entries("]", self.read)))
            case '"':
                return self._string()
            case _:
                word = _WORD.match(self.text, start)
                self.at = word.end() if word else start + 1
                text = self.text[start : self.at]
                return self._node("path" if text in ("true", "false", "null") else "number", start, name=text)

    def _skip(self) -> int:
        blank = _BLANK.match(self.text, self.at)
        self.at = blank.end() if blank else self.at
        return self.at

    def _entries(self, end: str, read: Callable[[], Node]) -> Iterator[Node]:
        self.at += 1
        while self.text[self._skip()] != end:
            yield read()
        self.at += 1

    def _member(self) -> Node:
        start, key, value = self._skip(), self._string(), self.read()
        return self._node("member", start, (key, value), key.name)

    def _string(self) -> Node:
        """A string; one with escapes is in a text of its own, in which they are resolved."""
        start = self.at
        text, self.at = _DECODER.raw_decode(self.text, start)
        if "\\" not in self.text[start : self.at]:
            return self._node("string", start, name=text)
        file = JsonString(self.file.path, self.file.name, self.file.raw, start)
        return Node(kind="string", file=file, start=start, end=start + len(text) + 2, name=text)

    def _node(self, kind: Kind, start: int, parts: tuple[Node, ...] = (), name: str = "") -> Node:
        return Node(kind=kind, file=self.file, start=start, end=self.at, name=name, parts=parts)


def _blocks(value: Node, type_: str, labels: tuple[str, ...], missing: int) -> Iterator[Block]:
    """The blocks of a type below their labels; one, or several in a list, for each."""
    for each in _objects(value):
        members = tuple(member for member in each.parts if member.name != _COMMENT)
        if missing:
            for member in members:
                yield from _blocks(member.value, type_, (*labels, member.name), missing - 1)
            continue
        # An object may be an attribute's value or a block: the schema of its type tells, which is not known here.
        inner = tuple(block for member in members for block in _blocks(member.value, member.name, (), 0))
        yield Block(type_, labels, members, inner)


def _objects(value: Node) -> tuple[Node, ...]:
    parts = value.parts if value.kind == "tuple" else (value,)
    return tuple(each for each in parts if each.kind == "object")
