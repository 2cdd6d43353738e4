"""Faults of ECS Exec: each with a look that works and one that does not, and which of them explains which."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError
from support.aws_commands import read_line
from support.check_assertions import assert_clear, by_id
from support.faults.access import KEY, decrypting, under_key
from support.faults.execute import FAULTS, encrypted, placed, with_role, with_worker, without_agent
from support.faults.execute import ROLE as TASK_ROLE
from support.networks import by_nat, with_egress, with_routes
from support.snapshots import (
    NAMES,
    NOW,
    REGION,
    ROLE,
    WORKER_KEYS,
    by_policies,
    healthy,
    looked,
    policy,
    role,
    simulated,
    simulation,
    task_definition,
    with_channels,
    with_container,
    with_definition,
    with_proxy,
    with_refusal,
    with_service,
)

from omc_runbook.aws import iam, organizations
from omc_runbook.aws.definitions import Container
from omc_runbook.aws.deployments import DeploymentConfiguration
from omc_runbook.aws.ecs import TaskContainer
from omc_runbook.aws.execute import FailureKind
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.organizations import Organization
from omc_runbook.aws.session import Clients
from omc_runbook.changes.fix.grants import plan_grants
from omc_runbook.changes.fix.steps import Grant
from omc_runbook.checks import execute, remedies
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.execute import STATIC_KEYS
from omc_runbook.diagnosis.complaint import read_complaint
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.iam.policy import PolicyDocument, trusts
from omc_runbook.snapshot import permissions
from omc_runbook.snapshot import roles as role_reader
from omc_runbook.snapshot.deep_read import InsideRead
from omc_runbook.snapshot.exec_read import ExecRead
from omc_runbook.snapshot.gatherer import Gatherer
from omc_runbook.snapshot.roles import CHANNELS, Permissions
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(execute))


@pytest.mark.parametrize("id", [id for id in FAULTS if id != "exec-plugin"])
def test_a_fault_is_the_only_root_cause_and_a_warning(id: str) -> None:
    """What follows from it, such as an agent that does not run, does not compete with it."""
    findings = [finding for finding in diagnose(FAULTS[id].make(healthy())) if finding.is_root_cause]
    assert {(finding.check, finding.severity) for finding in findings} == {(id, "warning")}


@pytest.mark.parametrize("id", ["exec-endpoint", "exec-readonly"])
def test_an_agent_that_cannot_run_is_a_consequence(id: str) -> None:
    """The agent is named with what keeps it from running."""
    [agent] = [finding for finding in diagnose(FAULTS[id].make(healthy())) if finding.check == "exec-agent"]
    assert agent.because_of == (id,)


def test_new_tasks_for_an_agent_may_wait_for_a_person() -> None:
    """As wherever new tasks of such a service are started; and what if the agent ends again."""
    snapshot = FAULTS["exec-agent"].make(healthy())
    pausing = DeploymentConfiguration(strategy="CANARY", pauses=("POST_SCALE_UP",))
    [found] = run_check(CHECKS["exec-agent"], with_service(snapshot, "worker", configuration=pausing))
    assert "will wait at POST_SCALE_UP for a person" in found.remedy.needs
    assert "that continues it. If the agent stops again, the image ends it:" in found.remedy.needs
    assert found.remedy.needs.endswith("too little memory, or a process that ends others.")


@pytest.mark.parametrize(("started", "status"), [(None, "clear"), (NOW, "clear"), (NOW - timedelta(days=1), "found")])
def test_an_agent_has_time_to_start(started: datetime | None, status: str) -> None:
    """A task that has not started yet has none, and is no fault."""
    snapshot = with_worker(without_agent(healthy(), "PENDING"), started=started)
    assert [each.status for each in run_check(CHECKS["exec-agent"], snapshot)] == [status]


def test_the_service_may_say_otherwise_than_its_tasks() -> None:
    """Switched on for the service after its tasks were run: the tasks' own flag counts, and both are named."""
    snapshot = with_service(FAULTS["exec-off"].make(healthy()), "worker", execute=True)
    [found] = run_check(CHECKS["exec-off"], snapshot)
    assert "true, for new tasks" in found.evidence[1]
    assert found.remedy.command.endswith(
        "--service worker --enable-execute-command --force-new-deployment --region ap-southeast-2"
    )


