"""Checks of who may read the secret, change it, or run tasks that read it: pairs, and what only looks like a fault."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.check_assertions import by_id
from support.faults import audit_accesses
from support.faults.audit_access import CODE_HOST as HOST
from support.faults.audit_access import (
    EVERYTHING,
    FAULTS,
    GUIDES,
    KEY,
    OTHER,
    PATTERN,
    READS,
    RUNS_TASKS,
    STRANGER,
    TASK_ROLE,
    allowing,
    audited,
    execution_role,
    federated,
    last_access,
    own_policy,
    policy,
    role,
    under_key,
    user,
    with_exec,
)
from support.snapshots import (
    ACCOUNT,
    ARN,
    CONSUMERS,
    NAME,
    NAMES,
    NOW,
    REGION,
    ROLE,
    ROLE_NAME,
    healthy,
    with_container,
    with_definition,
    with_secret,
)

from omc_runbook.aws.cloudtrail import Access
from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.ecs import TaskContainer
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.iam import LastAccess
from omc_runbook.aws.kms import KmsGrant
from omc_runbook.aws.secretsmanager import Replica
from omc_runbook.checks import audit_access, secret_access
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import Identity
from omc_runbook.model import value_from
from omc_runbook.model.findings import Finding, is_sentence
from omc_runbook.report import audit_access as tables
from omc_runbook.report import audit_answers
from omc_runbook.snapshot.audit import secret_calls
from omc_runbook.snapshot.audit.secret_names import replica_regions
from omc_runbook.snapshot.audit.state import Audit
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(audit_access))
SSO = "aws-reserved/sso.amazonaws.com/"
SAML = {"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/AWSSSO_1"}
CODE_HOST = {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"}
CLUSTER = "oidc.eks.ap-southeast-2.amazonaws.com/id/0A1B2C"
OURS = "o-abcdefghij"
OF_OURS = {"StringEquals": {"aws:PrincipalOrgID": OURS}}
SESSION = f"arn:aws:sts::{OTHER}:assumed-role/ci/build"
BY_ACCOUNT = {"aws:PrincipalAccount": OTHER}
OF_NO_OTHERS = {"StringNotEquals": {"aws:PrincipalOrgID": OURS}}
UNJUDGED = {"StringEquals": {"aws:PrincipalOrgPaths": f"{OURS}/r-ab12/"}}
UNJUDGED_UNITS = {"StringLike": {"aws:PrincipalOrgPaths": f"{OURS}/r-ab12/ou-ab12-11111111/*"}}
OF_FORMER = {"StringEquals": {"secretsmanager:VersionStage": "AWSPREVIOUS"}}
ANYBODY_HERE = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


def found_in(snapshot: Snapshot) -> dict[str, list[Finding]]:
    """The family's findings by check, remarks too."""
    found = [answer for check in CHECKS.values() for answer in run_check(check, snapshot) if answer.status == "found"]
    return {id: [answer for answer in found if answer.check == id] for id in {answer.check for answer in found}}


def unknown_in(snapshot: Snapshot) -> dict[str, str]:
    """Why checks of the family could not tell, by check."""
    answers = [answer for check in CHECKS.values() for answer in run_check(check, snapshot)]
    return {answer.check: " ".join(answer.evidence) for answer in answers if answer.status == "unknown"}


def document_of(finding: Finding, option: str) -> Any:
    """The policy that a remedy's command puts."""
    words = shlex.split(finding.remedy.command)
    return json.loads(words[words.index(option) + 1])


def trusting_anybody(condition: Any) -> Identity:
    """A role that reads the secret, and that anybody may assume who meets a condition."""
    statement = {"Action": "sts:AssumeRole", "Principal": "*", "Condition": condition}
    return replace(role("open", READS), trust=policy("trust policy of open", statement, kind="trust"))


def in_production(snapshot: Snapshot) -> Snapshot:
    """The same environment, as if it were production."""
    return replace(snapshot, environment=replace(snapshot.environment, name="production"))


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_is_not_taken_for_another(id: str) -> None:
    """Of the family's checks one alone speaks of one fault."""
    assert set(found_in(FAULTS[id].make(healthy()))) == {id}


@pytest.mark.parametrize("id", CHECKS)
def test_what_could_not_be_read_is_unknown(id: str) -> None:
    """Without the account's identities no check says clear."""
    gap = ReadFailure("the account's roles", "iam:GetAccountAuthorizationDetails", "AccessDenied", "denied")
    unread = audited()
    unread = replace(unread, gaps={"identities": (gap,)}, audit=replace(unread.audit, identities=None))
    [answer] = run_check(CHECKS[id], unread)
    assert answer.status == "unknown" and "iam:GetAccountAuthorizationDetails" in answer.evidence[0]


def test_the_guides_policy_is_replaced_by_the_exact_one() -> None:
    """The command puts the same policy, which names the secret alone, and nothing for a key that is AWS's."""
    [finding] = found_in(FAULTS["wildcard-secret"].make(healthy()))["wildcard-secret"]
    assert document_of(finding, "--policy-document")["Statement"] == [
        {"Effect": "Allow", "Action": GET_SECRET_VALUE, "Resource": PATTERN}
    ]
    assert f"--role-name {ROLE_NAME} --policy-name guide" in finding.remedy.command


def test_the_exact_policy_keeps_what_the_role_needs_besides() -> None:
    """Other actions stay as they are, and a customer managed key gets its own statement."""
    wide = policy("wide", allowing([GET_SECRET_VALUE, DECRYPT, "logs:PutLogEvents"], "*", Sid="All"))
    snapshot = audited(own=(execution_role(wide),), key=under_key())
    [finding] = found_in(snapshot)["wildcard-secret"]
    read, decrypt, logs = document_of(finding, "--policy-document")["Statement"]
    assert (read["Sid"], read["Action"], read["Resource"]) == ("All", GET_SECRET_VALUE, PATTERN)
    assert (decrypt["Action"], decrypt["Resource"]) == (DECRYPT, KEY)
    assert logs == {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}


def test_a_secret_that_a_reference_names_without_its_suffix_is_read_further() -> None:
    """In the exact policy it has one, and no other secret passes for it; a reference with a wildcard reads nothing."""
    wide = policy("wide", allowing([GET_SECRET_VALUE], "*"))
    home = PATTERN.rpartition(":")[0]
    token, bad = (Injection("TOKEN", value_from.parse(f"{home}:{name}:token::")) for name in ("dockerhub", "docker*"))
    snapshot = audited(own=(execution_role(wide),))
    snapshot = with_container(snapshot, "worker", lambda old: replace(old, secrets=(*old.secrets, token, bad)))
    of_another = Injection("HUB", value_from.parse(f"{home}:hub:token::"))
    snapshot = with_container(snapshot, "backend", lambda old: replace(old, secrets=(*old.secrets, of_another)))
    snapshot = with_definition(snapshot, "backend", lambda old: replace(old, execution_role_arn=f"{ROLE}-of-backend"))
    [finding] = found_in(snapshot)["wildcard-secret"]
    [read] = document_of(finding, "--policy-document")["Statement"]
    assert read["Resource"] == [PATTERN, f"{home}:dockerhub-??????"]


@pytest.mark.parametrize(
    ("kind", "origin", "commands"),
    [
        ("managed", f"arn:aws:iam::{ACCOUNT}:policy/wide", ["create-policy-version"]),
        ("managed", "arn:aws:iam::aws:policy/SecretsManagerReadWrite", ["put-role-policy", "detach-role-policy"]),
    ],
)
def test_a_managed_policy_is_replaced_where_it_stands(kind: Any, origin: str, commands: list[str]) -> None:
    """One of the account gets a new version; one of AWS is detached, after an inline one was put in its place."""
    wide = policy("wide", allowing("secretsmanager:*", "*"), kind=kind, origin=origin)
    snapshot = audited(own=(execution_role(wide),))
    [finding] = found_in(snapshot)["wildcard-secret"]
    assert [part.split()[2] for part in finding.remedy.command.split(" && ")] == commands
    assert f"--policy-arn {origin} " in f"{finding.remedy.command} "
    assert document_of(finding, "--policy-document")["Statement"][0]["Resource"] == PATTERN


def test_a_wildcard_over_a_project_is_too_much_only_where_it_meets_another_secret() -> None:
    """A pattern that matches another environment's secret is named with it."""
    others = {
        "production": healthy().environment.names.model_copy(update={"secret": "ohmycoins-production-app-secrets"})
    }
    environment = replace(healthy().environment, others=others)
    base = ARN.partition("ohmycoins")[0]
    for pattern, is_wide in ((f"{base}ohmycoins-*", True), (f"{base}ohmycoins-staging-*", False)):
        snapshot = audited(own=(execution_role(policy("p", allowing(GET_SECRET_VALUE, pattern))),))
        found = found_in(replace(snapshot, environment=environment))
        assert ("wildcard-secret" in found) is is_wide
        if is_wide:
            assert "ohmycoins-production-app-secrets" in found["wildcard-secret"][0].evidence[1]
    of_another = allowing(GET_SECRET_VALUE, "*", Condition={"ArnEquals": {"aws:PrincipalArn": f"{ROLE}-of-another"}})
    exact = policy("p", allowing(GET_SECRET_VALUE, PATTERN), of_another)
    assert "wildcard-secret" not in found_in(audited(own=(execution_role(exact),)))


def test_a_doubt_names_the_call_that_failed() -> None:
    """Whether somebody may read the secret may depend on its policy, and whoever looks learns which call to allow."""
    gap = ReadFailure("the resource policy", "secretsmanager:GetResourcePolicy", "AccessDeniedException", "denied")
    unread = replace(audited(None, role("batch", READS)), gaps={"resource_policy": (gap,)})
    for evidence in (unknown_in(unread)["unused-reader"], unknown_in(unread)["can-become-reader"]):
        assert "the secret's resource policy (secretsmanager:GetResourcePolicy: AccessDeniedException)" in evidence


@pytest.mark.parametrize("way", ["boundary", "deny", "organization"])
def test_what_a_wide_statement_allows_may_be_forbidden_elsewhere(way: str) -> None:
    """A role that a boundary, a Deny or the organization keeps from other secrets may not read them."""
    wide, exact = (
        policy("wide", allowing(GET_SECRET_VALUE, "*")),
        policy("exact", allowing("*", PATTERN), kind="boundary"),
    )
    others = policy("others", {"Effect": "Deny", "Action": "secretsmanager:*", "NotResource": PATTERN}, kind="scp")
    level = (policy("all", allowing("*", "*"), kind="scp"), others)
    limited = {
        "boundary": audited(own=(replace(execution_role(wide), boundary=exact),)),
        "deny": audited(own=(execution_role(wide, replace(others, kind="inline")),)),
        "organization": audited(own=(execution_role(wide),), levels=(level,), organization=OURS),
    }
    assert not found_in(limited[way])
    is_no_limit = replace(execution_role(wide), boundary=policy("all", allowing("*", "*"), kind="boundary"))
    assert set(found_in(audited(own=(is_no_limit,)))) == {"wildcard-secret"}


