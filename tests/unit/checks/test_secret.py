"""Checks of the secret itself: each with a healthy snapshot and a faulty one."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.check_assertions import assert_clear, by_id
from support.faults.other_sources import refer
from support.faults.other_sources import secret as secret_of_others
from support.snapshots import (
    ARN,
    CURRENT,
    NAME,
    NAMES,
    NOW,
    REGION,
    by_policies,
    healthy,
    policy,
    service,
    task_definition,
    with_container,
    with_permissions,
    with_reference,
    with_secret,
)

from omc_runbook.aws.definitions import Container, Injection
from omc_runbook.aws.secretsmanager import ListedSecret, Replica, Version
from omc_runbook.checks import secret
from omc_runbook.checks.check import Check, checks_of, run_check
from omc_runbook.checks.families import find
from omc_runbook.checks.other_names import found_instead, secret_in_use
from omc_runbook.model import value_from
from omc_runbook.model.findings import is_sentence
from omc_runbook.snapshot.discovery import Discovery, FoundService

CHECKS = by_id(checks_of(secret))


def test_a_secret_without_any_version_says_so() -> None:
    """Terraform's secret without a value has no stages at all."""
    bare = replace(with_secret(healthy(), stages={}), versions=(), contents={})
    [found] = CHECKS["no-current-version"].run(bare)
    assert "stages in use: none" in found.facts[0]


def test_a_secret_is_found_instead_of_another_alone() -> None:
    """One that has the configured name is nothing instead of it."""
    for name in (NAME, "ohmycoins-staging-settings"):
        listed = ListedSecret(name=name, arn=ARN.replace(NAME, name), tags={})
        snapshot = replace(healthy(), discovery=Discovery(environment="staging", secrets=(listed,)))
        assert [*found_instead(snapshot)] == ([] if name == NAME else [f"Found instead: secret {name}."])


@pytest.mark.parametrize("region", [REGION, "eu-west-1"])
def test_a_secret_that_is_configured_in_another_region_is_told_as_that(region: str) -> None:
    """References to it, which may be right, are not to be changed to a secret that does not exist."""
    environment, configured = healthy().environment, ARN.replace(REGION, region)
    environment = replace(environment, names=environment.names.model_copy(update={"secret": configured}))
    snapshot = replace(healthy(), environment=environment, secret=None, versions=(), contents={})
    snapshot = with_reference(snapshot, "worker", "OPENAI_API_KEY", f"{configured}:OPENAI_API_KEY::")
    [found] = run_check(CHECKS["secret-missing"], snapshot)
    way = f"whose ARN is of {region}, or region: staging is read in {REGION}."
    assert found.remedy.command.endswith(way) is (region != REGION)
    wrong_region = find("wrong-region", "reference")
    assert wrong_region
    assert {each.status for each in run_check(wrong_region, snapshot)} == {"clear"}
    elsewhere = with_reference(snapshot, "worker", "SECRET_KEY", f"{ARN.replace(REGION, 'us-east-1')}:SECRET_KEY::")
    [wrong] = run_check(wrong_region, elsewhere)
    assert wrong.evidence[1] == f"The ARN's region is us-east-1; the secret is in {region}."


@pytest.mark.parametrize(("chosen", "used"), [("app-secret", NAME), (NAME, NAME), ("app-secret", "")])
def test_a_chosen_name_may_be_misspelt_where_services_refer_to_another(chosen: str, used: str) -> None:
    """Whether to create the secret or to correct its name is left to who chose that."""
    environment = healthy().environment
    names = environment.names.model_copy(update={"secret": chosen})
    environment = replace(environment, names=names, chosen=frozenset(["secret"]), source="/etc/runbook.toml")
    reference = Injection("SECRET_KEY", value_from.parse(f"{ARN.replace(NAME, used)}:SECRET_KEY::"))
    container = Container(name="backend", secrets=(reference,) if used else (), environment=())
    definition = replace(task_definition("backend", ()), containers=(container,))
    found = FoundService("ohmycoins-staging", service("backend"), definition)
    listed = ListedSecret(name=NAME, arn=ARN, tags={})
    discovery = Discovery(environment="staging", services=(found,), secrets=(listed,))
    missing = replace(healthy(), secret=None, environment=environment, discovery=discovery)
    [answer] = CHECKS["secret-missing"].run(missing)
    doubt = f"If {NAME} is meant, create nothing: correct secret in /etc/runbook.toml."
    assert (answer.facts[-1] == doubt) == (chosen != NAME and used == NAME)
    assert answer.remedy and answer.remedy.runbook == "create"


