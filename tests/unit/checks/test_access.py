"""Checks of access: by AWS's simulation and again by the role's policies alone, look-alikes told apart."""

import json
import re
import secrets
import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from support.check_assertions import assert_clear, by_id, found_by, unknown_by
from support.faults.access import (
    DELEGATES,
    FAULTS,
    GUIDE,
    KEY,
    SCP_STOP,
    THROTTLED_STOP,
    decrypting,
    keyed,
    own_policy,
    role,
    statement,
    trusting,
    under_key,
)
from support.snapshots import (
    ACCOUNT,
    ARN,
    CONSUMERS,
    CURRENT,
    NOW,
    REGION,
    ROLE,
    ROLE_NAME,
    TRUST,
    by_policies,
    deployment,
    event,
    healthy,
    policy,
    simulated,
    simulation,
    stopped,
    stuck,
    task_definition,
    with_definition,
    with_permissions,
    with_reference,
    with_secret,
    with_service,
    with_tasks,
)

from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.kms import KmsGrant, KmsKey
from omc_runbook.aws.secretsmanager import Replica
from omc_runbook.checks import access
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.role_access import judge_action
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.findings import is_sentence
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE, Permissions
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(access))
found_in, unknown_in = partial(found_by, CHECKS.values()), partial(unknown_by, CHECKS.values())
BASE = ARN.rpartition("-")[0]


BY_POLICIES = {
    "no-permission": by_policies(policy(action="s3:GetObject")),
    "pattern-suffix": by_policies(policy(resource=BASE)),
    "identity-deny": by_policies(GUIDE, policy("Deny")),
    "boundary": by_policies(GUIDE, boundary=policy(action="logs:*", kind="boundary")),
}


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_is_not_taken_for_another(id: str) -> None:
    """Of the family's checks one alone speaks of one fault."""
    assert found_in(FAULTS[id].make(healthy())) == {id}


@pytest.mark.parametrize("id", BY_POLICIES)
def test_policies_alone_tell_faults_apart(id: str) -> None:
    """Where AWS refuses to simulate, the role's policies show the same fault, and the finding says who spoke."""
    snapshot = with_permissions(healthy(), BY_POLICIES[id])
    assert found_in(snapshot) == {id}
    [found] = run_check(CHECKS[id], snapshot)
    assert "The role's policies, evaluated here" in found.evidence[0]
    assert "SimulatePrincipalPolicy" not in found.evidence[0]


def test_policies_alone_tell_that_all_is_well() -> None:
    """The guide's own policy is enough, with or without a boundary that allows it."""
    for permissions in (by_policies(GUIDE), by_policies(GUIDE, boundary=policy(action="*", kind="boundary"))):
        assert found_in(with_permissions(healthy(), permissions)) == set()


def test_policies_alone_cannot_rule_out_the_organization() -> None:
    """Without AWS's simulation, and with no task that has read the secret, the check does not say clear."""
    idle = replace(healthy(), tasks=())
    [answer] = run_check(CHECKS["scp"], with_permissions(idle, by_policies(GUIDE)))
    assert answer.status == "unknown"
    assert "iam:SimulatePrincipalPolicy" in answer.evidence[0]


def test_a_task_that_read_the_secret_rules_out_the_organization() -> None:
    """What would deny the role the secret would have denied it to the tasks that hold its current version."""
    [answer] = run_check(CHECKS["scp"], with_permissions(healthy(), by_policies(GUIDE)))
    assert answer.status == "clear"


UNREAD = ReadFailure("the account's organization", "organizations:DescribeOrganization", "AccessDenied", "denied")
DENIED = simulated("explicitDeny", organization=False, policies=(GUIDE,))


@pytest.mark.parametrize(
    ("snapshot", "permissions", "status"),
    [
        (healthy(), replace(DENIED, unread=(UNREAD,)), "unknown"),
        (replace(healthy(), tasks=()), replace(DENIED, unread=(UNREAD,)), "found"),
        (stuck(healthy(), "worker", SCP_STOP), replace(DENIED, unread=(UNREAD,)), "found"),
        (healthy(), DENIED, "found"),
        (healthy(), replace(by_policies(GUIDE), unread=(UNREAD,)), "clear"),
    ],
)
def test_an_organization_that_was_not_read_denies_no_task_that_read_the_secret(
    snapshot: Snapshot, permissions: Permissions, status: str
) -> None:
    """The simulation lacked the organization, which a policy may ask for."""
    [answer] = run_check(CHECKS["scp"], with_permissions(snapshot, permissions))
    assert answer.status == status
    assert status != "unknown" or "organizations:DescribeOrganization is missing" in answer.evidence[0]


def test_a_tasks_own_words_show_the_organization() -> None:
    """What ECS wrote of a stopped task tells a service control policy without any simulation."""
    [found] = run_check(CHECKS["scp"], stuck(with_permissions(healthy(), by_policies(GUIDE)), "worker", SCP_STOP))
    assert (found.status, found.subject, found.services) == ("found", ROLE_NAME, {"worker"})
    assert "with an explicit deny in a service control policy" in found.evidence[0]


@pytest.mark.parametrize("id", ["no-permission", "pattern-suffix", "identity-deny", "boundary", "scp"])
def test_a_role_that_cannot_be_judged_is_unknown_to_all(id: str) -> None:
    """Where neither simulation nor policies could be read, no check of what the role may do says clear."""
    refused = ReadFailure("the policies", "iam:ListRolePolicies", "AccessDenied", "denied")
    blind = replace(by_policies(), policies=None, unread=(refused,))
    [answer] = run_check(CHECKS[id], with_permissions(healthy(), blind))
    assert answer.status == "unknown"
    assert "iam:ListRolePolicies" in answer.evidence[0]


def test_a_policy_that_cannot_be_judged_is_unknown() -> None:
    """A condition on something that nobody knows beforehand leaves the permission undecided."""
    depends = policy(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
    snapshot = with_permissions(healthy(), by_policies(depends))
    assert "no-permission" in unknown_in(snapshot)
    assert found_in(snapshot) == set()


def test_a_simulation_that_lacked_context_does_not_count() -> None:
    """Where AWS says that it missed context, the policies decide."""
    snapshot = simulated("implicitDeny", policies=(GUIDE,))
    lacking = replace(
        snapshot, simulated=tuple(replace(entry, missing_context=("aws:x",)) for entry in snapshot.simulated)
    )
    assert found_in(with_permissions(healthy(), lacking)) == set()


@pytest.mark.parametrize(
    ("tag", "decision", "organization", "expected"),
    [
        ("app", "implicitDeny", None, set[str]()),
        ("web", "implicitDeny", None, {"no-permission"}),
        ("web", "explicitDeny", None, {"no-permission"}),
        # What it says of the organization is not about the role's own policies.
        ("app", "explicitDeny", False, {"scp"}),
    ],
)
def test_a_simulation_knows_no_policy_variable(
    tag: str, decision: str, organization: bool | None, expected: set[str]
) -> None:
    """A Resource may have a tag of the role, for which AWS may say neither what it is nor that it lacked it."""
    by_tag = policy(resource=ARN.replace("-app-", "-${aws:PrincipalTag/kind}-"))
    permissions = simulated(decision, organization=organization, policies=(by_tag,))
    assert permissions.role
    tagged = replace(permissions, role=replace(permissions.role, tags={"kind": tag}))
    assert found_in(with_permissions(healthy(), tagged)) == expected


@pytest.mark.parametrize("id", ["identity-deny", "boundary"])
@pytest.mark.parametrize("tag", ["app", "web"])
def test_a_simulation_misses_a_deny_with_a_policy_variable(id: str, tag: str) -> None:
    """It says allowed of what is denied to a role whose tag makes the Resource match."""
    resource = ARN.replace("-app-", "-${aws:PrincipalTag/kind}-")
    deny, everything = policy("Deny", resource=resource), policy(action="*")
    both = everything.with_statements(each for _, each in (*everything.statements, *deny.statements))
    own, boundary = ((GUIDE, deny), None) if id == "identity-deny" else ((GUIDE,), replace(both, kind="boundary"))
    permissions = replace(simulated("allowed", policies=own), boundary=boundary)
    assert permissions.role
    tagged = replace(permissions, role=replace(permissions.role, tags={"kind": tag}))
    assert found_in(with_permissions(healthy(), tagged)) == ({id} if tag == "app" else set())


def test_a_boundary_in_the_way_is_named_without_the_policies() -> None:
    """AWS's word on the boundary stands even where the role's policies could not be read."""
    assert found_in(with_permissions(healthy(), simulated("implicitDeny", boundary=False))) == {"boundary"}


@pytest.mark.parametrize(
    "decided",
    [
        simulated("explicitDeny", ("fence",), boundary=False, policies=(GUIDE,)),
        replace(
            simulated("implicitDeny", boundary=False, policies=(GUIDE,)),
            boundary=replace(policy("Deny", kind="boundary"), name="fence"),
        ),
        by_policies(GUIDE, boundary=replace(policy("Deny", kind="boundary"), name="fence")),
    ],
)
def test_a_boundary_that_denies_is_to_lose_its_deny(decided: Permissions) -> None:
    """An Allow in the same boundary would change nothing, so that none is advised."""
    [found] = run_check(CHECKS["boundary"], with_permissions(healthy(), decided))
    assert re.fullmatch(
        r"Remove the deny from fence( statement 1)?, the role's permissions boundary\.", found.remedy.command
    )


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"aws:ResourceTag/team": "core"}, set()),
        ({"aws:ResourceTag/team": "web"}, {"boundary"}),
        ({"aws:SourceVpce": "vpce-1"}, set()),
    ],
)
def test_a_boundary_that_asks_for_what_no_simulation_has_is_judged_here(
    condition: dict[str, str], expected: set[str]
) -> None:
    """The simulation has neither the secret's tags nor the tasks' way, and says that the boundary does not allow it."""
    limit = policy(kind="boundary", Condition={"StringEquals": condition})
    decided = replace(simulated("implicitDeny", boundary=False, policies=(GUIDE,)), boundary=limit)
    snapshot = with_permissions(with_secret(healthy(), tags={"team": "core"}), decided)
    assert found_in(snapshot) == expected
    assert ("boundary" in unknown_in(snapshot)) is ("aws:SourceVpce" in condition)
    organization = replace(decided, simulated=simulated("explicitDeny", organization=False, boundary=False).simulated)
    assert "scp" in found_in(with_permissions(snapshot, organization))
    granted = own_policy(statement("Allow", ROLE))(with_permissions(snapshot, replace(decided, policies=())))
    assert found_in(granted) == expected
    assert ("boundary" in unknown_in(granted)) is ("aws:SourceVpce" in condition)


