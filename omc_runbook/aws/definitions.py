"""ECS: task definitions and their references to secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from omc_runbook.masking import hosts, misplaced, plain_variables
from omc_runbook.masking.common import is_random
from omc_runbook.masking.fingerprint import process_key, text_fingerprint
from omc_runbook.masking.plain_text import PlainText
from omc_runbook.masking.value import Masked
from omc_runbook.model import letters
from omc_runbook.model import value_from as reference
from omc_runbook.model.arn import account_in, partition_in, region_in
from omc_runbook.model.secretive import is_secret
from omc_runbook.model.value_from import Reference

if TYPE_CHECKING:
    from mypy_boto3_ecs.client import ECSClient

ACTIVE = "ACTIVE"
_LOG = "logConfiguration "
"""Begins what names an option of a log driver."""
COMMANDS = ("command", "entryPoint", "healthCheck")
"""A container's commands, whose entries have no names."""
STACK_TAG = "aws:cloudformation:stack-name"
LOGIN = re.compile(r"_(USER|SERVER|HOST|PORT)\Z")
"""Names of variables that say which user logs in to which server."""
_NAMES_REFERENCE = re.compile(r"(?i)(arn|ref|reference|value_?from|secret_?(id|name))s?\Z")
"""Names of variables that hold where a secret is, and not what it holds."""


@dataclass(frozen=True)
class Injection:
    """One entry of a container's `secrets`: the variable and its parsed valueFrom."""

    variable: str
    reference: Reference


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of a task definition; of its plain `environment` only names are kept, and values of `logins`."""

    name: str
    secrets: tuple[Injection, ...]
    environment: tuple[str, ...]
    has_environment_files: bool = False
    """Whether it gets variables from files in S3 too, which are not read."""
    logins: tuple[tuple[str, str], ...] = ()
    """Plain variables, such as POSTGRES_USER and POSTGRES_SERVER, with their values, which are no secrets."""
    hosts: tuple[tuple[str, str], ...] = ()
    """Plain variables, such as REDIS_URL and FRONTEND_HOST, with the host that they lead to."""
    plain_secrets: tuple[str, ...] = ()
    """Names of plain variables whose values are secrets."""
    plain_references: tuple[Injection, ...] = ()
    """Plain variables whose values are the text of a valueFrom that names a key, which ECS does not read there."""
    plain_options: tuple[str, ...] = ()
    """The same of its other fields, such as "command", "dockerLabels com.app.key" and its log driver's options, named
    as in `log_secrets`; () from the cache."""
    plain_prints: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Variables, and options that may be secret, with fingerprints under this process's key; () from the cache."""
    plain_texts: tuple[tuple[str, PlainText], ...] = field(default=(), repr=False, compare=False)
    """Variables and all other fields, of which a part may be a secret; () from the cache."""
    log_group: str = ""
    """The CloudWatch log group of its output; "" with another log driver."""
    log_prefix: str = ""
    log_region: str = ""
    """The region of its log group; "" for the tasks' own."""
    readonly: bool = False
    """Whether its root file system is read-only."""
    essential: bool = True
    image: str = ""
    log_secrets: tuple[Injection, ...] = ()
    """Secrets that ECS reads for its log driver; `variable` is then "logConfiguration" and the option."""
    registry_secrets: tuple[Injection, ...] = ()
    """The secret that ECS reads, whole, for its image's registry."""
    login_secrets: tuple[Injection, ...] = ()
    """What ECS reads, whole, to log in to its volumes on FSx, and to a domain (its credential spec)."""
    health_check: tuple[str, ...] = ()
    """The command of its health check."""

    @property
    def repository(self) -> str:
        """The last part of its image's name, without registry, tag and digest."""
        return re.split("[:@]", self.image.rpartition("/")[2])[0]

    @property
    def whole_secrets(self) -> tuple[Injection, ...]:
        """What ECS reads for it and gives it in no variable, without a choice of a key."""
        return (*self.registry_secrets, *self.login_secrets)

    @property
    def health_program(self) -> str:
        """The program that its health check runs, without its path; "" without a health check."""
        words = " ".join(self.health_check).split()
        program = next((word for word in words if word not in ("CMD", "CMD-SHELL", "NONE")), "")
        return program.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class TaskDefinition:
    """A revision of a task definition.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskDefinition.html
    """

    arn: str
    family: str
    revision: int
    registered: datetime | None
    execution_role_arn: str
    task_role_arn: str
    containers: tuple[Container, ...]
    os_family: str = ""
    pid_mode: str = ""
    """"task" where its containers share their processes, or "host"."""
    stack: str = ""
    """The CloudFormation stack that registered it, by its tags."""
    status: str = ACTIVE
    """INACTIVE where it was deregistered: then ECS refuses to run new tasks with it."""

    @property
    def label(self) -> str:
        """Family and revision, as ECS writes them: family:7."""
        return f"{self.family}:{self.revision}"

    @property
    def injections(self) -> tuple[tuple[Container, Injection], ...]:
        """The injected secrets of all containers."""
        return tuple((container, injection) for container in self.containers for injection in container.secrets)

    @property
    def references(self) -> tuple[tuple[Container, Injection], ...]:
        """All that ECS reads for its containers: for variables, log drivers, registries, volumes and domains."""
        return tuple(
            (container, each)
            for container in self.containers
            for each in (*container.secrets, *container.log_secrets, *container.whole_secrets)
        )

    @cached_property
    def variables(self) -> frozenset[str]:
        """The names of all variables that it sets, from secrets or plain."""
        plain = {name for container in self.containers for name in container.environment}
        return frozenset(plain | {injection.variable for _, injection in self.injections})


