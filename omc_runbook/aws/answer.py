"""AWS responses: their validation, since a truncated body or a proxy's page is no answer, and their times.

botocore parses such a body into a response without members, which would look like an empty one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from xml.etree import ElementTree

from botocore.exceptions import BotoCoreError, ConnectionError, HTTPClientError
from botocore.parsers import ResponseParser, ResponseParserError, ResponseParserFactory
from botocore.utils import parse_timestamp

from omc_runbook.aws.calls import wrap_calls
from omc_runbook.model.arn import name_in

if TYPE_CHECKING:
    from botocore.hooks import BaseEventHooks
    from botocore.model import OperationModel, Shape

_FIRST_ERROR_STATUS = 300
_READS = ("Assume", "Describe", "Generate", "Get", "List", "Lookup", "Simulate")

MEMBERS: Mapping[str, tuple[str | tuple[str, ...], ...]] = {
    "secretsmanager:CreateSecret": ("ARN", "VersionId"),
    "secretsmanager:DescribeSecret": ("ARN", "Name"),
    "secretsmanager:GetResourcePolicy": ("ARN", "Name"),
    "secretsmanager:GetSecretValue": ("ARN", "VersionId", ("SecretString", "SecretBinary")),
    "secretsmanager:ListResourcePolicies": ("ResourcePolicies",),
    "secretsmanager:ListSecrets": ("SecretList",),
    "secretsmanager:ListSecretVersionIds": ("ARN", "Versions"),
    "secretsmanager:PutSecretValue": ("ARN", "VersionId", "VersionStages"),
    "secretsmanager:RestoreSecret": ("ARN", "Name"),
    "secretsmanager:UpdateSecretVersionStage": ("ARN", "Name"),
    "ecs:DescribeDaemon": ("daemon",),
    "ecs:DescribeDaemonRevisions": ("daemonRevisions",),
    "ecs:DescribeDaemonTaskDefinition": ("daemonTaskDefinition",),
    "ecs:DescribeExpressGatewayService": ("service",),
    "ecs:DescribeServiceDeployments": ("serviceDeployments",),
    "ecs:DescribeClusters": ("clusters",),
    "ecs:DescribeServices": ("services",),
    "ecs:DescribeTaskDefinition": ("taskDefinition",),
    "ecs:DescribeTasks": ("tasks",),
    "ecs:ExecuteCommand": ("session",),
    "ecs:ListClusters": ("clusterArns",),
    "ecs:ListDaemons": ("daemonSummariesList",),
    "ecs:ListServiceDeployments": ("serviceDeployments",),
    "ecs:ListServices": ("serviceArns",),
    "ecs:ListTasks": ("taskArns",),
    "ecs:RegisterTaskDefinition": ("taskDefinition",),
    "ecs:StopServiceDeployment": ("serviceDeploymentArn",),
    "ecs:UpdateService": ("service",),
    "iam:GenerateServiceLastAccessedDetails": ("JobId",),
    "iam:GetAccountAuthorizationDetails": ("UserDetailList", "RoleDetailList", "GroupDetailList", "Policies"),
    "iam:GetPolicy": ("Policy",),
    "iam:GetPolicyVersion": ("PolicyVersion",),
    "iam:GetRole": ("Role",),
    "iam:GetRolePolicy": ("PolicyDocument",),
    "iam:GetServiceLastAccessedDetails": ("JobStatus",),
    "iam:ListAttachedRolePolicies": ("AttachedPolicies",),
    "iam:ListRolePolicies": ("PolicyNames",),
    "iam:SimulatePrincipalPolicy": ("EvaluationResults",),
    "iam:DeleteRolePolicy": (),
    "iam:PutRolePolicy": (),
    "sts:AssumeRole": ("Credentials",),
    "sts:GetCallerIdentity": ("Account", "Arn"),
    "kms:DescribeKey": ("KeyMetadata",),
    "kms:GetKeyPolicy": ("Policy",),
    "kms:GetKeyRotationStatus": ("KeyRotationEnabled",),
    "kms:ListAliases": ("Aliases",),
    "kms:ListGrants": ("Grants",),
    "kms:ListResourceTags": ("Tags",),
    "cloudwatch:DescribeAlarmsForMetric": ("MetricAlarms",),
    "events:DescribeRule": ("State",),
    "events:ListEventBuses": ("EventBuses",),
    "events:ListRuleNamesByTarget": ("RuleNames",),
    "events:ListRules": ("Rules",),
    "events:ListTargetsByRule": ("Targets",),
    "lambda:GetFunctionConfiguration": ("FunctionArn",),
    "lambda:ListFunctions": ("Functions",),
    "logs:DescribeLogStreams": ("logStreams",),
    "logs:DescribeMetricFilters": ("metricFilters",),
    "logs:GetLogEvents": ("events",),
    "organizations:DescribeOrganization": ("Organization",),
    "organizations:DescribePolicy": ("Policy",),
    "organizations:ListParents": ("Parents",),
    "organizations:ListPoliciesForTarget": ("Policies",),
    "s3:GetObject": ("ETag",),
    "s3:ListObjectsV2": ("Name", "KeyCount"),
    "s3:PutObject": ("ETag",),
    "scheduler:GetSchedule": ("Target",),
    "scheduler:ListSchedules": ("Schedules",),
    "sns:GetTopicAttributes": ("Attributes",),
    "sns:ListSubscriptionsByTopic": ("Subscriptions",),
    "sns:Publish": ("MessageId",),
    "ssm:DescribeParameters": ("Parameters",),
    "cloudtrail:DescribeTrails": ("trailList",),
    "cloudtrail:GetEventDataStore": ("EventDataStoreArn", "Status"),
    "cloudtrail:GetEventSelectors": ("TrailARN",),
    "cloudtrail:GetQueryResults": ("QueryStatus",),
    "cloudtrail:GetTrailStatus": ("IsLogging",),
    "cloudtrail:LookupEvents": ("Events",),
    "cloudtrail:StartQuery": ("QueryId",),
    "ec2:DescribeDhcpOptions": ("DhcpOptions",),
    "ec2:DescribeRegions": ("Regions",),
    "ec2:DescribeInternetGateways": ("InternetGateways",),
    "ec2:DescribeManagedPrefixLists": ("PrefixLists",),
    "ec2:DescribeNatGateways": ("NatGateways",),
    "ec2:DescribeNetworkAcls": ("NetworkAcls",),
    "ec2:DescribeRouteTables": ("RouteTables",),
    "ec2:DescribeSecurityGroups": ("SecurityGroups",),
    "ec2:DescribeSubnets": ("Subnets",),
    "ec2:DescribeVpcAttribute": (("EnableDnsSupport", "EnableDnsHostnames"),),
    "ec2:DescribeVpcEndpoints": ("VpcEndpoints",),
    "ec2:DescribeVpcs": ("Vpcs",),
    "ec2:GetManagedPrefixListEntries": ("Entries",),
}
"""The members that every response of an operation has; of a nested tuple at least one.