def test_a_secret_that_an_arn_names_is_not_created() -> None:
    """CreateSecret takes no ARN, and `create` refuses one."""
    environment = healthy().environment
    names = environment.names.model_copy(update={"secret": ARN})
    [found] = CHECKS["secret-missing"].run(
        replace(healthy(), secret=None, environment=replace(environment, names=names, source="/etc/runbook.toml"))
    )
    assert found.remedy and (found.remedy.runbook, found.remedy.command.partition(":")[0]) == (
        "",
        "Correct secret in /etc/runbook.toml",
    )


@pytest.mark.parametrize(
    ("name", "tags", "is_near"),
    [
        ("ohmycoins-staging-app-secret", {}, True),
        ("ohmycoins-staging-app-secret", {"Environment": "production"}, False),
        (NAME, {}, False),
        ("ohmycoins-production-app-secrets", {}, False),
    ],
)
@pytest.mark.parametrize("is_chosen", [True, False])
def test_a_name_may_be_misspelt_where_a_secret_has_almost_that(
    name: str, tags: dict[str, str], is_near: bool, is_chosen: bool
) -> None:
    """Also where no service refers to that one; one of another environment is not meant."""
    listed = tuple(
        ListedSecret(name=each, arn=ARN.replace(NAME, each), tags=tags) for each in (name, "ohmycoins-staging-smtp")
    )
    chosen = frozenset(["secret"] if is_chosen else [])
    environment = replace(healthy().environment, chosen=chosen, source="/etc/runbook.toml")
    discovery = Discovery(environment="staging", secrets=listed)
    [answer] = CHECKS["secret-missing"].run(
        replace(healthy(), secret=None, environment=environment, discovery=discovery)
    )
    assert (f"If {name} is meant, create nothing: correct secret in /etc/runbook.toml." in answer.facts) is is_near


@pytest.mark.parametrize("found", [{"other_regions": ("us-east-1",)}, {"cluster_regions": ("us-east-1",)}])
def test_where_another_region_has_it_the_region_is_wrong(found: dict[str, tuple[str, ...]]) -> None:
    """Also where that region has the cluster alone."""
    missing = replace(healthy(), secret=None, discovery=Discovery(environment="staging", **found))
    [answer] = CHECKS["secret-missing"].run(missing)
    assert answer.remedy.command.startswith("Correct region in ")


@pytest.mark.parametrize(("project", "is_meant"), [("ohmycoins", True), ("platform", True), ("depot", False)])
def test_another_projects_secret_is_not_what_is_meant(project: str, is_meant: bool) -> None:
    """Where runbook.toml names the project, a secret in use has the project's name, or is another project's."""
    environment = replace(healthy().environment, project=project)
    environment = replace(environment, names=environment.names.model_copy(update={"prefix": f"{project}-staging"}))
    reference = Injection("SECRET_KEY", value_from.parse(f"{ARN.replace(NAME, 'platform-settings')}:SECRET_KEY::"))
    container = Container(name="backend", secrets=(reference,), environment=())
    service_found = FoundService(
        "main", service("backend"), replace(task_definition("backend", ()), containers=(container,))
    )
    listed = ListedSecret(name="platform-settings", arn=ARN, tags={"Environment": "staging"})
    discovery = Discovery(environment="staging", services=(service_found,), secrets=(listed,))
    missing = replace(healthy(), secret=None, environment=environment, discovery=discovery)
    assert secret_in_use(missing) == ("platform-settings" if is_meant else "")
    [answer] = CHECKS["secret-missing"].run(missing)
    assert answer.remedy.command.startswith("omc-runbook init ") is is_meant


