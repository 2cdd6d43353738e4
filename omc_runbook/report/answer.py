"""The last thing on the screen: how the run ended, since when tasks fail, which still run, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from omc_runbook.aws.ecs import Service
from omc_runbook.changes.deploy.failure import CANCELLED
from omc_runbook.checks.families import look_alikes
from omc_runbook.model import unread_target
from omc_runbook.model.findings import ENVIRONMENT_UNREAD, REFUSED, Finding, Outcome, check_ids, unknown_by_reason
from omc_runbook.model.letters import counted, listed
from omc_runbook.report import verify
from omc_runbook.report.archive.summary import MOST_CHECKS
from omc_runbook.report.display import like_findings
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.rich_display import Group
from omc_runbook.report.troubleshoot import permissions_to_ask_for, remedies
from omc_runbook.snapshot import freshness, permissions
from omc_runbook.snapshot.state import Snapshot

BY_HAND = "Set apply = True in the parameters cell, and run the notebook again."
"""How a plan is applied without a button: this stays in a saved notebook, where a button does not."""


class Answer(Group):
    """A banner, and the next steps below it; of a run also its outcome, and a policy with what it may not do."""

    def __init__(
        self,
        summary: Banner,
        next_steps: Listing | None = None,
        outcome: Outcome | None = None,
        policy: str = "",
        evidence: Sequence[str] = (),
    ) -> None:
        self.summary, self.banner = summary, summary.with_lines(*evidence)
        super().__init__(self.banner, next_steps)
        self.next_steps, self.outcome, self.policy, self._evidence = next_steps, outcome, policy, evidence

    def with_lines(self, *lines: str) -> Answer:
        """The same answer with more lines in its banner."""
        return Answer(self.summary.with_lines(*lines), self.next_steps, self.outcome, self.policy, self._evidence)


def answer(outcome: Outcome, snapshot: Snapshot | None = None, command: str = "") -> Answer:
    """The answer of a run: its outcome, the state of the services that it concerns, when it was read, and what to do.

    `command` applies the plan of a run that was only planned, "" where it is not known.
    """
    read = (read_at(snapshot),) if snapshot else ()
    causes = [finding for finding in outcome.findings if finding.is_unexplained]
    ended, policy = verify.outcome(outcome), permissions.policy(snapshot) if snapshot else ""
    if not causes or outcome.of_read.failure:
        # The banner lists the plan.
        steps = _plan(outcome, command, ()) or _unseen(snapshot, outcome.findings)
        return Answer(ended, steps, outcome, policy, read)
    first = causes[0]
    headline = first.sentence
    # A change that a person stopped is no fault of its own: what it was to mend is as it was.
    also = "Still wrong" if first.check == CANCELLED else "Also wrong"
    others = tuple(f"{also}: {sentences}" for _, sentences in like_findings.merge(causes[1:]))
    unread = (unread_target.notice(each.evidence[0]) for each in outcome.findings if each.check == ENVIRONMENT_UNREAD)
    lines = (*(_services(snapshot, outcome.findings) if snapshot else ()), *others, *unread)
    evidence = (*_evidence_of(outcome, first), *read)
    if outcome.is_plan:
        with_plan = Banner(ended.style, headline, (verify.headline(outcome), *lines))
        return Answer(with_plan, _plan(outcome, command, outcome.plan or ()), outcome, policy, evidence)
    return Answer(Banner(ended.style, headline, lines), remedies(outcome.findings), outcome, policy, evidence)


def read_at(snapshot: Snapshot) -> str:
    """When a snapshot was taken: who opens a notebook on another day sees what was true on that one."""
    return f"Read at {snapshot.taken:%Y-%m-%d %H:%M:%S} UTC."


def _evidence_of(outcome: Outcome, cause: Finding) -> Iterator[str]:
    if cause.doubt:
        yield cause.doubt
    if cause.evidence:
        yield cause.evidence[0]
    if cause.effects:
        yield cause.effects
    statuses = {(finding.check, finding.family): finding.status for finding in outcome.findings}
    others = look_alikes(cause.check, cause.family)
    clear = sum(1 for check in others if statuses.get((check.id, check.family)) == "clear")
    if clear:
        are = counted(clear, "fault with the same symptoms is", "faults with the same symptoms are")
        yield f"{are} ruled out."


def _services(snapshot: Snapshot, findings: Sequence[Finding]) -> Iterator[str]:
    """The services that a problem affects: since when new tasks fail, and how many tasks run, with which values."""
    names = frozenset[str]().union(*(finding.services for finding in findings if finding.is_problem))
    states = [
        f"{service.name}: {_failing(snapshot, service)}{_serving(snapshot, service)}"
        for service in snapshot.consumers
        if service.name in names
    ]
    if states:
        yield f"{'; '.join(states)}."


def _failing(snapshot: Snapshot, service: Service) -> str:
    start_times = [deployment.created for deployment in service.deployments if deployment.failed]
    failed = [
        task.stopped
        for task in snapshot.stopped(service)
        if task.stopped and start_times and task.stopped >= min(start_times)
    ]
    return f"new tasks have failed since {min(failed):%H:%M:%S} UTC, " if failed else ""


def _serving(snapshot: Snapshot, service: Service) -> str:
    running = snapshot.running(service)
    stale = sum(freshness.of(snapshot, task) == "stale" for task in running)
    since = freshness.current_since(snapshot)
    older = f", {stale} with older values" if stale else ""
    older += f" than those since {since[0]:%H:%M:%S} UTC" if stale and since else ""
    return f"{verify.running_tasks(snapshot, service)}{older}"


def _unseen(snapshot: Snapshot | None, findings: Sequence[Finding]) -> Listing | None:
    entries = (*(permissions_to_ask_for(snapshot) if snapshot else ()), *remedies(findings).entries)
    return Listing("What to do", entries) if entries else None


def _plan(outcome: Outcome, command: str, steps: Sequence[str]) -> Listing | None:
    if not outcome.is_plan:
        return None
    if outcome.blockers:
        # Without another cause the headline says why.
        why = f"{REFUSED} {' '.join(outcome.blockers)}"
        lead = why if outcome.causes_in_words else "When this is fixed, run the notebook again."
        return Listing("What to do", [Entry("the plan cannot be applied yet", lead=lead, lines=tuple(steps))])
    lead = "" if command else BY_HAND
    lines = (*steps, *_unknown(outcome, has_reasons=bool(steps)))
    return Listing("What to do", [Entry("apply the plan", lead=lead, lines=lines, command=command)])


def _unknown(outcome: Outcome, has_reasons: bool) -> Iterator[str]:
    """The checks that are unknown where a plan was made, which whoever applies it has to know, and perhaps why."""
    for reason, findings in unknown_by_reason(outcome.findings, MOST_CHECKS).items():
        why = f": {' '.join(reason.splitlines())}" if has_reasons else "."
        yield f"Unknown: {listed(check_ids(findings), MOST_CHECKS)}{why}"