botocore's models do not mark members of an output as required: these are the ones that this package reads.
"""

NAMED: Mapping[str, tuple[str, str]] = {
    "ecs:DescribeServices": ("services", "serviceArn"),
    "ecs:DescribeTasks": ("tasks", "taskArn"),
}
"""Where an operation is asked for several things and answers with each, or with a failure: the lists, and the ARN.

See https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html
"""

_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("integer", "long"), (int, float)),
    **dict.fromkeys(("float", "double"), (int, float, str)),
    "boolean": bool,
    "list": list,
    "string": str,
    "structure": dict,
}
"""What is in JSON a shape whose type botocore does not look at; NaN, which is a number, is a text there."""


class InvalidResponse(BotoCoreError):
    """A response that is not an answer to its call; `operation` names the call, such as ecs:ListTasks.

    It is "" where only the caller knows it.
    """

    fmt = "{operation} returned an invalid response: the body is truncated, or a proxy answered."

    def __init__(self, operation: str) -> None:
        super().__init__(operation=operation)
        self.operation = operation


class _Members(dict[str, Any]):
    """A structure of a response, which is invalid if it lacks a member that must be there."""

    __slots__ = ("operation",)

    operation: str

    def __missing__(self, name: str) -> NoReturn:
        raise InvalidResponse(self.operation)


def _as_members(operation: str, value: Any) -> Any:
    """A part of a response whose structures, at any depth, are `_Members`."""
    if isinstance(value, list):
        return [_as_members(operation, each) for each in value]
    if not isinstance(value, dict):
        return value
    members = _Members(value)
    members.operation = operation
    for name, each in value.items():
        # Most are neither.
        if isinstance(each, dict | list):
            members[name] = _as_members(operation, each)
    return members


def _call_validated(call: Callable[[], Any], operation: str, parameters: Mapping[str, Any]) -> Any:
    """The answer of a call, validated; a read with an invalid one is repeated once."""
    try:
        return _validate(call, operation, parameters)
    except InvalidResponse:
        # Whether a write was made is unknown: the next run reads the state.
        if not operation.partition(":")[2].startswith(_READS):
            raise
    return _validate(call, operation, parameters)


def _validate(call: Callable[[], Any], operation: str, parameters: Mapping[str, Any]) -> Any:
    try:
        answer = call()
    except ResponseParserError:
        raise InvalidResponse(operation) from None
    except (ConnectionError, HTTPClientError) as error:
        # Its own text names the endpoint alone.
        error.kwargs["operation"] = operation  # type: ignore[typeddict-unknown-key]
        raise
    if not (_is_whole(answer, MEMBERS.get(operation, ())) and _names_all(operation, parameters, answer)):
        raise InvalidResponse(operation)
    return _as_members(operation, answer)


def pages(call: Callable[..., Any], token: str) -> Iterator[Any]:
    """The answers of a call, page by page, where botocore has no paginator; `token` names the member for the next.

    Raises InvalidResponse where a page names itself as the next: it would never end.
    """
    following: dict[str, str] = {}
    while True:
        answer = call(**following)
        yield answer
        if not answer.get(token):
            return
        if following == (following := {token: answer[token]}):
            raise InvalidResponse("")


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that a text of a response is, such as a policy; raises InvalidResponse where it is none."""
    with suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    raise InvalidResponse("")


