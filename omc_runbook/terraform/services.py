"""The services in Terraform's files: their cluster, task definition, roles, and the variables from secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from omc_runbook.model.value_from import split_suffix
from omc_runbook.terraform.evaluation import Instance
from omc_runbook.terraform.expressions import Source
from omc_runbook.terraform.marks import (
    because,
    decode,
    is_known,
    known_text,
    last_part,
    reasons,
    split_mark,
    without_marks,
)
from omc_runbook.terraform.resources import DeclaredName, Resources, name_of, name_with_sources
from omc_runbook.terraform.roles import identity, role_name

SECRET_ARN = re.compile(r"\Aarn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:([^:]+)(.*)\Z", re.DOTALL)
ECS_MODULE = re.compile(r"terraform-aws-modules/ecs/aws(?://modules/(?P<part>[\w-]+))?")
_CONTAINER_MODULE = re.compile(r"ecs-container-definition")
_CONTAINER_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "name": ("container_name",),
    "secrets": ("secrets", "map_secrets"),
    "environment": ("environment", "map_environment"),
}

SECRETS = ("aws_secretsmanager_secret", "data.aws_secretsmanager_secret", "module")
"""The types of what a secret's ARN comes from."""


@dataclass(frozen=True, kw_only=True)
class SecretVariable:
    """A variable that a container gets from a secret: the secret's name ("" where unknown) and its JSON key."""

    variable: str
    secret: str
    key: str
    why_unknown: str = ""
    """Why the secret's name is not known, as a clause."""
    rest: str = ""
    """What follows the secret's ARN in its valueFrom, or the whole of it where the ARN is written out."""
    container: str = ""
    """The name of its container; "" where it is not known."""


@dataclass(frozen=True, kw_only=True)
class DeclaredService:
    """A service: its names, the variables of its containers, and how many tasks it is to have."""

    name: str
    sources: tuple[Source, ...]
    address: str = ""
    """The address of what creates it, unique among all folders."""
    cluster: DeclaredName | None = None
    family: DeclaredName | None = None
    execution_role: DeclaredName | None = None
    role_identity: str = ""
    """What tells its execution role from others, also where its name is not known."""
    task_role: DeclaredName | None = None
    variables: tuple[SecretVariable, ...] = ()
    plain: frozenset[str] = frozenset()
    desired: int | None = None
    """None where it is not known, or where Terraform leaves it to something else."""
    desired_source: Source = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """By field why a name is not known, as a sentence."""
    is_whole: bool = True
    """Whether its containers could be read in full."""

    def reads(self, secret: str) -> bool:
        """Whether it gets a variable from a key of a secret."""
        return any(each.key and each.secret == secret for each in self.variables)


def cluster_name(cluster: Instance) -> tuple[DeclaredName | None, str]:
    """The name of a cluster, or of the module that makes it; or a sentence on why it is not known."""
    for attribute in ("name",) if cluster.type == "aws_ecs_cluster" else ("cluster_name", "name"):
        if cluster.block.find(attribute):
            name = name_of(cluster, attribute)
            return name, "" if name else cluster.why_unknown(attribute, "cluster")
    return None, ""


def secret_name(secret: Instance) -> str:
    """The name of a secret, by its ARN where it is looked up by that; "" where it is not known."""
    name = name_of(secret)
    arn = SECRET_ARN.match(secret.text("arn"))
    return name.value if name else split_suffix(arn[1])[0] if arn else ""