def test_a_statement_is_as_wide_as_its_condition_lets_it_be() -> None:
    """A Condition on the secret's ARN or region decides; one on tags is told, since other secrets may have them."""
    for key, value, is_wide in (
        ("secretsmanager:SecretId", f"{ARN[:-7]}-*", False),
        ("secretsmanager:SecretId", f"{ARN.partition('ohmycoins')[0]}*", True),
        ("aws:RequestedRegion", "eu-west-1", False),
        ("aws:ResourceTag/team", "ops", True),
    ):
        condition = {"StringLike": {key: value}}
        own = execution_role(policy("p", allowing(GET_SECRET_VALUE, "*", Condition=condition)))
        found = found_in(audited(own=(own,)))
        assert ("wildcard-secret" in found) is is_wide
        if is_wide:
            assert f"as far as its Condition {json.dumps(condition)} holds." in found["wildcard-secret"][0].evidence[1]


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
        {"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}},
        {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}*:role/*"}},
        {"StringLike": {"aws:PrincipalAccount": f"{ACCOUNT}*"}},
        {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}},
    ],
)
def test_everybody_under_a_condition_is_not_everybody(condition: Any) -> None:
    """Principal * that a condition limits to the account, its organization or network is no finding."""
    assert "readable-by-all" not in found_in(audited(own_policy(healthy(), "*", Condition=condition)))


@pytest.mark.parametrize(
    ("condition", "principal"),
    [
        ({"StringEquals": {"aws:PrincipalOrgID": "o-abcdefghij"}}, "organization o-abcdefghij"),
        ({"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": ["o-abcdefghij/r-1/*"]}}, "organization o-abcdefghij"),
        ({"StringEquals": {"aws:PrincipalAccount": [ACCOUNT, OTHER]}}, OTHER),
        ({"StringEquals": {"aws:PrincipalAccount": OTHER}, "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:*"}}, OTHER),
        ({"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:role/ci-*"}}, f"arn:aws:iam::{OTHER}:role/ci-*"),
        ({"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}*"}}, f"arn:aws:iam::{OTHER}:*"),
        ({"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}*role/ci"}}, f"arn:aws:iam::{OTHER}:*role/ci"),
    ],
)
def test_whom_a_condition_names_instead_of_everybody_is_let_in(condition: Any, principal: str) -> None:
    """Principal * under a condition on an organization, account or role lets these in, by either kind of policy."""
    snapshot = audited(own_policy(healthy(), "*", Condition=condition))
    [finding] = found_in(snapshot)["other-account-reads"]
    assert finding.subject == principal
    [statement] = document_of(finding, "--resource-policy")["Statement"]
    assert statement["Principal"] == ANYBODY_HERE and statement["Condition"] == condition
    [finding] = found_in(audited(None, trusting_anybody(condition)))["other-account-reads"]
    assert finding.subject == principal and "the trust policy of open" in finding.evidence[0]
    assert document_of(finding, "--policy-document")["Statement"][0]["Principal"] == ANYBODY_HERE


def test_a_condition_on_another_account_s_callers_leaves_open_who_reads() -> None:
    """Their tags are not known here."""
    condition = {"StringEquals": {"aws:PrincipalTag/team": "core", "aws:PrincipalAccount": OTHER}}
    [finding] = found_in(audited(own_policy(healthy(), "*", Condition=condition)))["other-account-reads"]
    assert finding.evidence[0].endswith(
        " Whether its Condition allows the call is unknown: it depends on aws:PrincipalTag/team."
    )


@pytest.mark.parametrize(
    ("operator", "ids", "severities"),
    [
        ("StringLike", ["AROAreports:*", "AIDAalice", ACCOUNT], []),
        ("StringLike", ["AROAreports:*", "AROASOMEBODY:*"], ["warning"]),
        ("StringLike", "*:nightly", ["warning"]),
        ("StringNotLike", "AROAreports:*", ["error"]),
    ],
)
@pytest.mark.parametrize("principal", ["*", {"AWS": OTHER}])
def test_nobody_from_outside_has_an_id_of_our_own(
    operator: str, ids: Any, severities: list[str], principal: Any
) -> None:
    """One that is not of the account may be of anybody, and whose session has a name, too."""
    guarded = own_policy(healthy(), principal, Condition={operator: {"aws:userid": ids}})
    identities = (replace(role("reports"), id="AROAreports"), replace(user("alice"), id="AIDAalice"))
    found = found_in(audited(guarded, *identities))
    id = "readable-by-all" if principal == "*" else "other-account-reads"
    usual = severities if principal == "*" else ["warning"] * len(severities)
    assert [each.severity for each in found.get(id, ())] == usual


def test_everybody_from_some_addresses_is_a_warning() -> None:
    """What the caller chooses, such as its address, limits no account, and is not taken for no access."""
    condition = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    [finding] = found_in(audited(own_policy(healthy(), "*", Condition=condition)))["readable-by-all"]
    assert finding.severity == "warning" and "203.0.113.0/24" in finding.evidence[0]


@pytest.mark.parametrize(
    "condition",
    [
        {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
        {"IpAddress": {"aws:SourceIp": ["203.0.113.0/24", "::/0"]}},
        {"IpAddress": {"aws:sourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}},
        {"IpAddress": {"aws:SourceIp": "64.0.0.0/2"}},
        {"IpAddress": {"aws:SourceIp": ["192.0.0.0/2", "10.0.0.0/8"]}},
        {"IpAddress": {"aws:SourceIp": "2c00::/8"}},
        {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
        {"NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}, "IpAddress": {"aws:SourceIp": "0.0.0.0/0"}},
    ],
)
def test_everybody_from_any_address_or_with_mfa_is_everybody(condition: Any) -> None:
    """Networks that are the whole of the internet limit nobody, and everybody can have MFA."""
    [finding] = found_in(audited(own_policy(healthy(), "*", Condition=condition)))["readable-by-all"]
    assert finding.severity == "error" and "under a condition that anybody can meet" in finding.evidence[0]
    [finding] = found_in(audited(None, trusting_anybody(condition)))["other-account-reads"]
    assert finding.severity == "error"


def test_another_account_from_any_address_is_let_in() -> None:
    """Of a network of its own, and of MFA, it is said that they decide."""
    for condition, doubt in (
        ({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, ""),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, "aws:SourceIp"),
        ({"IpAddress": {"aws:SourceIp": ["17.0.0.0/8", "fc00::/7", "not a network"]}}, "aws:SourceIp"),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "aws:MultiFactorAuthPresent"),
    ):
        own = own_policy(healthy(), {"AWS": STRANGER}, Condition=condition)
        [finding] = found_in(audited(own))["other-account-reads"]
        sentence = f" Its Condition depends on how the call is made: {doubt}."
        assert finding.evidence[0].endswith(sentence if doubt else f"to {STRANGER}.")


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{SSO}*"}},
    ],
)
def test_a_role_that_anybody_of_the_account_may_assume_is_open_to_no_other(condition: Any) -> None:
    """Principal * in a trust policy under a condition on the own account is no finding."""
    assert "other-account-reads" not in found_in(audited(None, trusting_anybody(condition)))


def test_a_policy_is_told_by_what_it_leaves_out() -> None:
    """NotAction and NotResource are shown as everything but what they name."""
    elements = {"NotAction": "iam:*", "NotResource": f"{ARN}-x"}
    task_role = role("ohmycoins-staging-ecs-task-role", policy("all-but", elements))
    [finding] = found_in(audited(None, own=(execution_role(), task_role)))["wildcard-secret"]
    assert f"allows everything but iam:* on everything but {ARN}-x." in finding.evidence[0]


def test_a_role_of_identity_center_is_changed_there() -> None:
    """IAM refuses to change such a role, so that no command of IAM is offered."""
    people = role("AWSReservedSSO_Developers_0123456789abcdef", READS, trusts=SAML, path=SSO)
    [finding] = found_in(in_production(audited(None, people)))["human-may-read"]
    assert "is an Identity Center role" in finding.evidence[0]
    assert "permission set Developers" in (advice := " ".join(finding.remedy.ways)) and "aws iam" not in advice


def test_a_condition_on_the_provider_of_a_token_is_not_taken_for_no_access() -> None:
    """Sessions of a role that a provider's token may begin can have aws:FederatedProvider."""
    condition = {"StringEquals": {"aws:FederatedProvider": CODE_HOST["Federated"]}}
    reads = policy("by-provider", allowing(GET_SECRET_VALUE, Condition=condition))
    assert "aws:FederatedProvider" in unknown_in(audited(None, role("ci", reads, trusts=CODE_HOST)))["unused-reader"]
    assert "unused-reader" not in unknown_in(audited(None, role("batch", reads)))


@pytest.mark.parametrize(
    "condition",
    [
        {"Bool": {"aws:SecureTransport": "true"}},
        {"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": ["o-abcdefghij/*"]}},
        {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-abcdefghij"}},
        {"StringLike": {"aws:PrincipalAccount": "21*"}},
        {"StringLike": {"aws:PrincipalAccount": [ACCOUNT, f"{ACCOUNT[:-1]}?"]}},
        {"StringLike": {"aws:PrincipalAccount": ACCOUNT.replace("0", "?")}},
        {"Null": {"aws:PrincipalOrgID": "true"}},
    ],
)
def test_everybody_who_can_meet_a_condition_is_everybody(condition: Any) -> None:
    """With TLS, in no organization, or in any account of a pattern; a command names the account instead."""
    [finding] = found_in(audited(own_policy(healthy(), "*", Condition=condition)))["readable-by-all"]
    [statement] = document_of(finding, "--resource-policy")["Statement"]
    assert statement["Principal"] == ANYBODY_HERE and statement["Condition"] == condition


def test_a_keys_policy_that_lets_everybody_in_is_found() -> None:
    """The key's policy is looked at as well as the secret's."""
    key = under_key()
    assert key.policy
    open_to_all = policy("the key's policy", allowing("kms:*", "*", Principal={"AWS": "*"}), kind="resource")
    [finding] = found_in(audited(key=replace(key, policy=open_to_all)))["readable-by-all"]
    assert finding.subject == KEY and finding.remedy.command.startswith("aws kms put-key-policy")
    for_another = {"StringEquals": {"kms:ViaService": f"rds.{REGION}.amazonaws.com"}}
    limited = policy("the key's policy", allowing("kms:*", "*", Principal="*", Condition=for_another), kind="resource")
    assert "readable-by-all" not in found_in(audited(key=replace(key, policy=limited)))


def test_an_account_that_the_key_alone_lets_in_reads_nothing() -> None:
    """The secret's own policy would have to let it in, too."""
    statements = allowing("kms:*", "*", Principal=ANYBODY_HERE), allowing(DECRYPT, "*", Principal={"AWS": STRANGER})
    key = replace(under_key(), policy=policy("the key's policy", *statements, kind="resource"))
    assert "other-account-reads" not in found_in(audited(None, key=key))


def test_another_account_that_has_a_replica_is_found() -> None:
    """It decides who reads it there; a replica in another region is this account's own."""
    there = ARN.replace(ACCOUNT, "999999999999")
    replicas = (Replica("us-east-1", "InSync"), Replica(there, "InSync"))
    snapshot = audited(with_secret(healthy(), replicas=replicas))
    [finding] = found_in(snapshot)["other-account-reads"]
    assert finding.subject == "999999999999" and there in finding.evidence[0]
    assert f"disassociate-cross-account-replica --secret-id {NAME} --cross-account-replica-arn {there}" in (
        finding.remedy.command
    )
    assert ["999999999999", "account", "yes"] in [row[:3] for row in tables.readers(snapshot).rows]
    assert replica_regions(snapshot) == ("us-east-1",)
    assert "other-account-reads" not in found_in(audited(with_secret(healthy(), replicas=replicas[:1])))


def test_another_account_that_may_become_a_reader_is_found() -> None:
    """A role that reads the secret and trusts another account lets that read it."""
    reader = role("partner", READS, trusts={"AWS": [STRANGER, f"arn:aws:iam::{ACCOUNT}:role/x"]})
    [finding] = found_in(audited(None, reader))["other-account-reads"]
    [statement] = document_of(finding, "--policy-document")["Statement"]
    assert finding.subject == STRANGER and statement["Principal"] == {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/x"]}
    assert OTHER in finding.evidence[0]


@pytest.mark.parametrize(
    ("kind", "origin", "verb"),
    [("inline", "", "delete"), ("managed", "", "detach"), ("managed", "arn:aws:iam::aws:policy/Reads", "detach")],
)
def test_a_groups_policy_is_taken_from_the_group(kind: Any, origin: str, verb: str) -> None:
    """IAM has no such policy of the user; the remedy says that every member loses it."""
    group = f"arn:aws:iam::{ACCOUNT}:group/staff/developers"
    shared = replace(READS, kind=kind, origin=origin or f"arn:aws:iam::{ACCOUNT}:policy/reads", group=group)
    [finding] = found_in(audited(None, user("eve", shared)))["human-may-read"]
    assert finding.remedy.command.startswith(f"aws iam {verb}-group-policy --group-name developers --policy-")
    assert finding.remedy.needs == "It changes what every member of group developers may do."


def test_who_may_assume_a_role_by_its_trust_policy_alone_is_told_where() -> None:
    """No policy of the person allows it, so there is none to change."""
    alice = user("alice")
    trusting = replace(
        role("reports", READS),
        trust=policy("trust", {"Action": "sts:AssumeRole", "Principal": {"AWS": alice.arn}}, kind="trust"),
    )
    found = {each.subject: each for each in found_in(audited(None, alice, trusting))["human-may-read"]}
    assert found["alice"].remedy.command == "Take sts:AssumeRole from alice: see trust statement 1."
    assert "may read it by assuming reports: trust statement 1." in found["alice"].evidence[0]


def test_whom_a_trust_policy_alone_names_is_taken_out_of_that_too() -> None:
    """Without a policy of its own, or of its permission set, whom a trust policy names may still assume it."""
    person = role("AWSReservedSSO_ops_1", trusts=SAML, path=SSO)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{person.name}/alice"
    hop = user("hop", policy("hop", allowing("sts:AssumeRole", f"{OWN}:role/reports")))
    for principal, identity, before in (
        (session, person, ""),
        (hop.arn, hop, "Run `aws iam delete-user-policy --user-name hop --policy-name hop`. "),
    ):
        snapshot = audited(None, identity, role("reports", READS, trusts={"AWS": principal}))
        found = {each.subject: each.remedy.command for each in found_in(snapshot)["human-may-read"]}
        way = f"Take sts:AssumeRole from {identity.name}: see trust policy of reports statement 1."
        assert found[identity.name] == f"{before}{way}"


def test_who_may_assume_a_role_by_its_trust_policy_alone_is_taken_out_of_it() -> None:
    """Others stay; where it names everybody, the account decides instead, and that everybody may is an error."""
    alice = user("alice")
    both = [alice.arn, STRANGER]
    finding = {
        each.subject: each
        for each in found_in(audited(None, alice, role("reports", READS, trusts={"AWS": both})))["human-may-read"]
    }["alice"]
    assert document_of(finding, "--policy-document")["Statement"][0]["Principal"] == {"AWS": [STRANGER]}
    anybody = found_in(audited(None, alice, role("reports", READS, trusts="*")))
    [finding] = anybody["human-may-read"]
    assert document_of(finding, "--policy-document")["Statement"][0]["Principal"] == ANYBODY_HERE
    [open_role] = anybody["other-account-reads"]
    assert open_role.severity == "error" and "lets everybody, in any account, assume it." in open_role.evidence[0]


def test_statements_that_let_in_together_have_their_verb() -> None:
    """Two that allow the same."""
    snapshot = own_policy(healthy(), {"AWS": [STRANGER]})
    assert snapshot.resource_policy
    twice = [statement for _, statement in snapshot.resource_policy.statements] * 2
    snapshot = replace(snapshot, resource_policy=snapshot.resource_policy.with_statements(twice))
    [finding] = found_in(audited(snapshot))["other-account-reads"]
    assert " statement 2 allow secretsmanager:GetSecretValue to " in finding.evidence[0]


def test_only_the_statement_that_lets_an_account_in_is_changed() -> None:
    """One for everybody of our account stays as it is, and so does a Deny."""
    ours = allowing(GET_SECRET_VALUE, "*", Principal="*", Condition={"StringEquals": {"aws:PrincipalAccount": ACCOUNT}})
    theirs = allowing(GET_SECRET_VALUE, "*", Principal={"AWS": [STRANGER, ROLE]})
    denial = {**allowing("secretsmanager:DeleteSecret", "*", Principal={"AWS": STRANGER}), "Effect": "Deny"}
    own = policy("own", ours, theirs, denial, kind="resource")
    [finding] = found_in(audited(replace(healthy(), resource_policy=own)))["other-account-reads"]
    statements = document_of(finding, "--resource-policy")["Statement"]
    assert [each["Principal"] for each in statements] == ["*", {"AWS": [ROLE]}, {"AWS": STRANGER}]


def test_a_statement_for_everybody_but_some_names_the_account_instead() -> None:
    """A statement may not have both elements."""
    own = policy("own", allowing(GET_SECRET_VALUE, "*", NotPrincipal={"AWS": STRANGER}), kind="resource")
    [finding] = found_in(audited(replace(healthy(), resource_policy=own)))["readable-by-all"]
    [statement] = document_of(finding, "--resource-policy")["Statement"]
    assert statement["Principal"] == ANYBODY_HERE and "NotPrincipal" not in statement


def test_a_policy_that_a_service_attached_is_not_written_over() -> None:
    """PutResourcePolicy replaces the secret's own policy alone, which has nothing of that statement."""
    opened = own_policy(healthy(), "*").resource_policy
    assert opened
    attached = replace(own_policy(healthy(), {"AWS": ROLE}), other_resource_policies=(replace(opened, name="theirs"),))
    [finding] = found_in(audited(attached))["readable-by-all"]
    assert finding.remedy.command == "Change theirs statement 1: an AWS service attached this policy."
    theirs = replace(own_policy(healthy(), {"AWS": STRANGER}).resource_policy or opened, name="theirs")
    [finding] = found_in(audited(replace(attached, other_resource_policies=(theirs,))))["other-account-reads"]
    assert finding.remedy.command == "Change theirs statement 1: an AWS service attached this policy."


DOUBTFUL_DENY = {
    "Effect": "Deny",
    "Action": "*",
    "Resource": "*",
    "Principal": "*",
    "Condition": {"Bool": {"a:b": "x"}},
}


@pytest.mark.parametrize(
    ("id", "principal", "principals"),
    [("readable-by-all", "*", [ANYBODY_HERE, "*"]), ("other-account-reads", {"AWS": [STRANGER]}, ["*"])],
)
@pytest.mark.parametrize("is_organizations", [False, True])
def test_a_deny_that_nobody_can_decide_is_neither_the_grant_nor_weakened(
    id: str, principal: Any, principals: list[Any], is_organizations: bool
) -> None:
    """The remedy takes away what lets somebody in; the Deny stays, and the finding says that its effect is unknown."""
    grant = allowing(GET_SECRET_VALUE, "*", Principal=principal)
    denial = {} if is_organizations else DOUBTFUL_DENY
    own = policy("own", grant, *filter(None, [denial]), kind="resource")
    controls = (policy("perimeter", DOUBTFUL_DENY, kind="rcp"),) if is_organizations else ()
    snapshot = audited(replace(healthy(), resource_policy=own), resource_controls=controls)
    [finding] = found_in(snapshot)[id]
    name = "perimeter statement 1" if is_organizations else "own statement 2"
    assert finding.evidence[0].startswith(f"GetResourcePolicy: own statement 1 allows {GET_SECRET_VALUE} to ")
    assert finding.evidence[0].endswith(f" Whether it is denied by {name} is unknown: it depends on a:b.")
    if is_organizations and len(principals) == 1:
        assert finding.remedy.command.startswith("aws secretsmanager delete-resource-policy")
        return
    statements = document_of(finding, "--resource-policy")["Statement"]
    assert [each["Principal"] for each in statements] == (principals[:1] if is_organizations else principals)
    assert is_organizations or statements[-1] == DOUBTFUL_DENY


def test_both_reasons_that_leave_open_whether_an_outsider_is_let_in_are_told() -> None:
    """What may deny the call, and what the Condition of the statement that may allow it depends on."""
    partner = {"StringEquals": {"sts:ExternalId": "partner"}}
    of_tag = {"StringEquals": {"aws:PrincipalTag/team": "core"}}
    action = {"Action": "sts:AssumeRole"}
    for condition, sentence in (
        (partner, " Its Condition depends on how the call is made: sts:ExternalId."),
        (of_tag, " Whether its Condition allows the call is unknown: it depends on aws:PrincipalTag/team."),
    ):
        allows = {**action, "Principal": {"AWS": STRANGER}, "Condition": condition}
        denies = {**DOUBTFUL_DENY, **action}
        del denies["Resource"]
        trust = policy("trust", allows, denies, kind="trust")
        [finding] = found_in(audited(None, replace(role("partner", READS), trust=trust)))["other-account-reads"]
        assert finding.evidence[0].endswith(
            f" Whether it is denied by trust statement 2 is unknown: it depends on a:b.{sentence}"
        )


def test_a_tag_that_another_account_can_give_itself_keeps_nobody_out() -> None:
    """It does in an organization of its own, or in our account."""
    tagged = {"StringEquals": {"aws:PrincipalTag/team": "core"}}
    [finding] = found_in(audited(own_policy(healthy(), "*", Condition=tagged)))["readable-by-all"]
    assert finding.severity == "warning" and "as far as its condition lets them" in finding.evidence[0]
    assert "other-account-reads" in found_in(audited(own_policy(healthy(), {"AWS": STRANGER}, Condition=tagged)))
    own = {"StringEquals": {"aws:PrincipalTag/team": "core", "aws:PrincipalAccount": ACCOUNT}}
    assert "readable-by-all" not in found_in(audited(own_policy(healthy(), "*", Condition=own)))


@pytest.mark.parametrize("account", ["*", "21*", "??????654321"])
def test_a_role_of_that_name_in_any_account_is_everybodys(account: str) -> None:
    """Whoever owns an account can give a role the name that the condition asks for."""
    condition = {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{account}:role/ci"}}
    [finding] = found_in(audited(own_policy(healthy(), "*", Condition=condition)))["readable-by-all"]
    assert document_of(finding, "--resource-policy")["Statement"][0]["Principal"] == ANYBODY_HERE
    assert f"under a condition that anybody can meet: {json.dumps(condition)}." in finding.evidence[0]
    trusting = policy(
        "trust", {"Action": "sts:AssumeRole", "Principal": {"AWS": "*"}, "Condition": condition}, kind="trust"
    )
    [finding] = found_in(audited(None, replace(role("reports", READS), trust=trusting)))["other-account-reads"]
    assert finding.severity == "error"


def test_who_may_read_by_the_secrets_own_policy_is_taken_out_of_it() -> None:
    """And out of its own policies, where they allow it too."""
    alice = user("alice", READS)
    snapshot = own_policy(healthy(), {"AWS": [alice.arn, ROLE]})
    [finding] = found_in(audited(snapshot, alice))["human-may-read"]
    assert finding.remedy.command.startswith("aws iam delete-user-policy --user-name alice --policy-name reads && ")
    assert document_of(finding, "--resource-policy")["Statement"][0]["Principal"] == {"AWS": [ROLE]}
    [finding] = found_in(audited(own_policy(healthy(), {"AWS": alice.arn}), user("alice")))["human-may-read"]
    assert finding.remedy.command.startswith("aws secretsmanager delete-resource-policy ")


def test_a_policy_that_loses_nothing_is_not_written_again() -> None:
    """Only that with the permission to take away; what else the call needs stays as it is."""
    passes, runs = policy("passes", allowing("iam:PassRole", ROLE)), policy("runs", allowing("ecs:RunTask", "*"))
    [finding] = found_in(audited(None, user("alice", passes, runs)))["can-pass-role"]
    assert finding.remedy.command == "aws iam delete-user-policy --user-name alice --policy-name passes"


def test_a_task_role_that_may_no_longer_write_still_reads() -> None:
    """The remedy says what else a pattern allowed; tasks may still start with the secret."""
    [finding] = found_in(audited(own=(execution_role(policy("all", allowing("secretsmanager:*"))),)))[
        "can-write-secret"
    ]
    [statement] = document_of(finding, "--policy-document")["Statement"]
    assert statement["Action"] == GET_SECRET_VALUE
    assert finding.remedy.needs == f"It takes away all of secretsmanager:* but {GET_SECRET_VALUE}."
    [finding] = found_in(entering(user("alice", policy("p", allowing(["ecs:*", "s3:*"], "*")))))["can-enter-task"]
    assert finding.remedy.needs == "It takes away all of ecs:*."
    by_hand = policy("p", allowing("ecs:*", "*"), {"NotAction": "s3:*", "Resource": "arn:aws:ecs:*:task/*"})
    [finding] = found_in(entering(user("alice", by_hand)))["can-enter-task"]
    assert finding.remedy.needs == ""
    again = policy("q", allowing("ecs:ExecuteCommand", "*"))
    [finding] = found_in(entering(user("alice", by_hand, again)))["can-enter-task"]
    assert "out of p statement 1, p statement 2 of alice" in finding.remedy.command


def test_a_permission_that_may_be_meant_is_told_in_whole_sentences() -> None:
    """A command in quotes; a sentence of its own where only IAM Identity Center can change it."""
    snapshot = audited(with_exec(healthy()), session(), role("AWSReservedSSO_dev_1", SESSIONS, path=SSO, trusts=SAML))
    commands = {each.subject: each.remedy.command for each in found_in(snapshot)["can-enter-task"]}
    assert commands["alice"].endswith("If not: `aws iam delete-user-policy --user-name alice --policy-name p`.")
    assert "If not: In IAM Identity Center, take ecs:ExecuteCommand out of" in commands["AWSReservedSSO_dev_1"]
    assert "`" not in commands["AWSReservedSSO_dev_1"]


def test_what_an_administrator_is_denied_is_no_grant() -> None:
    """The statement that denies the secret is not named as the one that allows everything."""
    rows = {row[0]: row for row in tables.writers(audited(None, user("root", EVERYTHING, policy("no", DENIES)))).rows}
    assert rows["root"][2:] == ["everything that no statement 1 does not deny", "—", "—"]


def test_whether_a_person_may_read_is_asked_in_production_alone() -> None:
    """Elsewhere it would be a remark."""
    unsure = audited(None, user("alice", unread=("arn:aws:iam::aws:policy/Some",)))
    assert "human-may-read" not in unknown_in(unsure) and "human-may-read" in unknown_in(in_production(unsure))


@pytest.mark.parametrize(
    ("identity", "is_human"),
    [
        (user("alice", READS), True),
        (role("AWSReservedSSO_Developer_1", READS, path=SSO, trusts=SAML), True),
        (role("federated", READS, trusts=SAML), True),
        (role("signed-in", READS, trusts={"Federated": "accounts.google.com"}), True),
        (role("named", READS, trusts={"AWS": f"arn:aws:iam::{ACCOUNT}:user/bob"}), True),
        (role("rotation", READS, trusts={"Service": "lambda.amazonaws.com"}), False),
        (role("deploys", READS, trusts=CODE_HOST), False),
        (user("root-of-all", EVERYTHING), False),
    ],
    ids=lambda each: each.name if isinstance(each, Identity) else "",
)
def test_people_are_told_from_machines(identity: Identity, is_human: bool) -> None:
    """Users and roles for which people sign in are warnings in production; administrators are listed as such alone."""
    found = found_in(in_production(audited(None, identity)))
    assert ("human-may-read" in found) is is_human
    if is_human:
        assert found["human-may-read"][0].severity == "warning"
    assert [each.identity.name for each in secret_access.of(audited(None, identity)).administrators] == (
        [identity.name] if identity.is_administrator else []
    )


def test_a_person_who_may_assume_a_reader_reads() -> None:
    """A user whose policy lets them assume a role that reads is found, with the way; one who may not, is not."""
    reader = role("reports", READS, trusts=ANYBODY_HERE)
    between = role("between", policy("hop", allowing("sts:AssumeRole", reader.arn)), trusts=ANYBODY_HERE)
    hop = policy("assumes", allowing("sts:AssumeRole", between.arn))
    snapshot = audited(None, reader, between, user("alice", hop), user("bob", policy("s3", allowing("s3:*", "*"))))
    found = found_in(in_production(snapshot))["human-may-read"]
    assert [each.subject for each in found] == ["alice"]
    assert "assuming between and then reports: assumes statement 1" in found[0].evidence[0]


@pytest.mark.parametrize(
    ("statement", "denial"),
    [
        ({"DateGreaterThan": {"aws:CurrentTime": "2026-03-02T08:00:00Z"}}, None),
        ({"DateGreaterThanEquals": {"aws:EpochTime": "1772438400"}}, None),
        ({"ForAnyValue:DateGreaterThan": {"aws:CurrentTime": "2026-03-02T08:00:00Z"}}, None),
        (None, {"DateLessThan": {"aws:CurrentTime": "2026-03-02T08:00:00Z"}}),
    ],
    ids=["after a date", "in seconds", "by a set operator", "no longer denied"],
)
def test_who_reads_from_a_date_on_is_a_remark_before(statement: Any, denial: Any) -> None:
    """With the date; whom something else keeps out then, too, is not named, and nobody twice."""
    condition = {"Condition": statement} if statement else {}
    own = policy("temporary", allowing(GET_SECRET_VALUE, **condition))
    until = [policy("until", {**allowing("*", "*", Condition=denial), "Effect": "Deny"})] if denial else []
    kept_out = policy("no", {**allowing("*", "*"), "Effect": "Deny"})
    people = (user("alice", own, *until), user("bob", own, *until, kept_out), user("carol", own, READS))
    [now, later] = found_in(in_production(audited(None, *people)))["human-may-read"]
    assert (now.subject, later.subject, later.severity) == ("carol", "alice", "info")
    assert "may read it from 2026-03-02 08:00 UTC on, by temporary statement 1." in later.evidence[0]
    assert later.remedy.command.startswith("Leave it if that is meant. If not: ")
    past = policy("past", allowing(GET_SECRET_VALUE, Condition={"DateLessThan": {"aws:CurrentTime": "2026-02-01"}}))
    odd = policy("odd", allowing(GET_SECRET_VALUE, Condition={"DateGreaterThan": {"aws:CurrentTime": "some day"}}))
    [unclear] = found_in(audited(None, user("dave", past), user("erin", odd)))["human-may-read"]
    assert unclear.subject == "erin" and " UTC on" not in unclear.evidence[0]


@pytest.mark.parametrize("until", ["own", "boundary", "organization"])
def test_a_date_counts_wherever_it_stands_and_whatever_was_judged_before(until: str) -> None:
    """An audit has judged everybody for its own time when it asks who reads later; the last year stands for never."""
    for moment, is_named in (("2026-03-02T08:00:00Z", True), ("9999-12-31T23:59:59Z", False)):
        denial = {**allowing("*", "*", Condition={"DateLessThan": {"aws:CurrentTime": moment}}), "Effect": "Deny"}
        denying = policy("until", denial)
        alice = user("alice", READS, *([denying] if until == "own" else []))
        if until == "boundary":
            everything = policy("all", allowing("*", "*"), denial, kind="boundary")
            alice = replace(alice, boundary=everything)
        level = (policy("all", allowing("*", "*"), kind="scp"), replace(denying, kind="scp"))
        snapshot = audited(None, alice, levels=(level,) if until == "organization" else (), organization=OURS)
        identities = snapshot.audit.identities
        assert identities
        judged = replace(identities, reads=secret_calls.read_verdicts(snapshot, identities))
        found = found_in(replace(snapshot, audit=replace(snapshot.audit, identities=judged)))
        assert [each.subject for each in found.get("human-may-read", ())] == ["alice"] * is_named


LATER = {"DateGreaterThan": {"aws:CurrentTime": "2026-03-02T08:00:00Z"}}
UNTIL = {"DateLessThan": {"aws:CurrentTime": "2026-03-02T08:00:00Z"}}


@pytest.mark.parametrize(
    ("principal", "id", "severity"),
    [("*", "readable-by-all", "warning"), ({"AWS": OTHER}, "other-account-reads", "info")],
)
@pytest.mark.parametrize("is_denied_until", [False, True])
def test_whom_the_secrets_policy_lets_in_from_a_date_on_is_told_before(
    principal: Any, id: str, severity: str, is_denied_until: bool
) -> None:
    """An allowance that is to begin is found, and a Deny that is to end; one that never begins is not."""
    statements = [allowing(GET_SECRET_VALUE, "*", Principal=principal, Condition=LATER)]
    if is_denied_until:
        statements = [
            allowing(GET_SECRET_VALUE, "*", Principal=principal),
            {**allowing("*", "*", Principal="*", Condition=UNTIL), "Effect": "Deny"},
        ]
    own = policy("the secret's resource policy", *statements, kind="resource")
    snapshot = audited(replace(healthy(), resource_policy=own))
    [finding] = found_in(snapshot)[id]
    assert finding.severity == severity and " from 2026-03-02 08:00 UTC on" in finding.evidence[0]
    never = json.loads(json.dumps(own.document).replace("2026-03-02T08", "9999-12-31T08"))
    assert id not in found_in(audited(replace(healthy(), resource_policy=replace(own, document=never))))
    over = replace(snapshot, taken=NOW + timedelta(days=5))
    [finding] = found_in(over)[id]
    assert " UTC on" not in finding.evidence[0] and finding.severity != severity


def test_an_open_key_hides_no_opening_of_the_secret() -> None:
    """Everybody may decrypt already, and reads from a date on."""
    key = replace(under_key(), policy=policy("its key", allowing(DECRYPT, "*", Principal="*"), kind="resource"))
    own = own_policy(healthy(), "*", Condition=LATER)
    facts = [finding.evidence[0] for finding in found_in(audited(own, key=key))["readable-by-all"]]
    assert [" from 2026-03-02 08:00 UTC on" in fact for fact in facts] == [False, True]


@pytest.mark.parametrize(("principal", "severity"), [("*", "warning"), ({"AWS": STRANGER}, "info")])
def test_who_may_assume_a_reader_from_a_date_on_is_told_before(principal: Any, severity: str) -> None:
    """By the date of the trust policy, of the role's own policy, or of both: the later one counts."""
    at_noon = {"DateGreaterThan": {"aws:CurrentTime": "2026-03-02T12:00:00Z"}}
    for trusting, reading, begin in ((LATER, {}, "08:00"), ({}, LATER, "08:00"), (LATER, at_noon, "12:00")):
        statement = {"Action": "sts:AssumeRole", "Principal": principal, "Condition": trusting}
        reads = policy("reads", allowing(GET_SECRET_VALUE, Condition=reading))
        partner = replace(role("partner", reads), trust=policy("trust", statement, kind="trust"))
        [finding] = found_in(audited(None, partner))["other-account-reads"]
        gets_in = "may then read the secret" if reading else "may read the secret"
        assert finding.severity == severity and f"which {gets_in}, lets " in finding.evidence[0]
        assert f"assume it from 2026-03-02 {begin} UTC on." in finding.evidence[0]


def test_only_whom_a_date_concerns_is_judged_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many dates there are, everybody is judged for the present, and once more without the time."""
    judged = list[str]()

    def judge(snapshot: Snapshot, identities: Any, judge: Any, identity: Identity, **more: Any) -> Any:
        judged.append(identity.name)
        return read_verdict(snapshot, identities, judge, identity, **more)

    read_verdict = secret_calls.read_verdict
    monkeypatch.setattr(secret_calls, "read_verdict", judge)
    people = []
    for number in range(9):
        date = {"DateGreaterThan": {"aws:CurrentTime": f"2026-04-0{number + 1}T08:00:00Z"}}
        people.append(user(f"person-{number}", policy("dated", allowing(GET_SECRET_VALUE, Condition=date))))
    later = secret_access.beginning(audited(None, *people, user("bob", READS), user("carol")))
    assert [each.identity.name for _, each in later] == [each.name for each in people]
    assert judged.count("bob") <= 3 and judged.count("person-0") >= 9


def test_dates_of_other_calls_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account can have hundreds of them: nobody reads the secret by one."""
    moments, judge_of = set[datetime](), secret_calls.judge_of

    def judge(snapshot: Snapshot, identities: Any) -> Any:
        moments.add(snapshot.taken)
        return judge_of(snapshot, identities)

    monkeypatch.setattr(secret_calls, "judge_of", judge)
    dated = {"DateGreaterThan": {"aws:CurrentTime": "2026-03-02T08:00:00Z"}}
    found_in(audited(None, user("alice", policy("files", allowing("s3:GetObject", "*", Condition=dated)))))
    assert moments == {NOW}


FORMER = policy("former", allowing(GET_SECRET_VALUE, Condition=OF_FORMER))


@pytest.mark.parametrize("levels", [(), None], ids=["all read", "without the organization"])
def test_a_person_who_may_assume_a_reader_of_former_values_reads_them(levels: Any) -> None:
    """As one who may read AWSPREVIOUS alone: by the whole way, and with the step that is to be taken away."""
    reader = role("archive", FORMER, trusts=ANYBODY_HERE)
    between = role("between", policy("hop", allowing("sts:AssumeRole", reader.arn)), trusts={"AWS": STRANGER})
    hops = policy("hops", allowing("sts:AssumeRole", reader.arn))
    snapshot = in_production(audited(None, reader, between, user("alice", hops), user("bob"), levels=levels))
    found = found_in(snapshot)
    [finding] = found["human-may-read"]
    assert finding.subject == "alice" and finding.remedy.command.startswith("aws iam delete-user-policy")
    assert "may read AWSPREVIOUS, by assuming archive: hops statement 1, former statement 1." in finding.evidence[0]
    assert [each.subject for each in found["other-account-reads"]] == [STRANGER]
    rows = {row[0]: row for row in tables.readers(snapshot).rows}
    assert rows["alice"][2:4] == ["only AWSPREVIOUS", "assuming archive: hops statement 1, former statement 1"]


def test_whether_a_person_may_assume_a_reader_of_former_values_can_be_unknown() -> None:
    """The way is named with the doubt."""
    unsure = replace(of_some_units(FORMER), arn=f"arn:aws:iam::{ACCOUNT}:role/archive")
    alice = user("alice", policy("hops", allowing("sts:AssumeRole", unsure.arn)))
    fact = unknown_in(in_production(audited(None, unsure, alice, organization=OURS)))["human-may-read"]
    assert fact == "Whether it may read AWSPREVIOUS by assuming archive: " + fact.partition(": ")[2]
    assert "Depends on aws:PrincipalOrgPaths." in fact


def test_a_certain_way_to_former_values_counts_more_than_a_doubtful_one() -> None:
    """Who perhaps reads them itself and certainly by a role is a finding; a doubt of its own is told by itself."""
    perhaps = policy("perhaps", allowing(GET_SECRET_VALUE, Condition={**OF_FORMER, **UNJUDGED_UNITS}))
    archive = role("archive", FORMER, trusts=ANYBODY_HERE)
    hops = allowing("sts:AssumeRole", archive.arn)
    alice = user("alice", policy("hops", hops), perhaps)
    bob = user("bob", policy("hops", {**hops, "Condition": UNJUDGED_UNITS}), perhaps)
    snapshot = in_production(audited(None, archive, alice, bob, organization=OURS))
    [finding] = found_in(snapshot)["human-may-read"]
    assert finding.subject == "alice" and "by assuming archive: hops statement 1" in finding.evidence[0]
    assert unknown_in(snapshot)["human-may-read"].startswith("Whether it may read AWSPREVIOUS: ")


def of_some_units(reader: PolicyDocument) -> Identity:
    """A role whose trust policy lets in whoever is of some units of the organization, which nobody knows here."""
    condition = {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": [f"{OURS}/r-ab12/ou-ab12-11111111/*"]}}
    statement = {"Action": "sts:AssumeRole", "Principal": ANYBODY_HERE, "Condition": condition}
    return replace(role("reader", reader), trust=policy("trust policy of reader", statement, kind="trust"))


@pytest.mark.parametrize(
    ("reader", "id"),
    [
        (READS, "human-may-read"),
        (policy("grants", allowing("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/reader")), "can-become-reader"),
    ],
)
def test_who_perhaps_may_become_a_reader_is_not_clear(reader: PolicyDocument, id: str) -> None:
    """Whether a trust policy's Condition lets somebody in may be unknown; a certain way is told instead."""
    unsure = of_some_units(reader)
    bob = user("bob", policy("hop", allowing("sts:AssumeRole", unsure.arn)))
    snapshot = in_production(audited(None, unsure, bob, organization=OURS))
    assert "by assuming reader" in unknown_in(snapshot)[id] and "aws:PrincipalOrgPaths" in unknown_in(snapshot)[id]
    assert "bob" not in {each.subject for each in found_in(snapshot).get(id, [])}
    if id == "human-may-read":
        assert ["bob", "user", "unknown"] in [row[:3] for row in tables.readers(snapshot).rows]
    certain = role("reader", reader, trusts=ANYBODY_HERE)
    found = found_in(in_production(audited(None, certain, bob, organization=OURS)))[id]
    assert "bob" in {each.subject for each in found}


def test_what_cannot_be_judged_is_named_of_who_certainly_becomes_the_role_before() -> None:
    """A person is told of with the whole way; the doubt is that of the step which cannot be judged."""
    for reader in (READS, policy("grants", allowing("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/reader"))):
        unsure = of_some_units(reader)
        hop = role("hop", policy("on", allowing("sts:AssumeRole", unsure.arn)), trusts=ANYBODY_HERE)
        carol = user("carol", policy("hops", allowing("sts:AssumeRole", hop.arn)))
        snapshot = in_production(audited(None, unsure, hop, carol, organization=OURS))
        answers = [answer for check in CHECKS.values() for answer in run_check(check, snapshot)]
        [of_carol] = [answer for answer in answers if answer.subject == "carol"]
        assert of_carol.status == "unknown"
        assert of_carol.check == ("human-may-read" if reader is READS else "can-become-reader")
        assert "by assuming hop and then reader" in of_carol.evidence[0]
        assert "Depends on aws:PrincipalOrgPaths." in of_carol.evidence[0]
        table = "\n".join(" ".join(row) for row in tables.readers(snapshot).rows)
        assert "assuming hop and then reader: on statement 1 Depends on aws:PrincipalOrgPaths." in table


@pytest.mark.parametrize(
    ("action", "condition", "id", "what"),
    [
        (GET_SECRET_VALUE, UNJUDGED, "human-may-read", "may read the secret"),
        (
            GET_SECRET_VALUE,
            {"StringEquals": {**OF_FORMER["StringEquals"], **UNJUDGED["StringEquals"]}},
            "human-may-read",
            "may read AWSPREVIOUS",
        ),
        ("iam:PutRolePolicy", UNJUDGED, "can-become-reader", "can let itself in"),
    ],
    ids=["the current version", "a former version", "after a change of its own policy"],
)
def test_who_certainly_becomes_a_role_that_perhaps_reads_is_named_as_unknown(
    action: str, condition: Any, id: str, what: str
) -> None:
    """Over another role too, with what leaves it open; whoever reads certainly is not unknown beside that."""
    perhaps = role("archive", policy("perhaps", allowing(action, "*", Condition=condition)), trusts=ANYBODY_HERE)
    hop = role("hop", policy("hops", allowing("sts:AssumeRole", perhaps.arn)), trusts=ANYBODY_HERE)
    hops = policy("hops", allowing("sts:AssumeRole", hop.arn))
    people = (user("alice", hops), user("bob", hops, READS), user("carol"))
    sentences = " ".join(_unknown_of(in_production(audited(None, perhaps, hop, *people, organization=OURS)), id))
    assert f"Whether it {what} by assuming hop and then archive" in sentences
    assert "Depends on aws:PrincipalOrgPaths." in sentences
    assert "alice" in sentences and "bob" not in sentences and "carol" not in sentences


def _unknown_of(snapshot: Snapshot, id: str) -> list[str]:
    """The subjects of a check's unknown answers, and why they are."""
    answers = [each for each in run_check(CHECKS[id], snapshot) if each.status == "unknown"]
    return [f"{each.subject}: {' '.join(each.evidence)}" for each in answers]


def test_outsiders_behind_a_role_that_perhaps_reads_are_named_as_unknown() -> None:
    """Who may become a role that perhaps may assume a reader is no finding, and not clear; nor is it counted."""
    reader = of_some_units(READS)
    hop = policy("hop", allowing("sts:AssumeRole", reader.arn))
    snapshot = audited(None, reader, role("builds", hop, trusts={"AWS": STRANGER}), organization=OURS)
    assert "other-account-reads" not in found_in(snapshot)
    assert unknown_in(snapshot)["other-account-reads"] == (
        f"GetAccountAuthorizationDetails: the trust policy of builds lets {STRANGER} assume it. Whether builds may read"
        " the secret by assuming reader cannot be judged here: Depends on aws:PrincipalOrgPaths."
    )
    assert [STRANGER, "account", "unknown"] in [row[:3] for row in tables.readers(snapshot).rows]
    answer = audit_answers.who_can_read(snapshot)
    assert "and so can" not in answer and answer.endswith(
        "; whether 1 principal from outside the account can read it is unknown; whether 1 more principal of the account"
        " can read it is unknown."
    )
    strangers = audited(None, reader, replace(federated("ci"), policies=(hop,)), organization=OURS)
    assert "federated-any-subject" not in found_in(strangers)
    assert "Whether ci may read the secret by assuming reader" in unknown_in(strangers)["federated-any-subject"]


@pytest.mark.parametrize(
    ("powers", "way"),
    [
        (allowing(GET_SECRET_VALUE, Condition=UNJUDGED), "may read the secret"),
        (allowing("iam:PutRolePolicy", "*", Condition=UNJUDGED), "can let itself in"),
        (allowing("ecs:ExecuteCommand", "*", Condition=UNJUDGED), "may call ecs:ExecuteCommand"),
    ],
)
def test_everybody_behind_a_role_that_perhaps_gets_the_values_is_unknown(powers: dict[str, Any], way: str) -> None:
    """In whatever way it perhaps gets them."""
    open_role = role("open", policy("perhaps", powers), trusts={"AWS": "*"})
    snapshot = audited(with_exec(healthy()), open_role, organization=OURS)
    assert "other-account-reads" not in found_in(snapshot)
    fact = unknown_in(snapshot)["other-account-reads"]
    assert "lets everybody, in any account, assume it." in fact and f"Whether open {way} cannot be judged here" in fact


def test_an_outsider_under_a_condition_that_is_not_judged_is_not_counted_as_a_reader() -> None:
    """The sentence beside the light says of whom it is unknown."""
    condition = {"StringEquals": {"aws:PrincipalTag/team": "core", "aws:PrincipalAccount": OTHER}}
    answer = audit_answers.who_can_read(audited(own_policy(healthy(), "*", Condition=condition)))
    assert "and so can" not in answer
    assert answer.endswith("; whether 1 principal from outside the account can read it is unknown.")


def test_an_outsider_who_chooses_what_a_condition_asks_for_is_let_in() -> None:
    """A partner has the external id: it is told with the key, and counted, unlike what the caller cannot choose."""
    statement = {
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": STRANGER},
        "Condition": {"StringEquals": {"sts:ExternalId": "partner"}},
    }
    partner = replace(role("partner", READS), trust=policy("trust policy of partner", statement, kind="trust"))
    snapshot = audited(None, partner)
    [finding] = found_in(snapshot)["other-account-reads"]
    assert finding.evidence[0].endswith(" Its Condition depends on how the call is made: sts:ExternalId.")
    [row] = [row for row in tables.readers(snapshot).rows if row[0] == STRANGER]
    assert row[2] == "on conditions" and row[4] == "sts:ExternalId"
    answer = audit_answers.who_can_read(snapshot)
    assert "and so can 1 principal from outside the account" in answer and "unknown" not in answer


@pytest.mark.parametrize(
    "statements",
    [
        [allowing(GET_SECRET_VALUE, "*", Principal={"AWS": STRANGER}, Condition=OF_OURS)],
        [
            allowing(GET_SECRET_VALUE, "*", Principal={"AWS": STRANGER}),
            {**allowing("secretsmanager:*", "*", Principal="*", Condition=OF_NO_OTHERS), "Effect": "Deny"},
        ],
        [
            allowing(
                GET_SECRET_VALUE, "*", Principal="*", Condition={"StringEquals": BY_ACCOUNT | OF_OURS["StringEquals"]}
            )
        ],
        [
            allowing(GET_SECRET_VALUE, "*", Principal="*", Condition={"StringEquals": BY_ACCOUNT}),
            {**allowing("secretsmanager:*", "*", Principal="*", Condition=OF_NO_OTHERS), "Effect": "Deny"},
        ],
    ],
    ids=["allowed in the organization", "denied outside it", "allowed by a Condition", "that is denied outside it"],
)
def test_an_account_that_may_be_of_the_organization_is_not_passed_over(statements: list[dict[str, Any]]) -> None:
    """Which accounts an organization has is not known here; one that is named by a policy may be one of them."""
    own = policy("the secret's resource policy", *statements, kind="resource")
    snapshot = audited(replace(healthy(), resource_policy=own), organization=OURS)
    [finding] = found_in(snapshot)["other-account-reads"]
    assert finding.subject in (STRANGER, OTHER)
    assert finding.evidence[0].endswith(" is unknown: it depends on aws:PrincipalOrgID.")
    assert "; whether 1 principal from outside" in audit_answers.who_can_read(snapshot)


@pytest.mark.parametrize(
    ("principal", "named", "subject"),
    [
        (STRANGER, f"arn:aws:iam::{OTHER}:role/ci-*", STRANGER),
        (f"arn:aws:iam::{OTHER}:role/ci", f"arn:aws:iam::{OTHER}:role/ci", f"arn:aws:iam::{OTHER}:role/ci"),
        (f"arn:aws:iam::{OTHER}:role/ci", f"arn:aws:iam::{OTHER}:role/other", ""),
        (SESSION, f"arn:aws:iam::{OTHER}:role/ci", SESSION),
        (SESSION, f"arn:aws:iam::{OTHER}:role/builds/*", SESSION),
        (SESSION, f"arn:aws:iam::{OTHER}:role/other", ""),
    ],
    ids=["a role of it", "the role itself", "another role", "a session's role", "its path", "a session of another"],
)
def test_a_principal_that_a_policy_names_twice_is_let_in(principal: str, named: str, subject: str) -> None:
    """By its account or itself, and by aws:PrincipalArn in a Condition: that is certain, and so is that no other is."""
    condition = {"ArnLike": {"aws:PrincipalArn": named}}
    snapshot = audited(own_policy(healthy(), {"AWS": principal}, Condition=condition))
    found = found_in(snapshot).get("other-account-reads", [])
    assert [each.subject for each in found] == ([subject] if subject else [])
    assert not [each for each in found if "unknown" in each.evidence[0]]
    assert "unknown" not in audit_answers.who_can_read(snapshot)


def test_one_statement_that_an_outsider_can_meet_is_enough() -> None:
    """Whether another one lets it in too changes nothing."""
    by = [{"sts:ExternalId": "partner"}, {"aws:PrincipalTag/team": "core"}]
    statements = [
        {"Action": "sts:AssumeRole", "Principal": {"AWS": STRANGER}, "Condition": {"StringEquals": each}} for each in by
    ]
    snapshot = audited(None, replace(role("partner", READS), trust=policy("trust", *statements, kind="trust")))
    [finding] = found_in(snapshot)["other-account-reads"]
    assert finding.evidence[0].endswith(" Its Condition depends on how the call is made: sts:ExternalId.")
    assert "unknown" not in audit_answers.who_can_read(snapshot)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:PrincipalType": "User"}},
        {"StringEquals": {"aws:PrincipalType": "Account"}},
        {"StringEquals": {"aws:PrincipalType": "FederatedUser"}},
        {"StringEquals": {"aws:PrincipalType": "User"}, "ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}},
        {"ArnLike": {"aws:PrincipalArn": "arn:aws-cn:iam::*:role/ci"}},
        {"StringLike": {"aws:PrincipalArn": "*:role/ci"}},
        {"StringLike": {"aws:PrincipalArn": "*:user/ci"}},
        {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*role/ci"}},
        {"StringLike": {"aws:PrincipalArn": "arn:*/ci"}},
        {"StringLike": {"aws:PrincipalArn": "*-ci"}},
    ],
)
@pytest.mark.parametrize("principal", ["*", {"AWS": STRANGER}])
def test_principals_of_a_type_or_of_names_that_every_account_can_have_are_let_in(
    principal: Any, condition: dict[str, Any]
) -> None:
    """Whoever owns an account makes such a user or role; that is certain."""
    found = found_in(audited(own_policy(healthy(), principal, Condition=condition)))
    [finding] = found["readable-by-all" if principal == "*" else "other-account-reads"]
    assert finding.severity == ("error" if principal == "*" else "warning")
    assert "unknown" not in finding.evidence[0]
    of_this_account = {**condition, "StringEqualsIfExists": {"aws:PrincipalAccount": ACCOUNT}}
    assert not found_in(audited(own_policy(healthy(), principal, Condition=of_this_account)))


