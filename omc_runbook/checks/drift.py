"""Drift: a variable that one place has and another that should have it has not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from omc_runbook.checks import remedies
from omc_runbook.checks.check import Check, Doubt, Evidence, family
from omc_runbook.checks.standing import Standing, shared_containers, standings
from omc_runbook.finding import Remedy
from omc_runbook.snapshot.state import Snapshot

check = family("drift")
CHECKOUT = "checkout"


@check("template-lacks", CHECKOUT, severity="warning")
def template_lacks(snapshot: Snapshot) -> Iterable[Evidence]:
    """The template lacks a variable that the application needs, or gets from the secret"""
    for row in standings(snapshot):
        why = "Settings has no default for it" if row.settings == "required" else "containers get it from the secret"
        if row.template == "" and (row.settings == "required" or (row.is_injected and row.settings)):
            yield _evidence(snapshot, row, f"{_template(snapshot)} has no {row.variable}; {why}.")


@check("settings-lacks", CHECKOUT, severity="warning")
def settings_lacks(snapshot: Snapshot) -> Iterable[Evidence]:
    """Settings does not read a variable that is made for it"""
    for row in standings(snapshot):
        # A key that arrives under a name which nobody reads is told of as name-mismatch, where Settings has its own.
        other = any(snapshot.checkout and snapshot.checkout.settings.find(key) for key in row.keys)
        if row.settings == "" and not row.is_known and not other:
            where = "containers get it from the secret" if row.is_injected else f"{_template(snapshot)} has it"
            yield _evidence(snapshot, row, f"No class in backend/app/core/config.py reads {row.variable}; {where}.")


@check("compose-lacks", CHECKOUT, severity="warning")
def compose_lacks(snapshot: Snapshot) -> Iterable[Evidence]:
    """Compose does not give the application a variable that it needs"""
    for row in standings(snapshot):
        if row.compose == "" and row.settings == "required":
            fact = f"The application's service has neither an env_file nor {row.variable} in environment."
            yield Evidence(row.variable, (fact,), Remedy("Give the service env_file: .env in the compose file."))


@check("terraform-lacks", CHECKOUT, "services", "task_definitions", severity="warning")
def terraform_lacks(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """Terraform lacks a reference that the task definition in force has: its next apply takes it away"""
    both = shared_containers(snapshot)
    for row in standings(snapshot):
        for container in row.defined or ():
            lacks = row.declared is not None and container in both and container not in row.declared
            if lacks and container not in row.undeclared:
                fact = f"{container} gets {row.variable} from {_key(row)}, and Terraform's files do not say so."
                yield _evidence(snapshot, row, fact, container)
    yield from _unreadable(snapshot)


@check("terraform-ahead", CHECKOUT, "services", "task_definitions", severity="warning")
def terraform_ahead(snapshot: Snapshot) -> Iterable[Evidence]:
    """Terraform has a reference that the task definition in force lacks: it was not applied"""
    both = shared_containers(snapshot)
    for row in standings(snapshot):
        for container in row.declared or ():
            if row.defined is not None and container in both and container not in row.defined:
                fact = f"Terraform's files give {container} {row.variable} from {_key(row)}, and its revision does not."
                yield _evidence(snapshot, row, fact, container)


@check("environment-lacks", CHECKOUT, "secret", "contents", severity="warning")
def environment_lacks(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """Another environment's secret lacks a key that this one has"""
    for row in standings(snapshot):
        if row.is_injected and row.secrets.get(snapshot.environment.name):
            for name, has in row.secrets.items():
                if has is False:
                    yield replace(
                        _evidence(snapshot, row, f"{name}'s secret has no {_key(row)}."), subject=f"{name}: {_key(row)}"
                    )
    for name, other in snapshot.other_keys.items():
        if other.unread:
            yield Doubt(name, (f"The keys of {name} could not be read: {other.unread}",))


def _unreadable(snapshot: Snapshot) -> Iterator[Doubt]:
    declared = snapshot.checkout.declared if snapshot.checkout else None
    for reason in declared.unreadable if declared else ():
        yield Doubt("Terraform", (reason,))
    for container in declared.containers if declared else ():
        if container.unseen:
            what = ", ".join(container.unseen)
            yield Doubt(container.name, (f"What else brings {container.name} references could not be read: {what}.",))


def _template(snapshot: Snapshot) -> str:
    template = snapshot.checkout.template if snapshot.checkout else None
    return template.file.name if template else "The template"


def _key(row: Standing) -> str:
    return " or ".join(row.keys) or row.variable


def _evidence(snapshot: Snapshot, row: Standing, fact: str, container: str = "") -> Evidence:
    """A gap, with the runbook that closes it: add_key adds what of a key is missing, and leaves the rest."""
    assert snapshot.checkout
    key = row.keys[0] if row.keys else row.variable
    given = {"repository": str(snapshot.checkout.root), "key": key, "containers": container}
    facts = [fact]
    if row.is_injected and row.keys and row.keys != (row.variable,):
        facts.append(f"The variable {row.variable} comes from the key {_key(row)}.")
    remedy = remedies.by("add_key", snapshot.environment, Remedy(), **given)
    # add_key names a variable as its key is named; another name has to be written by hand.
    by_hand = Remedy(f"Add {row.variable} there by hand, or take it out of the others.")
    return Evidence(row.variable, tuple(facts), remedy if row.keys in ((), (row.variable,)) else by_hand)


CHECKS: tuple[Check, ...] = (
    template_lacks,
    settings_lacks,
    compose_lacks,
    terraform_lacks,
    terraform_ahead,
    environment_lacks,
)
