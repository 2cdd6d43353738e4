"""Who may make a call: what another evaluator does not decide, such as unread policies, chains of roles and grants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import (
    ORGANIZATION,
    AccessVerdict,
    Identity,
    Judge,
    ResourceCall,
    assumptions,
    chains,
    combine,
    principals_in,
)

ACCOUNT = "123456789012"
READ = "secretsmanager:GetSecretValue"
SECRET = f"arn:aws:secretsmanager:ap-southeast-2:{ACCOUNT}:secret:app-AbCdEf"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
CALL = ResourceCall(action=READ, resource=SECRET)
JUDGE = Judge()


def policy(*statements: dict[str, Any], name: str = "own", kind: Any = "inline") -> PolicyDocument:
    """A policy of these statements, each an Allow of everything unless it says otherwise."""
    whole = [{"Effect": "Allow", "Action": READ, "Resource": "*", **statement} for statement in statements]
    return PolicyDocument(name, kind, {"Version": "2012-10-17", "Statement": whole})


def role(name: str, *policies: PolicyDocument, trusts: Any = None, **more: Any) -> Identity:
    """A role that a principal may assume."""
    principal = trusts or {"Service": "ecs-tasks.amazonaws.com"}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **more.pop("trust", {})}
    trust = PolicyDocument(f"trust policy of {name}", "trust", {"Version": "2012-10-17", "Statement": [statement]})
    arn = f"arn:aws:iam::{ACCOUNT}:role/{more.pop('path', '')}{name}"
    return Identity(arn=arn, kind="role", id=f"AROA{name}", policies=policies, trust=trust, **more)


def assuming(*names: str) -> PolicyDocument:
    """A policy that lets somebody assume roles."""
    arns = [f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in names]
    return policy({"Action": "sts:AssumeRole", "Resource": arns}, name="assumes")


@pytest.mark.parametrize("policies", [(), (policy({}),)])
def test_a_policy_that_was_not_read_leaves_it_unknown(policies: tuple[PolicyDocument, ...]) -> None:
    """It may allow and it may deny; the doubt names it, and no caller could resolve it."""
    unread = "arn:aws:iam::aws:policy/SomePolicy"
    verdict = JUDGE.verdict(role("a", *policies, unread=(unread,)), CALL)
    assert (verdict.decision, verdict.doubts, verdict.is_unjudged) == ("unknown", (unread,), True)


def test_a_resources_policy_that_was_not_read_leaves_it_unknown() -> None:
    """Whether it allows or denies is not known, even where the identity's own policies say nothing."""
    call = replace(CALL, unread=("the secret's resource policy",))
    for each in (role("a"), role("b", policy({}))):
        assert JUDGE.verdict(each, call).doubts == ("the secret's resource policy",)


SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/a/now"


@pytest.mark.parametrize(
    ("principal", "session", "decision"),
    [
        (f"arn:aws:iam::{ACCOUNT}:role/a", "", "denied"),
        (f"arn:aws:iam::{ACCOUNT}:role/a", "now", "denied"),
        (SESSION, "now", "allowed"),
        (SESSION, "then", "denied"),
        ("*", "", "allowed"),
    ],
)
def test_a_boundary_limits_what_a_resource_grants_to_the_role_alone(
    principal: str, session: str, decision: str
) -> None:
    """Not what it grants to its session, to everybody, or to a user."""
    bound = policy({"Action": "s3:*"}, name="bound", kind="boundary")
    call = replace(CALL, policies=(policy({"Principal": {"AWS": principal}}, name="theirs", kind="resource"),))
    assert JUDGE.verdict(role("a", boundary=bound, session=session), call).decision == decision
    user = Identity(arn=f"arn:aws:iam::{ACCOUNT}:user/a", kind="user", boundary=bound)
    named = replace(CALL, policies=(policy({"Principal": {"AWS": user.arn}}, name="theirs", kind="resource"),))
    assert JUDGE.verdict(user, named).decision == "allowed"


def test_policies_of_the_organization_only_take_away() -> None:
    """Unread, they leave what is allowed conditional and what is denied denied; a service's own role has none."""
    judge = Judge(levels=None)
    allowed = judge.verdict(role("a", policy({})), CALL)
    assert allowed.doubts == (ORGANIZATION,) and allowed.is_conditional
    assert judge.verdict(role("b"), CALL).decision == "denied"
    own = role("c", policy({}), path="aws-service-role/x.amazonaws.com/")
    assert judge.verdict(own, CALL).decision == "allowed"
    assert Judge(levels=((policy({"Action": "s3:*"}, kind="scp"),),)).verdict(own, CALL).decision == "allowed"


