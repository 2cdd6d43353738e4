"""Checks of trails and alarms: each with an account in which somebody would hear, and one in which nobody would."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support import aws_commands
from support.check_assertions import assert_clear, by_id
from support.faults.audit_monitoring import ALARM, FAULTS, FILTER, RULE, TOPIC, TRAIL, monitored
from support.snapshots import healthy

from omc_runbook.aws.cloudtrail import EVERY_MANAGEMENT_EVENT, Selector, Selectors, Trail
from omc_runbook.aws.cloudwatch import MetricAlarm
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.sns import Topic
from omc_runbook.checks import audit_monitoring
from omc_runbook.checks.alarm_routes import routes_of
from omc_runbook.checks.audit_remedies import bucket_policy, event_pattern, filter_pattern, topic_policy
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.event_patterns import matches_filter, matches_rule
from omc_runbook.snapshot.audit.monitoring import read_event, rule_event
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(audit_monitoring))
ALARMS = ("no-alarm", "alarm-off", "alarm-to-nobody")
FOREIGN = TRAIL.arn.replace(healthy().caller.account, "210987654321")


def found(snapshot: Snapshot) -> dict[str, str]:
    """What is not clear in a snapshot, by its check's id: its status."""
    answers = [answer for check in CHECKS.values() for answer in run_check(check, snapshot)]
    return {answer.check: answer.status for answer in answers if answer.status != "clear"}


@pytest.mark.parametrize("id", CHECKS)
def test_where_somebody_hears_by_a_rule_all_is_clear(id: str) -> None:
    """By one of EventBridge, without any alarm on a metric filter."""
    assert_clear(CHECKS[id], monitored(healthy(), filters=(), alarms={}, rules=(RULE,)))


def test_without_a_trail_there_is_none_to_judge() -> None:
    """The checks of a trail are skipped, and the finding is that there is none."""
    skipped = {id: "skipped" for id, check in CHECKS.items() if "trail" in check.needs}
    assert found(monitored(healthy(), None)).items() >= {"no-trail": "found", **skipped}.items()


@pytest.mark.parametrize("id", FAULTS)
def test_each_remedys_commands_are_the_clis(id: str) -> None:
    """Each command that is printed is one that the AWS CLI takes."""
    for finding in run_check(CHECKS[id], FAULTS[id].make(healthy())):
        assert aws_commands.read_line(finding.remedy.command)


def test_the_bucket_of_a_new_trail_lets_cloudtrail_write() -> None:
    """CloudTrail reads the bucket's ACL before it writes files."""
    statements = bucket_policy(healthy())["Statement"]
    assert [each["Action"] for each in statements] == ["s3:GetBucketAcl", "s3:PutObject"]
    assert all(each["Condition"]["StringEquals"]["aws:SourceArn"].endswith("-trail") for each in statements)


def test_an_alarm_that_tells_no_known_topic_begins_with_one() -> None:
    """What the alarm's command names is created before it."""
    [finding] = run_check(CHECKS["no-alarm"], monitored(healthy(), filters=(), alarms={}, topics={}))
    assert finding.remedy.command.startswith("aws sns create-topic --name ")


@pytest.mark.parametrize("field", ["trails", "monitoring"])
def test_what_could_not_be_read_is_never_clear_nor_missing(field: str) -> None:
    """A refusal leaves what depends on it unknown, with the permission named; no alarm is missed that may be there."""
    refused = ReadFailure("the trails", "cloudtrail:DescribeTrails", "AccessDeniedException", "denied")
    unread = replace(monitored(healthy(), None), gaps={field: (refused,)})
    for id, check in CHECKS.items():
        [answer] = run_check(check, unread)
        if field in check.needs:
            assert answer.status == "unknown", id
            assert "cloudtrail:DescribeTrails is missing" in answer.evidence[0]


def test_one_trail_that_does_is_enough() -> None:
    """A second trail of one region or without reads is no fault."""
    second = replace(TRAIL, name="second", is_multi_region=False, validates_files=False, is_logging=False)
    assert found(monitored(healthy(), trails=(TRAIL, second))) == {}


