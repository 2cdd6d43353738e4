"""The plan of a fix: what is planned against which root cause, how narrow it is, and what is left alone."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from support.faults.deployment import run_alone
from support.histories import planned
from support.snapshots import (
    ACCOUNT,
    ARN,
    CURRENT,
    NAME,
    NOW,
    PREVIOUS,
    REGION,
    ROLE,
    ROLE_NAME,
    by_policies,
    deployment,
    document,
    healthy,
    looked,
    policy,
    rotated,
    simulated,
    stopped,
    stuck,
    task_definition,
    with_container,
    with_definition,
    with_held_value,
    with_keys,
    with_permissions,
    with_reference,
    with_secret,
    with_service,
    with_tasks,
    with_text,
    with_values,
    without_key,
)

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.ec2 import Network
from omc_runbook.aws.ecs import EXPRESS
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.kms import KmsKey
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import Journal, Step, StepFailed, execute
from omc_runbook.changes.fix.advice import follow, refer
from omc_runbook.changes.fix.plan import FixPlan, plan_fix
from omc_runbook.changes.fix.rollback import NOTHING, Rollback, without
from omc_runbook.changes.fix.steps import Correction, Grant, RestoreSecret, RestoreVersion
from omc_runbook.changes.secret.plan import RESTORE_LABEL
from omc_runbook.checks.definition_source import source_of
from omc_runbook.diagnosis import root_causes
from omc_runbook.masking import registry
from omc_runbook.model.change import Change
from omc_runbook.model.findings import Finding
from omc_runbook.model.value_from import parse
from omc_runbook.report import fix as report
from omc_runbook.runbooks import fix
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot.held_values import OTHER
from omc_runbook.snapshot.roles import DECRYPT, GET_SECRET_VALUE
from omc_runbook.snapshot.state import OtherCluster, Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/11112222-3333-4444-5555-666677778888"
RIGHT = f"{ARN}:SECRET_KEY::"
BASE = ARN.removesuffix("-AbC123")
WRONG = {
    "wrong-region": RIGHT.replace(REGION, "us-east-1"),
    "wrong-partition": RIGHT.replace("arn:aws:", "arn:aws-cn:"),
    "suffix-stale": RIGHT.replace("AbC123", "zZ9zZ9"),
    "partial-arn": f"{BASE}:SECRET_KEY::",
    "bare-name": NAME,
    "arn-malformed": f"{ARN}:SECRET_KEY",
    "whole-json": ARN,
    "previous-pinned": f"{ARN}:SECRET_KEY:AWSPREVIOUS:",
    "version-pinned": f"{ARN}:SECRET_KEY::{CURRENT}",
    "version-short": f"{ARN}:SECRET_KEY::0123abcd",
}
NOTHING_ALLOWED = simulated("implicitDeny", policies=())
BROKEN = "{'SECRET_KEY'"


def reasons(plan: FixPlan) -> dict[str, str]:
    return {entry.finding.check: entry.why for entry in plan.unfixed}


def redeployed(plan: FixPlan) -> list[str]:
    return [entry.service.name for entry in plan.redeploys if not entry.blocker]


def under_key(snapshot: Snapshot, *policies: Any) -> Snapshot:
    """The secret under a customer key, and a role that may read it and has these policies."""
    delegates = policy(action="kms:*", kind="resource", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    key = KmsKey(arn=KEY, state="Enabled", manager="CUSTOMER", deletion=None, policy=delegates)
    granted = by_policies(policy(resource=f"{BASE}-??????"), *policies)
    return with_permissions(replace(with_secret(snapshot, kms_key_id=KEY), kms_key=key), granted)


@pytest.mark.parametrize("check", WRONG)
def test_a_wrong_reference_becomes_the_full_arn_with_its_key_and_nothing_else_changes(check: str) -> None:
    """One variable of the worker, in the revision in force, for the worker alone; shown before and after."""
    plan = planned(with_reference(healthy(), "worker", "SECRET_KEY", WRONG[check]))
    (step,) = plan.steps
    assert isinstance(step, Correction)
    assert [(e.container, e.variable, e.before, e.after) for e in step.edits] == [
        ("worker", "SECRET_KEY", WRONG[check], RIGHT)
    ]
    assert {finding.check for finding in step.because} == {check}
    assert [service.name for service in step.services] == ["worker"] == redeployed(plan) and not plan.unfixed
    text = report.plan(plan).to_text()
    assert f"{WRONG[check]} → {RIGHT}" in " ".join(text.split()) and "Terraform" in text
    assert "--task-definition ohmycoins-staging-worker:7" in report.undo(plan, None).to_text()


@pytest.mark.parametrize(
    "value_from",
    [
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:shared/db-AbC123:password:",
        f"{RIGHT.replace('app-secrets', 'api-secrets')}:",
        f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter:level",
    ],
)
def test_no_fix_lets_a_variable_come_from_another_secret_than_it_did(value_from: str) -> None:
    """Although the secret has a key of the variable's name: its value is another one."""
    plan = planned(with_reference(healthy(), "worker", "SECRET_KEY", value_from))
    assert not plan.steps and reasons(plan) == {
        "arn-malformed": "SECRET_KEY takes its value from another secret or a parameter: a person decides from which."
    }
    [cause] = [
        each
        for each in root_causes.diagnose(with_reference(healthy(), "worker", "SECRET_KEY", value_from))
        if each.is_root_cause
    ]
    assert not cause.remedy.runbook


