"""Checks of other secrets and of SSM parameters in the same task definitions."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, cast
from unittest.mock import Mock

import pytest
from support.check_assertions import assert_clear, by_id, found_by, unknown_by
from support.faults import deployment as deployment_faults
from support.faults.other_sources import (
    ARN,
    DENIED_STOP,
    FAILED,
    FAULTS,
    KEY_REFERENCE,
    LACKING_STOP,
    PARAMETER,
    failing,
    refer,
    secret,
)
from support.networks import PRIVATE, SERVICE, TASKS, VPC, by_endpoint, with_endpoint
from support.snapshots import (
    ACCOUNT,
    DEPLOYED,
    NOW,
    REGION,
    ROLE,
    ROLE_NAME,
    by_policies,
    healthy,
    policy,
    service,
    simulated,
    stopped,
    with_container,
    with_permissions,
    with_service,
    with_text,
)

from omc_runbook.aws.definitions import Container, Injection
from omc_runbook.aws.ecs import PROXY, Placement
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import Replica
from omc_runbook.aws.session import Clients
from omc_runbook.aws.ssm import Parameter
from omc_runbook.checks import access, other_sources, startup
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.stopped_tasks import Stop, is_about_other
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model.findings import with_remedies_of_causes
from omc_runbook.model.value_from import parse
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.other_references import Reading, references_of
from omc_runbook.snapshot.other_sources import OtherSource
from omc_runbook.snapshot.roles import GET_SECRET_VALUE
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(other_sources))
found_in = partial(found_by, checks_of(other_sources, access, startup))
unknown_in = partial(unknown_by, CHECKS.values())


@pytest.mark.parametrize("id", CHECKS)
@pytest.mark.parametrize("value_from", [KEY_REFERENCE, ARN, PARAMETER, f"{ARN}:token:AWSCURRENT:{'0' * 32}"])
def test_another_source_with_which_nothing_is_wrong_is_clear(id: str, value_from: str) -> None:
    """Another secret, one of its keys, also of the version that has the label, and a parameter."""
    assert_clear(CHECKS[id], refer(healthy(), value_from))


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_is_not_taken_for_another(id: str) -> None:
    """Of these checks, those of access and those of starts, one alone speaks of one fault."""
    assert found_in(FAULTS[id].make(healthy())) - {"pull-failed"} == {id}


@pytest.mark.parametrize(
    ("changes", "sentence", "remedy"),
    [
        ({"deleted": NOW}, "has DeletedDate", "aws secretsmanager restore-secret --secret-id payments --region "),
        ({"stages": {"0" * 32: ("AWSPENDING",)}}, "no version of payments has the label AWSCURRENT", ""),
    ],
)
def test_a_secret_that_nobody_can_read(changes: dict[str, Any], sentence: str, remedy: str) -> None:
    """One that is scheduled for deletion, or has no current version, is as good as missing."""
    snapshot = refer(healthy(), secret=secret(**changes))
    [found] = run_check(CHECKS["other-secret-missing"], snapshot)
    assert found.subject == "payments" and sentence in found.evidence[0]
    assert found.remedy.command.startswith(remedy)


@pytest.mark.parametrize(("decision", "expected"), [("allowed", set()), ("implicitDeny", {"other-secret-denied"})])
def test_the_login_to_a_volume_is_read_too(decision: str, expected: set[str]) -> None:
    """By the execution role, as the login to a registry is."""

    def mount(old: Container) -> Container:
        *others, token = old.secrets
        return replace(old, secrets=tuple(others), login_secrets=(replace(token, variable="volumes share"),))

    snapshot = with_container(refer(healthy(), ARN, decision), "worker", mount)
    assert found_in(snapshot) == expected and unknown_in(snapshot) == set()
    for found in run_check(CHECKS["other-secret-denied"], snapshot):
        assert found.status == "clear" or "volumes share of ohmycoins-staging-worker:7 worker" in " ".join(
            found.evidence
        )


def test_a_name_that_is_nearly_the_secrets_own() -> None:
    """A reference with a letter wrong shows which secret was probably meant."""
    misspelt = ARN.replace("payments", "ohmycoins-stagign-app-secrets")
    [found] = run_check(CHECKS["other-secret-missing"], refer(healthy(), f"{misspelt}:KEY::", secret=None))
    assert "did you mean ohmycoins-staging-app-secrets?" in found.evidence[0]
    assert found.remedy.command.startswith("If ohmycoins-staging-app-secrets is meant, write arn:aws:secretsmanager:")
    [other] = run_check(CHECKS["other-secret-missing"], refer(healthy(), secret=None))
    assert other.remedy.command.startswith("Create the secret, or correct the reference to OTHER_TOKEN")


def test_a_refusal_is_of_the_secret_that_it_names() -> None:
    """A task's message about another secret is no evidence against the environment's own, whose policy is in doubt."""
    doubtful = {"Effect": "Deny", "Action": "*", "Resource": "*", "Principal": "*", "Condition": {"Bool": {"a:b": "x"}}}
    own = PolicyDocument("the secret's resource policy", "resource", {"Statement": [doubtful]})
    snapshot = failing(refer(replace(healthy(), resource_policy=own)), DENIED_STOP)
    assert found_in(snapshot) == {"other-secret-denied", "pull-failed"}
    [found] = [finding for finding in diagnose(snapshot) if finding.is_root_cause and finding.status == "found"]
    assert found.check == "other-secret-denied" and found.cause_of == ("pull-failed", "rollout-stuck")


BY_KMS = "(Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException; Request ID: 12-34)"
KEY_BASE = f"arn:aws:kms:{REGION}:{ACCOUNT}:key"
UNDER_KEY = f"{KEY_BASE}/11112222-3333-4444-5555-666677778888"
FROM_SSM = FAILED.replace("retrieve secret from asm", "retrieve secrets from ssm")
KEY_REFUSED_STOP = (
    f"{FROM_SSM}api error AccessDeniedException: The ciphertext refers to a customer master key that does not exist, "
    f"does not exist in this region, or you are not allowed to access. {BY_KMS}"
)
SECRETS_KEY_STOP = (
    f"{FAILED}failed to fetch secret {ARN} from secrets manager: api error AccessDeniedException: Access to KMS is not "
    "allowed"
)
DISABLED_STOP = f"{FROM_SSM}api error InvalidKeyId: {UNDER_KEY} is disabled. (Service: AWSKMS)"


@pytest.mark.parametrize(
    ("id", "value_from", "source", "stop", "advice"),
    [
        (
            "parameter-denied",
            PARAMETER,
            {"parameter": Parameter(PARAMETER, None, UNDER_KEY)},
            KEY_REFUSED_STOP,
            f'"Resource":"{UNDER_KEY}","Condition":{{"StringEquals":{{"kms:ViaService":"ssm.{REGION}.amazonaws.com"}}}}',
        ),
        (
            "parameter-denied",
            PARAMETER,
            {"parameter": Parameter(PARAMETER, None, "alias/sender")},
            KEY_REFUSED_STOP,
            f'"Resource":"{KEY_BASE}/*","Condition":{{"StringEquals":{{"kms:ViaService":"ssm.{REGION}.amazonaws.com"}},'
            '"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/sender"}}',
        ),
        (
            "other-secret-denied",
            KEY_REFERENCE,
            {"secret": secret(kms_key_id=UNDER_KEY)},
            SECRETS_KEY_STOP,
            f'"kms:ViaService":"secretsmanager.{REGION}.amazonaws.com"',
        ),
        (
            "parameter-denied",
            PARAMETER,
            {"parameter": Parameter(PARAMETER, None, UNDER_KEY)},
            DISABLED_STOP,
            f"aws kms enable-key --key-id {UNDER_KEY} --region {REGION} && aws ecs update-service",
        ),
        (
            "parameter-denied",
            PARAMETER,
            {"parameter": Parameter(PARAMETER, None, "alias/sender")},
            DISABLED_STOP,
            'aws kms enable-key --key-id "$(aws kms describe-key --key-id alias/sender --query KeyMetadata.KeyId '
            f'--output text --region {REGION})" --region {REGION} && aws ecs update-service',
        ),
    ],
)
def test_a_key_that_a_task_could_not_use_is_named(
    id: str, value_from: str, source: dict[str, Any], stop: str, advice: str
) -> None:
    """A task's message about a key counts for what is encrypted with one, and the advice names that key."""
    snapshot = failing(refer(healthy(), value_from, **source), stop)
    assert found_in(snapshot) == {id, "pull-failed"}
    [found] = run_check(CHECKS[id], snapshot)
    assert found.remedy and advice in found.remedy.command


