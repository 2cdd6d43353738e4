"""YAML as nodes with their positions in the text, for files that are searched or edited."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from omc_runbook.model.errors import UsageError
from omc_runbook.textfile.file import SourceFile

if TYPE_CHECKING:
    from yaml import SafeLoader
    from yaml.nodes import MappingNode, Node

_LARGEST, _DEEPEST = 200_000, 100
"""How many nodes a document may have with its aliases written out, and how deep they may nest."""


def read_mapping(file: SourceFile) -> MappingNode:
    """The mapping at the top of a file; raises UsageError, without any of its text, if it has none."""
    import yaml

    try:
        node = _compose(file.name, file.text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{file.name}{line} is not valid YAML: fix it first.") from None
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{file.name} is not a mapping.")
    return node


@lru_cache(maxsize=64)
def _compose(name: str, text: str) -> Node | None:
    """The nodes of a file's text, which nobody changes."""
    from omc_runbook.repository.yaml_loader import YamlLoader

    return compose(name, YamlLoader(text))


def compose(name: str, loader: SafeLoader, allows_loops: bool = False) -> Node | None:
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
    from yaml.nodes import SequenceNode

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
    from yaml.nodes import MappingNode

    node = find(node, *path)
    yield from node.value if isinstance(node, MappingNode) else ()


def items(node: Node | None, *path: str) -> tuple[Node, ...]:
    """The items of a sequence, or of the one below some keys; none for another node."""
    from yaml.nodes import SequenceNode

    node = find(node, *path)
    return tuple(node.value) if isinstance(node, SequenceNode) else ()


def texts(node: Node | None, *path: str) -> tuple[str, ...]:
    """The texts of a scalar or of a sequence of scalars, or of one below some keys; none for another node."""
    from yaml.nodes import ScalarNode

    node = find(node, *path)
    nodes = items(node) or ((node,) if node else ())
    return tuple(str(each.value) for each in nodes if isinstance(each, ScalarNode))


def line_of(node: Node) -> int:
    """The line where a node begins, counted from 1."""
    return int(node.start_mark.line) + 1