def test_a_reference_of_a_task_set_is_left_to_what_deploys_it() -> None:
    """It was not rolled back: its tasks run, or are to."""
    revision = task_definition("worker", ("SECRET_KEY",), 8)
    wrong = Injection("SECRET_KEY", parse(WRONG["suffix-stale"]))
    revision = replace(revision, containers=(replace(revision.containers[0], secrets=(wrong,)),))
    snapshot = replace(healthy(), task_definitions={**healthy().task_definitions, revision.arn: revision})
    changes: dict[str, Any] = {"controller": "CODE_DEPLOY", "deployments": (), "task_sets": (revision.arn,)}
    why = reasons(planned(with_service(snapshot, "worker", **changes)))["suffix-stale"]
    assert why == "worker is deployed by CODE_DEPLOY, which needs the new revision."


def test_a_reference_in_another_cluster_is_left_to_whoever_deploys_there() -> None:
    """It is in a service, though in none of the environment's."""
    revision = task_definition("reports", ("SECRET_KEY",))
    wrong = Injection("SECRET_KEY", parse(WRONG["suffix-stale"]))
    revision = replace(revision, containers=(replace(revision.containers[0], secrets=(wrong,)),))
    there = replace(healthy().services[0], task_definition_arn=revision.arn)
    other = OtherCluster("reports", (there,), (), {revision.arn: revision})
    known = {**healthy().task_definitions, revision.arn: revision}
    plan = planned(replace(healthy(), other_clusters=(other,), task_definitions=known))
    assert not plan.steps and reasons(plan) == {
        "suffix-stale": "Cluster reports is not this environment's: deploy a corrected revision there."
    }


@pytest.mark.parametrize("field", ["AWSCURRENT", ""])
def test_a_key_in_the_place_of_the_stage_is_the_key(field: str) -> None:
    """Otherwise the correction would ask for a key that the secret does not have."""
    snapshot = with_reference(healthy(), "worker", "SECRET_KEY", f"{ARN}:{field}:SECRET_KEY:")
    (step,) = planned(snapshot).steps
    assert isinstance(step, Correction)
    assert [edit.after for edit in step.edits] == [RIGHT]
    (finding,) = [each for each in root_causes.diagnose(snapshot) if each.family == "reference" and each.is_problem]
    assert finding.check == "previous-pinned"
    assert "SECRET_KEY, which is a key" in finding.evidence[1] and ":SECRET_KEY::" in finding.remedy.command


@pytest.mark.parametrize("field", ["AWSPREVIOUS:", f":{PREVIOUS}"])
def test_a_pin_stays_while_the_current_version_lacks_its_key(field: str) -> None:
    """New tasks start with it, and would not without; it is corrected once the current version has the key, too."""
    added = {**document(healthy()), "STRIPE_API_KEY": secrets.token_hex(16)}
    pinned = with_reference(
        with_values(healthy(), added, PREVIOUS), "worker", "OPENAI_API_KEY", f"{ARN}:STRIPE_API_KEY:{field}"
    )
    check = "previous-pinned" if field.startswith("AWS") else "version-pinned"
    plan = planned(pinned)
    assert not plan.steps
    assert reasons(plan) == {check: "The current version lacks STRIPE_API_KEY: give it a value first, by update."}
    [finding] = [each for each in root_causes.diagnose(pinned) if each.check == check and each.is_problem]
    assert "First give STRIPE_API_KEY a value in the current version, which lacks it." in finding.remedy.command_needs
    [step] = planned(with_values(pinned, added)).steps
    assert isinstance(step, Correction) and step.edits[0].after == f"{ARN}:STRIPE_API_KEY::"


def test_several_references_of_a_revision_become_one_new_revision() -> None:
    """Services that share it get it together, and each is redeployed once."""
    snapshot = with_reference(healthy(), "backend", "SECRET_KEY", WRONG["suffix-stale"])
    snapshot = with_reference(snapshot, "backend", "OPENAI_API_KEY", f"{BASE}:OPENAI_API_KEY::")
    shared = next(service for service in snapshot.services if service.name == "backend").task_definition_arn
    plan = planned(with_service(snapshot, "worker", task_definition_arn=shared))
    (step,) = plan.steps
    assert isinstance(step, Correction)
    assert [service.name for service in step.services] == ["backend", "worker"] == redeployed(plan)
    assert [edit.variable for edit in step.edits] == ["SECRET_KEY", "OPENAI_API_KEY"]


@pytest.mark.parametrize("other", ["alone", "EXTERNAL", "production's"])
def test_a_revision_that_something_else_uses_too_is_corrected_for_the_services_of_ecs(other: str) -> None:
    """What a run may not deploy gets no task: one outside a service, another controller's, another environment's."""
    worker = next(service for service in healthy().services if service.name == "worker")
    twin = replace(worker, name="scheduler", arn=f"{worker.arn}-2", controller=other)
    if other == "production's":
        twin = replace(twin, name="production-scheduler", controller=worker.controller)
    snapshot = run_alone(healthy()) if other == "alone" else replace(healthy(), services=(*healthy().services, twin))
    plan = planned(with_reference(snapshot, "worker", "SECRET_KEY", NAME))
    (step,) = plan.steps
    assert isinstance(step, Correction)
    assert [service.name for service in step.services] == ["worker"] == redeployed(plan)


