"""Remedies of an audit of calls: trails, alarms and their targets, filled in with this environment's names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from omc_runbook.aws.cloudtrail import Access, Trail
from omc_runbook.aws.events import WITH_READS
from omc_runbook.aws.sns import Topic
from omc_runbook.checks import remedies
from omc_runbook.checks.alarm_routes import ACTIONS_OFF, HAS_UNIT, AlarmRoute, verdict_on
from omc_runbook.iam.policy import extend
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.model.environment import Environment
from omc_runbook.model.findings import NO_REMEDY, Remedy
from omc_runbook.model.notify import sns_topics
from omc_runbook.snapshot.state import Snapshot

NAMESPACE = "SecretAccess"
"""The namespace of the metric that an alarm of ours watches."""
_AROUND = timedelta(minutes=5)
_MANAGEMENT: Mapping[str, Any] = {
    "Name": "Management events",
    "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}],
}


def explain_calls(environment: Environment, call: Access) -> Remedy:
    """Show a call with all that CloudTrail has of it, for whoever asks the principal."""
    show = remedies.in_region(
        call.region or environment.names.region,
        *("cloudtrail", "lookup-events"),
        *("--lookup-attributes", f"AttributeKey=EventName,AttributeValue={call.name}"),
        *("--start-time", f"{call.time - _AROUND:%Y-%m-%dT%H:%M:%SZ}"),
        *("--end-time", f"{call.time + _AROUND:%Y-%m-%dT%H:%M:%SZ}"),
    )
    # The variable overrides the file's whole list.
    entries = environment.variables.get("accepted") or "[[accepted]] of runbook.toml"
    stop = "take the permission away"
    if call.kind == "root":
        # No policy of its account takes a permission from a root user.
        stop = "change its password, delete its access keys,"
    return show.needing(
        f"Ask who is behind {call.principal} for the reason. A good one goes into {entries}; without one,"
        f" {stop} and run rotate on {environment.name}."
    )


def alarm_name(environment: Environment) -> str:
    """The name of an environment's alarm on reads, of its filter, rule and topic."""
    return f"{environment.project}-{environment.name}-secret-access"


def topic_of(snapshot: Snapshot, region: str) -> str:
    """The ARN of the topic for an alarm: the one that runbook.toml notifies of findings, else one of our own name."""
    environment = snapshot.environment
    known = sns_topics(environment.notify.findings)
    own = f"arn:{snapshot.caller.partition}:sns:{region}:{snapshot.account}:{alarm_name(environment)}"
    return next((arn for arn in known if region_in(arn) == region), own)


def filter_pattern(snapshot: Snapshot) -> str:
    """A metric filter's pattern: reads of the secret by all but the roles by which ECS starts tasks."""
    issuer = "$.userIdentity.sessionContext.sessionIssuer.arn"
    conditions = [
        '($.eventSource = "secretsmanager.amazonaws.com")',
        '($.eventName = "GetSecretValue")',
        f'($.requestParameters.secretId = "*{snapshot.secret_name}*")',
        *(f'(({issuer} NOT EXISTS) || ({issuer} != "{role}"))' for role in snapshot.execution_roles),
    ]
    return f"{{ {' && '.join(conditions)} }}"


def event_pattern(snapshot: Snapshot) -> str:
    """A rule's event pattern for the same calls."""
    roles = snapshot.execution_roles
    issuer = {"sessionContext": {"sessionIssuer": {"arn": [{"exists": False}, {"anything-but": [*roles]}]}}}
    detail = {
        "eventSource": ["secretsmanager.amazonaws.com"],
        "eventName": ["GetSecretValue"],
        "requestParameters": {"secretId": [{"wildcard": f"*{snapshot.secret_name}*"}]},
        **({"userIdentity": issuer} if roles else {}),
    }
    return json.dumps(
        {"source": ["aws.secretsmanager"], "detail-type": ["AWS API Call via CloudTrail"], "detail": detail}
    )


