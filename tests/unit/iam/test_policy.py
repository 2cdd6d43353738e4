"""What IAM policies decide, in pairs that differ in one thing."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omc_runbook.iam import request_keys
from omc_runbook.iam.policy import (
    PolicyDocument,
    evaluate,
    evaluate_resource,
    refusing_conditions,
    refusing_resources,
    trusts,
)

ACTION = "secretsmanager:GetSecretValue"
ACCOUNT = "123456789012"
BASE = f"arn:aws:secretsmanager:ap-southeast-2:{ACCOUNT}:secret:ohmycoins-staging-app-secrets"
SECRET = f"{BASE}-AbC123"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/ohmycoins-staging-ecs-task-execution-role"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/ohmycoins-staging-ecs-task-execution-role/0123abcd"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def allow(action: Any = ACTION, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = ACTION, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def policy(*statements: Any, kind: Any = "inline", version: str = "2012-10-17") -> PolicyDocument:
    return PolicyDocument("secrets-policy", kind, {"Version": version, "Statement": list(statements)})


def decide(*statements: Any, context: Any = None, resource: str = SECRET) -> str:
    return evaluate([policy(*statements)], ACTION, resource, context).decision


GUIDE = allow(
    ["secretsmanager:GetSecretValue", "kms:Decrypt"], f"arn:aws:secretsmanager:ap-southeast-2:{ACCOUNT}:secret:*"
)


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([GUIDE], "allowed"),
        ([], "implicit-deny"),
        ([allow("secretsmanager:getsecretvalue")], "allowed"),
        ([allow("secretsmanager:GetSecret*")], "allowed"),
        ([allow("secretsmanager:GetSecret?alue")], "allowed"),
        ([allow("secretsmanager:GetSecretValues")], "implicit-deny"),
        ([allow("*")], "allowed"),
        ([allow(["kms:Decrypt"])], "implicit-deny"),
        ([allow(resource=SECRET)], "allowed"),
        ([allow(resource=SECRET.lower())], "implicit-deny"),
        ([allow(resource=BASE)], "implicit-deny"),
        ([allow(resource=f"{BASE}-??????")], "allowed"),
        ([allow(resource=f"{BASE}-?????")], "implicit-deny"),
        ([allow(resource=f"{BASE}*")], "allowed"),
        ([allow(resource=["arn:aws:s3:::x", f"arn:aws:secretsmanager:*:{ACCOUNT}:secret:*"])], "allowed"),
        ([allow(resource="arn:aws:secretsmanager:*")], "allowed"),
        ([allow(resource=BASE.replace("-staging", ".staging") + "*")], "implicit-deny"),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], "allowed"),
        ([{"Effect": "Allow", "NotAction": "secretsmanager:*", "Resource": "*"}], "implicit-deny"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": f"{BASE}-*"}], "implicit-deny"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::*"}], "allowed"),
        ([GUIDE, deny(resource=f"{BASE}-*")], "explicit-deny"),
        ([GUIDE, deny(resource="arn:aws:secretsmanager:*:*:secret:other-*")], "allowed"),
        ([{"Effect": "Deny", "NotAction": ACTION, "Resource": "*"}, GUIDE], "allowed"),
    ],
)
def test_actions_and_resources(statements: list[dict[str, Any]], decision: str) -> None:
    """Actions match in any letter case, resources in theirs, and an explicit deny wins."""
    assert decide(*statements) == decision


def test_one_statement_without_a_list() -> None:
    """A policy may hold its only statement bare."""
    bare = PolicyDocument("guide", "inline", {"Statement": GUIDE})
    assert evaluate([bare], ACTION, SECRET).decision == "allowed"


def test_guide_grants_no_key() -> None:
    """The guide's kms:Decrypt on secrets' ARNs grants nothing on a key."""
    key = f"arn:aws:kms:ap-southeast-2:{ACCOUNT}:key/11111111-2222-3333-4444-555555555555"
    assert evaluate([policy(GUIDE)], "kms:Decrypt", key).decision == "implicit-deny"
    assert evaluate([policy(GUIDE, allow("kms:Decrypt", key))], "kms:Decrypt", key).decision == "allowed"


@pytest.mark.parametrize(
    ("operator", "key", "value", "known", "decision"),
    [
        ("StringEquals", "kms:EncryptionContext:SecretVersionId", "1", {"version_id": "1"}, "allowed"),
        ("StringEquals", "kms:EncryptionContext:SecretVersionId", "1", {}, "unknown"),
        ("StringEquals", "kms:EncryptionContext:Other", "1", {"version_id": "1"}, "implicit-deny"),
        ("ForAnyValue:StringEquals", "kms:ResourceAliases", "alias/a", {"aliases": ["alias/a"]}, "allowed"),
        ("ForAnyValue:StringEquals", "kms:ResourceAliases", "alias/a", {}, "unknown"),
        ("StringEquals", "aws:SourceVpc", "vpc-1", {}, "implicit-deny"),
    ],
)
def test_what_is_known_of_a_call_to_kms(operator: str, key: str, value: str, known: Any, decision: str) -> None:
    """A version or aliases that are unknown decide nothing; what the call cannot have, it lacks."""
    context = request_keys.of_key("arn:aws:kms:r:1:key/k", ACCOUNT, SECRET, **known)
    statement = allow("kms:Decrypt", Condition={operator: {key: value}})
    assert evaluate([policy(statement)], "kms:Decrypt", "key", context).decision == decision


@pytest.mark.parametrize(("id", "decision"), [("AROAX", "allowed"), ("AROAY", "implicit-deny"), ("", "unknown")])
def test_a_role_or_a_user_is_known_by_its_id(id: str, decision: str) -> None:
    """As aws:userid has it, where it was read."""
    statement = allow(Condition={"StringLike": {"aws:userid": "AROAX:*"}})
    assert decide(statement, context=request_keys.of_role(ROLE, id)) == decision
    of_user = allow(Condition={"StringEquals": {"aws:userid": "AROAX"}})
    assert decide(of_user, context=request_keys.of_user(f"{ROOT}/a", id, None)) == decision


UNKNOWN = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}


@pytest.mark.parametrize(
    ("statements", "decision"),
    [
        ([allow(Condition=UNKNOWN)], "unknown"),
        ([allow(Condition=UNKNOWN), GUIDE], "allowed"),
        ([deny(Condition=UNKNOWN), GUIDE], "unknown"),
        ([deny(Condition=UNKNOWN)], "implicit-deny"),
        ([deny(Condition=UNKNOWN), deny()], "explicit-deny"),
        ([deny(Condition=UNKNOWN), allow(Condition=UNKNOWN)], "unknown"),
        ([deny("iam:*", Condition=UNKNOWN), GUIDE], "allowed"),
        ([allow(Condition={"StringSoundsLike": {"aws:username": "x"}})], "unknown"),
        ([allow(Condition="always")], "unknown"),
        ([allow(Condition={"Bool": "true"})], "unknown"),
        ([allow(Conditions=UNKNOWN)], "unknown"),
        ([{**GUIDE, "Effect": "allow"}], "unknown"),
        ([{**GUIDE, "Effect": "deny"}, GUIDE], "unknown"),
        ([{**GUIDE, "Effect": "deny", "Resource": "arn:aws:s3:::x"}, GUIDE], "allowed"),
        ([{**GUIDE, "NotAction": "iam:*"}], "unknown"),
        ([{"Effect": "Allow", "Action": "*"}], "unknown"),
        ([allow(action={"a": 1})], "unknown"),
        (["Allow"], "unknown"),
        ([{**GUIDE, "Principal": "*"}], "unknown"),
        ([{**GUIDE, "NotPrincipal": {"AWS": ROOT}}], "unknown"),
        ([allow(resource=BASE + "-${aws:PrincipalTag/x}")], "unknown"),
        ([allow(resource="arn:aws:s3:::${aws:username}")], "implicit-deny"),
    ],
)
def test_undecidable_counts_only_where_it_could_matter(statements: list[Any], decision: str) -> None:
    """What cannot be judged makes the verdict unknown only if it could change it."""
    assert decide(*statements) == decision


NOW = "2025-06-01T00:00:00Z"
HELD = {
    "aws:PrincipalTag/team": "platform",
    "aws:PrincipalArn": ROLE,
    "secretsmanager:SecretId": SECRET,
    "aws:SecureTransport": "true",
    "aws:SourceIp": "10.0.1.5",
    "aws:CurrentTime": NOW,
    "aws:MultiFactorAuthAge": "300",
    "aws:TagKeys": ["env", "team"],
    "aws:SourceVpce": (),
    "aws:PrincipalTag/kind": (),
}


@pytest.mark.parametrize(
    ("operator", "key", "holds", "fails"),
    [
        ("StringEquals", "aws:principaltag/TEAM", ["x", "platform"], ["Platform", "plat*"]),
        ("StringEqualsIgnoreCase", "aws:PrincipalTag/team", "PLATFORM", "plat*"),
        ("StringNotEquals", "aws:PrincipalTag/team", ["x", "y"], ["x", "platform"]),
        ("StringNotEqualsIgnoreCase", "aws:PrincipalTag/team", "x", "Platform"),
        ("StringLike", "aws:PrincipalTag/team", "plat*", "Plat*"),
        ("StringNotLike", "aws:PrincipalTag/team", "x*", "p*m"),
        ("ArnLike", "aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:role/*", f"arn:*:iam::{ACCOUNT}:role/other/*"),
        ("ArnLike", "secretsmanager:SecretId", f"arn:*:*:*:{ACCOUNT}:secret:ohmy*", f"arn:*:*:{ACCOUNT}:secret:ohmy*"),
        ("ArnEquals", "aws:PrincipalArn", "arn:*:iam::*:role/service/*", "arn:aws:iam::*:user/*"),
        ("ArnEquals", "aws:PrincipalArn", ROLE, ROLE.replace("service", "Service")),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", ROLE),
        ("ArnNotEquals", "aws:PrincipalArn", "arn:aws:iam::*:user/*", ROLE),
        (
            "ArnLike",
            "aws:PrincipalArn",
            "arn:aws:iam::*:role/*-${aws:PrincipalTag/kind, 'execution-role'}",
            "arn:aws:iam::1:*",
        ),
        ("Bool", "aws:SecureTransport", True, "false"),
        ("Null", "aws:SecureTransport", "false", "true"),
        ("Null", "aws:SourceVpce", True, False),
        ("NumericLessThan", "aws:MultiFactorAuthAge", 300.5, 299.5),
        ("NumericLessThanEquals", "aws:MultiFactorAuthAge", "300.0", "299"),
        ("NumericGreaterThan", "aws:MultiFactorAuthAge", 299, 300),
        ("NumericGreaterThanEquals", "aws:MultiFactorAuthAge", 300, 301),
        ("NumericEquals", "aws:MultiFactorAuthAge", "3e2", 301),
        ("NumericNotEquals", "aws:MultiFactorAuthAge", 301, 300),
        ("DateLessThan", "aws:CurrentTime", "2025-06-01T00:00:01Z", NOW),
        ("DateGreaterThan", "aws:CurrentTime", "2025-05-31", "1900000000"),
        ("DateEquals", "aws:CurrentTime", "2025-06-01T10:00:00+10:00", "2025-06-01T10:00:00Z"),
        ("DateNotEquals", "aws:CurrentTime", "2025-06-02", NOW),
        ("IpAddress", "aws:SourceIp", ["192.0.2.0/24", "10.0.0.0/16"], ["10.0.1.4", "2001:db8::/32"]),
        ("NotIpAddress", "aws:SourceIp", "192.0.2.0/24", "10.0.1.5"),
        ("ForAnyValue:StringEquals", "aws:TagKeys", ["team", "owner"], ["owner"]),
        ("ForAllValues:StringEquals", "aws:TagKeys", ["team", "env", "owner"], ["team"]),
        ("ForAnyValue:StringNotEquals", "aws:TagKeys", ["team"], ["team", "env"]),
        ("ForAllValues:StringNotLike", "aws:TagKeys", ["owner"], ["t*"]),
        ("StringEqualsIfExists", "aws:PrincipalTag/team", "platform", "x"),
        ("StringEquals", "aws:PrincipalTag/team", "${aws:PrincipalTag/team}", "${aws:PrincipalArn}"),
    ],
)
def test_condition_operators(operator: str, key: str, holds: Any, fails: Any) -> None:
    """Each operator lets one value pass and refuses another."""
    assert decide(allow(Condition={operator: {key: holds}}), context=HELD) == "allowed"
    assert decide(allow(Condition={operator: {key: fails}}), context=HELD) == "implicit-deny"


def test_a_date_without_a_time_zone_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """As IAM reads it, wherever this is evaluated."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Australia/Sydney")
        time.tzset()
        assert decide(allow(Condition={"DateEquals": {"aws:CurrentTime": "2025-06-01"}}), context=HELD) == "allowed"
    time.tzset()