def test_nobody_looks_into_a_proxy() -> None:
    """A service whose proxy alone has the secret needs no ECS Exec."""
    logging = with_proxy(looked(healthy()), "frontend", "SECRET_KEY")
    off = tuple(replace(task, execute=False) for task in logging.tasks)
    off = tuple(task for task in off if task.service == "frontend")
    quiet = replace(logging, tasks=(*(task for task in logging.tasks if task.service != "frontend"), *off))
    assert [each.status for each in run_check(CHECKS["exec-off"], quiet)] == ["clear"]
    with ThreadPoolExecutor(1) as pool:
        asking = Gatherer(pool, cast(Clients, None), quiet.environment, quiet.caller)
        looks = ExecRead(asking, replace(quiet, tasks=off)).end()
    assert not looks


def test_a_read_only_file_system_matters_with_exec_alone() -> None:
    """With ECS Exec off, or where a look worked all the same, a read-only root file system is no fault."""
    edit = FAULTS["exec-off"].make(healthy())
    for snapshot in (edit, looked(healthy())):
        assert_clear(
            CHECKS["exec-readonly"], with_container(snapshot, "worker", lambda old: replace(old, readonly=True))
        )


def test_a_read_only_sidecar_is_why_its_agent_ended() -> None:
    """The container with the secret can be looked into, and the agent of the other one is reported with its cause."""
    pair = (TaskContainer("worker", None, "", "RUNNING"), TaskContainer("side", None, "", "STOPPED"))
    snapshot = with_worker(looked(healthy()), containers=pair)
    side = Container(name="side", secrets=(), environment=(), readonly=True, essential=False)
    snapshot = with_definition(snapshot, "worker", lambda old: replace(old, containers=(*old.containers, side)))
    found = {finding.check: finding for finding in diagnose(snapshot) if finding.is_problem}
    assert found["exec-readonly"].subject.endswith(" side")
    assert found["exec-agent"].because_of == ("exec-readonly",)


@pytest.mark.parametrize("edit", [{"readonly": True}, {"environment": STATIC_KEYS}], ids=["read-only", "AWS keys"])
def test_a_sidecar_is_not_why_another_container_fails(edit: dict[str, Any]) -> None:
    """Each container has an agent of its own: that of the sidecar runs, and the worker's session fails otherwise."""
    pair = (TaskContainer("worker", None, "", "RUNNING"), TaskContainer("side", None, "", "RUNNING"))
    snapshot = with_refusal(with_worker(looked(healthy()), containers=pair), "worker", "session", "it ended")
    side = replace(Container(name="side", secrets=(), environment=(), essential=False), **edit)
    snapshot = with_definition(snapshot, "worker", lambda old: replace(old, containers=(*old.containers, side)))
    for id in ("exec-readonly", "exec-static-keys"):
        assert_clear(CHECKS[id], snapshot)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *(("no-shell", "clear"), ("denied", "clear"), ("agent", "found"), ("session", "found")),
        *(("log-group", "found"), ("bucket", "found")),
    ],
)
def test_aws_keys_are_not_why_a_container_has_no_shell(kind: FailureKind, status: str) -> None:
    """The session began there, and who may not begin one at all shows nothing of the container.

    That the session's log is encrypted, the agent reads with these keys too.
    """
    snapshot = with_container(looked(healthy()), "worker", lambda old: replace(old, environment=STATIC_KEYS))
    refused = with_refusal(snapshot, "worker", kind)
    assert [answer.status for answer in run_check(CHECKS["exec-static-keys"], refused)] == [status]


def test_a_container_that_has_ended_needs_no_agent() -> None:
    """A container that prepares the task and ends takes its agent along: that is no fault."""
    pair = (TaskContainer("worker", None, "", "RUNNING"), TaskContainer("prepare", 0, "", "STOPPED"))
    assert_clear(CHECKS["exec-agent"], with_worker(looked(healthy()), containers=pair))


