"""The names that Terraform's files give to an environment: cluster, services, secret, roles, policy, region, keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from omc_runbook.model.environment_names import main_rank
from omc_runbook.model.value_from import split_suffix
from omc_runbook.terraform import stacks
from omc_runbook.terraform.evaluation import Instance, Module
from omc_runbook.terraform.expressions import Source
from omc_runbook.terraform.hcl import Block
from omc_runbook.terraform.marks import because, decode, is_known, known_text, last_part
from omc_runbook.terraform.resources import DeclaredName, Resources, name_with_sources
from omc_runbook.terraform.roles import reading_policy
from omc_runbook.terraform.services import (
    ECS_MODULE,
    SECRETS,
    DeclaredService,
    ServiceReader,
    cluster_name,
    secret_name,
)
from omc_runbook.terraform.stacks import Root
from omc_runbook.terraform.variable_files import REGION_VARIABLES

PROJECT_VARIABLES = (
    *("project", "project_name", "app_name", "application_name", "application", "app", "product", "namespace"),
)

PREFIX_VARIABLES = ("prefix", "name_prefix", "resource_prefix")

_SECRET_MODULE = re.compile(r"terraform-aws-modules/secrets-manager/aws")
_ROLE_ARN = re.compile(r"arn:[^:]*:iam::(\d{12}):role/.*")
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
        return tuple(each for each in self.services if each.reads(secret.value if secret else ""))

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
        self.resources = Resources(roots)
        self.services = ServiceReader(self.resources)
        self.reasons = self.services.reasons

    def read(self) -> DeclaredEnvironment:
        services = tuple(self.services.read())
        secret = self._secret(services)
        read_secret = secret.value if secret else ""
        main = self._main(services, read_secret)
        found = {
            "secret": secret,
            "service": DeclaredName(main.name, main.sources, self._others(services, main)) if main.name else None,
            "cluster": main.cluster,
            "task_family": main.family,
            "execution_role": main.execution_role,
            "task_role": main.task_role,
            "execution_policy": self._policy(main, read_secret),
            "region": self._region(main),
            "account_id": self._account(main),
            "project": self._variable(PROJECT_VARIABLES),
            "prefix": self._variable(PREFIX_VARIABLES),
        }
        names = {key: value for key, value in found.items() if value}
        self.reasons |= main.reasons
        self._cluster(names)
        self._outputs(names)
        roots = self.resources.roots
        return DeclaredEnvironment(
            environment=roots[0].environment,
            base=roots[0].module.stack.files.base,
            folders=tuple(root.label for root in roots),
            names=names,
            reasons={key: text for key, text in self.reasons.items() if key not in names},
            services=services,
            keys=self._keys(read_secret),
            assumptions=tuple(
                dict.fromkeys((*(text for root in roots for text in root.assumptions), *self._regions(main)))
            ),
        )

    def _secret(self, services: Sequence[DeclaredService]) -> DeclaredName | None:
        variables = [variable for service in services for variable in service.variables]
        counts = Counter(each.secret for each in variables if each.secret and each.key)
        secrets = {secret_name(each): each for each in self._secrets()}
        if counts:
            # The main service's secret, of those the one that fills most variables.
            name, *others = sorted(counts, key=lambda secret: (_rank(services, secret), -counts[secret]))
            instance = secrets.get(name)
            sources = instance.sources_of("name") if instance else ()
            users = ", ".join(dict.fromkeys(s.name for s in services if any(v.secret == name for v in s.variables)))
            unknown = Counter(each.why_unknown for each in variables if each.why_unknown)
            reasons = (f"; for more variables to another one: {why}" for why in unknown if unknown[why] > counts[name])
            also = f"; also to {', '.join(others)}" if others else ""
            note = f"{users} refer{'s' if ',' not in users else ''} to it{also}{''.join(reasons)}"
            return DeclaredName(name, sources, note)
        names = [name for name in secrets if name]
        whole_secret = [each for each in variables if each.secret and not each.key]
        reason = next((each.why_unknown for each in variables if each.why_unknown), "")
        if reason:
            self.reasons["secret"] = f"Task definitions refer to it, but {reason}."
            return None
        if len(names) == 1:
            return DeclaredName(names[0], secrets[names[0]].sources_of("name"), "it is the only secret there")
        if len(whole_secret) > 1:
            self.reasons["secret"] = "Each variable has a secret of its own, without a JSON key."
        elif len(names) > 1:
            self.reasons["secret"] = f"No task definition refers to one of {', '.join(names)} with a JSON key."
        elif secrets:
            self.reasons["secret"] = next(iter(secrets.values())).why_unknown("name", "secret")
        else:
            self.reasons["secret"] = "No aws_secretsmanager_secret is in the checkout's Terraform files."
        return None

    def _regions(self, main: DeclaredService) -> Iterator[str]:
        """Say that the environment's services are in several regions, of which the names are one's."""
        regions = {address: each.region for address, each in self.services.instances.items() if each.region}
        own = regions.get(main.address, "")
        if others := sorted({*regions.values()} - {own} if own else ()):
            yield f"Its services are in several regions: the names are those of {own}, not of {', '.join(others)}."

    def _secrets(self) -> list[Instance]:
        modules = [each for each in self.resources.of("module") if _SECRET_MODULE.search(each.text("source"))]
        return [*self.resources.of("aws_secretsmanager_secret", "data.aws_secretsmanager_secret"), *modules]

    def _keys(self, secret: str) -> dict[str, Source]:
        keys: dict[str, Source] = {}
        for version in self.resources.of("aws_secretsmanager_secret_version"):
            target = self.resources.target(version.text("secret_id"), *SECRETS)
            if target is None or secret_name(target) != secret:
                continue
            table = decode(version.value("secret_string"))
            # The values stay here.
            keys |= {key: version.source_of("secret_string") for key in table} if isinstance(table, Mapping) else {}
        return keys

    def _cluster(self, names: dict[str, DeclaredName]) -> None:
        """Take the only cluster, where no service shows which one is meant."""
        matches = [(each, ECS_MODULE.search(each.text("source"))) for each in self.resources.of("module")]
        modules = [each for each, match in matches if match and match["part"] != "service"]
        found = [cluster_name(each) for each in (*self.resources.of("aws_ecs_cluster"), *modules)]
        clusters = [name for name, _ in found if name]
        if "cluster" not in names and len({name.value for name in clusters}) == 1:
            names["cluster"] = clusters[0]
        elif "cluster" not in names and clusters:
            listed = ", ".join(name.value for name in clusters)
            self.reasons["cluster"] = f"There are several: {listed}; no service shows which one is meant."
        none = "No aws_ecs_cluster is in the checkout's Terraform files."
        self.reasons.setdefault("cluster", next((why for _, why in found if why), none))

    def _policy(self, main: DeclaredService, secret: str) -> DeclaredName | None:
        """The policy that lets the main service's execution role read the secret."""
        role = main.role_identity
        policy = reading_policy(self.resources, role, secret) if role else None
        name = main.execution_role.value if main.execution_role else ""
        self.reasons["execution_policy"] = (
            f"No policy of {name} with a name of its own and secretsmanager:GetSecretValue is in the files."
            if name
            else "The execution role is not known."
        )
        return policy

    def _providers(self, main: DeclaredService) -> Iterator[tuple[Module, Block]]:
        """The provider of the main service, then those of the environment's folders."""
        instance = self.services.instances.get(main.address)
        if instance and instance.provider:
            yield instance.provider
        yield from (found for root in self.resources.roots if (found := root.module.provider("aws")))

    def _region(self, main: DeclaredService) -> DeclaredName | None:
        for module, block in self._providers(main):
            if member := block.find("region"):
                result = module.result(member.value)
                if region := known_text(result.value):
                    return name_with_sources(region, (member.location, *result.sources))
                self.reasons["region"] = f"The provider's region is not known{because(result.value)}."
                break
        self.reasons.setdefault("region", "No provider names it: it comes from the environment of who runs Terraform.")
        return self._variable(REGION_VARIABLES)

    def _account(self, main: DeclaredService) -> DeclaredName | None:
        for module, block in self._providers(main):
            if member := block.find("allowed_account_ids"):
                result = module.result(member.value)
                if isinstance(result.value, list) and len(result.value) == 1 and is_known(result.value):
                    return name_with_sources(str(result.value[0]), (member.location, *result.sources))
            roles = (each.find("role_arn") for each in block.blocks if each.type == "assume_role")
            for role in filter(None, roles):
                result = module.result(role.value)
                match = _ROLE_ARN.fullmatch(result.value) if isinstance(result.value, str) else None
                if match:
                    return name_with_sources(match[1], (role.location, *result.sources))
        account = self._variable(("account_id", "aws_account_id"))
        return account if account and re.fullmatch(r"\d{12}", account.value) else None

    def _variable(self, names: Sequence[str]) -> DeclaredName | None:
        found = (root.module.known(name) for name in names for root in self.resources.roots)
        result = next(filter(None, found), None)
        return name_with_sources(result.value, result.sources) if result else None

    def _outputs(self, names: dict[str, DeclaredName]) -> None:
        """Take what no resource shows from the outputs of the environment's folders."""
        for field_name, pattern in _OUTPUTS.items():
            for root in self.resources.roots:
                for output in root.module.outputs if field_name not in names else ():
                    result = root.module.output(output) if pattern.fullmatch(output) else None
                    value = result.value if result and isinstance(result.value, str) else ""
                    is_arn = value.startswith("arn:")
                    name = last_part(last_part(value), ":") if is_arn else value if is_known(value) else ""
                    name = split_suffix(name)[0] if field_name == "secret" and is_arn else name
                    if result and name:
                        names[field_name] = DeclaredName(name, result.sources, f"it is the output {output}")

    def _main(self, services: Sequence[DeclaredService], secret: str) -> DeclaredService:
        """The service that gets most of the secret's variables, by its name where several do; without one, no name."""
        consumers = [each for each in services if each.reads(secret)]
        candidates = consumers or [each for each in services if each.variables] or list(services)
        none = DeclaredService(name="", sources=())
        return min(candidates, key=lambda each: main_rank(each.name, len(each.variables)), default=none)

    def _others(self, services: Sequence[DeclaredService], main: DeclaredService) -> str:
        """The services whose names are as good as the main one's, as a clause; "" for none."""
        best = main_rank(main.name, 0)[0]
        rivals = [each for each in services if each.name != main.name and (each.variables or not main.variables)]
        names = dict.fromkeys(each.name for each in rivals if main_rank(each.name, 0)[0] == best)
        return f"it may also be {' or '.join(names)}" if names else ""


def _rank(services: Sequence[DeclaredService], secret: str) -> int:
    """How good the name is of the best service that gets variables from a secret."""
    return min(main_rank(each.name, 0)[0] for each in services if each.reads(secret))
