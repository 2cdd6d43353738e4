"""What the lights of an audit say where nothing is wrong: the answer to each question in a sentence, from the facts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from omc_runbook.aws.cloudtrail import Access
from omc_runbook.checks import age, alarm_routes, secret_access
from omc_runbook.checks.audit_accesses import COMPARED, find_unusual, history_of
from omc_runbook.checks.secret_access import PrincipalAccess
from omc_runbook.model.letters import counted, listed
from omc_runbook.report import audit_exposure, audit_monitoring
from omc_runbook.snapshot.audit.monitoring import READ
from omc_runbook.snapshot.state import Snapshot

LIGHT_NAMES = 2
"""How many problems, people, trails or alarms the sentence beside a light names."""


def how_old(snapshot: Snapshot) -> str:
    """How old the oldest value with a limit is, and when the next rotation is due."""
    history = snapshot.audit.history
    ages = age.ages(snapshot, history) if history else ()
    limited = sorted((each for each in ages if age.judge(snapshot, each) != "no limit"), key=lambda each: each.since)
    if not limited:
        return f"None of its {counted(len(ages), 'value')} has to be rotated." if ages else ""
    oldest, days = limited[0], age.limit(snapshot).days
    return (
        f"{counted(len(limited), 'secret value')} to be rotated within {days} days: the oldest, {oldest.key}, is"
        f" {counted((snapshot.taken - oldest.since).days, 'day')} old and due on"
        f" {age.due_date(snapshot, oldest):%Y-%m-%d}."
    )


def who_can_read(snapshot: Snapshot) -> str:
    """Which people, roles, administrators and outsiders can read the secret, and how many of them lately did."""
    found = snapshot.audit.identities
    if found is None or snapshot.secret is None:
        return ""
    access = secret_access.of(snapshot)
    people = [
        each
        for each in access.readers
        if secret_access.is_human(each.identity) and not secret_access.is_of_tasks(snapshot, each.identity)
    ]
    roles = [each for each in access.readers if each not in people]
    entering = [(each, access.role_of(each)) for each in access.outsiders if each.kind != "service"]
    outsiders = [
        (each.principal, way) for each, way in entering if each.is_let_in and not (way and way.perhaps_gets_values)
    ]
    outside = {principal for principal, way in outsiders if way is None or way.reads_somehow}
    around = {principal for principal, _ in outsiders} - outside
    perhaps = {each.principal for each, _ in entering} - outside - around
    but = f"Except for {counted(len(access.administrators), 'administrator')}, " if access.administrators else ""
    sentence = f"{but}{_people(people)} can read it; {counted(len(roles), 'role')} can{_used(snapshot, roles)}"
    becoming = sum(each.lets_itself_in for each in access.principals)
    within = sum(bool(each.possible_sessions) and not each.reads_somehow for each in access.principals)
    themselves = "itself" if becoming == 1 else "themselves"
    clauses = (
        (len(outside), "principal", ", and so can {} from outside the account"),
        (len(around), "principal", "; {} from outside the account can get at it another way"),
        (becoming, "more principal", f"; {{}} can let {themselves} in"),
        (within, "more principal", "; {} can read it inside a task"),
        (sum(bool(each.labels) for each in access.principals), "more principal", "; {} can read another version"),
        (len(perhaps), "principal", "; whether {} from outside the account can read it is unknown"),
        (len(access.unjudged), "more principal", "; whether {} of the account can read it is unknown"),
    )
    more = "".join(clause.format(counted(count, noun)) for count, noun, clause in clauses if count)
    return f"{sentence[0].upper()}{sentence[1:]}{more}."


def _people(people: Sequence[PrincipalAccess]) -> str:
    names = [each.identity.name for each in people]
    return f"{counted(len(names), 'person', 'people')} ({listed(names, LIGHT_NAMES)})" if names else "no person"


def _used(snapshot: Snapshot, roles: Sequence[PrincipalAccess]) -> str:
    """How many of some roles read this secret since events were looked up, where every call was looked at."""
    history = history_of(snapshot)
    if history is None or history.unread:
        return ""
    callers = {call.principal for call in history.accesses.calls if call.is_read and not call.error}
    # Who reads it over another role appears as that role.
    used = sum(not callers.isdisjoint({each.identity.arn, *(step.role.arn for step in each.chain)}) for each in roles)
    since = _period(snapshot, history.begin)
    if used == len(roles):
        return f", and {'has' if used == 1 else 'all have'} read it {since}"
    return f"; {used or 'none'} of them {'has' if used <= 1 else 'have'} read it {since}"


def who_did(snapshot: Snapshot) -> str:
    """How many principals read and changed the secret, and that none of it was unusual."""
    history = history_of(snapshot)
    if history is None:
        return ""
    calls = history.accesses.calls
    successful = [call for call in calls if not call.error]
    reads = [call for call in successful if call.is_read and call.time >= history.begin]
    changes = [call for call in successful if not call.is_read and call.time >= history.complete_since]
    readers, writers = ({call.principal for call in each} for each in (reads, changes))
    # What is compared with calls that were not seen is not known to be usual.
    is_usual = successful and not find_unusual(snapshot) and not any(map(history.lacks, COMPARED))
    since, changed_since = _period(snapshot, history.begin), _period(snapshot, history.complete_since)
    changed = f"changed it {_times(changes)}{changed_since if changed_since != since else ''}".rstrip()
    failed = f"; {counted(len(calls) - len(successful), 'more call')} failed" if len(calls) > len(successful) else ""
    return (
        f"{counted(len(readers), 'principal') if readers else 'Nobody'} read it {_times(reads)}{since}, and"
        f" {counted(len(writers), 'principal') if writers else 'nobody'} {changed}"
        f"{', all as usual' if is_usual else ''}{failed}."
    )


def _times(calls: Sequence[Access]) -> str:
    return f"{counted(len(calls), 'time')} " if calls else ""


def who_would_notice(snapshot: Snapshot) -> str:
    """Which trails record a read of the secret, and which alarms tell somebody who hears."""
    found = snapshot.audit.monitoring
    if found is None:
        return ""
    trails = [trail.name for trail in found.trails if trail.is_logging and trail.takes(READ)]
    routes = [route for route in alarm_routes.routes_of(snapshot) if audit_monitoring.works(route)]
    topics = [found.topics.get(arn) for arn in {arn for route in routes for arn in route.targets}]
    hears = sum(len(topic.confirmed) for topic in topics if topic)
    if not trails or not hears:
        return ""
    alarms = listed([f"{route.kind} {route.name}" for route in routes], LIGHT_NAMES)
    verb = "notifies" if len(routes) == 1 else "notify"
    recorded = f"Each read is recorded by trail {listed(trails, LIGHT_NAMES)}"
    return f"{recorded}, and {alarms} {verb} {counted(hears, 'subscriber')}."


def what_lies_open(snapshot: Snapshot) -> str:
    """That no value was found, and where it was searched for."""
    found = snapshot.audit.exposure
    if found is None or audit_exposure.count(found):
        return ""
    return f"No value of the secret was found. {audit_exposure.describe_search(found)}"


def _period(snapshot: Snapshot, begin: datetime) -> str:
    return f"in the last {counted(max((snapshot.taken - begin).days, 1), 'day')}"