class ServiceReader:
    """Reads the services of one environment; `reasons` says by field why a name is not known, as a sentence."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.reasons: dict[str, str] = {}
        self.instances: dict[str, Instance] = {}
        """What creates a service, by its address."""

    def read(self) -> Iterator[DeclaredService]:
        for instance in self.resources.of("aws_ecs_service", "module"):
            before, self.reasons = self.reasons, {}
            read = self._service if instance.type == "aws_ecs_service" else self._services_of_module
            found = list(read(instance))
            # The main service's reasons count, where there are services.
            reasons_here, self.reasons = self.reasons, before
            self.reasons |= {} if found else reasons_here
            self.instances |= {instance.address: instance} if found else {}
            yield from (replace(each, address=instance.address, reasons=reasons_here) for each in found)
        if not self.instances and (why := self._why_none()):
            self.reasons.setdefault("service", why)

    def _why_none(self) -> str:
        """Why there is no service, as a sentence; "" where a module from elsewhere may have one."""
        absent = [each for root in self.resources.roots for each in root.module.absent("aws_ecs_service")]
        certain = [each for each in absent if each[2]]
        may_be_elsewhere = bool(self.resources.of("aws_ecs_service", "module"))
        if may_be_elsewhere and not certain:
            return ""
        if not absent:
            return "No aws_ecs_service is in the checkout's Terraform files."
        # A module from elsewhere that is left out may have the service, or nothing to do with it.
        label, loop, _ = min(certain or absent, key=lambda each: "aws_ecs_service" not in each[0])
        state = "0" if loop.name == "count" else "empty"
        return f"No aws_ecs_service is in this environment: the {loop.name} of {label} is {state} ({loop.location})."

    def _service(self, instance: Instance) -> Iterator[DeclaredService]:
        name = name_of(instance)
        if name is None:
            self.reasons["service"] = instance.why_unknown("name", "service")
            return
        definition = self._definition(instance)
        desired = instance.get("desired_count")
        is_left = instance.block.ignores("desired_count")
        service = DeclaredService(
            name=name.value,
            sources=name.sources,
            cluster=self._cluster_of(instance, "cluster"),
            desired=desired.value if desired and isinstance(desired.value, int) and not is_left else None,
            desired_source=desired.sources[-1] if desired and desired.sources else instance.source_of("desired_count"),
        )
        yield self._with_definition(service, definition) if definition else service

    def _with_definition(self, service: DeclaredService, definition: Instance) -> DeclaredService:
        value, where = definition.value("container_definitions"), definition.source_of("container_definitions")
        variables, plain, is_whole = self._variables(value, service.name, where)
        return replace(
            service,
            family=name_of(definition, "family"),
            execution_role=self._role(definition, "execution_role_arn", "execution_role"),
            role_identity=identity(self.resources, definition.text("execution_role_arn")),
            task_role=self._role(definition, "task_role_arn", "task_role"),
            variables=variables,
            plain=plain,
            is_whole=is_whole,
        )

    def _definition(self, instance: Instance) -> Instance | None:
        text = instance.text("task_definition")
        found = self.resources.target(text, "aws_ecs_task_definition", "data.aws_ecs_task_definition")
        if found and found.type == "aws_ecs_task_definition":
            return found
        family = (found.text("task_definition") if found else text).split(":")[0]
        for each in self.resources.of("aws_ecs_task_definition"):
            if family and each.text("family") == family:
                return each
        self.reasons["task_family"] = (
            f"The task definition of {instance.label} is not in the checkout{because(text)}"
            f" ({instance.source_of('task_definition')})."
        )
        return None

    def _services_of_module(self, instance: Instance) -> Iterator[DeclaredService]:
        """The services of a call of terraform-aws-modules/ecs, whose arguments have their names."""
        source = instance.text("source")
        match = ECS_MODULE.search(source)
        if match is None:
            return
        cluster = name_of(instance, "cluster_name")
        if match["part"] == "service":
            name = name_of(instance)
            if name:
                cluster = self._cluster_of(instance, "cluster_arn")
                table = {member.name: instance.value(member.name) for member in instance.block.attributes}
                yield self._from_table(instance, name.value, name.sources, table, cluster)
        elif match["part"] is None and isinstance(services := instance.value("services"), Mapping):
            for key, table in services.items():
                if isinstance(table, Mapping):
                    sources = (instance.source_of("services"),)
                    yield self._from_table(instance, str(table.get("name") or key), sources, table, cluster)

    def _from_table(
        self,
        instance: Instance,
        name: str,
        sources: tuple[Source, ...],
        table: Mapping[str, Any],
        cluster: DeclaredName | None,
    ) -> DeclaredService:
        containers = table.get("container_definitions")
        if isinstance(containers, Mapping):
            containers = [
                {**value, "name": value.get("name") or key}
                for key, value in containers.items()
                if isinstance(value, Mapping)
            ]
        variables, plain, is_whole = self._variables(containers, name, sources[0])
        desired = table.get("desired_count")
        execution = table.get("task_exec_iam_role_name") or table.get("task_exec_iam_role_arn")
        task = table.get("tasks_iam_role_name") or table.get("tasks_iam_role_arn")
        family = table.get("family") or name
        for field_name, role in (("execution_role", execution), ("task_role", task)):
            if role is None:
                self.reasons[field_name] = (
                    f"{instance.label} names it itself, in a module from elsewhere ({sources[0]})."
                )
        return DeclaredService(
            name=name,
            sources=sources,
            cluster=cluster,
            family=name_with_sources(str(family), sources) if is_known(family) else None,
            execution_role=self._role_of(execution, sources, "execution_role"),
            role_identity=identity(self.resources, execution) if isinstance(execution, str) else "",
            task_role=self._role_of(task, sources, "task_role"),
            variables=variables,
            plain=plain,
            # The module leaves the count to autoscaling, which is on by default.
            desired=0 if desired == 0 else None,
            desired_source=instance.source_of("services"),
            is_whole=is_whole,
        )

    def _variables(
        self, value: Any, service: str, where: Source
    ) -> tuple[tuple[SecretVariable, ...], frozenset[str], bool]:
        """The variables of containers from secrets, the plain ones, and whether all could be read."""
        containers, is_whole = self._containers(value), True
        variables: list[SecretVariable] = []
        plain: set[str] = set()
        for table in map(decode, containers if isinstance(containers, list) else [None]):
            if not isinstance(table, Mapping):
                is_whole = False
                continue
            secrets, environment = _pairs(table.get("secrets"), "valueFrom"), _pairs(table.get("environment"), "value")
            # A member that is not known may have more of them.
            is_whole = is_whole and all(map(is_known, table)) and None not in (*secrets, *environment)
            container = known_text(table.get("name"))
            variables += [replace(self._variable_from(*pair), container=container) for pair in secrets if pair]
            plain |= {pair[0] for pair in environment if pair}
        if not is_whole:
            self.reasons["keys"] = f"The variables of {service} were not all read{because(value)} ({where})."
        found = tuple(each for each in variables if each.secret or each.key or each.why_unknown)
        return found, frozenset(plain), is_whole

    def _containers(self, value: Any) -> Any:
        """A task definition's containers; of cloudposse's container definitions their arguments."""
        calls = [each for each in self.resources.targets(value) if _CONTAINER_MODULE.search(each.text("source"))]
        if not calls:
            return decode(value)
        return [
            {name: next(filter(None, map(each.value, names)), None) for name, names in _CONTAINER_ARGUMENTS.items()}
            for each in calls
        ]

    def _variable_from(self, variable: str, value: Any) -> SecretVariable:
        text = value if isinstance(value, str) else ""
        arn = SECRET_ARN.match(text)
        if arn:
            return SecretVariable(
                variable=variable, secret=split_suffix(without_marks(arn[1]))[0], key=_key(arn[2]), rest=text
            )
        mark, rest = split_mark(text)
        if not mark or ":ssm:" in text:
            return SecretVariable(variable=variable, secret="", key="")
        secret = self.resources.target(mark, *SECRETS)
        key = _key(rest)
        if secret is None:
            why = "; ".join(reasons(mark))
            return SecretVariable(variable=variable, secret="", key=key, why_unknown=why if key else "")
        return SecretVariable(variable=variable, secret=secret_name(secret), key=key, rest=rest)

    def _cluster_of(self, instance: Instance, attribute: str) -> DeclaredName | None:
        result = instance.get(attribute)
        if result is None or not isinstance(result.value, str):
            return None
        cluster = self.resources.target(result.value, "aws_ecs_cluster", "data.aws_ecs_cluster", "module")
        if cluster:
            name, why = cluster_name(cluster)
            self.reasons |= {"cluster": why} if why else {}
            return name
        last = last_part(result.value)
        if last and (is_known(result.value) or ":cluster/" in result.value):
            return name_with_sources(last, (instance.source_of(attribute), *result.sources))
        self.reasons["cluster"] = f"{instance.label} is in a cluster whose name is not known{because(result.value)}."
        return None

    def _role(self, instance: Instance, attribute: str, field_name: str) -> DeclaredName | None:
        result = instance.get(attribute)
        if result is None:
            self.reasons[field_name] = f"{instance.label} has no {attribute} ({instance.source_of('family')})."
            return None
        return self._role_of(result.value, (instance.source_of(attribute), *result.sources), field_name)

    def _role_of(self, value: Any, sources: tuple[Source, ...], field_name: str) -> DeclaredName | None:
        name, why = role_name(self.resources, value, sources)
        if why:
            self.reasons[field_name] = why
        return name


def _pairs(value: Any, member: str) -> list[tuple[str, Any] | None]:
    """The entries of a container's secrets or environment as names with values; None for one that cannot be read."""
    entries = decode(value)
    if entries is None:
        return []
    if isinstance(entries, Mapping):
        return [(str(name), each) if is_known(name) else None for name, each in entries.items()]
    if not isinstance(entries, list):
        return [None]
    return [_pair(each, member) for each in entries]


def _pair(entry: Any, member: str) -> tuple[str, Any] | None:
    name = entry.get("name") if isinstance(entry, Mapping) else None
    # An empty name is known too.
    if not isinstance(name, str) or not is_known(name):
        return None
    return name, entry.get(member, entry.get("value_from"))


def _key(rest: str) -> str:
    """The JSON key in what follows a secret's ARN; "" for none."""
    fields = rest.split(":")
    return fields[1] if len(fields) > 1 and is_known(fields[1]) else ""