def test_a_key_that_no_task_has_used_is_a_doubt() -> None:
    """What a customer key encrypts is clear where a running task was given it, and unknown where none was."""
    sealed = refer(healthy(), PARAMETER, parameter=Parameter(PARAMETER, None, UNDER_KEY))
    assert_clear(CHECKS["parameter-denied"], sealed)
    [answer] = run_check(CHECKS["parameter-denied"], replace(sealed, tasks=()))
    assert answer.status == "unknown" and UNDER_KEY in answer.evidence[0]
    assert_clear(CHECKS["parameter-denied"], replace(refer(healthy(), PARAMETER), tasks=()))


def test_a_parameter_under_the_key_of_aws_needs_no_other() -> None:
    """A message about a key is not about a parameter that the key of Parameter Store encrypts."""
    managed = refer(healthy(), PARAMETER, parameter=Parameter(PARAMETER, None, "alias/aws/ssm"))
    assert_clear(CHECKS["parameter-denied"], failing(managed, KEY_REFUSED_STOP))


def test_a_missing_key_is_of_the_secret_that_lacks_it() -> None:
    """Where the other secret was not read, the key counts as missing there if no reference to the own one names it."""
    assert found_in(failing(refer(healthy()), LACKING_STOP)) == {"other-secret-key", "pull-failed"}
    own = LACKING_STOP.replace("token", "OPENAI_API_KEY")
    assert found_in(failing(refer(healthy()), own)) == {"pull-failed"}
    # Where the environment's own secret has no keys, it may be meant too.
    assert found_in(failing(with_text(refer(healthy()), "none"), LACKING_STOP)) == {"pull-failed"}
    has_it = refer(healthy(), keys=frozenset({"token"}))
    assert found_in(failing(has_it, LACKING_STOP)) == {"pull-failed"}
    no_object = failing(refer(healthy(), keys=frozenset()), LACKING_STOP.replace("did not contain json key token", "x"))
    assert found_in(no_object) == {"pull-failed"}


