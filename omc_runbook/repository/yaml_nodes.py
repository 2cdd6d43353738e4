"""YAML as Docker Compose and GitHub read it, as nodes with their positions in the text."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import yaml
from yaml.events import CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from omc_runbook.model.errors import UsageError
from omc_runbook.textfile.conflict import find_conflict
from omc_runbook.textfile.file import SourceFile

_LARGEST, _DEEPEST = 200_000, 100
"""How many nodes a document may have with its aliases written out, and how deep they may nest."""
_DEEPEST_PARSED = 1000


@lru_cache(maxsize=4)
def _parse(text: str) -> tuple[tuple[yaml.Event, ...], yaml.YAMLError | RecursionError | None]:
    """The events of a text, up to the error in it: of them, first a file's tree and then its nodes are made.

    One nested deeper than Python can follow is not parsed to its end, which would take the square of its depth.
    """
    parser, events, depth = yaml.SafeLoader(text), list[yaml.Event](), 0
    try:
        while event := parser.get_event():  # type: ignore[no-untyped-call]
            events.append(event)
            depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
            if depth > _DEEPEST_PARSED:
                return tuple(events), RecursionError()
    except yaml.YAMLError as error:
        return tuple(events), error
    except (ValueError, OverflowError):
        # Of an escape such as "\UFFFFFFFF", which is no character, PyYAML does not say where it is. Python 3.11 calls
        # that number an overflow.
        mark = parser.get_mark()
        return tuple(events), yaml.scanner.ScannerError(problem="found no character", problem_mark=mark)
    return tuple(events), None


class YamlLoader(yaml.SafeLoader):
    """A loader to which the last anchor of a name counts, and of a list after << the first mapping.

    PyYAML refuses an anchor that is there twice, and some versions take the last mapping. Its parser in C is not used:
    it accepts other texts, and names other lines in its errors.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        (self._events, self._error), self._next = _parse(text), 0

    def peek_event(self) -> yaml.Event | None:
        """The next event, None after the last one; raises as reading the text up to there did."""
        if self._next < len(self._events):
            return self._events[self._next]
        if self._error:
            # It is raised each time that the file is read: without this, its traceback would grow.
            raise self._error.with_traceback(None)
        return None

    def get_event(self) -> yaml.Event | None:
        """The same event, after which the next one is another."""
        event = self.peek_event()
        self._next += 1
        return event

    def check_event(self, *choices: Any) -> bool:
        """Whether there is a next event, of one of these types if there are any."""
        event = self.peek_event()
        return event is not None and (not choices or isinstance(event, choices))

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, whose anchor may have been another one's."""
        event: Any = self.peek_event()
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: Any) -> None:
        """Write out what << has in a mapping."""
        for at, (key, value) in enumerate(node.value):
            merged = value.value if key.value == "<<" and isinstance(value, SequenceNode) else []
            if merged and all(isinstance(each, MappingNode) for each in merged):
                pairs: dict[Any, Any] = {}
                for each in reversed(merged):
                    self.flatten_mapping(each)
                    pairs |= {name.value if isinstance(name.value, str) else name: (name, v) for name, v in each.value}
                node.value[at] = key, MappingNode("tag:yaml.org,2002:map", [*pairs.values()])
        super().flatten_mapping(node)


def read_mapping(file: SourceFile) -> MappingNode:
    """The mapping at the top of a file; raises UsageError, without any of its text, if it has none."""
    try:
        node = _compose(file.name, file.text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        conflict = find_conflict(file.name, file.text)
        raise UsageError(conflict or f"{file.name}{line} is not valid YAML: fix it first.") from None
    if not isinstance(node, MappingNode):
        raise UsageError(f"{file.name} is not a mapping.")
    return node


@lru_cache(maxsize=64)
def _compose(name: str, text: str) -> Node | None:
    """The nodes of a file's text, which nobody changes."""
    return compose(name, YamlLoader(text))


def compose(name: str, loader: yaml.SafeLoader, allows_loops: bool = False) -> Node | None:
    """The node of the document in the file of a name, by a loader of its text; None for an empty one.

    Raises yaml.YAMLError, and UsageError for a document that is nested too deeply, contains itself, or would be too
    large with its aliases written out. With `allows_loops`, a list may contain itself.
    """
    try:
        node: Node | None = loader.get_single_node()
    except RecursionError:
        node, size = None, _LARGEST + 1
    else:
        size = _size(node, {}, 0, allows_loops) if node else 0
    if size > _LARGEST:
        raise UsageError(f"{name} is nested too deeply, or its aliases make it too large: fix it first.")
    return node


def _size(node: Node, sizes: dict[int, int], depth: int, allows_loops: bool) -> int:
    """How many nodes there are with each alias written out; `sizes` are of those that were counted, by id."""
    if id(node) not in sizes:
        # What contains itself is endless.
        sizes[id(node)] = 1 if allows_loops and isinstance(node, SequenceNode) else _LARGEST + 1
        parts = node.value if isinstance(node.value, list) else []
        inner = (each for part in parts for each in (part if isinstance(part, tuple) else (part,)))
        is_shallow = depth < _DEEPEST
        size = 1 + sum(_size(each, sizes, depth + 1, allows_loops) for each in inner) if is_shallow else _LARGEST + 1
        sizes[id(node)] = size
    return sizes[id(node)]


def find(node: Node | None, *path: str) -> Node | None:
    """The value below these keys; None if there is none."""
    for name in path:
        node = next((value for key, value in members(node) if key.value == name), None)
    return node


def members(node: Node | None, *path: str) -> Iterator[tuple[Node, Node]]:
    """Yield the keys and values of a mapping, or of the one below some keys; nothing for another node."""
    node = find(node, *path)
    yield from node.value if isinstance(node, MappingNode) else ()


def items(node: Node | None, *path: str) -> tuple[Node, ...]:
    """The items of a sequence, or of the one below some keys; none for another node."""
    node = find(node, *path)
    return tuple(node.value) if isinstance(node, SequenceNode) else ()


def texts(node: Node | None, *path: str) -> tuple[str, ...]:
    """The texts of a scalar or of a sequence of scalars, or of one below some keys; none for another node."""
    node = find(node, *path)
    nodes = items(node) or ((node,) if node else ())
    return tuple(str(each.value) for each in nodes if isinstance(each, ScalarNode))


def line_of(node: Node) -> int:
    """The line where a node begins, counted from 1."""
    return int(node.start_mark.line) + 1