@pytest.mark.parametrize(
    ("principal", "statement"),
    [
        ({"AWS": STRANGER}, {"Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/ci"}}}),
        ("*", {"Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/ci"}, **OF_OURS}}),
        ("*", {"Condition": {"StringLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}*"}}}),
    ],
)
def test_a_condition_on_roles_of_the_account_lets_in_no_other(principal: Any, statement: dict[str, Any]) -> None:
    """Whatever account or organization is named beside them."""
    snapshot = audited(own_policy(healthy(), principal, **statement), organization=OURS)
    assert not found_in(snapshot) and "unknown" not in audit_answers.who_can_read(snapshot)


def test_a_principal_that_may_match_two_patterns_is_unknown() -> None:
    """One that both may match is not looked for."""
    both = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci-*"}, "StringLike": {"aws:PrincipalArn": "*-prod"}}
    [finding] = found_in(audited(own_policy(healthy(), {"AWS": STRANGER}, Condition=both)))["other-account-reads"]
    assert "unknown" in finding.evidence[0]


@pytest.mark.parametrize(
    "condition",
    [
        {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci-*"}, "StringLike": {"aws:PrincipalArn": "*-prod"}},
        {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ci-*"}, "StringLike": {"aws:PrincipalAccount": "21*"}},
    ],
    ids=["two of an ARN", "an account's and an ARN's"],
)
def test_whether_everybody_may_match_two_patterns_is_unknown(condition: dict[str, Any]) -> None:
    """Of the example of each pattern alone, that is not known; a pattern of the own account lets nobody else in."""
    [finding] = found_in(audited(own_policy(healthy(), "*", Condition=condition)))["readable-by-all"]
    assert finding.severity == "warning" and "unknown" in audit_answers.who_can_read(
        audited(own_policy(healthy(), "*", Condition=condition))
    )
    ours = {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}
    assert not found_in(audited(own_policy(healthy(), "*", Condition=condition | ours)))
    either = {"ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/ci-*", "arn:aws:iam::*:role/*-prod"]}}
    [finding] = found_in(audited(own_policy(healthy(), "*", Condition=either)))["readable-by-all"]
    assert finding.severity == "error"
    for ours in (f"arn:aws:iam::{ACCOUNT}:*", f"arn:aws:iam::{ACCOUNT}:role/ci-prod"):
        of_ours = {**condition, "ArnEquals": {"aws:PrincipalArn": ours}}
        assert not found_in(audited(own_policy(healthy(), "*", Condition=of_ours)))
        for allowing_many in (condition, either):
            [resource_policy] = audited(own_policy(healthy(), "*", Condition=allowing_many)).resource_policies
            [(_, statement)] = resource_policy.statements
            for operator in ("ArnNotLike", "StringNotLike"):
                denial = {**statement, "Effect": "Deny", "Condition": {operator: {"aws:PrincipalArn": ours}}}
                limited = resource_policy.with_statements([statement, denial])
                assert not found_in(audited(replace(healthy(), resource_policy=limited)))


