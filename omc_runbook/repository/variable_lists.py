"""Lists of variables by name: `environment:` of the services in any Compose file, and `env:` of workflows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.repository import yaml_nodes
from omc_runbook.textfile.file import SourceFile, read_source

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
    """Those of the other lists in the same workflow, which may reach the same commands."""

    @property
    def all_variables(self) -> tuple[str, ...]:
        """Its variables and those of the others."""
        return (*self.variables, *self.other_variables)


def read_compose_lists(repository: Path, others: Collection[str] = ()) -> tuple[VariableList, ...]:
    """Read the lists in every Compose file at the top of a checkout, of services that have no `env_file`.

    `others` are more Compose files, such as those that one of them includes.

    Files that are not valid YAML are skipped, since `read_compose` reports the one that Compose reads.
    """
    names = sorted({*others, *(path.name for path in repository.glob("*compose*.y*ml"))})
    return tuple(each for name in names for each in _lists_of(read_file(repository, name)))


def entry_of(variables: VariableList, name: str) -> str:
    """An entry for a variable, as such a list has it."""
    if variables.owner == ENV:
        return f"{name}: ${{{{ secrets.{name} }}}}"
    return f"{name}: ${{{name}}}" if variables.is_map else f"- {name}=${{{name}}}"


def read_file(repository: Path, name: str) -> SourceFile | None:
    """Read a file; None also for one that cannot be read."""
    try:
        return read_source(repository, name)
    except UsageError:
        return None


def _lists_of(file: SourceFile | None) -> Iterator[VariableList]:
    if file is None:
        return
    try:
        services = yaml_nodes.find(yaml_nodes.read_mapping(file), "services")
    except UsageError:
        return
    for name, service in yaml_nodes.members(services):
        entries = yaml_nodes.find(service, "environment")
        if entries is None or yaml_nodes.find(service, "env_file"):
            continue
        by_name = tuple(str(key.value) for key, _ in yaml_nodes.members(entries))
        texts = () if by_name else yaml_nodes.texts(entries)
        yield VariableList(
            file=file.name,
            line=yaml_nodes.line_of(entries),
            owner=str(name.value),
            variables=by_name or tuple(text.partition("=")[0] for text in texts),
            is_map=bool(by_name),
        )