def test_a_key_in_the_wrong_case_is_corrected_where_the_catalogue_has_the_other() -> None:
    """The secret is as it should be, so that the reference is what is wrong."""
    plan = planned(with_reference(healthy(), "worker", "OPENAI_API_KEY", f"{ARN}:openai_api_key::"))
    (step,) = plan.steps
    assert isinstance(step, Correction) and step.edits[0].after == f"{ARN}:OPENAI_API_KEY::"


def test_a_reference_of_service_connects_proxy_is_left() -> None:
    """It is the service's own, which no new revision corrects."""
    proxy = (Injection("logConfiguration splunk-token", parse(WRONG["partial-arn"])),)
    plan = planned(with_service(healthy(), "worker", proxy_secrets=proxy))
    assert not plan.steps and "serviceConnectConfiguration of worker" in reasons(plan)["partial-arn"]


def test_a_reference_of_which_the_key_is_not_certain_is_left() -> None:
    """The whole JSON goes into a variable that is no key's: nobody can tell which is meant."""
    snapshot = with_container(
        healthy(),
        "worker",
        lambda old: replace(old, secrets=(replace(old.secrets[0], variable="MODE"), *old.secrets[1:])),
    )
    plan = planned(with_reference(snapshot, "worker", "MODE", ARN))
    assert plan.steps == () and "MODE" in reasons(plan)["whole-json"]
    assert report.manual_fixes(plan).to_text().count("whole-json") == 1


@pytest.mark.parametrize("controller", ["EXTERNAL", "CODE_DEPLOY"])
def test_a_service_that_others_deploy_gets_no_revision(controller: str) -> None:
    """ECS would refuse it: the reference stays, and the reason says who needs the new one."""
    snapshot = with_reference(healthy(), "worker", "SECRET_KEY", WRONG["partial-arn"])
    plan = planned(with_service(snapshot, "worker", controller=controller))
    assert plan.steps == () and controller in reasons(plan)["partial-arn"]


def test_a_role_is_granted_the_one_secret_and_nothing_else() -> None:
    """One statement, one action, the exact ARN: no pattern, which would allow a later secret of that name too."""
    for permissions in (NOTHING_ALLOWED, simulated("implicitDeny", base="allowed", policies=(policy(resource=BASE),))):
        plan = planned(with_permissions(healthy(), permissions))
        (step,) = plan.steps
        assert isinstance(step, Grant)
        assert json.loads(step.document) == {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": GET_SECRET_VALUE, "Resource": ARN}],
        }
        assert (step.role, step.policy) == (ROLE_NAME, f"read-{NAME}")
        assert redeployed(plan) == ["backend", "worker"]
        assert (
            f"delete-role-policy --role-name {ROLE_NAME} --policy-name read-{NAME}" in report.undo(plan, None).to_text()
        )


@pytest.mark.parametrize("useless", [False, True])
def test_a_role_is_granted_the_one_key_through_secrets_manager_alone(useless: bool) -> None:
    """kms:Decrypt on the key's own ARN, and only where Secrets Manager asks; it may read the secret already."""
    policies = (policy(action=DECRYPT, resource=f"{BASE}-??????"),) if useless else ()
    plan = planned(under_key(healthy(), *policies))
    (step,) = plan.steps
    assert isinstance(step, Grant) and step.policy == f"decrypt-{NAME}"
    assert {finding.check for finding in step.because} == {"kms-useless-grant" if useless else "kms-no-permission"}
    assert json.loads(step.document)["Statement"] == [
        {
            "Effect": "Allow",
            "Action": DECRYPT,
            "Resource": KEY,
            "Condition": {"StringEquals": {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}},
        }
    ]


def test_what_another_policy_refuses_is_not_granted() -> None:
    """A boundary, the organization, the secret's own policy: the grant would change nothing but the role."""
    bounded = by_policies(boundary=policy(action="logs:*", kind="boundary"))
    organized = simulated("implicitDeny", policies=())
    organized = replace(
        organized,
        simulated=tuple(replace(entry, allowed_by_organization=False) for entry in organized.simulated),
    )
    denied = by_policies(policy(effect="Deny"))
    namesake = by_policies(replace(policy(resource=f"{ARN}x"), name=f"read-{NAME}"))
    unread = simulated("implicitDeny")
    for permissions in (bounded, organized, denied, namesake, unread):
        assert planned(with_permissions(healthy(), permissions)).steps == ()
    guard = policy(effect="Deny", kind="resource", Principal={"AWS": ROLE})
    assert planned(replace(with_permissions(healthy(), NOTHING_ALLOWED), resource_policy=guard)).steps == ()
    plan = planned(with_permissions(healthy(), namesake))
    assert "is not overwritten" in reasons(plan)["no-permission"]


def test_a_stale_reference_and_a_policy_for_the_former_arn_are_both_cured() -> None:
    """Each is a cause of its own: the new references would not be allowed either."""
    snapshot = with_reference(healthy(), "worker", "SECRET_KEY", WRONG["suffix-stale"])
    plan = planned(with_permissions(snapshot, by_policies(policy(resource=ARN.replace("AbC123", "zZ9zZ9")))))
    assert [type(step) for step in plan.steps] == [Grant, Correction]
    assert redeployed(plan) == ["backend", "worker"]


