"""Patterns of metric filters and rules, on a read of a secret of which some fields are known."""

import json
from typing import Any

import pytest

from omc_runbook.model.event_patterns import matches_filter, matches_rule

READ = {
    "eventSource": ("secretsmanager.amazonaws.com",),
    "eventName": ("GetSecretValue",),
    "readOnly": ("true",),
    "requestParameters.secretId": (
        "staging-secrets",
        "arn:aws:secretsmanager:x:1:secret:staging-secrets-AbC123",
    ),
    "errorCode": (),
    "userIdentity.type": ("AssumedRole", "IAMUser"),
}
EVENT = {
    "source": ("aws.secretsmanager",),
    "detail-type": ("AWS API Call via CloudTrail",),
    **{f"detail.{name}": values for name, values in READ.items()},
}


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ("", True),
        ("GetSecretValue", True),
        ('"GetSecretValue" -ConsoleLogin', True),
        ("?ERROR ?GetSecretValue", True),
        ("GetSecretValue -secretsmanager", False),
        ("ERROR", False),
        ("{ $.eventName = GetSecretValue }", True),
        ('{$.eventName="GetSecretValue"}', True),
        ('{ $.eventName = "Get*" && $.eventSource = "secretsmanager.*" }', True),
        ('{ $.eventName != "GetSecretValue" }', False),
        ('{ $.eventName = "ConsoleLogin" || ($.eventName = "GetSecretValue" && $.readOnly IS TRUE) }', True),
        ('{ $.requestParameters.secretId = "*staging-secrets*" }', True),
        ('{ $.requestParameters.secretId = "*production-secrets*" }', False),
        ('{ $.userIdentity.type = "Root" && $.userIdentity.invokedBy NOT EXISTS }', False),
        ('{ ($.errorCode = "*UnauthorizedOperation") || ($.errorCode = "AccessDenied*") }', False),
        ("{ $.errorCode NOT EXISTS }", True),
        ('{ $.eventName = "GetSecretValue" && $.sourceIPAddress != "10.*" }', True),
        ("{ $.eventName = %Get.*% }", None),
        ("[ip, user, event]", None),
        ("{ $.eventName = }", None),
        ('{ $.eventName = "GetSecretValue" ', False),
        ('{ ($.eventName = "GetSecretValue" }', None),
        ('{ eventName = "GetSecretValue" }', None),
    ],
)
def test_a_metric_filter_on_a_read(pattern: str, answer: bool | None) -> None:
    """Words, conditions and wildcards are judged; what is not read here is unknown, never a match."""
    assert matches_filter(pattern, READ) is answer


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ({"source": ["aws.secretsmanager"]}, True),
        ({"source": ["aws.ec2"]}, False),
        ({"detail-type": ["Secrets Manager Rotation"]}, False),
        ({"detail": {"eventName": ["PutSecretValue", "GetSecretValue"]}}, True),
        ({"detail": {"eventName": [{"prefix": "Put"}]}}, False),
        ({"detail": {"eventName": [{"anything-but": ["DescribeSecret"]}]}}, True),
        ({"detail": {"eventName": [{"anything-but": {"prefix": "Get"}}]}}, False),
        ({"detail": {"requestParameters": {"secretId": [{"wildcard": "*staging-secrets*"}]}}}, True),
        ({"detail": {"requestParameters": {"secretId": [{"suffix": "production"}]}}}, False),
        ({"detail": {"errorCode": [{"exists": True}]}}, False),
        ({"detail": {"errorCode": [{"exists": False}]}}, True),
        ({"detail": {"readOnly": [True]}}, True),
        ({"detail": {"userIdentity": {"arn": [{"anything-but": ["arn:x"]}]}}}, True),
        ({"$or": [{"source": ["aws.ec2"]}, {"detail": {"eventName": ["GetSecretValue"]}}]}, True),
        ({"detail": {"eventName": [{"numeric": [">", 1]}]}}, None),
    ],
)
def test_a_rule_on_a_read(pattern: Any, answer: bool | None) -> None:
    """The operators of event patterns are judged; others are unknown."""
    assert matches_rule(json.dumps(pattern), EVENT) is answer


def test_what_is_no_pattern_is_unknown() -> None:
    """A rule's pattern that is no JSON object."""
    assert matches_rule("no json", EVENT) is None
    assert matches_rule("[]", EVENT) is None
