"""What an account has for an environment, whatever its names: found by references to secrets, by tags and by names."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from omc_runbook.aws import ec2, ecs, secretsmanager
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Cluster, Service
from omc_runbook.aws.failures import ReadFailure, or_none
from omc_runbook.aws.secretsmanager import ListedSecret
from omc_runbook.aws.session import Clients, configured_region
from omc_runbook.aws.sts import Caller
from omc_runbook.model.aws_names import Names
from omc_runbook.model.environment import PRODUCTION, Environment
from omc_runbook.model.environment_names import STAGING, environment_of, main_rank, numbered_environment_in
from omc_runbook.model.grouping import batches
from omc_runbook.model.suggestions import ALMOST, closest
from omc_runbook.model.value_from import split_suffix
from omc_runbook.snapshot import roles
from omc_runbook.snapshot.gatherer import Gatherer

PARALLEL = 16
MOST_CLUSTERS = 20
"""How many clusters are looked into; in an account with more, those that may be the environment's."""

FIELD, REGIONS = "discovery", "regions"

_ALLOWS = re.compile(r'"secretsmanager:(\*|GetSecretValue|Get\*)"', re.IGNORECASE)


@dataclass(frozen=True)
class FoundService:
    """A service of a cluster, with its task definition where that could be read."""

    cluster: str
    service: Service
    definition: TaskDefinition | None

    @property
    def name(self) -> str:
        """The service's name."""
        return self.service.name

    @property
    def keys_by_secret(self) -> Mapping[str, int]:
        """How many variables it gets from each secret by a JSON key, by the secret's name."""
        injections = self.definition.injections if self.definition else ()
        references = (injection.reference for _, injection in injections)
        names = (split_suffix(ref.secret_name)[0] for ref in references if ref.kind == "secretsmanager" and ref.key)
        return Counter(names)


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """An account's clusters, services and secrets in a region, and what of them is an environment's."""

    environment: str
    clusters: tuple[Cluster, ...] = ()
    services: tuple[FoundService, ...] = ()
    secrets: tuple[ListedSecret, ...] = ()
    other_regions: tuple[str, ...] = ()
    """Other regions with a secret of the configured name, where this one has none."""
    cluster_regions: tuple[str, ...] = ()
    """Other regions with a cluster of the configured name, where this one has none."""
    unread: tuple[ReadFailure, ...] = ()
    unread_regions: tuple[ReadFailure, ...] = ()
    """Why other regions could not be searched for the configured names."""
    not_searched: tuple[str, ...] = ()
    """Clusters that were left out, because there are too many."""
    expected: Mapping[str, str] = field(default_factory=dict)
    """The secret, cluster and service of Terraform's files, else the configured ones: they count where in use."""

    def expecting(self, environment: str, *names: Mapping[str, str]) -> Self:
        """The same for an environment of which names are expected: of each field the first that its services use."""
        found = replace(self, environment=environment, expected={})
        used = {
            "secret": {name for each in found.own_services for name in each.keys_by_secret},
            "cluster": {each.cluster for each in found.own_services},
            "service": {each.name for each in found.own_services},
        }
        expected = {
            field: name for each in reversed(names) for field, name in each.items() if name in used.get(field, ())
        }
        return replace(found, expected=expected)

    @property
    def secret(self) -> str:
        """The environment's secret: that which its services get most variables from; "" where none can be told."""
        # What the expected cluster's services use is less likely another project's.
        near = [each for each in self.own_services if each.cluster == self.expected.get("cluster")]
        near_counts, counts = (_count_variables(services) for services in (near, self.own_services))
        existing = {secret.name for secret in self.secrets}
        names = dict.fromkeys(name for each in (near_counts, counts) for name, _ in each.most_common())
        marks = {
            name: self._contrary(self._environment_of(name, self._tags(name)))
            for name in names
            if name in existing and not is_of_service(name)
        }
        best = [name for name, mark in marks.items() if mark in ("", self.environment)]
        if best:
            return self.expected["secret"] if self.expected.get("secret") in best else best[0]
        own = self.named_secrets
        return own[0] if len(own) == 1 and not counts else ""

    @property
    def named_secrets(self) -> tuple[str, ...]:
        """The secrets that have the environment in their name or tags."""
        return self._named(self.secrets)

    @property
    def named_clusters(self) -> tuple[str, ...]:
        """The clusters that have the environment in their name or tags."""
        return self._named(self.clusters)

    @property
    def is_referred_to(self) -> bool:
        """Whether a service of the environment refers to its secret."""
        secret = self.secret
        return any(secret in service.keys_by_secret for service in self.own_services)

    @property
    def consumers(self) -> tuple[FoundService, ...]:
        """The environment's services that refer to its secret, the main one first."""
        secret = self.secret
        users = (each for each in self.own_services if secret in each.keys_by_secret)
        return tuple(sorted(users, key=lambda each: main_rank(each.name, each.keys_by_secret[secret])))

    @property
    def rivals(self) -> tuple[FoundService, ...]:
        """Services that have the environment in a name too, in other clusters and with other secrets alone."""
        secret, cluster = self.secret, self.cluster
        near = {name for each in self.own_services if each.cluster == cluster for name in each.keys_by_secret}
        return tuple(
            each
            for each in self.own_services
            if each.cluster != cluster
            and secret not in each.keys_by_secret
            and any(name not in near and not is_of_service(name) for name in each.keys_by_secret)
        )

    @property
    def left_cluster(self) -> str:
        """The expected cluster where it has services of the environment, and the names are of another; "" elsewhere.

        The expected secret is no other project's, and what rivals it is told as that.
        """
        expected = self.expected.get("cluster", "")
        is_told = self.expected.get("secret") == self.secret or any(each.cluster == expected for each in self.rivals)
        return expected if expected != self.cluster and not is_told else ""

    @property
    def main(self) -> FoundService | None:
        """The service that has the application's secrets; None where none can be told."""
        own = sorted(self.own_services, key=lambda each: main_rank(each.name, 0))
        candidates = self.consumers or tuple(own)
        near = [each for each in candidates if each.cluster == self.expected.get("cluster")]
        exact = [each for each in near if each.name == self.expected.get("service")]
        return (*exact, *near, *candidates, None)[0]

    @property
    def cluster(self) -> str:
        """The main service's cluster, or the only one of the environment; "" where none can be told."""
        if self.main:
            return self.main.cluster
        own = self.named_clusters
        return own[0] if len(own) == 1 else ""

    @cached_property
    def own_services(self) -> tuple[FoundService, ...]:
        """The services that are the environment's: by their names, their cluster's, or the secret that they use."""
        own = []
        for each in self.services:
            marks = [
                *self._marks(each),
                *(self._contrary(self._environment_of(name, self._tags(name))) for name in each.keys_by_secret),
            ]
            environments = [mark for mark in marks if mark]
            if (environments and set(environments) == {self.environment}) or (
                not environments and len(self.clusters) == 1
            ):
                own.append(each)
        return tuple(own)

    def is_of_another(self, service: FoundService) -> bool:
        """Whether a service has another environment in its name, or its cluster's name, such as prod2, or tags."""
        marks = self._marks(service)
        numbered = () if marks[1] else (self._contrary(numbered_environment_in(service.cluster)),)
        return not {*marks, *numbered} <= {"", self.environment}

    def has_name_of(self, *words: str) -> bool:
        """Whether the secret, or a cluster that was found, has one of these in its name, whatever separates words."""
        names = {self.secret, self.cluster, *(each.cluster for each in self.consumers)}
        return any(_letters(word) in _letters(name) for name in names for word in words)

    @property
    def renamed(self) -> Mapping[str, str]:
        """The variables by the secret's keys that have another name."""
        secret = self.secret
        pairs = {
            (injection.reference.key, injection.variable)
            for each in self.consumers
            if each.definition
            for _, injection in each.definition.injections
            if injection.reference.key and split_suffix(injection.reference.secret_name)[0] == secret
        }
        own = {key for key, variable in pairs if key == variable}
        return {key: variable for key, variable in sorted(pairs) if key not in own}

    def near(self, name: str, others: Collection[str] = ()) -> str:
        """The secret with almost this name, unless it is another environment's, as `others` are; "" for none."""
        marks = {each.name: self._environment_of(each.name, each.tags) for each in self.secrets}
        own = [each for each, mark in marks.items() if mark in ("", self.environment) and each not in others]
        # Another number is no misspelling: prod2 is not prod1.
        own = [each for each in own if re.findall(r"\d+", each) == re.findall(r"\d+", name)]
        return closest(name, own, ALMOST)

    def _named(self, resources: Iterable[ListedSecret | Cluster]) -> tuple[str, ...]:
        return tuple(each.name for each in resources if self._environment_of(each.name, each.tags) == self.environment)

    def _marks(self, service: FoundService) -> tuple[str, str]:
        """The environments that a service's name and its cluster tell; "" where one tells none."""
        tags = next((each.tags for each in self.clusters if each.name == service.cluster), {})
        return self._contrary(self._environment_of(service.name, {})), self._environment_of(service.cluster, tags)

    def _environment_of(self, name: str, tags: Mapping[str, str]) -> str:
        return environment_of(name, tags, self.environment)

    def _contrary(self, found: str) -> str:
        """An environment by a name's word, unless the word may mean something else, as test and demo do."""
        return found if found in (STAGING, PRODUCTION, self.environment) else ""

    def _tags(self, secret: str) -> Mapping[str, str]:
        return next((each.tags for each in self.secrets if each.name == secret), {})