def test_what_is_not_known_for_certain_is_left_alone() -> None:
    """A role that cannot be judged, or a secret that cannot be read: unknown, and no plan against it."""
    gap = ReadFailure(f"the value of {NAME}", GET_SECRET_VALUE, "AccessDeniedException", "denied")
    conditional = by_policies(policy(Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}}))
    for snapshot in (
        with_permissions(healthy(), conditional),
        replace(healthy(), contents={}, gaps={"contents": (gap,)}),
        healthy(),
    ):
        plan = planned(snapshot)
        assert plan.is_empty and plan.steps == () == plan.redeploys
    assert "There is nothing to fix" in report.plan(planned(healthy())).to_text()


def test_a_plan_of_what_could_not_be_looked_at_does_not_say_that_nothing_is_to_be_fixed() -> None:
    """Where every check is unknown, and where some are."""
    unread = Finding(check="a", family="secret", title="It is gone", status="unknown")
    for others, sentence in (
        ((), "Nothing could be looked at"),
        ((replace(unread, status="clear"),), "not everything"),
    ):
        plan = plan_fix(healthy(), (unread, *others), VersionHistory(()))
        displays = (report.plan(plan), report.manual_fixes(plan), report.result(plan, None))
        texts = [" ".join(each.to_text().split()) for each in displays]
        assert sentence in texts[0] and sentence in texts[2] and "There is no" not in " ".join(texts)


def test_a_deletion_is_taken_back_before_anything_else() -> None:
    """And every service that uses the secret gets new tasks; undone, it would be scheduled again."""
    snapshot = with_permissions(healthy(), NOTHING_ALLOWED)
    plan = planned(replace(with_secret(snapshot, deleted=snapshot.taken), contents={}))
    assert [type(step) for step in plan.steps] == [RestoreSecret, Grant]
    assert redeployed(plan) == ["backend", "worker"]
    commands = report.undo(plan, None).to_text()
    assert commands.index("delete-role-policy") < commands.index("delete-secret")


@pytest.mark.parametrize("text", [BROKEN, "", "\ufeff{}", "[]"])
def test_a_version_that_is_broken_as_a_whole_is_put_back(text: str) -> None:
    """By the restore runbook's own plan, with its compare-and-swap."""
    snapshot = healthy()
    snapshot = with_text(with_values(snapshot, document(snapshot), PREVIOUS), text)
    plan = planned(snapshot)
    (step,) = plan.steps
    assert isinstance(step, RestoreVersion) and (step.plan.base, step.plan.token) == (CURRENT, PREVIOUS)
    assert redeployed(plan) == ["backend", "worker"]
    assert registry.mask(output := report.plan(plan).to_text()) == output


def test_a_former_version_that_is_no_better_is_not_put_back() -> None:
    """It has the same fault, or another one; the finding's own remedy is left."""
    snapshot = healthy()
    good = document(snapshot)
    for former in ({**good, "SECRET_KEY": "changethis"}, {**good, "OPENAI_API_KEY": None}):
        plan = planned(with_text(with_values(snapshot, former, PREVIOUS), BROKEN))
        assert plan.steps == () and "is broken too" in next(iter(reasons(plan).values()))
    plan = planned(with_text(with_text(snapshot, BROKEN, PREVIOUS), BROKEN))
    assert plan.steps == () and "no task can start with it" in next(iter(reasons(plan).values()))
    assert "update" in report.manual_fixes(plan).to_text() or "restore" in report.manual_fixes(plan).to_text()


def test_a_broken_key_is_put_back_where_nothing_else_is_lost() -> None:
    """With another value changed since, or one that the database has too, it is for a person to decide."""
    former = with_values(healthy(), document(healthy()), PREVIOUS)
    base = document(former)
    former = with_values(former, base, PREVIOUS)
    (step,) = planned(with_values(former, {**base, "SECRET_KEY": "changethis"})).steps
    assert isinstance(step, RestoreVersion) and [change.key for change in step.plan.changed] == ["SECRET_KEY"]
    renamed = planned(without_key(former, "OPENAI_API_KEY", "openai_api_key"))
    assert [type(step) for step in renamed.steps] == [RestoreVersion]
    other = with_keys(former, SECRET_KEY="changethis", SMTP_PASSWORD=secrets.token_urlsafe(24))
    assert planned(other).steps == ()
    assert "lacks the current values of SMTP_PASSWORD" in reasons(planned(other))["changethis"]
    # The former version has no value of a key that was added since.
    added = reasons(planned(with_keys(former, SECRET_KEY="changethis", NEWS_API_KEY=secrets.token_hex(16))))
    assert "lacks the current values of NEWS_API_KEY" in added["changethis"]
    database = planned(with_keys(former, POSTGRES_PASSWORD="changethis"))
    assert database.steps == () and "database" in reasons(database)["changethis"]


