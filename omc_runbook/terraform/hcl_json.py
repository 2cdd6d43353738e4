"""Terraform's syntax in JSON: a *.tf.json file as the blocks that the native syntax would have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl import Block, Kind, Node
from omc_runbook.textfile.file import SourceFile

JSON = (".tf.json", ".tofu.json")
"""The endings of files in this syntax."""

_LABELS: Mapping[str, int] = {"resource": 2, "data": 2, "provider": 1, "module": 1, "variable": 1, "output": 1}
"""How many labels a block of each type has; one of another type has none."""

_DECODER = json.JSONDecoder()
_COMMENT = "//"
_BLANK = re.compile(r"[\s,:]*")
_WORD = re.compile(r"[^\s,:\]}]+")


@lru_cache(maxsize=512)
def read_json_blocks(file: SourceFile) -> tuple[Block, ...]:
    """Parse the blocks of a file; raises UsageError, with the line, if it is not valid JSON.

    See https://developer.hashicorp.com/terraform/language/syntax/json
    """
    try:
        json.loads(file.text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{file.name}, line {error.lineno} is not valid JSON: fix it first.") from None
    except RecursionError:
        raise UsageError(f"{file.name} is nested too deeply.") from None
    root = _Reader(file).read()
    return tuple(
        block
        for each in _objects(root)
        for member in each.parts
        if member.name != _COMMENT
        for block in _blocks(member.value, member.name, (), _LABELS.get(member.name, 0))
    )


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
        """A string, as one of a file in which its escapes are resolved, on the same line."""
        line = self.text.count("\n", 0, self.at)
        text, self.at = _DECODER.raw_decode(self.text, self.at)
        raw = "\n" * line + f'"{text}"'
        file = SourceFile(self.file.path, self.file.name, raw.encode("utf-8", "replace"))
        return Node(kind="string", file=file, start=line, end=len(raw), name=text)

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