def test_the_roles_policies_decide_where_nobody_simulates() -> None:
    """By its policies a role may read one secret and not another; one that could not be read is unknown."""
    base = with_permissions(healthy(), by_policies(policy(resource=ARN)))
    allowed = refer(base)
    permissions = allowed.permissions[ROLE]
    allowed = with_permissions(allowed, replace(permissions, simulated=()))
    assert "other-secret-denied" not in found_in(allowed)
    other = with_permissions(allowed, replace(permissions, simulated=(), policies=(policy(resource=f"{ARN}x"),)))
    assert "other-secret-denied" in found_in(other)
    refused = ReadFailure(f"role {ROLE_NAME}", "iam:ListRolePolicies", "AccessDenied", "denied")
    blind = with_permissions(allowed, replace(permissions, simulated=(), policies=None, unread=(refused,)))
    assert "other-secret-denied" in unknown_in(blind)


@pytest.mark.parametrize(
    ("effect", "decision", "reads"),
    [("Allow", "implicitDeny", True), ("Deny", "allowed", False), ("Allow", "explicitDeny", False)],
)
def test_a_secrets_own_policy_has_a_say(effect: str, decision: str, reads: bool) -> None:
    """It allows what the role's policies do not, unless they deny it, and denies what they allow."""
    own = policy(effect, kind="resource", Principal={"AWS": ROLE})
    snapshot = refer(healthy(), decision=decision, policy=own)
    assert found_in(snapshot) == (set() if reads else {"other-secret-denied"})


