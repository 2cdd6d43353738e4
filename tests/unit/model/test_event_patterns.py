"""Patterns of metric filters and rules, on a read of a secret of which some fields are known."""

import json
import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from moto.events.models import EventPattern

from omc_runbook.model.event_patterns import matches_filter, matches_rule

READ = {
    "eventSource": ("secretsmanager.amazonaws.com",),
    "eventName": ("GetSecretValue",),
    "readOnly": (True,),
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
        ("{ $.errorCode EXISTS }", False),
        ("{ $.sourceIPAddress EXISTS && $.eventName EXISTS }", True),
        ("{ $.eventVersion >= 1.08 }", None),
        ("{ $.errorCode > 400 }", False),
        ("{ $.readOnly IS READ }", None),
        ("{ $.eventName ( GetSecretValue }", None),
        ('{ $.eventName = "GetSecretValue" $.readOnly IS TRUE }', None),
        ('{ $.eventName = "GetSecretValue }', None),
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
        ({"detail": {"readOnly": ["true"]}}, False),
        ({"detail": {"readOnly": [{"prefix": "t"}]}}, False),
        ({"detail": {"readOnly": [{"anything-but": ["true"]}]}}, True),
        ({"detail": {"eventName": [{"wildcard": "Get\\\\*"}]}}, False),
        ({"detail": {"userIdentity": {"arn": [{"anything-but": ["arn:x"]}]}}}, True),
        ({"$or": [{"source": ["aws.ec2"]}, {"detail": {"eventName": ["GetSecretValue"]}}]}, True),
        ({"detail": {"eventName": [{"numeric": [">", 1]}]}}, None),
        ({"detail": {"eventName": [{"anything-but": {"prefix": {"equals-ignore-case": "get"}}}]}}, None),
        ({"detail": {"eventName": [{"anything-but": {}}]}}, None),
        ({"detail": {"eventName": [{"prefix": "Get", "suffix": "Value"}]}}, None),
    ],
)
def test_a_rule_on_a_read(pattern: Any, answer: bool | None) -> None:
    """The operators of event patterns are judged; others are unknown."""
    assert matches_rule(json.dumps(pattern), EVENT) is answer


def test_what_is_no_pattern_is_unknown() -> None:
    """A rule's pattern that is no JSON object."""
    assert matches_rule("no json", EVENT) is None
    assert matches_rule("[]", EVENT) is None


TEXTS = (
    "GetSecretValue",
    "getsecretvalue",
    "GetSecret",
    "a*b",
    "a\\b",
    "axb",
    "axxb",
    "true",
    "1",
    "",
    "a[b]",
    "a?b",
    "é",
)
NAMES = ("source", "detail.eventName", "detail.readOnly", "detail.userIdentity.type")


def test_rules_are_judged_as_moto_does() -> None:
    """Random patterns, on events that are known whole."""
    chance = random.Random(1)
    answers: Counter[bool | None] = Counter()
    for _ in range(3_000):
        event = {name: chance.choice([(), (chance.choice(TEXTS),)]) for name in NAMES}
        event["detail.readOnly"] = (chance.random() < 0.5,)
        pattern = _nest({name: [_content(chance) for _ in range(2)] for name in chance.sample(NAMES, 2)})
        answer = matches_rule(json.dumps(pattern), event)
        answers[answer] += 1
        whole = _nest({name: values[0] for name, values in event.items() if values})
        assert answer in (None, EventPattern(None, pattern).matches_event(whole)), (pattern, whole)
    assert answers[True] > 500 < answers[False]
    assert answers[None] < 500


def _content(chance: random.Random) -> Any:
    """One entry of a pattern's list."""
    text = chance.choice(TEXTS)
    part = text[:2] or "G"
    with_star = (text[:1] + "*" + text[4:]) if text and chance.random() < 0.5 else "*"
    return chance.choice(
        [
            *(text, True, False, None),
            *({"exists": True}, {"exists": False}),
            *({"prefix": part}, {"suffix": text[-2:] or "b"}, {"equals-ignore-case": text}),
            *({"wildcard": with_star}, {"wildcard": text.replace("\\", r"\\").replace("*", r"\*") or "*"}),
            *({"anything-but": text}, {"anything-but": [text, "GetSecret"]}, {"anything-but": [True]}),
            *({"anything-but": {"prefix": part}}, {"anything-but": {"wildcard": [with_star]}}),
            {"anything-but": {"equals-ignore-case": [text, "x"]}},
            {"cidr": "10.0.0.0/8"},
        ]
    )


def _nest(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Members by their paths, as JSON has them."""
    tree: dict[str, Any] = {}
    for path, value in flat.items():
        *above, name = path.split(".")
        node = tree
        for each in above:
            node = node.setdefault(each, {})
        node[name] = value
    return tree