@pytest.mark.parametrize(
    ("operator", "decision"),
    [
        ("StringEquals", "implicit-deny"),
        ("StringNotEquals", "allowed"),
        ("StringEqualsIfExists", "allowed"),
        ("ForAllValues:StringEquals", "allowed"),
        ("ForAnyValue:StringEquals", "implicit-deny"),
        ("ForAnyValue:StringNotEquals", "implicit-deny"),
    ],
)
def test_a_key_known_to_be_absent(operator: str, decision: str) -> None:
    """A key that the request does not carry is decidable, unlike one that is not known."""
    statement = allow(Condition={operator: {"aws:SourceVpce": "vpce-1"}})
    assert decide(statement, context=HELD) == decision
    assert decide(statement) == "unknown"


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("StringEquals", "aws:TagKeys", "team"),
        ("NumericEquals", "aws:PrincipalTag/team", 1),
        ("DateEquals", "aws:CurrentTime", "soon"),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/99"),
        ("Bool", "aws:SecureTransport", "yes"),
        ("ArnLike", "aws:PrincipalArn", "role/*"),
        ("ForEachValue:StringEquals", "aws:TagKeys", "team"),
        ("StringEquals", "aws:PrincipalTag/team", {"a": 1}),
        ("NumericNotLessThan", "aws:MultiFactorAuthAge", 1),
    ],
)
def test_values_that_do_not_fit_are_undecidable(operator: str, key: str, value: Any) -> None:
    """A value of the wrong form gives unknown, as a grant and as a denial."""
    block = {operator: {key: value}}
    assert decide(allow(Condition=block), context=HELD) == "unknown"
    assert decide(GUIDE, deny(Condition=block), context=HELD) == "unknown"