def test_keys_that_somebody_wrote_over_are_put_back() -> None:
    """Of a key that is gone, the database has no newer value than the former version."""
    base = document(healthy())
    former = with_values(healthy(), base, PREVIOUS)
    plan = planned(with_values(former, {}))
    assert [type(step) for step in plan.steps] == [RestoreVersion] and not plan.unfixed
    assert {cause.subject for cause in plan.because} == {*KEYS}
    fewer = {"OPENAI_API_KEY": f"sk-{secrets.token_hex(16)}", "SENTRY_DSN": base["SENTRY_DSN"]}
    plan = planned(with_values(former, fewer))
    ways = {entry.finding.subject: entry.remedy for entry in plan.unfixed}
    assert plan.steps == () and {*ways} == {*KEYS} - {*fewer}
    assert {(way.runbook, way.parameters["version"]) for way in ways.values()} == {("restore", PREVIOUS)}
    assert "takes back OPENAI_API_KEY too" in ways["SECRET_KEY"].needs
    assert "restore -p environment staging" in report.manual_fixes(plan).to_text()
    assert "generate" not in report.manual_fixes(plan).to_text()
    deployed = with_service(with_values(former, fewer), "worker", controller="CODE_DEPLOY")
    needs = next(entry.remedy.needs for entry in planned(deployed).unfixed if entry.finding.subject == "SECRET_KEY")
    assert "Then start new tasks of worker: start a CodeDeploy deployment" in needs
    assert "takes back OPENAI_API_KEY too" in needs


def test_a_service_with_desired_count_0_gets_its_revision_and_no_task() -> None:
    """The plan says which services start tasks, and why one does not."""
    snapshot = with_reference(healthy(), "worker", "SECRET_KEY", WRONG["partial-arn"])
    plan = planned(with_service(snapshot, "worker", desired=0))
    assert [type(step) for step in plan.steps] == [Correction]
    _, tasks = plan.sentences
    assert tasks.startswith("worker gets none: Its desiredCount is 0: no task runs")
    assert "redeploy" not in fix.label_of(plan, "staging")


def test_the_button_of_a_fix_says_which_deployments_it_only_watches() -> None:
    """As where another process began them and was killed."""
    plan = planned(with_reference(healthy(), "worker", "SECRET_KEY", WRONG["partial-arn"]))
    assert fix.label_of(plan, "staging").endswith(" and redeploy worker in staging")
    watching = replace(plan, underway=frozenset({"worker"}))
    assert fix.label_of(watching, "staging").endswith(" and watch the deployment of worker in staging")


def test_what_would_fail_all_the_same_is_changed_and_not_watched() -> None:
    """Else neither of two faults could be mended first: each would be taken back because of the other."""
    snapshot = with_reference(healthy(), "worker", "SECRET_KEY", WRONG["partial-arn"])
    plan = planned(without_key(snapshot, "OPENAI_API_KEY"))
    assert [type(step) for step in plan.steps] == [Correction] and "key-missing" in reasons(plan)
    assert redeployed(plan) == [] and "key-missing" in plan.redeploys[0].blocker
    assert "would still fail" in report.plan(plan).to_text()


def test_a_redeployment_that_would_fail_all_the_same_is_left_to_a_person() -> None:
    """Tasks were throttled, and a value that the application refuses would stop the new ones: no plan, and no fix."""
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: api error ThrottlingException"
    login, password = "FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD"
    values = document(healthy())
    swapped = with_keys(healthy(), **{login: values[password], password: values[login]})
    snapshot = stuck(swapped, "backend", reason)
    findings, plan = root_causes.diagnose(snapshot), planned(snapshot)
    assert (redeployed(plan), plan.steps) == ([], ())
    assert "(values-exchanged)" in reasons(plan)["throttled"]
    (throttled,) = (each for each in follow(findings, plan, snapshot) if each.check == "throttled")
    assert throttled.remedy.runbook == "" and throttled.remedy.command.startswith("aws ecs update-service")
    assert "First fix values-exchanged: new tasks of backend may fail until then." in throttled.remedy.needs


def test_a_plan_that_fixes_what_would_stop_its_new_tasks_has_nothing_to_fix_first() -> None:
    """What its remedy needs beside that stays."""
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: api error ThrottlingException"
    snapshot = stuck(with_reference(healthy(), "backend", "SECRET_KEY", WRONG["partial-arn"]), "backend", reason)
    findings, plan = root_causes.diagnose(snapshot), planned(snapshot)
    assert redeployed(plan) == ["backend"] and not plan.unfixed
    (throttled,) = (each for each in findings if each.check == "throttled")
    assert "First fix partial-arn" in throttled.remedy.needs
    (throttled,) = (each for each in follow(findings, plan, snapshot) if each.check == "throttled")
    assert throttled.remedy.runbook == "troubleshoot" and throttled.remedy.needs.startswith("First wait")
    assert "First fix" not in throttled.remedy.needs


def test_what_a_plan_has_fixed_is_no_longer_to_be_fixed_first() -> None:
    """After the change, too, another fault has its own remedy, without the order that no longer holds."""
    off = with_service(healthy(), "worker", desired=0)
    before = with_reference(off, "worker", "SECRET_KEY", WRONG["partial-arn"])
    plan, needs = planned(before), []
    for snapshot in (before, off):
        findings = follow(root_causes.diagnose(snapshot), plan, snapshot)
        needs += [each.remedy.needs for each in findings if each.check == "desired-zero" and each.is_problem]
    assert plan.steps and needs == ["First fix partial-arn: new tasks of worker may fail until then.", ""]


def test_another_value_in_a_process_keeps_no_service_from_new_tasks() -> None:
    """Its tasks run with the value that their entry point sets."""
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: api error ThrottlingException"
    snapshot = looked(stuck(healthy(), "worker", reason))
    snapshot = with_held_value(snapshot, "worker", "OPENAI_API_KEY", process=OTHER, differs=True)
    plan = planned(snapshot)
    assert redeployed(plan) == ["worker"]
    assert reasons(plan) == {"entrypoint-override": ""}


