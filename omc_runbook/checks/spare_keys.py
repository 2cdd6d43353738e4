"""Keys of the secret that reach no task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Service
from omc_runbook.checks import remedies
from omc_runbook.checks.check import Evidence, Family
from omc_runbook.checks.content import KEY_NEEDS, keys_asked_within
from omc_runbook.checks.definition_source import out_of_environment, source_of
from omc_runbook.checks.key_demand import (
    containers_in_force,
    in_words,
    is_meant_whole,
    missing_keys,
    referenced_keys,
    referring_services,
    secret_demands,
    services_of_others,
    successions,
)
from omc_runbook.checks.stopped_tasks import fresh_stops
from omc_runbook.masking.document import Member
from omc_runbook.messages.startline import REQUIRED
from omc_runbook.messages.startlog import read_log
from omc_runbook.model import letters
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.findings import Remedy
from omc_runbook.model.shell import command
from omc_runbook.snapshot.state import Snapshot

NOTE = re.compile(r"(?i)\A(?:[_#$/].*|comments?|notes?|readme|description)\Z")
"""Names under which people write about a secret in the secret."""

check = Family("content", needs=KEY_NEEDS, hinders="value")


@check(
    "key-unreferenced",
    severity="warning",
    looks_like=("key-not-found", "file-behind"),
    ruled_out_by="DescribeTaskDefinition: every key of the secret is in some secrets[]",
    because_of=("terraform-ahead",),
    per_subject=True,
)
def key_unreferenced(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key of the secret reaches no task."""
    # Of these, key-missing and its like tell.
    meant = keys_asked_within(snapshot).union(missing_keys(snapshot).values())
    names = snapshot.environment.names
    lacking = {(each.subject, each.services): each for each in (*_asked_for(snapshot), *_dropped(snapshot))}
    yield from lacking.values()
    referenced = referenced_keys(snapshot).union(key for key, _ in lacking)
    is_read = not snapshot.unread("services", "other_clusters")
    is_known = is_read and all(snapshot.definition(service) for service in snapshot.consumers)
    if not referenced or not is_known:
        return
    if snapshot.deleted_status:
        # What the deleted service referred to is its own finding's business.
        return
    # Who takes the whole secret may use every key.
    reaches_all = any(is_meant_whole(snapshot, demand) for demand in secret_demands(snapshot))
    spellings = {letters.fold(key): key for key in sorted(referenced, reverse=True)}
    for member in snapshot.members:
        if member.key in referenced | meant:
            continue
        if newer := _newer_revision(snapshot, member.key):
            service, definition = newer
            fact = f"{definition.label} refers to {member.key}, and {service.name} does not run it yet."
            yield Evidence(member.key, (fact,), remedies.deploy(names, service.name, definition.label))
        elif twin := spellings.get(letters.fold(member.key), ""):
            fact = f"{letters.spell(member.key)} looks like {twin}, which tasks read in its place."
            yield Evidence(member.key, (fact,), remedies.update(snapshot.environment, twin, member.key))
        elif member.is_key_a_value:
            name, label = member.injected.name, repr(member.injected)
            is_missing = name in snapshot.environment.keys and name not in {each.key for each in snapshot.members}
            fact = f"A value is where its key belongs, {label}: no task definition refers to it."
            remedy = (
                remedies.update(snapshot.environment, name, label)
                if is_missing
                else remedies.remove_key(snapshot.environment, label)
            )
            yield Evidence(member.key, (fact,), remedy)
        elif not reaches_all:
            yield _unreferenced(snapshot, member)


def _unreferenced(snapshot: Snapshot, member: Member) -> Evidence:
    """A key to which nothing refers, and no other key's reference is meant for it."""
    spelling, quoted = letters.spell(member.key) or '""', command(letters.spell(member.key))
    remark, left_out = _why_harmless(snapshot, member), snapshot.families_left_out
    unread = f"Of {left_out} families, newer revisions were not looked at." if left_out else ""
    fact = f"No task definition of {in_words(referring_services(snapshot))} refers to {spelling}."
    if not member.key or ":" in member.key:
        reason = "colons separate the fields" if member.key else "an empty field means the whole secret"
        fact = f"No reference can name the key {spelling}: in a valueFrom, {reason}."
        remedy = Remedy(f"Give {quoted} another name, without a colon, and refer to that.")
    elif member.kind in ("object", "array"):
        remedy = Remedy(f"Make what {quoted} holds keys of the secret, each with a text, and refer to them.")
    else:
        variable = variable_of(member.key, snapshot.environment.keys)
        remedy = source_of(snapshot).add(member.key, variable)
        if _plain_in(snapshot, variable):
            remedy = remedy.needing(out_of_environment(variable))
    facts = (fact, *filter(None, [remark, unread]))
    return Evidence(member.key or spelling, facts, remedy, severity="info" if remark else None)