def test_every_condition_must_hold() -> None:
    """One failing test settles a statement whatever the unknown ones would say."""
    block = {"StringEquals": {"aws:PrincipalTag/team": "x", "aws:SourceAccount": ACCOUNT}}
    assert decide(allow(Condition=block), context=HELD) == "implicit-deny"


def test_a_condition_is_named_only_where_nothing_else_refuses_the_call() -> None:
    """Without it, a statement on another action would not allow the call either."""
    policies = [policy(allow("s3:*", Condition=UNKNOWN), allow(Condition=UNKNOWN))]
    named = refusing_conditions(policies, lambda each: evaluate([each], ACTION, SECRET))
    assert [each.statement for each in named] == ["secrets-policy statement 2"]


@pytest.mark.parametrize(
    ("statement", "tail"),
    [
        (allow(resource=f"{BASE}-?????"), f"Resource {BASE}-?????."),
        ({"Effect": "Allow", "Action": "*", "NotResource": [f"{BASE}-*"]}, f"NotResource {BASE}-*."),
        (
            allow(resource=["arn:aws:s3:::backups/*", *(f"{BASE}{number}" for number in range(5))]),
            f"Resource {BASE}0, {BASE}1, {BASE}2 and 2 more.",
        ),
        (allow("*", resource="arn:aws:s3:::backups/*"), ""),
        (allow("kms:Decrypt", resource=f"{BASE}-x"), ""),
        (allow(resource=f"{BASE}-x", Condition={"StringEquals": {"aws:PrincipalTag/team": "other"}}), ""),
        (allow(resource=f"{BASE}-*"), ""),
        (deny(resource=f"{BASE}-x"), ""),
        ({"Effect": "Allow", "Action": ACTION}, ""),
    ],
)
def test_a_resource_is_named_only_where_nothing_else_refuses_the_call(statement: dict[str, Any], tail: str) -> None:
    """Three at most, none of another service, and none of a Deny."""
    keys = {"aws:PrincipalTag/team": "own"}
    named = refusing_resources(
        [policy(statement)], lambda each: evaluate([each], ACTION, SECRET, keys), "secretsmanager"
    )
    assert named == ([f"secrets-policy statement 1 would allow it, but for its {tail}"] if tail else [])


