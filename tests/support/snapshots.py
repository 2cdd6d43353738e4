"""A healthy staging environment as a snapshot in memory, and verbs that change one thing of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from omc_runbook.aws.cloudtrail import Event
from omc_runbook.aws.definitions import Container, Injection, TaskDefinition
from omc_runbook.aws.deployments import CircuitBreaker, DeploymentConfiguration
from omc_runbook.aws.ecs import Deployment, Service, Task, TaskContainer
from omc_runbook.aws.execute import ExecFailure, FailureKind
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.iam import Role, Simulation
from omc_runbook.aws.secretsmanager import Secret, Version
from omc_runbook.aws.sts import Caller
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.masking.document import DocumentError, parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model import value_from as model_value_from
from omc_runbook.model.aws_names import Names
from omc_runbook.model.catalogue import default_keys
from omc_runbook.model.environment import Environment
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.settings import parse_settings
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.held_values import ABSENT, ExecLook, HeldValue
from omc_runbook.snapshot.roles import CHANNELS, GET_SECRET_VALUE, Permissions
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.textfile.file import SourceFile

ACCOUNT = "123456789012"
REGION = "ap-southeast-2"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAME = "ohmycoins-staging-app-secrets"
ARN = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{NAME}-AbC123"
ROLE_NAME = "ohmycoins-staging-ecs-task-execution-role"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/{ROLE_NAME}"
PREVIOUS, CURRENT = secrets.token_hex(16), secrets.token_hex(16)
CHANGED = NOW - timedelta(days=10)
DEPLOYED = NOW - timedelta(days=9)
CONSUMERS = frozenset({"backend", "worker"})
WORKER_KEYS = ("SECRET_KEY", "POSTGRES_PASSWORD", "OPENAI_API_KEY")
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ecs-tasks.amazonaws.com"}}],
}
NAMES = Names(
    secret=NAME,
    cluster="ohmycoins-staging",
    task_family="ohmycoins-staging-backend",
    execution_role=ROLE_NAME,
    task_role="ohmycoins-staging-ecs-task-role",
    execution_policy="ohmycoins-staging-ecs-task-execution-secrets-policy",
)


def _password() -> str:
    # Without a letter in front, one of some million would be __a_placeholder__, or be taken for an option.
    return f"q{secrets.token_urlsafe(24)}"


def values() -> dict[str, Any]:
    """Every key of the example application with a good value, new ones each time."""
    token = secrets.token_hex(6)
    return {
        "SECRET_KEY": secrets.token_hex(32),
        "POSTGRES_PASSWORD": _password(),
        "OPENAI_API_KEY": f"sk-{secrets.token_hex(16)}",
        "FIRST_SUPERUSER": f"admin-{token}@ohmycoins.test",
        "FIRST_SUPERUSER_PASSWORD": _password(),
        "SMTP_HOST": f"smtp-{token}.ohmycoins.test",
        "SMTP_USER": f"noreply-{token}@ohmycoins.test",
        "SMTP_PASSWORD": _password(),
        "SENTRY_DSN": f"https://{secrets.token_hex(16)}@sentry.ohmycoins.test/4",
    }


def checkout_reading(*names: str) -> Checkout:
    """A checkout whose Settings reads these variables, and that has nothing else."""
    lines = "".join(f"    {name}: str | None = None\n" for name in names)
    text = f"from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n{lines}"
    file = SourceFile(Path("config.py"), "backend/app/core/config.py", text.encode())
    return Checkout(root=Path(), settings=parse_settings(file), template=None, compose=None, task_definitions=None)


def healthy() -> Snapshot:
    """A staging environment in which nothing is wrong.

    The current version came ten days ago; nine days ago backend (nine keys) and worker (three) were deployed
    with it, and frontend, which has no secrets.
    """
    found = Snapshot(
        environment=Environment(
            name="staging", project="ohmycoins", names=NAMES, keys=default_keys(), source="the guide"
        ),
        taken=NOW,
        caller=Caller(ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/on-call/engineer"),
        endpoint=f"https://secretsmanager.{REGION}.amazonaws.com",
        secret=Secret(
            arn=ARN,
            name=NAME,
            created=NOW - timedelta(days=60),
            deleted=None,
            changed=CHANGED,
            kms_key_id="",
            stages={PREVIOUS: ("AWSPREVIOUS",), CURRENT: ("AWSCURRENT",)},
        ),
        versions=(
            Version(PREVIOUS, NOW - timedelta(days=60), ("AWSPREVIOUS",)),
            Version(CURRENT, CHANGED, ("AWSCURRENT",)),
        ),
        contents={},
        service_names=("backend", "frontend", "worker"),
        services=tuple(service(name) for name in ("backend", "frontend", "worker")),
        task_definitions={
            definition.arn: definition
            for definition in (
                task_definition("backend", KEYS),
                task_definition("worker", WORKER_KEYS),
                task_definition("frontend", ()),
            )
        },
        tasks=tuple(task(name) for name in ("backend", "backend", "frontend", "worker")),
        permissions={ROLE: simulated("allowed")},
    )
    return with_values(found, values())


def definition_arn(name: str, revision: int = 7) -> str:
    """The ARN of a revision of a service's task definition."""
    return f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/ohmycoins-staging-{name}:{revision}"