@pytest.mark.parametrize("name", [NAME.replace("staging", "staging2"), NAME.replace("staging", "staginga")])
def test_almost_the_name_of_another_environments_secret_is_no_misspelling(name: str) -> None:
    """It differs by a number, or runbook.toml gives it to another environment."""
    environment = healthy().environment
    others = {"stock": environment.names.model_copy(update={"secret": NAME.replace("staging", "staginga")})}
    discovery = Discovery(environment="staging", secrets=(ListedSecret(name=name, arn=ARN, tags={}),))
    environment = replace(environment, others=others)
    [answer] = CHECKS["secret-missing"].run(
        replace(healthy(), secret=None, environment=environment, discovery=discovery)
    )
    assert not any("is meant" in fact for fact in answer.facts)


def test_a_secret_in_deletion_is_not_also_without_a_version() -> None:
    """One fault of the secret does not look like another."""
    leaving = with_secret(healthy(), deleted=NOW, stages={})
    assert_clear(CHECKS["no-current-version"], leaving)
    assert_clear(CHECKS["secret-missing"], leaving)


def test_a_rotation_that_may_still_run_is_a_remark() -> None:
    """Where Secrets Manager rotates the secret, AWSPENDING stands for some minutes in any case."""
    begun = Version("9" * 32, NOW - timedelta(minutes=3), ("AWSPENDING",))
    stages = {CURRENT: ("AWSCURRENT",), begun.id: ("AWSPENDING",)}
    snapshot = replace(with_secret(healthy(), stages=stages), versions=(*healthy().versions, begun))
    for rotates, severity in ((True, "info"), (False, "warning")):
        [found] = run_check(CHECKS["rotation-pending"], with_secret(snapshot, rotates=rotates))
        assert found.severity == severity
        assert "It was created at 2026-03-01 11:57:00 UTC." in found.evidence
        assert found.remedy and ("Lambda" in found.remedy.command) == rotates
    finished = with_secret(snapshot, stages={CURRENT: ("AWSCURRENT", "AWSPENDING")})
    assert_clear(CHECKS["rotation-pending"], finished)


def test_a_rotation_without_a_date_is_due_by_its_rule() -> None:
    """LastRotatedDate that does not move shows too: by AutomaticallyAfterDays, counted from the last rotation."""
    for rotated, is_due in ((NOW - timedelta(days=40), True), (NOW - timedelta(days=20), False)):
        snapshot = with_secret(healthy(), rotates=True, rotation_days=30, rotated=rotated)
        statuses = {answer.status for answer in run_check(CHECKS["rotation-overdue"], snapshot)}
        assert statuses == {"found" if is_due else "clear"}
        dated = with_secret(snapshot, next_rotation=NOW + timedelta(days=5))
        assert_clear(CHECKS["rotation-overdue"], dated)
    assert_clear(CHECKS["rotation-overdue"], with_secret(healthy(), rotation_days=30, rotated=NOW - timedelta(days=40)))


@pytest.mark.parametrize("manager", [{"owning_service": "rds"}, {"partner": "SalesforceClientSecret"}])
def test_what_is_rotated_without_a_function_has_no_log_of_one(manager: dict[str, str]) -> None:
    """RDS's and partners' secrets: CloudTrail says why it failed, and AWS lets nobody else move their labels."""
    late = {"rotates": True, "next_rotation": NOW - timedelta(days=9)}
    stages = {CURRENT: ("AWSCURRENT",), "9" * 32: ("AWSPENDING",)}
    snapshot = with_secret(healthy(), stages=stages, **late, **manager)
    for id in ("rotation-pending", "rotation-overdue"):
        [found] = run_check(CHECKS[id], snapshot)
        assert "Lambda" not in found.remedy.command and "AttributeValue=RotationFailed" in found.remedy.command
        assert "update-secret-version-stage" not in found.remedy.command


def _check(id: str) -> Check:
    check = find(id)
    assert check
    return check


OWNERS: tuple[dict[str, Any], ...] = (
    {"owning_service": "rds"},
    {"partner": "SalesforceClientSecret"},
    {"primary": Replica("us-east-1", "")},
)


