"""Reads what records calls on the secret, and what would tell somebody of an unusual one."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import asdict, replace

from omc_runbook.aws import cloudtrail, cloudwatch, events, logs, sns
from omc_runbook.aws.cloudtrail import Trail
from omc_runbook.aws.cloudwatch import MetricAlarm
from omc_runbook.aws.events import EventRule
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.logs import MetricFilter
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.model.event_patterns import Fields, matches_filter, matches_rule
from omc_runbook.snapshot.audit.secret_names import names_of
from omc_runbook.snapshot.audit.state import Monitoring
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.state import Snapshot

GAP, TRAILS = "monitoring", "trails"
"""The names of gaps: of what tells somebody of calls, and of what records them."""
READ = {
    "eventCategory": "Management",
    "eventSource": "secretsmanager.amazonaws.com",
    "eventName": "GetSecretValue",
    "eventType": "AwsApiCall",
    "readOnly": "true",
}
"""A read of a secret, by the fields of CloudTrail's selectors."""
KMS_USE = READ | {"eventSource": "kms.amazonaws.com", "eventName": "Decrypt"}
"""The use of a key that comes with it."""


class MonitoringRead:
    """The calls for trails, alarms and rules: the first begin at once, `finish` makes the rest and waits for all."""

    def __init__(self, gatherer: Gatherer, snapshot: Snapshot) -> None:
        self._gatherer, self._snapshot = gatherer, snapshot
        what, permission = "the trails of the account", "cloudtrail:DescribeTrails"
        self._trails = gatherer.read_once(what, permission, cloudtrail.describe_trails)
        self._rules = gatherer.read_once("the rules of EventBridge", "events:ListRules", events.list_rules)

    def finish(self) -> Monitoring:
        """What was found; what is missing is a gap."""
        gatherer, account = self._gatherer, self._snapshot.account
        trails = _with_status(gatherer, gatherer.keep(TRAILS, self._trails, ()))
        event = read_event(self._snapshot)
        filters = _filters(gatherer, [each for each in trails if not is_group_elsewhere(each, account)], event)
        alarms = _alarms(gatherer, filters)
        rules = _with_targets(gatherer, gatherer.keep(GAP, self._rules, ()), event)
        arns = {arn for each in alarms.values() for alarm in each for arn in alarm.actions}
        arns |= {arn for rule in rules for arn in rule.targets}
        return Monitoring(
            trails=trails,
            filters=filters,
            alarms=alarms,
            rules=rules,
            topics=_topics(gatherer, {arn for arn in arns if arn.split(":")[2:3] == ["sns"]}),
        )


def read_event(snapshot: Snapshot) -> Fields:
    """What CloudTrail records of a read of the secret by a role or user, as far as that is known."""
    account = snapshot.account
    known = {name: (value,) for name, value in READ.items()}
    # Its two booleans are texts in CloudTrail's selectors, but not in an event.
    return known | {
        "readOnly": (True,),
        "awsRegion": (snapshot.environment.names.region,),
        "managementEvent": (True,),
        "recipientAccountId": (account,),
        "requestParameters.secretId": tuple(sorted(names_of(snapshot))),
        "errorCode": (),
        "errorMessage": (),
        "userIdentity.type": ("AssumedRole", "IAMUser"),
        "userIdentity.invokedBy": (),
    }


def rule_event(event: Fields, region: str) -> Fields:
    """The same event as EventBridge gets it."""
    outside = {
        "source": ("aws.secretsmanager",),
        "detail-type": ("AWS API Call via CloudTrail",),
        "region": (region,),
        "account": event["recipientAccountId"],
        "resources": (),
        "replay-name": (),
    }
    return outside | {f"detail.{name}": values for name, values in event.items()}


