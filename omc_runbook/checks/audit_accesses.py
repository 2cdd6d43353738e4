"""Which calls on the secret are unusual, judged by what the same principals did before, by CloudTrail."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, update_wrapper

from omc_runbook.aws.cloudtrail import BATCH_READ, Access, issuer_of
from omc_runbook.aws.session import USER_AGENT
from omc_runbook.checks.audit_remedies import explain_calls
from omc_runbook.checks.check import ECS_FIELDS, Answer, Evidence, Family, Uncertain
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot.audit.accesses import WRITES
from omc_runbook.snapshot.audit.secret_calls import ECS_TASKS
from omc_runbook.snapshot.audit.state import Accesses
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot

RECENT = timedelta(days=7)
"""Calls of this period are compared with those before it; in a short audit, those of its later half."""
BURST = 20
"""How many reads within an hour are a burst, where the principal never read a quarter as often."""
REFUSALS = 5
"""The fewest refused calls that are reported, if they are more than three times as many as usual."""
_HOUR, _WEEK = timedelta(hours=1), timedelta(days=7)
PRIVATE = "a private network"
_PRIVATE_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128"),
    )
)


@dataclass(frozen=True)
class UnusualCall:
    """Calls of one principal that are unusual, by the id of the check that says so."""

    check: str
    principal: str
    facts: tuple[str, ...]
    newest: Access


@dataclass(frozen=True)
class CallHistory:
    """An audit's calls, divided into what was usual and what is recent."""

    snapshot: Snapshot
    accesses: Accesses

    @cached_property
    def unread(self) -> Mapping[str, datetime]:
        """By API, the time of the oldest call that was seen where there are more, of those that read the secret."""
        return {name: time for name, time in self.accesses.cut.items() if name not in WRITES}

    @cached_property
    def begin(self) -> datetime:
        """The time from which every read was seen."""
        return max((self.accesses.since, *self.unread.values()))

    @cached_property
    def complete_since(self) -> datetime:
        """The time from which every call was seen."""
        return max((self.accesses.since, *self.accesses.cut.values()))

    @cached_property
    def recent_since(self) -> datetime:
        """Where the recent part begins."""
        return self.snapshot.taken - recent_part(self.snapshot.audit.days)

    @cached_property
    def own(self) -> frozenset[str]:
        """The principals that make this audit."""
        caller = self.snapshot.caller
        own = {issuer_of(arn) for arn in (caller.arn, caller.source) if arn}
        # A session's ARN lacks the path of its role, such as that of Identity Center's.
        return frozenset(call.principal for call in self.accesses.calls if issuer_of(call.session) in own)

    @cached_property
    def execution_roles(self) -> frozenset[str]:
        """The roles by which ECS reads the secret whenever a task starts."""
        roles = frozenset(self.snapshot.execution_roles)
        if {"services", "task_definitions"} & self.snapshot.gaps.keys():
            # The services are not known: ECS makes some of these reads for them, and is their address then.
            roles |= {call.principal for call in self.accesses.calls if call.address == ECS_TASKS}
        return roles

    @cached_property
    def others(self) -> tuple[Access, ...]:
        """The calls of all principals but ECS's and the audit's own, newest first."""
        usual = self.own | self.execution_roles
        return tuple(call for call in self.accesses.calls if call.principal not in usual)

    @cached_property
    def reads(self) -> tuple[Access, ...]:
        """Their reads that succeeded."""
        return tuple(call for call in self.others if call.is_read and not call.error)

    @cached_property
    def has_baseline(self) -> bool:
        """Whether the earlier part shows what is usual: by a read, or as nobody read a secret that was there."""
        created = self.snapshot.secret.created if self.snapshot.secret else None
        was_there = created is not None and created <= self.begin < self.recent_since
        return was_there or any(call.is_read and self.is_before(call) for call in self.accesses.calls)

    def lacks(self, check: str) -> Mapping[str, datetime]:
        """`unread`, for the calls that a check judges, where too few of them were read to judge."""
        is_of_all = check == "rising-errors"
        since = self.complete_since if is_of_all else self.begin
        return (self.accesses.cut if is_of_all else self.unread) if since >= self.recent_since else {}

    def is_before(self, call: Access) -> bool:
        """Whether a call is of the earlier part."""
        return call.time < self.recent_since

    def recent(self, calls: Iterable[Access]) -> tuple[Access, ...]:
        """Those of the recent part."""
        return tuple(call for call in calls if not self.is_before(call))


Finder = Callable[[CallHistory], Iterator[UnusualCall]]
FINDERS: dict[str, Finder] = {}
"""What finds each kind of unusual calls, by its check's id."""
check = Family(
    "audit", symptom="audit", needs=("accesses", *ECS_FIELDS), looks_like=("unusual-use",), severity="warning"
)


@once
def history_of(snapshot: Snapshot) -> CallHistory | None:
    """The calls that an audit read; None where they were not read."""
    accesses = snapshot.audit.accesses
    return CallHistory(snapshot, accesses) if accesses else None