def test_a_setting_of_the_service_that_stops_new_tasks_is_fixed_before_they_are_started_again() -> None:
    """Though its own remedy starts tasks too, which need the value that is wrong to be fixed first."""
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: api error ThrottlingException"
    snapshot = with_service(stuck(healthy(), "backend", reason), "backend", platform_version="1.3.0")
    needs = {each.check: each.remedy.needs for each in root_causes.diagnose(snapshot) if each.is_unexplained}
    assert "First fix platform-version: new tasks of backend" in needs["throttled"] and not needs["platform-version"]
    wrong = with_keys(snapshot, SECRET_KEY="changethis")
    needs = {each.check: each.remedy.needs for each in root_causes.diagnose(wrong) if each.is_unexplained}
    assert "First fix platform-version, changethis: " in needs["throttled"]
    assert "First fix changethis: " in needs["platform-version"]


def test_new_tasks_that_fail_for_an_unknown_reason_are_to_be_mended_before_others_are_started() -> None:
    """A plan would not start them either: both ask whether a finding stops new tasks."""
    snapshot = stuck(looked(healthy()), "worker", "InternalServiceError")
    off = tuple(replace(each, execute=False) if each.is_running else each for each in snapshot.tasks)
    findings = [each for each in root_causes.diagnose(replace(snapshot, tasks=off)) if each.is_unexplained]
    failing = {each.check for each in findings if root_causes.stops_new_tasks(each)}
    needs = {each.subject: each.remedy.needs for each in findings if each.check == "exec-off"}
    assert failing == {"rollout-stuck"} and "First fix" not in needs["backend"]
    assert "First fix rollout-stuck: new tasks of worker may fail until then." in needs["worker"]


def test_tasks_that_could_not_read_are_tried_again_where_all_is_known_to_be_well_now() -> None:
    """Also where a run was killed after its last step; not where something could not be looked at."""
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: api error ThrottlingException"
    snapshot = stuck(healthy(), "worker", reason.replace("ThrottlingException", "InternalServiceError"))
    assert planned(snapshot).is_empty, "nobody looked at the network"
    with_network = replace(
        snapshot,
        network=Network(
            vpcs={},
            subnets={},
            route_tables=(),
            nat_gateways={},
            internet_gateways={},
            groups={},
            acls=(),
            endpoints=(),
            prefix_lists={},
        ),
    )
    plan = planned(with_network)
    assert (redeployed(plan), plan.steps) == (["worker"], ())
    gap = ReadFailure("the policy", "secretsmanager:GetResourcePolicy", "AccessDeniedException", "denied")
    assert planned(replace(with_network, gaps={"resource_policy": (gap,)})).is_empty


def test_old_tasks_of_a_service_that_no_run_deploys_stay_unfixed() -> None:
    """An Express service is no consumer: its finding is left with its own remedy."""
    snapshot = rotated(healthy(), NOW - timedelta(hours=1), SECRET_KEY=secrets.token_hex(32))
    express = tuple(replace(each, controller=EXPRESS) for each in snapshot.services if each.name == "worker")
    others = tuple(each for each in snapshot.services if each.name != "worker")
    plan = planned(replace(snapshot, services=others, express_services=express))
    assert redeployed(plan) == ["backend"]
    assert [(entry.finding.check, entry.finding.subject) for entry in plan.unfixed] == [("not-forced", "worker")]


def test_a_version_that_any_service_came_through_with_is_not_taken_back() -> None:
    """The failure of another service's tasks is reported, and is no reason to break this one again."""
    snapshot = healthy()
    (step,) = planned(with_text(with_values(snapshot, document(snapshot), PREVIOUS), BROKEN)).steps
    completed = Rollout("backend", "ecs-svc/1", "ohmycoins-staging-backend:7", "done", 1, 1)
    failed = Rollout("worker", "ecs-svc/2", "ohmycoins-staging-worker:7", "failed", 1, 0, "It exited.")
    context = ChangeContext(
        clients=cast(Any, None),
        cluster="ohmycoins-staging",
        look=lambda: snapshot,
        show=lambda *_: None,
        announce=lambda _: None,
        clock=time,
    )
    rollback, journal = Rollback(context, [step]), Journal()

    def fail() -> tuple[Change, ...]:
        rollback.record_failure(snapshot, (), [completed, failed])
        raise StepFailed

    steps = [Step(name="move", apply=lambda: (), undo=rollback.undo(step)), Step(name="look", apply=fail)]
    assert not execute(steps, context.announce, journal, rollback.afterwards())
    assert (rollback.kept_steps, journal.changes, rollback.sentence) == ((step,), [], NOTHING)
    assert [(finding.check, finding.services) for finding in rollback.findings] == [("change-failed", {"worker"})]


def test_no_secret_and_no_cluster_leave_nothing_to_plan() -> None:
    """The plan is empty, and what is found is left with its own remedy."""
    plan = planned(replace(healthy(), secret=None, contents={}))
    assert plan.is_empty and "secret-missing" in reasons(plan)
    without_cluster = replace(healthy(), service_names=None, services=(), task_definitions={}, tasks=(), permissions={})
    assert planned(without_cluster).is_empty


