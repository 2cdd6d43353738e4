"""YAML as nodes with their positions in the text, for files that are searched or edited."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from omc_runbook.model.errors import UsageError
from omc_runbook.textfile.file import SourceFile

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, Node


def read_mapping(file: SourceFile) -> MappingNode:
    """The mapping at the top of a file; raises UsageError, without any of its text, if it has none."""
    import yaml

    try:
        node = _compose(file.text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{file.name}{line} is not valid YAML: fix it first.") from None
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{file.name} is not a mapping.")
    return node


@lru_cache(maxsize=64)
def _compose(text: str) -> Node | None:
    """The nodes of a text, which nobody changes."""
    import yaml

    return yaml.compose(text, yaml.SafeLoader)


def members(node: Node | None) -> Iterator[tuple[Node, Node]]:
    """Yield the keys and values of a mapping; nothing for another node."""
    from yaml.nodes import MappingNode

    yield from node.value if isinstance(node, MappingNode) else ()


def find(node: Node | None, *path: str) -> Node | None:
    """The value below these keys; None if there is none."""
    for name in path:
        node = next((value for key, value in members(node) if key.value == name), None)
    return node


def items(node: Node | None) -> tuple[Node, ...]:
    """The items of a sequence; none for another node."""
    from yaml.nodes import SequenceNode

    return tuple(node.value) if isinstance(node, SequenceNode) else ()


def texts(node: Node | None) -> tuple[str, ...]:
    """The texts of a scalar or of a sequence of scalars; none for another node."""
    from yaml.nodes import ScalarNode

    nodes = items(node) or ((node,) if node else ())
    return tuple(str(each.value) for each in nodes if isinstance(each, ScalarNode))


def line_of(node: Node) -> int:
    """The line where a node begins, counted from 1."""
    return int(node.start_mark.line) + 1