def trail_bucket(snapshot: Snapshot) -> str:
    """The name of the bucket for a new trail."""
    return f"{snapshot.environment.project}-cloudtrail-{snapshot.account}"


def trail_name(snapshot: Snapshot) -> str:
    """The name of a new trail."""
    return f"{snapshot.environment.project}-trail"


def trail_arn(snapshot: Snapshot) -> str:
    """The ARN of a new trail."""
    region = snapshot.environment.names.region
    return f"arn:{snapshot.caller.partition}:cloudtrail:{region}:{snapshot.account}:trail/{trail_name(snapshot)}"


def bucket_policy(snapshot: Snapshot) -> Mapping[str, Any]:
    """What lets CloudTrail write to the bucket of a new trail; see
    https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
    """
    bucket = f"arn:{snapshot.caller.partition}:s3:::{trail_bucket(snapshot)}"
    service = {"Service": "cloudtrail.amazonaws.com"}
    own = {"aws:SourceArn": trail_arn(snapshot)}
    check = {"Effect": "Allow", "Principal": service, "Action": "s3:GetBucketAcl", "Resource": bucket}
    write = {**check, "Action": "s3:PutObject", "Resource": f"{bucket}/AWSLogs/{snapshot.account}/*"}
    control = {"s3:x-amz-acl": "bucket-owner-full-control"}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {**check, "Condition": {"StringEquals": own}},
            {**write, "Condition": {"StringEquals": {**own, **control}}},
        ],
    }


def create_trail(snapshot: Snapshot) -> Remedy:
    """Create a trail of all regions with a bucket of its own, and let it log."""
    region, bucket, name = snapshot.environment.names.region, trail_bucket(snapshot), trail_name(snapshot)
    location = () if region == "us-east-1" else ("--create-bucket-configuration", f"LocationConstraint={region}")
    return _chain(
        region,
        ("s3api", "create-bucket", "--bucket", bucket, *location),
        ("s3api", "put-bucket-policy", "--bucket", bucket, "--policy", json.dumps(bucket_policy(snapshot))),
        (
            *("cloudtrail", "create-trail", "--name", name, "--s3-bucket-name", bucket),
            *("--is-multi-region-trail", "--enable-log-file-validation"),
        ),
        ("cloudtrail", "start-logging", "--name", name),
    )


def start_logging(snapshot: Snapshot, trail: Trail) -> Remedy:
    """Let a trail log, or deliver."""
    if not _is_own(snapshot, trail):
        return _ask_owner(trail, "start its logging again")
    if trail.is_logging:
        return Remedy(
            f"Let CloudTrail write to bucket {trail.bucket} again: its policy must allow cloudtrail.amazonaws.com"
            f" s3:GetBucketAcl and s3:PutObject, and the bucket must exist."
        )
    return _of_trail(trail, "start-logging", "--name", trail.arn)


def update_trail(snapshot: Snapshot, trail: Trail, option: str) -> Remedy:
    """Turn on an option of UpdateTrail, such as --enable-log-file-validation."""
    if not _is_own(snapshot, trail):
        return _ask_owner(trail, f"turn on {option.removeprefix('--')}")
    return _of_trail(trail, "update-trail", "--name", trail.arn, option)


def log_reads(snapshot: Snapshot, trail: Trail) -> Remedy:
    """Let a trail log every management event; what it logs of data events stays."""
    selectors = trail.selectors
    if selectors is None or not _is_own(snapshot, trail):
        return _ask_owner(trail, "log read-only management events")
    option, selectors_to_put = "--event-selectors", [dict(each) for each in selectors.basic]
    if selectors.advanced:
        option = "--advanced-event-selectors"
        others = [each for each in selectors.advanced if not _is_of_management(each)]
        selectors_to_put = [dict(_MANAGEMENT), *map(dict, others)]
    else:
        selectors_to_put[0] |= {"ReadWriteType": "All", "IncludeManagementEvents": True}
    return _of_trail(trail, "put-event-selectors", "--trail-name", trail.arn, option, json.dumps(selectors_to_put))