def _with_status(gatherer: Gatherer, trails: tuple[Trail, ...]) -> tuple[Trail, ...]:
    """The trails with whether they log, and what; each is asked in its own region."""
    pending = []
    for trail in trails:
        at_home = gatherer.within(trail.home_region)
        state = at_home.read_once(
            f"the status of trail {trail.name}", "cloudtrail:GetTrailStatus", cloudtrail.get_trail_status, trail.arn
        )
        selectors = at_home.read_once(
            f"the event selectors of trail {trail.name}",
            "cloudtrail:GetEventSelectors",
            cloudtrail.get_selectors,
            trail.arn,
        )
        pending.append((trail, state, selectors))
    found = []
    for trail, state, selectors in pending:
        status = gatherer.keep(TRAILS, state, None)
        known = asdict(status) if status else {}
        found.append(replace(trail, selectors=gatherer.keep(TRAILS, selectors, None), **known))
    return tuple(found)


def _filters(gatherer: Gatherer, trails: Iterable[Trail], event: Fields) -> tuple[MetricFilter, ...]:
    """The metric filters of the trails' log groups that match a read of the secret, or may."""
    groups = {trail.log_group_arn: trail for trail in trails if trail.log_group_arn}
    answers = [
        gatherer.within(region_in(arn)).read_once(
            f"the metric filters of {trail.log_group}", "logs:DescribeMetricFilters", logs.describe_metric_filters, arn
        )
        for arn, trail in groups.items()
    ]
    found = (each for answer in answers for each in gatherer.keep(GAP, answer, ()))
    return tuple(each for each in found if matches_filter(each.pattern, event) is not False)


def _alarms(gatherer: Gatherer, filters: Iterable[MetricFilter]) -> dict[tuple[str, str, str], tuple[MetricAlarm, ...]]:
    """The alarms on the metric of each filter, by what they watch."""
    answers: dict[tuple[str, str, str], Future[tuple[MetricAlarm, ...] | ReadFailure]] = {
        (region, namespace, metric): gatherer.within(region).read_once(
            f"the alarms on metric {metric}",
            "cloudwatch:DescribeAlarmsForMetric",
            cloudwatch.describe_alarms,
            namespace,
            metric,
        )
        for region, namespace, metric in {each.metric_id for each in filters}
    }
    return {watched: gatherer.keep(GAP, answer, ()) for watched, answer in answers.items()}


def _with_targets(gatherer: Gatherer, rules: tuple[EventRule, ...], event: Fields) -> tuple[EventRule, ...]:
    """The rules that match a read of the secret, or may, with their targets."""
    outside = rule_event(event, gatherer.names.region)
    # Nobody can let a rule that is a service's own get reads: it is no alarm that was switched off.
    own = [rule for rule in rules if rule.state == events.WITH_READS or not rule.managed_by]
    matching = [rule for rule in own if matches_rule(rule.pattern, outside) is not False]
    answers = [
        gatherer.read_once(
            f"the targets of rule {rule.name}", "events:ListTargetsByRule", events.list_targets, rule.name
        )
        for rule in matching
    ]
    return tuple(
        replace(rule, targets=gatherer.keep(GAP, answer, ())) for rule, answer in zip(matching, answers, strict=True)
    )


def _topics(gatherer: Gatherer, arns: Iterable[str]) -> dict[str, sns.Topic | None]:
    """The topics that could be read, by their ARNs, each asked in its own region."""
    answers = {
        arn: gatherer.within(region_in(arn)).read_once(
            f"the subscriptions of topic {arn.rpartition(':')[2]}", "sns:ListSubscriptionsByTopic", sns.find_topic, arn
        )
        for arn in sorted(arns)
    }
    topics = {arn: gatherer.keep(GAP, answer, _UNREAD) for arn, answer in answers.items()}
    return {arn: topic for arn, topic in topics.items() if topic is not _UNREAD}


_UNREAD = sns.Topic("", (), ())
"""Stands for a topic that could not be read."""


def is_group_elsewhere(trail: Trail, account: str) -> bool:
    """Whether a trail sends its events to a log group of another account than this, whose filters nobody here sees."""
    return bool(trail.log_group_arn) and account_in(trail.log_group_arn) != account