@pytest.mark.parametrize("name", ["aws-guardduty-agent-nm40lC", "ecs-service-connect-oRK9o"])
def test_a_container_that_aws_adds_has_no_agent(name: str) -> None:
    """It stands in no task definition, and nobody looks into it; one that does stand there has to have its agent."""
    added = (TaskContainer("worker", None, "", "RUNNING"), TaskContainer(name, None, ""))
    snapshot = with_worker(looked(healthy()), containers=added)
    assert_clear(CHECKS["exec-agent"], snapshot)
    side = Container(name=name, secrets=(), environment=())
    own = with_definition(snapshot, "worker", lambda old: replace(old, containers=(*old.containers, side)))
    assert [answer.status for answer in run_check(CHECKS["exec-agent"], own)] == ["found"]


@pytest.mark.parametrize(("own", "side", "status"), [("RUNNING", "STOPPED", "clear"), ("STOPPED", "RUNNING", "found")])
def test_containers_that_share_processes_share_one_agent(own: str, side: str, status: str) -> None:
    """New tasks would have it in one container again: with pidMode, that is no remedy."""
    pair = (TaskContainer("worker", None, "", own), TaskContainer("side", None, "", side))
    added = Container(name="side", secrets=(), environment=())
    snapshot = with_definition(
        with_worker(looked(healthy()), containers=pair),
        "worker",
        lambda old: replace(old, containers=(*old.containers, added), pid_mode="task"),
    )
    [answer] = run_check(CHECKS["exec-agent"], snapshot)
    assert answer.status == status
    if status == "found":
        assert "pidMode is task" in answer.evidence[1] and answer.remedy.command.startswith("Take pidMode out of")
        without = with_worker(snapshot, containers=tuple(replace(each, agent="STOPPED") for each in pair))
        [answer] = run_check(CHECKS["exec-agent"], without)
        assert "--force-new-deployment" in answer.remedy.command


def test_where_processes_are_shared_each_container_that_is_looked_into_needs_the_agent() -> None:
    """Also one that has no variable of the secret, in a revision that lacks all of them."""
    pair = (TaskContainer("worker", None, "", ""), TaskContainer("side", None, "", "RUNNING"))
    added = Container(name="side", secrets=(), environment=(), essential=False)
    snapshot = with_definition(
        with_refusal(with_worker(looked(healthy()), containers=pair), "worker", "agent"),
        "worker",
        lambda old: replace(
            old, containers=(*(replace(each, secrets=()) for each in old.containers), added), pid_mode="task"
        ),
    )
    names = snapshot.environment.names.model_copy(update={"service": "worker"})
    snapshot = replace(snapshot, environment=replace(snapshot.environment, names=names))
    assert [answer.status for answer in run_check(CHECKS["exec-agent"], snapshot)] == ["found"]


def test_a_new_task_has_time_for_its_agent() -> None:
    """An agent that is pending in a task of some seconds is no fault, and one of minutes is."""
    pending = without_agent(healthy(), "PENDING")
    assert_clear(CHECKS["exec-agent"], with_worker(pending, started=NOW - timedelta(seconds=20)))
    assert [answer.status for answer in run_check(CHECKS["exec-agent"], pending)] == ["found"]


def test_a_task_without_a_role_cannot_open_channels() -> None:
    """A missing taskRoleArn is called that."""
    snapshot = with_definition(looked(healthy()), "worker", lambda old: replace(old, task_role_arn=""))
    [found] = run_check(CHECKS["exec-iam"], snapshot)
    assert found.subject == "worker" and "has no taskRoleArn" in found.evidence[0]


@pytest.mark.parametrize(
    ("where", "works", "status"),
    [
        ({"launch_type": "EC2"}, True, "clear"),
        ({"capacity_providers": ("instances",)}, True, "clear"),
        ({"launch_type": "EC2"}, False, "found"),
        ({"capacity_providers": ("FARGATE_SPOT",)}, True, "found"),
    ],
)
def test_an_instances_role_may_open_channels_too(where: dict[str, Any], works: bool, status: str) -> None:
    """A look that worked shows that a task without a role of its own needs none there."""
    snapshot = with_service(looked(healthy()), "worker", **where)
    snapshot = with_definition(snapshot, "worker", lambda old: replace(old, task_role_arn=""))
    snapshot = snapshot if works else with_refusal(snapshot, "worker", "agent")
    assert [answer.status for answer in run_check(CHECKS["exec-iam"], snapshot)] == [status]