@pytest.mark.parametrize(
    ("principal", "more", "subject"),
    [
        ({"AWS": STRANGER}, {}, STRANGER),
        ("*", BY_ACCOUNT, OTHER),
        ("*", {}, ""),
        ({"AWS": ROLE}, {}, ""),
    ],
    ids=["by its name", "by a Condition", "nobody", "the own role"],
)
def test_an_account_that_is_named_may_have_the_endpoint(principal: Any, more: dict[str, Any], subject: str) -> None:
    """Whose the endpoint is that a Condition names is not known here; nobody else is let in by one."""
    condition = {"StringEquals": {"aws:SourceVpce": "vpce-1", **more}}
    found = found_in(audited(own_policy(healthy(), principal, Condition=condition))).get("other-account-reads", [])
    assert [each.subject for each in found] == ([subject] if subject else [])
    assert all("depends on how the call is made: aws:SourceVpce." in each.evidence[0] for each in found)


@pytest.mark.parametrize(
    ("key", "variable", "subject"),
    [
        ("aws:PrincipalOrgID", "${aws:ResourceOrgID}", f"organization {OURS}"),
        ("aws:PrincipalAccount", "${aws:ResourceAccount}", ""),
    ],
)
def test_a_variable_of_the_resource_is_known(key: str, variable: str, subject: str) -> None:
    """Whoever is of the secret's own organization, or account, is not everybody."""
    condition = {"StringEquals": {key: variable}}
    snapshot = audited(own_policy(healthy(), "*", Condition=condition), organization=OURS)
    found = found_in(snapshot)
    assert "readable-by-all" not in found
    assert [each.subject for each in found.get("other-account-reads", [])] == ([subject] if subject else [])
    assert "readable-by-all" not in found_in(audited(own_policy(healthy(), "*", Condition=condition)))


@pytest.mark.parametrize(
    ("principal", "condition", "check"),
    [
        ("*", {"StringEqualsIfExists": {"aws:PrincipalOrgID": OURS}}, "readable-by-all"),
        ({"AWS": STRANGER}, {"StringEquals": {"aws:PrincipalType": "User"}}, "other-account-reads"),
    ],
    ids=["an account of no organization", "a user"],
)
def test_one_principal_of_an_account_that_is_certainly_let_in_is_enough(
    principal: Any, condition: Any, check: str
) -> None:
    """Whether another statement lets in others of the account leaves no doubt of it."""
    by_tag = allowing(
        GET_SECRET_VALUE, "*", Principal=principal, Condition={"StringEquals": {"aws:PrincipalTag/team": "core"}}
    )
    certain = allowing(GET_SECRET_VALUE, "*", Principal=principal, Condition=condition)
    own = policy("the secret's resource policy", by_tag, certain, kind="resource")
    snapshot = audited(replace(healthy(), resource_policy=own), organization=OURS)
    [finding] = found_in(snapshot)[check]
    assert "resource policy statement 2 allows" in finding.evidence[0] and "unknown" not in finding.evidence[0]
    assert "unknown" not in audit_answers.who_can_read(snapshot)


@pytest.mark.parametrize("principal", [STRANGER, f"arn:aws:iam::{OTHER}:user/kim"])
def test_another_accounts_users_are_let_in_too(principal: str) -> None:
    """Not its roles alone, where a Condition lets in users."""
    condition = {"StringEquals": {"aws:PrincipalType": "User"}}
    own = own_policy(healthy(), {"AWS": principal}, Condition=condition)
    [finding] = found_in(audited(own))["other-account-reads"]
    assert finding.subject == principal and "unknown" not in finding.evidence[0]
    of_role = own_policy(healthy(), {"AWS": f"arn:aws:iam::{OTHER}:role/ci"}, Condition=condition)
    assert "other-account-reads" not in found_in(audited(of_role))


@pytest.mark.parametrize("key", ["aws:ResourceTag/env", "secretsmanager:ResourceTag/env"])
def test_the_tags_of_what_an_outsider_calls_are_known(key: str) -> None:
    """Those of the secret, and those of a role."""
    for value, is_open in (("staging", True), ("production", False)):
        condition = {"StringEquals": {key: value}}
        secret = with_secret(own_policy(healthy(), "*", Condition=condition), tags={"env": "staging"})
        found = found_in(audited(secret)).get("readable-by-all", [])
        assert [each.severity for each in found] == ["error"] * is_open
        of_role = {"StringEquals": {"aws:ResourceTag/env": value}}
        open_role = replace(trusting_anybody(of_role), tags={"env": "staging"})
        found = found_in(audited(None, open_role)).get("other-account-reads", [])
        assert [each.severity for each in found] == ["error"] * is_open


def test_who_tags_a_session_is_let_in_by_a_condition_on_tags() -> None:
    """Other than of a read, which has none."""
    [finding] = found_in(audited(None, trusting_anybody({"ForAnyValue:StringEquals": {"aws:TagKeys": ["team"]}})))[
        "other-account-reads"
    ]
    assert finding.evidence[0].endswith(" Its Condition depends on how the call is made: aws:TagKeys.")


def test_an_outsider_whose_time_is_over_is_not_let_in() -> None:
    """A Condition's date is judged at the time of the snapshot, as it is for the account's own principals."""

    def until(moment: datetime) -> Snapshot:
        condition = {"DateLessThan": {"aws:CurrentTime": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}}
        return audited(own_policy(healthy(), {"AWS": STRANGER}, Condition=condition))

    assert "other-account-reads" not in found_in(until(NOW - timedelta(days=1)))
    [finding] = found_in(until(NOW + timedelta(days=1)))["other-account-reads"]
    assert finding.subject == STRANGER and "Condition" not in finding.evidence[0]


