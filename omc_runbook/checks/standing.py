"""Where each variable stands: template, Settings, compose, Terraform, task definitions, secrets and running tasks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from omc_runbook.catalogue import variable_of
from omc_runbook.checks.wanted import wants
from omc_runbook.local.workplace import is_secret
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.source.checkout import Checkout


@dataclass(frozen=True)
class Standing:
    """One variable; a place that was not looked at is None, one that lacks it is empty or False."""

    variable: str
    keys: tuple[str, ...]
    """The keys of the secret that it comes from."""
    template: str | None
    """How the template has it: "", "set", "empty", "optional"."""
    settings: str | None
    """How Settings reads it: "", "required", "optional"."""
    compose: str | None
    """How the application's service of compose gets it: "", "env_file", "environment"."""
    declared: tuple[str, ...] | None
    """The containers to which Terraform gives it from the secret."""
    undeclared: tuple[str, ...]
    """The containers to which it may give it by something that could not be read."""
    defined: tuple[str, ...] | None
    """The containers of task definitions in force that get it from the secret."""
    secrets: dict[str, bool | None] = field(default_factory=dict)
    """By environment, whether its secret has the key."""
    tasks: str | None = None
    """How many running tasks have been given it, of those that should be: "2 of 2"."""
    is_injected: bool = False
    """Whether it reaches, or is to reach, containers from the secret."""
    is_known: bool = True
    """Whether the application or compose reads it."""


def standings(snapshot: Snapshot) -> Iterator[Standing]:
    """Every variable that has to do with the secret, or that the application cannot start without."""
    checkout = snapshot.checkout
    if checkout is None:
        return
    defined, declared = _defined(snapshot), _declared(checkout)
    wanted = {variable for _, variable in defined} | {variable for _, variable in declared}
    document = snapshot.current.document if snapshot.current else None
    keys, known = snapshot.environment.keys, set(document.keys if document else ())
    by_key = {key: variable for (_, variable), key in (*declared.items(), *defined.items())}
    of_secret = {by_key.get(key, variable_of(key, keys)) for key in known}
    required = {name.variables[0] for name in checkout.settings.fields if name.required}
    entries = checkout.template.entries if checkout.template else ()
    kept = {e.name for e in entries if is_secret(e.name, keys.get(e.name)) and not e.commented_out}
    containers = checkout.declared.containers if checkout.declared else ()
    known_to_compose = {*checkout.compose.interpolated} if checkout.compose else set()
    for variable in sorted({*wanted, *of_secret, *required, *kept}):
        own = {key for (_, name), key in (*defined.items(), *declared.items()) if name == variable}
        own = own or {key for key in (*known, *keys) if by_key.get(key, variable_of(key, keys)) == variable}
        is_injected = variable in wanted or variable in of_secret
        is_known = variable in checkout.reads or variable in known_to_compose
        yield Standing(
            variable=variable,
            keys=tuple(sorted(own)) if is_injected else (),
            template=_in_template(checkout, variable),
            settings=_in_settings(checkout, variable),
            compose=_in_compose(checkout, variable),
            declared=tuple(c for c, name in declared if name == variable) if checkout.declared else None,
            undeclared=tuple(each.name for each in containers if each.unseen),
            defined=tuple(c for c, name in defined if name == variable) if snapshot.task_definitions else None,
            secrets=_in_secrets(snapshot, own) if is_injected else {},
            tasks=_in_tasks(snapshot, variable) if variable in {name for _, name in defined} else None,
            is_injected=is_injected,
            is_known=is_known,
        )


def shared_containers(snapshot: Snapshot) -> frozenset[str]:
    """The containers that both Terraform and the task definitions in force have, by name."""
    declared = snapshot.checkout.declared if snapshot.checkout else None
    there = {container.name for container in declared.containers} if declared else set()
    definitions = (snapshot.definition(service.task_definition_arn) for service in snapshot.services)
    return frozenset(
        container.name for found in definitions if found for container in found.containers if container.name in there
    )


def _defined(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    """By container and variable the key, as task definitions in force have it."""
    found = (want for want in wants(snapshot) if want.in_force)
    return {(want.container.name, want.injection.variable): want.injection.reference.key for want in found}


def _declared(checkout: Checkout) -> dict[tuple[str, str], str]:
    """The same, as Terraform's files have it."""
    containers = checkout.declared.containers if checkout.declared else ()
    return {(each.name, ref.variable): ref.key for each in containers for ref in each.references}


def _in_template(checkout: Checkout, variable: str) -> str | None:
    if checkout.template is None:
        return None
    entry = checkout.template.find(variable)
    if entry is None:
        return ""
    return "optional" if entry.commented_out or entry.optional else "set" if entry.value else "empty"


def _in_settings(checkout: Checkout, variable: str) -> str:
    found = checkout.settings.find(variable)
    return "" if found is None else "required" if found.required else "optional"


def _in_compose(checkout: Checkout, variable: str) -> str | None:
    service = checkout.compose.application() if checkout.compose else None
    if service is None:
        return None
    if any(setting.variable == variable for setting in service.environment):
        return "environment"
    if service.env_files:
        return "env_file"
    return ""


def _in_secrets(snapshot: Snapshot, keys: set[str]) -> dict[str, bool | None]:
    document = snapshot.current.document if snapshot.current else None
    found: dict[str, bool | None] = {
        snapshot.environment.name: bool(keys & {*document.keys}) if document else None,
    }
    for name, other in snapshot.other_keys.items():
        found[name] = bool(keys & other.names) if other.names is not None else None
    return found


def _in_tasks(snapshot: Snapshot, variable: str) -> str:
    """Running tasks whose own revision has the variable, of all that services with it run."""
    have = of = 0
    for service in snapshot.consumers:
        definition = snapshot.definition(service.task_definition_arn)
        if definition and variable in {injection.variable for _, injection in snapshot.own_injections(definition)}:
            for task in snapshot.running(service):
                of += 1
                mine = snapshot.definition(task.task_definition_arn)
                have += mine is not None and variable in mine.variables
    return f"{have} of {of}"