def task_definition(name: str, keys: tuple[str, ...], revision: int = 7) -> TaskDefinition:
    """A revision that injects keys under their own names."""
    injections = tuple(Injection(key, model_value_from.parse(f"{ARN}:{key}::")) for key in keys)
    return TaskDefinition(
        arn=definition_arn(name, revision),
        family=f"ohmycoins-staging-{name}",
        revision=revision,
        registered=NOW - timedelta(days=59),
        execution_role_arn=ROLE,
        task_role_arn=f"arn:aws:iam::{ACCOUNT}:role/ohmycoins-staging-ecs-task-role",
        containers=(Container(name=name, secrets=injections, environment=("ENVIRONMENT",)),),
    )


def deployment(name: str, created: datetime = DEPLOYED, **changes: Any) -> Deployment:
    """A deployment that came to its end five minutes after it began."""
    default = Deployment(
        id=f"ecs-svc/{name}",
        status="PRIMARY",
        task_definition_arn=definition_arn(name),
        desired=1,
        running=1,
        failed=0,
        created=created,
        updated=created + timedelta(minutes=5),
        rollout="COMPLETED",
        rollout_reason="ECS deployment completed.",
    )
    return replace(default, **changes)


def service(name: str) -> Service:
    """A service at rest."""
    return Service(
        arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/ohmycoins-staging/{name}",
        name=name,
        desired=1,
        running=1,
        task_definition_arn=definition_arn(name),
        controller="ECS",
        created=NOW - timedelta(days=59),
        deployments=(deployment(name),),
        events=(),
        configuration=DeploymentConfiguration(breaker=CircuitBreaker(enabled=True, rolls_back=True)),
    )


def task(name: str, created: datetime = DEPLOYED + timedelta(minutes=1), **changes: Any) -> Task:
    """A task that has run since forty seconds after it was created."""
    running = Task(
        arn=f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/ohmycoins-staging/{secrets.token_hex(16)}",
        service=name,
        deployment_id=f"ecs-svc/{name}",
        task_definition_arn=definition_arn(name),
        status="RUNNING",
        created=created,
        started=created + timedelta(seconds=40),
        stopped=None,
        stop_code="",
        stopped_reason="",
        containers=(TaskContainer(name, None, ""),),
    )
    return replace(running, **changes)


def with_service(snapshot: Snapshot, name: str, **changes: Any) -> Snapshot:
    """Change a service."""
    services = tuple(replace(old, **changes) if old.name == name else old for old in snapshot.services)
    return replace(snapshot, services=services)


def with_proxy(snapshot: Snapshot, name: str, key: str) -> Snapshot:
    """Let a service's Service Connect proxy log with the value of a key."""
    option = Injection("logConfiguration splunk-token", model_value_from.parse(f"{ARN}:{key}::"))
    return with_service(snapshot, name, proxy_secrets=(option,))


