"""Search for values of the secret in what task definitions, services and tasks have in plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from omc_runbook.aws.definitions import Container
from omc_runbook.masking.plain_text import is_distinct, is_place
from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.value import Masked
from omc_runbook.model.secretive import is_secret
from omc_runbook.snapshot.audit.state import ExposedValue, Search
from omc_runbook.snapshot.state import Snapshot


@dataclass(frozen=True)
class KnownValue:
    """Whose value it is, and whether it is current."""

    key: str
    is_current: bool


def search_definitions(snapshot: Snapshot, values: Mapping[str, tuple[KnownValue, Masked]]) -> Search:
    """Search task definitions, tasks' overrides and Service Connect's logs for these values, by their fingerprints.

    What says where something is, such as a host or a log group, is no secret because the secret has a copy of it. A
    part of a text counts where no text has it by chance, as it may have a weak password.
    """
    catalogue = snapshot.environment.keys
    judged = [
        (print_, known, value, is_secret(known.key, catalogue.get(known.key)))
        for print_, (known, value) in values.items()
    ]
    distinct = [(known, value) for _, known, value, is_named in judged if is_distinct(value, is_named)]
    search = ValueSearch(
        [each for each in distinct if not each[0].is_current], encoded=[each for each in distinct if each[0].is_current]
    )
    without_places = {print_: known for print_, known, value, is_named in judged if not is_place(value, is_named)}
    found = [
        value
        for location, service, container in _containers(snapshot)
        for value in _in_container(container, location, service, without_places, search)
    ]
    return Search(tuple(dict.fromkeys(found)), len(snapshot.task_definitions))


def _containers(snapshot: Snapshot) -> Iterator[tuple[str, str, Container]]:
    """Each container, with its location in words and a service that has it, "" for none."""
    owners = {service.task_definition_arn: service.name for service in reversed(snapshot.services)}
    for arn, definition in sorted(snapshot.task_definitions.items()):
        for container in definition.containers:
            yield f"{definition.label} {container.name}", owners.get(arn, ""), container
    for service in snapshot.services:
        for proxy in service.proxy_logs:
            yield f"{service.name} serviceConnectConfiguration", service.name, proxy
    for task in snapshot.tasks:
        for override in task.overrides:
            yield f"task/{task.family} {override.name}", task.owner, override


def _in_container(
    container: Container,
    location: str,
    service: str,
    by_print: Mapping[str, KnownValue],
    search: ValueSearch[KnownValue],
) -> Iterator[ExposedValue]:
    equal = {name: known for name, print_ in container.plain_prints if (known := by_print.get(print_))}
    others = ((name, text) for name, text in container.plain_texts if name not in equal)
    parts = [(name, known) for name, text in others for known in text.find(search, by_print)]
    for is_part, values in ((False, equal.items()), (True, parts)):
        for name, known in values:
            yield ExposedValue(
                key=known.key,
                location=f"{location} {name}",
                is_current=known.is_current,
                is_part=is_part,
                service=service,
            )
    names = {name for name, _ in parts} | equal.keys()
    for name in dict.fromkeys((*container.plain_secrets, *container.plain_options)):
        if name not in names:
            yield ExposedValue(
                key=name.partition(" ")[2] or name, location=f"{location} {name}", is_known=False, service=service
            )