@dataclass(frozen=True)
class ReferenceEdit:
    """A new valueFrom for a container's variable; `before` is the old one, "" where the variable is added."""

    container: str
    variable: str
    before: str
    after: str

    @property
    def adds(self) -> bool:
        """Whether the variable is added."""
        return not self.before


def describe_task_definition(client: ECSClient, arn: str) -> TaskDefinition:
    """Read a revision by ARN or family:revision; by family only, its newest active revision."""
    answer = client.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    tags = {tag["key"]: tag["value"] for tag in answer.get("tags") or ()}
    return replace(_task_definition(answer["taskDefinition"]), stack=tags.get(STACK_TAG, ""))


def from_daemon(raw: Any) -> TaskDefinition:
    """The task definition of a daemon, whose containers are as those of others.

    See https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DaemonTaskDefinition.html
    """
    return _task_definition({**raw, "taskDefinitionArn": raw["daemonTaskDefinitionArn"], "status": ACTIVE})


def register_edited(client: ECSClient, arn: str, edits: Sequence[ReferenceEdit]) -> tuple[TaskDefinition, int]:
    """Register a copy of a revision with these edits and the same tags; returns it and the number of attempts.

    RegisterTaskDefinition takes no token: an attempt whose answer was lost may have registered one before it. See
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html
    """
    answer = client.register_task_definition(**_edited(client, arn, edits))
    return _task_definition(answer["taskDefinition"]), 1 + answer["ResponseMetadata"].get("RetryAttempts", 0)


def is_edited(client: ECSClient, other: str, arn: str, edits: Sequence[ReferenceEdit]) -> bool:
    """Whether the revision `other` equals what `register_edited` would register."""
    return bool(_request(client, other) == _edited(client, arn, edits))


def _edited(client: ECSClient, arn: str, edits: Sequence[ReferenceEdit]) -> Any:
    request = _request(client, arn)
    after = {(edit.container, edit.variable, edit.before): edit.after for edit in edits}
    for container in request["containerDefinitions"]:
        variables = ((entry["name"], entry) for entry in container.get("secrets", ()))
        for name, entry in (*variables, *_log_options(container)):
            key = (container["name"], name, read_injection(name, entry["valueFrom"]).reference.text)
            entry["valueFrom"] = after.get(key, entry["valueFrom"])
        new = [edit for edit in edits if edit.adds and edit.container == container["name"]]
        if new:
            entries = [{"name": edit.variable, "valueFrom": edit.after} for edit in new]
            container["secrets"] = [*container.get("secrets", ()), *entries]
    return request


