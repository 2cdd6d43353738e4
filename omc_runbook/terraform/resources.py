"""The resources of one environment's folders: by their type, or by what an expression refers to, and their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from omc_runbook.terraform.evaluation import Instance
from omc_runbook.terraform.expressions import Source
from omc_runbook.terraform.marks import known_text, marks, reasons, without_marks
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
    return named(result.value, sources_of(instance, attribute))


def named(value: str, sources: Sequence[Source]) -> DeclaredName:
    """A name with each of its sources once."""
    return DeclaredName(value, tuple(dict.fromkeys(sources)))


def sources_of(instance: Instance, attribute: str) -> tuple[Source, ...]:
    """Where an attribute, and the literals that it is made from, stand."""
    result = instance.get(attribute)
    return tuple(dict.fromkeys((instance.source_of(attribute), *(result.sources if result else ()))))


def why_unknown(instance: Instance, attribute: str, what: str) -> str:
    """Why a name is not known, as a sentence."""
    result, where = instance.get(attribute), instance.source_of(attribute)
    if result is None and instance.block.find(f"{attribute}_prefix"):
        return f"Terraform adds a suffix of its own to the name of this {what} ({attribute}_prefix, {where})."
    if result is None:
        return f"The {what} {instance.label} has no {attribute} ({where})."
    return f"The {attribute} of the {what} {instance.label} is not known{because(result.value)} ({where})."


def last_part(text: str, separator: str = "/") -> str:
    """What follows the last separator of an ARN or a path; "" where it has a part that is not known."""
    # A mark may have any letter in it.
    last = without_marks(text, "\0").rpartition(separator)[2]
    return "" if "\0" in last else last


def because(value: Any) -> str:
    """Why a value is not known, as what follows a clause; "" for one that is."""
    found = reasons(value)
    return f": {found[0]}" if found else ""
