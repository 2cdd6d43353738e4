"""Values that are older than they may be, and rotations that renew nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from omc_runbook.aws.lambda_functions import RotationFunction
from omc_runbook.checks import age, remedies
from omc_runbook.checks.age import Age, AgeState
from omc_runbook.checks.check import DOCUMENT, Evidence, Family, Uncertain
from omc_runbook.checks.secret import ROTATING
from omc_runbook.masking.document import Document
from omc_runbook.model.arn import function_in, region_in
from omc_runbook.model.catalogue import encrypts
from omc_runbook.model.letters import counted
from omc_runbook.model.shell import command
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

NEEDS = ("secret", "contents", DOCUMENT, "versions", "lives")
check = Family("audit", symptom="audit", needs=NEEDS, looks_like=("old-value-kept",), severity="warning")

_DAY = timedelta(days=1)


@check(
    "key-overdue",
    ruled_out_by="ListSecretVersionIds and GetSecretValue: each renewable value is younger than its limit",
)
def key_overdue(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A value is overdue for rotation."""
    environment = snapshot.environment
    for each in _in_state(snapshot, "overdue"):
        fact = f"{_age_text(snapshot, each)}, and its rotation was due on {age.due_date(snapshot, each):%Y-%m-%d}."
        if encrypts(environment.keys, each.key):
            remark = f"Data is encrypted with {each.key}: with a new value alone that data cannot be read."
            yield Evidence(each.key, (fact, remark), remedies.rotate(environment, each.key), severity="info")
        else:
            yield Evidence(each.key, (fact,), remedies.rotate(environment, each.key))
    for each in _in_state(snapshot, "perhaps overdue"):
        fact = (
            f"{_age_text(snapshot, each)}, at least: no version that is left has another one, so that it may be from"
            f" {each.earliest:%Y-%m-%d}, and overdue."
        )
        yield Uncertain(each.key, (fact,))


@check(
    "key-due-soon",
    severity="info",
    ruled_out_by="ListSecretVersionIds and GetSecretValue: no rotation is due in the next 14 days",
)
def key_due_soon(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value is soon due for rotation."""
    for each in _in_state(snapshot, "due soon"):
        due = age.due_date(snapshot, each)
        days = -((snapshot.taken - due) // _DAY)
        fact = f"{_age_text(snapshot, each)}; its rotation is due on {due:%Y-%m-%d}, in {counted(days, 'day')}."
        yield Evidence(each.key, (fact,), remedies.rotate(snapshot.environment, each.key))


@check(
    "rotation-not-real",
    ruled_out_by="DescribeSecret: some value is as new as LastRotatedDate, or there is no such date",
)
def rotation_not_real(snapshot: Snapshot) -> Iterable[Evidence]:
    """A rotation succeeded without renewing any value."""
    secret, audit = snapshot.secret, snapshot.audit
    if not (secret and secret.rotated and audit.history):
        return
    ages = age.ages(snapshot, audit.history)
    newest = max((each.since for each in ages), default=None)
    if newest is None or newest >= secret.rotated - ROTATING or _has_renewed(audit.history, secret.rotated):
        return
    facts = (
        f"DescribeSecret: LastRotatedDate is {_moment(secret.rotated)}, and the newest value of any key is from"
        f" {_moment(newest)}: that rotation wrote the existing values again.",
        "LastRotatedDate, which reports show, says nothing about the values' age.",
    )
    renewable = [each.key for each in ages if age.is_renewable(snapshot, each.key)]
    renew = remedies.rotate(snapshot.environment, *renewable)
    function = audit.lifecycle.rotation_function if audit.lifecycle else None
    yield Evidence(secret.name, (*facts, *_log_of(secret.rotation_function, function)), renew)


def _has_renewed(history: VersionHistory, moment: datetime) -> bool:
    """Whether a version of that moment had a value that none before had, though it may have been taken back since."""
    for version in history.versions:
        if abs(version.version.created - moment) > ROTATING:
            continue
        earlier = [document for each in history.before(version) for document in _document_of(each)]
        for member in (member for document in _document_of(version) for member in document.members):
            former = [found for document in earlier if (found := document.get(member.key))]
            if former and not any(each.injected.same_as(member.injected) for each in former):
                return True
    return False


def _document_of(version: VersionEntry) -> Iterator[Document]:
    """The document of a version, if the version still exists and can be parsed."""
    if version.content and version.content.document:
        yield version.content.document


def _log_of(arn: str, function: RotationFunction | None) -> Iterator[str]:
    if arn:
        region, name = region_in(arn), function_in(arn)
        does = f"Its function {name} has to write new values in its step createSecret"
        group = function.log_group if function else ""
        tail = command("aws", "logs", "tail", group, "--since", "30d", "--region", region)
        yield f"{does}; its log: `{tail}`." if group else f"{does}."


def _in_state(snapshot: Snapshot, state: AgeState) -> Iterator[Age]:
    history = snapshot.audit.history
    for each in age.ages(snapshot, history) if history else ():
        if age.judge(snapshot, each) == state:
            yield each


def _age_text(snapshot: Snapshot, each: Age) -> str:
    days, limit = (snapshot.taken - each.since) // _DAY, age.limit(snapshot).days
    return f"{each.key} has had its value since {_moment(each.since)}, for {counted(days, 'day')} of {limit}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