def test_a_boundary_that_cannot_be_judged_does_not_make_a_grant_useless() -> None:
    """What it may let pass is not said to be outside of it."""
    limit = policy(kind="boundary", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
    [found] = run_check(CHECKS["no-permission"], with_permissions(healthy(), by_policies(boundary=limit)))
    assert found.is_problem and "boundary" not in " ".join((*found.evidence, found.remedy.needs))


def test_a_deny_decides_whatever_a_boundary_says_that_cannot_be_judged() -> None:
    """No grant outdoes it."""
    limit = policy(kind="boundary", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
    denied = with_permissions(healthy(), by_policies(policy("Deny"), boundary=limit))
    [found] = run_check(CHECKS["identity-deny"], own_policy(statement("Allow", ROLE))(denied))
    assert found.is_problem and not unknown_in(denied)


@pytest.mark.parametrize(("label", "expected"), [("AWSPREVIOUS", {"no-permission"}), ("AWSCURRENT", set())])
def test_a_label_that_a_reference_names_is_read_too(label: str, expected: set[str]) -> None:
    """A role that may read AWSCURRENT alone keeps tasks from starting whose reference names another label."""
    allowed = policy(Condition={"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}})
    pinned = with_reference(healthy(), "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY:{label}:")
    snapshot = with_permissions(pinned, by_policies(allowed))
    assert found_in(snapshot) == expected
    [answer] = run_check(CHECKS["no-permission"], snapshot)
    assert not expected or f"the call has secretsmanager:VersionStage {label}" in " ".join(answer.evidence)


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        (simulated("explicitDeny", organization=False, policies=(GUIDE,)), {"scp"}),
        (simulated("explicitDeny", organization=False, policies=(GUIDE, policy("Deny"))), {"scp", "identity-deny"}),
        (simulated("explicitDeny", organization=False, policies=(policy(resource=BASE),)), {"scp", "pattern-suffix"}),
        (simulated("explicitDeny", boundary=False, policies=(GUIDE, policy("Deny"))), {"identity-deny"}),
        (by_policies(policy("Deny"), policy(action="s3:*")), {"identity-deny", "no-permission"}),
        (
            by_policies(policy("Deny"), GUIDE, boundary=policy(action="s3:*", kind="boundary")),
            {"identity-deny", "boundary"},
        ),
    ],
)
def test_what_a_denial_hides_is_found_beside_it(permissions: Permissions, expected: set[str]) -> None:
    """Whoever removes the denial alone would meet the next refusal then."""
    assert found_in(with_permissions(healthy(), permissions)) == expected


IN_THE_WAY = {"Effect": "Deny", "Resource": "*"}
OFFICE = {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
SPARED = {"ArnNotEquals": {"aws:PrincipalArn": ROLE}}


def test_each_statement_of_a_policy_that_denies_is_named() -> None:
    """The simulation names the policy alone: whoever corrects one statement would meet the other one then."""
    fence = policy().with_statements(
        [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {**IN_THE_WAY, "Action": "secretsmanager:*"},
            {**IN_THE_WAY, "Action": "*", "Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}},
            {**IN_THE_WAY, "Action": "*", "Condition": SPARED},
        ]
    )
    undecided = replace(policy("Deny", Condition=OFFICE), name="a_fence")
    read = (replace(fence, name="fence"), undecided)
    denied = simulated("explicitDeny", ("fence", "fence", "a_fence"), policies=read)
    [found] = run_check(CHECKS["identity-deny"], with_permissions(healthy(), denied))
    assert found.evidence[0].endswith(", by fence statement 2, fence statement 3, a_fence.")
    assert "aws:PrincipalAccount" in found.evidence[1]
    assert found.remedy.command.startswith("Remove the deny from fence statement 2, fence statement 3, a_fence, or let")


def test_all_statements_of_the_secrets_policy_that_deny_are_to_go() -> None:
    """Not one of them alone."""
    for count, which in ((1, "that statement"), (2, "those statements")):
        denials = [statement("Deny", ROLE), statement("Deny", "*")][:count]
        [found] = run_check(CHECKS["resource-deny"], own_policy(*denials)(healthy()))
        assert found.remedy.command.startswith(f"Write the policy without {which} to policy.json")
        assert "or delete it with `aws secretsmanager delete-resource-policy" in found.remedy.command
        [found] = run_check(CHECKS["resource-deny"], own_policy(*denials, statement("Allow", ROLE))(healthy()))
        assert found.remedy.command.endswith(f"file://policy.json --region {REGION}`."), "which leaves a statement"


def test_what_may_deny_beside_a_denial_is_named() -> None:
    """Without that denial it would decide, and is not known."""
    from_elsewhere = {"StringEquals": {"aws:SourceVpce": "vpce-1"}}
    fence = replace(policy("Deny", Condition=from_elsewhere), name="fence")
    by_role = with_permissions(healthy(), by_policies(GUIDE, policy("Deny"), fence))
    by_secret = own_policy(statement("Deny", ROLE), {**statement("Deny", "*"), "Condition": from_elsewhere})(healthy())
    for id, snapshot, label in (
        ("identity-deny", by_role, "fence statement 1"),
        ("resource-deny", by_secret, "the secret's resource policy statement 2"),
    ):
        [found] = run_check(CHECKS[id], snapshot)
        assert found.evidence[0].endswith(f"; {label} may deny it too, by aws:SourceVpce.")


def test_a_statement_on_the_key_is_a_denial_of_its_own() -> None:
    """Beside one on the secret in the same policy, which hides it from the tasks until it is removed."""
    own = policy().with_statements(
        [
            {"Effect": "Allow", "Action": "*", "Resource": "*"},
            {**IN_THE_WAY, "Action": GET_SECRET_VALUE},
            {**IN_THE_WAY, "Action": DECRYPT},
        ]
    )
    denied = simulated("explicitDeny", (own.name,), policies=(own,))
    on_key = simulation(DECRYPT, KEY, "explicitDeny", statements=(own.name,))
    findings = diagnose(keyed(replace(denied, simulated=(*denied.simulated, on_key)), DELEGATES)(healthy()))
    causes = {each.check: each.remedy.command for each in findings if each.is_root_cause}
    assert causes == {
        "identity-deny": "Remove the deny from secrets-policy statement 2.",
        "kms-no-permission": "Remove the deny from secrets-policy statement 3.",
    }


@pytest.mark.parametrize(
    ("id", "words", "make"),
    [
        ("scp", "a service control", role(simulated("allowed", organization=True))),
        ("identity-deny", "an identity-based", role(by_policies(GUIDE, policy("Deny", Condition=OFFICE)))),
        ("resource-deny", "a resource-based", own_policy({**statement("Deny", "*"), "Condition": OFFICE})),
    ],
)
def test_what_only_a_stopped_task_shows_may_have_been_corrected_since(id: str, words: str, make: Any) -> None:
    """The remedy says how to see that; where the policies decide, nothing is left to see."""
    denied = stuck(make(healthy()), "worker", SCP_STOP.replace("a service control", words))
    [found] = [each for each in run_check(CHECKS[id], denied) if each.is_problem]
    assert found.remedy.needs.startswith("If that was corrected after the task stopped, start a new task")
    [decided] = [each for each in run_check(CHECKS[id], FAULTS[id].make(healthy())) if each.is_problem]
    assert not decided.remedy.needs


@pytest.mark.parametrize(
    ("minutes", "error", "status"), [(1, "", "unknown"), (1, "AccessDenied", "found"), (9, "", "found")]
)
def test_a_task_that_was_denied_before_the_secrets_policy_was_put_is_no_evidence(
    minutes: int, error: str, status: str
) -> None:
    """The policy of that time is gone, and the present one may leave the tasks alone."""
    guarded = own_policy({**statement("Deny", "*"), "Condition": OFFICE})(healthy())
    denied = stuck(guarded, "worker", SCP_STOP.replace("a service control", "a resource-based"))
    put = replace(event("PutResourcePolicy", NOW - timedelta(minutes=minutes)), error=error)
    [answer] = run_check(CHECKS["resource-deny"], replace(denied, writes=(put,)))
    assert answer.status == status
    assert any("CloudTrail: PutResourcePolicy by" in fact for fact in answer.evidence) == (not error)
    assert any("A new task alone shows" in fact for fact in answer.evidence) == (status == "unknown")


@pytest.mark.parametrize(
    ("decision", "policies", "cause"),
    [
        ("explicitDeny", None, "identity-deny"),
        ("explicitDeny", (policy(action="logs:*"),), "boundary"),
        ("explicitDeny", (), "boundary"),
        ("explicitDeny", (policy("Deny", action="logs:*", resource="*"),), "identity-deny"),
        ("implicitDeny", None, "boundary"),
    ],
)
def test_a_deny_is_the_boundarys_where_the_roles_own_policies_do_not_deny_it(
    decision: str, policies: Any, cause: str
) -> None:
    """Where they were not read, the deny may be one of theirs."""
    action = "logs:PutLogEvents"
    decided = simulation(action, "*", decision, allowed_by_boundary=False)
    permissions = replace(simulated("allowed"), simulated=(decided,), policies=policies)
    assert judge_action(permissions, ROLE, action, "*", {}).cause == cause


def test_nothing_allowed_within_a_boundary_is_no_permission() -> None:
    """Where neither the policies nor the boundary allow, the policies come first."""
    snapshot = with_permissions(healthy(), simulated("implicitDeny", boundary=False, policies=(policy(action="s3:*"),)))
    assert found_in(snapshot) == {"no-permission"}


@pytest.mark.parametrize(
    "decided",
    [
        simulated("implicitDeny", boundary=False, policies=(policy(action="s3:*"),)),
        by_policies(policy(action="s3:*"), boundary=policy(action="logs:*", kind="boundary")),
        by_policies(policy(resource=ARN.rpartition("-")[0]), boundary=policy(action="logs:*", kind="boundary")),
    ],
)
def test_a_grant_that_a_boundary_makes_useless_says_so(decided: Permissions) -> None:
    """Pasted alone it would change nothing."""
    [found] = [
        each
        for id in ("no-permission", "pattern-suffix")
        for each in run_check(CHECKS[id], with_permissions(healthy(), decided))
        if each.is_problem
    ]
    assert "The role's permissions boundary does not allow it either." in found.evidence
    assert found.remedy.needs.startswith(f"First allow {GET_SECRET_VALUE} on {ARN} in the role's permissions boundary.")


def test_a_grant_of_the_key_that_a_boundary_makes_useless_says_so() -> None:
    """As one of the secret does."""
    bounded = by_policies(policy(), boundary=policy(kind="boundary"))
    [found] = run_check(CHECKS["kms-no-permission"], keyed(bounded, DELEGATES)(healthy()))
    assert found.remedy.runbook == "" and "put-role-policy" in found.remedy.command
    assert "The role's permissions boundary does not allow it either." in found.evidence
    assert any(fact.startswith("GetRole: PermissionsBoundary of ") for fact in found.evidence)
    assert found.remedy.needs.startswith(f"First allow {DECRYPT} on {KEY} in the role's permissions boundary.")


def test_the_secrets_own_policy_may_grant() -> None:
    """A role without any policy may read a secret whose policy names it."""
    granted = own_policy(statement("Allow", ROLE))(healthy())
    assert found_in(with_permissions(granted, simulated("implicitDeny"))) == set()
    assert found_in(with_permissions(granted, by_policies())) == set()


def test_a_policy_that_names_the_account_grants_nothing_by_itself() -> None:
    """An Allow to the account leaves it to the role's own policies, which allow nothing here."""
    delegating = own_policy(statement("Allow", f"arn:aws:iam::{ACCOUNT}:root"))(healthy())
    assert found_in(with_permissions(delegating, simulated("implicitDeny"))) == {"no-permission"}
    assert found_in(with_permissions(delegating, by_policies())) == {"no-permission"}


@pytest.mark.parametrize(
    ("principal", "denied"),
    [
        (ROLE, True),
        (f"arn:aws:iam::{ACCOUNT}:root", True),
        ("*", True),
        (f"arn:aws:iam::{ACCOUNT}:role/another", False),
        ("arn:aws:iam::210987654321:root", False),
    ],
)
def test_a_deny_counts_for_whom_it_names(principal: str, denied: bool) -> None:
    """A Deny of the role, its account or everybody is a fault; a Deny of others is none."""
    assert found_in(own_policy(statement("Deny", principal))(healthy())) == ({"resource-deny"} if denied else set())


@pytest.mark.parametrize(("count", "verb"), [(1, "statement 1 denies"), (2, "statement 2 deny")])
def test_statements_that_deny_have_their_verb(count: int, verb: str) -> None:
    """Several do so together."""
    denied = own_policy(*[statement("Deny", ROLE)] * count)(healthy())
    [found] = [each for each in run_check(CHECKS["resource-deny"], denied) if each.status == "found"]
    assert found.evidence[0].endswith(f"{verb} {ROLE_NAME}.")


def test_a_missing_role_is_untrusted_and_nothing_else() -> None:
    """A role that does not exist is one fault, not one of permission too."""
    snapshot = with_permissions(healthy(), Permissions(role=None, exists=False))
    assert found_in(snapshot) == {"role-untrusted"}
    [found] = run_check(CHECKS["role-untrusted"], snapshot)
    assert "there is no role" in found.evidence[0]


def test_a_role_whose_name_is_nearly_anothers_is_the_other() -> None:
    """A task definition with a letter wrong needs no new role."""
    snapshot = healthy()
    missing = Permissions(role=None, exists=False)
    (found,) = run_check(
        CHECKS["role-untrusted"], replace(snapshot, permissions={**snapshot.permissions, f"{ROLE}s": missing})
    )
    assert found.evidence[0] == f"GetRole: there is no role {ROLE_NAME}s: did you mean {ROLE_NAME}?"
    assert found.remedy.command.startswith(
        f"Set executionRoleArn to {ROLE_NAME}, register a new revision and deploy it, or create"
    )


def test_the_command_for_a_trust_policy_lets_ecs_assume_the_role() -> None:
    """It stands alone, keeps whom the role trusted before, and mends; where a Deny is at fault it is a sentence."""
    [found] = run_check(CHECKS["role-untrusted"], FAULTS["role-untrusted"].make(healthy()))
    correct, *redeploy = found.remedy.command.split(" && ")
    assert [line.split()[1:3] for line in redeploy] == [["ecs", "update-service"]] * len(found.services)
    *_, text = shlex.split(correct)
    trust = PolicyDocument("trust policy", "trust", json.loads(text))
    assert trust.document["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert found_in(role(trusting(trust.document))(healthy())) == set()
    everybody = {"Effect": "Deny", "Principal": "*", "Action": "*"}
    denying = role(trusting({"Version": "2012-10-17", "Statement": [everybody, everybody]}))
    [found] = run_check(CHECKS["role-untrusted"], denying(healthy()))
    assert is_sentence(found.remedy.command) and "statement 2 from denying" in found.remedy.command


@pytest.mark.parametrize(
    ("allowing", "end"),
    [
        ([], "ecs-tasks.amazonaws.com, and add one that allows it sts:AssumeRole: none does."),
        (TRUST["Statement"], "ecs-tasks.amazonaws.com."),
        (
            [{**TRUST["Statement"][0], "Condition": {"StringEquals": {"aws:SourceAccount": "210987654321"}}}],
            f"and correct the Condition of trust policy statement 2: ECS calls with aws:SourceAccount {ACCOUNT}",
        ),
    ],
    ids=["no other statement", "one that allows it", "one with a Condition"],
)
def test_a_denial_in_a_trust_policy_is_told_with_what_else_is_missing(allowing: list[Any], end: str) -> None:
    """Without the Deny, ECS may still not assume the role: one remedy says all."""
    denial = {"Effect": "Deny", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
    snapshot = role(trusting({"Version": "2012-10-17", "Statement": [denial, *allowing]}))(healthy())
    [found] = run_check(CHECKS["role-untrusted"], snapshot)
    way = found.remedy.command.partition(" && ")[0]
    assert way.startswith("Stop trust policy statement 1 from denying ecs-tasks.amazonaws.com") and end in way


def test_a_role_that_could_not_be_read_is_unknown() -> None:
    """Whether ECS may assume an unreadable role is unknown, and the permission is named."""
    refused = ReadFailure(f"role {ROLE_NAME}", "iam:GetRole", "AccessDenied", "denied")
    snapshot = with_permissions(healthy(), replace(simulated("allowed"), role=None, unread=(refused,)))
    assert unknown_in(snapshot) == {"role-untrusted"}


def test_ecs_says_that_it_cannot_assume_a_role_that_nobody_may_read() -> None:
    """What ECS says is enough: who looks may lack iam:GetRole."""
    refused = ReadFailure("role", "iam:GetRole", "AccessDenied", "denied")
    unread = with_permissions(healthy(), replace(simulated("allowed"), role=None, unread=(refused,)))
    snapshot = stuck(unread, "worker", f"ECS was unable to assume the role '{ROLE}' that was provided for this task.")
    [found] = run_check(CHECKS["role-untrusted"], snapshot)
    assert found.status == "found" and "unable to assume the role" in found.evidence[0]
    assert refused.sentence in found.evidence
    longer = stuck(unread, "worker", f"ECS was unable to assume the role '{ROLE}-2' that was provided for this task.")
    assert [each.status for each in run_check(CHECKS["role-untrusted"], longer)] == ["unknown"]
    assert "role-untrusted" in {each.check for each in diagnose(snapshot) if each.is_root_cause}


def test_a_task_definition_without_secrets_needs_no_role() -> None:
    """A consumer that injects nothing may do without an execution role."""
    without = with_definition(
        healthy(),
        "worker",
        lambda old: replace(old, execution_role_arn="", containers=(replace(old.containers[0], secrets=()),)),
    )
    assert found_in(without) == set()


@pytest.mark.parametrize(
    ("permissions", "key_policy", "expected"),
    [
        (decrypting("allowed"), DELEGATES, ""),
        (by_policies(policy(), policy(action=DECRYPT, resource=KEY)), DELEGATES, ""),
        (
            decrypting("implicitDeny", policy()),
            policy(action=DECRYPT, kind="resource", Principal={"AWS": ROLE}),
            "",
        ),
        (by_policies(GUIDE), DELEGATES, "kms-useless-grant"),
        (by_policies(policy(), policy(action=DECRYPT, resource=BASE)), DELEGATES, "kms-useless-grant"),
        (by_policies(policy(action="*"), boundary=policy(kind="boundary")), DELEGATES, "kms-no-permission"),
        (by_policies(policy()), DELEGATES, "kms-no-permission"),
        (
            decrypting("allowed"),
            policy("Deny", DECRYPT, kind="resource", Principal={"AWS": ROLE}),
            "kms-no-permission",
        ),
        (
            decrypting("allowed"),
            policy(action="kms:*", kind="resource", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/admin"}),
            "kms-no-permission",
        ),
        # Secrets Manager calls KMS over no endpoint of the tasks'.
        (
            by_policies(policy(action="*")),
            policy(
                action="kms:*",
                kind="resource",
                Principal={"AWS": ROLE},
                Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}},
            ),
            "kms-no-permission",
        ),
    ],
)
def test_a_customer_key_wants_a_grant(permissions: Permissions, key_policy: PolicyDocument, expected: str) -> None:
    """A grant counts on the key itself, by the role's policies where the key's lets them, or by the key's own."""
    assert found_in(keyed(permissions, key_policy)(healthy())) == ({expected} if expected else set())


@pytest.mark.parametrize("decision", ["implicitDeny", "explicitDeny"])
def test_the_organizations_no_to_a_key(decision: str) -> None:
    """No policy of the account helps, and none is printed."""
    refused = simulation(DECRYPT, KEY, decision, allowed_by_organization=False)
    permissions = replace(decrypting("allowed"), simulated=(*simulated("allowed").simulated, refused))
    [found] = run_check(CHECKS["kms-no-permission"], keyed(permissions)(healthy()))
    assert "AllowedByOrganizations is false for kms:Decrypt" in found.evidence[0]
    assert found.remedy.command.startswith("Ask the organization's administrator")


@pytest.mark.parametrize(
    ("snapshot", "unread", "status"),
    [
        (healthy(), (UNREAD,), "unknown"),
        (replace(healthy(), tasks=()), (UNREAD,), "found"),
        (healthy(), (), "found"),
    ],
)
def test_an_organization_that_was_not_read_denies_no_key_that_a_task_used(
    snapshot: Snapshot, unread: tuple[ReadFailure, ...], status: str
) -> None:
    """The simulation of the call to KMS lacked the organization, too."""
    refused = simulation(DECRYPT, KEY, "explicitDeny", allowed_by_organization=False)
    simulations = (*simulated("allowed").simulated, refused)
    permissions = replace(decrypting("allowed"), simulated=simulations, unread=unread)
    [answer] = run_check(CHECKS["kms-no-permission"], keyed(permissions)(snapshot))
    assert answer.status == status
    assert status != "unknown" or "organizations:DescribeOrganization is missing" in answer.evidence[0]


@pytest.mark.parametrize(
    ("principal", "statuses"),
    [(ROLE, {"unknown"}), (f"arn:aws:iam::{ACCOUNT}:root", {"unknown"}), (f"{ROLE}x", {"found"})],
)
def test_a_keys_policy_that_nobody_can_decide(principal: str, statuses: set[str]) -> None:
    """It is a doubt where it may let the role decrypt, by itself or by the role's policies."""
    doubtful = policy(action=DECRYPT, kind="resource", Principal={"AWS": principal}, Condition={"Bool": {"a:b": "x"}})
    answers = run_check(CHECKS["kms-no-permission"], keyed(decrypting("allowed"), doubtful)(healthy()))
    assert {answer.status for answer in answers} == statuses


@pytest.mark.parametrize(
    ("permissions", "runbook"),
    [
        (by_policies(policy()), "troubleshoot"),
        (by_policies(policy(action="*"), policy("Deny", action="kms:*")), ""),
        (by_policies(policy(action="*"), boundary=policy(kind="boundary")), ""),
    ],
)
def test_troubleshoot_is_named_where_a_grant_helps(permissions: Permissions, runbook: str) -> None:
    """What denies the key it can only show, and plans nothing."""
    [found] = run_check(CHECKS["kms-no-permission"], keyed(permissions, DELEGATES)(healthy()))
    assert (found.status, found.remedy.runbook) == ("found", runbook)


def test_a_boundary_that_does_not_allow_is_named() -> None:
    """The remedy is to edit that policy, whose name a simulation does not tell."""
    fence = replace(policy(action="s3:*", kind="boundary"), name="fence")
    decided = replace(simulated("implicitDeny", boundary=False, policies=(GUIDE,)), boundary=fence)
    [found] = run_check(CHECKS["boundary"], with_permissions(healthy(), decided))
    assert f"GetRole: PermissionsBoundary of {found.subject} is fence." in found.evidence
    assert found.remedy and found.remedy.command.startswith("Allow ")


def test_a_boundary_is_named_once_and_also_where_nobody_may_read_it() -> None:
    """Its ARN is in GetRole's answer; where the policies were evaluated here, their sentence has the name."""
    fence = replace(policy(action="s3:*", kind="boundary"), name="fence")
    [found] = run_check(CHECKS["boundary"], with_permissions(healthy(), by_policies(policy(), boundary=fence)))
    assert len([fact for fact in found.evidence if "fence" in fact]) == 1
    decided = simulated("implicitDeny", boundary=False, policies=(policy(),))
    assert decided.role
    bounded = replace(decided.role, boundary_arn=f"arn:aws:iam::{ACCOUNT}:policy/limits/fence")
    unread = replace(decided, role=bounded)
    [found] = run_check(CHECKS["boundary"], with_permissions(healthy(), unread))
    assert f"GetRole: PermissionsBoundary of {found.subject} is fence." in found.evidence
    outside = replace(simulated("implicitDeny", boundary=True, policies=(policy(action="s3:*"),)), role=bounded)
    [found] = run_check(CHECKS["no-permission"], with_permissions(healthy(), outside))
    assert not any("fence" in fact for fact in found.evidence), "it allows what no policy of the role does"


def test_a_boundary_without_the_key_is_named() -> None:
    """Where the role's own policies allow kms:Decrypt and its boundary does not, no grant to the role is advised."""
    bounded = by_policies(policy(action="*"), boundary=policy(kind="boundary"))
    [found] = run_check(CHECKS["kms-no-permission"], keyed(bounded)(healthy()))
    assert "boundary" in found.evidence[0]
    assert found.remedy
    assert found.remedy.command == f"Allow {DECRYPT} on {KEY} in the role's permissions boundary."
    assert bounded.boundary
    assert f"GetRole: PermissionsBoundary of {found.subject} is {bounded.boundary.name}." in found.evidence


KEY_DENIED = replace(policy(action="*", kind="boundary"), name="fence").with_statements(
    [{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "kms:*", "Resource": "*"}]
)


def on_key(decision: str, boundary: PolicyDocument | None, *statements: str) -> Permissions:
    """A role whose own policies allow all, and of which AWS says that its boundary does not allow it the key."""
    simulated_on_key = simulation(DECRYPT, KEY, decision, statements=statements, allowed_by_boundary=False)
    allowed = simulated("allowed", policies=(policy(action="*"),))
    return replace(allowed, simulated=(*allowed.simulated, simulated_on_key), boundary=boundary)


@pytest.mark.parametrize(
    ("permissions", "name"),
    [
        (by_policies(policy(action="*"), boundary=KEY_DENIED), "fence statement 2, "),
        (on_key("explicitDeny", KEY_DENIED, "fence"), "fence statement 2, "),
        (on_key("implicitDeny", KEY_DENIED), "fence statement 2, "),
        (on_key("explicitDeny", None, "fence"), "fence, "),
        (on_key("explicitDeny", None), ""),
    ],
)
@pytest.mark.parametrize("key_policy", [DELEGATES, policy(action=DECRYPT, kind="resource", Principal="*")])
def test_a_boundary_that_denies_the_key_is_to_lose_its_deny(
    permissions: Permissions, name: str, key_policy: PolicyDocument
) -> None:
    """It is no policy of the role's own, and neither a grant nor the key's policy outdoes it."""
    [found] = run_check(CHECKS["kms-no-permission"], keyed(permissions, key_policy)(healthy()))
    assert (found.status, found.remedy.runbook) == ("found", "")
    assert found.remedy.command == f"Remove the deny from {name}the role's permissions boundary."


def test_a_deny_of_the_key_that_both_may_have_made_is_the_roles_own() -> None:
    """Its boundary's alone is to be changed only where the role's policies were read, and do not deny."""
    both = by_policies(policy(action="*"), policy("Deny", action="kms:*"), boundary=KEY_DENIED)
    unread = replace(on_key("explicitDeny", None, "fence"), policies=None)
    for permissions, labels in ((both, "secrets-policy statement 1, fence statement 2"), (unread, "fence")):
        [found] = run_check(CHECKS["kms-no-permission"], keyed(permissions)(healthy()))
        assert found.remedy.command == f"Remove the deny from {labels}."


@pytest.mark.parametrize(
    "permissions", [on_key("implicitDeny", None), by_policies(policy(), boundary=policy(kind="boundary"))]
)
@pytest.mark.parametrize(("principal", "decrypts"), [(ROLE, False), ("*", True)])
def test_a_boundary_limits_what_the_keys_policy_grants_to_the_role(
    permissions: Permissions, principal: str, decrypts: bool
) -> None:
    """As it does what the secret's policy grants to it."""
    grant = policy(action=DECRYPT, kind="resource", Principal={"AWS": principal})
    answers = run_check(CHECKS["kms-no-permission"], keyed(permissions, grant)(healthy()))
    assert [answer.status for answer in answers] == ["clear" if decrypts else "found"]
    way = f"Allow {DECRYPT} on {KEY} in the role's permissions boundary."
    assert decrypts or answers[0].remedy.command == way


VIA_ANOTHER = {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}
CONTEXT = {"StringEquals": {"kms:EncryptionContext:SecretARN": BASE}}
BOUNDED = policy(kind="boundary", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})


@pytest.mark.parametrize(
    ("id", "snapshot", "value"),
    [
        (
            "no-permission",
            with_permissions(
                healthy(),
                by_policies(policy(Condition={"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}})),
            ),
            "aws:ResourceTag/team (absent), aws:PrincipalTag/team (absent)",
        ),
        (
            "boundary",
            with_permissions(healthy(), by_policies(policy(), boundary=BOUNDED)),
            f"aws:RequestedRegion {REGION}",
        ),
        (
            "kms-no-permission",
            keyed(by_policies(policy(), policy(action=DECRYPT, resource=KEY, Condition=CONTEXT)))(healthy()),
            f"kms:EncryptionContext:SecretARN {ARN}",
        ),
        (
            "kms-no-permission",
            keyed(
                by_policies(policy()),
                policy(action=DECRYPT, kind="resource", Principal={"AWS": ROLE}, Condition=VIA_ANOTHER),
            )(healthy()),
            f"kms:ViaService secretsmanager.{REGION}.amazonaws.com",
        ),
    ],
)
def test_a_condition_in_the_way_is_named(id: str, snapshot: Snapshot, value: str) -> None:
    """A statement that would allow the read is named with its Condition, and with what the call has instead."""
    [found] = run_check(CHECKS[id], snapshot)
    text = " ".join(found.evidence)
    assert "secrets-policy statement 1 would allow it, but for its Condition" in text
    assert f"the call has {value}." in text


def test_the_condition_of_a_denial_is_named() -> None:
    """A person sees whom the statement is meant for, and need not remove what protects the secret on purpose."""
    condition = {"BoolIfExists": {"aws:SecureTransport": "true"}}
    denial = statement("Deny", "*") | {"Condition": condition}
    [found] = run_check(CHECKS["resource-deny"], own_policy(denial)(healthy()))
    by_role = by_policies(policy(action="*"), replace(policy("Deny", Condition=condition), name="guard"))
    [denied] = run_check(CHECKS["identity-deny"], with_permissions(healthy(), by_role))
    by_key = policy("Deny", DECRYPT, kind="resource", Principal="*", Condition=condition)
    [sealed] = run_check(CHECKS["kms-no-permission"], keyed(decrypting("allowed"), by_key)(healthy()))
    for finding in (found, denied, sealed):
        assert f"statement 1 is {json.dumps(condition)}." in " ".join(finding.evidence)
        assert finding.remedy and re.search(r", or .* Condition .* the tasks' calls out", finding.remedy.command)


STAGING = {"Environment": "staging"}
TAGGED = {"StringEquals": {"aws:ResourceTag/Environment": "${aws:PrincipalTag/Environment}"}}


def tagged(permissions: Permissions, tags: dict[str, str]) -> Permissions:
    """A role with these tags."""
    assert permissions.role
    return replace(permissions, role=replace(permissions.role, tags=tags, id="AROAEXECUTION"))


@pytest.mark.parametrize(
    ("condition", "decided"),
    [
        (TAGGED, "allowed"),
        ({"StringEquals": {"secretsmanager:ResourceTag/Environment": "staging"}}, "allowed"),
        ({"StringEquals": {"aws:ResourceTag/Team": "payments"}}, "denied"),
        ({"StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/Team}"}}, "denied"),
        ({"Null": {"aws:ResourceTag/Team": "true"}}, "allowed"),
        ({"StringLike": {"aws:userid": "AROAEXECUTION:*"}}, "allowed"),
        ({"StringLike": {"aws:userid": "AROAANOTHER:*"}}, "denied"),
        ({"ForAnyValue:StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}, "allowed"),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, "unknown"),
    ],
)
def test_tags_and_the_like_decide(condition: dict[str, Any], decided: str) -> None:
    """A condition on what the role or the secret has is decided by it, in the role's policies and in the secret's."""
    environment = with_secret(healthy(), tags=STAGING)
    by_role = with_permissions(environment, tagged(by_policies(policy(Condition=condition)), STAGING))
    granted = own_policy(statement("Allow", "*") | {"Condition": condition})(environment)
    by_secret = with_permissions(granted, tagged(simulated("implicitDeny"), STAGING))
    for snapshot in (by_role, replace(by_secret, resource_policy=replace_version(by_secret))):
        assert found_in(snapshot) == ({"no-permission"} if decided == "denied" else set())
        assert ("no-permission" in unknown_in(snapshot)) == (decided == "unknown")


@pytest.mark.parametrize(("principal", "reads"), [(ROLE, False), ("*", True)])
@pytest.mark.parametrize(
    "permissions",
    [
        simulated("implicitDeny", boundary=False),
        by_policies(policy(action="ecs:ListTasks"), boundary=policy(action="ecs:*")),
    ],
)
def test_a_boundary_limits_what_the_secret_s_policy_grants_to_the_role(
    permissions: Permissions, principal: str, reads: bool
) -> None:
    """A grant to the role's ARN does not pass its boundary; one to everybody does, which includes the session."""
    snapshot = own_policy(statement("Allow", principal))(with_permissions(healthy(), permissions))
    assert found_in(snapshot) == (set() if reads else {"boundary"})


@pytest.mark.parametrize("key", ["aws:PrincipalOrgID", "aws:ResourceOrgID"])
@pytest.mark.parametrize(
    ("organization", "decided"), [("o-1", "clear"), ("o-2", "found"), ("", "found"), (None, "unknown")]
)
def test_the_accounts_organization_decides(organization: str | None, decided: str, key: str) -> None:
    """A condition on the organization is decided where that was read: another one, or none, is refused."""
    depends = policy(Condition={"StringEquals": {key: "o-1"}})
    snapshot = replace(with_permissions(healthy(), by_policies(depends)), organization=organization)
    [answer] = run_check(CHECKS["no-permission"], snapshot)
    assert answer.status == decided


@pytest.mark.parametrize("key", ["aws:PrincipalOrgPaths", "aws:ResourceOrgPaths"])
@pytest.mark.parametrize(("organization", "decided"), [("", "found"), ("o-1", "unknown"), (None, "unknown")])
def test_an_account_outside_an_organization_is_on_none_of_its_paths(
    organization: str | None, decided: str, key: str
) -> None:
    """Inside one, the units above the account are not read."""
    depends = own_policy(statement("Deny", "*") | {"Condition": {"ForAllValues:StringNotLike": {key: "o-1/r-1/*"}}})
    [answer] = run_check(CHECKS["resource-deny"], replace(depends(healthy()), organization=organization))
    assert answer.status == decided


@pytest.mark.parametrize("key", ["aws:PrincipalOrgPaths", "aws:ResourceOrgPaths"])
@pytest.mark.parametrize(
    ("pattern", "decided"),
    [
        ("o-1/*", "clear"),
        ("o-?/r-*", "clear"),
        ("o-2/*", "found"),
        ("o-1/r-1*", "unknown"),
        ("o-1/*/ou-1/*", "unknown"),
    ],
)
def test_every_account_of_an_organization_is_on_one_of_its_paths(key: str, pattern: str, decided: str) -> None:
    """A pattern for all of them matches, whatever the units are; one for another organization does not."""
    depends = own_policy(statement("Deny", "*") | {"Condition": {"ForAllValues:StringNotLike": {key: pattern}}})
    [answer] = run_check(CHECKS["resource-deny"], replace(depends(healthy()), organization="o-1"))
    assert answer.status == decided
    allows = policy(Condition={"ForAnyValue:StringLike": {key: pattern}})
    snapshot = replace(with_permissions(healthy(), by_policies(allows)), organization="o-1")
    [answer] = run_check(CHECKS["no-permission"], snapshot)
    assert answer.status == decided
    assert decided != "found" or any(f"the call has {key} o-1/r-…." in each for each in answer.evidence)


@pytest.mark.parametrize(
    ("path", "decided"), [("o-1/*", "found"), ("o-?/r-1/", "found"), ("o-1/r-1/", "unknown"), ("o-1/r-*", "unknown")]
)
def test_a_wildcard_stands_for_itself_where_paths_are_compared_whole(path: str, decided: str) -> None:
    """StringEquals with "o-1/*", which was to be StringLike, allows nothing."""
    allows = policy(Condition={"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": path}})
    [answer] = run_check(
        CHECKS["no-permission"], replace(with_permissions(healthy(), by_policies(allows)), organization="o-1")
    )
    assert answer.status == decided


@pytest.mark.parametrize(
    ("effect", "operator", "value", "check"),
    [
        ("Allow", "Bool", "true", "no-permission"),
        ("Allow", "Bool", "false", ""),
        ("Allow", "NumericLessThan", "3600", "no-permission"),
        ("Deny", "BoolIfExists", "false", "identity-deny"),
        ("Deny", "Bool", "true", ""),
    ],
)
def test_tasks_have_no_mfa(effect: str, operator: str, value: str, check: str) -> None:
    """A policy that asks for it is decided: a service assumes their role."""
    key = "aws:MultiFactorAuthAge" if "Numeric" in operator else "aws:MultiFactorAuthPresent"
    asking = policy(effect, Condition={operator: {key: value}})
    snapshot = with_permissions(healthy(), by_policies(*([GUIDE] if effect == "Deny" else []), asking))
    assert found_in(snapshot) == ({check} if check else set()) and unknown_in(snapshot) == set()


@pytest.mark.parametrize(
    "condition",
    [
        {"DateLessThan": {"aws:TokenIssueTime": "2026-02-28T09:00:00Z"}},
        {"NumericGreaterThan": {"aws:EpochTime": "1900000000"}},
        {"ForAnyValue:StringEquals": {"aws:CalledVia": ["athena.amazonaws.com"]}},
        {"StringNotEquals": {"aws:EC2InstanceSourceVPC": "vpc-1"}, "Null": {"ec2:SourceInstanceARN": "false"}},
        {"ArnLike": {"lambda:SourceFunctionArn": "arn:aws:lambda:*:*:function:*"}},
        {"StringLike": {"aws:SourceIdentity": "*"}},
    ],
)
def test_a_deny_of_other_sessions_leaves_tasks_alone(condition: dict[str, Any]) -> None:
    """A task's session is new, and begun by no person, instance or function: what denies those is decided."""
    own, key = by_policies(GUIDE, policy("Deny", "*", "*", Condition=condition)), "aws:TokenIssueTime"
    snapshot = with_permissions(healthy(), own)
    assert (found_in(snapshot), unknown_in(snapshot)) == (set(), set())
    refused = diagnose(stuck(snapshot, "worker", SCP_STOP.replace("a service control", "an identity-based")))
    by_time = "aws:EpochTime" in str(condition)
    assert ("identity-deny" in {each.check for each in refused if each.status == "found"}) is not by_time
    tomorrow = {"DateLessThan": {key: "2026-03-02T00:00:00Z"}}
    revoked = by_policies(GUIDE, policy("Deny", "*", "*", Condition=tomorrow))
    assert found_in(with_permissions(healthy(), revoked)) == {"identity-deny"}


def replace_version(snapshot: Snapshot) -> PolicyDocument:
    """The secret's policy in the version of the language that has variables."""
    assert snapshot.resource_policy
    document = {"Version": "2012-10-17", **snapshot.resource_policy.document}
    return replace(snapshot.resource_policy, document=document)


@pytest.mark.parametrize(
    ("spared", "found"),
    [
        ([ROLE, f"arn:aws:iam::{ACCOUNT}:root"], False),
        ([f"arn:aws:iam::{ACCOUNT}:role/services/{ROLE_NAME}", ACCOUNT], False),
        ([f"arn:aws:iam::{ACCOUNT}:role/another"], True),
        ([f"arn:aws:iam::{ACCOUNT}:role/another", f"arn:aws:iam::{ACCOUNT}:root"], True),
    ],
)
def test_a_deny_spares_whom_it_excepts(spared: list[str], found: bool) -> None:
    """NotPrincipal leaves a role alone that stands there with its account."""
    denial = {"Effect": "Deny", "NotPrincipal": {"AWS": spared}, "Action": GET_SECRET_VALUE, "Resource": "*"}
    snapshot = own_policy(denial)(healthy())
    assert found_in(snapshot) == ({"resource-deny"} if found else set())
    assert unknown_in(snapshot) == set()


THROUGH_SECRETS_MANAGER = {
    "StringEquals": {
        "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com",
        "kms:CallerAccount": ACCOUNT,
        "kms:EncryptionContext:SecretARN": ARN,
    },
    "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["SecretARN", "SecretVersionId"]},
    "Bool": {"aws:ViaAWSService": "true"},
}


def to_everybody(condition: dict[str, Any]) -> PolicyDocument:
    """A key's policy that lets everybody decrypt on a condition."""
    return policy(action=DECRYPT, kind="resource", Principal="*", Condition=condition)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (THROUGH_SECRETS_MANAGER, ""),
        ({"StringEquals": {"kms:EncryptionContext:SecretVersionId": CURRENT}}, ""),
        ({"StringEquals": {"kms:EncryptionContext:SecretARN": f"{ARN}x"}}, "kms-no-permission"),
        ({"StringEquals": {"kms:EncryptionContext:Stage": "x"}}, "kms-no-permission"),
    ],
)
def test_a_keys_own_policy_is_enough(condition: dict[str, Any], expected: str) -> None:
    """A key's policy that allows Secrets Manager's call for the task needs no policy of the role's."""
    snapshot = keyed(by_policies(policy()), to_everybody(condition))(healthy())
    assert found_in(snapshot) == ({expected} if expected else set())
    assert not unknown_in(snapshot) & {"kms-no-permission", "kms-useless-grant"}


def test_a_deny_of_the_role_counts_more_than_the_keys_policy() -> None:
    """What the key's policy allows, a Deny among the role's policies takes away."""
    denied = by_policies(policy(), policy("Deny", DECRYPT))
    snapshot = keyed(denied, policy(action=DECRYPT, kind="resource", Principal={"AWS": ROLE}))(healthy())
    assert found_in(snapshot) == {"kms-no-permission"}
    [found] = run_check(CHECKS["kms-no-permission"], snapshot)
    assert "is denied kms:Decrypt" in found.evidence[0] and "Remove the deny" in found.remedy.command


UNKNOWN = {"StringEquals": {"aws:PrincipalOrgPaths": "o-1/r-1/"}}


@pytest.mark.parametrize(("effect", "status"), [("Allow", "clear"), ("Deny", "unknown")])
def test_a_doubt_in_the_roles_policies_counts_where_it_may_deny(effect: str, status: str) -> None:
    """What the secret's and the key's own policies allow, an Allow in doubt does not change; a Deny in doubt may."""
    granted = own_policy(statement("Allow", ROLE))(healthy())
    doubtful = by_policies(policy(effect, action="*", Condition=UNKNOWN))
    [answer] = run_check(CHECKS["no-permission"], with_permissions(granted, doubtful))
    assert answer.status == status
    key_policy = policy(action=DECRYPT, kind="resource", Principal={"AWS": ROLE})
    [answer] = run_check(CHECKS["kms-no-permission"], keyed(doubtful, key_policy)(granted))
    assert answer.status == status


def test_whether_secrets_manager_is_in_a_calls_chain_is_unknown() -> None:
    """AWS documents aws:CalledVia for some services, and Secrets Manager is none of them."""
    via = policy("Deny", DECRYPT, Condition={"Null": {"aws:CalledVia": "false"}})
    snapshot = keyed(by_policies(policy(action="*"), via))(healthy())
    assert (found_in(snapshot), unknown_in(snapshot) & {"kms-no-permission"}) == (set(), {"kms-no-permission"})


def test_a_keys_tags_decide() -> None:
    """A role that may use keys of its tag may use this one, if it is read to have the tag, and is unknown if not."""
    snapshot = keyed(tagged(by_policies(policy(), policy(action=DECRYPT, Condition=TAGGED)), STAGING))(healthy())
    assert "kms-no-permission" in unknown_in(snapshot)
    assert snapshot.kms_key
    has_tag = replace(snapshot, kms_key=replace(snapshot.kms_key, tags=STAGING))
    assert found_in(has_tag) == set() and "kms-no-permission" not in unknown_in(has_tag)
    lacks_tag = replace(snapshot, kms_key=replace(snapshot.kms_key, tags={}))
    assert found_in(lacks_tag) == {"kms-no-permission"}


KMS_STOP = SCP_STOP.partition("not authorized")[0] + "Access to KMS is not allowed"


@pytest.mark.parametrize(("stop", "status"), [(KMS_STOP, "found"), (SCP_STOP, "unknown")])
@pytest.mark.parametrize("is_of_key", [True, False])
def test_a_tasks_own_words_show_that_the_key_refuses_it(stop: str, status: str, is_of_key: bool) -> None:
    """Where a Condition leaves that open; another refusal says nothing of the key."""
    denial = policy("Deny", DECRYPT, Condition=OFFICE, **({"kind": "resource", "Principal": "*"} if is_of_key else {}))
    allowed = policy(action="*")
    both = DELEGATES.with_statements([*(each for _, each in DELEGATES.statements), denial.document["Statement"][0]])
    permissions = by_policies(allowed) if is_of_key else by_policies(allowed, denial)
    guarded = keyed(permissions, both if is_of_key else DELEGATES)(healthy())
    [unknown] = run_check(CHECKS["kms-no-permission"], guarded)
    assert unknown.status == "unknown"
    findings = diagnose(stuck(guarded, "worker", stop))
    [answer] = [each for each in findings if each.check == "kms-no-permission"]
    assert answer.status == status
    if status == "found":
        assert [each.check for each in findings if each.is_root_cause] == ["kms-no-permission"]
        assert "Access to KMS is not allowed" in answer.evidence[0] and "aws:SourceIp" in answer.evidence[1]
        assert answer.remedy.needs.startswith("If that was corrected after the task stopped")


def test_a_tasks_own_words_stand_for_no_policies_that_were_not_read() -> None:
    """Whoever may read them learns what denies it."""
    refused = ReadFailure(f"what role {ROLE_NAME} may do", "iam:GetRole", "AccessDeniedException", "denied")
    blind = replace(by_policies(), policies=None, unread=(refused,))
    findings = diagnose(stuck(keyed(blind)(healthy()), "worker", KMS_STOP))
    assert [each.status for each in findings if each.check == "kms-no-permission"] == ["unknown"]
    assert [each.check for each in findings if each.is_root_cause] == []


def test_a_grant_of_the_key_is_enough() -> None:
    """A grant counts for its grantee, its operations and its context; one that could not be read leaves a doubt."""
    snapshot = keyed(by_policies(policy()))(healthy())
    key = snapshot.kms_key
    assert key

    def granting(*grants: KmsGrant, **changes: Any) -> Snapshot:
        return replace(snapshot, kms_key=replace(key, grants=grants, **changes))

    decrypt = frozenset({"Decrypt"})
    assert found_in(granting(KmsGrant(ROLE, decrypt))) == set()
    assert found_in(granting(KmsGrant(ROLE, decrypt, {"SecretARN": ARN}))) == set()
    assert snapshot.secret
    whole = {"SecretARN": ARN, "SecretVersionId": snapshot.secret.version_at("AWSCURRENT")}
    assert found_in(granting(KmsGrant(ROLE, decrypt, whole, is_whole=True))) == set()
    for other in (
        KmsGrant(ROLE, decrypt, {"SecretARN": ARN}, is_whole=True),
        KmsGrant(f"{ROLE}2", decrypt),
        KmsGrant(ROLE, frozenset({"Encrypt"})),
        KmsGrant(ROLE, decrypt, {"SecretARN": "x"}),
    ):
        assert found_in(granting(other)) == {"kms-no-permission"}
    refused = ReadFailure("the grants of the key", "kms:ListGrants", "AccessDeniedException", "denied")
    doubtful = granting(unread=(refused,))
    assert found_in(doubtful) == set() and "kms-no-permission" in unknown_in(doubtful)
    assert found_in(replace(doubtful, tasks=())) == {"kms-no-permission"}


def test_a_role_at_another_path_is_in_doubt_before_a_task_has_started() -> None:
    """A running task proves that ECS finds it; without one nobody knows."""
    allowed = healthy().permissions[ROLE]
    at_path = replace(allowed.role, arn=f"arn:aws:iam::{ACCOUNT}:role/services/{ROLE_NAME}")  # type: ignore[type-var]
    snapshot = replace(healthy(), permissions={ROLE: replace(allowed, role=at_path)})
    assert_clear(CHECKS["role-untrusted"], snapshot)
    [found] = run_check(CHECKS["role-untrusted"], replace(snapshot, tasks=()))
    assert found.status == "unknown" and "/services/" in found.evidence[0]


def test_a_task_says_that_a_policy_which_nobody_may_read_denies_it() -> None:
    """What AWS answered the task is enough; without that, the permission is named."""
    gap = ReadFailure("its resource policy", "secretsmanager:GetResourcePolicy", "AccessDeniedException", "denied")
    unread = replace(healthy(), resource_policy=None, gaps={"resource_policy": (gap,)})
    [unknown] = run_check(CHECKS["resource-deny"], unread)
    assert (unknown.status, unknown.evidence) == ("unknown", (gap.sentence,))
    [of_none] = run_check(CHECKS["resource-deny"], replace(unread, permissions={}))
    assert of_none.status == "unknown"
    [role] = unread.permissions.items()
    [of_two] = run_check(CHECKS["resource-deny"], replace(unread, permissions=dict([role, (f"{role[0]}-2", role[1])])))
    assert of_two.status == "unknown"
    denial = f"on resource: {ARN} with an explicit deny in a resource-based policy"
    refusal = f"AccessDeniedException: not authorized to perform: secretsmanager:GetSecretValue {denial}"
    [found] = run_check(CHECKS["resource-deny"], stuck(unread, "worker", f"ResourceInitializationError: {refusal}"))
    assert found.status == "found" and denial[-40:] in found.evidence[0] and gap.sentence in found.evidence


def test_a_role_at_another_path_is_named() -> None:
    """Where ECS could not assume the role, the finding has its real ARN."""
    at_path = f"arn:aws:iam::{ACCOUNT}:role/services/{ROLE_NAME}"
    allowed = simulated("allowed")
    assert allowed.role
    moved = replace(allowed, role=replace(allowed.role, arn=at_path))
    assert found_in(with_permissions(healthy(), moved)) == set()
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: ECS was unable to assume the role"
    snapshot = stuck(with_permissions(healthy(), moved), "worker", f"{reason} '{ROLE}'")
    [found] = run_check(CHECKS["role-untrusted"], snapshot)
    assert at_path in found.evidence[0] and at_path in found.remedy.command


def test_the_managed_key_wants_no_grant() -> None:
    """The guide's kms:Decrypt on secrets does no harm under the AWS managed key."""
    key = KmsKey(arn=KEY, state="Enabled", manager="AWS", deletion=None)
    managed = replace(with_secret(healthy(), kms_key_id=KEY), kms_key=key)
    assert found_in(with_permissions(managed, by_policies(GUIDE))) == set()


def test_old_throttling_is_over() -> None:
    """A task that was throttled before the current version came is no evidence of the present."""
    old = stopped("worker", THROTTLED_STOP, NOW - timedelta(days=11))
    assert_clear(CHECKS["throttled"], with_tasks(healthy(), old))


def test_after_throttling_each_service_is_started_as_its_controller_demands() -> None:
    """Where CodeDeploy deploys one of them no text is half a command; a family's request is named."""
    throttled = stuck(stuck(healthy(), "worker", THROTTLED_STOP), "backend", THROTTLED_STOP)
    (both,) = run_check(CHECKS["throttled"], throttled)
    assert (
        len(both.evidence) == 2 and " of worker " in "".join(both.evidence) and " of backend " in "".join(both.evidence)
    )
    assert both.remedy.command.count("aws ecs update-service") == 2 and " && " in both.remedy.command
    (mixed,) = run_check(CHECKS["throttled"], with_service(throttled, "backend", controller="CODE_DEPLOY"))
    assert is_sentence(mixed.remedy.command) and "Start new tasks of backend: " in mixed.remedy.command
    assert "Run `aws ecs update-service --cluster ohmycoins-staging --service worker" in mixed.remedy.command
    (alone,) = run_check(CHECKS["throttled"], with_service(throttled, "backend", is_family=True))
    assert "file://task.json" in alone.remedy.command
    assert alone.remedy.needs.startswith("First wait ") and "task.json is the request" in alone.remedy.needs


@pytest.mark.parametrize("is_own", [True, False])
def test_what_a_rolled_back_revision_alone_lacks_takes_that_revision(is_own: bool) -> None:
    """New tasks of the revision in force have another role, and show nothing."""
    other, began = f"{ROLE}-2", NOW - timedelta(minutes=20)
    new = replace(task_definition("worker", ("SECRET_KEY",), 8), execution_role_arn=other if is_own else ROLE)
    back = deployment("worker", began, id="back", rollout_reason="ECS deployment circuit breaker: rolling back to old.")
    failed = stopped("worker", "denied", began, deployment_id="new", task_definition_arn=new.arn)
    snapshot = with_tasks(with_service(healthy(), "worker", deployments=(back,)), failed)
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, new.arn: new})
    denied = {other: simulated("implicitDeny")} if is_own else {ROLE: simulated("implicitDeny")}
    [finding] = run_check(CHECKS["no-permission"], replace(snapshot, permissions={**snapshot.permissions, **denied}))
    assert ("--service worker --task-definition ohmycoins-staging-worker:8" in finding.remedy.command) is is_own


def test_of_two_roles_the_one_that_is_refused_is_named_with_its_own_services() -> None:
    """By its policies, and by what its tasks say."""
    snapshot, other = healthy(), f"{ROLE}-of-worker"
    snapshot = with_definition(snapshot, "worker", lambda old: replace(old, execution_role_arn=other))
    lacking = replace(snapshot, permissions={ROLE: by_policies(GUIDE), other: by_policies(policy(action="s3:*"))})
    denied = stuck(replace(snapshot, permissions=dict.fromkeys((ROLE, other), by_policies(GUIDE))), "worker", SCP_STOP)
    for id, each in (("no-permission", lacking), ("scp", denied)):
        [found] = [answer for answer in run_check(CHECKS[id], each) if answer.status == "found"]
        assert (found.subject, found.services) == (f"{ROLE_NAME}-of-worker", {"worker"})


def test_the_refusal_of_a_task_is_cited() -> None:
    """A stopped task's own words stand beside what the simulation said."""
    denied = SCP_STOP.replace("an explicit deny in a service control policy", "no identity-based policy allows")
    snapshot = stuck(with_permissions(healthy(), simulated("implicitDeny")), "worker", denied)
    [found] = run_check(CHECKS["no-permission"], snapshot)
    assert any("AccessDeniedException" in fact for fact in found.evidence)
    assert found.services == CONSUMERS


@pytest.mark.parametrize(
    ("count", "where"), [(1, "secrets-policy statement 1"), (2, "secrets-policy statement 1 or other statement 1")]
)
def test_a_refusal_is_cited_once_with_the_statement_that_nobody_can_decide(count: int, where: str) -> None:
    """The words of AWS say that a Deny decided, and our reading which one it may be."""
    denied = SCP_STOP.replace("a service control policy", "an identity-based policy")
    office = policy("Deny", Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})
    denies = (office, replace(office, name="other"))[:count]
    snapshot = stuck(with_permissions(healthy(), by_policies(policy(), *denies)), "worker", denied)
    [found] = [each for each in run_check(CHECKS["identity-deny"], snapshot) if each.status == "found"]
    assert len({*found.evidence}) == len(found.evidence) == 2
    assert "AccessDeniedException" in found.evidence[0] and "aws:SourceIp" in found.evidence[1]
    assert found.remedy.command == (f"Remove the deny from {where}, or let its Condition leave the tasks' calls out.")


def test_a_key_pending_deletion_is_enabled_after_its_deletion_was_cancelled() -> None:
    """CancelKeyDeletion leaves a key disabled."""
    [found] = run_check(CHECKS["kms-pending"], FAULTS["kms-pending"].make(healthy()))
    assert found.remedy
    first, second, *redeploy = (shlex.split(line) for line in found.remedy.command.split(" && "))
    assert {line[line.index("--service") + 1] for line in redeploy} == found.services
    assert (first[2], second[2]) == ("cancel-key-deletion", "enable-key")
    assert first[3:] == second[3:] == ["--key-id", KEY, "--region", REGION]


def test_a_primary_key_waits_for_its_replicas_to_be_deleted() -> None:
    """Its own waiting period has not begun, and nobody can use it already."""
    [found] = run_check(CHECKS["kms-pending"], under_key("PendingReplicaDeletion")(healthy()))
    assert found.status == "found" and "KeyState PendingReplicaDeletion" in found.evidence[0]
    assert "cancel-key-deletion" in found.remedy.command and "enable-key" in found.remedy.command


@pytest.mark.parametrize(("state", "way"), [("PendingImport", "import-key-material"), ("Unavailable", "key-store")])
def test_a_key_that_is_not_disabled_may_be_unavailable(state: str, way: str) -> None:
    """Without its imported material, or its key store: nobody can use it, and enabling it does not help."""
    (found,) = run_check(CHECKS["kms-disabled"], under_key(state)(healthy()))
    assert found.status == "found" and f"KeyState {state}" in found.evidence[0]
    assert way in found.remedy.command and "enable-key" not in found.remedy.command


@pytest.mark.parametrize(
    ("state", "status"), [("Updating", "clear"), ("Creating", "unknown"), ("OfALaterAws", "unknown"), ("", "unknown")]
)
def test_a_keys_state_that_says_nothing_of_its_use_is_unknown(state: str, status: str) -> None:
    """Of one that is updating KMS says that it can be used; of another one nothing is known."""
    (found,) = run_check(CHECKS["kms-disabled"], under_key(state)(healthy()))
    assert found.status == status


def _under(*keys: str) -> Callable[[Snapshot], Snapshot]:
    """Let the current version be encrypted with these keys."""

    def change(snapshot: Snapshot) -> Snapshot:
        versions = (replace(each, keys=keys if each.id == CURRENT else (FORMER,)) for each in snapshot.versions)
        return replace(snapshot, versions=tuple(versions))

    return change


FORMER = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{secrets.token_hex(8)}"


@pytest.mark.parametrize(
    ("own", "keys", "used"),
    [
        ("", (), ""),
        ("", ("DefaultEncryptionKey",), ""),
        ("", (FORMER,), FORMER),
        ("", (FORMER, "DefaultEncryptionKey"), ""),
        (KEY, (), KEY),
        (KEY, (KEY,), KEY),
        (KEY, (KEY.rpartition("/")[2],), KEY),
        (KEY.rpartition("/")[2], (KEY,), KEY.rpartition("/")[2]),
        (KEY, (FORMER,), FORMER),
        (KEY, (FORMER, KEY), KEY),
        (KEY, ("DefaultEncryptionKey",), KEY),
        ("alias/app", (KEY,), "alias/app"),
        (KEY, ("alias/app",), KEY),
    ],
)
def test_tasks_need_the_key_of_the_current_version(own: str, keys: tuple[str, ...], used: str) -> None:
    """Another key for the secret leaves its version under the former one where that could not be encrypted again."""
    assert _under(*keys)(with_secret(healthy(), kms_key_id=own)).kms_key_id == used


def test_a_replica_has_the_key_that_it_names() -> None:
    """How its versions tell the primary secret's key is not known."""
    replica = with_secret(healthy(), kms_key_id=KEY, primary=Replica("us-east-1", ""))
    assert _under(FORMER)(replica).kms_key_id == KEY


@pytest.mark.parametrize("own", ["", KEY])
@pytest.mark.parametrize(
    ("state", "permissions", "cause"),
    [
        ("Enabled", decrypting("allowed"), ""),
        ("Disabled", decrypting("allowed"), "kms-disabled"),
        ("PendingImport", decrypting("allowed"), "kms-disabled"),
        ("PendingDeletion", decrypting("allowed"), "kms-pending"),
        ("", decrypting("allowed"), "kms-missing"),
        ("Enabled", by_policies(policy()), "kms-no-permission"),
        ("Enabled", by_policies(policy(), policy(action=DECRYPT, resource=BASE)), "kms-useless-grant"),
    ],
)
def test_a_version_that_stayed_under_the_former_key_says_so(
    own: str, state: str, permissions: Permissions, cause: str
) -> None:
    """Its faults are those of the tasks, and the secret's own key is not blamed."""
    faulty = KmsKey(arn=FORMER, state=state, manager="CUSTOMER", deletion=None, policy=DELEGATES) if state else None
    snapshot = replace(_under(FORMER)(with_secret(healthy(), kms_key_id=own)), kms_key=faulty)
    allowed = (*permissions.simulated, simulation(DECRYPT, FORMER, "allowed")) if permissions.simulated else ()
    snapshot = with_permissions(snapshot, replace(permissions, simulated=allowed))
    assert found_in(snapshot) == ({cause} if cause else set())
    for finding in run_check(CHECKS[cause], snapshot) if cause else ():
        assert f"KmsKeyIds of the current version has {FORMER} alone" in " ".join(finding.evidence)