@pytest.mark.parametrize(
    ("action", "decision"),
    [("kms:Decrypt", "denied"), (READ, "denied"), ("sts:AssumeRole", "denied"), ("ecs:RunTask", "allowed")],
)
def test_a_resource_control_policy_has_a_say_in_some_services(action: str, decision: str) -> None:
    """What it denies of all others, AWS leaves alone."""
    judge = Judge(resource_controls=(policy({"Effect": "Deny", "Action": "*", "Principal": "*"}, kind="rcp"),))
    call = ResourceCall(action=action, resource="x")
    assert judge.verdict(role("a", policy({"Action": "*"})), call).decision == decision


def test_the_statement_and_its_condition_are_named() -> None:
    """An auditor sees which statement it is, and on what it depends."""
    condition = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    office, elsewhere = {"Sid": "Office", "Condition": condition}, {"Resource": f"{SECRET}x"}
    verdict = JUDGE.verdict(role("a", policy({"Action": "s3:*"}, office, elsewhere)), CALL)
    assert verdict.statements == ("own statement 2 (Office)",) and verdict.doubts == ("aws:SourceIp",)
    assert verdict.is_conditional and "10.0.0.0/8" in verdict.conditions[0]


def test_a_grant_of_the_key_allows_what_no_policy_does() -> None:
    """But an explicit deny goes before it."""
    reader = role("a")
    call = ResourceCall(action="kms:Decrypt", resource="key", rule="delegates", granted=frozenset({reader.arn}))
    assert JUDGE.verdict(reader, call).statements == ("a grant of the key",)
    denied = replace(reader, policies=(policy({"Effect": "Deny", "Action": "kms:*"}),))
    assert JUDGE.verdict(denied, call).decision == "denied"


def test_who_is_an_administrator() -> None:
    """By a statement on everything, outside any boundary; one that is malformed decides nothing."""
    assert not role("a", policy({"Action": "*"}), boundary=policy({"Action": "*"})).is_administrator
    assert not role("a", policy({"Action": "*", "Resource": SECRET})).is_administrator
    broken = {"Action": {"any": True}}, {"Resource": {"any": True}, "Action": "*"}
    assert not role("a", policy(*broken)).is_administrator
    assert role("b", policy(*broken, {"Action": "*"})).is_administrator


def test_a_keys_policy_has_to_delegate() -> None:
    """An identity's own policies count for a key only where the key's policy names the account."""
    reader, own = role("a", policy({"Action": "kms:Decrypt"})), {"Action": "kms:*", "Principal": {"AWS": ROOT}}
    for key_policy, decision in ((policy(own, kind="resource"), "allowed"), (policy(kind="resource"), "denied")):
        call = ResourceCall(action="kms:Decrypt", resource="key", rule="delegates", policies=(key_policy,))
        assert JUDGE.verdict(reader, call).decision == decision


def test_a_caller_chooses_the_resource_where_it_is_new() -> None:
    """A permission for any family of task definitions is one to register one."""
    base = f"arn:aws:ecs:ap-southeast-2:{ACCOUNT}:task-definition"
    own = role("a", policy({"Action": "ecs:RegisterTaskDefinition", "Resource": f"{base}/jobs-*:*"}))
    call = ResourceCall(action="ecs:RegisterTaskDefinition", resource=f"{base}/backend:1")
    assert JUDGE.verdict(own, call).decision == "denied"
    assert JUDGE.verdict_anywhere(own, call).decision == "allowed"
    careful = {"Resource": f"{base}/ad-*:*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
    both = policy({"Action": "ecs:*", **careful}, {"Action": "ecs:*", "Resource": f"{base}/jobs-*:*"})
    assert JUDGE.verdict_anywhere(role("b", both), call).decision == "allowed"


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        ("AROAa:*", "allowed"),
        ("AROAa*", "allowed"),
        ("*:*", "allowed"),
        ("AROAb:*", "denied"),
        ("AROAb*nightly", "denied"),
        ("AROAa:nightly", "unknown"),
        ("AROAa?night*", "unknown"),
        ("AROAa*nightly", "unknown"),
        ("*:nightly", "unknown"),
        ("*nightly", "unknown"),
    ],
)
def test_a_sessions_name_is_not_guessed(condition: str, decision: str) -> None:
    """A pattern for every session of a role is decided, one for a certain session is not."""
    own = role("a", policy({"Condition": {"StringLike": {"aws:userid": condition}}}))
    assert JUDGE.verdict(own, CALL).decision == decision


