"""The names that Terraform's files give to an environment: cluster, services, secret, roles, policy, region, keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from omc_runbook.model.environment_names import main_rank
from omc_runbook.model.value_from import split_suffix
from omc_runbook.terraform import stacks
from omc_runbook.terraform.evaluation import Instance, Result, Source, source_of
from omc_runbook.terraform.marks import decode, is_known, marks, reasons, split_mark, without_marks
from omc_runbook.terraform.stacks import Root

PROJECT_VARIABLES = (
    "project",
    "project_name",
    "app_name",
    "application_name",
    "application",
    "app",
    "product",
    "namespace",
)

_SECRET_ARN = re.compile(r"\Aarn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:([^:]+)(.*)\Z", re.DOTALL)
_READS = re.compile(r"secretsmanager:(\*|GetSecretValue|Get\*|G\*)\Z|\A\*\Z", re.IGNORECASE)
_ECS_MODULE = re.compile(r"terraform-aws-modules/ecs/aws(?://modules/(?P<part>[\w-]+))?")
_CONTAINER_MODULE = re.compile(r"ecs-container-definition")
_CONTAINER_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "name": ("container_name",),
    "secrets": ("secrets", "map_secrets"),
    "environment": ("environment", "map_environment"),
}
_SECRET_MODULE = re.compile(r"terraform-aws-modules/secrets-manager/aws")

_SECRETS = ("aws_secretsmanager_secret", "data.aws_secretsmanager_secret", "module")
"""The types of what a secret's ARN comes from."""

_OUTPUTS: Mapping[str, re.Pattern[str]] = {
    "cluster": re.compile(r"(ecs_)?cluster_name"),
    "service": re.compile(r"(backend|api|app|ecs)_service_name|(ecs_)?service_name"),
    "secret": re.compile(r"(app_|secrets_manager_)?secrets?(_manager)?(_secret)?_(name|arn|id)"),
    "task_family": re.compile(r"(backend_|api_|app_|ecs_)?task_(definition_)?family"),
    "execution_role": re.compile(r"(ecs_)?(task_)?execution_role_(name|arn)"),
    "task_role": re.compile(r"(ecs_)?task_role_(name|arn)"),
    "region": re.compile(r"(aws_)?region"),
}
"""The outputs of a folder that have a name, where no resource shows it."""


@dataclass(frozen=True)
class DeclaredName:
    """A name, and where it and the literals that it is made from stand."""

    value: str
    sources: tuple[Source, ...]
    note: str = ""
    """What else is to be known of it, as a clause."""


@dataclass(frozen=True, kw_only=True)
class SecretVariable:
    """A variable that a container gets from a secret: the secret's name ("" where unknown) and its JSON key."""

    variable: str
    secret: str
    key: str
    why_unknown: str = ""
    """Why the secret's name is not known, as a clause."""


@dataclass(frozen=True, kw_only=True)
class DeclaredService:
    """A service: its names, the variables of its containers, and how many tasks it is to have."""

    name: str
    source: Source
    sources: tuple[Source, ...]
    cluster: DeclaredName | None = None
    family: DeclaredName | None = None
    execution_role: DeclaredName | None = None
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


@dataclass(frozen=True, kw_only=True)
class DeclaredEnvironment:
    """What a checkout's Terraform files say of one environment."""

    environment: str
    base: str
    """The folder that all positions are relative to, within the checkout; "" for the checkout itself."""
    folders: tuple[str, ...]
    names: Mapping[str, DeclaredName]
    """By the field's name in runbook.toml, and "project"."""
    reasons: Mapping[str, str]
    """By field why there is no name, as a sentence."""
    services: tuple[DeclaredService, ...]
    keys: Mapping[str, Source] = field(default_factory=dict)
    """The keys that Terraform creates the secret with, and where."""
    assumptions: tuple[str, ...] = ()

    def find(self, service: str) -> DeclaredService | None:
        """A service by its name."""
        return next((each for each in self.services if each.name == service), None)

    @property
    def consumers(self) -> tuple[DeclaredService, ...]:
        """The services that get variables from the secret."""
        secret = self.names.get("secret")
        return tuple(
            each
            for each in self.services
            if any(v.key and v.secret == (secret.value if secret else "") for v in each.variables)
        )

    @property
    def renamed(self) -> Mapping[str, str]:
        """The variables by the secret's keys that have another name."""
        pairs = {(v.key, v.variable) for each in self.consumers for v in each.variables if v.key}
        own = {key for key, variable in pairs if key == variable}
        return {key: variable for key, variable in sorted(pairs) if key not in own}