def test_a_stack_is_to_be_changed_too() -> None:
    """A revision that was registered beside its stack lasts until the stack is deployed again."""
    wrong = with_reference(healthy(), "worker", "SECRET_KEY", WRONG["bare-name"])
    of_stack = with_definition(wrong, "worker", lambda revision: replace(revision, stack="omc-worker"))
    for snapshot, where in ((wrong, "in Terraform too: its next apply"), (of_stack, "CloudFormation stack omc-worker")):
        (step,) = planned(snapshot).steps
        assert where in step.lines[-1]
        assert ("stack omc-worker" in step.by_hand(snapshot.environment.names)) is (snapshot is of_stack)


def test_a_reference_to_a_key_that_no_catalogue_has_keeps_it() -> None:
    """The secret has it, and only its region was wrong."""
    snapshot = with_keys(healthy(), SENDGRID_TOKEN=secrets.token_hex(16))
    wrong = f"{ARN.replace(REGION, 'us-east-1')}:SENDGRID_TOKEN::"
    (step,) = planned(with_reference(snapshot, "worker", "SECRET_KEY", wrong)).steps
    assert isinstance(step, Correction)
    assert [edit.after for edit in step.edits] == [f"{ARN}:SENDGRID_TOKEN::"]


@pytest.mark.parametrize(
    "broken", [with_reference(healthy(), "worker", "SECRET_KEY", NAME), with_permissions(healthy(), NOTHING_ALLOWED)]
)
def test_a_consequence_is_left_to_its_cause(broken: Snapshot) -> None:
    """What would be fixed as a root cause is not, where another finding explains it."""
    history, findings = VersionHistory(()), root_causes.diagnose(broken)
    assert plan_fix(broken, findings, history).steps
    explained = [replace(each, because_of=("no-secret",)) for each in findings]
    assert not plan_fix(broken, explained, history).steps


def test_a_version_whose_keys_are_only_named_otherwise_is_no_loss() -> None:
    """The database has the password that both versions have; another one is left to a person."""
    values = document(healthy())
    former, lower = with_values(healthy(), values, PREVIOUS), {key.lower(): value for key, value in values.items()}
    plan = planned(with_values(former, lower))
    assert [type(step) for step in plan.steps] == [RestoreVersion] and plan.unfixed == ()
    plan = planned(with_values(former, {**lower, "postgres_password": secrets.token_hex(16)}))
    assert plan.steps == () and "restore could break the login" in reasons(plan)["key-case"]


def test_a_restore_that_was_killed_is_continued_by_restore_alone() -> None:
    """Where AWSPREVIOUS is newer there is nothing to restore, and a fix finishes nobody's restore."""
    values = document(healthy())
    broken = with_values(with_values(healthy(), values, PREVIOUS), {**values, "SECRET_KEY": ""})
    assert broken.secret and broken.versions
    stages = {**broken.secret.stages, CURRENT: ("AWSCURRENT", f"{RESTORE_LABEL}{CURRENT}")}
    created = {version.id: version.created for version in broken.versions}
    swapped = {PREVIOUS: created[CURRENT], CURRENT: created[PREVIOUS]}
    versions = tuple(replace(each, created=swapped.get(each.id, each.created)) for each in broken.versions)
    killed = replace(broken, secret=replace(broken.secret, stages=stages), versions=versions)
    (reason,) = reasons(planned(killed)).values()
    assert "moved back already" in reason and reason.endswith("was not finished: restore continues it.")


def test_a_former_version_that_could_not_be_read_is_not_restored() -> None:
    """What was refused is the reason, and the rest of the plan goes on."""
    snapshot = with_text(with_permissions(healthy(), NOTHING_ALLOWED), BROKEN)
    refused = ReadFailure("version", "secretsmanager:GetSecretValue", "AWS refuses the version.", "denied")
    entries = [VersionEntry(version=each, content=None, unread=refused) for each in reversed(snapshot.versions)]
    plan = plan_fix(snapshot, root_causes.diagnose(snapshot), VersionHistory(tuple(entries)))
    assert [type(step) for step in plan.steps] == [Grant]
    assert reasons(plan)["single-quoted"] == refused.sentence


def test_a_correction_whose_services_are_all_left_out_is_no_step() -> None:
    """Else a revision would be registered that no service gets; a step for no service alone stays."""
    worker, backend = (each for each in healthy().services if each.name in ("worker", "backend"))
    definition = next(iter(healthy().task_definitions.values()))
    both = Correction(definition, (), (worker, backend), (), source_of(healthy()))
    own, grant = replace(both, services=(worker,)), Grant(*("x",) * 6, because=())
    assert without((both, own, grant), {worker.name}) == (replace(both, services=(backend,)), grant)


@pytest.mark.parametrize(
    ("snapshot", "check", "is_referred"),
    [
        (without_key(healthy(), "SECRET_KEY"), "key-missing", True),
        (with_secret(without_key(healthy(), "SECRET_KEY"), stages={CURRENT: ("AWSCURRENT",)}), "key-missing", False),
        (with_text(healthy(), BROKEN), "single-quoted", False),
    ],
)
def test_a_keys_fault_is_left_to_troubleshoot_where_a_former_version_may_be_right(
    snapshot: Snapshot, check: str, is_referred: bool
) -> None:
    """verify has not read that version; what is wrong with the whole document has its own way back."""
    findings = root_causes.diagnose(snapshot)
    (before,), (after,) = (
        [each for each in every if each.check == check and each.family == "content" and each.status == "found"]
        for every in (findings, refer(findings, snapshot))
    )
    assert (after.remedy != before.remedy) is is_referred
    assert not is_referred or after.remedy.runbook == "troubleshoot"


