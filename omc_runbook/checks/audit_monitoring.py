"""Checks of what records calls on the secret, and of who is notified of an unusual one."""

from __future__ import annotations

from collections.abc import Iterator

from omc_runbook.aws.cloudtrail import Trail
from omc_runbook.checks import audit_remedies
from omc_runbook.checks.alarm_routes import AlarmRoute, routes_of
from omc_runbook.checks.check import TRAIL, Answer, Evidence, Family, Uncertain
from omc_runbook.model.arn import account_in
from omc_runbook.snapshot.audit.monitoring import GAP, READ, TRAILS, is_group_elsewhere
from omc_runbook.snapshot.state import Snapshot

check = Family("audit", symptom="audit", needs=(TRAIL, TRAILS), looks_like=("nobody-notices",), severity="warning")


@check("no-trail", needs=(TRAILS,), ruled_out_by="a trail of the region in cloudtrail:DescribeTrails")
def no_trail(snapshot: Snapshot) -> Iterator[Answer]:
    """No trail records who reads the secret."""
    if _trails(snapshot) == () and TRAILS not in snapshot.gaps:
        region, account = snapshot.environment.names.region, snapshot.caller.account
        fact = (
            f"cloudtrail:DescribeTrails has no trail for {region} in account {account}: calls are kept for 90 days in"
            " the event history alone, and nothing can alert anybody to them."
        )
        yield Evidence(region, (fact,), audit_remedies.create_trail(snapshot))


@check(
    "trail-not-logging",
    ruled_out_by="IsLogging true and no LatestDeliveryError in cloudtrail:GetTrailStatus",
    severity="error",
)
def trail_not_logging(snapshot: Snapshot) -> Iterator[Answer]:
    """The trail does not log, or does not deliver what it logs."""
    trails = _trails(snapshot)
    if any(_is_working(trail) is not False for trail in trails):
        return
    for trail in trails:
        fact = (
            f"cloudtrail:GetTrailStatus has LatestDeliveryError {trail.delivery_error} of {trail.name}: what it logs"
            f" does not arrive in bucket {trail.bucket}."
            if trail.is_logging
            else f"cloudtrail:GetTrailStatus has IsLogging false of {trail.name}: since then no call is recorded."
        )
        yield Evidence(trail.name, (fact,), audit_remedies.start_logging(snapshot, trail))


@check("trail-one-region", ruled_out_by="IsMultiRegionTrail true in cloudtrail:DescribeTrails")
def trail_one_region(snapshot: Snapshot) -> Iterator[Answer]:
    """The trail records one region only."""
    trails = _recording_reads(snapshot)
    if any(trail.is_multi_region for trail in trails):
        return
    for trail in trails:
        fact = f"cloudtrail:DescribeTrails has IsMultiRegionTrail false of {trail.name} in {trail.home_region}."
        yield Evidence(trail.name, (fact,), audit_remedies.update_trail(snapshot, trail, "--is-multi-region-trail"))


@check("trail-not-validated", ruled_out_by="LogFileValidationEnabled true in cloudtrail:DescribeTrails")
def trail_not_validated(snapshot: Snapshot) -> Iterator[Answer]:
    """The trail's files can be changed without a trace: they have no digests."""
    trails = _recording_reads(snapshot)
    if any(trail.validates_files for trail in trails):
        return
    for trail in trails:
        fact = f"cloudtrail:DescribeTrails has LogFileValidationEnabled false of {trail.name}."
        remedy = audit_remedies.update_trail(snapshot, trail, "--enable-log-file-validation")
        yield Evidence(trail.name, (fact,), remedy)


@check("trail-without-reads", ruled_out_by="read-only management events in cloudtrail:GetEventSelectors")
def trail_without_reads(snapshot: Snapshot) -> Iterator[Answer]:
    """The trail does not record reads of the secret."""
    trails = _best_trails(snapshot)
    answers = [trail.takes(READ) for trail in trails]
    if True in answers:
        return
    for trail, answer in zip(trails, answers, strict=True):
        if answer is False:
            fact = (
                f"cloudtrail:GetEventSelectors of {trail.name} leaves out read-only management events of"
                f" {READ['eventSource']}, such as GetSecretValue."
            )
            yield Evidence(trail.name, (fact,), audit_remedies.log_reads(snapshot, trail))
        elif trail.selectors is not None:
            reason = f"The event selectors of {trail.name} depend on who makes a call: some reads may be left out."
            yield Uncertain(trail.name, (reason,))