@once
def find_unusual(snapshot: Snapshot) -> tuple[UnusualCall, ...]:
    """Every kind of unusual calls in what an audit read."""
    history = history_of(snapshot)
    return tuple(each for check in FINDERS for each in find(history, check)) if history else ()


def finder(find_calls: Finder) -> Callable[[Snapshot], Iterator[Answer]]:
    """Make a check of a function that finds one kind of unusual calls, and has the check's name."""
    id = find_calls.__name__.replace("_", "-")
    FINDERS[id] = find_calls

    def run(snapshot: Snapshot) -> Iterator[Answer]:
        return _findings(snapshot, id)

    return update_wrapper(run, find_calls)


def find(history: CallHistory, check: str) -> Iterable[UnusualCall]:
    """The unusual calls that a check is about; none where they are compared with what was not seen."""
    return () if check in COMPARED and history.lacks(check) else FINDERS[check](history)


@check("new-reader", ruled_out_by="the principal's GetSecretValue in cloudtrail:LookupEvents before the last week")
@finder
def new_reader(history: CallHistory) -> Iterator[UnusualCall]:
    """A principal read the secret for the first time.

    It did not read it in the earlier part.
    """
    if not history.has_baseline:
        return
    reads = (call for call in history.accesses.calls if call.is_read and not call.error)
    before = {call.principal for call in reads if history.is_before(call)}
    for principal, calls in by_principal(history.recent(history.reads)).items():
        if principal not in before:
            fact = (
                f"{_how_many(calls)} of {principal}, the first at {_time(calls[-1])}{_origin(calls[-1])};"
                f" none from {history.begin:%Y-%m-%d} to {history.recent_since:%Y-%m-%d}."
            )
            yield UnusualCall("new-reader", principal, (fact,), calls[0])


@check(
    "human-read-production",
    ruled_out_by="userIdentity and userAgent of a service in each GetSecretValue of cloudtrail:LookupEvents",
    not_in_sandbox="The sandbox has no production environment",
)
@finder
def human_read_production(history: CallHistory) -> Iterator[UnusualCall]:
    """A person read the production secret.

    Reads by a runbook do not count.
    """
    if not history.snapshot.environment.is_production:
        return
    calls = [call for call in history.accesses.calls if call.is_read and not call.error and call.sign_of_a_person]
    by_hand = [call for call in calls if USER_AGENT not in call.user_agent]
    for principal, reads in by_principal(by_hand).items():
        facts = (
            f"{_how_many(reads)} of {reads[0].session or principal}, the last at {_time(reads[0])}{_origin(reads[0])}.",
            f"A person did it: {reads[0].sign_of_a_person}.",
        )
        yield UnusualCall("human-read-production", principal, facts, reads[0])


@check(
    "new-address", ruled_out_by="the same network in sourceIPAddress of the principal's earlier cloudtrail:LookupEvents"
)
@finder
def new_address(history: CallHistory) -> Iterator[UnusualCall]:
    """A principal read the secret from a network that is new for it.

    It never called from there in the earlier part.
    """
    for principal, calls in by_principal(history.others).items():
        before = {network_of(call.address) for call in calls if history.is_before(call)} - {""}
        recent = [call for call in history.recent(calls) if call.is_read and not call.error]
        new = [call for call in recent if network_of(call.address) not in {*before, ""}]
        if before and new:
            addresses = ", ".join(dict.fromkeys(call.address for call in new))
            fact = (
                f"{_how_many(new)} of {principal} from {addresses}, the last at {_time(new[0])}; before"
                f" {history.recent_since:%Y-%m-%d} it called from {', '.join(sorted(before))} alone."
            )
            yield UnusualCall("new-address", principal, (fact,), new[0])


@check("read-burst", ruled_out_by="fewer than 20 GetSecretValue an hour of each principal in cloudtrail:LookupEvents")
@finder
def read_burst(history: CallHistory) -> Iterator[UnusualCall]:
    """A principal read the secret far more often than usual."""
    for principal, calls in by_principal(history.reads).items():
        burst = _busiest_hour(history.recent(calls))
        busiest = len(_busiest_hour([call for call in calls if history.is_before(call)]))
        if len(burst) >= BURST and len(burst) > 4 * busiest:
            fact = (
                f"{len(burst)} reads of {principal} in the hour from {_time(burst[-1])}{_origin(burst[0])}; its"
                f" busiest hour before {history.recent_since:%Y-%m-%d} had {busiest}."
            )
            yield UnusualCall("read-burst", principal, (fact,), burst[0])


@check("rising-errors", ruled_out_by="no more errorCode than before in the principal's cloudtrail:LookupEvents")
@finder
def rising_errors(history: CallHistory) -> Iterator[UnusualCall]:
    """A principal's calls on the secret are refused more and more often."""
    weeks = max((history.recent_since - history.complete_since) / _WEEK, 1.0)
    share = (history.snapshot.taken - history.recent_since) / _WEEK
    for principal, calls in by_principal(call for call in history.others if call.is_refused).items():
        recent = history.recent(calls)
        usual = (len(calls) - len(recent)) / weeks * share
        if len(recent) >= REFUSALS and len(recent) > 3 * usual:
            codes = ", ".join(dict.fromkeys(call.error for call in recent))
            before = f"in as long a time before, it was {usual:.1f} on average" if usual else "none failed before"
            fact = (
                f"{len(recent)} calls of {principal} failed since {history.recent_since:%Y-%m-%d} with {codes},"
                f" the last at {_time(recent[0])}{_origin(recent[0])}; {before}."
            )
            yield UnusualCall("rising-errors", principal, (fact,), recent[0])


