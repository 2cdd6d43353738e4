"""The redeployment of services, as two steps of a change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy import failure
from omc_runbook.changes.deploy.rollout import NO_REVISIONS, Rollout, begin
from omc_runbook.changes.deploy.watch import Watch
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import RUN_AGAIN, Made, Step, at_once
from omc_runbook.model.change import Change
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.snapshot.state import Snapshot


class Redeployment:
    """New tasks for services, forwards or as a rollback; `to_the_end` goes on watching after a failure.

    `services` is called when the redeployment begins; `revisions` has the ARN of a new revision by service name.
    `blockers` has the reason why tasks of a service would fail anyway: it gets the revision and is not watched.
    `underway` names services whose present deployment is watched instead of a new one. A rollback is given the
    roll-outs to `undo`.
    """

    def __init__(
        self,
        context: ChangeContext,
        services: Callable[[], Sequence[Service]],
        revisions: Mapping[str, str] = NO_REVISIONS,
        blockers: Mapping[str, str] = NO_REVISIONS,
        is_back: bool = False,
        to_the_end: bool = True,
        underway: frozenset[str] = frozenset(),
        undo: Callable[[], Sequence[Rollout]] = tuple,
    ) -> None:
        self._context, self._services, self._revisions, self._blockers = context, services, revisions, blockers
        self._is_back, self._to_the_end, self._underway, self._undo = is_back, to_the_end, underway, undo
        self._evidence: Snapshot | None = None
        self.rollouts: tuple[Rollout, ...] = ()

    def look(self) -> Snapshot:
        """Read the environment after a failure, unless that was done when it was found."""
        return self._evidence or failure.read_again(self._context)

    @property
    def failed(self) -> tuple[Rollout, ...]:
        """The roll-outs whose tasks failed."""
        return tuple(rollout for rollout in self.rollouts if rollout.has_failed)

    def steps(self, advice: str = RUN_AGAIN) -> tuple[Step, Step]:
        """Begin all at once, then watch."""
        suffix = " back" if self._is_back else ""
        return (
            Step(name=f"redeploy{suffix}", apply=self._begin, is_done=lambda: not self._services(), advice=advice),
            Step(name=f"watch{suffix}", apply=self._watch, is_done=lambda: not self.rollouts, advice=advice),
        )

    def _begin(self) -> Iterator[Made]:
        context, changes = self._context, list[Change]()
        started = begin(
            context.clients, context.cluster, self._services(), self._revisions, self._underway, self._undo()
        )
        try:
            for rollout in map(self._mark, started):
                self.rollouts = (*self.rollouts, rollout)
                if rollout.deployment_id and not rollout.was_underway and (rollout.is_stopped or not rollout.undoes):
                    action = "stopped" if rollout.undoes else "redeployed"
                    changes.append(Change(service=rollout.service, action=action, deployment=rollout.deployment_id))
        finally:
            # All were begun at once: an interrupt while one is noted would leave the others untold.
            yield from at_once(changes)
        context.show(self.rollouts, ())

    def _watch(self) -> None:
        context = self._context
        watch = Watch(
            context.clients,
            context.cluster,
            self.rollouts,
            self._show,
            context.clock,
            self._to_the_end,
            self._is_certain,
        )
        self.rollouts = watch.until_over()

    def _show(self, rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        """Keep how far they came, also for a watch that is broken off."""
        self.rollouts = tuple(rollouts)
        self._context.show(rollouts, lines)

    def _is_certain(self, rollout: Rollout) -> bool:
        """Whether every other task would fail, too; keeps the snapshot that shows it."""
        try:
            snapshot = failure.read_again(self._context)
        except CouldNotLook:
            # The watch itself survives a short failure, and says so of a long one.
            return False
        is_certain = failure.is_certain(snapshot, rollout.service)
        self._evidence = snapshot if is_certain else None
        return is_certain

    def _mark(self, rollout: Rollout) -> Rollout:
        # A rollback replaces the deployment that it takes back.
        rollout = replace(rollout, is_back=self._is_back, replaces=() if self._is_back else rollout.replaces)
        blocker = "" if rollout.has_failed else self._blockers.get(rollout.service)
        return replace(rollout, state="not-started", reason=blocker) if blocker else rollout