def test_an_open_network_is_not_why_an_agent_does_not_run() -> None:
    """Where the subnets have a way to ssmmessages, the agent stopped for another reason."""
    assert_clear(CHECKS["exec-endpoint"], placed(without_agent(healthy()), by_nat()))


def test_a_security_group_in_the_way_of_the_agent_is_opened() -> None:
    """An endpoint would be as far away."""
    closed = placed(without_agent(healthy()), with_egress(by_nat()))
    [found] = [each for each in run_check(CHECKS["exec-endpoint"], closed) if each.status == "found"]
    assert found.remedy.command.startswith("aws ec2 authorize-security-group-egress --group-id ")
    assert " --region ap-southeast-2 && aws ecs update-service " in found.remedy.command


def test_a_closed_network_is_told_once() -> None:
    """Where nothing leads out at all, tasks cannot read their secrets either: that alone is the cause."""
    closed = placed(without_agent(healthy()), with_routes(by_nat()))
    found = {finding.check: finding for finding in diagnose(closed) if finding.is_problem}
    assert [check for check, finding in found.items() if finding.is_root_cause] == ["no-egress"]
    assert found["exec-endpoint"].because_of == ("no-egress",)


ROLES = {
    "allowed by its policies": (by_policies(policy(action=list(CHANNELS))), "clear"),
    "not allowed by its policies": (by_policies(policy(action="s3:*")), "found"),
    "half of it denied": (by_policies(policy(action="*"), policy("Deny", action="ssmmessages:Open*")), "found"),
    "on a condition": (
        by_policies(policy(action="ssmmessages:*", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})),
        "unknown",
    ),
    "on a tag that it lacks": (
        by_policies(policy(action="ssmmessages:*", Condition={"StringEquals": {"aws:PrincipalTag/exec": "yes"}})),
        "found",
    ),
    "unreadable": (replace(by_policies(), policies=None), "unknown"),
    "gone": (Permissions(role=None, exists=False), "found"),
}


@pytest.mark.parametrize("case", ROLES)
def test_roles(case: str) -> None:
    """Where AWS does not simulate, the role's policies decide; what cannot be read or judged is unknown."""
    permissions, status = ROLES[case]
    answers = run_check(CHECKS["exec-iam"], with_role(healthy(), permissions))
    assert {answer.status for answer in answers} == {status}, answers
    if status == "found":
        [answer] = answers
        assert "ssmmessages:OpenDataChannel" in answer.evidence[0] + answer.remedy.command
        # A grant does not outdo a Deny, and no role that is gone gets one.
        first = {"gone": "aws iam create-role"}.get(case, "aws iam put-role-policy")
        assert answer.remedy.command.startswith("Remove the deny from" if "denied" in case else first)


@pytest.mark.parametrize("path", ["", "service/"])
def test_a_task_role_that_is_gone_is_created_where_it_was(path: str) -> None:
    """Then it gets what ECS Exec needs, and new tasks start with it."""
    create, put, *deploy = read_line(remedies.create_task_role(f"arn:aws:iam::123456789012:role/{path}tasks").command)
    assert not deploy and (create.operation, put.operation) == ("create_role", "put_role_policy")
    assert create.parameters["RoleName"] == put.parameters["RoleName"] == "tasks"
    assert create.parameters.get("Path", "/") == f"/{path}"
    trust = PolicyDocument("trust", "trust", json.loads(create.parameters["AssumeRolePolicyDocument"]))
    assert trusts(trust, "ecs-tasks.amazonaws.com").decision == "allowed"