def discover(clients: Clients, environment: Environment, caller: Caller) -> Discovery:
    """Read an account's clusters, services with their task definitions, and list of secrets; no value is read.

    What AWS refuses is in `unread`. Raises CouldNotLook where AWS cannot be reached.
    """
    with ThreadPoolExecutor(PARALLEL, "discover") as pool:
        return _Discovering(pool, clients, environment, caller).run()


def configured(names: Names) -> Mapping[str, str]:
    """The configured names that tell an environment from another project's of the same word, where they are in use."""
    name = names.secret.rpartition(":")[2]
    secret = split_suffix(name)[0] if name != names.secret else name
    return {"secret": secret, "cluster": names.cluster, "service": names.service}


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def is_of_service(secret: str) -> bool:
    """Whether an AWS service made a secret, such as the password of an RDS instance, by the ! in its name."""
    return "!" in secret


def _count_variables(services: Iterable[FoundService]) -> Counter[str]:
    """How many variables services get from each secret."""
    counts: Counter[str] = Counter()
    for service in services:
        counts.update(service.keys_by_secret)
    return counts


def find_policy(clients: Clients, role: str) -> str:
    """The name of a role's policy that allows secretsmanager:GetSecretValue; "" where none is seen."""
    read = (or_none(answer) for answer in roles.read_policies(clients, role))
    return next((each.name for each in read if each and _ALLOWS.search(json.dumps(each.document))), "")


