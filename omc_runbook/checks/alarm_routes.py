"""How somebody is notified of a read of the secret: each route, and its targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from omc_runbook.aws.cloudtrail import Trail
from omc_runbook.aws.cloudwatch import MetricAlarm
from omc_runbook.aws.events import WITH_READS
from omc_runbook.aws.logs import MetricFilter
from omc_runbook.aws.sns import Topic
from omc_runbook.iam.policy import Context, PolicyDocument, Verdict, evaluate_resource
from omc_runbook.model.arn import region_in
from omc_runbook.model.event_patterns import matches_filter, matches_rule
from omc_runbook.model.truth import any_of
from omc_runbook.snapshot.audit.monitoring import READ, read_event, rule_event
from omc_runbook.snapshot.audit.state import Monitoring
from omc_runbook.snapshot.state import Snapshot

ALARMS, RULES = "cloudwatch.amazonaws.com", "events.amazonaws.com"
"""The services that publish to a topic."""
ACTIONS_OFF, HAS_UNIT = "ActionsEnabled false", "has Unit"


@dataclass(frozen=True, kw_only=True)
class AlarmRoute:
    """A way to notify somebody of a read of the secret: a metric filter with an alarm, or a rule of EventBridge."""

    kind: Literal["alarm", "rule", "filter"]
    """What notifies somebody; "filter" is a metric filter without an alarm, which notifies nobody."""
    name: str
    """The name of the alarm, the rule or the filter."""
    matches: bool | None
    """Whether it matches a read of the secret; None where its pattern is not understood."""
    pattern: str
    region: str
    doubt: str = ""
    """Why that is unknown, in a sentence; "" where it is known, or the pattern alone is the reason."""
    problem: str = ""
    """What turns it off, in a sentence; "" where it is on."""
    targets: tuple[str, ...] = ()
    """The ARNs of its targets."""
    reaches: bool | None = False
    """Whether a target exists and has a confirmed subscriber; None where that is unknown."""
    ends: tuple[str, ...] = ()
    """What is at each target, in a sentence."""

    @property
    def service(self) -> str:
        """The service that publishes."""
        return RULES if self.kind == "rule" else ALARMS


def routes_of(snapshot: Snapshot) -> tuple[AlarmRoute, ...]:
    """Every route of what an audit read."""
    monitoring = snapshot.audit.monitoring
    if monitoring is None:
        return ()
    return (*_of_filters(snapshot, monitoring), *_of_rules(snapshot, monitoring))


def _of_filters(snapshot: Snapshot, monitoring: Monitoring) -> Iterator[AlarmRoute]:
    event = read_event(snapshot)
    for each in monitoring.filters:
        trails = [trail for trail in monitoring.trails if trail.log_group_arn == each.group_arn]
        problems = [*map(_problem_of, trails)]
        region = region_in(each.group_arn)
        matches = matches_filter(each.pattern, event)
        doubt = _doubt_of(each) if matches or each.has_dimensions else ""
        route = AlarmRoute(
            kind="filter",
            name=each.name,
            matches=None if doubt else matches,
            pattern=each.pattern,
            region=region,
            doubt=doubt,
            reaches=None if each.has_dimensions else False,
        )
        # An alarm on a metric with dimensions is not among these.
        alarms = () if each.has_dimensions else monitoring.alarms.get(each.metric_id, ())
        if not alarms:
            yield route
        for alarm in alarms:
            problem = problems[0] if all(problems) else _problem_between(alarm, each)
            by_alarm = replace(route, kind="alarm", name=alarm.name, problem=problem)
            yield _leading_to(by_alarm, snapshot, monitoring, alarm.actions)


def _doubt_of(each: MetricFilter) -> str:
    """Why it is not known whether an alarm watches what a filter counts of reads, in a sentence; "" where it is."""
    if each.has_dimensions:
        return f"metric filter {each.name} counts by dimensions: which alarms watch these was not read."
    if each.criteria:
        return f"whether metric filter {each.name} sees reads depends on its fieldSelectionCriteria {each.criteria}."
    if each.is_after_transformer:
        return f"metric filter {each.name} has applyOnTransformedLogs true: what becomes of reads there was not read."
    return ""


def _problem_between(alarm: MetricAlarm, each: MetricFilter) -> str:
    """What keeps an alarm from going off by what a filter counts, in a sentence; "" where nothing does."""
    if not alarm.are_actions_enabled:
        return f"alarm {alarm.name} has {ACTIONS_OFF}."
    if alarm.unit and alarm.unit != each.unit:
        return f"alarm {alarm.name} {HAS_UNIT} {alarm.unit}, but metric filter {each.name} counts in unit {each.unit}."
    return ""


def _problem_of(trail: Trail) -> str:
    """Why reads of the secret do not arrive in a trail's log group, in a sentence; "" where they do."""
    if trail.is_logging is False:
        return f"trail {trail.name} does not log, so that nothing arrives in {trail.log_group}."
    if trail.log_group_error:
        return f"trail {trail.name} does not deliver to {trail.log_group}: {trail.log_group_error}."
    if trail.takes(READ) is False:
        return f"trail {trail.name} leaves out reads, so that none arrives in {trail.log_group}."
    return ""