@check("catch-all-batch", ruled_out_by="the secret in requestParameters.secretIdList of each BatchGetSecretValue")
@finder
def catch_all_batch(history: CallHistory) -> Iterator[UnusualCall]:
    """A batch read got the secret by a filter that does not name it."""
    batches = [call for call in history.accesses.calls if call.name == BATCH_READ and call.filters and not call.error]
    name = history.snapshot.secret_name
    wide = [call for call in batches if not any(_names(each, name) for each in call.filters)]
    for principal, calls in by_principal(wide).items():
        filters = "; ".join(dict.fromkeys(each for call in calls for each in call.filters))
        fact = (
            f"{_how_many(calls)} of {principal} by {BATCH_READ} got {name} without naming it, the last at"
            f" {_time(calls[0])}{_origin(calls[0])}; Filters: {filters}."
        )
        yield UnusualCall("catch-all-batch", principal, (fact,), calls[0])


@check(
    "read-from-other-region",
    ruled_out_by="no GetSecretValue with the awsRegion of a replica in cloudtrail:LookupEvents",
)
@finder
def read_from_other_region(history: CallHistory) -> Iterator[UnusualCall]:
    """A principal outside the platform read a replica of the secret in another region."""
    home = history.snapshot.environment.names.region
    away = [call for call in history.recent(history.reads) if call.region not in ("", home)]
    for principal, calls in by_principal(away).items():
        regions = ", ".join(dict.fromkeys(call.region for call in calls))
        fact = (
            f"{_how_many(calls)} of {principal} in {regions}, the last at {_time(calls[0])}{_origin(calls[0])}; the"
            f" environment is in {home}."
        )
        yield UnusualCall("read-from-other-region", principal, (fact,), calls[0])


COMPARED = frozenset({"new-reader", "new-address", "read-burst", "rising-errors"})
"""Those that compare recent calls with the earlier part."""
OF_ANY_AGE = frozenset({"human-read-production", "catch-all-batch"})
"""Those that do not ask whether a call is recent."""


def recent_part(days: int) -> timedelta:
    """How much of an audit of so many days is recent."""
    return min(RECENT, timedelta(days=days) / 2)


def network_of(address: str) -> str:
    """The network of an IP address, in words; "" for the name of an AWS service."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if any(parsed in network for network in _PRIVATE_NETWORKS):
        return PRIVATE
    return str(ipaddress.ip_network(f"{address}/{24 if parsed.version == 4 else 48}", strict=False))


def by_principal(calls: Iterable[Access]) -> dict[str, list[Access]]:
    """The calls of each principal, in their order."""
    return grouped((call.principal, call) for call in calls)


def _busiest_hour(calls: Sequence[Access]) -> Sequence[Access]:
    """The most calls within any hour, of calls that are newest first."""
    first, busiest = 0, calls[:0]
    for last, call in enumerate(calls, 1):
        while calls[first].time - call.time >= _HOUR:
            first += 1
        if last - first > len(busiest):
            busiest = calls[first:last]
    return busiest


def _names(filter: str, secret: str) -> bool:
    """Whether a filter of a batch read, such as "name: one, another", has the whole name of a secret."""
    key, _, values = filter.partition(": ")
    return key == "name" and secret in values.split(", ")


def _how_many(calls: list[Access]) -> str:
    return f"{len(calls)} reads" if len(calls) > 1 else "A read"


def _time(call: Access) -> str:
    return f"{call.time:%Y-%m-%d %H:%M} UTC"


def _origin(call: Access) -> str:
    return f" from {call.address}" if call.address else ""


def _findings(snapshot: Snapshot, id: str) -> Iterator[Answer]:
    """The findings of one kind of unusual calls, or that there are too many calls to judge."""
    history = history_of(snapshot)
    if history is None:
        return
    for each in find(history, id):
        yield Evidence(each.principal, each.facts, explain_calls(snapshot.environment, each.newest))
    unread_before = history.lacks(id)
    if unread_before:
        apis = ", ".join(f"{name} before {time:%Y-%m-%d %H:%M} UTC" for name, time in unread_before.items())
        yield Uncertain(
            snapshot.secret_name,
            (f"CloudTrail has more calls than an audit reads: {apis} were not looked at. {_way_out(snapshot)}",),
        )


def _way_out(snapshot: Snapshot) -> str:
    """The remedy with which an audit reads every call."""
    if snapshot.environment.audit.reaches_back:
        return "Audit fewer days."
    return "Name a trail's bucket or an event data store in [audit] of runbook.toml, or audit fewer days."