def create_alarm(snapshot: Snapshot) -> Remedy:
    """Tell a topic of reads: by a metric filter where a trail has a log group, else by a rule of EventBridge."""
    environment, name = snapshot.environment, alarm_name(snapshot.environment)
    trail = trail_with_group(snapshot)
    region = region_in(trail.log_group_arn) if trail else environment.names.region
    topic = topic_of(snapshot, region)
    create_topic = [("sns", "create-topic", "--name", name)] if topic.endswith(f":{name}") else []
    if trail is None:
        target = json.dumps([{"Id": "topic", "Arn": topic}])
        rule = ("--name", name, "--event-pattern", event_pattern(snapshot), "--state", WITH_READS)
        policy = json.dumps(topic_policy(topic))
        grant = ("--topic-arn", topic, "--attribute-name", "Policy", "--attribute-value", policy)
        granted = [("sns", "set-topic-attributes", *grant)] if create_topic else []
        remedy = _chain(
            region,
            *create_topic,
            *granted,
            ("events", "put-rule", *rule),
            ("events", "put-targets", "--rule", name, "--targets", target),
        )
    else:
        metric = f"metricName={name},metricNamespace={NAMESPACE},metricValue=1"
        count = (
            *("--filter-name", name, "--filter-pattern", filter_pattern(snapshot)),
            *("--metric-transformations", metric),
        )
        remedy = _chain(
            region,
            *create_topic,
            ("logs", "put-metric-filter", "--log-group-name", trail.log_group, *count),
            (
                *("cloudwatch", "put-metric-alarm", "--alarm-name", name),
                *("--namespace", NAMESPACE, "--metric-name", name, "--statistic", "Sum", "--period", "300"),
                *("--evaluation-periods", "1", "--threshold", "1"),
                *("--comparison-operator", "GreaterThanOrEqualToThreshold"),
                *("--treat-missing-data", "notBreaching", "--alarm-actions", topic),
            ),
        )
    return remedy.needing(f"Somebody has to subscribe to topic {topic} and confirm that.")


def topic_policy(topic: str) -> Mapping[str, Any]:
    """What lets the topic's account, alarms and EventBridge publish to it; a new topic's policy lacks EventBridge."""
    actions = ("Publish", "Subscribe", "ListSubscriptionsByTopic", "GetTopicAttributes", "SetTopicAttributes")
    own = {"Principal": {"AWS": account_in(topic)}, "Action": [f"sns:{action}" for action in actions]}
    services = ["cloudwatch.amazonaws.com", "events.amazonaws.com"]
    rules = {"Principal": {"Service": services}, "Action": "sns:Publish"}
    statements = [{"Effect": "Allow", **each, "Resource": topic} for each in (own, rules)]
    return {"Version": "2012-10-17", "Statement": statements}


def trail_with_group(snapshot: Snapshot) -> Trail | None:
    """The trail of this account that sends its events to a log group; None where none does."""
    monitoring = snapshot.audit.monitoring
    trails = monitoring.trails if monitoring else ()
    return next((trail for trail in trails if trail.log_group and _is_own(snapshot, trail)), None)


def switch_on(route: AlarmRoute) -> Remedy:
    """Let an alarm tell its targets again, or a rule get calls that read, too."""
    if route.kind == "rule":
        rule = ("--name", route.name, "--event-pattern", route.pattern, "--state", WITH_READS)
        return remedies.in_region(route.region, "events", "put-rule", *rule)
    if ACTIONS_OFF in route.problem:
        return remedies.in_region(route.region, "cloudwatch", "enable-alarm-actions", "--alarm-names", route.name)
    if HAS_UNIT in route.problem:
        return Remedy("Put the alarm again without a unit: aws cloudwatch put-metric-alarm with its other settings.")
    return Remedy(
        "Let the trail send reads to its log group again: it has to log them, and its role for CloudWatch Logs needs"
        " logs:CreateLogStream and logs:PutLogEvents there."
    )


