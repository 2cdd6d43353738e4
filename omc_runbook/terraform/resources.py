"""The resources of one environment's folders: by their type, or by what an expression refers to, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omc_runbook.terraform.evaluation import Instance
from omc_runbook.terraform.expressions import Source
from omc_runbook.terraform.marks import known_text, marks
from omc_runbook.terraform.stacks import Root, instances


@dataclass(frozen=True)
class DeclaredName:
    """A name, and where it and the literals that it is made from stand."""

    value: str
    sources: tuple[Source, ...]
    note: str = ""
    """What else is to be known of it, as a clause."""


class Resources:
    """What the folders of one environment create or look up."""

    def __init__(self, roots: Sequence[Root]) -> None:
        self.roots = tuple(roots)
        self.all = tuple(each for root in roots for each in instances(root))
        self._by_address = {each.address: each for root in roots for each in root.module.stack.instances.values()}

    def of(self, *types: str) -> list[Instance]:
        """Those of these types."""
        return [each for each in self.all if each.type in types]

    def target(self, text: Any, *types: str) -> Instance | None:
        """The resource that a text has a mark of, through versions of secrets and data sources."""
        for address, _ in marks(text):
            instance = self._by_address.get(address)
            if instance and instance.type in types:
                return instance
            if instance and instance.type.removeprefix("data.") == "aws_secretsmanager_secret_version":
                return self.target(instance.text("secret_id"), *types)
        return None

    def targets(self, value: Any) -> list[Instance]:
        """All resources that a text has a mark of."""
        return [self._by_address[address] for address, _ in marks(value) if address in self._by_address]


def name_of(instance: Instance, attribute: str = "name") -> DeclaredName | None:
    """A resource's name; None where it is not known."""
    result = instance.get(attribute)
    if result is None or not known_text(result.value):
        return None
    return name_with_sources(result.value, instance.sources_of(attribute))


def name_with_sources(value: str, sources: Sequence[Source]) -> DeclaredName:
    """A name with each of its sources once."""
    return DeclaredName(value, tuple(dict.fromkeys(sources)))
