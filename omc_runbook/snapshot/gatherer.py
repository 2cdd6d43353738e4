"""Makes many AWS calls in parallel and records what could not be read."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from omc_runbook.aws import definitions, ecs
from omc_runbook.aws.cloudtrail import REQUESTS_A_SECOND, Pace
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.ecs import Service, Task
from omc_runbook.aws.failures import ReadFailure, look
from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.model.environment import Environment
from omc_runbook.model.grouping import batches

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D")

PARALLEL = 24
"""How many calls of one snapshot are made at a time."""


class SharedCalls:
    """Calls about an account that several snapshots need, each made once for all of them; safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, Future[Any]] = {}
        self._paces: dict[tuple[str, str], Pace] = {}
        self._moment: datetime | None = None

    def once(self, key: Hashable, start: Callable[[], Future[T]]) -> Future[T]:
        """The answer of a call, which is started unless another snapshot did so before."""
        with self._lock:
            if key not in self._answers:
                self._answers[key] = start()
            return self._answers[key]

    def pace(self, account: str, region: str) -> Pace:
        """The pace of LookupEvents in an account and region, for whoever looks up there."""
        with self._lock:
            return self._paces.setdefault((account, region), Pace(REQUESTS_A_SECOND))

    def moment(self, now: datetime) -> datetime:
        """The time of the first snapshot, from which all of them count days back."""
        with self._lock:
            self._moment = self._moment or now
            return self._moment


class Gatherer:
    """The calls of one snapshot; `gaps` has what could not be read, by the snapshot's field."""

    def __init__(
        self,
        pool: ThreadPoolExecutor,
        clients: Clients,
        environment: Environment,
        caller: Caller,
        shared: SharedCalls | None = None,
    ) -> None:
        self.pool = pool
        self.shared = shared or SharedCalls()
        self.clients = clients
        self.region = ""
        """The region of the calls of `read`; "" for the environment's."""
        self.names = environment.names
        self.environment = environment
        self.caller = caller
        self.gaps: dict[str, tuple[ReadFailure, ...]] = defaultdict(tuple)

    def ask(self, what: str, permission: str, call: Callable[[], T]) -> Future[T | ReadFailure]:
        """Start a call on another thread; `what` and `permission` are those of `failures.look`."""
        other_region = "" if self.region == self.names.region else self.region
        return self.pool.submit(look, what, permission, call, other_region)

    def ask_once(
        self, key: tuple[Hashable, ...], what: str, permission: str, call: Callable[[], T]
    ) -> Future[T | ReadFailure]:
        """As `ask`, for a call on the account that other snapshots may make too; `key` is what tells it from others."""
        full_key = (self.caller.account, self.caller.arn, self.names.region, permission, *key)
        return self.shared.once(full_key, lambda: self.ask(what, permission, call))

    def read(
        self, what: str, permission: str, call: Callable[Concatenate[Any, P], T], *args: P.args, **options: P.kwargs
    ) -> Future[T | ReadFailure]:
        """Start a function of `aws/`, which gets the client of the permission's service and these arguments."""
        return self.ask(what, permission, lambda: call(self._client(permission), *args, **options))

    def read_once(
        self, what: str, permission: str, call: Callable[Concatenate[Any, P], T], *args: P.args, **options: P.kwargs
    ) -> Future[T | ReadFailure]:
        """As `read`, for a call on the account that other snapshots may make too, with the same positional `args`."""
        key = (self.region, *args)
        return self.ask_once(key, what, permission, lambda: call(self._client(permission), *args, **options))

    def within(self, region: str) -> Self:
        """The same, where `read` and `read_once` go to another region than the environment's."""
        gatherer = copy(self)
        gatherer.region = region
        return gatherer

    def _client(self, permission: str) -> Any:
        # Asked for on the call's thread, so that what cannot be a region fails as a call there does.
        service = permission.partition(":")[0]
        return self.clients(service, self.region) if self.region else self.clients(service)

    def keep(self, field: str, answer: Future[T | ReadFailure] | None, default: D) -> T | D:
        """Wait for an answer; where it could not be read, record a gap of the field and return the default.

        That is returned too for None, which stands for what was not asked.
        """
        if answer is None:
            return default
        result = answer.result()
        if isinstance(result, ReadFailure):
            self.record(field, (result,))
            return default
        return result

    def join(self, field: str, answers: Iterable[Future[tuple[T, ...] | ReadFailure]]) -> tuple[T, ...]:
        """Wait for answers that are parts of one, such as batches; those that could not be read are gaps."""
        return tuple(each for answer in answers for each in self.keep(field, answer, ()))

    def record(self, field: str, failures: Iterable[ReadFailure]) -> None:
        """Add gaps of a field, each once."""
        for failure in failures:
            if failure not in self.gaps[field]:
                self.gaps[field] += (failure,)

    def ask_services(self, cluster: str, names: Sequence[str]) -> list[Future[tuple[Service, ...] | ReadFailure]]:
        """Start to describe a cluster's services, as many with each call as it takes."""
        what = f"the services of cluster {cluster}"
        return [
            self.read(what, "ecs:DescribeServices", ecs.describe_services, cluster, batch)
            for batch in batches(names, ecs.SERVICES_A_CALL)
        ]

    def ask_tasks(self, cluster: str, arns: Sequence[str]) -> list[Future[tuple[Task, ...] | ReadFailure]]:
        """Start to describe a cluster's tasks, as many with each call as it takes."""
        what = f"the tasks of cluster {cluster}"
        return [
            self.read(what, "ecs:DescribeTasks", ecs.describe_tasks, cluster, batch)
            for batch in batches(arns, ecs.TASKS_A_CALL)
        ]

    def services_of(self, field: str, clusters: Iterable[str]) -> dict[str, tuple[Service, ...] | None]:
        """Read the services of clusters; None for one that does not exist, and what could not be read is a gap."""
        listed = {
            cluster: self.read(
                f"the services of cluster {cluster}", "ecs:ListServices", ecs.list_service_names, cluster
            )
            for cluster in clusters
        }
        names = {cluster: self.keep(field, answer, ()) for cluster, answer in listed.items()}
        described = {cluster: self.ask_services(cluster, found or ()) for cluster, found in names.items()}
        services = {cluster: self.join(field, answers) for cluster, answers in described.items()}
        return {cluster: None if names[cluster] is None else found for cluster, found in services.items()}

    def task_definitions(
        self, field: str, arns: Iterable[str], origins: Mapping[str, str] | None = None
    ) -> dict[str, TaskDefinition]:
        """Read these revisions, each once, by their ARNs; one that could not be read is a gap of the field.

        `origins` are what starts them, by ARN, where that is no service; the gap names it.
        """
        origin_of = {arn: f" of {origin}" for arn, origin in (origins or {}).items()}
        answers = {
            arn: self.read(
                f"task definition {arn.rpartition('/')[2]}{origin_of.get(arn, '')}",
                "ecs:DescribeTaskDefinition",
                definitions.describe_task_definition,
                arn,
            )
            for arn in sorted({*arns} - {""})
        }
        revisions = {arn: self.keep(field, answer, None) for arn, answer in answers.items()}
        return {arn: revision for arn, revision in revisions.items() if revision}