def test_another_secrets_policy_of_denials_alone_is_deleted() -> None:
    """Without a statement it would be no policy to put."""
    deny = policy("Deny", kind="resource", Principal={"AWS": ROLE})
    other = {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": {"AWS": ROLE}}
    for more, is_alone in (((), True), ((other,), False)):
        own = deny.with_statements((*(each for _, each in deny.statements), *more))
        [found] = run_check(CHECKS["other-secret-denied"], refer(healthy(), decision="allowed", policy=own))
        assert found.remedy.command.startswith("Write the policy without that statement to policy.json")
        assert ("or delete it with `aws secretsmanager delete-resource-policy" in found.remedy.command) is is_alone


@pytest.mark.parametrize(
    ("boundary", "principal", "reads"),
    [("ecs:*", ROLE, False), ("ecs:*", "*", True), ("secretsmanager:*", ROLE, True)],
)
@pytest.mark.parametrize("own", [GET_SECRET_VALUE, "s3:*"])
def test_a_boundary_limits_what_another_secrets_policy_grants(
    own: str, boundary: str, principal: str, reads: bool
) -> None:
    """A grant to the role's ARN does not pass its boundary; one to everybody does, which includes the session."""
    grant = policy(kind="resource", Principal={"AWS": principal})
    bounded = by_policies(policy(action=own), boundary=policy(action=boundary, kind="boundary"))
    snapshot = with_permissions(refer(healthy(), policy=grant), bounded)
    answers = run_check(CHECKS["other-secret-denied"], snapshot)
    assert [answer.status for answer in answers] == ["clear" if reads else "found"]
    assert reads or "in the role's permissions boundary." in answers[0].remedy.command + answers[0].remedy.needs
    named = ("permissions boundary secrets-policy does not allow", "is secrets-policy.")
    assert reads or any(words in fact for fact in answers[0].evidence for words in named)


def test_another_secrets_policy_outdoes_no_deny_of_a_boundary() -> None:
    """Whomever it names."""
    grant, fence = policy(kind="resource", Principal="*"), policy("Deny", kind="boundary")
    snapshot = with_permissions(refer(healthy(), policy=grant), by_policies(policy(), boundary=fence))
    [found] = run_check(CHECKS["other-secret-denied"], snapshot)
    assert found.remedy.command == "Remove the deny from secrets-policy statement 1, the role's permissions boundary."


@pytest.mark.parametrize(
    ("decision", "effect", "status"),
    [
        ("allowed", "Deny", "unknown"),
        ("implicitDeny", "Deny", "found"),
        ("allowed", "Allow", "clear"),
        ("implicitDeny", "Allow", "unknown"),
    ],
)
def test_a_statement_of_another_secret_that_nobody_can_decide(decision: str, effect: str, status: str) -> None:
    """It counts where it may change what the role's own policies decide."""
    doubtful = policy(effect, kind="resource", Principal={"AWS": ROLE}, Condition={"Bool": {"a:b": "x"}})
    [answer] = run_check(CHECKS["other-secret-denied"], refer(healthy(), decision=decision, policy=doubtful))
    assert answer.status == status
    assert status != "unknown" or answer.evidence[0].startswith("GetResourcePolicy: ")


@pytest.mark.parametrize("organization", [False, None])
def test_the_organizations_no_to_another_source(organization: bool | None) -> None:
    """No grant of this account helps against it, and none is printed; a boundary that is not there is no cause."""
    snapshot = refer(with_permissions(healthy(), simulated("allowed", policies=(policy(),))), decision="implicitDeny")
    permissions = snapshot.permissions[ROLE]
    own, last = permissions.simulated[:-1], replace(permissions.simulated[-1], allowed_by_organization=organization)
    [found] = run_check(
        CHECKS["other-secret-denied"], with_permissions(snapshot, replace(permissions, simulated=(*own, last)))
    )
    assert ("AllowedByOrganizations is false" in found.evidence[0]) == (organization is False)
    assert found.remedy.command.startswith("Ask the" if organization is False else "aws iam put-role-policy")


@pytest.mark.parametrize(("account", "is_read"), [(ACCOUNT, False), ("210987654321", True)])
def test_the_organizations_no_is_certain_only_where_it_is_known(account: str, is_read: bool) -> None:
    """A policy may ask for the organization of the caller, or of the source; a task's message is certain."""
    arn = ARN.replace(ACCOUNT, account)
    snapshot = refer(with_permissions(healthy(), simulated("allowed")), f"{arn}:token::", decision="explicitDeny")
    permissions = snapshot.permissions[ROLE]
    own, last = permissions.simulated[:-1], replace(permissions.simulated[-1], allowed_by_organization=False)
    gap = ReadFailure("the account's organization", "organizations:DescribeOrganization", "AccessDenied", "denied")
    permissions = replace(permissions, simulated=(*own, last), unread=() if is_read else (gap,))
    [answer] = run_check(CHECKS["other-secret-denied"], with_permissions(snapshot, permissions))
    assert answer.status == "unknown"
    assert (f"account {account} is of" if is_read else "DescribeOrganization is missing") in answer.evidence[0]
    stop = DENIED_STOP.replace(ARN, arn).replace("a resource-based policy", "a service control policy")
    [found] = run_check(CHECKS["other-secret-denied"], failing(with_permissions(snapshot, permissions), stop))
    assert found.status == "found" and found.remedy.command.startswith("Ask the organization's administrator")


def test_what_could_not_be_read_is_unknown() -> None:
    """A denied DescribeSecret leaves every check of other sources without an answer, and none with a false one."""
    refused = ReadFailure(f"secret {ARN}", "secretsmanager:DescribeSecret", "AccessDeniedException", "denied")
    snapshot = replace(refer(healthy()), other_sources={}, gaps={"other_sources": (refused,)})
    assert unknown_in(snapshot) == set(CHECKS) and found_in(snapshot) == set()


def test_a_pinned_version_does_not_follow() -> None:
    """A reference to a certain version keeps its value, whatever is rotated."""
    pinned = refer(healthy(), f"{ARN}:token::{'0' * 32}", changed=NOW)
    assert_clear(CHECKS["other-secret-rotated"], pinned)


@pytest.mark.parametrize(
    ("value_from", "changed_keys", "status"),
    [
        (KEY_REFERENCE, None, "found"),
        (KEY_REFERENCE, frozenset({"token"}), "found"),
        (KEY_REFERENCE, frozenset({"password"}), "clear"),
        (ARN, frozenset({"password"}), "found"),
    ],
)
def test_only_what_is_read_of_it_counts(value_from: str, changed_keys: frozenset[str] | None, status: str) -> None:
    """A rotation of another key than the tasks read leaves them as they should be."""
    snapshot = refer(healthy(), value_from, changed=NOW - timedelta(hours=2), changed_keys=changed_keys)
    [answer] = run_check(CHECKS["other-secret-rotated"], snapshot)
    assert answer.status == status


@pytest.mark.parametrize(
    "value_from",
    ["/aws/reference/secretsmanager/payments", f"arn:aws:ssm:{REGION}:210987654321:parameter/payments/sender"],
)
def test_a_parameter_that_nobody_here_lists(value_from: str) -> None:
    """AWS's own names and another account's are unknown, unless a running task was given their value."""
    snapshot = replace(refer(healthy(), value_from), other_sources={})
    assert_clear(CHECKS["parameter-missing"], snapshot)
    [answer] = run_check(CHECKS["parameter-missing"], replace(snapshot, tasks=()))
    assert answer.status == "unknown" and value_from in answer.evidence[0]


DENYING = {
    "identity": ({"decision": "explicitDeny"}, "Remove the deny from"),
    "nothing": ({"decision": "implicitDeny"}, "aws iam put-role-policy"),
    "the secret": (
        {"policy": policy("Deny", kind="resource", Principal={"AWS": ROLE})},
        "Write the policy without that statement to policy.json, then put it with"
        " `aws secretsmanager put-resource-policy --secret-id payments",
    ),
}


@pytest.mark.parametrize("case", DENYING)
def test_a_remedy_is_for_what_denies(case: str) -> None:
    """A grant helps only where nothing allows; a Deny has to go where it stands."""
    source, way = DENYING[case]
    [found] = run_check(CHECKS["other-secret-denied"], refer(healthy(), **source))
    assert found.remedy.command.startswith(way)


def test_the_policy_of_a_replica_is_changed_at_its_primary_secret() -> None:
    """AWS refuses to put one here; in us-east-1 it is replicated from."""
    source, _ = DENYING["the secret"]
    [found] = run_check(
        CHECKS["other-secret-denied"], refer(healthy(), secret=secret(primary=Replica("us-east-1", "")), **source)
    )
    regions = re.findall(r"resource-policy --secret-id payments.*? --region (\S+?)`", found.remedy.command)
    assert regions == ["us-east-1"] * 2
    assert found.remedy.needs.startswith("payments is a replica of the secret in us-east-1: AWS changes that one alone")


def test_tasks_are_started_where_a_role_has_been_let_in_since() -> None:
    """What a task lacked by its message is allowed by now: no policy is at fault, and no next task has shown it."""
    lacking = "because no identity-based policy allows the secretsmanager:GetSecretValue action"
    stop = DENIED_STOP.replace("with an explicit deny in a resource-based policy", lacking)
    [found] = run_check(CHECKS["other-secret-denied"], failing(refer(healthy()), stop))
    assert found.remedy.command.startswith("aws ecs update-service")


def test_each_grant_is_a_policy_of_its_own() -> None:
    """The commands for two sources, one after the other, leave both permissions."""
    first = run_check(CHECKS["other-secret-denied"], refer(healthy(), decision="implicitDeny"))
    second = run_check(CHECKS["parameter-denied"], refer(healthy(), PARAMETER, decision="implicitDeny"))
    names = {re.search(r"--policy-name (\S+)", found.remedy.command)[1] for [found] in (first, second)}  # type: ignore[index]
    assert names == {"read-payments", "read-ohmycoins-staging-sender"}


def test_a_key_that_kms_refuses_is_named() -> None:
    """Where KMS refused the role, the remedy is for the key that encrypts the other secret."""
    key = "arn:aws:kms:ap-southeast-2:123456789012:key/1"
    stop = f"{DENIED_STOP.partition('AccessDenied')[0]}AccessDeniedException: Access to KMS is not allowed"
    snapshot = failing(refer(healthy(), secret=secret(kms_key_id=key)), stop)
    [found] = run_check(CHECKS["other-secret-denied"], snapshot)
    assert "kms:Decrypt" in found.remedy.command and key in found.remedy.command


@pytest.mark.parametrize(
    ("fields", "reason", "fact"),
    [
        (f"AWSCURRENT:{'1' * 32}", "You provided a VersionStage that is not", "does not have the label AWSCURRENT"),
        (f":{'1' * 32}", f"can't find the specified secret value for VersionId: {'1' * 32}", "has no version 1111"),
    ],
)
def test_a_version_that_cannot_be_read(fields: str, reason: str, fact: str) -> None:
    """A reference that pins another secret keeps tasks from starting once the version, or its label, is gone."""
    pinned = refer(healthy(), f"{ARN}:token:{fields}", secret=secret())
    snapshot = failing(pinned, f"ResourceInitializationError: unable to pull secrets or registry auth: {reason}")
    [found] = run_check(CHECKS["other-secret-missing"], snapshot)
    assert fact in found.evidence[0] and "Take the version id out" in found.remedy.command


@pytest.mark.parametrize("suffix", [":7", ":stable"])
def test_a_parameters_version_that_does_not_exist(suffix: str) -> None:
    """The parameter is there, and a task's message tells that its version or label is not."""
    reason = f"{FAILED}ParameterNotFound: invalid ssm parameters: {PARAMETER}{suffix}"
    snapshot = failing(refer(healthy(), f"{PARAMETER}{suffix}", parameter=Parameter(PARAMETER, None)), reason)
    [found] = run_check(CHECKS["parameter-missing"], snapshot)
    assert found.subject == PARAMETER and f"says that {suffix[1:]} of it does not" in found.evidence[0]


def test_what_does_not_exist_is_not_denied_as_well() -> None:
    """A role that may not read a secret of a misspelt name lacks nothing."""
    misspelt = ARN.replace("payments", "OHMYCOINS-staging-app-secrets")
    snapshot = refer(healthy(), f"{misspelt}:KEY::", secret=None, decision="implicitDeny")
    assert found_in(snapshot) == {"other-secret-missing"}
    [found] = run_check(CHECKS["other-secret-missing"], snapshot)
    assert "did you mean ohmycoins-staging-app-secrets?" in found.evidence[0]


def test_a_parameter_of_another_region_that_tasks_do_not_find() -> None:
    """DescribeParameters does not show it, and the tasks' message proves that it is not there."""
    elsewhere = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/sender"
    unseen = replace(refer(healthy(), elsewhere), other_sources={})
    snapshot = failing(unseen, f"{FAILED}ParameterNotFound: invalid ssm parameters: /sender")
    [found] = run_check(CHECKS["parameter-missing"], snapshot)
    assert (found.status, found.services) == ("found", {"worker"})
    assert found_in(snapshot) == {"parameter-missing", "pull-failed"}


def test_what_another_account_has_to_do_is_told() -> None:
    """No policy of this account lets a role read another account's secret."""
    foreign = ARN.replace(ACCOUNT, "210987654321")
    stop = DENIED_STOP.replace(ARN, foreign).replace("with an explicit deny in a", "because no")
    snapshot = failing(refer(healthy(), f"{foreign}:token::"), stop)
    [found] = run_check(CHECKS["other-secret-denied"], snapshot)
    assert found.remedy.command.startswith(f"In account 210987654321, allow {ROLE} secretsmanager:GetSecretValue")
    parameter = f"arn:aws:ssm:{REGION}:210987654321:parameter/sender"
    [denied] = run_check(CHECKS["parameter-denied"], refer(healthy(), parameter, decision="implicitDeny"))
    assert "put-role-policy" in denied.remedy.command and "In account 210987654321, share" in denied.remedy.needs


@pytest.mark.parametrize(
    "name", ["//ohmycoins/sender", "/ohmycoins/sender ", " /ohmycoins/sender", "/ohmycoins/ / sender"]
)
def test_a_parameter_of_an_impossible_name_cannot_be_created(name: str) -> None:
    """The remedy is the reference with one slash, or without the white space."""
    start = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
    [found] = run_check(CHECKS["parameter-missing"], refer(healthy(), f"{start}{name}", parameter=None))
    assert found.remedy.command.startswith(f"Write {start}/ohmycoins/sender into the reference to OTHER_TOKEN")


def test_a_label_that_no_version_has_is_taken_out_of_the_reference() -> None:
    """Nobody should have to give a version the label AWSCURENT; a secret without a value needs one."""
    [found] = run_check(CHECKS["other-secret-missing"], refer(healthy(), f"{ARN}:token:AWSCURENT:"))
    assert found.remedy.command.startswith("Take the label AWSCURENT out of the reference to OTHER_TOKEN")
    [empty] = run_check(CHECKS["other-secret-missing"], refer(healthy(), secret=secret(stages={})))
    assert "`aws secretsmanager put-secret-value --secret-id payments" in empty.remedy.command


def test_the_nearest_key_of_another_secret_is_named() -> None:
    """Names of keys are no secrets."""
    snapshot = failing(refer(healthy(), keys=frozenset({"Token"})), LACKING_STOP)
    [found] = run_check(CHECKS["other-secret-key"], snapshot)
    assert found.evidence[0] == "GetSecretValue: payments has no key token: did you mean Token?"


@pytest.mark.parametrize(
    ("value_from", "keys", "is_found"),
    [
        (KEY_REFERENCE, frozenset({"other"}), True),
        (KEY_REFERENCE, frozenset({"token"}), False),
        (KEY_REFERENCE, None, False),
        (f"{ARN}:token:AWSPREVIOUS:", frozenset({"other"}), False),
    ],
)
def test_a_key_that_was_read_to_be_missing_needs_no_task_that_says_so(
    value_from: str, keys: frozenset[str] | None, is_found: bool
) -> None:
    """Another fault may stop tasks before they come to it; what was read is the current version alone."""
    snapshot = failing(refer(healthy(), value_from, keys=keys), DENIED_STOP.replace(ARN, f"{ARN}x"))
    assert ("other-secret-key" in found_in(snapshot)) == is_found


def test_a_missing_key_of_another_secret_is_told_once() -> None:
    """Where a task says so, a service that refers to it as well, and has not failed of it, is no second finding."""
    lone = deployment_faults.run_alone(FAULTS["other-secret-key"].make(healthy()))
    [found] = [each for each in run_check(CHECKS["other-secret-key"], lone) if each.status == "found"]
    assert found.services == {"worker"}


@pytest.mark.parametrize(
    ("is_object", "lacking"), [(True, "has no key token, nor any other."), (False, "is not a JSON object.")]
)
def test_another_secret_without_keys_is_empty_or_no_object(is_object: bool, lacking: str) -> None:
    """Only of {} is it true that a key is to be added."""
    snapshot = failing(refer(healthy(), keys=frozenset(), is_object=is_object), LACKING_STOP)
    [found] = run_check(CHECKS["other-secret-key"], snapshot)
    assert found.evidence[0] == f"GetSecretValue: payments {lacking}"
    assert found.remedy.command.startswith("Add token to payments" if is_object else "Take token out of the reference")


@pytest.mark.parametrize("source", [{"keys": {"other"}}, {"keys": (), "is_object": False, "is_binary": True}])
def test_what_the_current_version_has_is_not_told_of_another(source: dict[str, Any]) -> None:
    """A reference to a version by its id gets that one's value, whatever is put."""
    value_from = f"{ARN}:token::{'1' * 32}"
    [found] = run_check(CHECKS["other-secret-key"], failing(refer(healthy(), value_from, **source), LACKING_STOP))
    assert (found.status, found.subject) == ("found", "payments token")
    assert not any(fact.startswith("GetSecretValue") for fact in found.evidence)
    assert found.remedy.command.startswith("Let the reference to OTHER_TOKEN name a version of payments that has token")


@pytest.mark.parametrize(
    ("value", "why", "way"),
    [
        (
            b'{"token": "t"}',
            ": its current version has a SecretBinary and no SecretString.",
            "Put the value of payments",
        ),
        (
            '\ufeff{"token": "t"}',
            ": the text at line 1, column 1 has a byte order mark before its JSON: put the JSON without it.",
            "Take token out",
        ),
        ("123-plain-text", ".", "Take token out"),
    ],
)
def test_why_another_secret_has_no_keys_is_told(value: str | bytes, why: str, way: str) -> None:
    """Its keys may be there to see, in bytes or behind a byte order mark; where a plain text ends to be JSON is not."""
    snapshot, version = failing(refer(healthy()), LACKING_STOP), "0" * 32
    member = {"SecretString": value} if isinstance(value, str) else {"SecretBinary": value}
    described = {
        "ARN": ARN,
        "Name": "payments",
        "CreatedDate": DEPLOYED,
        "VersionIdsToStages": {version: ["AWSCURRENT"]},
    }
    client = Mock()
    client.describe_secret.return_value = described
    client.get_secret_value.return_value = {"ARN": ARN, "Name": "payments", "VersionId": version, **member}
    client.get_resource_policy.return_value = {"ARN": ARN, "Name": "payments"}
    with ThreadPoolExecutor(1) as pool:
        gatherer = Gatherer(pool, cast(Clients, lambda *_: client), snapshot.environment, snapshot.caller)
        sources = Reading(gatherer, snapshot).finish(())
    [found] = run_check(CHECKS["other-secret-key"], replace(snapshot, other_sources=sources))
    assert found.evidence[0] == f"GetSecretValue: payments is not a JSON object{why}"
    assert found.remedy.command.startswith(way)


@pytest.mark.parametrize(
    ("id", "changes"),
    [("other-secret-denied", {"decision": "implicitDeny"}), ("other-secret-missing", {"secret": None})],
)
def test_another_environments_secret_is_no_other_secret_to_be_let_in(id: str, changes: dict[str, Any]) -> None:
    """The reference is what is wrong: no role is let read that secret, and none of its name is created."""
    reference = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ohmycoins-production-app-secrets-Xy12Zz:token::"
    findings = with_remedies_of_causes(diagnose(refer(healthy(), reference, **changes)))
    assert [each.check for each in findings if each.is_root_cause] == ["other-environment"]
    [cause, effect] = [each for each in findings if each.is_problem]
    assert (effect.check, effect.because_of, effect.remedy) == (id, ("other-environment",), cause.remedy)
    # Another secret that the service may not read either stays a cause of its own.
    other = parse(KEY_REFERENCE)
    both = with_container(
        refer(healthy(), reference, **changes),
        "worker",
        lambda old: replace(old, secrets=(*old.secrets, Injection("FURTHER", other))),
    )
    missing = OtherSource(reference=other, arn=other.secret_arn)
    both = replace(both, other_sources={**both.other_sources, other.source: missing})
    roots = {(each.check, each.subject) for each in diagnose(both) if each.is_root_cause}
    assert roots == {
        ("other-environment", "ohmycoins-staging-worker:7 worker OTHER_TOKEN"),
        ("other-secret-missing", "payments-Xy12Zz"),
    }


@pytest.mark.parametrize("name", ["app", "staging", "ohmycoins-staging", "error"])
def test_a_name_within_another_name_is_not_meant(name: str) -> None:
    """A refusal of the environment's own secret is no evidence against a parameter whose name is a piece of it."""
    reason = DENIED_STOP.replace("payments-Xy12Zz", "ohmycoins-staging-app-secrets-AbC123")
    reason = reason.replace("an explicit deny in a resource-based policy", "an error of staging")
    named = refer(healthy(), name, parameter=Parameter(name, None))
    assert found_in(failing(named, reason)) == {"pull-failed"}
    refused = f"{FROM_SSM}AccessDeniedException: not authorized to perform: ssm:GetParameters on resource: "
    assert found_in(failing(named, f"{refused}arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name}.")) == {
        "parameter-denied",
        "pull-failed",
    }


@pytest.mark.parametrize("other", ["payments", "payments-Xy12Zz-old"])
def test_a_secret_within_another_ones_name_is_not_meant(other: str) -> None:
    """A task's message names one secret, and not those whose ARNs begin or go on alike."""
    reason = DENIED_STOP.replace("payments-Xy12Zz", other)
    assert found_in(failing(refer(healthy()), reason)) == {"pull-failed"}


def test_what_a_service_connect_proxy_needs_counts_too() -> None:
    """The service has its reference, and no task definition: it is read, missed, and a stop is about it."""
    needed = parse(f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:logs-Ab12Cd:token::")
    snapshot = with_service(healthy(), "worker", proxy_secrets=(Injection("logConfiguration token", needed),))
    assert [*references_of(snapshot)] == [needed]
    own = Injection("logConfiguration token", parse(f"{snapshot.secret_arn}:token::"))
    assert [*references_of(with_service(snapshot, "worker", proxy_secrets=(own,)))] == []
    absent = OtherSource(reference=needed, arn=needed.secret_arn)
    [found] = run_check(CHECKS["other-secret-missing"], replace(snapshot, other_sources={needed.source: absent}))
    assert found.evidence[1].startswith("DescribeServices: logConfiguration token of ") and PROXY in found.evidence[1]
    refused = stopped("worker", f"failed to fetch secret {needed.secret_arn}: api error ResourceNotFoundException", NOW)
    assert is_about_other(snapshot, Stop(service("worker"), refused)) is False
    [worker] = [each for each in snapshot.services if each.name == "worker"]
    assert is_about_other(snapshot, Stop(worker, refused))


def test_a_policy_that_was_not_read_may_let_the_role_in() -> None:
    """Where the role's own policies say nothing; a task that was refused is evidence nevertheless."""
    why = "Could not read the resource policy of payments: AccessDeniedException."
    snapshot = refer(healthy(), decision="implicitDeny", policy_unread=why)
    [unknown] = run_check(CHECKS["other-secret-denied"], snapshot)
    assert (unknown.status, unknown.evidence) == ("unknown", (why,))
    for known in (refer(healthy(), decision="explicitDeny", policy_unread=why), failing(snapshot, DENIED_STOP)):
        [found] = run_check(CHECKS["other-secret-denied"], known)
        assert found.status == "found"


def moved_to_proxy(snapshot: Snapshot) -> Snapshot:
    """Let the log of the worker's Service Connect proxy need what a variable of the worker refers to."""
    [container] = snapshot.containers(service("worker"))
    *own, other = container.secrets
    edited = with_container(snapshot, "worker", lambda old: replace(old, secrets=tuple(own)))
    return with_service(edited, "worker", proxy_secrets=(other,))


def test_a_running_task_shows_that_its_proxy_was_given_its_secret() -> None:
    """A key that encrypts it leaves no doubt then, and a newer value of it is missed."""
    snapshot = moved_to_proxy(refer(healthy(), secret=secret(kms_key_id=UNDER_KEY)))
    for id in CHECKS:
        assert_clear(CHECKS[id], snapshot)
    elsewhere = f"arn:aws:ssm:eu-west-1:{ACCOUNT}:parameter/sender"
    assert_clear(CHECKS["parameter-missing"], replace(moved_to_proxy(refer(healthy(), elsewhere)), other_sources={}))
    rotated = moved_to_proxy(FAULTS["other-secret-rotated"].make(healthy()))
    [found] = run_check(CHECKS["other-secret-rotated"], rotated)
    assert found.services == {"worker"} and "They read token" in found.evidence[1]


@pytest.mark.parametrize("value_from", [KEY_REFERENCE, PARAMETER])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("aws:RequestedRegion", REGION),
        ("aws:ResourceAccount", ACCOUNT),
        ("aws:ResourceOrgID", "o-1"),
        ("aws:SourceVpc", VPC),
    ],
)
def test_a_call_for_another_source_has_the_keys_of_one_for_the_secret(value_from: str, key: str, value: str) -> None:
    """A perimeter of a region, an account, an organization and a network is decided for both: it is in each policy."""
    endpoint = {"id": "vpce-2", "service": SERVICE.replace("secretsmanager", "ssm")}
    for inside, status in ((value, "clear"), ("another", "found")):
        perimeter = policy("Deny", "*", Condition={"StringNotEqualsIfExists": {key: inside}})
        own = by_policies(policy(action=[GET_SECRET_VALUE, "ssm:GetParameters"]), perimeter)
        snapshot = with_permissions(refer(healthy(), value_from), own)
        for name in ("backend", "worker"):
            snapshot = with_service(snapshot, name, placement=Placement((PRIVATE,), (TASKS,)))
        snapshot = replace(snapshot, network=with_endpoint(by_endpoint(), **endpoint), organization="o-1")
        id = "other-secret-denied" if value_from == KEY_REFERENCE else "parameter-denied"
        assert [answer.status for answer in run_check(CHECKS[id], snapshot)] == [status]