def parse_time(value: float | str) -> datetime:
    """A time of a response, in seconds since 1970 or as text, in UTC; raises ValueError where it is none.

    botocore gives it in this machine's time zone, which it looks for anew each time.
    """
    with suppress(ValueError, OverflowError, OSError):
        if not isinstance(value, str):
            return datetime.fromtimestamp(value, UTC)
        # Digits alone are seconds.
        if "-" in value:
            return _in_utc(datetime.fromisoformat(value))
    return _in_utc(parse_timestamp(value))  # type: ignore[arg-type]  # It takes numbers too.


def _in_utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


class ParserFactory(ResponseParserFactory):
    """Makes botocore's parsers such that they raise ResponseParserError whatever a body has that is not as modelled."""

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=parse_time)

    def create_parser(self, protocol_name: str) -> ResponseParser:
        """Make a parser for a protocol."""
        parser = super().create_parser(protocol_name)
        parse = parser.parse
        if "json" in protocol_name:
            for shape_type, types in _TYPES.items():
                handler = f"_handle_{shape_type}"
                setattr(parser, handler, partial(_parse_typed, types, getattr(parser, handler, None)))

        def parse_or_refuse(response: Mapping[str, Any], shape: Shape) -> Any:
            try:
                return parse(response, shape)
            except (ValueError, TypeError, AttributeError, LookupError, NameError, RuntimeError):
                # Such as a number that is none, a time beyond the calendar, and an entry of a map without its value.
                raise ResponseParserError("The body has other members than its model.") from None

        parser.parse = parse_or_refuse  # type: ignore[method-assign]
        return parser


def _parse_typed(
    types: type | tuple[type, ...], parse: Callable[[Shape, Any], Any] | None, shape: Shape, value: Any
) -> Any:
    """A value of JSON as botocore parses it; raises TypeError for one of another type than its shape's.

    A document, such as the details of ECS's lifecycle hooks, may be any JSON.
    """
    is_typed = isinstance(value, types) or getattr(shape, "is_document_type", False)
    if not is_typed or (types is list and None in value):
        raise TypeError(shape.name)
    return parse(shape, value) if parse else value


def validate_responses(events: BaseEventHooks) -> None:
    """Make every client that a session creates from now on raise InvalidResponse for an invalid response."""
    wrap_calls(events, _call_validated)
    events.register("before-parse", _validate_body)


def _validate_body(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: object) -> None:
    if response_dict["status_code"] >= _FIRST_ERROR_STATUS:
        return
    service = operation_model.service_model
    # An object itself may be anything.
    if operation_model.has_streaming_output:
        return
    protocol = service.resolved_protocol
    is_valid = _is_json_answer if "json" in protocol else _is_rest_answer if "rest" in protocol else _is_xml_answer
    if not is_valid(operation_model, response_dict["body"]):
        raise InvalidResponse(f"{service.service_name}:{operation_model.name}")


def _is_json_answer(_: OperationModel, body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False


def _is_xml_answer(operation: OperationModel, body: bytes) -> bool:
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - botocore has parsed it by the same parser before
    except ElementTree.ParseError:
        return False
    wrapper = operation.output_shape.serialization.get("resultWrapper") if operation.output_shape else None
    children = {_name_of(child) for child in root}
    return _name_of(root) == f"{operation.name}Response" and (not wrapper or wrapper in children)


def _is_rest_answer(operation: OperationModel, body: bytes) -> bool:
    """Whether a body of REST is XML, or none: headers are members too."""
    try:
        return not body or ElementTree.fromstring(body) is not None  # noqa: S314 - as above
    except ElementTree.ParseError:
        return False


def _name_of(element: ElementTree.Element) -> str:
    """An element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _is_whole(answer: Mapping[str, Any], members: tuple[str | tuple[str, ...], ...]) -> bool:
    choices = ((member,) if isinstance(member, str) else member for member in members)
    has_members = all(any(name in answer for name in choice) for choice in choices)
    # Without IAM's Marker or S3's token, botocore would take this page for the last.
    is_last = not answer.get("IsTruncated")
    return has_members and (is_last or bool(answer.get("Marker") or answer.get("NextContinuationToken")))


def _names_all(operation: str, parameters: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Whether an answer has all that was asked for, or says that it does not exist."""
    if operation not in NAMED:
        return True
    members, arn = NAMED[operation]
    missing = (each.get("arn", "") for each in answer.get("failures", ()) if each.get("reason") == "MISSING")
    names = {name_in(each) for each in (*(each.get(arn, "") for each in answer[members]), *missing)}
    return names.issuperset(map(name_in, parameters.get(members, ())))