def _request(client: ECSClient, arn: str) -> Any:
    """The request that registers a copy of a revision: every member of it that RegisterTaskDefinition accepts."""
    answer = client.describe_task_definition(taskDefinition=arn, include=["TAGS"])
    shape = client.meta.service_model.operation_model("RegisterTaskDefinition").input_shape
    assert shape is not None, "RegisterTaskDefinition has an input"
    request = {name: value for name, value in answer["taskDefinition"].items() if name in shape.members}
    # AWS reserves tags such as CloudFormation's.
    tags = [tag for tag in answer.get("tags", ()) if not tag["key"].startswith("aws:")]
    return {**request, "tags": tags} if tags else request


def _task_definition(raw: Any) -> TaskDefinition:
    return TaskDefinition(
        arn=raw["taskDefinitionArn"],
        family=raw["family"],
        revision=raw["revision"],
        registered=raw.get("registeredAt"),
        execution_role_arn=_role_arn(raw.get("executionRoleArn") or "", raw["taskDefinitionArn"]),
        task_role_arn=_role_arn(raw.get("taskRoleArn") or "", raw["taskDefinitionArn"]),
        containers=tuple(
            container_of({**container, **_shared_with(container, raw)}, raw["taskDefinitionArn"])
            for container in raw["containerDefinitions"]
        ),
        os_family=(raw.get("runtimePlatform") or {}).get("operatingSystemFamily", ""),
        pid_mode=raw.get("pidMode") or "",
        status=raw.get("status", ACTIVE),
    )


def _role_arn(role: str, definition_arn: str) -> str:
    """A role's ARN; the task definition may have only its name."""
    partition, account = partition_in(definition_arn), account_in(definition_arn)
    return role if not role or ":" in role else f"arn:{partition}:iam::{account}:role/{role}"


def container_of(raw: Any, definition_arn: str = "") -> Container:
    """A container of a revision; also one of which only some members are, as those of an override."""
    log = raw.get("logConfiguration") or {}
    options = (log.get("options") or {}) if log.get("logDriver") == "awslogs" else {}
    plain = [(entry["name"], entry.get("value") or "") for entry in raw.get("environment") or ()]
    fields = [(f"{part} {name}".strip(), name, text) for part, name, text in _plain_fields(raw) if text]
    # Of the others, such as a host or a log group, the secret may have a copy, which makes no secret of them.
    sensitive = [(label, text) for label, name, text in fields if is_secret(name) or is_random(text)]
    return Container(
        name=raw["name"],
        secrets=tuple(read_injection(entry["name"], entry["valueFrom"]) for entry in raw.get("secrets") or ()),
        environment=tuple(name for name, _ in plain),
        has_environment_files=bool(raw.get("environmentFiles")),
        logins=tuple((name, value) for name, value in plain if LOGIN.search(name)),
        hosts=tuple((name, host) for name, value in plain if (host := hosts.find_host(value, name))),
        plain_secrets=tuple(name for name, value in plain if plain_variables.has_secret(name, value)),
        plain_references=tuple(entry for name, value in plain for entry in _plain_reference(name, value)),
        plain_options=tuple(
            label
            for label, name, text in fields
            if plain_variables.has_secret(name, text, is_variable=False) or PlainText(text).has_shape
        ),
        plain_prints=tuple(
            (name, text_fingerprint(text, process_key())) for name, text in (*plain, *sensitive) if text
        ),
        plain_texts=tuple(
            (name, PlainText(text)) for name, text in (*plain, *((label, text) for label, _, text in fields))
        ),
        log_group=options.get("awslogs-group", ""),
        log_prefix=options.get("awslogs-stream-prefix", ""),
        log_region=options.get("awslogs-region", ""),
        readonly=bool(raw.get("readonlyRootFilesystem")),
        essential=raw.get("essential", True),
        image=raw.get("image", ""),
        log_secrets=log_secrets(raw),
        registry_secrets=tuple(_registry_secrets(raw, definition_arn)),
        login_secrets=tuple(_login_secrets(raw)),
        health_check=tuple((raw.get("healthCheck") or {}).get("command") or ()),
    )


def _plain_reference(variable: str, text: str) -> Iterator[Injection]:
    """Yield a plain variable's reference to a key of a secret, where it is meant for ECS.

    A program may read a secret by its bare ARN, by a list of references, or by a variable named after what it holds.
    """
    if text.startswith("arn:") and not _NAMES_REFERENCE.search(variable):
        injection = read_injection(variable, text)
        if injection.reference.kind == "secretsmanager" and injection.reference.key and not injection.reference.problem:
            yield injection