@pytest.mark.parametrize(("is_read", "status"), [(True, "found"), (False, "unknown")])
def test_an_organization_that_was_not_read_denies_no_channel(
    is_read: bool, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its policies may ask for it, which the simulation lacked."""
    known, gap = (
        role(NAMES.task_role),
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "DescribeOrganization"),
    )
    denied = [simulation(each, "*", "explicitDeny", allowed_by_organization=False) for each in CHANNELS]
    monkeypatch.setattr(iam, "simulate", lambda client, role, actions, *_: [*denied])
    monkeypatch.setattr(iam, "get_role", lambda client, name: known)
    describe = Mock(return_value=Organization("o-1", ""), side_effect=None if is_read else gap)
    monkeypatch.setattr(organizations, "describe", describe)
    read = role_reader.read_exec(Clients(REGION), known.arn)
    [answer] = run_check(CHECKS["exec-iam"], with_role(healthy(), read))
    assert answer.status == status
    assert is_read or "organizations:DescribeOrganization is missing" in answer.evidence[0]


def test_the_plugin_does_not_stand_for_a_session_that_fails() -> None:
    """Where sessions fail for a reason that no check knows, the missing plugin is not called the cause."""
    snapshot = looked(healthy())
    for name in ("backend", "worker"):
        snapshot = with_refusal(snapshot, name, "session", "it ended")
    findings = read_complaint("exec-fails").focus(diagnose(replace(snapshot, plugin="")))
    assert not [finding for finding in findings if finding.check == "exec-plugin" and finding.status == "found"]
    assert any(finding.status == "unknown" and "session failed" in finding.evidence[0] for finding in findings)


def test_no_tool_is_told_as_such() -> None:
    """A shell without a program for digests is the same fault, in other words."""
    snapshot = with_refusal(looked(healthy()), "worker", "no-tool", "no program that makes a digest")
    [found] = run_check(CHECKS["exec-no-shell"], snapshot)
    assert "no program that makes a digest" in found.evidence[0]


def test_keys_that_may_open_channels_are_no_fault() -> None:
    """Where ECS Exec worked, AWS keys in the container are no fault of it."""
    snapshot = with_container(looked(healthy()), "worker", lambda old: replace(old, environment=STATIC_KEYS))
    assert_clear(CHECKS["exec-static-keys"], snapshot)


@pytest.mark.parametrize("plugin", ["", "session-manager-plugin"])
@pytest.mark.parametrize("id", sorted(set(FAULTS) - {"exec-plugin"}))
def test_what_breaks_exec_is_named_without_the_plugin_too(id: str, plugin: str) -> None:
    """Whether the AWS CLI's plugin is here or not, the cause comes first, as an error, and the plugin is no error."""
    snapshot = replace(FAULTS[id].make(healthy()), plugin=plugin)
    findings = read_complaint("exec-fails").focus(diagnose(snapshot))
    errors = [finding.check for finding in findings if finding.is_root_cause and finding.severity == "error"]
    assert errors == [id]


def test_a_task_role_that_may_use_the_sessions_key() -> None:
    """A role that may decrypt, by its policies or the key's, is no fault; one that cannot be judged is unknown.

    Its own policies do not count where the key's policy does not let them, and nothing outdoes its deny.
    """
    allowed = encrypted(healthy(), policy(action="kms:Decrypt"))
    assert_clear(CHECKS["exec-kms"], allowed)
    direct = policy(action="kms:Decrypt", kind="resource", Principal={"AWS": next(iter(allowed.session_roles))})
    by_key = encrypted(healthy())
    assert by_key.session_key
    assert_clear(CHECKS["exec-kms"], replace(by_key, session_key=replace(by_key.session_key, policy=direct)))
    admin = policy(action="kms:*", kind="resource", Principal={"AWS": f"{TASK_ROLE}-of-somebody-else"})
    denies = policy("Deny", action="kms:Decrypt", kind="resource", Principal={"AWS": TASK_ROLE})
    assert allowed.session_key
    for own, status in ((admin, "unknown"), (denies, "found")):
        [answer] = run_check(CHECKS["exec-kms"], replace(allowed, session_key=replace(allowed.session_key, policy=own)))
        assert answer.status == status and "GetKeyPolicy: " in " ".join(answer.evidence)
        assert (answer.remedy.command == "Correct the key's policy: aws kms put-key-policy.") == (status == "found")
    fence = policy("Deny", action="kms:Decrypt", kind="boundary")
    fenced = {arn: replace(each, boundary=fence) for arn, each in allowed.session_roles.items()}
    granted = replace(allowed.session_key, policy=direct)
    [found] = run_check(CHECKS["exec-kms"], replace(allowed, session_roles=fenced, session_key=granted))
    assert found.remedy.command == "Remove the deny from secrets-policy statement 1, the role's permissions boundary."
    on_condition = policy(action="kms:Decrypt", Condition={"StringEquals": {"aws:SourceVpce": "vpce-1"}})
    doubtful = encrypted(healthy(), on_condition)
    read = {arn: replace(permissions, unread=()) for arn, permissions in doubtful.session_roles.items()}
    for roles, why in ((doubtful.session_roles, "iam:SimulatePrincipalPolicy is missing"), (read, "aws:SourceVpce")):
        [answer] = run_check(CHECKS["exec-kms"], replace(doubtful, session_roles=roles))
        assert answer.status == "unknown" and why in answer.evidence[0]


@pytest.mark.parametrize(
    ("state", "way"),
    [
        ("Enabled", ""),
        ("Updating", ""),
        ("Disabled", "aws kms enable-key "),
        ("PendingDeletion", "aws kms cancel-key-deletion "),
        ("PendingImport", "Import the same key material again"),
    ],
)
def test_nobody_can_use_a_sessions_key_in_its_state(state: str, way: str) -> None:
    """Also a role that every policy lets use it."""
    allowed = encrypted(healthy(), policy(action="kms:Decrypt"))
    assert allowed.session_key
    answers = run_check(CHECKS["exec-kms"], replace(allowed, session_key=replace(allowed.session_key, state=state)))
    found = [each for each in answers if each.status == "found"]
    assert len(found) == bool(way) and all(each.remedy.command.startswith(way) for each in found)
    assert all(f"KeyState {state}" in each.evidence[1] for each in found)


@pytest.mark.parametrize("state", ["", "Creating"])
def test_a_state_of_a_sessions_key_that_tells_nothing_is_unknown(state: str) -> None:
    """Not clear, as for the secret's key."""
    allowed = encrypted(healthy(), policy(action="kms:Decrypt"))
    assert allowed.session_key
    [answer] = run_check(CHECKS["exec-kms"], replace(allowed, session_key=replace(allowed.session_key, state=state)))
    assert answer.status == "unknown" and "whether it decrypts is not known" in answer.evidence[0]


@pytest.mark.parametrize("key", ["arn:aws:kms:ap-southeast-2:123456789012:key/sessions", "*"])
def test_the_missing_permission_for_the_sessions_key_is_not_asked_for_the_secrets_key(key: str) -> None:
    """The policy that verify prints names the key of the refusal."""
    action = "kms:GenerateDataKey"
    words = (
        f"User: me is not authorized to perform: {action} on resource: {key} because no identity-based policy allows"
    )
    refused = with_refusal(looked(under_key()(healthy())), "worker", "denied", words, action)
    [statement] = json.loads(permissions.policy(refused))["Statement"]
    assert (statement["Action"], statement["Resource"]) == ([action], [key])
    unread = ReadFailure("key sessions", "kms:DescribeKey", "AccessDeniedException", "denied")
    for field, resource in (("session_key", "*"), ("kms_key", KEY)):
        [statement] = json.loads(permissions.policy(replace(under_key()(healthy()), gaps={field: (unread,)})))[
            "Statement"
        ]
        assert statement["Resource"] == [resource]


class Client:
    """A client of any service, of a cluster whose sessions a key encrypts that KMS answers for with this code."""

    def __init__(self, code: str) -> None:
        self.code = code

    def describe_clusters(self, **_: Any) -> Any:
        return {"clusters": [{"configuration": {"executeCommandConfiguration": {"kmsKeyId": "gone"}}}]}

    def describe_key(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": self.code, "Message": "No."}}, "DescribeKey")

    def execute_command(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ClientException", "Message": "No."}}, "ExecuteCommand")


@pytest.mark.parametrize(("code", "status"), [("NotFoundException", "found"), ("AccessDeniedException", "unknown")])
def test_a_sessions_key_that_does_not_exist_is_found(code: str, status: str) -> None:
    """One that could not be read may exist."""
    base = looked(healthy())
    definitions = {arn: replace(each, task_role_arn="") for arn, each in base.task_definitions.items()}
    base = replace(base, task_definitions=definitions)
    with ThreadPoolExecutor(2) as pool:
        clients = cast(Clients, lambda *_: Client(code))
        gatherer = Gatherer(pool, clients, base.environment, base.caller)
        snapshot = InsideRead(gatherer, base).end(base)
    [answer] = run_check(CHECKS["exec-kms"], replace(snapshot, gaps=dict(gatherer.gaps)))
    assert answer.status == status
    if status == "found":
        assert answer.evidence[1] == "DescribeKey: there is no key gone."
        assert answer.remedy.command.startswith(
            "aws ecs update-cluster --cluster ohmycoins-staging --configuration file:"
        )


def exchanged(snapshot: Snapshot, **names: str) -> Snapshot:
    """Let the worker's definition name its two roles in each other's place, in an environment of these names."""
    environment = replace(snapshot.environment, names=NAMES.model_copy(update=names))
    roles = {"execution_role_arn": TASK_ROLE, "task_role_arn": ROLE}
    return with_definition(
        replace(snapshot, environment=environment), "worker", lambda old: replace(old, **roles, revision=8)
    )


def refusing(snapshot: Snapshot, decision: str) -> Snapshot:
    """Let the execution role lack what ECS Exec needs, and the task role have this answer for the secret."""
    permissions = {**snapshot.permissions, TASK_ROLE: simulated(decision)}
    roles = {ROLE: with_channels("implicitDeny"), TASK_ROLE: with_channels()}
    return replace(looked(snapshot), permissions=permissions, task_roles=roles)


OTHER_NAMES = {"execution_role": "starter", "task_role": "app"}


def with_former(snapshot: Snapshot) -> Snapshot:
    """The same with the revision that the worker had before."""
    former = task_definition("worker", WORKER_KEYS, 6)
    return replace(snapshot, task_definitions={**snapshot.task_definitions, former.arn: former})


@pytest.mark.parametrize("is_by_name", [True, False])
@pytest.mark.parametrize(("decision", "cause"), [("implicitDeny", "no-permission"), ("allowed", "exec-iam")])
def test_two_roles_in_each_others_place_are_the_one_cause(decision: str, cause: str, is_by_name: bool) -> None:
    """By the environment's names, or an earlier revision's; a grant would leave them there."""
    snapshot = exchanged(healthy()) if is_by_name else exchanged(with_former(healthy()), **OTHER_NAMES)
    findings = diagnose(refusing(snapshot, decision))
    [root] = [finding for finding in findings if finding.is_root_cause]
    assert root.check == cause and root.services == {"worker"}
    assert root.remedy.command.startswith("In ohmycoins-staging-worker:8, exchange executionRoleArn and taskRoleArn")
    reason = "environment's execution role" if is_by_name else "worker:6 names them the other way round"
    assert reason in " ".join(root.evidence)
    assert not any(isinstance(each, Grant) for each in plan_grants(refusing(snapshot, decision), findings))
    with_key = refusing(under_key()(snapshot), decision)
    keyed = {**with_key.permissions, ROLE: decrypting("allowed"), TASK_ROLE: simulated(decision, policies=(policy(),))}
    roots = [finding.check for finding in diagnose(replace(with_key, permissions=keyed)) if finding.is_root_cause]
    assert roots == [cause if cause == "no-permission" else "kms-no-permission"]


def test_roles_that_nothing_shows_to_be_exchanged_are_granted_what_they_lack() -> None:
    """Neither the environment's names nor another revision says which is which."""
    findings = diagnose(refusing(exchanged(healthy(), **OTHER_NAMES), "implicitDeny"))
    roots = {finding.check: finding.remedy.command for finding in findings if finding.is_root_cause}
    assert set(roots) == {"no-permission", "exec-iam"}
    assert all(command.startswith("aws iam put-role-policy") for command in roots.values())