def test_a_trail_without_reads_does_not_make_up_for_the_one_with_them() -> None:
    """Reads are recorded in one region alone, in files without digests, whatever another trail's are."""
    without_reads = replace(
        TRAIL,
        name="writes",
        selectors=Selectors(
            every=(Selector(conditions={**EVERY_MANAGEMENT_EVENT.conditions, "readOnly": {"Equals": ("false",)}}),)
        ),
    )
    second = replace(TRAIL, name="second", is_multi_region=False, validates_files=False)
    snapshot = monitored(healthy(), trails=(without_reads, second))
    assert found(snapshot) == dict.fromkeys(("trail-one-region", "trail-not-validated"), "found")


def test_a_trail_that_does_not_deliver() -> None:
    """It logs into a bucket that is gone; what else is wrong with it is reported too."""
    snapshot = monitored(healthy(), replace(TRAIL, delivery_error="NoSuchBucket", validates_files=False))
    assert found(snapshot)["trail-not-validated"] == "found"
    [answer] = run_check(CHECKS["trail-not-logging"], snapshot)
    assert "LatestDeliveryError NoSuchBucket" in answer.evidence[0]


def test_selectors_that_depend_on_the_caller_are_unknown() -> None:
    """Whether a read is recorded then depends on who reads."""
    depends = Selector(conditions={**EVERY_MANAGEMENT_EVENT.conditions, "userIdentity.arn": {"Equals": ("arn:x",)}})
    snapshot = monitored(healthy(), replace(TRAIL, selectors=Selectors(every=(depends,))))
    assert found(snapshot)["trail-without-reads"] == "unknown"


def test_what_a_trail_logs_of_data_events_stays() -> None:
    """The remedy writes back what it found, with all management events."""
    data = {"Name": "files", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}]}
    only = Selector(conditions={"eventCategory": {"Equals": ("Data",)}})
    snapshot = monitored(healthy(), replace(TRAIL, selectors=Selectors(every=(only,), advanced=(data,))))
    [answer] = run_check(CHECKS["trail-without-reads"], snapshot)
    [call] = aws_commands.read_line(answer.remedy.command)
    [management, data_events] = call.parameters["AdvancedEventSelectors"]
    assert (
        management["FieldSelectors"] == [{"Field": "eventCategory", "Equals": ["Management"]}] and data_events == data
    )


def test_a_trail_of_another_account_is_for_its_owner_to_correct() -> None:
    """An organization's trail cannot be changed from a member."""
    trail = replace(TRAIL, arn=FOREIGN, is_organization=True, validates_files=False)
    [answer] = run_check(CHECKS["trail-not-validated"], monitored(healthy(), trail))
    assert answer.remedy.command.startswith("Ask account 210987654321")


def test_a_rule_that_is_enabled_gets_no_reads() -> None:
    """EventBridge passes read-only calls on only in a state of its own."""
    for state in ("ENABLED", "DISABLED"):
        rule = replace(RULE, state=state)
        [answer] = run_check(CHECKS["alarm-off"], monitored(healthy(), filters=(), alarms={}, rules=(rule,)))
        assert f"State {state}" in answer.evidence[0]
        assert answer.remedy.command.endswith("ALL_CLOUDTRAIL_MANAGEMENT_EVENTS --region ap-southeast-2")


def test_an_alarm_that_cannot_go_off_is_off() -> None:
    """A trail that does not log, or not into the log group, sends it nothing."""
    for trail in (replace(TRAIL, is_logging=False), replace(TRAIL, log_group_error="AccessDenied")):
        assert found(monitored(healthy(), trail))["alarm-off"] == "found"


def test_a_filter_without_an_alarm_tells_nobody() -> None:
    """It counts, and nothing watches the count."""
    assert found(monitored(healthy(), alarms={})) == {"no-alarm": "found"}
    [answer] = run_check(CHECKS["no-alarm"], monitored(healthy(), alarms={}))
    assert "counts reads" in answer.evidence[0] and "no alarm watches" in answer.evidence[0]


