"""Lists of variables by name: `environment:` of the services in any Compose file, and `env:` of workflows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from yaml.nodes import Node

from omc_runbook.model.errors import UsageError
from omc_runbook.repository import yaml_nodes
from omc_runbook.repository.compose import Compose, read_services_of
from omc_runbook.textfile.file import SourceFile, read_if_readable

ENV = "env"
"""The owner of a workflow's list."""


@dataclass(frozen=True, kw_only=True)
class VariableList:
    """The variables that a list names."""

    file: str
    line: int
    owner: str
    """Whose it is: a service, or `ENV` in a workflow."""
    variables: tuple[str, ...]
    is_map: bool
    """Whether its entries are NAME: value, and not - NAME=value."""
    lines: tuple[int, int] = (0, 0)
    """The first and the last line of what gets it."""
    other_variables: tuple[str, ...] = ()
    """Those of the other lists in the same workflow, which may reach the same commands; in Compose those of <<."""

    @property
    def all_variables(self) -> tuple[str, ...]:
        """Its variables and those of the others."""
        return (*self.variables, *self.other_variables)


def read_compose_lists(
    repository: Path, compose: Compose | None = None, *, beside_file: bool = False
) -> tuple[VariableList, ...]:
    """Read the lists in every Compose file at the top of a checkout, of services that have no `env_file`.

    With `beside_file`, of those that have one. `compose` is what Docker Compose reads there, whose files may be in
    other folders too. A list that several services share counts once.

    Files that are not valid YAML are skipped, since `read_compose` reports the one that Compose reads.
    """
    used = {file.name for file in compose.files} if compose else set()
    with_file = {each.name for each in compose.services if each.env_files} if compose else set()
    names = sorted({*used, *(path.name for path in repository.glob("*compose*.y*ml"))})
    lists: dict[tuple[str, int], VariableList] = {}
    for file in filter(None, (read_if_readable(repository, name) for name in names)):
        try:
            services, found = read_services_of(repository, file), [*_lists_of(file)]
        except UsageError:
            continue
        own = {each.name for each in services.values() if each.env_files}
        for each in found:
            if (each.owner in (own | with_file if file.name in used else own)) == beside_file:
                lists.setdefault((each.file, each.line), each)
    return tuple(lists.values())


def entry_of(variables: VariableList, name: str) -> str:
    """An entry for a variable, as such a list has it."""
    if variables.owner == ENV:
        return f"{name}: ${{{{ secrets.{name} }}}}"
    return f"{name}: ${{{name}}}" if variables.is_map else f"- {name}=${{{name}}}"


def _lists_of(file: SourceFile) -> Iterator[VariableList]:
    """The lists of the services of a file; raises UsageError if it has no mapping."""
    services = yaml_nodes.find(yaml_nodes.read_mapping(file), "services")
    for name, service in yaml_nodes.members(services):
        entries = _environment_of(service)
        if entries is None:
            continue
        yield VariableList(
            file=file.name,
            line=yaml_nodes.line_of(entries),
            owner=str(name.value),
            variables=names_in(entries),
            is_map=any(yaml_nodes.members(entries)),
            other_variables=tuple(_merged_names(entries)),
        )


def names_in(entries: Node) -> tuple[str, ...]:
    """The variables that a list names: as the keys of a mapping, or as NAME=value."""
    names = tuple(str(key.value) for key, _ in yaml_nodes.members(entries))
    return names or tuple(text.partition("=")[0] for text in yaml_nodes.texts(entries))


def merged_mappings(mapping: Node) -> Iterator[Node]:
    """The mappings that one takes members from by <<."""
    for key, value in yaml_nodes.members(mapping):
        if key.value == "<<":
            yield from yaml_nodes.items(value) or (value,)


def _environment_of(service: Node) -> Node | None:
    """The list of a service, its own or one that it takes by <<; None without any."""
    own = yaml_nodes.find(service, "environment")
    return own or next(filter(None, map(_environment_of, merged_mappings(service))), None)


def _merged_names(entries: Node) -> Iterator[str]:
    """The variables that a mapping takes from others by <<."""
    for mapping in merged_mappings(entries):
        yield from (str(inner.value) for inner, _ in yaml_nodes.members(mapping))
        yield from _merged_names(mapping)