def subscribe(snapshot: Snapshot, route: AlarmRoute) -> Remedy:
    """Subscribe an address to the route's topic, which is created where it is gone, and let the route publish to it."""
    monitoring = snapshot.audit.monitoring
    topics = {arn: monitoring.topics.get(arn) if monitoring else None for arn in route.targets}
    for found in topics.values():
        if found and found.confirmed and (found.policy or found.is_closed):
            return _let_publish(snapshot, route, found)
    # Whether a target of another kind reaches somebody is unknown, so that these are topics.
    topic = route.targets[0] if route.targets else topic_of(snapshot, route.region)
    target = json.dumps([{"Id": "topic", "Arn": topic}])
    add_target = ("events", "put-targets", "--rule", route.name, "--targets", target)
    created = _chain(
        region_in(topic),
        ("sns", "create-topic", "--name", topic.rpartition(":")[2]),
        *([] if route.targets else [add_target]),
    )
    address = ("--protocol", "email", "--notification-endpoint", "ADDRESS")
    subscribed = remedies.in_region(region_in(topic), "sns", "subscribe", "--topic-arn", topic, *address).needing(
        "ADDRESS is who is to know: they confirm by the link in the message from SNS."
    )
    known = topics.get(topic)
    opened = _let_publish(snapshot, route, known) if known else NO_REMEDY
    return remedies.combine([way for way in (created, opened, subscribed) if way.command])


def _let_publish(snapshot: Snapshot, route: AlarmRoute, topic: Topic) -> Remedy:
    """Let a route publish to a topic whose policy or key does not; no command where both do."""
    owner, service, attributes = account_in(topic.arn), route.service, list[tuple[str, str]]()
    key = f"a customer key whose policy lets {service} kms:Decrypt and kms:GenerateDataKey*."
    with_key = f" The topic has to be encrypted with {key}" if topic.is_closed else ""
    if owner != snapshot.account:
        return Remedy(f"Ask account {owner}, which owns topic {topic.arn}, to let {service} publish to it.{with_key}")
    if topic.policy:
        verdict = verdict_on(snapshot, route, topic.policy, topic.arn)
        if verdict.decision == "explicit-deny":
            denies = f"Correct {', '.join(verdict.statements)}: its Deny keeps {service} from sns:Publish."
            return Remedy(f"{denies}{with_key}")
        # A Condition that may let it publish stays as it is.
        if verdict.decision == "implicit-deny":
            grant = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sns:Publish"}
            attributes.append(("Policy", extend(topic.policy, **grant, Resource=topic.arn)))
    if topic.is_closed:
        attributes.append(("KmsMasterKeyId", "KEY"))
    on_topic = ("sns", "set-topic-attributes", "--topic-arn", topic.arn)
    pairs = (("--attribute-name", name, "--attribute-value", value) for name, value in attributes)
    remedy = _chain(region_in(topic.arn), *((*on_topic, *pair) for pair in pairs))
    return remedy.needing(f"KEY is the ARN of {key}") if topic.is_closed else remedy


def _of_trail(trail: Trail, *words: str) -> Remedy:
    return remedies.in_region(trail.home_region, "cloudtrail", *words)


def _ask_owner(trail: Trail, what: str) -> Remedy:
    return Remedy(f"Ask account {account_in(trail.arn)}, which owns trail {trail.name}, to {what}.")


def _is_own(snapshot: Snapshot, trail: Trail) -> bool:
    return account_in(trail.arn) == snapshot.account


def _is_of_management(selector: Mapping[str, Any]) -> bool:
    return any("Management" in each.get("Equals", ()) for each in selector["FieldSelectors"])


def _chain(region: str, *commands: tuple[str, ...]) -> Remedy:
    """Commands of the AWS CLI in a region, one after another."""
    return remedies.combine([remedies.in_region(region, *words) for words in commands])