def test_variables_are_literal_in_the_older_version() -> None:
    """Only version 2012-10-17 substitutes variables, and what is substituted is no pattern."""
    statement = allow(resource=BASE + "-${aws:PrincipalTag/suffix}")
    for suffix, version, decision in [
        ("AbC123", "2012-10-17", "allowed"),
        ("*", "2012-10-17", "implicit-deny"),
        ("AbC123", "2008-10-17", "implicit-deny"),
    ]:
        tags = {"aws:PrincipalTag/suffix": suffix}
        verdict = evaluate([policy(statement, version=version)], ACTION, SECRET, tags)
        assert verdict.decision == decision
    lacked = allow(Condition={"StringNotEquals": {"aws:PrincipalArn": "${aws:username}"}})
    for version, decision in [("2012-10-17", "unknown"), ("2008-10-17", "allowed")]:
        context = {"aws:PrincipalArn": "a", "aws:username": ()}
        assert evaluate([policy(lacked, version=version)], ACTION, SECRET, context).decision == decision
    equal = allow(Condition={"StringEquals": {"aws:PrincipalArn": "${aws:username}"}})
    for username, decision in [({"aws:username": ()}, "implicit-deny"), ({}, "unknown")]:
        assert decide(equal, context={"aws:PrincipalArn": "a", **username}) == decision


