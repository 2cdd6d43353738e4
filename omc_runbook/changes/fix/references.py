"""Correcting references: the valueFrom that a variable should have, where that can be told for certain."""

from __future__ import annotations

from collections.abc import Sequence

from omc_runbook.aws.definitions import ReferenceEdit
from omc_runbook.changes.fix.ownership import why_not_family, why_not_secret, why_not_service
from omc_runbook.changes.fix.steps import Correction, Unfixed
from omc_runbook.checks import reference
from omc_runbook.checks.key_demand import KeyDemand, all_demands, missing_keys
from omc_runbook.checks.registry import checks_of
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.findings import Finding
from omc_runbook.snapshot.state import Snapshot

REFERENCES = frozenset(check.id for check in checks_of(reference) if check.fixed_by)
"""Checks of which a finding is about one reference, and says where it stands."""
KEYS = frozenset({"key-case", "key-misspelt"})
"""Checks of which a finding is about a key that references name."""


def plan_corrections(
    snapshot: Snapshot, findings: Sequence[Finding]
) -> tuple[tuple[Correction, ...], tuple[Unfixed, ...]]:
    """Plan a new revision for each one in force that has wrong references, and tell which of these stay and why."""
    wants = [*all_demands(snapshot)]
    edits: dict[str, list[ReferenceEdit]] = {}
    because: dict[str, list[Finding]] = {}
    left = []
    for finding in findings:
        if not finding.is_root_cause or finding.check not in REFERENCES | KEYS:
            continue
        meant = [want for want in wants if _is_about(snapshot, finding, want)]
        reasons = [why for want in meant if (why := _why_not(snapshot, want))]
        if not meant or reasons:
            left += [Unfixed(finding, reasons[0])] if reasons else []
            continue
        for want in meant:
            arn, after = want.definition.arn, _right(snapshot, want)
            edit = ReferenceEdit(want.container.name, want.injection.variable, want.injection.reference.text, after)
            edits.setdefault(arn, [])
            edits[arn] += [] if edit in edits[arn] else [edit]
            because.setdefault(arn, [])
            because[arn] += [] if finding in because[arn] else [finding]
    return tuple(_correction(snapshot, arn, edits[arn], because[arn]) for arn in edits), tuple(left)


def _correction(snapshot: Snapshot, arn: str, edits: list[ReferenceEdit], because: list[Finding]) -> Correction:
    using = (service for service in snapshot.consumers if service.task_definition_arn == arn)
    services = tuple(
        service for service in using if service.controller == "ECS" and not why_not_service(snapshot, service.name)
    )
    return Correction(snapshot.task_definitions[arn], tuple(edits), services, tuple(because))


def _is_about(snapshot: Snapshot, finding: Finding, want: KeyDemand) -> bool:
    if finding.check in REFERENCES:
        return finding.subject == want.subject and want.service.name in finding.services
    # Where the catalogue has the key that is asked for, the secret is wrong and not the reference.
    key = want.injection.reference.key
    return key == finding.subject and key not in snapshot.environment.keys and _refers_well(snapshot, want)


def _refers_well(snapshot: Snapshot, want: KeyDemand) -> bool:
    """Whether a variable's name says, too, that the key of the secret is meant which is nearly the one asked for."""
    meant = missing_keys(snapshot).get(want.injection.reference.key, "")
    return bool(meant) and variable_of(meant, snapshot.environment.keys) == want.injection.variable


def _why_not(snapshot: Snapshot, want: KeyDemand) -> str:
    if not want.in_force:
        return (
            f"{want.definition.label} was rolled back and is not in force: correct it where it comes from, then"
            " deploy it."
        )
    if snapshot.secret is None:
        return f"There is no secret {snapshot.secret_name} that it could refer to."
    if want.service.controller != "ECS":
        return f"{want.service.name} is deployed by {want.service.controller}, which has to be given the new revision."
    foreign = (
        why_not_secret(snapshot)
        or why_not_family(snapshot, want.definition.family)
        or why_not_service(snapshot, want.service.name)
    )
    if foreign:
        return foreign
    if not _right(snapshot, want):
        return f"No key of the secret is clearly the one for {want.injection.variable}."
    return ""


def _right(snapshot: Snapshot, want: KeyDemand) -> str:
    """What the valueFrom should be: the secret's full ARN, the key, and no version; "" where no key is certain."""
    key = _key(snapshot, want)
    return f"{snapshot.secret.arn}:{key}::" if snapshot.secret and key else ""


def _key(snapshot: Snapshot, want: KeyDemand) -> str:
    """The key that a reference names, well or nearly so, or else the one whose variable it sets."""
    ref, known = want.injection.reference, snapshot.environment.keys
    document = snapshot.current.document if snapshot.current else None
    there = document.keys if document else tuple(known)
    if ref.key and not ref.problem:
        return (
            missing_keys(snapshot).get(ref.key, "")
            if ref.key not in known and _refers_well(snapshot, want)
            else ref.key
        )
    named = [part for part in dict.fromkeys(ref.text.split(":")) if part in there]
    own = [key for key in there if variable_of(key, known) == want.injection.variable]
    certain = named or own
    return certain[0] if len(certain) == 1 else ""