@pytest.mark.parametrize(
    ("detail", "hears"),
    [
        ({"readOnly": [True]}, True),
        ({"readOnly": [False]}, False),
        ({"managementEvent": [True]}, True),
        ({"recipientAccountId": [healthy().caller.account]}, True),
        ({"errorCode": [{"exists": True}]}, False),
    ],
)
def test_a_rule_on_what_every_read_has_hears_of_it(detail: dict[str, Any], hears: bool) -> None:
    """And one on what a read that succeeds never has does not."""
    pattern = json.dumps({"source": ["aws.secretsmanager"], "detail": {"eventName": ["GetSecretValue"], **detail}})
    snapshot = monitored(healthy(), filters=(), alarms={}, rules=(replace(RULE, pattern=pattern),))
    assert (found(snapshot) == {}) is hears


ELSEWHERE = replace(
    TRAIL,
    name="other",
    arn=f"{TRAIL.arn}-other",
    log_group_arn=TRAIL.log_group_arn.replace("ap-southeast-2", "eu-west-1"),
)
"""Another trail, with a log group of the same name in another region."""


@pytest.mark.parametrize(
    ("other", "metric"),
    [
        (ELSEWHERE, FILTER.metric),
        (replace(ELSEWHERE, log_group_arn=TRAIL.log_group_arn.replace("/trail", "/other")), "other-reads"),
    ],
    ids=["log groups of one name in two regions", "filters of one name in two log groups"],
)
def test_names_that_two_trails_share_are_told_apart(other: Trail, metric: str) -> None:
    """A filter of a trail that does not log tells nobody, and one without an alarm has not the other's."""
    twin = replace(FILTER, group_arn=other.log_group_arn, metric=metric)
    both = monitored(healthy(), trails=(TRAIL, other), filters=(FILTER, twin))
    routes = {(route.kind, route.region) for route in routes_of(both)}
    assert routes == {("alarm", "ap-southeast-2"), ("filter", other.log_group_arn.split(":")[3])}
    silent = monitored(
        healthy(),
        trails=(TRAIL, replace(other, is_logging=False)),
        filters=(twin,),
        alarms={twin.metric_id: (ALARM,)},
    )
    assert found(silent) == {"alarm-off": "found"}


def test_a_pattern_that_is_not_understood_is_unknown() -> None:
    """A regular expression may match; nothing says that it does."""
    pattern = "{ $.eventName = %Get.*% }"
    snapshot = monitored(healthy(), filters=(replace(FILTER, pattern=pattern),))
    assert found(snapshot) == {"no-alarm": "unknown"}


@pytest.mark.parametrize(
    ("targets", "status", "fact"),
    [
        ((), "found", "has no target"),
        ((f"{TOPIC}-gone",), "found", "does not exist"),
        (("arn:aws:lambda:ap-southeast-2:123456789012:function:page",), "unknown", "was not read"),
    ],
)
def test_where_a_route_ends(targets: tuple[str, ...], status: str, fact: str) -> None:
    """No target, a topic that is gone, and one of a kind that is not read."""
    rule = replace(RULE, targets=targets)
    snapshot = monitored(healthy(), filters=(), alarms={}, rules=(rule,), topics={f"{TOPIC}-gone": None})
    [answer] = run_check(CHECKS["alarm-to-nobody"], snapshot)
    assert answer.status == status and fact in answer.evidence[0]


def test_an_alarm_without_a_target_may_be_part_of_another() -> None:
    """DescribeAlarmsForMetric gives no composite alarms."""
    snapshot = monitored(healthy(), alarms={FILTER.metric_id: (replace(ALARM, actions=()),)})
    [answer] = run_check(CHECKS["alarm-to-nobody"], snapshot)
    assert answer.evidence == (
        f"Alarm {ALARM.name} has no target, and whether a composite alarm has it in its AlarmRule was not read.",
    )


