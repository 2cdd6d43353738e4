"""The carrying out of a new key: the secrets first, then the files, then new tasks, environment by environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.changes import carrying, curing, filing, planfile, terraform, writing
from omc_runbook.changes.addition import Addition, Place
from omc_runbook.changes.carrying import Means
from omc_runbook.changes.cure import Cure
from omc_runbook.changes.curing import Cured
from omc_runbook.changes.plan import Plan, why_unread
from omc_runbook.changes.renewal import Renewal
from omc_runbook.changes.rollout import Rollout
from omc_runbook.changes.steps import Redeploy
from omc_runbook.errors import CouldNotLook, Overtaken, UsageError
from omc_runbook.finding import Finding
from omc_runbook.local import git
from omc_runbook.snapshot.state import Snapshot

Entry = dict[str, str]


@dataclass(frozen=True)
class Deployed:
    """How an environment's new tasks came: what Terraform applied, and the deployments."""

    place: Place
    entries: tuple[Entry, ...]
    cured: Cured | None


@dataclass(frozen=True)
class Added:
    """A key that was added: what was done, and the patches that take the files back."""

    addition: Addition
    done: tuple[Entry, ...]
    deployed: tuple[Deployed, ...]
    patches: tuple[Path, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What was done, as an outcome has it."""
        after = tuple(entry for each in self.deployed for entry in each.entries)
        return self.done + after + tuple(e for each in self.deployed if each.cured for e in each.cured.entries)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was wrong when a deployment failed."""
        return tuple(finding for each in self.deployed if each.cured for finding in each.cured.findings)

    @property
    def rollouts(self) -> tuple[Rollout, ...]:
        """Every deployment of the run."""
        found = [each.cured for each in self.deployed if each.cured]
        return tuple(rollout for cured in found for rollout in (*cured.rollouts, *cured.relapse.rollouts))

    @property
    def is_proved(self) -> bool:
        """Whether every environment's services have proved that they run with the variable."""
        return all(each.cured is None or each.cured.is_proved for each in self.deployed)


def carry_out(addition: Addition, means: Mapping[str, Means]) -> Added:
    """Write the secrets, edit the files, and give tasks the variable; `means` has those of each environment.

    A key is in a secret before anything asks for it. Killed at any point, another plan and another run do the rest.
    The first environment whose tasks fail ends it, with that one's tasks back at their former revision. Raises
    Overtaken where something is not as it was when the plan was made, and CouldNotLook where AWS or Terraform
    refuses; both tell what had been done before.
    """
    _refuse_harm(addition)
    done: list[Entry] = []
    patches: list[Path] = []
    deployed: list[Deployed] = []
    try:
        for place in addition.places:
            if place.write:
                done += _write(means[place.environment], place, place.write)
        git_dir = git.git_dir(addition.root)
        for edit in addition.edits:
            filing.refuse_unwritable(edit.file.path)
        for edit in addition.edits:
            if git_dir is not None:
                name = f"add-{addition.key.name}-{edit.file.name.replace('/', '-')}.patch"
                patches.append(filing.keep(git_dir, name, edit.diff.encode()))
            filing.write(edit.file.path, edit.file.raw, edit.after, git_dir)
            done.append({"action": "edited", "file": edit.file.name, "origin": edit.what})
        for place in addition.places:
            deployed.append(_deploy(means[place.environment], addition, place))
            if deployed[-1].cured and deployed[-1].cured.findings:
                break
    except (CouldNotLook, Overtaken) as error:
        told = ", ".join(f"{entry['action']} {entry.get('key') or entry.get('file', '')}".strip() for entry in done)
        more = f" Done before that: {told}. Run again: it does the rest." if told else " Nothing was done before that."
        raise type(error)(f"{error}{more}") from None
    return Added(addition, tuple(done), tuple(deployed), tuple(patches))


def _refuse_harm(addition: Addition) -> None:
    for place in addition.places:
        if place.harm:
            first = place.harm[0]
            raise UsageError(f"Nothing was done. {first.title}: {first.subject}. {first.remedy.command}")


def _write(means: Means, place: Place, plan: Plan) -> tuple[Entry, ...]:
    written = carrying.write(means, plan, Renewal({}))
    means.step("release")
    writing.release(means.clients, plan, writing.LABEL + plan.token[:8])
    writing.tidy(means.clients, plan)
    return tuple({**entry, "environment": place.environment} for entry in written.entries)


def _deploy(means: Means, addition: Addition, place: Place) -> Deployed:
    entries: list[Entry] = []
    if place.terraform_dir is not None and place.terraform:
        means.step("terraform")
        entries += _apply(place.terraform_dir, means, place)
    seen = means.look()
    names = {name for correction in place.corrections for name in (s.name for s in correction.services)}
    names |= {*place.services} if (entries or place.late) else set()
    if place.terraform_dir is not None:
        _insist_on_reference(seen, addition, place)
    if not names:
        return Deployed(place, tuple(entries), None)
    redeploys = tuple(Redeploy(service, ()) for service in seen.services if service.name in names)
    cure = Cure(
        names=seen.environment.names,
        secret_arn=seen.secret.arn if seen.secret else "",
        secret_name=seen.secret_name,
        current=seen.secret.version_at("AWSCURRENT") if seen.secret else "",
        made=seen.taken,
        steps=place.corrections,
        redeploys=redeploys,
        left=(),
        unread=why_unread(seen),
    )
    return Deployed(place, tuple(entries), curing.carry_out(means, cure))


def _apply(folder: Path, means: Means, place: Place) -> tuple[Entry, ...]:
    """Plan with Terraform once more, now that the files are edited, and apply just what was shown."""
    draft = terraform.plan(folder, means.look().environment.names.profile)
    try:
        now = changes_of(draft.changes)
        if now != place.terraform:
            raise Overtaken(
                f"{draft.name} would do something else now than was shown, in {folder}: nothing was applied. Run again"
                " to see it."
            )
        terraform.apply(draft)
    finally:
        draft.drop()
    return tuple({"action": "applied", "origin": f"{address}: {action}", "by": draft.name} for address, action in now)


def changes_of(changes: Sequence[planfile.ResourceChange]) -> tuple[tuple[str, str], ...]:
    """Each resource that Terraform would change, with what it would do."""
    return tuple((change.address, change.action) for change in changes)


def _insist_on_reference(seen: Snapshot, addition: Addition, place: Place) -> None:
    """See that Terraform has brought the reference; raises CouldNotLook for services that lack it still."""
    key = addition.key.name
    for service in seen.services:
        definition = seen.definition(service.task_definition_arn)
        if service.name in place.services and definition and key not in definition.variables:
            raise CouldNotLook(
                f"{service.name} in {place.environment} has no {key} after Terraform's apply: see whether terraform_dir"
                " is the folder that its task definition comes from."
            )
