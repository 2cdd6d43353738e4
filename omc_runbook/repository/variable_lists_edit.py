"""Adding a variable to a list of them: the `environment:` of a service in Compose, or the `env:` of a workflow."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from yaml.nodes import Node

from omc_runbook.model.errors import CannotEdit, UsageError
from omc_runbook.model.grouping import next_in_order
from omc_runbook.repository import yaml_nodes
from omc_runbook.repository.variable_lists import ENV, VariableList, merged_mappings, names_in
from omc_runbook.textfile.file import Edit, SourceFile

_KEYS = ("env", "environment")
_INTERPOLATION = re.compile(r"\$\{(?P<name>\w+)(?:(?P<operator>:?[-?])[^{}]*)?\}|\$(?P<plain>\w+)")
_SECRET = re.compile(r"\$\{\{\s*secrets\.(?P<name>\w+)\s*\}\}")


@dataclass(frozen=True)
class _Entry:
    """An entry that does nothing but pass its variable on."""

    name: str
    text: str
    """Its text in the file, on one line."""
    indent: str
    operator: str
    """As in Compose's ${NAME:?…}; "" for none."""

    def for_variable(self, name: str, required: bool) -> str:
        """The same for another variable; optional, without a default and without a demand."""
        text = self.text
        if self.operator and not (required and self.operator.endswith("?")):
            end = "}" if required else "-}"
            text = _INTERPOLATION.sub(lambda match: f"${{{match['name']}{end}", text)
        return re.sub(rf"\b{re.escape(self.name)}\b", name, text)


def add_variable(file: SourceFile, variables: VariableList, name: str, required: bool) -> Edit:
    """Make the edit that adds a variable to a list, in the form of one that is there: as the last, or in its order.

    Every other byte stays. Raises CannotEdit where no entry shows the form, or where more than this list would change.
    """
    where = f"{file.name}, line {variables.line}"
    before = yaml_nodes.read_mapping(file)
    lists = [(key, node) for key, node in _lists(before) if names_in(node) == variables.variables]
    at_line = {id(node): node for key, node in lists if variables.line in map(yaml_nodes.line_of, (key, node))}
    (node,) = at_line.values() if len(at_line) == 1 else (None,)
    entries = [*_entries(file, node, variables.owner == ENV)] if node else []
    if node and not entries:
        # All that it has may be in one anchor, as in environment: {<<: *all}.
        (node,) = merged if len(merged := [*merged_mappings(node)]) == 1 else (None,)
        entries = [*_entries(file, node, False)] if node else []
    if not (node and entries) or getattr(node, "flow_style", False):
        raise CannotEdit(f"{where}: no entry of this list alone shows the form of one more.")
    same = [entry for entry in entries if entry.operator.endswith("?") == required]
    sample = (same or entries)[-1]
    head = file.text[: _position(file.text, node, name)]
    start = head if head.endswith("\n") else head + file.newline
    new = f"{sample.indent}{sample.for_variable(name, required)}{file.newline}"
    edit = file.with_text(f"{start}{new}{file.text[len(head) :]}", "")
    try:
        after = yaml_nodes.read_mapping(SourceFile(file.path, file.name, edit.after))
    except UsageError:
        raise CannotEdit(f"{where}: one more line would not be valid YAML there.") from None
    old, new_leaves = Counter(_leaves(before)), Counter(_leaves(after))
    # What stands in an extension of Compose's, as x-env, reaches nothing but where its alias is.
    reached = [path for path, *_ in (new_leaves - old).elements() if not path.startswith("/x-")]
    if len(reached) != 1 or old - new_leaves:
        raise CannotEdit(f"{where}: more than this list would change.")
    who = "the workflow's env" if variables.owner == ENV else f"the environment of service {variables.owner}"
    return Edit(file, edit.after, f"{name} in {who}")


def _lists(node: Node) -> Iterator[tuple[Node, Node]]:
    """The lists of variables in a file, with their keys; one that several places share comes several times."""
    for key, value in yaml_nodes.members(node):
        if key.value in _KEYS:
            yield key, value
        else:
            yield from _lists(value)
    for item in yaml_nodes.items(node):
        yield from _lists(item)


def _entries(file: SourceFile, node: Node, is_workflow: bool) -> Iterator[_Entry]:
    """The entries that pass on a variable of the same name, each on a line of its own."""
    for key, value in yaml_nodes.members(node):
        if isinstance(value.value, str):
            yield from _entry(file, str(key.value), (key, value), value.value, is_workflow)
    for item in yaml_nodes.items(node):
        name, _, text = str(item.value).partition("=")
        yield from _entry(file, name, (item, item), text, is_workflow)


def _entry(file: SourceFile, name: str, ends: tuple[Node, Node], value: str, is_workflow: bool) -> Iterator[_Entry]:
    start = file.text.rfind("\n", 0, ends[0].start_mark.index) + 1
    line = file.text[start : ends[1].end_mark.index]
    indent = line[: len(line) - len(line.lstrip())]
    match = (_SECRET if is_workflow else _INTERPOLATION).fullmatch(value)
    names = set(filter(None, match.groupdict().values())) if match else set()
    is_plain = name in names or (not value and not is_workflow)
    mark = "- " if ends[0] is ends[1] else ""
    before = file.text[start : ends[0].start_mark.index]
    if is_plain and "\n" not in line and before.split() == mark.split():
        operator = match.groupdict().get("operator") if match else ""
        yield _Entry(name, line.lstrip(), indent, operator or "")


def _position(text: str, node: Node, name: str) -> int:
    """Where a list's new entry begins: in alphabetical order where the list has one, else at its end."""
    nodes = [*yaml_nodes.items(node), *(key for key, _ in yaml_nodes.members(node))]
    following = next_in_order(names_in(node), name)
    start = next((text.rfind("\n", 0, each.start_mark.index) + 1 for each in nodes if _name(each) == following), 0)
    # What a comment above an entry says is of that one, and so is a dash.
    above = text[:start].rstrip("\r\n").rpartition("\n")[2].lstrip()
    return start if start and above[:1] != "#" and above.rstrip() != "-" else _end_of_line(text, node)


def _name(entry: Node) -> str:
    return str(entry.value).partition("=")[0]


def _end_of_line(text: str, node: Node) -> int:
    """The end of the line of a list's last entry, with its line feed."""
    key, value = [*((item, item) for item in yaml_nodes.items(node)), *yaml_nodes.members(node)][-1]
    # An alias, as in <<: *all, is the node where its anchor is, maybe far above.
    end = max(key.end_mark.index, value.end_mark.index)
    if text[:end].endswith("\n"):
        return end  # of a block of several lines
    following = text.find("\n", end)
    return following + 1 if following >= 0 else len(text)


def _leaves(node: Node, path: str = "") -> Iterator[tuple[str, str, str]]:
    """The texts of a tree, each with its path and its tag."""
    for key, value in yaml_nodes.members(node):
        yield from _leaves(value, f"{path}/{key.value}")
    for item in yaml_nodes.items(node):
        # The numbers of those after a new one change.
        yield from _leaves(item, f"{path}/-")
    if isinstance(node.value, str):
        yield path, str(node.tag), node.value