@pytest.mark.parametrize("owner", OWNERS)
def test_what_something_else_writes_gets_no_key_and_no_label_here_and_is_not_restored(owner: dict[str, Any]) -> None:
    """AWS refuses it, and so do create and add_key: each remedy says where it is done instead."""
    plain = with_container(healthy(), "backend", lambda old: replace(old, plain_secrets=("PAYMENTS_TOKEN",)))
    pending = {"stages": {CURRENT: ("AWSCURRENT",), "9" * 32: ("AWSPENDING",)}}
    worlds = {
        "scheduled-deletion": with_secret(healthy(), deleted=NOW - timedelta(days=1)),
        "rotation-pending": with_secret(healthy(), **pending),
        "kms-missing": with_secret(healthy(), kms_key_id="alias/gone"),
        "plain-secret": plain,
    }
    for id, snapshot in worlds.items():
        [found] = run_check(_check(id), with_secret(snapshot, **owner))
        assert not found.remedy.runbook, id
        for verb in ("restore-secret", "update-secret", "put-secret-value"):
            assert f"aws secretsmanager {verb}" not in found.remedy.command, id
        assert ("us-east-1" if "primary" in owner else str(*owner.values())) in found.remedy.command, id
    other = refer(healthy(), secret=secret_of_others(deleted=NOW - timedelta(days=1), **owner))
    empty = refer(healthy(), secret=secret_of_others(stages={"0" * 32: ("AWSPREVIOUS",)}, **owner))
    for snapshot in (other, empty):
        [found] = run_check(_check("other-secret-missing"), snapshot)
        assert found.remedy.command.startswith("payments is ") and "aws " not in found.remedy.command


REPLICA: dict[str, Any] = {"primary": Replica("us-east-1", "")}


@pytest.mark.parametrize("configured", [NAME, ARN, ARN.rpartition("-")[0]])
def test_a_replica_is_changed_where_its_primary_secret_is(configured: str) -> None:
    """AWS refuses it here: the policy, the tags and the rotation are the primary's. New tasks start here."""
    deny = policy("Deny", Principal="*", kind="resource", Condition={"Bool": {"aws:SecureTransport": "true"}})
    names = NAMES.model_copy(update={"secret": configured})
    base = healthy()
    base = replace(base, environment=replace(base.environment, names=names), resource_policy=deny)
    denied = with_permissions(base, by_policies(policy()))
    [found] = run_check(_check("resource-deny"), with_secret(denied, **REPLICA))
    there = configured.replace(REGION, "us-east-1")
    for verb in ("put-resource-policy", "delete-resource-policy"):
        assert f"aws secretsmanager {verb} --secret-id {there} " in found.remedy.command
    secret_calls = found.remedy.command.partition("aws ecs")[0]
    assert f"--region {REGION}" not in secret_calls and secret_calls.count("--region us-east-1") == 2
    assert found.remedy.needs.count("is a replica of the secret in us-east-1: AWS changes that one alone") == 1
    [plain] = run_check(_check("resource-deny"), denied)
    assert "us-east-1" not in plain.remedy.command


def test_a_replicas_rotation_is_its_primarys() -> None:
    """Also that of another secret that tasks read; a replica in another account is left to its owner."""
    late = {"rotates": True, "next_rotation": NOW - timedelta(days=9)}
    for snapshot in (
        with_secret(healthy(), **late, **REPLICA),
        refer(healthy(), secret=secret_of_others(**late, **REPLICA)),
    ):
        [found] = run_check(_check("rotation-overdue"), snapshot)
        assert found.remedy.command.endswith("--region us-east-1`.") and "is a replica" in found.remedy.needs
    [found] = run_check(_check("rotation-overdue"), with_secret(healthy(), **late, **REPLICA, partner="Example"))
    assert found.remedy.command.count("--region us-east-1`") == 2 and REGION not in found.remedy.command
    assert found.remedy.needs.startswith(f"{NAME} is a replica of the secret in us-east-1: ")
    own = with_secret(healthy(), **REPLICA)
    [found] = run_check(_check("rotation-overdue"), refer(own, secret=secret_of_others(**late)))
    assert "us-east-1" not in found.remedy.command


