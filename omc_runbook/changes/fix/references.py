"""Corrections of references: the valueFrom that a variable should have, where that is certain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc_runbook.aws.definitions import ReferenceEdit
from omc_runbook.changes.fix.ownership import may_redeploy, why_not_family, why_not_secret, why_not_service
from omc_runbook.changes.fix.steps import Correction, UnfixedCause
from omc_runbook.checks import reference
from omc_runbook.checks.check import checks_of
from omc_runbook.checks.definition_source import source_of
from omc_runbook.checks.key_demand import KeyDemand, all_demands, exchanged_key, is_only_pinned, missing_keys, named_key
from omc_runbook.model import letters
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot

REFERENCES = frozenset(check.id for check in checks_of(reference) if check.fixed_by) | {"arn-malformed", "whole-json"}
"""Checks whose findings are about one reference."""
KEYS = frozenset({"key-case", "key-misspelt"})
"""Checks whose findings are about a key in references."""


def plan_corrections(snapshot: Snapshot, findings: Sequence[Finding]) -> Iterator[Correction | UnfixedCause]:
    """A new revision of each task definition whose references are root causes, or why there is none."""
    demands = [*all_demands(snapshot)]
    edits: dict[str, list[ReferenceEdit]] = {}
    because: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.check not in REFERENCES | KEYS:
            continue
        matching = [demand for demand in demands if _is_about(snapshot, finding, demand)]
        reasons = [why for demand in matching if (why := _why_not(snapshot, demand))]
        # A reference is corrected for those of its services that can have a new revision, a key for all or none.
        if reasons and (finding.check in KEYS or len(reasons) == len(matching)):
            yield UnfixedCause(finding, reasons[0])
            continue
        for demand in matching:
            arn, after = demand.definition.arn, _correct_value_from(snapshot, demand)
            edit = ReferenceEdit(demand.container.name, demand.variable, demand.reference.text, after)
            edits.setdefault(arn, []).append(edit)
            if finding not in because.setdefault(arn, []):
                because[arn].append(finding)
    yield from (_correction(snapshot, arn, edits[arn], because[arn]) for arn in edits)


def _correction(snapshot: Snapshot, arn: str, edits: list[ReferenceEdit], because: list[Finding]) -> Correction:
    users = (service for service in snapshot.consumers if service.task_definition_arn == arn)
    services = tuple(service for service in users if may_redeploy(snapshot, service))
    definition = snapshot.task_definitions[arn]
    source = source_of(snapshot, [definition])
    return Correction(definition, tuple(dict.fromkeys(edits)), services, tuple(because), source)


def _is_about(snapshot: Snapshot, finding: Finding, demand: KeyDemand) -> bool:
    if finding.check in REFERENCES:
        return finding.subject == demand.subject and demand.service.name in finding.services
    # If the catalogue has the referenced key, the secret is wrong, not the reference.
    key = demand.reference.key
    return key == finding.subject and key not in snapshot.environment.keys and _refers_well(snapshot, demand)


def _refers_well(snapshot: Snapshot, demand: KeyDemand) -> bool:
    """Whether the variable's name confirms the secret's key that is similar to the referenced one."""
    key = missing_keys(snapshot).get(demand.reference.key, "")
    return variable_of(key, snapshot.environment.keys) == demand.variable


def _why_not(snapshot: Snapshot, demand: KeyDemand) -> str:
    if demand.service.other_cluster:
        return f"Cluster {demand.service.other_cluster} is not this environment's: deploy a corrected revision there."
    if not demand.in_force and demand.definition.arn not in demand.service.task_sets:
        return (
            f"{demand.definition.label} was rolled back and is not in force: correct it at its source, then deploy it."
        )
    if not snapshot.is_own(demand.reference):
        return f"{demand.variable} takes its value from another secret or a parameter: a person decides from which."
    if demand.is_of_proxy:
        return f"It is in the serviceConnectConfiguration of {demand.service.name}, which no revision corrects."
    if snapshot.secret is None:
        return f"Secret {snapshot.secret_name} does not exist."
    if demand.service.is_family:
        return f"Whoever runs {demand.definition.family} outside a service must name a corrected revision of it."
    if demand.service.controller != "ECS":
        return f"{demand.service.name} is deployed by {demand.service.controller}, which needs the new revision."
    foreign = (
        why_not_secret(snapshot)
        or why_not_family(snapshot, demand.definition.family)
        or why_not_service(snapshot, demand.service.name)
    )
    if foreign:
        return foreign
    if is_only_pinned(snapshot, demand):
        return f"The current version lacks {letters.spell(demand.reference.key)}: give it a value first, by update."
    if not _correct_value_from(snapshot, demand):
        return f"No key of the secret is clearly the one for {demand.variable}."
    return ""


def _correct_value_from(snapshot: Snapshot, demand: KeyDemand) -> str:
    """The correct valueFrom: the secret's full ARN and the key, without a version; "" where no key is certain."""
    key = _key(snapshot, demand)
    return f"{snapshot.secret.arn}:{key}::" if snapshot.secret and key else ""


def _key(snapshot: Snapshot, demand: KeyDemand) -> str:
    """The key in a reference, exact or similar, or else the one of its variable."""
    value_from, catalogue = demand.reference, snapshot.environment.keys
    if key := exchanged_key(snapshot, value_from):
        return key
    if value_from.key and not value_from.problem:
        return (
            missing_keys(snapshot).get(value_from.key, "")
            if value_from.key not in catalogue and _refers_well(snapshot, demand)
            else value_from.key
        )
    return named_key(snapshot, demand)
