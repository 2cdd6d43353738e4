"""What records calls on the secret in a healthy world and tells somebody: trail, metric filter, alarm and topic."""

from __future__ import annotations

from omc_runbook.aws.failures import on_error
from omc_runbook.sandbox.account import ACCOUNT, REGION
from omc_runbook.sandbox.worlds.staging import EXECUTION_ROLE, SECRET, STAGING, World, restore_log_group

TRAIL, TRAIL_GROUP = "ohmycoins-trail", "/cloudtrail/ohmycoins"
BUCKET = f"ohmycoins-audit-logs-{ACCOUNT}"
ALARM = f"{STAGING}-secret-access"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:{ALARM}"
ON_CALL = "+61491570156"
"""A telephone number for fiction, whose subscription needs no confirmation."""
_LOG_GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{TRAIL_GROUP}:*"
_LOG_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cloudtrail-to-cloudwatch"
_ISSUER = "$.userIdentity.sessionContext.sessionIssuer.arn"
PATTERN = (
    '{ ($.eventSource = "secretsmanager.amazonaws.com") && ($.eventName = "GetSecretValue")'
    f' && ($.requestParameters.secretId = "*{SECRET}*")'
    f' && (({_ISSUER} NOT EXISTS) || ({_ISSUER} != "*role/{EXECUTION_ROLE}")) }}'
)


def restore_monitoring(world: World) -> None:
    """Make or repair the trail of all regions, and the alarm on reads of the secret with its subscriber."""
    restore_trail(world)
    restore_alarm(world)


def restore_trail(world: World) -> None:
    """Let the account's one trail record every management event in all regions, and send them to a log group too."""
    api = world.client("cloudtrail")
    trails = {trail["Name"]: trail for trail in api.describe_trails(includeShadowTrails=False)["trailList"]}
    settings = {
        "Name": TRAIL,
        "S3BucketName": BUCKET,
        "IsMultiRegionTrail": True,
        "IncludeGlobalServiceEvents": True,
        "EnableLogFileValidation": True,
        "CloudWatchLogsLogGroupArn": _LOG_GROUP_ARN,
        "CloudWatchLogsRoleArn": _LOG_ROLE,
    }
    for other in set(trails) - {TRAIL}:
        api.delete_trail(Name=other)
    if TRAIL in trails:
        api.update_trail(**settings)
        api.put_event_selectors(TrailName=TRAIL, EventSelectors=[{"ReadWriteType": "All"}])
    else:
        _create_bucket(world)
        restore_log_group(world, TRAIL_GROUP)
        api.create_trail(**settings)
    api.start_logging(Name=TRAIL)


def restore_alarm(world: World) -> None:
    """Count reads of the secret by others than ECS, with an alarm that tells the one subscriber of a topic."""
    sns = world.client("sns")
    sns.create_topic(Name=ALARM)
    subscriptions = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
    if [each["Endpoint"] for each in subscriptions] != [ON_CALL]:
        sns.delete_topic(TopicArn=TOPIC)
        sns.create_topic(Name=ALARM)
        sns.subscribe(TopicArn=TOPIC, Protocol="sms", Endpoint=ON_CALL)
    world.logs.put_metric_filter(
        logGroupName=TRAIL_GROUP,
        filterName=ALARM,
        filterPattern=PATTERN,
        metricTransformations=[{"metricName": ALARM, "metricNamespace": "SecretAccess", "metricValue": "1"}],
    )
    world.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM,
        Namespace="SecretAccess",
        MetricName=ALARM,
        Statistic="Sum",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="notBreaching",
        AlarmActions=[TOPIC],
        ActionsEnabled=True,
    )


def remove_alarm(world: World) -> None:
    """Delete the metric filter and the alarm; the topic and its subscriber stay."""
    world.logs.delete_metric_filter(logGroupName=TRAIL_GROUP, filterName=ALARM)
    world.client("cloudwatch").delete_alarms(AlarmNames=[ALARM])


@on_error("BucketAlreadyOwnedByYou", gives=None)
def _create_bucket(world: World) -> None:
    world.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