@pytest.mark.parametrize("sign", ["*", "?", "$"])
def test_a_variable_may_be_a_sign_itself(sign: str) -> None:
    """`${*}` is an asterisk, and matches nothing else."""
    statement = allow(resource=f"{BASE}-${{{sign}}}")
    assert decide(statement, resource=f"{BASE}-{sign}") == "allowed"
    assert decide(statement, resource=f"{BASE}-A") == "implicit-deny"


@pytest.mark.parametrize(
    ("context", "decision"),
    [
        ({"aws:PrincipalTag/suffix": ()}, "allowed"),
        ({"aws:PrincipalTag/suffix": "other"}, "implicit-deny"),
        ({"aws:PrincipalTag/suffix": ("other", "more")}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_default_counts_only_for_a_key_that_the_request_lacks(context: Any, decision: str) -> None:
    """A key that is not known may have another value."""
    statement = allow(resource=BASE + "-${aws:PrincipalTag/suffix, 'AbC123'}")
    assert decide(statement, context=context) == decision


def test_a_pattern_full_of_asterisks_is_quick() -> None:
    """A pattern that would backtrack for ever is answered."""
    assert decide(allow(resource="*a" * 40 + "*b"), resource="a" * 400) == "implicit-deny"


@pytest.mark.parametrize(
    ("boundary", "scp", "decision", "why"),
    [
        (allow("*"), allow("*"), "allowed", "is allowed by"),
        (allow("s3:*"), allow("*"), "implicit-deny", "permissions boundary"),
        (allow("*"), allow("s3:*"), "implicit-deny", "service control policy"),
        (deny(), allow("*"), "explicit-deny", "is denied by"),
        (allow("*"), deny(), "explicit-deny", "is denied by"),
        (allow("*", Condition=UNKNOWN), allow("*"), "unknown", "aws:SourceVpce"),
        (allow("*", Condition=UNKNOWN), allow("s3:*"), "implicit-deny", "service control policy"),
    ],
)
def test_boundary_and_scps_must_allow_too(boundary: Any, scp: Any, decision: str, why: str) -> None:
    """A boundary and the organization's policies narrow what the role's own grant."""
    verdict = evaluate(
        [policy(GUIDE)],
        ACTION,
        SECRET,
        boundary=policy(boundary, kind="boundary"),
        scps=[policy(scp, kind="scp")],
    )
    assert verdict.decision == decision
    assert why in verdict.reason


def test_reasons_name_what_decided() -> None:
    """A verdict points at its statements by policy, number and Sid."""
    denied = evaluate([policy(GUIDE, deny(Sid="NoSecrets"))], ACTION, SECRET)
    assert denied.statements == ("secrets-policy statement 2 (NoSecrets)",)
    assert denied.reason == f"{ACTION} on {SECRET} is denied by secrets-policy statement 2 (NoSecrets)"
    silent = evaluate([policy()], ACTION, SECRET)
    assert (silent.statements, silent.reason) == ((), f"no statement allows {ACTION} on {SECRET}")
    granted = evaluate([policy(allow(Sid="Wide"), GUIDE)], ACTION, SECRET)
    assert granted.statements == ("secrets-policy statement 1 (Wide)", "secrets-policy statement 2")


OTHER = "210987654321"


@pytest.mark.parametrize(
    ("principal", "principals", "allowing", "denying"),
    [
        ("*", [ROLE], "allowed", "explicit-deny"),
        ({"AWS": "*"}, [ROLE], "allowed", "explicit-deny"),
        ({"AWS": ROLE}, [ROLE], "allowed", "explicit-deny"),
        ({"AWS": [ROLE + "2", ROLE]}, [ROLE], "allowed", "explicit-deny"),
        ({"AWS": ROLE}, [SESSION], "allowed", "explicit-deny"),
        ({"AWS": ROLE + "2"}, [ROLE, SESSION], "implicit-deny", "implicit-deny"),
        ({"AWS": ROLE.replace(ACCOUNT, OTHER)}, [ROLE, SESSION], "implicit-deny", "implicit-deny"),
        ({"AWS": SESSION}, [ROLE, SESSION], "allowed", "explicit-deny"),
        ({"AWS": SESSION + "0"}, [ROLE, SESSION], "implicit-deny", "implicit-deny"),
        ({"AWS": SESSION}, [ROLE], "unknown", "implicit-deny"),
        ({"AWS": ROOT}, [ROLE], "implicit-deny", "explicit-deny"),
        ({"AWS": ROOT}, [ROLE, ACCOUNT], "allowed", "explicit-deny"),
        ({"AWS": ACCOUNT}, [ROLE, ROOT], "allowed", "explicit-deny"),
        ({"AWS": OTHER}, [ROLE, ROOT], "implicit-deny", "implicit-deny"),
        ({"Service": "ecs.amazonaws.com"}, [ROLE], "implicit-deny", "implicit-deny"),
        (ROLE, [ROLE], "unknown", "implicit-deny"),
    ],
)
def test_principals(principal: Any, principals: list[str], allowing: str, denying: str) -> None:
    """A resource's policy finds its caller under any of its names."""
    for statement, decision in [(allow, allowing), (deny, denying)]:
        resource = policy(statement(Principal=principal), kind="resource")
        assert evaluate_resource(resource, principals, ACTION, SECRET).decision == decision


@pytest.mark.parametrize(
    ("spared", "decision"),
    [
        ([ROOT, ROLE, SESSION], "allowed"),
        ([ROLE + "2"], "explicit-deny"),
        ([ROLE + "2", ROOT], "explicit-deny"),
        ([ROLE], "unknown"),
        ("*", "allowed"),
    ],
)
def test_deny_to_all_but(spared: Any, decision: str) -> None:
    """NotPrincipal with Deny spares a caller only if its account, role and session are listed."""
    element = {"AWS": spared}
    statements = [
        allow(Principal="*"),
        {"Effect": "Deny", "NotPrincipal": element, "Action": "*", "Resource": "*"},
    ]
    resource = policy(*statements, kind="resource")
    assert evaluate_resource(resource, [ROLE, SESSION], ACTION, SECRET).decision == decision


def trust(**more: Any) -> PolicyDocument:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **more}
    return policy(statement, kind="trust")


@pytest.mark.parametrize(
    ("document", "decision"),
    [
        (trust(Principal={"Service": "ecs-tasks.amazonaws.com"}), "allowed"),
        (trust(Principal={"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]}), "allowed"),
        (trust(Principal={"Service": "ecs.amazonaws.com"}), "implicit-deny"),
        (trust(Principal={"AWS": ROOT}), "implicit-deny"),
        (trust(Principal={"Service": "ecs-tasks.amazonaws.com"}, Effect="Deny"), "explicit-deny"),
        (trust(Principal={"Service": "ecs-tasks.amazonaws.com"}, Action="sts:TagSession"), "implicit-deny"),
        (trust(), "unknown"),
    ],
)
def test_trust(document: PolicyDocument, decision: str) -> None:
    """A role is assumable by the service that its trust policy names."""
    assert trusts(document, "ecs-tasks.amazonaws.com").decision == decision


def test_trust_within_an_account() -> None:
    """A guard against a confused deputy is judged where the context is known, else unknown."""
    block = {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:ap-southeast-2:{ACCOUNT}:*"},
    }
    document = trust(Principal={"Service": "ecs-tasks.amazonaws.com"}, Condition=block)
    task = f"arn:aws:ecs:ap-southeast-2:{ACCOUNT}:task/x"
    context = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": task}
    assert trusts(document, "ecs-tasks.amazonaws.com").decision == "unknown"
    assert trusts(document, "ecs-tasks.amazonaws.com", context).decision == "allowed"
    context["aws:SourceAccount"] = OTHER
    assert trusts(document, "ecs-tasks.amazonaws.com", context).decision == "implicit-deny"


statements = st.builds(
    lambda make, action, resource, block: make(action, resource, **({"Condition": block} if block else {})),
    st.sampled_from([allow, deny]),
    st.sampled_from([ACTION, "secretsmanager:*", "s3:*", ["kms:Decrypt", "*"], {"odd": 1}]),
    st.sampled_from(["*", SECRET, BASE, f"{BASE}-??????", [BASE, SECRET], "arn:aws:s3:::${aws:username}"]),
    st.sampled_from([None, UNKNOWN, {"Bool": {"aws:SecureTransport": "true"}}, {"Odd": {"x": "y"}}]),
)


@settings(deadline=None)
@given(st.lists(statements, max_size=4), statements)
def test_a_deny_never_grants(existing: list[Any], extra: dict[str, Any]) -> None:
    """Adding a Deny turns nothing into allowed."""
    before = decide(*existing, context=HELD)
    after = decide(*existing, {**extra, "Effect": "Deny"}, context=HELD)
    assert after != "allowed" or before == "allowed"


@settings(deadline=None)
@given(st.lists(statements, max_size=5).flatmap(lambda s: st.tuples(st.just(s), st.permutations(s))))
def test_order_decides_nothing(pair: tuple[list[Any], list[Any]]) -> None:
    """The order of statements does not matter."""
    first, second = pair
    assert decide(*first) == decide(*second)


@settings(deadline=None)
@given(st.lists(statements, max_size=4))
def test_knowing_more_only_settles(existing: list[Any]) -> None:
    """An answer that did not depend on what was unknown stays when it becomes known."""
    before = decide(*existing)
    after = decide(*existing, context={**HELD, "aws:username": "x"})
    assert before == "unknown" or (before == "allowed") == (after == "allowed")