@pytest.mark.parametrize("account", [ROOT, ACCOUNT])
def test_who_may_assume_a_role(account: str) -> None:
    """Who the trust policy names, and, where it names the account, whose own policies allow it; services are nobody."""
    by_account, by_name = (
        role("reader", assuming("reader"), trusts={"AWS": account}),
        role("named", trusts={"AWS": [role("x").arn]}),
    )
    allowed, other = role("y", assuming("reader")), role("z", policy({}))
    everybody = [by_account, by_name, role("x"), allowed, other]
    assert [each.identity.name for each in assumptions(JUDGE, everybody, by_account)] == ["y"]
    assert [each.identity.name for each in assumptions(JUDGE, everybody, by_name)] == ["x"]
    assert [*assumptions(JUDGE, everybody, role("tasks"))] == []


@pytest.mark.parametrize(
    ("tags", "trusts", "decision"),
    [
        ({}, ["sts:AssumeRole", "sts:TagSession"], "unknown"),
        ({"team": "other"}, "sts:*", "unknown"),
        ({"team": "core"}, ["sts:AssumeRole", "sts:TagSession"], "allowed"),
        ({}, "sts:AssumeRole", "denied"),
    ],
)
def test_a_session_may_bring_tags_of_its_own(tags: dict[str, str], trusts: object, decision: str) -> None:
    """They stand in the place of the role's, where its trust policy lets them: by which, nobody knows here."""
    by_tag = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "core"}}}
    reader = replace(role("reader", policy({"Action": "x:Read", **by_tag})), tags=tags)
    reader = replace(reader, trust=policy({"Action": trusts, "Principal": {"AWS": ROOT}}, kind="trust"))
    verdict = JUDGE.verdict(reader, ResourceCall(action="x:Read", resource="*"))
    assert verdict.decision == decision
    assert verdict.doubts == (("aws:PrincipalTag/team",) if decision == "unknown" else ())
    never = replace(reader, policies=(*reader.policies, policy({"Effect": "Deny", "Action": "x:*"})))
    assert JUDGE.verdict(never, ResourceCall(action="x:Read", resource="*")).decision == "denied"


def test_the_doubt_is_the_variable_that_is_not_known() -> None:
    """What it is compared with is known, and says nothing of what to look at."""
    by_owner = {"Condition": {"StringEquals": {"aws:ResourceTag/owner": ["${aws:SourceIdentity}", "nobody"]}}}
    call = replace(CALL, keys={"aws:ResourceTag/owner": "alice"})
    verdict = JUDGE.verdict(role("reader", policy({**by_owner})), call)
    assert verdict.doubts == ("aws:SourceIdentity",) and verdict.is_conditional
    assert JUDGE.verdict(role("reader", policy({**by_owner})), CALL).doubts == ("aws:ResourceTag/owner",)


def test_a_boundary_limits_only_what_names_the_role_itself_whatever_is_unknown() -> None:
    """Whoever meets the condition of a statement for everybody reads beyond the boundary of the role."""
    nothing = replace(policy({"Action": "y:*"}), kind="boundary")
    reader = replace(role("reader"), boundary=nothing)
    by_arn = {"Action": "x:Read", "Principal": {"AWS": reader.arn}}
    with_mfa = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
    to_all = {"Action": "x:Read", "Principal": "*", **with_mfa}
    for statements, decision in (
        ((by_arn,), "denied"),
        ((to_all,), "unknown"),
        ((to_all, by_arn), "unknown"),
        (({**by_arn, **with_mfa},), "denied"),
    ):
        own = policy(*statements, kind="resource")
        verdict = JUDGE.verdict(reader, ResourceCall(action="x:Read", resource="*", policies=(own,)))
        assert verdict.decision == decision and verdict.is_conditional is (decision == "unknown")