def test_the_rotation_of_another_secret_counts_too() -> None:
    """A secret that only the worker reads is reported with the worker."""
    other = secret_of_others(stages={"0" * 32: ("AWSCURRENT",), "9" * 32: ("AWSPENDING",)})
    [found] = run_check(CHECKS["rotation-pending"], refer(healthy(), secret=other))
    assert (found.subject, found.services) == ("payments", {"worker"})


def test_a_change_that_is_being_replicated_is_no_fault_until_it_takes_too_long() -> None:
    """Replication takes minutes after a change; a replica that failed meanwhile is found at once."""
    check = CHECKS["replica-stale"]
    under_way = (Replica("us-east-1", "InProgress"), Replica("eu-west-1", "InSync"))
    now = with_secret(healthy(), replicas=under_way, changed=NOW - timedelta(minutes=2))
    assert_clear(check, now)
    [late] = check.run(with_secret(now, changed=NOW - timedelta(hours=1)))
    assert late.subject.endswith("in us-east-1") and "InProgress" in late.facts[0]
    failed = with_secret(now, replicas=(*under_way, Replica("eu-north-1", "Failed", "KMS key is disabled.")))
    assert "eu-north-1 is Failed: KMS key is disabled." in " ".join(fact for e in check.run(failed) for fact in e.facts)


def test_a_replica_whose_name_is_taken_is_not_just_replicated_again() -> None:
    """Where the region has another secret of that name, the advice says what becomes of that."""
    for message, is_taken in (("Secret name x already exists in region us-east-1.", True), ("Throttled.", False)):
        replica = Replica("us-east-1", "Failed", message)
        [found] = run_check(CHECKS["replica-stale"], with_secret(healthy(), replicas=(replica,)))
        assert found.remedy and "--add-replica-regions Region=us-east-1" in found.remedy.command
        assert ("--force-overwrite-replica-secret" in found.remedy.command) == is_taken


def test_a_replica_in_another_account_goes_on_by_its_role_and_one_that_left_is_no_replica_any_more() -> None:
    """Without its role AWS would replicate as whoever changes the secret; who stopped it has a secret of their own."""
    there = "arn:aws:secretsmanager:ap-southeast-2:210987654321:secret:app-AbCdEf"
    failed = Replica(there, "Failed", role="arn:aws:iam::123456789012:role/replicates")
    [found] = run_check(CHECKS["replica-stale"], with_secret(healthy(), replicas=(failed,)))
    assert f"--cross-account-replica-arn {there} --replication-role-arn {failed.role}" in found.remedy.command
    assert "NoRestriction" in found.remedy.needs
    [plain] = run_check(CHECKS["replica-stale"], with_secret(healthy(), replicas=(replace(failed, role=""),)))
    assert "--replication-role-arn" not in plain.remedy.command
    [left] = run_check(CHECKS["replica-stale"], with_secret(healthy(), replicas=(replace(failed, status="Detached"),)))
    assert is_sentence(left.remedy.command) and "disassociate-cross-account-replica" in left.remedy.command


def test_a_replica_that_its_primary_no_longer_feeds_is_found() -> None:
    """In this account it is the secret itself that is behind, for all its services."""
    check, primary = CHECKS["replica-stale"], "arn:aws:secretsmanager:ap-southeast-2:210987654321:secret:app-AbCdEf"
    assert_clear(check, with_secret(healthy(), primary=Replica(primary, "InSync")))
    assert_clear(check, with_secret(healthy(), primary=Replica("us-east-1", "")))
    [found] = check.run(with_secret(healthy(), primary=Replica(primary, "Detached")))
    assert found.services == healthy().consumer_names and f"from {primary} is Detached" in found.facts[0]
    [theirs] = check.run(with_secret(healthy(), replicas=(Replica(primary, "Detached"),)))
    assert f"--cross-account-replica-arn {primary}" in theirs.remedy.command