def test_by_hand_beside_troubleshoot_tasks_get_the_value_too() -> None:
    """Whoever pastes verify's command instead starts new tasks, as where there is no former version."""
    snapshot = with_keys(healthy(), SECRET_KEY=None)
    findings = root_causes.diagnose(snapshot)
    (before,), (after,) = (
        [each for each in every if each.check == "null" and each.status == "found"]
        for every in (findings, refer(findings, snapshot))
    )
    assert after.remedy.runbook == "troubleshoot" and after.remedy.command == before.remedy.command
    assert after.remedy.command.count("--force-new-deployment") == len(before.services) == 2


def test_by_hand_what_others_deploy_keeps_no_other_service_from_new_tasks() -> None:
    """ECS starts those that it can, and the remedy says how the others are started."""
    snapshot = with_service(with_keys(healthy(), SECRET_KEY=None), "worker", controller="CODE_DEPLOY")
    findings = refer(root_causes.diagnose(snapshot), snapshot)
    [null] = [each for each in findings if each.check == "null" and each.status == "found"]
    assert null.remedy.command.count("--force-new-deployment") == 1 and "--service backend" in null.remedy.command
    assert "Then start new tasks of worker: start a CodeDeploy deployment" in null.remedy.needs


def test_by_hand_beside_troubleshoot_says_what_the_command_needs() -> None:
    """The sign-in of the environment's role, and not the file of the other runbook."""
    snapshot = with_keys(healthy(), FIRST_SUPERUSER="nobody")
    caller = replace(snapshot.caller, source="arn:aws:iam::210987654321:user/night")
    [after] = [
        finding
        for finding in refer(root_causes.diagnose(replace(snapshot, caller=caller)), snapshot)
        if finding.status == "found"
    ]
    assert after.check == "wrong-form" and after.remedy.runbook == "troubleshoot"
    assert after.remedy.needs.startswith("secrets.json is the whole secret")
    assert "The AWS CLI needs the sign-in of" in after.remedy.needs


@pytest.mark.parametrize(("other", "is_restored"), [("", True), ("a-new-database-password", False)])
def test_a_document_whose_values_are_objects_goes_back(other: str, is_restored: bool) -> None:
    """The database has the password that both versions have, unless the object has another one."""
    snapshot = rotated(healthy(), NOW - timedelta(minutes=30))
    former = document(snapshot)
    wrapped = {key: {"value": value} for key, value in former.items()}
    wrapped |= {"POSTGRES_PASSWORD": {"value": other}} if other else {}
    plan = planned(with_values(snapshot, wrapped, snapshot.current_id))
    assert [isinstance(step, RestoreVersion) for step in plan.steps] == [True] * is_restored
    assert is_restored or "The database may no longer accept the former POSTGRES_PASSWORD" in reasons(plan)["nested"]


def test_a_fix_says_that_it_does_not_deploy_what_ecs_rolled_back() -> None:
    """Its new tasks are of the revision in force, though a former one alone needs the key that comes back."""
    began = NOW - timedelta(minutes=20)
    new = task_definition("worker", ("SECRET_KEY", "NEW_KEY"), 8)
    back = deployment(
        "worker", began, id="back", rollout_reason="ECS deployment circuit breaker: rolling back to back."
    )
    reason = "ResourceInitializationError: unable to pull secrets or registry auth: did not contain json key NEW_KEY"
    failed = stopped("worker", reason, began, deployment_id="new", task_definition_arn=new.arn)
    base = healthy()
    former = with_values(base, {**document(base), "NEW_KEY": secrets.token_hex(16)}, PREVIOUS)
    snapshot = with_tasks(with_service(former, "worker", deployments=(back,)), failed)
    snapshot = replace(snapshot, task_definitions={**snapshot.task_definitions, new.arn: new})
    plan = planned(snapshot)
    assert [type(step) for step in plan.steps] == [RestoreVersion] and redeployed(plan) == ["backend", "worker"]
    [sentence] = plan.deployments_by_hand
    assert sentence.startswith("ECS rolled ohmycoins-staging-worker:8 of worker back") and sentence in plan.sentences
    assert "--task-definition ohmycoins-staging-worker:8 --force" in report.manual_fixes(plan).to_text()
    [finding] = [each for each in follow(root_causes.diagnose(snapshot), plan, snapshot) if each.check == "key-missing"]
    assert "--service worker --task-definition ohmycoins-staging-worker:8 --force" in finding.remedy.command
    assert "--service backend --force-new-deployment" in finding.remedy.command
    assert not planned(former).deployments_by_hand
    # The percentages may leave no room for its tasks, and the revision may be gone since.
    gone = replace(snapshot, task_definitions={**snapshot.task_definitions, new.arn: replace(new, status="INACTIVE")})
    full = planned(with_service(gone, "worker", minimum_healthy_percent=100, maximum_percent=100))
    assert (
        "--task-definition ohmycoins-staging-worker:8 --deployment-configuration" in report.manual_fixes(full).to_text()
    )
    [finding] = [each for each in follow(root_causes.diagnose(gone), full, gone) if each.check == "key-missing"]
    for remedy in (finding.remedy, *full.deployments_by_hand.values()):
        assert "ohmycoins-staging-worker:8, which is INACTIVE: register it again" in remedy.needs