DEFAULT = {
    "Effect": "Allow",
    "Principal": {"AWS": "*"},
    "Action": ["SNS:Publish", "SNS:Subscribe"],
    "Resource": TOPIC,
    "Condition": {"StringEquals": {"AWS:SourceOwner": TOPIC.split(":")[4]}},
}
"""The statement that a new topic has."""
OPEN = {
    "Effect": "Allow",
    "Principal": {"Service": ["cloudwatch.amazonaws.com", "events.amazonaws.com"]},
    "Action": "sns:Publish",
    "Resource": TOPIC,
}
"""A statement that lets both publish."""


def test_a_new_topics_policy_lets_alarms_publish_and_keeps_rules_from_it() -> None:
    """EventBridge needs a statement of its own, which the remedy adds to what is there."""
    policy = PolicyDocument("the topic's policy", "resource", {"Version": "2008-10-17", "Statement": [DEFAULT]})
    topic = Topic(TOPIC, ("email",), (), policy)
    assert found(monitored(healthy(), topics={TOPIC: topic})) == {}
    by_rule = monitored(healthy(), filters=(), alarms={}, rules=(RULE,), topics={TOPIC: topic})
    [answer] = run_check(CHECKS["alarm-to-nobody"], by_rule)
    assert "keeps events.amazonaws.com from sns:Publish" in answer.evidence[0]
    [call] = aws_commands.read_line(answer.remedy.command)
    document = json.loads(call.parameters["AttributeValue"])
    assert document["Statement"][0] == DEFAULT
    mended = replace(topic, policy=replace(policy, document=document))
    assert found(monitored(healthy(), filters=(), alarms={}, rules=(RULE,), topics={TOPIC: mended})) == {}
    deaf = monitored(healthy(), filters=(), alarms={}, rules=(RULE,), topics={TOPIC: replace(topic, confirmed=())})
    [answer] = run_check(CHECKS["alarm-to-nobody"], deaf)
    assert "aws sns subscribe" in answer.remedy.command


@pytest.mark.parametrize("by_rule", [False, True])
def test_a_topic_under_the_aws_managed_key_gets_no_alarm(by_rule: bool) -> None:
    """Its policy cannot be changed, so that the topic needs a key of one's own; that one's policy is not read."""
    alias = "arn:aws:kms:ap-southeast-2:123456789012:alias/aws/sns"
    policy = PolicyDocument("the topic's policy", "resource", {"Version": "2008-10-17", "Statement": [OPEN]})
    for key, is_found in (("alias/aws/sns", True), (alias, True), ("alias/own", False), ("", False)):
        topic = Topic(TOPIC, ("email",), (), policy, key)
        ways: dict[str, Any] = {"filters": (), "alarms": {}, "rules": (RULE,)} if by_rule else {}
        [answer] = run_check(CHECKS["alarm-to-nobody"], monitored(healthy(), topics={TOPIC: topic}, **ways))
        assert answer.is_problem is is_found
        if is_found:
            service = "events.amazonaws.com" if by_rule else "cloudwatch.amazonaws.com"
            assert f"encrypted with {key}" in answer.evidence[0] and service in answer.remedy.needs
            [call] = aws_commands.read_line(answer.remedy.command)
            assert call.parameters["AttributeName"] == "KmsMasterKeyId"


def ruled(topic: Topic) -> Snapshot:
    """A world in which one rule alone leads to a topic."""
    return monitored(healthy(), filters=(), alarms={}, rules=(RULE,), topics={TOPIC: topic})


