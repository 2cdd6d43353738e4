"""What records reads of the secret and who would notice one, as a table, and what is missing as Terraform."""

from __future__ import annotations

import json

from omc_runbook.aws.cloudtrail import Trail
from omc_runbook.aws.events import WITH_READS
from omc_runbook.checks import audit_remedies
from omc_runbook.checks.alarm_routes import AlarmRoute, routes_of
from omc_runbook.model.truth import all_of, any_of
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.audit.monitoring import GAP, KMS_USE, READ, TRAILS
from omc_runbook.snapshot.state import Snapshot

WORDS: dict[bool | None, str] = {True: "yes", False: "no", None: "not known"}
_LEVELS: dict[str, Level] = {"yes": "good", "no": "warning", "not known": "unknown"}


def monitoring(snapshot: Snapshot) -> Table:
    """Each trail, and each alarm or rule that matches a read of the secret, and where it ends."""
    title = f"Who would notice a read of {snapshot.secret_name}"
    columns = ["what", "name", "works", "details"]
    found = snapshot.audit.monitoring
    if found is None:
        return Table(title, columns, [], empty="Trails and alarms were not read.")
    rows = [["trail", trail.name, WORDS[trail.is_logging], _of_trail(trail)] for trail in found.trails]
    rows += [[route.kind, route.name, WORDS[works(route)], _of_route(route)] for route in routes_of(snapshot)]
    unread = snapshot.unread(TRAILS, GAP)
    empty = "Not everything was read." if unread else "No trail, no alarm and no rule."
    return Table(title, columns, rows, _LEVELS, empty, notes=unread)


def _of_trail(trail: Trail) -> str:
    reads = {True: "records reads", False: "leaves out reads", None: "may leave out reads"}[trail.takes(READ)]
    parts = [
        "all regions" if trail.is_multi_region else f"{trail.home_region} only",
        "files validated" if trail.validates_files else "files not validated",
        reads,
        *(["KMS left out"] if trail.takes(KMS_USE) is False else []),
        *(["the organization's"] if trail.is_organization else []),
        *([f"log group {trail.log_group}"] if trail.log_group else []),
        *([f"does not deliver: {trail.delivery_error}"] if trail.delivery_error else []),
    ]
    return ", ".join(parts)


def works(route: AlarmRoute) -> bool | None:
    """Whether somebody hears of a read by a route; None where that is not known."""
    return all_of((not route.problem, route.matches, route.reaches))


def _of_route(route: AlarmRoute) -> str:
    if route.kind == "filter":
        return route.doubt if route.reaches is None else "no alarm watches its metric"
    unknown = [route.doubt or f"whether it matches is not known: {route.pattern}"] if route.matches is None else []
    return " ".join([*unknown, *([route.problem] if route.problem else []), *(route.ends or ("it has no target.",))])


def missing(snapshot: Snapshot) -> Listing:
    """What is missing so that somebody is notified of a read, as Terraform and as commands; nothing if somebody is.

    What could not be read is not missing.
    """
    found = snapshot.audit.monitoring
    title = "What is missing so that somebody is notified"
    if found is None:
        return Listing(title, [], empty="Trails and alarms were not read.")
    routes, entries = routes_of(snapshot), []
    is_notified = any_of(map(works, routes))
    unread = snapshot.unread(TRAILS) if is_notified else snapshot.unread(TRAILS, GAP)
    if is_notified is None:
        undecided = [route for route in routes if works(route) is None]
        unread = (*unread, *(f"{route.kind.capitalize()} {route.name}: {_of_route(route)}" for route in undecided))
    if not found.trails and TRAILS not in snapshot.gaps:
        by_hand = audit_remedies.create_trail(snapshot).command
        entries.append(Entry("A trail", "by the AWS CLI", command=by_hand))
        entries.append(Entry("A trail", "by Terraform", command=terraform_of_trail(snapshot)))
    if unread:
        entries.append(Entry("unknown", "whether somebody is notified", level="unknown", lines=unread))
    elif not is_notified:
        remedy = audit_remedies.create_alarm(snapshot)
        entries.append(Entry("An alarm", "by the AWS CLI", command=remedy.command, needs=remedy.needs))
        terraform = terraform_of_alarm(snapshot)
        entries.append(Entry("An alarm", "by Terraform", command=terraform, needs=remedy.needs))
    return Listing(title, entries, empty="Nothing: somebody is notified of each read, except ECS's own.")


def terraform_of_trail(snapshot: Snapshot) -> str:
    """A trail of all regions with its bucket, as Terraform."""
    bucket = audit_remedies.trail_bucket(snapshot)
    return f"""resource "aws_s3_bucket" "trail" {{
  bucket = {_quote(bucket)}
}}

resource "aws_s3_bucket_policy" "trail" {{
  bucket = aws_s3_bucket.trail.id
  policy = jsonencode({json.dumps(audit_remedies.bucket_policy(snapshot))})
}}

resource "aws_cloudtrail" "trail" {{
  name                       = {_quote(audit_remedies.trail_name(snapshot))}
  s3_bucket_name             = aws_s3_bucket.trail.id
  is_multi_region_trail      = true
  enable_log_file_validation = true
  depends_on                 = [aws_s3_bucket_policy.trail]
}}"""


def terraform_of_alarm(snapshot: Snapshot) -> str:
    """What tells a topic of reads, as Terraform: by a metric filter where a trail has a log group, else by a rule."""
    name, trail = audit_remedies.alarm_name(snapshot.environment), audit_remedies.trail_with_group(snapshot)
    topic = f"""resource "aws_sns_topic" "secret_access" {{
  name = {_quote(name)}
}}
"""
    if trail:
        return f"""{topic}
resource "aws_cloudwatch_log_metric_filter" "secret_access" {{
  name           = {_quote(name)}
  log_group_name = {_quote(trail.log_group)}
  pattern        = {_quote(audit_remedies.filter_pattern(snapshot))}

  metric_transformation {{
    name      = {_quote(name)}
    namespace = {_quote(audit_remedies.NAMESPACE)}
    value     = "1"
  }}
}}

resource "aws_cloudwatch_metric_alarm" "secret_access" {{
  alarm_name          = {_quote(name)}
  namespace           = {_quote(audit_remedies.NAMESPACE)}
  metric_name         = {_quote(name)}
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.secret_access.arn]
}}"""
    arn = audit_remedies.topic_of(snapshot, snapshot.environment.names.region)
    return f"""{topic}
resource "aws_sns_topic_policy" "secret_access" {{
  arn    = aws_sns_topic.secret_access.arn
  policy = jsonencode({json.dumps(audit_remedies.topic_policy(arn))})
}}

resource "aws_cloudwatch_event_rule" "secret_access" {{
  name          = {_quote(name)}
  state         = {_quote(WITH_READS)}
  event_pattern = jsonencode({audit_remedies.event_pattern(snapshot)})
}}

resource "aws_cloudwatch_event_target" "secret_access" {{
  rule = aws_cloudwatch_event_rule.secret_access.name
  arn  = aws_sns_topic.secret_access.arn
}}"""


def _quote(text: str) -> str:
    """A string of HCL."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