def _of_rules(snapshot: Snapshot, monitoring: Monitoring) -> Iterator[AlarmRoute]:
    region = snapshot.environment.names.region
    event = rule_event(read_event(snapshot), region)
    for rule in monitoring.rules:
        problem = ""
        if rule.state != WITH_READS:
            only = "" if rule.state == "DISABLED" else f"; only {WITH_READS} gets calls that read"
            problem = f"rule {rule.name} has State {rule.state}{only}."
        route = AlarmRoute(
            kind="rule",
            name=rule.name,
            matches=matches_rule(rule.pattern, event),
            pattern=rule.pattern,
            region=region,
            problem=problem,
        )
        yield _leading_to(route, snapshot, monitoring, rule.targets)


def _leading_to(route: AlarmRoute, snapshot: Snapshot, monitoring: Monitoring, targets: tuple[str, ...]) -> AlarmRoute:
    """A route with its targets."""
    reaches = any_of(_has_subscriber(snapshot, route, monitoring, arn) for arn in targets)
    ends = tuple(_end(snapshot, route, monitoring, arn) for arn in targets)
    return replace(route, targets=targets, reaches=reaches, ends=ends)


def _has_subscriber(snapshot: Snapshot, route: AlarmRoute, monitoring: Monitoring, arn: str) -> bool | None:
    if arn not in monitoring.topics:
        return None
    topic = monitoring.topics[arn]
    if topic is None or topic.is_closed or not topic.confirmed:
        return False
    return _policy_allows(snapshot, route, topic)


def _policy_allows(snapshot: Snapshot, route: AlarmRoute, topic: Topic) -> bool | None:
    """Whether a topic's policy lets a route publish; None where a Condition leaves that open."""
    if topic.policy is None:
        return True
    decision = verdict_on(snapshot, route, topic.policy, topic.arn).decision
    return None if decision == "unknown" else decision == "allowed"


def verdict_on(snapshot: Snapshot, route: AlarmRoute, policy: PolicyDocument, topic: str) -> Verdict:
    """What the policy of a topic decides of an alarm or a rule that publishes to it.

    Alarms publish as their account, which a new topic's policy allows; EventBridge does not. Of a rule, AWS names
    these keys, and also says that no Condition in a topic's policy works: what depends on one of them is unknown. See
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html,
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html and
    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    account, is_alarm = snapshot.account, route.service == ALARMS
    source = f"cloudwatch:{route.region}:{account}:alarm:" if is_alarm else f"events:{route.region}:{account}:rule/"
    own = {"aws:SourceAccount": account, "aws:SourceArn": f"arn:{snapshot.caller.partition}:{source}{route.name}"}

    def decide(keys: Context) -> Verdict:
        always = {"aws:SourceOwner": account if is_alarm else (), "aws:SecureTransport": "true"}
        return evaluate_resource(policy, (route.service,), "sns:Publish", topic, {**always, **keys})

    verdict = decide(own)
    if is_alarm or verdict.decision == decide(dict.fromkeys(own, ())).decision:
        return verdict
    return decide({})


def _end(snapshot: Snapshot, route: AlarmRoute, monitoring: Monitoring, arn: str) -> str:
    """What a target of a route is, in words."""
    if arn not in monitoring.topics:
        return f"who receives what is sent to {arn} was not read."
    topic = monitoring.topics[arn]
    if topic is None:
        return f"topic {arn} does not exist."
    may, service, problems = _policy_allows(snapshot, route, topic), route.service, list[str]()
    if not topic.confirmed:
        pending = f"; to be confirmed: {', '.join(topic.pending)}" if topic.pending else ""
        problems.append(f"topic {arn} has no confirmed subscription{pending}")
    if topic.is_closed:
        problems.append(
            f"topic {arn} is encrypted with {topic.key}, and the policy of that AWS managed key leaves {service} out"
        )
    if not may:
        problems.append(
            f"the policy of topic {arn} {'may keep' if may is None else 'keeps'} {service} from sns:Publish"
        )
    if problems:
        return f"{'; '.join(problems)}."
    return f"topic {arn} has confirmed subscriptions: {', '.join(topic.confirmed)}."