def test_one_account_that_administers_by_several_roles_is_one_remark() -> None:
    """It names each role, and the remedy closes all."""
    roles = [role(name, EVERYTHING, trusts={"AWS": STRANGER}) for name in ("landing", "billing")]
    [finding] = found_in(audited(None, *roles))["other-account-reads"]
    assert finding.severity == "info" and finding.subject == STRANGER
    assert [fact.split(",")[0].rpartition(" ")[2] for fact in finding.evidence] == ["landing", "billing"]
    assert finding.remedy.command.count("Leave it if") == 1
    assert all(name in finding.remedy.command for name in ("landing", "billing"))


def test_the_role_of_another_secrets_rotation_does_not_read_this_one() -> None:
    """AWS's own rotation functions may read whatever secret they rotate, and no other."""
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:rotates"
    condition = {"StringEquals": {"secretsmanager:resource/AllowRotationLambdaArn": function}}
    actions = [GET_SECRET_VALUE, "secretsmanager:PutSecretValue"]
    rotates = role("rotates", policy("rotates", allowing(actions, "*", Condition=condition)), trusts={"AWS": STRANGER})
    assert unknown_in(audited(None, rotates)) == {} and found_in(audited(None, rotates)) == {}
    by_another = with_secret(healthy(), rotates=True, rotation_function=f"{function}-another")
    assert "rotates" not in str(secret_access.of(audited(by_another, rotates)).principals)
    own = audited(with_secret(healthy(), rotates=True, rotation_function=function), rotates)
    assert "rotates" in [each.identity.name for each in secret_access.of(own).readers]
    assert "other-account-reads" in found_in(own)


def test_what_is_a_remark_if_it_is_so_leaves_no_audit_unknown() -> None:
    """Who may become an administrator is a remark, and so is who perhaps may; a machine that perhaps reads is none."""
    admin = of_some_units(EVERYTHING)
    bob = user("bob", policy("hop", allowing("sts:AssumeRole", admin.arn)))
    snapshot = in_production(audited(None, admin, bob, organization=OURS))
    [finding] = found_in(snapshot)["can-become-reader"]
    assert finding.severity == "info" and not unknown_in(snapshot)
    assert finding.evidence == ("Whether bob may assume reader is unknown. Depends on aws:PrincipalOrgPaths.",)
    [row] = [row for row in tables.readers(snapshot).rows if row[0] == "bob"]
    assert row[2:4] == ["unknown", "assuming reader: hop statement 1"]
    machine = role("builds", *bob.policies)
    snapshot = in_production(audited(None, of_some_units(READS), machine, organization=OURS))
    assert not found_in(snapshot) and not unknown_in(snapshot)
    assert ["builds", "role", "unknown"] in [row[:3] for row in tables.readers(snapshot).rows]
    of_tasks = role(TASK_ROLE.rpartition("/")[2], *bob.policies)
    snapshot = audited(None, admin, own=(execution_role(), of_tasks), organization=OURS)
    assert "by assuming reader" in unknown_in(snapshot)["can-become-reader"]


def test_a_doubt_about_the_current_version_is_told_once() -> None:
    """What leaves open whether somebody may read the secret leaves it open of its former versions, too."""
    by_tag = policy("tagged", allowing(GET_SECRET_VALUE, Condition={"StringEquals": {"aws:PrincipalTag/team": "core"}}))
    statement = {"Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"], "Principal": SAML}
    person = replace(role("ops", by_tag, path=SSO), trust=policy("trust policy of ops", statement, kind="trust"))
    answers = run_check(CHECKS["human-may-read"], in_production(audited(None, person)))
    [answer] = [answer for answer in answers if answer.status == "unknown"]
    assert answer.evidence[0].startswith("Whether it may read the secret cannot be judged here: ")


def test_whose_session_a_trust_policy_names_reads() -> None:
    """Who begins a session names it; the remedy takes it out of the trust policy, and leaves others."""
    person = role("AWSReservedSSO_ops_1", trusts=SAML, path=SSO)
    sessions = f"arn:aws:sts::{ACCOUNT}:assumed-role/{person.name}"
    reader = role("reader", READS, trusts={"AWS": [f"{sessions}/alice", f"{sessions}/bob", f"{OWN}:role/robot"]})
    [finding] = found_in(in_production(audited(None, reader, person)))["human-may-read"]
    assert "may read it by assuming reader: trust policy of reader statement 1" in finding.evidence[0]
    [statement] = document_of(finding, "--policy-document")["Statement"]
    assert statement["Principal"] == {"AWS": [f"{OWN}:role/robot"]}


def test_what_depends_on_how_a_call_is_made_is_said() -> None:
    """A person who may read only with MFA may read; the condition is in the finding."""
    careful = policy("careful", allowing(GET_SECRET_VALUE, Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}))
    [finding] = found_in(in_production(audited(None, user("alice", careful))))["human-may-read"]
    assert "Depends on aws:MultiFactorAuthPresent." in " ".join(finding.evidence)


def test_what_cannot_be_judged_is_unknown_by_name() -> None:
    """A condition on a key that is not known here makes the answer unknown, with the key's name."""
    odd = policy("odd", allowing(GET_SECRET_VALUE, Condition={"StringEquals": {"aws:PrincipalIsBlue": "1"}}))
    snapshot = audited(None, role("odd", odd))
    assert found_in(snapshot) == {}
    assert "aws:PrincipalIsBlue" in unknown_in(snapshot)["unused-reader"]


