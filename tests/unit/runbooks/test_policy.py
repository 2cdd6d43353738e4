"""What keeping records in S3 and notifying SNS topics add to a policy, and one for who cannot sign in yet."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.snapshots import healthy, with_service

from omc_runbook.aws import calls
from omc_runbook.aws.calls import TookTooLong
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.model.environment import Environment, load
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.time_limits import LOOK_SECONDS
from omc_runbook.report.archive import bucket
from omc_runbook.runbooks import init, policy
from omc_runbook.runbooks.policy import (
    LeastPolicy,
    PrincipalPolicy,
    actions_of,
    least_policy,
    with_notifications,
    with_records,
)
from omc_runbook.snapshot import permissions
from omc_runbook.snapshot.environments import Environments

TOPICS = ("arn:aws-cn:sns:cn-north-1:123456789012:platform", "arn:aws-cn:sns:cn-north-1:123456789012:unread")
NOTHING = json.dumps({"Version": "2012-10-17", "Statement": []})
ROLE = PrincipalPolicy("arn:aws-cn:iam::210987654321:role/reader", NOTHING)
CALLER = PrincipalPolicy("arn:aws-cn:iam::123456789012:user/scheduler", NOTHING)


def _statements(policy: PrincipalPolicy) -> dict[str, list[str]]:
    """The resources of each action."""
    statements: list[dict[str, Any]] = json.loads(policy.document)["Statement"]
    return {action: each["Resource"] for each in statements for action in each["Action"]}


@pytest.mark.parametrize("key", ["", "1234abcd-12ab-34cd-56ef-1234567890ab", "alias/records"])
def test_a_place_in_s3_is_in_the_partition_of_the_caller(key: str) -> None:
    """As in China, where an ARN of another partition is not valid."""
    folder = bucket.parse("s3://some-bucket/records", lambda: None, key)
    role, caller = with_records(LeastPolicy((ROLE, CALLER), ()), folder, remembers=True).policies
    resources = {each for own in _statements(caller).values() for each in own}
    assert role == ROLE and "arn:aws-cn:s3:::some-bucket/records/*" in resources
    assert all(each.startswith("arn:aws-cn:") for each in resources)


def test_whom_a_run_notifies_the_caller_may_publish_to() -> None:
    """And not the role that is assumed to look."""
    least = with_notifications(LeastPolicy((ROLE, CALLER), ("A note.",)), TOPICS)
    role, caller = least.policies
    assert role == ROLE and _statements(caller) == {"sns:Publish": [*TOPICS]}
    assert least.notes[0] == "A note." and "kms: GenerateDataKey" in least.notes[1]


def test_who_notifies_no_topic_needs_nothing_more() -> None:
    """IAM does not control other receivers."""
    least = LeastPolicy((CALLER,), ())
    assert with_notifications(least, ()) is least


@pytest.mark.parametrize("runbook", ["audit", "fleet", "index", "troubleshoot", "verify"])
def test_who_looks_at_roles_sometimes_has_to_know_the_organization(runbook: str) -> None:
    """A policy may ask for it, and the simulation of a role gets it where the organization denies."""
    actions = actions_of(runbook)
    assert "DescribeOrganization" in " ".join((*actions.plan, *actions.sometimes))


def test_a_policy_is_that_of_one_environment() -> None:
    """Also for a runbook that looks at several: the error says to run the command once for each."""
    with pytest.raises(UsageError, match=r"one environment: run it once for each of staging, production\."):
        least_policy("audit", "staging, production")
    with pytest.raises(UsageError, match="The local environment needs no policy"):
        least_policy("troubleshoot", "local")


def without_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be signed in, so that a policy is made of names."""

    def identify(clients: Clients, environment: Environment) -> Caller:
        raise CouldNotLook("No AWS credentials were found.")

    monkeypatch.setattr("omc_runbook.runbooks.policy.identify", identify)


