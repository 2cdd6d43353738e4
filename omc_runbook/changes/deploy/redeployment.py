"""The redeployment of services as two steps of a change, and what it has come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy import rollout
from omc_runbook.changes.deploy.rollout import NO_REVISIONS, Rollout
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import RUN_AGAIN, Step
from omc_runbook.model.change import Change


class Redeployment:
    """New tasks for services, on the way there or back; `to_the_end` watches all, though one has failed.

    `services`, and `revisions` by the name of those that get another one, are asked for when it begins. `held` says of
    services why their tasks would fail all the same: these get the revision and are not watched.
    """

    def __init__(
        self,
        context: ChangeContext,
        services: Callable[[], Sequence[Service]],
        revisions: Mapping[str, str] = NO_REVISIONS,
        held: Mapping[str, str] = NO_REVISIONS,
        is_back: bool = False,
        to_the_end: bool = True,
    ) -> None:
        self._context, self._services, self._revisions, self._held = context, services, revisions, held
        self._is_back, self._to_the_end = is_back, to_the_end
        self.rollouts: tuple[Rollout, ...] = ()

    @property
    def failed(self) -> tuple[Rollout, ...]:
        """The roll-outs whose tasks failed."""
        return tuple(each for each in self.rollouts if each.has_failed)

    def steps(self, advice: str = RUN_AGAIN) -> tuple[Step, Step]:
        """Begin all at once, then watch."""
        suffix = " back" if self._is_back else ""
        return (
            Step(name=f"redeploy{suffix}", apply=self._begin, is_done=lambda: not self._services(), advice=advice),
            Step(name=f"watch{suffix}", apply=self._watch, is_done=lambda: not self.rollouts, advice=advice),
        )

    def _begin(self) -> Iterator[Change]:
        context = self._context
        begun = rollout.begin(context.clients, context.cluster, self._services(), self._revisions)
        self.rollouts = tuple(map(self._of_ours, begun))
        for each in self.rollouts:
            if each.deployment_id:
                yield Change(service=each.service, action="redeployed", deployment=each.deployment_id)
        context.show(self.rollouts, ())

    def _watch(self) -> None:
        context = self._context
        self.rollouts = rollout.watch(
            context.clients, context.cluster, self.rollouts, context.show, context.clock, self._to_the_end
        )

    def _of_ours(self, begun: Rollout) -> Rollout:
        why = self._held.get(begun.service)
        if why and not begun.has_failed:
            return replace(begun, state="not-started", reason=why, is_back=self._is_back)
        return replace(begun, is_back=self._is_back)