@pytest.mark.parametrize("others", [[], [f"arn:aws:iam::{ACCOUNT}:role/reader"]])
def test_which_session_a_policy_names_leaves_open_what_a_boundary_limits(others: list[str]) -> None:
    """The session's name is not known of a role, and no boundary limits what names it; another session is limited."""
    reader = replace(role("reader"), boundary=replace(policy({"Action": "y:*"}), kind="boundary"))
    names = [*others, f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/build"]
    own = policy({"Action": "x:Read", "Principal": {"AWS": names}}, kind="resource")
    call = ResourceCall(action="x:Read", resource="*", policies=(own,))
    for session, decision, doubts in (("", "unknown", ("Principal",)), ("build", "allowed", ()), ("b", "denied", ())):
        verdict = JUDGE.verdict(replace(reader, session=session), call)
        assert (verdict.decision, verdict.doubts) == (decision, doubts)


def test_chains_go_on_behind_a_step_that_depends_on_the_call() -> None:
    """The shortest way is found; whoever becomes a role that needs MFA, or another address, can have that."""
    target = role("reader", trusts={"AWS": ROOT})
    near = role("near", assuming("reader"), trusts={"AWS": ROOT})
    far = role("far", assuming("near", "reader"), trusts={"AWS": ROOT})
    last = role("last", assuming("near"))
    careful = {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}
    unsure = role("unsure", policy({"Action": "sts:AssumeRole", **careful}), trusts={"AWS": ROOT})
    behind = role("behind", assuming("unsure"))
    barred = role("barred", assuming("reader"), policy({"Effect": "Deny", "Action": "sts:*", "Resource": near.arn}))
    administrator = role("administrator", policy({"Action": "*"}))
    found = chains(JUDGE, [target, near, far, last, unsure, behind, barred, administrator], [target])
    ways = {arn.rpartition("/")[2]: [step.role.name for step in chain] for arn, chain in found.items()}
    assert ways.pop("last") == ["near", "reader"] and ways.pop("behind") == ["unsure", "reader"]
    assert ways == {name: ["reader"] for name in ("near", "far", "unsure", "barred")}


def test_chains_go_on_where_the_organization_alone_was_not_read() -> None:
    """What its policies may still forbid cuts no chain: else two roles would hide who reads."""
    target = role("reader", trusts={"AWS": ROOT})
    near = role("near", assuming("reader"), trusts={"AWS": ROOT})
    far = role("far", assuming("near"))
    [step, _] = chains(Judge(levels=None), [target, near, far], [target])[far.arn]
    assert step.role is near and step.verdict.is_conditional and step.verdict.doubts == (ORGANIZATION,)


def test_who_has_a_way_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all may assume all, an account of hundreds of roles would take as many verdicts as it has pairs."""
    target, judged, verdict = role("reader", trusts={"AWS": ROOT}), [], Judge.verdict
    anything = policy({"Action": "sts:AssumeRole", "Resource": "*"})
    roles = [role(f"role-{count}", anything, trusts={"AWS": ROOT}) for count in range(20)]

    def judge(self: Judge, identity: Identity, call: ResourceCall) -> AccessVerdict:
        judged.append(identity.name)
        return verdict(self, identity, call)

    monkeypatch.setattr(Judge, "verdict", judge)
    assert len(chains(JUDGE, [target, *roles], [target])) == len(judged) == 20


def test_who_certainly_becomes_somebody_in_doubt_is_in_doubt() -> None:
    """Where one step cannot be judged, whoever certainly gets to it is named with it, unless another way is open."""
    target = role("reader", trusts={"AWS": ROOT})
    unknown = {"Condition": {"StringLike": {"aws:PrincipalOrgPaths": "o-a/*"}}}
    doubtful = role("doubtful", policy({"Action": "sts:AssumeRole", **unknown}), trusts={"AWS": ROOT})
    behind = role("behind", assuming("doubtful"), trusts={"AWS": ROOT})
    far = role("far", assuming("behind"))
    twice = role("twice", policy({"Action": "sts:AssumeRole", "Resource": behind.arn, **unknown}))
    near = role("near", assuming("reader", "doubtful"))
    found = chains(JUDGE, [target, doubtful, behind, far, twice, near], [target])
    ways = {arn.rpartition("/")[2]: [step.role.name for step in chain] for arn, chain in found.items()}
    assert ways == {
        "doubtful": ["reader"],
        "behind": ["doubtful", "reader"],
        "far": ["behind", "doubtful", "reader"],
        "near": ["reader"],
    }


def test_what_takes_several_calls_is_as_good_as_the_worst() -> None:
    """Denied before unknown before allowed, with the statements and doubts of all that count."""
    verdicts = {
        decision: AccessVerdict(action="a", decision=decision, statements=(decision,))  # type: ignore[arg-type]
        for decision in ("allowed", "denied", "unknown")
    }
    both = combine("b", [verdicts["allowed"], verdicts["unknown"]])
    assert (both.action, both.decision, both.statements) == ("b", "unknown", ("allowed", "unknown"))
    assert combine("b", [verdicts["denied"], verdicts["unknown"]]).statements == ("denied",)


def test_whom_a_policy_trusts() -> None:
    """Principals of Allow statements, by their kind; NotPrincipal lets everybody else in."""
    document = policy(
        {"Principal": {"AWS": [ROOT], "Service": "lambda.amazonaws.com"}},
        {"Principal": "*", "Effect": "Deny"},
        {"NotPrincipal": {"AWS": ROOT}},
    )
    assert [*principals_in(document, "AWS")] == [ROOT, "*"] and [*principals_in(document, "Service")] == [
        "lambda.amazonaws.com"
    ]