@pytest.mark.parametrize(
    ("changes", "is_found"),
    [
        ({}, True),
        ({"created": NOW - timedelta(days=20)}, False),
        ({"last": NOW - timedelta(days=89)}, False),
        ({"last": NOW - timedelta(days=120)}, True),
        ({"arn": f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/x.amazonaws.com/reports"}, False),
    ],
)
def test_an_unused_permission_is_one_that_was_there_for_long(changes: dict[str, Any], is_found: bool) -> None:
    """A new role, one that read lately and a service's own are no findings."""
    last = changes.pop("last", None)
    reader = replace(role("reports", READS), **changes)
    found = found_in(audited(None, reader, last_accesses={reader.arn: last_access(last)}))
    assert ("unused-reader" in found) is is_found


def test_an_audit_of_more_days_finds_the_same_readers_unused() -> None:
    """However far back it looks up calls, a read of long ago is no use of the permission."""
    lately, young = role("reports", READS), replace(role("young", READS), created=NOW - timedelta(days=200))
    last = {lately.arn: last_access(NOW - timedelta(days=120)), young.arn: last_access(None)}
    mailer = role("mailer", READS)
    snapshot = audited(None, lately, young, mailer, last_accesses=last)
    read = audit_accesses.call(120, mailer.arn)
    did = audit_accesses.audited(healthy(), read, days=400).audit.accesses
    for days in (90, 400):
        found = found_in(replace(snapshot, audit=replace(snapshot.audit, days=days, accesses=did)))
        assert {each.subject for each in found["unused-reader"]} == {"reports", "young", "mailer"}


def test_a_reader_without_a_report_is_unknown() -> None:
    """Where IAM says nothing of an old reader's last access, the finding does not say that all readers read."""
    reader = role("reports", READS)
    snapshot = audited(None, reader)
    assert snapshot.audit.identities
    accesses = {arn: access for arn, access in snapshot.audit.identities.last_accesses.items() if arn != reader.arn}
    identities = replace(snapshot.audit.identities, last_accesses=accesses)
    unread = replace(snapshot, audit=replace(snapshot.audit, identities=identities))
    assert "no report of when reports" in unknown_in(unread)["unused-reader"]
    assert {row[0]: row[5] for row in tables.readers(unread).rows}["reports"] == "unknown"


def test_an_execution_role_is_never_unused() -> None:
    """ECS reads as the execution role when tasks start, which may be long ago."""
    assert found_in(audited(last_accesses={ROLE: last_access(None)})) == {}


def test_the_statements_of_what_is_certain_alone_are_named() -> None:
    """Who may write for certain, and perhaps delete, is named by the statement that lets it write."""
    perhaps = policy("perhaps", allowing("secretsmanager:DeleteSecret", Condition={"StringEquals": {"x:y": "z"}}))
    deployer = role("deployer", policy("w", allowing("secretsmanager:PutSecretValue")), perhaps)
    [finding] = found_in(audited(None, deployer))["can-write-secret"]
    assert finding.evidence[0].endswith("deployer may call secretsmanager:PutSecretValue by w statement 1.")


@pytest.mark.parametrize("group", ["", f"arn:aws:iam::{ACCOUNT}:group/developers"])
def test_a_policy_that_aws_manages_is_replaced_or_outdone(group: str) -> None:
    """Nobody can take an action out of it: the remedy says what can be done instead."""
    statement = {"NotAction": ["iam:*", "organizations:*"], "Resource": "*"}
    origin = "arn:aws:iam::aws:policy/PowerUserAccess"
    power = replace(policy("PowerUserAccess", statement, kind="managed", origin=origin), group=group)
    [finding] = found_in(audited(None, user("dev", power)))["human-may-read"]
    assert finding.remedy.command == (
        "AWS manages PowerUserAccess: deny secretsmanager:GetSecretValue to dev in an inline policy, or attach a policy"
        f" of your own to {'group developers' if group else 'dev'} in its place."
    )
    assert is_sentence(finding.remedy.command)
    [finding] = found_in(audited(None, user("dev", power, READS)))["human-may-read"]
    assert finding.remedy.command.endswith(" Run `aws iam delete-user-policy --user-name dev --policy-name reads`.")
    [finding] = found_in(audited(own=(execution_role(power),)))["wildcard-secret"]
    assert finding.remedy.command.startswith("AWS manages PowerUserAccess: attach a policy of your own to ")


def test_those_who_may_write_are_a_remark() -> None:
    """A deployment's role that may write the secret is listed, and is no problem."""
    writer = role("deploys", policy("w", allowing("secretsmanager:PutSecretValue")), trusts=CODE_HOST)
    [finding] = found_in(audited(None, writer))["can-write-secret"]
    assert finding.severity == "info" and "deploys may call secretsmanager:PutSecretValue" in finding.evidence[0]


def test_taking_a_permission_away_leaves_the_others() -> None:
    """The command for a task role that may write leaves what else the statement allows."""
    mixed = policy("mixed", allowing([GET_SECRET_VALUE, "secretsmanager:PutSecretValue"]))
    [finding] = found_in(audited(own=(execution_role(mixed),)))["can-write-secret"]
    [statement] = document_of(finding, "--policy-document")["Statement"]
    assert statement["Action"] == GET_SECRET_VALUE


UPDATES = ["ecs:RegisterTaskDefinition", "ecs:UpdateService"]


@pytest.mark.parametrize(
    ("identity", "severity"),
    [
        (user("alice", RUNS_TASKS), "warning"),
        (role("deploys", RUNS_TASKS, trusts=CODE_HOST), "info"),
        (user("runs", policy("runs", allowing("iam:PassRole", ROLE), allowing("ecs:RunTask", "*"))), "warning"),
        (user("half", policy("half", allowing("iam:PassRole", ROLE), allowing("ecs:UpdateService", "*"))), ""),
        (user("tasks", policy("t", allowing("iam:PassRole", ROLE), allowing(UPDATES, "*"))), "warning"),
        (user("other", policy("o", allowing("iam:PassRole", f"{ROLE}-x"), allowing("ecs:*", "*"))), ""),
    ],
    ids=lambda each: each.name if isinstance(each, Identity) else "",
)
def test_running_a_task_takes_all_that_it_needs(identity: Identity, severity: str) -> None:
    """To pass the role and to run a task, or to register a task definition for a service; what deploys is a remark."""
    found = found_in(audited(None, identity)).get("can-pass-role", [])
    assert [finding.severity for finding in found] == ([severity] if severity else [])
    assert all(is_sentence(finding.remedy.command) is (severity == "info") for finding in found)


def test_an_execution_role_that_may_do_anything_can_be_passed() -> None:
    """An administrator is called one; who may give a task this role is a finding as well."""
    anything = execution_role(policy("all", allowing("*", "*")))
    assert "can-pass-role" in found_in(audited(None, user("alice", RUNS_TASKS), own=(anything,)))


def test_every_role_that_reads_the_secret_can_be_a_tasks() -> None:
    """A container reads with the task's role; one role's permission taken away leaves none of another's."""
    name = TASK_ROLE.rpartition("/")[2]
    own = (execution_role(), role(name, READS))
    passing = [policy(each, allowing("iam:PassRole", arn)) for each, arn in (("a", ROLE), ("b", TASK_ROLE))]
    runs = policy("runs", allowing("ecs:RunTask", "*"))
    assert "can-pass-role" in found_in(audited(None, user("alice", passing[1], runs), own=own))
    assert "can-pass-role" not in found_in(audited(None, user("alice", passing[1], runs)))
    [both] = found_in(audited(None, user("alice", *passing, runs), own=own))["can-pass-role"]
    assert "--policy-name a" in both.remedy.command and "--policy-name b" in both.remedy.command
    for_functions = role(name, READS, trusts={"Service": "lambda.amazonaws.com"})
    own = (execution_role(), for_functions)
    assert "can-pass-role" not in found_in(audited(None, user("alice", passing[1], runs), own=own))


TASKS = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task"
PLACE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster"


def entering(*identities: Identity, **changes: Any) -> Snapshot:
    """Production with ECS Exec enabled, and these identities."""
    return in_production(audited(with_exec(healthy()), *identities, **changes))


SESSIONS = policy("sessions", allowing("ecs:ExecuteCommand", "*"))


@pytest.mark.parametrize(("powers", "id"), [("runs", "can-pass-role"), ("enters", "can-enter-task")])
def test_who_may_assume_a_role_that_gets_the_values_by_a_task_is_named_with_it(powers: str, id: str) -> None:
    """Over another role too, but not who reads without it; where a task's own role is among them, it is an error."""
    deploys = role("deploys", RUNS_TASKS if powers == "runs" else SESSIONS, trusts=ANYBODY_HERE)
    hop = role("hop", policy("hops", allowing("sts:AssumeRole", deploys.arn)), trusts=ANYBODY_HERE)
    hops = policy("hops", allowing("sts:AssumeRole", hop.arn))
    others = (deploys, hop, user("alice", hops), user("bob", hops, READS), user("carol"))
    [finding] = found_in(entering(*others))[id]
    assert finding.severity == "warning"
    assert "So can who may assume deploys: hop, alice." in finding.evidence
    channels = policy("channels", allowing("ssmmessages:*", "*"))
    task_role = role(TASK_ROLE.rpartition("/")[2], channels, hops)
    [finding] = found_in(entering(*others, own=(execution_role(), task_role)))[id]
    assert finding.severity == "error" and finding.subject == "deploys"
    [finding] = found_in(entering(deploys))[id]
    assert not any("So can" in fact for fact in finding.evidence)


def session(resource: Any = "*", condition: Any = None, action: str = "ecs:ExecuteCommand") -> Identity:
    """A user that may begin sessions."""
    return user("alice", policy("p", allowing(action, resource, **({"Condition": condition} if condition else {}))))


@pytest.mark.parametrize(
    ("identity", "is_found"),
    [
        (session(), True),
        (session(f"{TASKS}/{NAMES.cluster}/*"), True),
        (session(f"{TASKS}/another/*"), False),
        (session(f"{PLACE}/{NAMES.cluster}"), False),
        (session(action="ssm:StartSession"), True),
        (session(f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/*", action="ssm:StartSession"), False),
        (session(condition={"StringEquals": {"ecs:container-name": "worker"}}), True),
        (session(condition={"StringEquals": {"ecs:container-name": "envoy"}}), False),
        (session(condition={"ArnEquals": {"ecs:cluster": f"{PLACE}/another"}}), False),
        (session(condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}), True),
        (user("root", EVERYTHING), False),
        (user("alice", policy("p", allowing("ecs:*", "*"), {**allowing("*", f"{TASKS}/*"), "Effect": "Deny"})), False),
        (replace(session(), boundary=policy("b", allowing("s3:*", "*"), kind="boundary")), False),
        (
            role("AWSServiceRoleForX", policy("p", allowing("ecs:*", "*")), path="aws-service-role/x.amazonaws.com/"),
            False,
        ),
    ],
)
def test_who_may_begin_a_session_in_a_task_reads_its_values(identity: Identity, is_found: bool) -> None:
    """By ECS Exec, or by Session Manager without it, in a container of the environment that has the values."""
    assert ("can-enter-task" in found_in(entering(identity))) is is_found
    assert "can-enter-task" not in unknown_in(entering(identity))


def test_without_ecs_exec_no_session_begins() -> None:
    """Where it is off, or the task role does not let the agent answer, the permission gives nothing."""
    assert "can-enter-task" not in found_in(in_production(audited(None, session())))
    without_channels = (execution_role(), role(TASK_ROLE.rpartition("/")[2], policy("s3", allowing("s3:*", "*"))))
    assert "can-enter-task" not in found_in(entering(session(), own=without_channels))
    assert "can-enter-task" not in found_in(entering(session(), own=(execution_role(),)))


def test_a_task_that_has_ecs_exec_keeps_it() -> None:
    """A running task has what was enabled when it started."""
    base = healthy()
    tasks = tuple(replace(each, execute=each.service == "worker") for each in base.tasks)
    [finding] = found_in(in_production(audited(replace(base, tasks=tasks), session())))["can-enter-task"]
    assert finding.services == {"worker"}


def with_containers(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """Change every container."""
    definitions = {
        arn: replace(each, containers=tuple(replace(container, **changes) for container in each.containers))
        for arn, each in snapshot.task_definitions.items()
    }
    return replace(snapshot, task_definitions=definitions)


def test_a_read_only_container_has_no_session_until_its_agent_runs() -> None:
    """The agent needs to write, unless somebody has given it a volume for that."""
    snapshot = with_containers(entering(session()), readonly=True)
    assert "can-enter-task" not in found_in(snapshot)
    for agent in ("RUNNING", "STOPPED"):
        containers = {each.id: (TaskContainer(each.service, None, "", agent),) for each in snapshot.tasks}
        tasks = tuple(replace(each, execute=True, containers=containers[each.id]) for each in snapshot.tasks)
        assert ("can-enter-task" in found_in(replace(snapshot, tasks=tasks))) is (agent == "RUNNING")


def test_a_session_in_a_container_without_values_gives_none() -> None:
    """It does where the task's role reads the secret."""
    snapshot = with_containers(entering(session()), secrets=())
    assert "can-enter-task" not in found_in(snapshot)
    task_role = role(TASK_ROLE.rpartition("/")[2], READS, policy("channels", allowing("ssmmessages:*", "*")))
    reading = with_containers(entering(session(), own=(execution_role(), task_role)), secrets=())
    assert "can-enter-task" in found_in(reading)


def test_a_session_that_cannot_be_judged_is_unknown_and_says_why() -> None:
    """By a task's tags, which nobody read; by the role of an instance; by tasks that could not be read."""
    tagged = session(condition={"StringEquals": {"aws:ResourceTag/team": "core"}})
    assert "Depends on aws:ResourceTag/team" in unknown_in(entering(tagged))["can-enter-task"]
    assert "can-enter-task" not in unknown_in(audited(with_exec(healthy()), tagged))
    snapshot = entering(session())
    definitions = {arn: replace(each, task_role_arn="") for arn, each in snapshot.task_definitions.items()}
    for launch_type in ("EC2", "FARGATE"):
        services = tuple(
            replace(each, launch_type=launch_type, placement=replace(each.placement, subnets=("subnet-1",)))
            for each in snapshot.services
        )
        reason = unknown_in(replace(snapshot, task_definitions=definitions, services=services)).get(
            "can-enter-task", ""
        )
        assert ("the role of the instance" in reason) is (launch_type == "EC2")
    gap = ReadFailure("the tasks", "ecs:DescribeTasks", "AccessDenied", "denied")
    unread = replace(in_production(audited(None, session())), tasks=(), gaps={"tasks": (gap,)})
    assert "the permission ecs:DescribeTasks is missing" in unknown_in(unread)["can-enter-task"]


@pytest.mark.parametrize(
    ("identity", "is_production", "severity"),
    [
        (session(), True, "warning"),
        (session(), False, "info"),
        (role("deploys", policy("p", allowing("ecs:*", "*")), trusts=CODE_HOST), True, "info"),
        (role("contractors", policy("p", allowing("ecs:*", "*")), trusts={"AWS": STRANGER}), False, "warning"),
    ],
)
def test_a_session_is_as_bad_as_who_begins_it(identity: Identity, is_production: bool, severity: str) -> None:
    """A developer's in staging is a remark; its remedy says where it may stay."""
    snapshot = entering(identity) if is_production else audited(with_exec(healthy()), identity)
    [finding] = found_in(snapshot)["can-enter-task"]
    assert (finding.severity, is_sentence(finding.remedy.command)) == (severity, severity == "info")
    assert finding.services == CONSUMERS


def test_the_tables_name_who_may_read_inside_a_task() -> None:
    """With the call and the services; the light counts them."""
    snapshot = entering(session())
    [row] = [row for row in tables.readers(snapshot).rows if row[0] == "alice"]
    assert row[2:4] == ["inside a task", "ecs:ExecuteCommand in backend, worker: p statement 1"]
    assert "1 more principal can read it inside a task" in audit_answers.who_can_read(snapshot)


def test_a_cluster_that_is_missing_is_unknown_to_an_audit_alone() -> None:
    """An audit does not run the check that finds it; other runs skip what needs it."""
    without_cluster = replace(audited(with_exec(healthy())), service_names=None, services=(), tasks=())
    reasons = unknown_in(without_cluster)
    assert {"can-enter-task", "can-pass-role", "wildcard-secret"} <= reasons.keys()
    assert reasons["can-enter-task"].startswith("Cluster ")
    [skipped] = run_check(CHECKS["can-enter-task"], replace(without_cluster, audit=Audit()))
    assert skipped.status == "skipped" and skipped.evidence == (reasons["can-enter-task"],)


def labelled(label: str, **more: Any) -> Identity:
    """A user that may read the version of one label."""
    condition = {"StringEquals": {"secretsmanager:VersionStage": label}}
    return user("alice", policy("p", allowing(GET_SECRET_VALUE, "*", Condition=condition)), **more)


@pytest.mark.parametrize(("label", "is_found"), [("AWSPREVIOUS", True), ("AWSPENDING", False), ("AWSCURRENT", False)])
def test_who_reads_the_previous_version_alone_is_named(label: str, is_found: bool) -> None:
    """Its values may be in force still; a label that no version has gives nothing to read."""
    snapshot = in_production(audited(None, labelled(label)))
    found = [each for each in found_in(snapshot).get("human-may-read", []) if "AWSPREVIOUS" in each.evidence[0]]
    assert [each.severity for each in found] == (["warning"] if is_found else [])
    rows = [row for row in tables.readers(snapshot).rows if row[0] == "alice" and row[2] == "only AWSPREVIOUS"]
    assert bool(rows) is is_found
    assert ("1 more principal can read another version" in audit_answers.who_can_read(snapshot)) is is_found
    assert ("human-may-read" in found_in(snapshot)) is (label != "AWSPENDING")


def test_whether_somebody_reads_the_previous_version_can_be_unknown() -> None:
    """By a condition key that nothing here tells: the units of an organization above the account."""
    keys = {"secretsmanager:VersionStage": "AWSPREVIOUS", "aws:PrincipalOrgPaths": "o-abcdef1234/r-1/"}
    alice = user("alice", policy("p", allowing(GET_SECRET_VALUE, "*", Condition={"StringEquals": keys})))
    snapshot = in_production(audited(None, alice, organization="o-abcdef1234"))
    reason = unknown_in(snapshot)["human-may-read"]
    assert reason.startswith("Whether it may read AWSPREVIOUS: ") and "Depends on aws:PrincipalOrgPaths" in reason


def test_who_reads_the_previous_version_alone_can_still_let_itself_in() -> None:
    """Both are found, and the key has to let that version be decrypted."""
    both = labelled("AWSPREVIOUS")
    both = replace(both, policies=(*both.policies, policy("g", allowing("iam:PutUserPolicy", both.arn))))
    assert {"human-may-read", "can-become-reader"} <= set(found_in(in_production(audited(None, both))))
    sealed = in_production(audited(None, labelled("AWSPREVIOUS"), key=under_key()))
    assert "human-may-read" not in found_in(sealed)


@pytest.mark.parametrize(
    ("grantee", "is_found"),
    [(f"arn:aws:iam::{OTHER}:role/x", True), ("AROADELETED", True), (ROLE, False), ("rds.amazonaws.com", False)],
)
def test_a_stranger_is_who_is_not_of_the_account(grantee: str, is_found: bool) -> None:
    """A grant for a role of the account or a service is no finding."""
    own = (execution_role(READS, policy("key", allowing(DECRYPT, KEY))),)
    snapshot = audited(own=own, key=under_key(KmsGrant(grantee, frozenset({"Decrypt"}), id="1f")))
    assert ("grant-to-stranger" in found_in(snapshot)) is is_found


def test_the_key_is_used_without_the_condition_keys_of_secrets_manager() -> None:
    """A statement on both calls that compares the version's label lets nobody decrypt: KMS gets no such key."""
    condition = {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}
    both = [GET_SECRET_VALUE, DECRYPT]
    for operator, names in (("StringEquals", []), ("StringEqualsIfExists", ["alice"])):
        reads = policy("both", allowing(both, "*", Condition={operator: condition["StringEquals"]}))
        found = found_in(in_production(audited(None, user("alice", reads), key=under_key())))
        assert [each.subject for each in found.get("human-may-read", [])] == names


def test_a_reader_needs_the_key_too() -> None:
    """Under a customer managed key, who may not decrypt does not read, and a grant is enough."""
    reader = user("alice", READS)
    own = (execution_role(READS, policy("key", allowing(DECRYPT, KEY))),)
    refused = in_production(audited(None, reader, own=own, key=under_key()))
    assert "human-may-read" not in found_in(refused)
    granted = in_production(
        audited(None, reader, own=own, key=under_key(KmsGrant(reader.arn, frozenset({"Decrypt"}), id="1f")))
    )
    assert "human-may-read" in found_in(granted)


def test_grants_that_were_not_read_leave_open_only_who_reads_by_one() -> None:
    """They allow and never deny: who may decrypt without is found, and nobody is said to create grants by a grant."""
    decrypts = policy("key", allowing(DECRYPT, KEY))
    own = (execution_role(READS, decrypts), role("tasks", policy("s3", allowing("s3:*", "*"))))
    gap = ReadFailure("the secret's key", "kms:ListGrants", "AccessDenied", "denied")
    key = replace(under_key(), unread=(gap,))
    by_address = allowing(DECRYPT, KEY, Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
    people = (user("alice", READS, decrypts), user("carol", READS, policy("key", by_address)), user("bob", READS))
    snapshot = replace(in_production(audited(None, *people, own=own, key=key)), gaps={"key_grants": (gap,)})
    assert [each.subject for each in found_in(snapshot)["human-may-read"]] == ["alice", "carol"]
    answers = [each for check in CHECKS.values() for each in run_check(check, snapshot) if each.status == "unknown"]
    assert {(each.check, each.subject) for each in answers} == {("human-may-read", "bob"), ("grant-to-stranger", "")}
    assert "Depends on the key's grants." in unknown_in(snapshot)["human-may-read"]


def without_organization(*identities: Identity) -> Snapshot:
    """What a member account's audit reads in production, which may not read the organization's policies."""
    gap = ReadFailure("the organization's policies", "organizations:ListPoliciesForTarget", "AccessDenied", "denied")
    return replace(in_production(audited(None, *identities, levels=None)), gaps={"organization_policies": (gap,)})


def test_policies_of_the_organization_that_were_not_read_could_only_forbid() -> None:
    """Who may by all others is named with that; nothing is unknown, and nobody else is added."""
    snapshot = without_organization(
        user("alice", READS), user("bob"), user("writer", policy("w", allowing("secretsmanager:PutSecretValue")))
    )
    assert unknown_in(snapshot) == {}
    found = found_in(snapshot)
    [finding] = found["human-may-read"]
    assert finding.subject == "alice" and finding.evidence[-1].startswith("Unless a service control policy")
    assert "the permission organizations:ListPoliciesForTarget is missing" in finding.evidence[-1]
    readers = tables.readers(snapshot)
    assert [row[2] for row in readers.rows if row[0] == "alice"] == ["yes"]
    assert not any(row[0] == "bob" for row in readers.rows)
    assert any("organizations:ListPoliciesForTarget" in note for note in readers.notes)


def test_policies_of_the_organization_whose_answer_was_lost_lack_no_permission() -> None:
    """Each sentence on them says why they were not read."""
    writer = policy("w", allowing("secretsmanager:PutSecretValue"))
    lost = "organizations:ListPoliciesForTarget has no answer. Check the network, then run again."
    gap = ReadFailure("the organization's policies", "organizations:ListPoliciesForTarget", lost, "no-answer")
    snapshot = replace(
        without_organization(user("alice", READS), user("writer", writer)), gaps={"organization_policies": (gap,)}
    )
    texts = [each.evidence[-1] for name in ("human-may-read", "can-write-secret") for each in found_in(snapshot)[name]]
    texts += [row[4] for row in tables.readers(snapshot).rows if row[0] == "alice"]
    assert len(texts) == 3
    assert all("Unless a service control" in text and lost in text and "missing" not in text for text in texts)


def test_what_is_clear_stays_clear_without_the_policies_of_the_organization() -> None:
    """They cannot make anybody a reader."""
    snapshot = without_organization(user("bob"))
    assert unknown_in(snapshot) == {} and found_in(snapshot) == {}


def test_a_condition_on_an_organization_that_was_not_read_stays_unknown() -> None:
    """There it decides, whatever the organization's policies forbid."""
    inside = {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}
    person = user("alice", policy("reads", allowing(GET_SECRET_VALUE) | {"Condition": inside}))
    snapshot = without_organization(person)
    assert snapshot.audit.identities
    identities = replace(snapshot.audit.identities, organization=None)
    snapshot = replace(snapshot, audit=replace(snapshot.audit, identities=identities))
    assert "human-may-read" in unknown_in(snapshot)


def test_a_level_of_the_organization_that_allows_nothing_denies() -> None:
    """Each level of SCPs has to allow the call."""
    everything = PolicyDocument(
        "FullAWSAccess", "scp", {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    )
    some = PolicyDocument("some", "scp", {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
    person = user("alice", READS)
    for levels, reads in ((((everything,), (everything,)), True), (((everything,), (some,)), False)):
        found = found_in(in_production(audited(None, person, levels=levels)))
        assert ("human-may-read" in found) is reads


def test_the_tables_name_everybody_with_statement_and_condition() -> None:
    """Readers with kind, statement, condition and last use; writers with what they may; hostile names are text."""
    hostile = "<img src=x onerror=alert(1)>"
    snapshot = audited(
        own_policy(healthy(), {"AWS": STRANGER}),
        user(hostile, READS),
        user("admin", EVERYTHING),
        role("deploys", policy("w", allowing("secretsmanager:*")), trusts=CODE_HOST),
        last_accesses={user(hostile).arn: last_access(None)},
    )
    readers, writers = tables.readers(snapshot), tables.writers(snapshot)
    rows = {row[0]: row for row in readers.rows}
    assert rows[user(hostile).name] == [user(hostile).name, "user", "yes", "reads statement 1", "—", "never"]
    assert rows[STRANGER][1] == "account" and rows["admin"][1] == "administrator"
    assert "<img" not in readers.to_html() and "&lt;img" in readers.to_html()
    assert [row[0] for row in writers.rows] == ["deploys", "admin"] and "DeleteSecret" in writers.rows[0][2]
    # Each note is about a column that its table has.
    assert [any("Last use is" in note for note in each.notes) for each in (readers, writers)] == [True, False]
    assert tables.readers(healthy()).to_text().endswith("The account's identities were not read.")
    # Below it stands that the root user may, too.
    _, text, _, root, *_ = tables.writers(audited(healthy())).to_text().splitlines()
    assert text == "No user and no role that IAM lists." and root.startswith("The account's root user may do")


def test_other_consumers_secrets_are_needed_too() -> None:
    """A role's own further secret, which its task definition names, is kept in the exact policy."""
    other = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:sms-AbCd12"
    snapshot = audited(own=(execution_role(GUIDES),))
    arn = next(arn for arn in snapshot.task_definitions if "worker" in arn)
    definition = snapshot.task_definitions[arn]
    [container] = definition.containers
    added = Injection("SMS", value_from.parse(f"{other}:KEY::"))
    changed = replace(definition, containers=(replace(container, secrets=(*container.secrets, added)),))
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, arn: changed})
    [finding] = found_in(snapshot)["wildcard-secret"]
    [statement] = document_of(finding, "--policy-document")["Statement"]
    assert statement["Resource"] == [PATTERN, f"{other.rpartition('-')[0]}-??????"]


NO_SUBJECTS = ("aud", "amr", "iss", "oaud")
"""Claims that are alike in every token of an issuer."""


@pytest.mark.parametrize(
    ("condition", "issuer", "severity"),
    [
        (None, HOST, "error"),
        ({"StringLike": {f"{HOST}:sub": "repo:*"}}, HOST, "error"),
        ({"StringLike": {f"{HOST}:sub": ["repo:company/*", "*"]}}, HOST, "error"),
        ({"StringLike": {f"{HOST}:sub": "repo:company*"}}, HOST, "error"),
        ({"StringNotEquals": {f"{HOST}:sub": "repo:company/platform"}}, HOST, "error"),
        ({"StringEquals": {"gitlab.com:sub": "project_path:company/platform"}}, HOST, "error"),
        *(({"StringEquals": {f"{HOST}:{claim}": "sts.amazonaws.com"}}, HOST, "error") for claim in NO_SUBJECTS),
        ({"StringLike": {f"{HOST}:sub": "repo:company/*"}}, HOST, ""),
        ({"StringEqualsIgnoreCase": {f"{HOST}:sub": "repo:Company/platform:*"}}, HOST, ""),
        ({"ForAnyValue:StringLike": {f"{HOST.upper()}:SUB": "repo:company/platform:*"}}, HOST, ""),
        ({"StringEquals": {f"{HOST}:repository_owner": "company"}}, HOST, ""),
        ({"StringEquals": {f"{CLUSTER}:aud": "sts.amazonaws.com"}}, CLUSTER, "warning"),
        ({"StringEquals": {f"{CLUSTER}:sub": "system:serviceaccount:app:web"}}, CLUSTER, ""),
        ({"StringEquals": {"cognito-identity.amazonaws.com:aud": "pool"}}, "cognito-identity.amazonaws.com", ""),
    ],
)
def test_a_provider_may_begin_sessions_of_named_subjects(condition: Any, issuer: str, severity: str) -> None:
    """A Condition that spells out whose closes it; one on the audience, or with a wildcard before it, does not."""
    found = found_in(audited(None, federated("pipeline", condition, issuer))).get("federated-any-subject", [])
    assert [each.severity for each in found] == ([severity] if severity else [])
    for each in found:
        assert each.severity == ("error" if issuer == HOST else "warning")
        document = document_of(each, "--policy-document")
        closed = replace(role("pipeline", READS), trust=PolicyDocument("trust", "trust", document))
        assert "federated-any-subject" not in found_in(audited(None, closed)), document


@pytest.mark.parametrize(
    ("issuer", "begins"),
    [
        ("accounts.google.com", "google:1"),
        ("agent.buildkite.com", "organization:comp"),
        ("app.terraform.io", "organization:comp"),
        ("gitlab.com", "project_path:comp"),
        ("graph.facebook.com", "facebook:1"),
        ("oidc.vercel.com", "owner:comp"),
        ("www.amazon.com", "amazon:1"),
    ],
)
def test_a_shared_issuer_has_subjects_of_anybody(issuer: str, begins: str) -> None:
    """Whoever signs up there may choose a name that begins so; a company's own issuer has no strangers."""
    for each, severities in ((issuer, ["error"]), (f"login.company.example/{issuer}", [])):
        pipeline = federated("pipeline", {"StringLike": {f"{each}:sub": f"{begins}*"}}, each)
        found = found_in(audited(None, pipeline)).get("federated-any-subject", [])
        assert [finding.severity for finding in found] == severities


@pytest.mark.parametrize(
    ("denial", "is_open"),
    [
        ({"StringNotLike": {f"{HOST}:sub": "repo:ohmycoins/*"}}, False),
        ({"StringNotEquals": {f"{HOST}:sub": ["repo:ohmycoins/app:ref:refs/heads/main"]}}, False),
        ({"StringNotLikeIfExists": {f"{HOST}:sub": "repo:ohmycoins/*"}}, False),
        ({"ForAllValues:StringNotLike": {f"{HOST}:sub": "repo:ohmycoins/*"}}, False),
        ({"ForAnyValue:StringNotLike": {f"{HOST}:sub": "repo:ohmycoins/*"}}, True),
        ({"StringNotLike": {f"{HOST}:sub": ["repo:ohmycoins/*", "repo:*"]}}, True),
        ({"StringLike": {f"{HOST}:sub": "repo:ohmycoins/*"}}, True),
        ({"StringNotLike": {f"{HOST}:aud": "sts.amazonaws.com"}}, True),
        ({"StringNotLike": {f"{HOST}:sub": "repo:ohmycoins/*", f"{HOST}:actor": "bot"}}, True),
        ({"StringNotLike": {f"{HOST}:sub": "repo:ohmycoins/*"}, "Bool": {"aws:SecureTransport": "false"}}, True),
        ("no Condition", True),
    ],
)
def test_a_trust_policy_that_denies_all_other_subjects_is_limited(denial: Any, is_open: bool) -> None:
    """Only where nothing else is tested: a further test lets others in."""
    pipeline = federated("ci", {"StringEquals": {f"{HOST}:aud": "sts.amazonaws.com"}})
    assert pipeline.trust
    [allowing_all] = pipeline.trust.document["Statement"]
    refusing = {**allowing_all, "Effect": "Deny", "Condition": denial}
    everybody = ({"Action": "sts:*", "Principal": each} for each in ("*", {"AWS": "*"}, {"AWS": ["*"]}))
    for whom in ({}, *everybody):
        trust = pipeline.trust.with_statements([allowing_all, {**refusing, **whom}])
        found = found_in(audited(None, replace(pipeline, trust=trust)))
        assert ("federated-any-subject" in found) is is_open
    elsewhere = {**refusing, "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/gitlab.com"}}
    trust = pipeline.trust.with_statements([allowing_all, elsewhere])
    assert "federated-any-subject" in found_in(audited(None, replace(pipeline, trust=trust)))


def test_a_saml_provider_without_a_subject_is_a_remark_and_identity_center_is_not() -> None:
    """A company's sign-in decides who gets which role; nobody can change the roles of Identity Center."""
    people = federated("people", {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml"}}, "company", True)
    [remark] = found_in(audited(None, people))["federated-any-subject"]
    assert (
        remark.severity == "info" and "by sts:AssumeRoleWithSAML, without a Condition on SAML:sub" in remark.evidence[0]
    )
    own = replace(people, arn=people.arn.replace(":role/", f":role/{SSO}"))
    assert "federated-any-subject" not in found_in(audited(None, own))


def test_an_administrator_that_strangers_may_become_is_found() -> None:
    """Administrators read the secret too."""
    open_to_all = replace(federated("admin"), policies=(EVERYTHING,))
    [finding] = found_in(audited(None, open_to_all))["federated-any-subject"]
    assert finding.severity == "error" and "by sts:AssumeRoleWithWebIdentity, " in finding.evidence[0]


def test_who_lets_itself_in_and_whom_strangers_may_become_is_found() -> None:
    """A provider's strangers read what the role gives itself; a Deny for an administrator gives nothing."""
    grants = policy("grants", allowing("iam:PutRolePolicy", "*"))
    [finding] = found_in(audited(None, replace(federated("ci"), policies=(grants,))))["federated-any-subject"]
    assert "ci may call iam:PutRolePolicy, and so let itself in." in finding.evidence[1]
    denied = replace(federated("admin"), policies=(EVERYTHING, policy("no", DENIES)))
    [finding] = found_in(audited(None, denied))["federated-any-subject"]
    assert "admin may do everything, and so let itself in." in finding.evidence[1]


@pytest.mark.parametrize(
    ("powers", "reach"),
    [
        (RUNS_TASKS, "may call iam:PassRole and ecs:RunTask, and so run a task that has the values."),
        (
            policy("enters", allowing("ecs:ExecuteCommand", "*")),
            "may call ecs:ExecuteCommand, and so read the values inside a task.",
        ),
    ],
)
def test_strangers_who_may_deploy_or_enter_a_task_get_the_values(powers: PolicyDocument, reach: str) -> None:
    """A pipeline's role that a code host's strangers may become is open, though it reads no secret itself."""
    snapshot = audited(with_exec(healthy()), replace(federated("ci"), policies=(powers,)))
    [finding] = found_in(snapshot)["federated-any-subject"]
    assert finding.severity == "error" and finding.evidence[1].endswith(f"ci {reach}")
    of_one = federated("ci", {"StringEquals": {f"{HOST}:sub": "repo:company/platform:ref:refs/heads/main"}})
    narrow = audited(with_exec(healthy()), replace(of_one, policies=(powers,)))
    assert "federated-any-subject" not in found_in(narrow)
    everybody = audited(with_exec(healthy()), role("ci", powers, trusts={"AWS": "*"}))
    assert found_in(everybody)["other-account-reads"][0].severity == "error"


@pytest.mark.parametrize(
    ("identity", "severity"),
    [
        (role("admin", EVERYTHING, trusts={"AWS": STRANGER}), "info"),
        (role("admin", EVERYTHING, trusts={"AWS": "*"}), "error"),
        (role("hop", policy("hop", allowing("sts:AssumeRole", ROLE)), trusts={"AWS": STRANGER}), "warning"),
        (role("eve", policy("iam", allowing("iam:*", "*")), trusts={"AWS": "*"}), "error"),
    ],
    ids=["administrator", "everybody's administrator", "chain", "everybody's own grant"],
)
def test_another_account_may_read_over_a_role_that_is_no_reader(identity: Identity, severity: str) -> None:
    """Whoever may become an administrator, or a role that becomes a reader, may read, too."""
    own = replace(
        execution_role(), trust=policy("t", {"Action": "sts:AssumeRole", "Principal": ANYBODY_HERE}, kind="trust")
    )
    [finding] = found_in(audited(None, identity, own=(own,)))["other-account-reads"]
    assert finding.severity == severity and f"the trust policy of {identity.name}, which may" in finding.evidence[0]
    assert finding.remedy.command.startswith("Leave it if") is (severity == "info")


def test_an_administrator_of_a_whole_organization_is_no_remark() -> None:
    """Its management administers each account; that each account administers the others is meant nowhere."""
    of_all = {"StringEquals": {"aws:PrincipalOrgID": OURS}}
    of_one = {**of_all, "ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:role/*"}}
    for condition, severity in ((of_all, "warning"), (of_one, "info")):
        admin = replace(trusting_anybody(condition), policies=(EVERYTHING,))
        [finding] = found_in(audited(None, admin, organization=OURS))["other-account-reads"]
        assert finding.subject == f"organization {OURS}" and finding.severity == severity


def test_outsiders_behind_a_reader_of_former_values_are_found() -> None:
    """A former version may have values that are still valid, whoever reads it."""
    of_former = policy(
        "former", allowing(GET_SECRET_VALUE, Condition={"StringEquals": {"secretsmanager:VersionStage": "AWSPREVIOUS"}})
    )
    reads = "may read AWSPREVIOUS by former statement 1"
    for trusts, severity in ({"AWS": "*"}, "error"), ({"AWS": STRANGER}, "warning"):
        snapshot = audited(None, role("former", of_former, trusts=trusts))
        [finding] = found_in(snapshot)["other-account-reads"]
        assert finding.severity == severity and f"former, which {reads}, lets" in finding.evidence[0]
        [row] = [row for row in tables.readers(snapshot).rows if row[1] in ("everybody", "account")]
        assert row[2] == "only AWSPREVIOUS"
    [finding] = found_in(audited(None, replace(federated("ci"), policies=(of_former,))))["federated-any-subject"]
    assert finding.evidence[1].endswith(f"ci {reads}.")
    assert found_in(audited(None, role("former", of_former, trusts=ANYBODY_HERE))) == {}


def test_a_row_says_how_outsiders_get_at_the_secret() -> None:
    """Over a role that reads nothing itself, they read nothing at once either."""
    for identity, may_read in (
        (role("ci", RUNS_TASKS, trusts={"AWS": "*"}), "inside a task"),
        (role("admin", EVERYTHING, policy("no", DENIES), trusts={"AWS": STRANGER}), "can let itself in"),
        (role("admin", EVERYTHING, trusts={"AWS": STRANGER}), "yes"),
    ):
        snapshot = audited(None, identity)
        [row] = [row for row in tables.readers(snapshot).rows if row[1] in ("everybody", "account")]
        assert row[2] == may_read and row[3].startswith(f"assuming {identity.name}: ")
        answer = audit_answers.who_can_read(snapshot)
        way = (
            ", and so can" if may_read == "yes" else "; 1 principal from outside the account can get at it another way"
        )
        assert way in answer and ("and so can" in answer) is (may_read == "yes")


OWN = f"arn:aws:iam::{ACCOUNT}"
DENIES = {"Effect": "Deny", "Action": GET_SECRET_VALUE, "Resource": "*"}


def granting(action: str, resource: str, **more: Any) -> Identity:
    """A role that people of another account assume, and that may make one call of IAM."""
    return role("eve", policy("grants", allowing(action, resource, **more)), trusts={"AWS": STRANGER})


GUARDS = {
    "Effect": "Deny",
    "Action": [GET_SECRET_VALUE, "iam:DetachRolePolicy", "iam:CreatePolicyVersion"],
    "Resource": "*",
}


@pytest.mark.parametrize(
    ("identity", "action"),
    [
        (granting("iam:PutRolePolicy", f"{OWN}:role/eve"), "iam:PutRolePolicy"),
        (granting("iam:Put*", "*"), "iam:PutRolePolicy"),
        (granting("iam:AttachRolePolicy", f"{OWN}:role/e*"), "iam:AttachRolePolicy"),
        (granting("iam:UpdateAssumeRolePolicy", ROLE), "iam:UpdateAssumeRolePolicy"),
        (user("eve", policy("g", allowing("iam:PutUserPolicy", f"{OWN}:user/${{aws:username}}"))), "iam:PutUserPolicy"),
        (
            role(
                "eve",
                policy("own", allowing("iam:CreatePolicyVersion", "*"), kind="managed", origin=f"{OWN}:policy/own"),
                trusts={"AWS": STRANGER},
            ),
            "iam:CreatePolicyVersion",
        ),
        (
            user("eve", replace(policy("g", allowing("iam:PutGroupPolicy", "*")), group=f"{OWN}:group/developers")),
            "iam:PutGroupPolicy",
        ),
        (user("eve", policy("g", allowing("iam:AddUserToGroup", "*"))), "iam:AddUserToGroup"),
        # Neither is enough by itself.
        (
            user(
                "eve",
                policy("g", allowing(["iam:PutUserPolicy", "iam:DetachUserPolicy"], "*")),
                policy("no", DENIES, kind="managed", origin=f"{OWN}:policy/no"),
            ),
            "iam:PutUserPolicy and iam:DetachUserPolicy",
        ),
        (granting("secretsmanager:PutResourcePolicy", "*"), "secretsmanager:PutResourcePolicy"),
        (
            user("eve", policy("g", allowing("iam:PutUserPolicy", "*"), DENIES)),
            "iam:PutUserPolicy",
        ),
        (
            user("eve", policy("g", allowing([GET_SECRET_VALUE, "iam:DeleteUserPolicy"], "*")), policy("no", DENIES)),
            "iam:DeleteUserPolicy",
        ),
        (
            user(
                "eve",
                policy("g", allowing([GET_SECRET_VALUE, "iam:DetachUserPolicy"], "*")),
                policy("no", allowing("s3:*", "*"), DENIES, kind="managed", origin=f"{OWN}:policy/no"),
            ),
            "iam:DetachUserPolicy",
        ),
        (
            replace(
                granting("iam:DeleteRolePermissionsBoundary", "*"),
                policies=(policy("g", allowing([GET_SECRET_VALUE, "iam:DeleteRolePermissionsBoundary"], "*")),),
                boundary=policy("limit", allowing("iam:*", "*"), kind="boundary"),
            ),
            "iam:DeleteRolePermissionsBoundary",
        ),
        (
            replace(
                granting("iam:PutRolePolicy", f"{OWN}:role/eve"),
                boundary=policy("limit", allowing(["iam:*", "s3:*"], "*"), kind="boundary"),
            ),
            "iam:PutRolePolicy and iam:DeleteRolePermissionsBoundary",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_can_let_itself_in_is_told_by_which_call(identity: Identity, action: str) -> None:
    """And the remedy takes that call away, so that nothing is found any more."""
    snapshot = audited(None, identity, groups={f"{OWN}:group/readers": (READS,)})
    [finding] = found_in(snapshot)["can-become-reader"]
    assert (finding.subject, finding.severity) == ("eve", "warning") and f"may call {action} by" in finding.evidence[0]
    assert finding.remedy.command.startswith("aws iam ")
    rows = {row[0]: row for row in tables.readers(snapshot).rows}
    assert rows["eve"][2] == tables.BY_ITSELF and action in rows["eve"][3]


@pytest.mark.parametrize("action", ["kms:PutKeyPolicy", "kms:CreateGrant"])
def test_the_keys_policy_and_grants_are_a_way_in(action: str) -> None:
    """For whom the secret's policies let in, and only its key keeps out."""
    may, another = [GET_SECRET_VALUE, action], [GET_SECRET_VALUE, "kms:DescribeKey"]
    people = (user("eve", policy("g", allowing(may, "*"))), user("bob", policy("g", allowing(another, "*"))))
    [finding] = found_in(audited(None, *people, key=under_key()))["can-become-reader"]
    assert finding.subject == "eve" and f"may call {action} by" in finding.evidence[0]


@pytest.mark.parametrize("action", ["iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile"])
def test_a_users_keys_are_a_way_in(action: str) -> None:
    """Who may create an access key or a password for somebody who reads the secret can read it."""
    snapshot = audited(None, user("alice", READS), granting(action, f"{OWN}:user/*"))
    [finding] = found_in(snapshot)["can-become-reader"]
    assert f"may call {action} by" in finding.evidence[0]


def test_another_version_of_its_own_policy_is_a_way_in() -> None:
    """Where one of those that IAM keeps lets it read; the others, and another policy's, give nothing."""
    arn = f"{OWN}:policy/own"
    own = policy("own", allowing("iam:SetDefaultPolicyVersion", "*"), kind="managed", origin=arn)
    former = replace(READS, name="own", kind="managed", origin=arn)
    eve = role("eve", own, trusts={"AWS": STRANGER})
    for versions, is_found in (({arn: (own, former)}, True), ({arn: (own,)}, False), ({f"{arn}-2": (former,)}, False)):
        found = found_in(audited(None, eve, other_versions=versions)).get("can-become-reader", [])
        assert [finding.subject for finding in found] == ["eve"] * is_found
        assert not found or "may call iam:SetDefaultPolicyVersion by" in found[0].evidence[0]


def test_another_identity_provider_is_a_way_in() -> None:
    """Who may give a SAML provider other metadata signs in as every role that trusts it, and as no other."""
    people = federated("people", issuer="company", saml=True)
    for resource, is_found in ((f"{OWN}:saml-provider/company", True), (f"{OWN}:saml-provider/other", False)):
        snapshot = audited(None, people, granting("iam:UpdateSAMLProvider", resource))
        found = found_in(snapshot).get("can-become-reader", [])
        assert [finding.subject for finding in found] == ["eve"] * is_found
        assert not found or "may call iam:UpdateSAMLProvider by" in found[0].evidence[0]
    by_token = federated("pipeline", {"StringLike": {f"{HOST}:sub": "repo:company/*"}})
    eve = granting("iam:UpdateSAMLProvider", "*")
    assert "can-become-reader" not in found_in(audited(None, by_token, eve))


@pytest.mark.parametrize(
    "identity",
    [
        role("eve", EVERYTHING, trusts={"AWS": STRANGER}),
        granting("iam:PutRolePolicy", f"{OWN}:role/another"),
        granting("iam:UpdateAssumeRolePolicy", f"{OWN}:role/another"),
        granting("iam:PutUserPolicy", "*"),
        granting("iam:CreatePolicyVersion", "*"),
        granting("iam:AttachRolePolicy", "*", Condition={"ArnEquals": {"iam:PolicyARN": f"{OWN}:policy/read-only"}}),
        replace(
            granting("iam:PutRolePolicy", f"{OWN}:role/eve"),
            boundary=policy("limit", allowing(["iam:PutRolePolicy", "s3:*"], "*"), kind="boundary"),
        ),
        role(
            "eve",
            policy("g", allowing("iam:PutRolePolicy", "*")),
            policy("guard", GUARDS, kind="managed", origin=f"{OWN}:policy/guard"),
            trusts={"AWS": STRANGER},
        ),
        granting("secretsmanager:PutResourcePolicy", "arn:aws:secretsmanager:*:*:secret:another-*"),
        role("eve", policy("g", allowing("secretsmanager:*", "*"), DENIES), trusts={"AWS": STRANGER}),
        user("eve", policy("g", allowing("iam:AddUserToGroup", f"{OWN}:group/writers"))),
        user(
            "eve",
            policy("g", allowing([GET_SECRET_VALUE, "iam:DetachUserPolicy"], "*")),
            replace(policy("no", DENIES, kind="managed", origin=f"{OWN}:policy/no"), group=f"{OWN}:group/writers"),
        ),
    ],
)
def test_who_cannot_let_itself_in_is_not_named(identity: Identity) -> None:
    """An administrator, somebody who may change others only, and whom a boundary or a deny holds back all the same."""
    groups = {f"{OWN}:group/readers": (READS,), f"{OWN}:group/writers": ()}
    assert "can-become-reader" not in found_in(audited(None, identity, groups=groups))


def test_administrators_of_iam_are_named_once_and_machines_as_a_remark() -> None:
    """Both are usual in an account: neither is a problem."""
    everything = policy("iam", allowing("iam:*", "*"))
    several = [role(f"iam-{number}", everything, trusts={"AWS": STRANGER}) for number in range(3)]
    [finding] = found_in(audited(None, *several))["can-become-reader"]
    assert (finding.subject, finding.severity) == ("administrators of IAM", "info")
    assert "iam-0, iam-1, iam-2 may call iam:*" in finding.evidence[0]
    machine = replace(granting("iam:PutRolePolicy", "*"), trust=federated("x").trust)
    [finding] = found_in(audited(None, machine))["can-become-reader"]
    assert finding.severity == "info"


def test_what_cannot_be_judged_of_it_is_unknown() -> None:
    """A Condition on a tag of a policy, which nobody has read."""
    tagged = {"StringEquals": {"aws:ResourceTag/team": "core"}}
    own = allowing("iam:CreatePolicyVersion", "*", Condition=tagged)
    eve = role("eve", policy("own", own, kind="managed", origin=f"{OWN}:policy/own"), trusts={"AWS": STRANGER})
    assert "aws:ResourceTag/team" in unknown_in(audited(None, eve))["can-become-reader"]


FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:reports"
LAMBDA, EC2, CODEBUILD, GLUE, SAGEMAKER = (
    {"Service": f"{name}.amazonaws.com"} for name in ("lambda", "ec2", "codebuild", "glue", "sagemaker")
)
CLOUDFORMATION, AUTOMATION, STATES = (
    {"Service": f"{name}.amazonaws.com"} for name in ("cloudformation", "ssm", "states")
)
PASSES = allowing("iam:PassRole", f"{OWN}:role/*")


def acting(*statements: Any, trusts: Any = None) -> Identity:
    """A role of another account's people, which may do this."""
    return role("eve", policy("g", *statements), trusts=trusts or {"AWS": STRANGER})


@pytest.mark.parametrize(
    ("reader", "functions", "statements", "action"),
    [
        (
            role("reports", READS, trusts=LAMBDA),
            {},
            (PASSES, allowing(["lambda:CreateFunction", "lambda:InvokeFunction"], "*")),
            "iam:PassRole and lambda:CreateFunction",
        ),
        (
            role("reports", READS, trusts=LAMBDA),
            {FUNCTION: f"{OWN}:role/reports"},
            (allowing("lambda:UpdateFunctionCode", f"{FUNCTION[:-7]}*"),),
            "lambda:UpdateFunctionCode",
        ),
        (
            role("reports", READS, trusts=EC2, has_profile=True),
            {},
            (PASSES, allowing("ec2:RunInstances", "*")),
            "iam:PassRole and ec2:RunInstances",
        ),
        (
            role("reports", READS, trusts=EC2),
            {},
            (PASSES, allowing(["ec2:RunInstances", "iam:AddRoleToInstanceProfile"], "*")),
            "iam:PassRole and ec2:RunInstances",
        ),
        (
            role("reports", READS, trusts=CODEBUILD),
            {},
            (PASSES, allowing(["codebuild:CreateProject", "codebuild:StartBuild"], "*")),
            "iam:PassRole and codebuild:CreateProject",
        ),
        (
            role("reports", READS, trusts=GLUE),
            {},
            (PASSES, allowing(["glue:CreateSession", "glue:RunStatement"], "*")),
            "iam:PassRole and glue:CreateSession",
        ),
        (
            role("reports", READS, trusts=SAGEMAKER),
            {},
            (PASSES, allowing("sagemaker:CreateTrainingJob", f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/a*")),
            "iam:PassRole and sagemaker:CreateTrainingJob",
        ),
        (
            role("reports", READS, trusts=LAMBDA),
            {},
            (PASSES, allowing(["lambda:UpdateFunctionConfiguration", "lambda:InvokeFunction"], "*")),
            "iam:PassRole and lambda:UpdateFunctionConfiguration",
        ),
        (
            role("reports", READS, trusts=LAMBDA),
            {FUNCTION: f"{OWN}:role/reports"},
            (allowing("lambda:UpdateFunctionConfiguration", FUNCTION),),
            "lambda:UpdateFunctionConfiguration",
        ),
        (
            role("reports", READS, trusts=CODEBUILD),
            {},
            (PASSES, allowing("codebuild:StartBuild", f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/tests")),
            "iam:PassRole and codebuild:StartBuild",
        ),
        (
            role("reports", READS, trusts=CODEBUILD),
            {},
            (PASSES, allowing("codebuild:StartBuildBatch", "*")),
            "iam:PassRole and codebuild:StartBuildBatch",
        ),
        (
            role("reports", READS, trusts=GLUE),
            {},
            (PASSES, allowing(["glue:UpdateJob", "glue:StartJobRun"], "*")),
            "iam:PassRole and glue:UpdateJob",
        ),
        (
            role("deploys", EVERYTHING, trusts=CLOUDFORMATION),
            {},
            (
                PASSES,
                allowing("cloudformation:CreateStack", f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/dev-*/*"),
            ),
            "iam:PassRole and cloudformation:CreateStack",
        ),
        (
            role("deploys", EVERYTHING, trusts=CLOUDFORMATION),
            {},
            (PASSES, allowing("cloudformation:UpdateStack", "*")),
            "iam:PassRole and cloudformation:UpdateStack",
        ),
        (
            role("deploys", EVERYTHING, trusts=CLOUDFORMATION),
            {},
            (PASSES, allowing(["cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"], "*")),
            "iam:PassRole and cloudformation:CreateChangeSet",
        ),
        (
            role("reports", READS, trusts=AUTOMATION),
            {},
            (PASSES, allowing(["ssm:CreateDocument", "ssm:StartAutomationExecution"], "*")),
            "iam:PassRole and ssm:CreateDocument",
        ),
        (
            role("reports", READS, trusts=STATES),
            {},
            (PASSES, allowing(["states:CreateStateMachine", "states:StartExecution"], "*")),
            "iam:PassRole and states:CreateStateMachine",
        ),
        (
            role("reports", READS, trusts=STATES),
            {},
            (PASSES, allowing(["states:UpdateStateMachine", "states:StartSyncExecution"], "*")),
            "iam:PassRole and states:UpdateStateMachine",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_lets_a_service_read_for_it_can_let_itself_in(
    reader: Identity, functions: dict[str, str], statements: tuple[Any, ...], action: str
) -> None:
    """By a function, an instance or a job with a role that reads; without the calls that the remedy takes away, not."""
    snapshot = audited(None, reader, acting(*statements), functions=functions)
    [finding] = found_in(snapshot)["can-become-reader"]
    assert (finding.subject, finding.severity) == ("eve", "warning")
    assert f"may call {action} by g statement 1" in finding.evidence[0]
    others = [each for each in statements if action.partition(" and ")[0] not in each["Action"]]
    remaining = document_of(finding, "--policy-document")["Statement"] if others else []
    assert remaining == [{"Effect": "Allow", **each} for each in others]
    assert others or "delete-role-policy" in finding.remedy.command
    assert "can-become-reader" not in found_in(audited(None, reader, acting(*others), functions=functions))


@pytest.mark.parametrize(
    ("reader", "functions", "statements"),
    [
        (role("reports", READS), {}, (PASSES, allowing("lambda:*", "*"))),
        (role("reports", READS, trusts=LAMBDA), {}, (PASSES, allowing("lambda:CreateFunction", "*"))),
        (
            role("reports", READS, trusts=LAMBDA),
            {},
            (
                allowing("iam:PassRole", "*", Condition={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}),
                allowing("lambda:*", "*"),
            ),
        ),
        (role("reports", READS, trusts=LAMBDA), {FUNCTION: f"{OWN}:role/other"}, (allowing("lambda:Update*", "*"),)),
        (
            role("reports", READS, trusts=LAMBDA),
            {FUNCTION: f"{OWN}:role/reports"},
            (allowing("lambda:UpdateFunctionCode", f"{FUNCTION}-of-others"),),
        ),
        (role("reports", READS, trusts=CODEBUILD), {}, (PASSES, allowing("codebuild:CreateProject", "*"))),
        (role("reports", READS, trusts=GLUE), {}, (PASSES, allowing(["glue:CreateJob", "glue:RunStatement"], "*"))),
        (role("reports", READS, trusts=GLUE), {}, (PASSES, allowing("codebuild:*", "*"))),
        (
            role("deploys", EVERYTHING, trusts=CLOUDFORMATION),
            {},
            (PASSES, allowing("cloudformation:CreateChangeSet", "*")),
        ),
        (role("deploys", EVERYTHING, trusts=CLOUDFORMATION), {}, (allowing("cloudformation:*", "*"),)),
        (role("reports", READS, trusts=AUTOMATION), {}, (PASSES, allowing("ssm:StartAutomationExecution", "*"))),
        (role("reports", READS, trusts=STATES), {}, (PASSES, allowing("states:CreateStateMachine", "*"))),
        (role("reports", READS, trusts=EC2), {}, (PASSES, allowing("ec2:RunInstances", "*"))),
        (
            role("reports", READS, trusts=EC2, has_profile=True),
            {},
            (PASSES, allowing("ec2:RunInstances", f"arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/subnet-1")),
        ),
    ],
)
def test_a_service_that_cannot_read_for_somebody_is_no_way_in(
    reader: Identity, functions: dict[str, str], statements: tuple[Any, ...]
) -> None:
    """The role trusts another service, nothing would run the function, or it is passed to another service alone."""
    assert "can-become-reader" not in found_in(audited(None, reader, acting(*statements), functions=functions))


def test_a_condition_on_letting_it_run_counts() -> None:
    """What may be created may not be let run."""
    condition = {"StringEquals": {"aws:RequestTag/team": "core"}}
    statements = (allowing("codebuild:CreateProject", "*"), allowing("codebuild:StartBuild", "*", Condition=condition))
    snapshot = audited(None, role("reports", READS, trusts=CODEBUILD), acting(PASSES, *statements))
    [finding] = found_in(snapshot)["can-become-reader"]
    assert finding.evidence[-1].endswith("Depends on aws:RequestTag/team.")


def test_both_ways_to_change_a_function_are_taken_away_at_once() -> None:
    """Without the one, the other would still be a way in."""
    reader, functions = role("reports", READS, trusts=LAMBDA), {FUNCTION: f"{OWN}:role/reports"}
    [finding] = found_in(audited(None, reader, acting(allowing("lambda:*", FUNCTION)), functions=functions))[
        "can-become-reader"
    ]
    assert "may call lambda:UpdateFunctionCode, lambda:UpdateFunctionConfiguration by" in finding.evidence[0]
    assert "delete-role-policy" in finding.remedy.command


def test_functions_that_could_not_be_read_leave_it_unknown() -> None:
    """Somebody may write code for a function, whose role nobody knows."""
    gap = ReadFailure("the functions of Lambda", "lambda:ListFunctions", "AccessDenied", "denied")
    snapshot = audited(None, role("reports", READS, trusts=LAMBDA), acting(allowing("lambda:UpdateFunctionCode", "*")))
    unread = unknown_in(replace(snapshot, gaps={"functions": (gap,)}))
    assert "lambda:ListFunctions" in unread["can-become-reader"]


def test_who_may_assume_a_role_that_lets_itself_in_can_do_so_too() -> None:
    """The remedy takes the first step away; the role that does it is named for itself."""
    hop = allowing("sts:AssumeRole", f"{OWN}:role/eve")
    eve = acting(PASSES, allowing("iam:PutRolePolicy", f"{OWN}:role/eve"), trusts={"AWS": f"{OWN}:root"})
    found = found_in(audited(None, eve, user("bob", policy("hop", hop))))["can-become-reader"]
    by = {finding.subject: finding for finding in found}
    assert set(by) == {"eve", "bob"}
    assert "bob may assume eve, by hop statement 1" in by["bob"].evidence[0]
    assert "eve may call iam:PutRolePolicy" in by["bob"].evidence[1]
    assert "delete-user-policy --user-name bob --policy-name hop" in by["bob"].remedy.command
    rows = {row[0]: row for row in tables.readers(audited(None, eve, user("bob", policy("hop", hop)))).rows}
    assert rows["bob"][2:4] == [tables.BY_ITSELF, "assuming eve: hop statement 1"]


def test_who_may_assume_a_role_of_administrators_is_a_remark() -> None:
    """Administrators sign in like that; a role of the tasks that may is an error."""
    root = {"AWS": f"{OWN}:root"}
    administrators = role("admin", EVERYTHING, trusts=root)
    hop = policy("hop", allowing("sts:AssumeRole", f"{OWN}:role/admin"))
    [finding] = found_in(audited(None, administrators, user("bob", hop)))["can-become-reader"]
    assert (finding.subject, finding.severity) == ("administrators of IAM", "info")
    assert "bob may assume admin" in finding.evidence[0]
    task_role = role(TASK_ROLE.rpartition("/")[2], hop)
    [finding] = found_in(audited(None, administrators, own=(execution_role(), task_role)))["can-become-reader"]
    assert (finding.subject, finding.severity) == (task_role.name, "error")
    assert "admin may do everything" in finding.evidence[1]


PERIMETER = policy(
    "perimeter",
    {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["secretsmanager:*", "sts:AssumeRole"],
        "Resource": "*",
        "Condition": {
            "StringNotEqualsIfExists": {"aws:PrincipalOrgID": OURS},
            "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
        },
    },
    kind="rcp",
)


def within(snapshot: Snapshot, *controls: PolicyDocument) -> Snapshot:
    """The same in an organization with these resource control policies."""
    assert snapshot.audit.identities
    identities = replace(snapshot.audit.identities, organization=OURS, resource_controls=controls)
    return replace(snapshot, audit=replace(snapshot.audit, identities=identities))


def test_a_resource_control_policy_keeps_strangers_out() -> None:
    """What a policy of the secret or a role lets in, it denies to everybody outside the organization."""
    opened = audited(
        own_policy(healthy(), "*"), role("partners", READS, trusts={"AWS": STRANGER}), federated("pipeline")
    )
    assert {"readable-by-all", "other-account-reads"} <= {*found_in(within(opened))}
    assert not {"readable-by-all", "other-account-reads"} & {*found_in(within(opened, PERIMETER))}
    assert tables.readers(within(opened, PERIMETER)).rows[0][:3] == [ROLE_NAME, "role", "yes"]
    subject = {"StringNotLikeIfExists": {f"{HOST}:sub": "repo:company/*"}}
    tokens = {"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRoleWithWebIdentity", "Resource": "*"}
    company = policy("tokens", {**tokens, "Condition": subject}, kind="rcp")
    assert "federated-any-subject" in found_in(within(opened, PERIMETER))
    assert "federated-any-subject" not in found_in(within(opened, company))
    plain = policy("tls", {**tokens, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, kind="rcp")
    assert "federated-any-subject" in found_in(within(opened, plain))


@pytest.mark.parametrize(("quantifier", "is_open"), [("ForAnyValue", True), ("ForAllValues", False)])
def test_a_named_account_may_be_in_no_organization(quantifier: str, is_open: bool) -> None:
    """A Deny by ForAnyValue leaves out whoever has no path at all, wherever the account is named."""
    [(_, statement)] = PERIMETER.statements
    others = {f"{quantifier}:StringNotLike": {"aws:PrincipalOrgPaths": f"{OURS}/*"}}
    perimeter = PERIMETER.with_statements([{**statement, "Condition": others}])
    opened = audited(own_policy(healthy(), {"AWS": STRANGER}), role("partners", READS, trusts={"AWS": STRANGER}))
    assert len(found_in(within(opened, perimeter)).get("other-account-reads", [])) == 2 * is_open
    for condition in (
        {"StringEquals": {"aws:PrincipalAccount": OTHER}},
        {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{OTHER}:role/ci*"}},
    ):
        opened = audited(own_policy(healthy(), "*", Condition=condition), trusting_anybody(condition))
        assert len(found_in(within(opened, perimeter)).get("other-account-reads", [])) == 2 * is_open


def test_a_resource_control_policy_denies_identities_too() -> None:
    """Of the account itself, but not a role that an AWS service made for itself."""
    deny = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    unless = {"Condition": {"ArnNotEquals": {"aws:PrincipalArn": ROLE}}}
    snapshot = audited(None, user("alice", READS), role("own", READS, path="aws-service-role/x.amazonaws.com/"))
    only = within(snapshot, policy("only-tasks", {**deny, **unless}, kind="rcp"))
    names = [each.identity.name for each in secret_access.of(only).readers]
    assert names == [ROLE_NAME, "own"]


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (LastAccess(NOW, {"GetSecretValue": None}), "reports never tried GetSecretValue, as far as IAM remembers"),
        (LastAccess(None, {}), "reports never called Secrets Manager, as far as IAM remembers"),
        (LastAccess(NOW - timedelta(days=200), {}), "reports last called Secrets Manager on 2025-08-13"),
        (LastAccess(NOW - timedelta(days=2), {}), ""),
    ],
)
def test_of_an_action_that_iam_does_not_track_it_knows_the_service_alone(report: LastAccess, sentence: str) -> None:
    """The last use is what IAM reports: of GetSecretValue where it has that, else of any call."""
    snapshot = audited(None, role("reports", READS), last_accesses={role("reports").arn: report})
    found = found_in(snapshot).get("unused-reader", [])
    assert [sentence in each.evidence[0] for each in found] == ([True] if sentence else [])


def test_who_reads_other_secrets_alone_does_not_use_this_permission() -> None:
    """IAM reports on any secret; CloudTrail has each read of this one, where it has all of 90 days."""
    did = audit_accesses.audited(healthy()).audit
    assert did and did.accesses

    def with_calls(cut: dict[str, datetime], *more: Access) -> Snapshot:
        snapshot = audited(None, role("mailer", READS))
        assert did.accesses
        calls = tuple(sorted((*did.accesses.calls, *more), key=lambda each: each.time, reverse=True))
        return replace(snapshot, audit=replace(snapshot.audit, accesses=replace(did.accesses, calls=calls, cut=cut)))

    [finding] = found_in(with_calls({}))["unused-reader"]
    assert finding.subject == "mailer"
    assert finding.evidence[0].startswith("CloudTrail has no read of this secret by mailer since 2025-12-01. By IAM it")
    read = audit_accesses.call(50, role("mailer").arn)
    assert "unused-reader" not in found_in(with_calls({}, read))
    assert "unused-reader" not in found_in(with_calls({"GetSecretValue": NOW - timedelta(days=9)}))
    rows = {row[0]: row[-1] for row in tables.readers(with_calls({}, read)).rows}
    assert rows["mailer"] == f"{read.time:%Y-%m-%d}"
