"""Makes many AWS calls in parallel and records what could not be read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from omc_runbook.aws import definitions
from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.aws.session import Clients, ReadFailure, look
from omc_runbook.aws.sts import Caller
from omc_runbook.model.environment import Environment

T = TypeVar("T")
D = TypeVar("D")

PARALLEL = 24
"""How many calls of one snapshot are made at a time."""


class Gatherer:
    """The calls of one snapshot; `gaps` has what could not be read, by the snapshot's field."""

    def __init__(self, pool: ThreadPoolExecutor, clients: Clients, environment: Environment, caller: Caller) -> None:
        self.pool = pool
        self.clients = clients
        self.names = environment.names
        self.environment = environment
        self.caller = caller
        self.gaps: dict[str, tuple[ReadFailure, ...]] = defaultdict(tuple)

    def ask(self, what: str, permission: str, call: Callable[[], T]) -> Future[T | ReadFailure]:
        """Start a call on another thread; `what` and `permission` are those of `session.look`."""
        return self.pool.submit(look, what, permission, call)

    def keep(self, field: str, answer: Future[T | ReadFailure], default: D) -> T | D:
        """Wait for an answer; where it could not be read, record a gap of the field and return the default."""
        result = answer.result()
        if isinstance(result, ReadFailure):
            self.record(field, (result,))
            return default
        return result

    def record(self, field: str, failures: Iterable[ReadFailure]) -> None:
        """Add gaps of a field, each once."""
        for failure in failures:
            if failure not in self.gaps[field]:
                self.gaps[field] += (failure,)

    def task_definitions(self, field: str, arns: Iterable[str]) -> dict[str, TaskDefinition]:
        """Read these revisions, each once, by their ARNs; one that could not be read is a gap of the field."""
        client = self.clients("ecs")
        answers = {
            arn: self.ask(
                f"task definition {arn.rpartition('/')[2]}",
                "ecs:DescribeTaskDefinition",
                lambda arn=arn: definitions.describe_task_definition(client, arn),  # type: ignore[misc]
            )
            for arn in sorted({*arns} - {""})
        }
        revisions = {arn: self.keep(field, answer, None) for arn, answer in answers.items()}
        return {arn: revision for arn, revision in revisions.items() if revision}