def _why_harmless(snapshot: Snapshot, member: Member) -> str:
    """Why an unreferenced key is no fault of its own: its variable is plain, or it is empty; "" where it may be."""
    keys = snapshot.environment.keys
    variable = variable_of(member.key, keys)
    if other := next(services_of_others(snapshot), None):
        return f"{other[0].name} runs the task definition of {other[1]}; its own may refer to it."
    if plain := _plain_in(snapshot, variable):
        return f"{variable} is a plain variable in {', '.join(sorted(plain))}, so that the secret's value is not used."
    if _is_of_another_document(snapshot, member):
        return "AWSPREVIOUS is a different document, which has the keys that tasks reference."
    if NOTE.search(member.key) and member.key not in keys:
        return "By its name it is a comment."
    is_required = member.key in keys and keys[member.key].required
    return "Its value is empty, and it is not required." if member.injected.is_empty and not is_required else ""


def _plain_in(snapshot: Snapshot, variable: str) -> list[str]:
    """The containers in force that have a plain variable."""
    return [
        f"{definition.label} {container.name}"
        for _, definition, container in containers_in_force(snapshot)
        if variable in container.environment
    ]


def _is_of_another_document(snapshot: Snapshot, member: Member) -> bool:
    """Whether AWSPREVIOUS lacks a key, and has most of those that tasks reference, which the version lacks."""
    former = snapshot.previous.document if snapshot.previous else None
    if former is None or former.get(member.key):
        return False
    missing = [key for key, similar in missing_keys(snapshot).items() if not similar and former.get(key)]
    return len(missing) > len(referenced_keys(snapshot)) / 2


def _newer_revision(snapshot: Snapshot, key: str) -> tuple[Service, TaskDefinition] | None:
    """The first service whose family has a newer revision that refers to a key, with that revision."""
    for service in snapshot.consumers:
        current = snapshot.definition(service)
        for newest in snapshot.newest_revisions if current else ():
            keys = {injection.reference.key for _, injection in snapshot.own_references(newest)}
            if current and newest.family == current.family and newest.revision > current.revision and key in keys:
                return service, newest
    return None


def _dropped(snapshot: Snapshot) -> Iterator[Evidence]:
    """Keys that a failing revision no longer refers to, and the one in service does."""
    for pair in successions(snapshot):
        referenced = {injection.reference.key for _, injection in snapshot.own_references(pair.failing)}
        for _, injection in snapshot.own_injections(pair.serving):
            key = injection.reference.key
            if key not in referenced and injection.variable not in pair.failing.variables:
                fact = f"{pair.failing.label}, whose tasks fail, does not refer to {key}; {pair.serving.label} does."
                remedy = source_of(snapshot, [pair.failing]).add(key, injection.variable)
                yield Evidence(key, (fact,), remedy, frozenset({pair.service.name}), "error")


def _asked_for(snapshot: Snapshot) -> Iterator[Evidence]:
    """Keys whose variables a log asks for, and to which the revision of the task that failed does not refer."""
    keys = {variable_of(member.key, snapshot.environment.keys): member.key for member in snapshot.members}
    strangers = {service.name for service, _ in services_of_others(snapshot)}
    for stop in fresh_stops(snapshot):
        definition = snapshot.definition(stop.task)
        # Another service's task definition has what that one needs.
        if definition is None or stop.service.name in strangers:
            continue
        plain = {name for container in definition.containers for name in container.environment}
        injected = {each.variable for container in definition.containers for each in container.secrets}
        present = {*injected, *(each.reference.key for _, each in snapshot.own_references(definition))}
        for line in stop.log_lines:
            for problem in read_log(line, keys):
                key = keys.get(problem.variable, "")
                # "" is the key of a reference to the whole secret: the program may parse that itself.
                if problem.check == REQUIRED and key and present.isdisjoint(("", key, problem.variable)):
                    fact = (
                        f"{definition.label}, whose tasks fail, does not refer to {key}, and the application needs it."
                    )
                    remedy = source_of(snapshot, [definition]).add(key, problem.variable)
                    if problem.variable in plain:
                        fact = f"{fact} Its plain variable {problem.variable} is empty, or another container's."
                        remedy = remedy.needing(out_of_environment(problem.variable))
                    yield Evidence(key, (fact, line, stop.sentence), remedy, frozenset({stop.service.name}), "error")