@pytest.mark.parametrize(("key", "is_closed"), [("", False), ("alias/aws/sns", True)])
def test_a_deny_in_a_topics_policy_is_to_go(key: str, is_closed: bool) -> None:
    """A statement that allows the same would change nothing; one that denies calls without TLS is no such Deny."""
    deny = {**OPEN, "Effect": "Deny", "Principal": {"Service": "events.amazonaws.com"}}
    policy = PolicyDocument("the topic's policy", "resource", {"Version": "2008-10-17", "Statement": [OPEN, deny]})
    topic = Topic(TOPIC, ("email",), (), policy, key)
    [answer] = run_check(CHECKS["alarm-to-nobody"], ruled(topic))
    correction = "Correct the topic's policy statement 2: its Deny keeps events.amazonaws.com from sns:Publish."
    assert answer.remedy.command.startswith(correction)
    assert ("a customer key" in answer.remedy.command) is is_closed
    [answer] = run_check(CHECKS["alarm-to-nobody"], ruled(replace(topic, confirmed=())))
    assert "sns subscribe" in answer.remedy.command and correction in answer.remedy.command
    tls = {**deny, "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    document = {"Version": "2008-10-17", "Statement": [DEFAULT, tls]}
    [answer] = run_check(CHECKS["alarm-to-nobody"], ruled(replace(topic, policy=replace(policy, document=document))))
    assert "set-topic-attributes" in answer.remedy.command and "its Deny" not in answer.remedy.command


def test_a_topic_without_a_subscription_gets_all_that_it_lacks_at_once() -> None:
    """A rule could publish nothing to it, and whoever confirmed would hear nothing."""
    policy = PolicyDocument("the topic's policy", "resource", {"Version": "2008-10-17", "Statement": [DEFAULT]})
    topic = Topic(TOPIC, (), (), policy, "alias/aws/sns")
    [answer] = run_check(CHECKS["alarm-to-nobody"], ruled(topic))
    assert "has no confirmed subscription; topic " in answer.evidence[0] and "sns:Publish" in answer.evidence[0]
    calls = aws_commands.read_line(answer.remedy.command)
    names = [call.parameters.get("AttributeName") for call in calls]
    assert names == [None, "Policy", "KmsMasterKeyId", None]
    assert "ADDRESS is " in answer.remedy.needs and "KEY is " in answer.remedy.needs


def test_a_rule_gets_both_the_key_and_the_policy_of_a_topic_that_lacks_both() -> None:
    """A new topic's policy keeps EventBridge from it: another key alone would let it publish nothing."""
    policy = PolicyDocument("the topic's policy", "resource", {"Version": "2008-10-17", "Statement": [DEFAULT]})
    topic = Topic(TOPIC, ("email",), (), policy, "alias/aws/sns")
    [answer] = run_check(
        CHECKS["alarm-to-nobody"],
        monitored(healthy(), filters=(), alarms={}, rules=(RULE,), topics={TOPIC: topic}),
    )
    assert "leaves events.amazonaws.com out; the policy of topic" in answer.evidence[0]
    calls = aws_commands.read_line(answer.remedy.command)
    values = {call.parameters["AttributeName"]: call.parameters["AttributeValue"] for call in calls}
    mended = replace(topic, policy=replace(policy, document=json.loads(values["Policy"])), key=values["KmsMasterKeyId"])
    assert found(monitored(healthy(), filters=(), alarms={}, rules=(RULE,), topics={TOPIC: mended})) == {}


def test_alarms_on_a_metric_with_dimensions_are_unknown() -> None:
    """DescribeAlarmsForMetric gives none of them without their dimensions; one without any gets no data."""
    by_user = replace(FILTER, has_dimensions=True)
    for alarms in ({}, {FILTER.metric_id: (ALARM,)}):
        snapshot = monitored(healthy(), filters=(by_user,), alarms=alarms)
        assert found(snapshot) == {"no-alarm": "unknown"}
        [answer] = run_check(CHECKS["no-alarm"], snapshot)
        assert answer.evidence == (
            "Metric filter secret-reads counts by dimensions: which alarms watch these was not read.",
        )


def test_a_filter_on_system_fields_is_unknown() -> None:
    """Its fieldSelectionCriteria may leave the account out; whether an alarm watches it is known."""
    narrow = replace(FILTER, criteria='@aws.region = "us-east-1"')
    [answer] = run_check(CHECKS["no-alarm"], monitored(healthy(), filters=(narrow,)))
    assert answer.status == "unknown" and 'fieldSelectionCriteria @aws.region = "us-east-1"' in answer.evidence[0]
    assert found(monitored(healthy(), filters=(narrow,), alarms={})) == {"no-alarm": "found"}


@pytest.mark.parametrize(
    ("id", "alarm"),
    [("alarm-off", replace(ALARM, are_actions_enabled=False)), ("alarm-to-nobody", replace(ALARM, actions=()))],
)
def test_an_alarm_that_tells_nobody_does_so_whatever_its_filter_leaves_out(id: str, alarm: MetricAlarm) -> None:
    """Of a pattern that is not understood, it may be the alarm on something else; beside one that works, it may be."""
    alarms = {FILTER.metric_id: (alarm,)}
    narrow = replace(FILTER, criteria='@aws.region = "us-east-1"')
    assert found(monitored(healthy(), filters=(narrow,), alarms=alarms)) == {"no-alarm": "unknown", id: "found"}
    obscure = replace(narrow, pattern="%Get%")
    assert found(monitored(healthy(), filters=(obscure,), alarms=alarms)) == {"no-alarm": "unknown"}
    assert found(monitored(healthy(), filters=(narrow,), alarms=alarms, rules=(RULE,))) == {}


def test_a_filter_behind_a_transformer_is_unknown() -> None:
    """A transformer may give a read's fields other names; another filter makes up for that."""
    behind = replace(FILTER, is_after_transformer=True)
    [answer] = run_check(CHECKS["no-alarm"], monitored(healthy(), filters=(behind,)))
    assert answer.status == "unknown" and "has applyOnTransformedLogs true" in answer.evidence[0]
    assert found(monitored(healthy(), filters=(behind, replace(FILTER, name="second")))) == {}


@pytest.mark.parametrize("edit", [{"criteria": '@aws.region = "us-east-1"'}, {"pattern": "%Get%"}])
def test_a_filter_without_an_alarm_may_count_reads(edit: dict[str, str]) -> None:
    """Nobody says that none does."""
    unwatched = monitored(healthy(), filters=(replace(FILTER, **edit),), alarms={})  # type: ignore[arg-type]
    [answer] = run_check(CHECKS["no-alarm"], unwatched)
    assert answer.status == "found"
    assert answer.evidence[0].startswith("Metric filter secret-reads may count reads of ohmycoins-staging-app-secrets,")


@pytest.mark.parametrize(("unit", "is_off"), [("", False), ("None", False), ("Count", True)])
def test_an_alarm_on_another_unit_than_its_metric_gets_no_data(unit: str, is_off: bool) -> None:
    """An alarm without a unit looks at all data."""
    alarms = {FILTER.metric_id: (replace(ALARM, unit=unit),)}
    snapshot = monitored(healthy(), alarms=alarms)
    assert found(snapshot) == ({"alarm-off": "found"} if is_off else {})
    assert found(monitored(healthy(), filters=(replace(FILTER, unit="Count"),), alarms=alarms)) == (
        {"alarm-off": "found"} if unit == "None" else {}
    )
    for answer in run_check(CHECKS["alarm-off"], snapshot) if is_off else ():
        assert answer.evidence[0].endswith("has Unit Count, but metric filter secret-reads counts in unit None.")
        assert "without a unit" in answer.remedy.command
        assert answer.title == "The alarm on reads of the secret does not work"


@pytest.mark.parametrize(
    "pattern",
    [
        {"source": ["aws.secretsmanager"], "resources": [{"wildcard": "*app-secrets*"}]},
        {"source": ["aws.secretsmanager"], "replay-name": [{"exists": True}]},
    ],
)
def test_a_rule_on_what_no_recorded_call_has_hears_of_none(pattern: dict[str, Any]) -> None:
    """CloudTrail's events name no resources, and only a replay has a name."""
    rule = replace(RULE, pattern=json.dumps(pattern))
    assert found(monitored(healthy(), filters=(), alarms={}, rules=(rule,))) == {"no-alarm": "found"}


ACCOUNT, OTHER_ACCOUNT = healthy().caller.account, "210987654321"
OF_OTHERS = TOPIC.replace(ACCOUNT, OTHER_ACCOUNT)
"""A topic of another account."""
SOURCES = {"alarm": f"arn:aws:cloudwatch:ap-southeast-2:{ACCOUNT}:alarm:", "rule": "arn:aws:events:*:*:rule/"}
ENCRYPTED_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Resource": "*",
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(
    ("key", "value", "more", "hears"),
    [
        ("aws:SourceArn", "{source}secret-reads", (), True),
        ("aws:SourceArn", "{source}secret-*", (ENCRYPTED_ONLY,), True),
        ("aws:SourceArn", "{source}other", (), False),
        ("aws:SourceAccount", ACCOUNT, (), True),
        ("aws:SourceAccount", OTHER_ACCOUNT, (), False),
        ("aws:SourceOrgID", "o-a1b2c3d4e5", (), None),
    ],
)
@pytest.mark.parametrize("topic", [TOPIC, OF_OTHERS])
def test_a_topics_policy_is_asked_for_this_alarm_or_rule(
    kind: str, key: str, value: str, more: tuple[dict[str, Any], ...], hears: bool | None, topic: str
) -> None:
    """Its account and its ARN are known, whoever has the topic; whether EventBridge sends these to it is not."""
    hears = None if hears and kind == "rule" else hears
    operator = "ArnLike" if key == "aws:SourceArn" else "StringEquals"
    service = "events.amazonaws.com" if kind == "rule" else "cloudwatch.amazonaws.com"
    condition = {operator: {key: value.format(source=SOURCES[kind])}}
    allow = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sns:Publish", "Resource": topic}
    document = {"Version": "2012-10-17", "Statement": [{**allow, "Condition": condition}, *more]}
    known = Topic(topic, ("email",), (), PolicyDocument("the topic's policy", "resource", document))
    rules = (replace(RULE, targets=(topic,)),) if kind == "rule" else ()
    alarms = {FILTER.metric_id: (replace(ALARM, actions=(topic,)),)} if kind == "alarm" else {}
    filters = (FILTER,) if kind == "alarm" else ()
    snapshot = monitored(healthy(), filters=filters, alarms=alarms, rules=rules, topics={topic: known})
    status = {True: {}, False: {"alarm-to-nobody": "found"}, None: {"alarm-to-nobody": "unknown"}}[hears]
    assert found(snapshot) == status
    if hears is False:
        [answer] = run_check(CHECKS["alarm-to-nobody"], snapshot)
        own = answer.remedy.command.startswith("aws sns set-topic-attributes ")
        assert own if topic == TOPIC else answer.remedy.command.startswith(f"Ask account {OTHER_ACCOUNT}")


@pytest.mark.parametrize(
    ("operator", "account", "status"),
    [
        ("StringNotEquals", ACCOUNT, "unknown"),
        ("StringNotEquals", OTHER_ACCOUNT, "found"),
        ("StringNotEqualsIfExists", OTHER_ACCOUNT, "found"),
        ("StringEquals", OTHER_ACCOUNT, ""),
    ],
)
def test_a_deny_of_other_accounts_may_keep_a_rule_from_a_topic(operator: str, account: str, status: str) -> None:
    """It applies to a request without the key, too."""
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sns:Publish"}
    deny = {**allow, "Effect": "Deny", "Principal": "*", "Condition": {operator: {"aws:SourceAccount": account}}}
    statements = [{**each, "Resource": TOPIC} for each in (allow, deny)]
    policy = PolicyDocument("the topic's policy", "resource", {"Version": "2012-10-17", "Statement": statements})
    topics = {TOPIC: Topic(TOPIC, ("email",), (), policy)}
    snapshot = monitored(healthy(), filters=(), alarms={}, rules=(RULE,), topics=topics)
    assert found(snapshot) == ({"alarm-to-nobody": status} if status else {})


def test_no_grant_outdoes_the_deny_of_a_topic() -> None:
    """The statement that denies is named instead."""
    deny = {"Sid": "Quiet", "Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": TOPIC}
    policy = PolicyDocument("the topic's policy", "resource", {"Version": "2012-10-17", "Statement": [DEFAULT, deny]})
    silent = monitored(healthy(), topics={TOPIC: Topic(TOPIC, ("email",), (), policy)})
    [answer] = run_check(CHECKS["alarm-to-nobody"], silent)
    assert answer.remedy.command.startswith("Correct the topic's policy statement 2 (Quiet):")


@pytest.mark.parametrize(
    ("topic", "more", "begins", "names_key"),
    [
        (OF_OTHERS, {}, f"Ask account {OTHER_ACCOUNT}", True),
        (TOPIC, {"Effect": "Deny"}, "Correct the topic's policy statement 1:", True),
        # What the Condition decides stays as somebody wrote it.
        (
            TOPIC,
            {"Condition": {"StringEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}}},
            f"aws sns set-topic-attributes --topic-arn {TOPIC} --attribute-name KmsMasterKeyId",
            False,
        ),
    ],
)
def test_a_topic_under_the_managed_key_needs_another_one_too(
    topic: str, more: dict[str, Any], begins: str, names_key: bool
) -> None:
    """Whatever its policy says, and whoever has it."""
    statement = {"Effect": "Allow", "Principal": "*", "Action": "sns:Publish", "Resource": topic, **more}
    policy = PolicyDocument("the topic's policy", "resource", {"Version": "2012-10-17", "Statement": [statement]})
    known = Topic(topic, ("email",), (), policy, "alias/aws/sns")
    alarms = {FILTER.metric_id: (replace(ALARM, actions=(topic,)),)}
    [answer] = run_check(CHECKS["alarm-to-nobody"], monitored(healthy(), alarms=alarms, topics={topic: known}))
    assert answer.remedy.command.startswith(begins)
    assert ("has to be encrypted with a customer key whose policy lets" in answer.remedy.command) is names_key


@pytest.mark.parametrize("unread", [{}, {"task_definitions": {}}], ids=["all read", "no revision read"])
def test_the_alarm_that_is_offered_matches_a_read_by_others_than_ecs(unread: dict[str, Any]) -> None:
    """Both patterns match a read of the secret, and none by the role with which tasks start, by its name if need be."""
    snapshot = replace(monitored(healthy()), **unread)
    event = read_event(snapshot)
    issuer = "userIdentity.sessionContext.sessionIssuer.arn"
    for role, answer in (("arn:aws:iam::123456789012:role/other", True), (next(iter(snapshot.permissions)), False)):
        by_role = {**event, issuer: (role,)}
        assert matches_filter(filter_pattern(snapshot), by_role) is answer
        assert matches_rule(event_pattern(snapshot), rule_event(by_role, "ap-southeast-2")) is answer
    by_user = {**event, issuer: ()}
    assert matches_filter(filter_pattern(snapshot), by_user) and matches_rule(
        event_pattern(snapshot), rule_event(by_user, "ap-southeast-2")
    )
    assert len(filter_pattern(snapshot)) <= 1024 and json.loads(event_pattern(snapshot))
    assert ALARM.actions == (TOPIC,)


def test_an_alarm_in_the_account_of_the_organizations_trail_is_unknown() -> None:
    """A member account does not see the filters of the log group that the organization's trail fills."""
    group = TRAIL.log_group_arn.replace(healthy().caller.account, "210987654321")
    trail = replace(TRAIL, arn=FOREIGN, is_organization=True, log_group_arn=group)
    found = run_check(CHECKS["no-alarm"], monitored(healthy(), trail, filters=(), alarms={}))
    assert [each.status for each in found] == ["unknown"] and "account 210987654321" in found[0].evidence[0]
    assert_clear(CHECKS["no-alarm"], monitored(healthy(), trail, filters=(), alarms={}, rules=(RULE,)))


def test_a_topic_lets_its_account_alarms_and_rules_publish() -> None:
    """Only the account subscribes to it."""
    own, services = topic_policy("arn:aws:sns:ap-southeast-2:111122223333:reads")["Statement"]
    assert own["Principal"] == {"AWS": "111122223333"} and {"sns:Publish", "sns:Subscribe"} <= {*own["Action"]}
    assert {*services["Principal"]["Service"]} == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    assert services["Action"] == "sns:Publish"