@check(
    "no-alarm",
    needs=(TRAILS, GAP),
    ruled_out_by="a metric filter with an alarm, or a rule of EventBridge, that matches GetSecretValue on the secret",
    because_of=("no-trail", "secret-missing"),
)
def no_alarm(snapshot: Snapshot) -> Iterator[Answer]:
    """No alarm tells anybody that the secret was read."""
    if not _is_read(snapshot):
        return
    routes = routes_of(snapshot)
    notifiers = [route for route in routes if route.kind != "filter"]
    if any(route.matches for route in notifiers):
        return
    # Who watches a filter's metric may be unknown too.
    unmatched = [route for route in routes if route.matches is None]
    undecided = [route for route in unmatched if route in notifiers or route.reaches is None]
    for route in undecided:
        unknown = f"Whether {route.kind} {route.name} matches is not known: {route.pattern}"
        yield Uncertain(route.name, (_sentence(route.doubt) or unknown,))
    elsewhere = [trail for trail in _best_trails(snapshot) if is_group_elsewhere(trail, snapshot.account)]
    for trail in elsewhere:
        owner = account_in(trail.log_group_arn)
        reason = (
            f"Trail {trail.name} sends its events to log group {trail.log_group} of account {owner}: whether an alarm"
            f" there watches reads of {snapshot.secret_name} is for its owner to say. Here none does."
        )
        yield Uncertain(trail.name, (reason,))
    if not undecided and not elsewhere:
        facts = [
            f"Metric filter {route.name} {'counts' if route.matches else 'may count'} reads of {snapshot.secret_name},"
            " but no alarm watches its metric (cloudwatch:DescribeAlarmsForMetric, which has none on a metric math"
            " expression)."
            for route in routes
            if route.matches is not False
        ]
        facts = facts or [
            f"No metric filter on a trail's log group (logs:DescribeMetricFilters) and no rule (events:ListRules)"
            f" matches GetSecretValue on {snapshot.secret_name}."
        ]
        yield Evidence(snapshot.secret_name, tuple(facts), audit_remedies.create_alarm(snapshot))


@check(
    "alarm-off",
    needs=(TRAILS, GAP),
    ruled_out_by="ActionsEnabled true of the alarm, or the rule's State with all management events of CloudTrail",
    because_of=("trail-not-logging", "trail-without-reads"),
)
def alarm_off(snapshot: Snapshot) -> Iterator[Answer]:
    """The alarm on reads of the secret does not work."""
    routes = _matching(snapshot)
    if _is_read(snapshot) and routes and all(route.problem for route in routes):
        for route in routes:
            yield Evidence(route.name, (_sentence(route.problem),), audit_remedies.switch_on(route))


@check(
    "alarm-to-nobody",
    needs=(TRAILS, GAP),
    ruled_out_by="a confirmed subscription in sns:ListSubscriptionsByTopic of the alarm's topic",
)
def alarm_to_nobody(snapshot: Snapshot) -> Iterator[Answer]:
    """The alarm on reads of the secret has no recipient."""
    routes = [route for route in _matching(snapshot) if not route.problem]
    if not _is_read(snapshot) or any(route.reaches for route in routes):
        return
    for route in routes:
        if route.reaches is None:
            yield Uncertain(route.name, tuple(map(_sentence, route.ends)))
        else:
            facts = tuple(map(_sentence, route.ends)) or (_without_target(route),)
            yield Evidence(route.name, facts, audit_remedies.subscribe(snapshot, route))


def _trails(snapshot: Snapshot) -> tuple[Trail, ...]:
    monitoring = snapshot.audit.monitoring
    return monitoring.trails if monitoring else ()


def _is_working(trail: Trail) -> bool | None:
    return trail.is_logging and not trail.delivery_error


def _best_trails(snapshot: Snapshot) -> tuple[Trail, ...]:
    """The trails that log and deliver; all where none does."""
    trails = _trails(snapshot)
    return tuple(trail for trail in trails if _is_working(trail)) or trails


def _recording_reads(snapshot: Snapshot) -> tuple[Trail, ...]:
    """The best trails that record reads of the secret, or may; all of them where none does."""
    trails = _best_trails(snapshot)
    return tuple(trail for trail in trails if trail.takes(READ) is not False) or trails


def _is_read(snapshot: Snapshot) -> bool:
    """Whether everything that could notify somebody was read, so that a missing route is certain."""
    return bool(snapshot.audit.monitoring) and not {TRAILS, GAP}.intersection(snapshot.gaps)


def _matching(snapshot: Snapshot) -> tuple[AlarmRoute, ...]:
    """The alarms and rules that match a read of the secret; where none does, those whose pattern alone does."""
    notifiers = [route for route in routes_of(snapshot) if route.kind != "filter"]
    return tuple(route for route in notifiers if route.matches) or tuple(route for route in notifiers if route.doubt)


def _without_target(route: AlarmRoute) -> str:
    others = ", and whether a composite alarm has it in its AlarmRule was not read" if route.kind == "alarm" else ""
    return f"{route.kind.capitalize()} {route.name} has no target{others}."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