class _Discovering(Gatherer):
    """The calls of one discovery."""

    def run(self) -> Discovery:
        """Make all calls, in parallel."""
        environment = self.environment.name
        listed = self.read("the region's clusters", "ecs:ListClusters", ecs.list_clusters)
        secrets = self.read("the list of secrets", "secretsmanager:ListSecrets", secretsmanager.list_secrets)
        names = self.keep(FIELD, listed, ())
        described = [
            self.read("the region's clusters", "ecs:DescribeClusters", ecs.describe_clusters, batch)
            for batch in batches(names, 100)
        ]
        clusters = self.join(FIELD, described) or tuple(Cluster(name, {}) for name in names)
        chosen = clusters
        if len(clusters) > MOST_CLUSTERS:
            chosen = tuple(
                each for each in clusters if environment_of(each.name, each.tags, environment) in ("", environment)
            )
            chosen = chosen[:MOST_CLUSTERS]
        services = self._services([cluster.name for cluster in chosen])
        own_secrets: tuple[ListedSecret, ...] = self.keep(FIELD, secrets, ())
        lacks_secret = ":" not in self.names.secret and self.names.secret not in {each.name for each in own_secrets}
        lacks_cluster = self.names.cluster not in names
        regions = self._other_regions(lacks_secret and lacks_cluster) if lacks_secret else ()
        return Discovery(
            environment=environment,
            expected=configured(self.names),
            clusters=clusters,
            services=services,
            secrets=own_secrets,
            other_regions=self._having(
                regions, "secret", "secretsmanager:DescribeSecret", secretsmanager.describe, self.names.secret
            ),
            cluster_regions=self._having(
                regions if lacks_cluster else (),
                "cluster",
                "ecs:DescribeClusters",
                lambda client, name: ecs.describe_clusters(client, [name]),
                self.names.cluster,
            ),
            unread=self.gaps.get(FIELD, ()),
            unread_regions=self.gaps.get(REGIONS, ()),
            not_searched=tuple(each.name for each in clusters if each not in chosen),
        )

    def _other_regions(self, is_empty: bool) -> tuple[str, ...]:
        """The other regions that the configuration names; all that the account uses, where nothing is in this one."""
        others = {names.region for names in self.environment.others.values()}
        regions = {configured_region(self.names.profile), Names().region, *others}
        if is_empty:
            listed = self.read("the account's regions", "ec2:DescribeRegions", ec2.list_regions)
            regions |= {*self.keep(REGIONS, listed, ())}
        return tuple(sorted(regions - {self.names.region, ""}))

    def _having(
        self, regions: Iterable[str], kind: str, permission: str, find: Callable[[Any, str], object], name: str
    ) -> tuple[str, ...]:
        """The regions that have something of this name; without the permission to look, it is not known of any."""
        answers = {
            region: self.within(region).read(f"{kind} {name} in {region}", permission, find, name) for region in regions
        }
        # What a policy denies there on purpose, nobody could have made there.
        failures = (answer.result() for answer in answers.values())
        self.record(REGIONS, (each for each in failures if isinstance(each, ReadFailure) and not each.denied_by))
        return tuple(region for region, answer in answers.items() if or_none(answer.result()))

    def _services(self, clusters: Iterable[str]) -> tuple[FoundService, ...]:
        described = self.services_of(FIELD, clusters)
        services = [(cluster, service) for cluster, each in described.items() for service in each or ()]
        found = self.task_definitions(FIELD, (service.task_definition_arn for _, service in services))
        return tuple(FoundService(cluster, each, found.get(each.task_definition_arn)) for cluster, each in services)