@pytest.mark.parametrize("command", ["init", "policy"])
def test_time_for_an_mfa_code_does_not_count_when_one_signs_in(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read afterwards has all the time there is, and no more."""
    seconds, over = [0.0], list[bool]()
    monkeypatch.setattr(calls, "time", SimpleNamespace(monotonic=lambda: seconds[0]))

    def spend(prompt: str) -> str:
        seconds[0] += LOOK_SECONDS + 1
        return prompt

    def identify(clients: Clients, environment: Environment) -> Caller:
        with clients.calls.time.counted():
            clients.calls.time.uncounted(spend)("code")
        return Caller("123456789012", "arn")

    def read(clients: Clients, *_: object) -> None:
        with clients.calls.time.counted():
            for _again in range(2):
                try:
                    clients.calls.time.check()
                    over.append(False)
                except TookTooLong:
                    over.append(True)
                spend("")
        raise CouldNotLook("AWS does not answer.")

    for module, name, act in ((init, "discover", read), (policy, "take", read)):
        monkeypatch.setattr(module, "identify", identify)
        monkeypatch.setattr(module, name, act)
    if command == "init":
        assert "AWS does not answer." in init._ask(load("staging"), "ap-southeast-2").why_not
    else:
        assert least_policy("verify", "staging").unread == "AWS does not answer."
    assert over == [False, True]


ROLE_TABLE = '[environments.staging]\nrole_arn = "arn:aws-cn:iam::210987654321:role/{environment}"\n'


@pytest.mark.parametrize(
    ("text", "account", "principals"),
    [
        ("", "arn:aws:secretsmanager:ap-southeast-2:*", ["arn:aws:iam::*:root"]),
        (
            'account_id = "123456789012"\nregion = "cn-north-1"\n',
            "arn:aws-cn:secretsmanager:cn-north-1:123456789012",
            ...,
        ),
        (
            ROLE_TABLE,
            "arn:aws-cn:secretsmanager:ap-southeast-2:210987654321",
            ["arn:aws-cn:iam::210987654321:role/staging", "the caller"],
        ),
    ],
)
def test_who_cannot_sign_in_yet_gets_a_policy_of_names(
    text: str, account: str, principals: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To ask for access with: it says what is not exact, and that nothing was read."""

    without_sign_in(monkeypatch)
    (tmp_path / "runbook.toml").write_text(text)
    least = least_policy("verify", "staging", str(tmp_path / "runbook.toml"))
    assert least.unread == "No AWS credentials were found." and "Based on names from" in least.notes[0]
    assert principals is ... or [each.principal for each in least.policies] == principals
    found = _statements(least.policies[0])
    assert found["secretsmanager:GetSecretValue"] == [f"{account}:secret:ohmycoins-staging-app-secrets-??????"]
    assert {*found} == {*actions_of("verify").plan}
    assert all("account" in note or note.startswith("Sometimes also") for note in least.notes)
    writes = _statements(least_policy("add_key", "staging", str(tmp_path / "runbook.toml"), True).policies[0])
    assert not any("*" in writes[action] for action in ("iam:PassRole", "ecs:RegisterTaskDefinition"))
    plans = _statements(least_policy("add_key", "staging", str(tmp_path / "runbook.toml"), False).policies[0])
    assert {*plans} == {*actions_of("add_key").plan}
    folder = bucket.parse("s3://some-bucket/records", lambda: None)
    assert with_records(least, folder).unread == least.unread


DISCOVERY = '[discovery]\nsecrets = "{project}-*-app-secrets"\n[environments.staging]\n'


@pytest.mark.parametrize(
    ("text", "runbook", "environment", "searches"),
    [
        (DISCOVERY, "verify", "staging", [False]),
        (DISCOVERY, "verify", "qa", [True]),
        (DISCOVERY, "fleet", "staging", [True]),
        ("", "fleet", "staging", [False]),
        (f'role_arn = "arn:aws:iam::210987654321:role/reader"\n{DISCOVERY}', "fleet", "staging", [True, False]),
        (f'role_arn = "arn:aws:iam::210987654321:role/{{environment}}"\n{DISCOVERY}', "rotate", "qa", [False, True]),
        (f'role_arn = "arn:aws:iam::210987654321:role/{{environment}}"\n{DISCOVERY}', "fleet", "qa", [False, True]),
        (f'role_arn = "arn:aws:iam::210987654321:role/{{environment}}"\n{DISCOVERY}', "fleet", "staging", [True, True]),
        (f'role_arn = "arn:aws:iam::210987654321:role/reader"\n{DISCOVERY}', "rotate", "qa", [True, False]),
        (f'role_arn = "arn:aws:iam::210987654321:role/{{environment}}"\n{DISCOVERY}', "create", "qa", [True, True]),
    ],
)
def test_who_has_to_search_for_an_environment_may_list_secrets(
    text: str, runbook: str, environment: str, searches: list[bool], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As whoever searches: a role of its own for each environment searches no account for another."""
    without_sign_in(monkeypatch)
    path = tmp_path / "runbook.toml"
    path.write_text(text)
    found = load(environment, str(path), may_be_new=True)
    monkeypatch.setattr("omc_runbook.runbooks.policy.find_environment", lambda *_: found)
    monkeypatch.setattr("omc_runbook.runbooks.policy.find_several", lambda *_: Environments((found,)))
    least = least_policy(runbook, environment, str(path))
    assert [_statements(each).get("secretsmanager:ListSecrets") == ["*"] for each in least.policies] == searches
    assert ("with discovery" in " ".join(least.notes)) is (runbook == "fleet" and not any(searches))


def test_the_role_of_a_table_searches_also_for_what_is_found_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Discovery signs in with it, before and after."""
    without_sign_in(monkeypatch)
    path, role = tmp_path / "runbook.toml", "arn:aws:iam::210987654321:role/reader"
    path.write_text(f'{DISCOVERY}role_arn = "{role}"\n')
    known = load("qa", str(path), may_be_new=True)
    found = replace(known, names=known.names.model_copy(update={"role_arn": role}))
    monkeypatch.setattr("omc_runbook.runbooks.policy.find_environment", lambda *_: found)
    least = least_policy("verify", "qa", str(path))
    assert [_statements(each).get("secretsmanager:ListSecrets") for each in least.policies] == [["*"], ["*"]]


@pytest.mark.parametrize(
    ("clusters", "described"),
    [('["reports"]', ["ohmycoins-staging", "reports"]), ('["*", "reports"]', ["*"])],
)
@pytest.mark.parametrize("runbook", ["verify", "rotate"])
def test_other_clusters_that_the_names_have_are_in_the_policy(
    runbook: str, clusters: str, described: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """verify asks for their services and tasks, and rotate for their services; what it changes is its own cluster's."""
    without_sign_in(monkeypatch)
    (tmp_path / "runbook.toml").write_text(f"clusters = {clusters}\n")
    found = _statements(least_policy(runbook, "staging", str(tmp_path / "runbook.toml")).policies[0])
    base = "arn:aws:ecs:ap-southeast-2:*:"
    assert found["ecs:DescribeServices"] == [f"{base}service/{cluster}/*" for cluster in described]
    assert found["ecs:DescribeTasks"] == [f"{base}task/{cluster}/*" for cluster in described]
    assert ("ecs:ListClusters" in found) is (described == ["*"])
    assert found.get("ecs:UpdateService") in (None, [f"{base}service/ohmycoins-staging/*"])


def test_a_service_with_an_arn_of_the_old_form_is_in_the_policy() -> None:
    """It lacks the cluster's name, so that the pattern of the cluster's services does not match it."""
    short = "arn:aws:ecs:ap-southeast-2:123456789012:service/worker"
    document = permissions.document(
        with_service(healthy(), "worker", arn=short), ("ecs:UpdateService", "ecs:DescribeTasks")
    )
    found = _statements(PrincipalPolicy("", document))
    base = "arn:aws:ecs:ap-southeast-2:123456789012"
    assert found["ecs:UpdateService"] == [f"{base}:service/ohmycoins-staging/*", short]
    assert found["ecs:DescribeTasks"] == [f"{base}:task/ohmycoins-staging/*"]
