"""Relapse: what a cure takes back because tasks fail with it, and what stays because it is right by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from omc_runbook.aws import iam
from omc_runbook.aws.session import insist
from omc_runbook.changes.deploy import failure as deploy_failure
from omc_runbook.changes.deploy import redeploy
from omc_runbook.changes.deploy.executor import Means
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.fix.steps import Correction, Grant, PutBack, Step
from omc_runbook.changes.secret import writer
from omc_runbook.model.findings import Finding
from omc_runbook.model.handover import FAILED
from omc_runbook.snapshot.failure_logs import last_words
from omc_runbook.snapshot.state import Snapshot

NOTHING = "Nothing was taken back: what was done is right by itself, and harms no task that runs."


@dataclass(frozen=True)
class Relapse:
    """What was taken back, as an outcome has it and in a sentence; `kept` are the steps that stay in force."""

    kept: tuple[Step, ...] = ()
    entries: tuple[dict[str, str], ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    """The services' way back to their former revision."""
    told: str = ""
    findings: tuple[Finding, ...] = ()
    """Why tasks failed, and that they did."""


def take_back(
    means: Means,
    seen: Snapshot,
    found: Sequence[Finding],
    rollouts: Sequence[Rollout],
    steps: Sequence[Step],
) -> Relapse:
    """Take back those steps with which tasks fail; `seen` is how it stands, `found` what is found in that.

    A service whose tasks fail goes back to its former revision; a permission is withdrawn that did not let its role
    read; the former version of the secret becomes current again where no service came through with the other.
    Raises CouldNotLook where AWS refuses.
    """
    failed = [rollout for rollout in rollouts if rollout.has_failed]
    names = frozenset(rollout.service for rollout in failed)
    words = [word for r in failed for word in last_words(means.clients, seen, r.service, r.deployment_id)]
    causes = deploy_failure.causes(seen, names)
    why = [f"{cause.title}: {cause.subject}." for cause in causes] or [rollout.reason for rollout in failed]
    told = [f"{FAILED} {seen.taken:%H:%M:%S} {line}" for line in (*(f"Root cause: {cause}" for cause in why), *words)]
    means.show(rollouts, told)
    means.step("withdraw")
    is_proved = any(rollout.state == "done" for rollout in rollouts)
    kept: list[Step] = []
    back = Relapse()
    for step in steps:
        match step:
            case Grant() if _is_useless(step, found):
                back = _and(back, _revoke(means, step))
            case PutBack() if not is_proved:
                back = _and(back, _withdraw(means, step))
            case Correction() if names & {service.name for service in step.services}:
                back = _and(back, _return(means, step, names))
                kept += [replace(step, services=tuple(each for each in step.services if each.name not in names))]
            case _:
                kept.append(step)
    undone = back.told or NOTHING
    failure = deploy_failure.failure(seen.environment, "", failed, causes, words, undone)
    return replace(back, kept=tuple(_whole(kept)), told=undone, findings=(*causes, failure))


def _whole(kept: Sequence[Step]) -> Iterator[Step]:
    """The steps without corrections that no service has any more."""
    return (step for step in kept if not isinstance(step, Correction) or step.services)


def _is_useless(grant: Grant, found: Sequence[Finding]) -> bool:
    """Whether the role still lacks what it was granted."""
    checks = {finding.check for finding in grant.because}
    return any(each.is_problem and each.check in checks and each.subject == grant.role for each in found)


def _revoke(means: Means, grant: Grant) -> Relapse:
    client = means.clients("iam")
    insist(
        f"policy {grant.policy} of role {grant.role}",
        "iam:DeleteRolePolicy",
        lambda: iam.delete_inline(client, grant.role, grant.policy),
        "change",
    )
    return Relapse(
        entries=({"action": "revoked", "role": grant.role, "policy": grant.policy},),
        told=f"Policy {grant.policy} was taken away from role {grant.role} again: it did not let it read.",
    )


def _withdraw(means: Means, step: PutBack) -> Relapse:
    plan = step.plan
    if not writer.withdraw(means.clients, plan):
        return Relapse(told="The version was not taken back: somebody else has changed the secret meanwhile.")
    # No task runs with the version that is withdrawn, so none has to be replaced.
    return Relapse(
        entries=({"action": "withdrawn", "secret": plan.secret_name, "version": plan.token},),
        told=f"Version {plan.base[:8]} is current again: no service came through with the other.",
    )


def _return(means: Means, step: Correction, names: frozenset[str]) -> Relapse:
    services = [service for service in step.services if service.name in names]
    means.step("redeploy back")
    former = {service.name: step.definition.arn for service in services}
    begun = redeploy.begin(means.clients, means.cluster, services, former)
    rollouts = tuple(replace(rollout, is_back=True) for rollout in begun)
    means.step("watch back")
    ended = redeploy.watch(means.clients, means.cluster, rollouts, means.show, means.clock, to_the_end=True)
    told = [f"{each.service} has {step.definition.label} again{_how(each)}." for each in ended]
    return Relapse(rollouts=ended, told=" ".join(told))


def _how(rollout: Rollout) -> str:
    """How a service stands after its way back."""
    return ", and runs with it" if rollout.state == "done" else f", as before: {rollout.reason.rstrip('.')}"


def _and(first: Relapse, second: Relapse) -> Relapse:
    return Relapse(
        entries=first.entries + second.entries,
        rollouts=first.rollouts + second.rollouts,
        told=" ".join(filter(None, (first.told, second.told))),
    )