def _shared_with(container: Any, raw: Any) -> dict[str, Any]:
    """What a task definition says of one of its containers: its role as a proxy, and the volumes that it mounts."""
    proxy = raw.get("proxyConfiguration") or {}
    mounted = {each.get("sourceVolume") for each in container.get("mountPoints") or ()}
    return {
        "proxyConfiguration": proxy if proxy.get("containerName") == container["name"] else {},
        "volumes": [each for each in raw.get("volumes") or () if each.get("name") in mounted],
    }


def _plain_fields(raw: Any) -> Iterator[tuple[str, str, str]]:
    """What a container has in plain text beside `environment`: field, entry ("" for a command), and text."""
    health, log, router, proxy = (
        raw.get(member) or {}
        for member in ("healthCheck", "logConfiguration", "firelensConfiguration", "proxyConfiguration")
    )
    commands = (raw.get("command"), raw.get("entryPoint"), health.get("command"))
    yield from ((name, "", " ".join(words or ())) for name, words in zip(COMMANDS, commands, strict=True))
    entries = {
        "logConfiguration": log.get("options"),
        "firelensConfiguration": router.get("options"),
        "dockerLabels": raw.get("dockerLabels"),
        "proxyConfiguration": {each.get("name"): each.get("value") for each in proxy.get("properties") or ()},
        "systemControls": {each.get("namespace"): each.get("value") for each in raw.get("systemControls") or ()},
        "volumes": {
            f"{volume['name']}.{name}": text
            for volume in raw.get("volumes") or ()
            for name, text in ((volume.get("dockerVolumeConfiguration") or {}).get("driverOpts") or {}).items()
        },
    }
    for part, texts in entries.items():
        yield from ((part, letters.in_a_line(name or ""), text or "") for name, text in (texts or {}).items())


def log_secrets(raw: Any) -> tuple[Injection, ...]:
    """What the log driver of a container, or of Service Connect's proxy, takes from secrets."""
    return tuple(read_injection(name, entry["valueFrom"]) for name, entry in _log_options(raw))


def _log_options(container: Any) -> Iterator[tuple[str, Any]]:
    """The entries of a log driver's options that are secrets, each with the name that `log_secrets` has for it."""
    for entry in (container.get("logConfiguration") or {}).get("secretOptions") or ():
        yield f"{_LOG}{entry['name']}", entry


def _registry_secrets(raw: Any, definition_arn: str) -> Iterator[Injection]:
    """The login of its image's registry: a secret's ARN or, unlike elsewhere, its name. See
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RepositoryCredentials.html
    """
    parameter = (raw.get("repositoryCredentials") or {}).get("credentialsParameter")
    if parameter:
        login = read_injection("repositoryCredentials", parameter)
        if not login.reference.problem and not parameter.startswith("arn:"):
            home = partition_in(definition_arn), region_in(definition_arn), account_in(definition_arn)
            login = replace(login, reference=reference.of_name(parameter, *home))
        yield login


def _login_secrets(raw: Any) -> Iterator[Injection]:
    """The ARNs of the logins to its volumes on FSx, and of a credential spec that is a parameter; it may be in S3. See
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_FSxWindowsFileServerAuthorizationConfig.html and
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html (credentialSpecs)
    """
    for volume in raw.get("volumes") or ():
        server = volume.get("fsxWindowsFileServerVolumeConfiguration") or {}
        if parameter := (server.get("authorizationConfig") or {}).get("credentialsParameter"):
            yield read_injection(f"volumes {volume['name']}", parameter)
    for spec in (*(raw.get("credentialSpecs") or ()), *(raw.get("dockerSecurityOptions") or ())):
        kind, _, arn = spec.partition(":")
        if kind in ("credentialspec", "credentialspecdomainless") and arn.split(":")[2:3] == ["ssm"]:
            yield read_injection("credentialSpecs", arn)


def read_injection(variable: str, value_from: str) -> Injection:
    """An entry with its reference; a value in the reference's place is masked from here on."""
    if not misplaced.is_value(value_from):
        return Injection(variable, reference.parse(value_from))
    return Injection(variable, reference.of_value(repr(Masked(value_from, variable))))
