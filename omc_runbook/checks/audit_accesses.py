"""Checks of who called which API on the secret: what is unusual for its callers, by CloudTrail."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.checks.audit_remedies import explain_calls
from omc_runbook.checks.check import ECS_FIELDS, Answer, Evidence, Uncertain
from omc_runbook.checks.registry import Family
from omc_runbook.checks.unusual_calls import find, history_of
from omc_runbook.snapshot.state import Snapshot

check = Family(
    "audit", symptom="audit", needs=("accesses", *ECS_FIELDS), looks_like=("unusual-use",), severity="warning"
)


@check("new-reader", ruled_out_by="the principal's GetSecretValue in cloudtrail:LookupEvents before the last week")
def new_reader(snapshot: Snapshot) -> Iterator[Answer]:
    """A principal read the secret for the first time."""
    yield from _found(snapshot, "new-reader")


@check(
    "human-read-production",
    ruled_out_by="userIdentity and userAgent of a service in each GetSecretValue of cloudtrail:LookupEvents",
    not_in_sandbox="The sandbox has no production environment",
)
def human_read_production(snapshot: Snapshot) -> Iterator[Answer]:
    """A person read the production secret."""
    yield from _found(snapshot, "human-read-production")


@check(
    "new-address",
    ruled_out_by="the same network in sourceIPAddress of the principal's earlier cloudtrail:LookupEvents",
)
def new_address(snapshot: Snapshot) -> Iterator[Answer]:
    """A principal read the secret from a network that is new for it."""
    yield from _found(snapshot, "new-address")


@check("read-burst", ruled_out_by="fewer than 20 GetSecretValue an hour of each principal in cloudtrail:LookupEvents")
def read_burst(snapshot: Snapshot) -> Iterator[Answer]:
    """A principal read the secret far more often than usual."""
    yield from _found(snapshot, "read-burst")


@check("rising-errors", ruled_out_by="no more errorCode than before in the principal's cloudtrail:LookupEvents")
def rising_errors(snapshot: Snapshot) -> Iterator[Answer]:
    """A principal's calls on the secret are refused more and more often."""
    yield from _found(snapshot, "rising-errors")


@check("catch-all-batch", ruled_out_by="the secret in requestParameters.secretIdList of each BatchGetSecretValue")
def catch_all_batch(snapshot: Snapshot) -> Iterator[Answer]:
    """A batch read got the secret by a filter that does not name it."""
    yield from _found(snapshot, "catch-all-batch")


@check(
    "read-from-other-region",
    ruled_out_by="no GetSecretValue with the awsRegion of a replica in cloudtrail:LookupEvents",
)
def read_from_other_region(snapshot: Snapshot) -> Iterator[Answer]:
    """A principal outside the platform read a replica of the secret in another region."""
    yield from _found(snapshot, "read-from-other-region")


def _found(snapshot: Snapshot, id: str) -> Iterator[Answer]:
    """The findings of one kind of unusual calls, or that the calls are too many to tell."""
    history = history_of(snapshot)
    if history is None:
        return
    for each in find(history, id):
        yield Evidence(each.principal, each.facts, explain_calls(snapshot.environment, each.newest))
    cut = history.lacks(id)
    if cut:
        apis = ", ".join(f"{name} before {time:%Y-%m-%d %H:%M} UTC" for name, time in cut.items())
        yield Uncertain(
            snapshot.secret_name,
            (f"CloudTrail has more calls than an audit reads: {apis} were not looked at. {_way_out(snapshot)}",),
        )


def _way_out(snapshot: Snapshot) -> str:
    """How to have every call looked at."""
    if snapshot.environment.audit.reaches_back:
        return "Audit fewer days."
    return "Name a trail's bucket or an event data store in [audit] of runbook.toml, or audit fewer days."