def read_environments(repository: Path, environment: str = "") -> tuple[DeclaredEnvironment, ...]:
    """Read what the Terraform files of a checkout say of an environment, or of each that they show.

    Raises nothing for what cannot be followed: `reasons` says it.
    """
    roots = stacks.find_roots(repository, environment)
    stacks.connect(roots)
    names = dict.fromkeys(root.environment for root in roots)
    return tuple(_Reader([root for root in roots if root.environment == name]).read() for name in names)


class _Reader:
    """The folders of one environment, read together."""

    def __init__(self, roots: Sequence[Root]) -> None:
        self.roots = roots
        self.everything = [(root, each) for root in roots for each in stacks.instances(root)]
        self.instances = {each.address: each for root in roots for each in root.module.stack.instances.values()}
        self.reasons: dict[str, str] = {}

    def read(self) -> DeclaredEnvironment:
        services = tuple(self._services())
        names: dict[str, DeclaredName] = {}
        secret = self._secret(services)
        if secret:
            names["secret"] = secret
        main = self._main(services, secret.value if secret else "")
        if main:
            names["service"] = self._named(main.name, main.sources)
            found = {
                "cluster": main.cluster,
                "task_family": main.family,
                "execution_role": main.execution_role,
                "task_role": main.task_role,
            }
            names |= {key: value for key, value in found.items() if value}
            self.reasons |= main.reasons
        self._cluster(names)
        policy = self._policy(names.get("execution_role"))
        for field_name, value in {
            "execution_policy": policy,
            "region": self._region(),
            "account_id": self._account(),
            "project": self._variable(PROJECT_VARIABLES),
        }.items():
            if value:
                names[field_name] = value
        self._outputs(names)
        return DeclaredEnvironment(
            environment=self.roots[0].environment,
            base=self.roots[0].module.stack.files.base,
            folders=tuple(root.label for root in self.roots),
            names=names,
            reasons={key: text for key, text in self.reasons.items() if key not in names},
            services=services,
            keys=self._keys(secret.value if secret else ""),
            assumptions=tuple(dict.fromkeys(text for root in self.roots for text in root.assumptions)),
        )

    def _of(self, *types: str) -> list[Instance]:
        return [each for _, each in self.everything if each.type in types]

    # Services

    def _services(self) -> Iterator[DeclaredService]:
        for instance in self._of("aws_ecs_service", "module"):
            before, self.reasons = self.reasons, {}
            read = self._service if instance.type == "aws_ecs_service" else self._services_of_module
            found = list(read(instance))
            # The main service's reasons count, where there are services.
            reasons_here, self.reasons = self.reasons, before
            self.reasons |= {} if found else reasons_here
            yield from (replace(each, reasons=reasons_here) for each in found)
        if not self._of("aws_ecs_service", "module"):
            self.reasons["service"] = "No aws_ecs_service is in the checkout's Terraform files."

    def _service(self, instance: Instance) -> Iterator[DeclaredService]:
        name = self._name(instance, "name")
        if name is None:
            self.reasons["service"] = self._why(instance, "name", "service")
            return
        definition = self._definition(instance)
        desired = instance.get("desired_count")
        is_left = any("desired_count" in words for words in self._ignored(instance))
        service = DeclaredService(
            name=name.value,
            source=instance.source_of("name"),
            sources=name.sources,
            cluster=self._cluster_of(instance, "cluster"),
            desired=desired.value if desired and isinstance(desired.value, int) and not is_left else None,
            desired_source=desired.sources[-1] if desired and desired.sources else instance.source_of("desired_count"),
        )
        yield self._with_definition(service, definition) if definition else service

    def _with_definition(self, service: DeclaredService, definition: Instance) -> DeclaredService:
        containers = definition.get("container_definitions")
        variables, plain, is_whole = self._variables(containers.value if containers else None)
        return replace(
            service,
            family=self._name(definition, "family"),
            execution_role=self._role(definition, "execution_role_arn", "execution_role"),
            task_role=self._role(definition, "task_role_arn", "task_role"),
            variables=variables,
            plain=plain,
            is_whole=is_whole,
        )

    def _definition(self, instance: Instance) -> Instance | None:
        result = instance.get("task_definition")
        text = result.value if result and isinstance(result.value, str) else ""
        found = self._target(text, "aws_ecs_task_definition", "data.aws_ecs_task_definition")
        if found and found.type == "aws_ecs_task_definition":
            return found
        family = (found.text("task_definition") if found else text).split(":")[0]
        for each in self._of("aws_ecs_task_definition"):
            if family and each.text("family") == family:
                return each
        self.reasons["task_family"] = (
            f"The task definition of {instance.label} is not in the checkout{_because(text)}"
            f" ({instance.source_of('task_definition')})."
        )
        return None

    def _services_of_module(self, instance: Instance) -> Iterator[DeclaredService]:
        """The services of a call of terraform-aws-modules/ecs, whose arguments have their names."""
        source = instance.text("source")
        match = _ECS_MODULE.search(source)
        if match is None:
            return
        cluster = self._name(instance, "cluster_name")
        if match["part"] == "service":
            name = self._name(instance, "name")
            if name:
                cluster = self._cluster_of(instance, "cluster_arn")
                values = {m.name: instance.get(m.name) for m in instance.block.attributes}
                table = {key: result.value for key, result in values.items() if result}
                yield self._from_table(instance, name.value, name.sources, table, cluster)
        elif match["part"] is None and (services := instance.get("services")) and isinstance(services.value, Mapping):
            for key, table in services.value.items():
                if isinstance(table, Mapping):
                    sources = (instance.source_of("services"),)
                    yield self._from_table(instance, str(table.get("name", key)), sources, table, cluster)

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
            containers = [{"name": key, **value} for key, value in containers.items() if isinstance(value, Mapping)]
        variables, plain, is_whole = self._variables(containers)
        desired = table.get("desired_count")
        execution = table.get("task_exec_iam_role_name") or table.get("task_exec_iam_role_arn")
        task = table.get("tasks_iam_role_name") or table.get("tasks_iam_role_arn")
        family = table.get("family", name)
        for field_name, role in (("execution_role", execution), ("task_role", task)):
            if role is None:
                self.reasons[field_name] = (
                    f"{instance.label} names it itself, in a module from elsewhere ({sources[0]})."
                )
        return DeclaredService(
            name=name,
            source=sources[0],
            sources=sources,
            cluster=cluster,
            family=self._named(str(family), sources) if is_known(family) else None,
            execution_role=self._role_of(execution, sources, "execution_role"),
            task_role=self._role_of(task, sources, "task_role"),
            variables=variables,
            plain=plain,
            # The module leaves the count to autoscaling, which is on by default.
            desired=desired if isinstance(desired, int) and desired == 0 else None,
            desired_source=instance.source_of("services"),
            is_whole=is_whole,
        )

    def _variables(self, value: Any) -> tuple[tuple[SecretVariable, ...], frozenset[str], bool]:
        """The variables of containers from secrets, the plain ones, and whether all could be read."""
        containers, is_whole = self._containers(value), True
        variables: list[SecretVariable] = []
        plain: set[str] = set()
        if not isinstance(containers, list):
            return (), frozenset(), False
        for container in containers:
            table = decode(container)
            if not isinstance(table, Mapping):
                is_whole = False
                continue
            secrets, environment = _pairs(table.get("secrets"), "valueFrom"), _pairs(table.get("environment"), "value")
            # A member that is not known may have more of them.
            is_whole = is_whole and all(map(is_known, table)) and None not in (*secrets, *environment)
            variables += [self._variable_from(*pair) for pair in secrets if pair]
            plain |= {pair[0] for pair in environment if pair}
        return (
            tuple(each for each in variables if each.secret or each.key or each.why_unknown),
            frozenset(plain),
            is_whole,
        )

    def _containers(self, value: Any) -> Any:
        """A task definition's containers; of cloudposse's container definitions their arguments."""
        modules = [self.instances[address] for address, _ in marks(value) if address in self.instances]
        calls = [each for each in modules if _CONTAINER_MODULE.search(each.text("source"))]
        if not calls:
            return decode(value)
        return [{name: self._argument(each, *names) for name, names in _CONTAINER_ARGUMENTS.items()} for each in calls]

    def _argument(self, instance: Instance, *names: str) -> Any:
        """The first of these arguments that a module's call has."""
        return next((result.value for name in names if (result := instance.get(name)) and result.value), None)

    def _variable_from(self, variable: str, value: Any) -> SecretVariable:
        text = value if isinstance(value, str) else ""
        arn = _SECRET_ARN.match(text)
        if arn:
            return SecretVariable(variable=variable, secret=split_suffix(without_marks(arn[1]))[0], key=_key(arn[2]))
        mark, rest = split_mark(text)
        if not mark or ":ssm:" in text:
            return SecretVariable(variable=variable, secret="", key="")
        secret = self._target(mark, *_SECRETS)
        key = _key(rest)
        if secret is None:
            why = "; ".join(reasons(mark))
            return SecretVariable(variable=variable, secret="", key=key, why_unknown=why if key else "")
        return SecretVariable(variable=variable, secret=self._secret_name(secret), key=key)

    # The secret

    def _secret(self, services: Sequence[DeclaredService]) -> DeclaredName | None:
        variables = [variable for service in services for variable in service.variables]
        counts = Counter(each.secret for each in variables if each.secret and each.key)
        secrets = {self._secret_name(each): each for each in self._secrets()}
        if counts:
            (name, _), *others = counts.most_common()
            instance = secrets.get(name)
            sources = self._sources(instance, "name") if instance else ()
            users = ", ".join(dict.fromkeys(s.name for s in services if any(v.secret == name for v in s.variables)))
            also = f"; also to {', '.join(other for other, _ in others)}" if others else ""
            return DeclaredName(name, sources, f"{users} refer{'s' if ',' not in users else ''} to it{also}")
        named = [name for name in secrets if name]
        whole = [each for each in variables if each.secret and not each.key]
        unknown = [each.why_unknown for each in variables if each.why_unknown]
        if len(named) == 1:
            return DeclaredName(named[0], self._sources(secrets[named[0]], "name"), "it is the only secret there")
        if len(whole) > 1:
            self.reasons["secret"] = "Each variable has a secret of its own, without a JSON key."
        elif len(named) > 1:
            self.reasons["secret"] = f"No task definition refers to one of {', '.join(named)} with a JSON key."
        elif secrets:
            self.reasons["secret"] = self._why(next(iter(secrets.values())), "name", "secret")
        elif unknown:
            self.reasons["secret"] = f"Task definitions refer to it, but {unknown[0]}."
        else:
            self.reasons["secret"] = "No aws_secretsmanager_secret is in the checkout's Terraform files."
        return None

    def _secrets(self) -> list[Instance]:
        modules = [each for each in self._of("module") if _SECRET_MODULE.search(each.text("source"))]
        return [*self._of("aws_secretsmanager_secret", "data.aws_secretsmanager_secret"), *modules]

    def _secret_name(self, instance: Instance) -> str:
        name = self._name(instance, "name")
        arn = instance.text("arn")
        if name is None and (match := _SECRET_ARN.match(arn)):
            return split_suffix(match[1])[0]
        return name.value if name else ""

    def _keys(self, secret: str) -> dict[str, Source]:
        keys: dict[str, Source] = {}
        for version in self._of("aws_secretsmanager_secret_version"):
            target = self._target(version.text("secret_id"), *_SECRETS)
            if target is None or self._secret_name(target) != secret:
                continue
            value = version.get("secret_string")
            table = decode(value.value) if value else None
            # The values stay here.
            keys |= {key: version.source_of("secret_string") for key in table} if isinstance(table, Mapping) else {}
        return keys

    # Clusters, roles and policies

    def _cluster_of(self, instance: Instance, attribute: str) -> DeclaredName | None:
        result = instance.get(attribute)
        if result is None or not isinstance(result.value, str):
            return None
        cluster = self._target(result.value, "aws_ecs_cluster", "data.aws_ecs_cluster", "module")
        if cluster:
            return self._cluster_name(cluster)
        if is_known(result.value):
            return self._named(result.value.rpartition("/")[2], (instance.source_of(attribute), *result.sources))
        if ":cluster/" in result.value:
            name = result.value.rpartition("/")[2]
            return self._named(name, result.sources) if is_known(name) else None
        self.reasons["cluster"] = f"{instance.label} is in a cluster whose name is not known{_because(result.value)}."
        return None

    def _cluster_name(self, cluster: Instance) -> DeclaredName | None:
        attributes = ("cluster_name", "name") if cluster.type != "aws_ecs_cluster" else ("name",)
        for attribute in attributes:
            if cluster.block.find(attribute):
                name = self._name(cluster, attribute)
                if name is None:
                    self.reasons["cluster"] = self._why(cluster, attribute, "cluster")
                return name
        return None

    def _cluster(self, names: dict[str, DeclaredName]) -> None:
        matches = [(each, _ECS_MODULE.search(each.text("source"))) for each in self._of("module")]
        modules = [each for each, match in matches if match and match["part"] != "service"]
        clusters = [name for each in (*self._of("aws_ecs_cluster"), *modules) if (name := self._cluster_name(each))]
        if "cluster" not in names and len({name.value for name in clusters}) == 1:
            names["cluster"] = clusters[0]
        elif "cluster" not in names and clusters:
            listed = ", ".join(name.value for name in clusters)
            self.reasons["cluster"] = f"There are several: {listed}; no service shows which one is meant."
        self.reasons.setdefault("cluster", "No aws_ecs_cluster is in the checkout's Terraform files.")

    def _role(self, instance: Instance, attribute: str, field_name: str) -> DeclaredName | None:
        result = instance.get(attribute)
        if result is None:
            self.reasons[field_name] = f"{instance.label} has no {attribute} ({instance.source_of('family')})."
            return None
        return self._role_of(result.value, (instance.source_of(attribute), *result.sources), field_name)

    def _role_of(self, value: Any, sources: tuple[Source, ...], field_name: str) -> DeclaredName | None:
        text = value if isinstance(value, str) else ""
        role = self._target(text, "aws_iam_role", "data.aws_iam_role")
        if role:
            name = self._name(role, "name")
            if name is None:
                self.reasons[field_name] = self._why(role, "name", "role")
            return name
        last = text.rpartition("/")[2]
        if text and last and is_known(last):
            return self._named(last, sources)
        if text:
            self.reasons[field_name] = f"Its ARN is not in the checkout{_because(text)} ({sources[0]})."
        return None

    def _policy(self, role: DeclaredName | None) -> DeclaredName | None:
        """The policy that lets the execution role read the secret."""
        if role is None:
            self.reasons["execution_policy"] = "The execution role is not known."
            return None
        candidates = []
        for each in self._of("aws_iam_role_policy"):
            if self._role_name(each.text("role")) == role.value and self._may_read(each.get("policy")):
                candidates.append(self._name(each, "name"))
        for each in self._of("aws_iam_role_policy_attachment", "aws_iam_policy_attachment"):
            policy = self._target(each.text("policy_arn"), "aws_iam_policy")
            if self._role_name(each.text("role")) == role.value and policy and self._may_read(policy.get("policy")):
                candidates.append(self._name(policy, "name"))
        for each in self._of("aws_iam_role"):
            if each.text("name") == role.value:
                for block in each.block.blocks:
                    document, name = block.find("policy"), block.find("name")
                    if block.type == "inline_policy" and document and name:
                        result = each.module.result(document.value, each.bindings)
                        text = each.module.result(name.value, each.bindings)
                        if self._may_read(result) and isinstance(text.value, str) and is_known(text.value):
                            candidates.append(self._named(text.value, (source_of(name), *text.sources)))
        found = [each for each in candidates if each]
        if not found:
            self.reasons["execution_policy"] = (
                f"No policy of {role.value} with a name of its own and secretsmanager:GetSecretValue is in the files."
            )
        return found[0] if found else None

    def _role_name(self, text: str) -> str:
        role = self._target(text, "aws_iam_role", "data.aws_iam_role")
        return role.text("name") if role else text.rpartition("/")[2]

    def _may_read(self, policy: Result | None) -> bool:
        if policy is None:
            return False
        document = self._target(policy.value, "data.aws_iam_policy_document")
        if document:
            statements = [block for block in document.block.blocks if block.type == "statement"]
            actions = [member for block in statements if (member := block.find("actions"))]
            return any(self._reads(document.module.value(member.value, document.bindings)) for member in actions)
        return self._reads(decode(policy.value))

    def _reads(self, value: Any) -> bool:
        if isinstance(value, Mapping):
            return any(map(self._reads, value.values()))
        if isinstance(value, list):
            return any(map(self._reads, value))
        return isinstance(value, str) and _READS.search(value) is not None

    # Everything else

    def _region(self) -> DeclaredName | None:
        for root in self.roots:
            for block in root.module.folder.blocks:
                member = block.find("region") if block.type == "provider" and block.labels == ("aws",) else None
                if member and not block.find("alias"):
                    result = root.module.result(member.value)
                    if isinstance(result.value, str) and is_known(result.value):
                        return self._named(result.value, (source_of(member), *result.sources))
                    self.reasons["region"] = f"The provider's region is not known{_because(result.value)}."
        self.reasons.setdefault("region", "No provider names it: it comes from the environment of who runs Terraform.")
        return self._variable(("region", "aws_region"))

    def _account(self) -> DeclaredName | None:
        for root in self.roots:
            for block in root.module.folder.blocks:
                member = block.find("allowed_account_ids") if block.type == "provider" else None
                if member:
                    result = root.module.result(member.value)
                    if isinstance(result.value, list) and len(result.value) == 1 and is_known(result.value):
                        return self._named(str(result.value[0]), (source_of(member), *result.sources))
        account = self._variable(("account_id", "aws_account_id"))
        return account if account and re.fullmatch(r"\d{12}", account.value) else None

    def _variable(self, names: Sequence[str]) -> DeclaredName | None:
        for name in names:
            for root in self.roots:
                for result in (root.module.local(name), root.module.variable(name)):
                    if result and isinstance(result.value, str) and result.value and is_known(result.value):
                        return self._named(result.value, result.sources)
        return None

    def _outputs(self, names: dict[str, DeclaredName]) -> None:
        """Take what no resource shows from the outputs of the environment's folders."""
        for field_name, pattern in _OUTPUTS.items():
            for root in self.roots:
                for output in root.module.outputs if field_name not in names else ():
                    result = root.module.output(output) if pattern.fullmatch(output) else None
                    value = result.value if result and isinstance(result.value, str) else ""
                    name = re.split(r"[:/]", value)[-1] if value.startswith("arn:") else value
                    name = split_suffix(name)[0] if field_name == "secret" and value.startswith("arn:") else name
                    if result and name and is_known(name):
                        names[field_name] = DeclaredName(name, result.sources, f"it is the output {output}")

    def _main(self, services: Sequence[DeclaredService], secret: str) -> DeclaredService | None:
        """The service that gets most of the secret's variables, by its name where several do."""
        consumers = [each for each in services if any(v.key and v.secret == secret for v in each.variables)]
        candidates = consumers or [each for each in services if each.variables] or list(services)
        if not candidates:
            return None

        return min(candidates, key=lambda service: main_rank(service.name, len(service.variables)))

    def _target(self, text: Any, *types: str) -> Instance | None:
        """The instance that a text has a mark of, through versions of secrets and data sources."""
        for address, _ in marks(text):
            instance = self.instances.get(address)
            if instance and instance.type in types:
                return instance
            if instance and instance.type.removeprefix("data.") == "aws_secretsmanager_secret_version":
                return self._target(instance.text("secret_id"), *types)
        return None

    def _name(self, instance: Instance, attribute: str) -> DeclaredName | None:
        result = instance.get(attribute)
        if result is None or not isinstance(result.value, str) or not result.value or not is_known(result.value):
            return None
        return self._named(result.value, self._sources(instance, attribute))

    def _sources(self, instance: Instance, attribute: str) -> tuple[Source, ...]:
        result = instance.get(attribute)
        return tuple(dict.fromkeys((instance.source_of(attribute), *(result.sources if result else ()))))

    def _named(self, value: str, sources: tuple[Source, ...]) -> DeclaredName:
        return DeclaredName(value, tuple(dict.fromkeys(sources)))

    def _why(self, instance: Instance, attribute: str, what: str) -> str:
        result, where = instance.get(attribute), instance.source_of(attribute)
        if result is None and instance.block.find(f"{attribute}_prefix"):
            return f"Terraform adds a suffix of its own to the name of this {what} ({where})."
        if result is None:
            return f"The {what} {instance.label} has no {attribute} ({where})."
        return f"The {attribute} of the {what} {instance.label} is not known{_because(result.value)} ({where})."

    def _ignored(self, instance: Instance) -> Iterator[str]:
        for block in instance.block.blocks:
            member = block.find("ignore_changes") if block.type == "lifecycle" else None
            if member:
                yield "desired_count" if member.value.source.strip() == "all" else member.value.source


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
    if not isinstance(name, str) or not is_known(name):
        return None
    return name, entry.get(member, entry.get("value_from"))


def _key(rest: str) -> str:
    """The JSON key in what follows a secret's ARN; "" for none."""
    fields = rest.split(":")
    return fields[1] if len(fields) > 1 and is_known(fields[1]) else ""


def _because(value: Any) -> str:
    found = reasons(value)
    return f": {found[0]}" if found else ""