def with_secret(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """Change the secret's metadata."""
    assert snapshot.secret
    return replace(snapshot, secret=replace(snapshot.secret, **changes))


def with_text(snapshot: Snapshot, text: str, version: str = CURRENT) -> Snapshot:
    """Let a version hold a text."""
    value = Masked(text, "the secret")
    try:
        content = Content(version, parse(value), size=value.size)
    except DocumentError as error:
        content = Content(version, error=error, size=value.size)
    return replace(snapshot, contents={**snapshot.contents, version: content})


def with_values(snapshot: Snapshot, document: Mapping[str, Any], version: str = CURRENT) -> Snapshot:
    """Let a version hold a document."""
    return with_text(snapshot, json.dumps(document), version)


def with_keys(snapshot: Snapshot, version: str = CURRENT, **changes: Any) -> Snapshot:
    """Change values of the current document, and let a version hold the result."""
    return with_values(snapshot, {**document(snapshot), **changes}, version)


def without_key(snapshot: Snapshot, key: str, instead: str = "") -> Snapshot:
    """Take a key out of the current document, or give its value another key."""
    renamed = {instead if name == key else name: value for name, value in document(snapshot).items()}
    renamed.pop("", None)
    return with_values(snapshot, renamed)


def document(snapshot: Snapshot) -> dict[str, Any]:
    """The current document's values."""
    assert snapshot.current and snapshot.current.document
    return json.loads(reveal(snapshot.current.document.value))


def with_definition(snapshot: Snapshot, name: str, edit: Callable[[TaskDefinition], TaskDefinition]) -> Snapshot:
    """Edit the task definition that a service runs."""
    arn = definition_arn(name)
    return replace(snapshot, task_definitions={**snapshot.task_definitions, arn: edit(snapshot.task_definitions[arn])})


def with_container(snapshot: Snapshot, name: str, edit: Callable[[Container], Container]) -> Snapshot:
    """Edit the one container of a service's task definition."""
    return with_definition(snapshot, name, lambda old: replace(old, containers=(edit(old.containers[0]),)))


def with_reference(snapshot: Snapshot, name: str, variable: str, value_from: str) -> Snapshot:
    """Let a service's variable come from another place."""
    changed = Injection(variable, model_value_from.parse(value_from))
    return with_container(
        snapshot,
        name,
        lambda old: replace(
            old, secrets=tuple(changed if entry.variable == variable else entry for entry in old.secrets)
        ),
    )


def simulated(
    decision: str,
    statements: tuple[str, ...] = (),
    organization: bool | None = None,
    boundary: bool | None = None,
    base: str = "",
    policies: tuple[PolicyDocument, ...] | None = None,
) -> Permissions:
    """A role of which AWS's simulation spoke; `base` is what it said of the secret's ARN without its suffix."""
    limits = {"allowed_by_organization": organization, "allowed_by_boundary": boundary}
    own = simulation(GET_SECRET_VALUE, ARN, decision, statements=statements, **limits)
    cut_off = simulation(GET_SECRET_VALUE, ARN.rpartition("-")[0], base or decision, **limits)
    return Permissions(role=role(), simulated=(own, cut_off), policies=policies)


def simulation(action: str, resource: str, decision: str, **changes: Any) -> Simulation:
    """What AWS's simulation says of one action."""
    default = Simulation(
        action=action,
        resource=resource,
        decision=decision,
        statements=(),
        allowed_by_organization=None,
        allowed_by_boundary=None,
        missing_context=(),
    )
    return replace(default, **changes)


def role(name: str = ROLE_NAME) -> Role:
    """A role that ECS tasks may assume."""
    return Role(arn=ROLE, name=name, trust=PolicyDocument("trust policy", "trust", TRUST), boundary_arn="")


def by_policies(*policies: PolicyDocument, boundary: PolicyDocument | None = None) -> Permissions:
    """A role whose policies are known, because AWS refused to simulate."""
    refused = ReadFailure(
        f"what role {ROLE_NAME} may do", "iam:SimulatePrincipalPolicy", "AccessDeniedException", "denied"
    )
    return Permissions(role=role(), policies=policies, boundary=boundary, unread=(refused,))


def policy(effect: str = "Allow", action: Any = GET_SECRET_VALUE, resource: Any = "*", **more: Any) -> PolicyDocument:
    """An inline policy of one statement; `kind` in `more` makes it another kind of policy."""
    kind = more.pop("kind", "inline")
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return PolicyDocument("secrets-policy", kind, {"Version": "2012-10-17", "Statement": [statement]})


def with_permissions(snapshot: Snapshot, permissions: Permissions) -> Snapshot:
    """Let the execution role be another."""
    return replace(snapshot, permissions={ROLE: permissions})


def rotated(snapshot: Snapshot, at: datetime, **changes: Any) -> Snapshot:
    """Give the secret a new version with other values; the old one becomes AWSPREVIOUS and stays readable."""
    assert snapshot.secret
    old, new = snapshot.secret.version_at("AWSCURRENT"), secrets.token_hex(16)
    stages = {PREVIOUS: (), old: ("AWSPREVIOUS",), new: ("AWSCURRENT",)}
    versions = tuple(replace(version, stages=stages.get(version.id, ())) for version in snapshot.versions)
    moved = with_keys(snapshot, new, **changes)
    return replace(
        with_secret(moved, stages=stages, changed=at), versions=(*versions, Version(new, at, ("AWSCURRENT",)))
    )


def stopped(name: str, reason: str, at: datetime, **changes: Any) -> Task:
    """A task that never started, unless `started` is given."""
    failed = {"status": "STOPPED", "started": None, "stopped": at, "stop_code": "TaskFailedToStart"}
    created = at - timedelta(minutes=1)
    return task(name, created=created, **{**failed, "stopped_reason": reason, **changes})


def with_tasks(snapshot: Snapshot, *tasks: Task) -> Snapshot:
    """Add tasks."""
    return replace(snapshot, tasks=(*snapshot.tasks, *tasks))


def stuck(snapshot: Snapshot, name: str, reason: str, **changes: Any) -> Snapshot:
    """Let a deployment that began ten minutes ago fail its tasks for a reason, while the old tasks serve."""
    began = NOW - timedelta(minutes=10)
    new = deployment(
        name,
        began,
        id=f"ecs-svc/{name}-new",
        rollout="IN_PROGRESS",
        rollout_reason="",
        failed=3,
        running=0,
        updated=NOW - timedelta(minutes=1),
    )
    failed = [
        stopped(name, reason, began + timedelta(minutes=2 * count), deployment_id=new.id, **changes)
        for count in (1, 2, 3)
    ]
    return with_tasks(with_service(snapshot, name, deployments=(new, deployment(name, status="ACTIVE"))), *failed)


def looked(snapshot: Snapshot) -> Snapshot:
    """Look into every running task of the consumers: each holds what the secret has, and ECS Exec works in it."""
    tasks = tuple(
        replace(old, execute=True, containers=(TaskContainer(old.service, None, "", "RUNNING"),))
        if old.is_running
        else old
        for old in snapshot.tasks
    )
    arn = f"arn:aws:iam::{ACCOUNT}:role/{NAMES.task_role}"
    base = replace(snapshot, tasks=tasks, plugin="session-manager-plugin", task_roles={arn: with_channels()})
    inside = tuple(_inside(base, service, task) for service in base.consumers for task in base.running(service))
    return replace(base, exec_looks=inside)


def with_channels(decision: str = "allowed") -> Permissions:
    """A task role of which AWS's simulation said one thing of all that ECS Exec needs."""
    simulations = tuple(simulation(action, "*", decision) for action in CHANNELS)
    return Permissions(role=role(NAMES.task_role), simulated=simulations)


def with_held_value(snapshot: Snapshot, name: str, variable: str, **changes: Any) -> Snapshot:
    """Let what a service's tasks hold of one variable be another thing."""
    inside = tuple(
        replace(look, values={**look.values, variable: replace(look.values[variable], **changes)})
        if look.service == name
        else look
        for look in snapshot.exec_looks or ()
    )
    return replace(snapshot, exec_looks=inside)


def with_refusal(
    snapshot: Snapshot, name: str, kind: FailureKind, words: str = "No.", permission: str = ""
) -> Snapshot:
    """Let the tasks of a service not be looked into."""
    refused = ExecFailure(kind, words, permission)
    inside = tuple(
        ExecLook(service=look.service, task_id=look.task_id, container=look.container, refused=refused)
        if look.service == name
        else look
        for look in snapshot.exec_looks or ()
    )
    return replace(snapshot, exec_looks=inside)


def _inside(snapshot: Snapshot, service: Service, task: Task) -> ExecLook:
    own = {i.variable: i.reference.key for _, i in snapshot.own_injections(snapshot.definition(service))}
    current = snapshot.secret.version_at("AWSCURRENT") if snapshot.secret else ""
    values = {
        name: HeldValue(variable=name, key=own[name], injected=current, process=current, expected=current)
        if name in own
        else HeldValue(variable=name, key=name, injected=ABSENT, process=ABSENT, has_reference=False, expected=current)
        for name in KEYS
    }
    return ExecLook(
        service=service.name,
        task_id=task.id,
        container=service.name,
        refused=None,
        process="1 (python)",
        started=task.started,
        values=values,
    )


def event(name: str, time: datetime, version: str = "", principal: str = "", agent: str = "aws-cli") -> Event:
    """A call that CloudTrail recorded."""
    return Event(
        name=name,
        time=time,
        principal=principal or f"arn:aws:sts::{ACCOUNT}:assumed-role/on-call/engineer",
        user_agent=agent,
        error="",
        version_id=version,
    )
