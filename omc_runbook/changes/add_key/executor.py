"""The carrying out of a new key: the secrets first, then the files, then new tasks, environment by environment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omc_runbook.aws import definitions
from omc_runbook.aws.session import insist
from omc_runbook.changes import files
from omc_runbook.changes.add_key.environment_plan import find_begun
from omc_runbook.changes.add_key.plan import Addition, Place, why_no_patch
from omc_runbook.changes.deploy import executor
from omc_runbook.changes.deploy.executor import Means
from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.changes.fix import executor as fix_executor
from omc_runbook.changes.fix.executor import Cured
from omc_runbook.changes.fix.plan import Cure
from omc_runbook.changes.fix.steps import Correction, Redeploy
from omc_runbook.changes.secret import writer
from omc_runbook.changes.secret.new_values import Renewal
from omc_runbook.changes.secret.plan import why_unread
from omc_runbook.model.errors import CouldNotLook, Overtaken, UsageError
from omc_runbook.model.findings import Finding, subject_of
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform import command, plan_json
from omc_runbook.workstation import git

Entry = dict[str, str]
PATCH = ".patch"


@dataclass(frozen=True)
class Deployed:
    """How an environment's new tasks came: what Terraform applied, and the deployments."""

    place: Place
    entries: tuple[Entry, ...]
    cured: Cured | None

    @property
    def all_entries(self) -> tuple[Entry, ...]:
        """What was done, as an outcome has it."""
        return self.entries + (self.cured.entries if self.cured else ())


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
        return self.done + tuple(entry for each in self.deployed for entry in each.all_entries)

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
        return not self.waiting and all(each.cured is None or each.cured.is_proved for each in self.deployed)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The environments to which it did not come, since another one failed before."""
        return tuple(place.environment for place in self.addition.places[len(self.deployed) :])


def carry_out(addition: Addition, means: Mapping[str, Means]) -> Added:
    """Write the secrets, edit the files, and give tasks the variable; `means` has those of each environment.

    A key is in a secret before anything asks for it. Killed at any point, another plan and another run do the rest.
    The first environment whose tasks fail ends it, with that one's tasks back at their former revision. Raises
    UsageError for a file that may not be written and for a plan that would do harm, before anything is done;
    Overtaken where something is not as it was when the plan was made, and CouldNotLook where AWS or Terraform
    refuses: both tell what had been done before.
    """
    _refuse(addition)
    doing = _Doing(addition, means)
    try:
        doing.write()
        doing.edit()
        doing.deploy()
    except (CouldNotLook, Overtaken) as error:
        told = ", ".join(f"{entry['action']} {subject_of(entry)}" for entry in doing.entries)
        more = f"Done before: {told}. Run again, which does the rest." if told else "Nothing was done before."
        raise type(error)(f"{error} {more}") from None
    return Added(addition, tuple(doing.done), tuple(doing.deployed), doing.patches())


def _refuse(addition: Addition) -> None:
    """Refuse what cannot be carried through, while nothing has been done."""
    for place in addition.places:
        for finding in place.harm[:1]:
            raise UsageError(f"Nothing was done. {finding.title}: {finding.subject}. {finding.remedy.command}")
    for edit in addition.edits:
        files.refuse_unwritable(edit.file.path)
        if files.read(edit.file.path) != edit.file.raw:
            raise Overtaken(
                f"{edit.file.path} was changed since the plan was made: it stays as it is, and nothing was done. Run"
                " again to plan on that."
            )


class _Doing:
    """An addition under way: what has been done so far, in each of its three parts."""

    def __init__(self, addition: Addition, means: Mapping[str, Means]) -> None:
        self._addition, self._means, self._git_dir = addition, means, git.find_git_dir(addition.root)
        self.done: list[Entry] = []
        self.deployed: list[Deployed] = []
        self._applied: tuple[Entry, ...] = ()
        """What Terraform has applied in the environment whose tasks are under way."""

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that was done, as an outcome has it."""
        return (*self.done, *(entry for each in self.deployed for entry in each.all_entries), *self._applied)

    def write(self) -> None:
        """Give each environment's secret the key, and take off the labels of a run that was killed."""
        for place in self._addition.places:
            means = self._means[place.environment]
            if place.write:
                written = executor.write(means, place.write, Renewal({}))
                self.done += ({**entry, "environment": place.environment} for entry in written.entries)
                means.step("release")
                writer.release(means.clients, place.write, writer.LABEL + place.write.token[:8])
            for plan in filter(None, (place.write, place.left)):
                writer.tidy(means.clients, plan)

    def edit(self) -> None:
        """Edit the files, each with its patch kept before it."""
        for edit in self._addition.edits:
            if self._git_dir is not None and not why_no_patch(self._addition.root, edit):
                name = f"{self._patch_prefix}{edit.file.name.replace('/', '-')}{PATCH}"
                files.keep(self._git_dir, name, edit.patch(self._addition.root).encode())
            files.write(edit.file.path, edit.file.raw, edit.after, self._git_dir)
            self.done.append({"action": "edited", "file": edit.file.name, "origin": edit.what})

    def deploy(self) -> None:
        """Give tasks the variable, environment by environment, up to the first in which that fails."""
        for place in self._addition.places:
            self.deployed.append(self._deploy(place))
            self._applied = ()
            if self.deployed[-1].cured and self.deployed[-1].cured.findings:
                return

    def _deploy(self, place: Place) -> Deployed:
        means = self._means[place.environment]
        if place.terraform_dir is not None and place.terraform:
            means.step("terraform")
            self._applied = _apply(place.terraform_dir, means, place)
        seen = means.look()
        names = {service.name for correction in place.corrections for service in correction.services}
        names |= {*place.services} if (self._applied or place.late) else set()
        if place.terraform_dir is not None:
            _insist_on_reference(seen, self._addition, place)
        if not names and not place.corrections:
            return Deployed(place, self._applied, None)
        cure = Cure(
            names=seen.environment.names,
            secret_arn=seen.secret.arn if seen.secret else "",
            secret_name=seen.secret_name,
            current=seen.secret.version_at("AWSCURRENT") if seen.secret else "",
            made=place.made,
            steps=(*place.corrections, *(self._begun(means, seen, names) if place.terraform_dir is None else ())),
            redeploys=tuple(Redeploy(service, ()) for service in seen.services if service.name in names),
            left=(),
            unread=why_unread(seen),
        )
        return Deployed(place, self._applied, fix_executor.carry_out(means, cure))

    def _begun(self, means: Means, seen: Snapshot, names: Collection[str]) -> tuple[Correction, ...]:
        """What a killed run has brought to services, for them to have a way back should their tasks fail."""
        found = find_begun(seen, self._addition.key.name, names)
        return tuple(step for step in found if _is_all_that_differs(means, step))

    def patches(self) -> tuple[Path, ...]:
        """The patches in force: of this run, and of one that was killed before it; none where nothing was edited."""
        if self._git_dir is None or not self.entries:
            return ()
        kept = sorted((self._git_dir / files.FOLDER).glob(f"{self._patch_prefix}*{PATCH}"))
        return tuple(path for path in kept if git.can_reverse(self._addition.root, path))

    @property
    def _patch_prefix(self) -> str:
        return f"add-{self._addition.key.name}-"


def _apply(folder: Path, means: Means, place: Place) -> tuple[Entry, ...]:
    """Plan with Terraform once more, now that the files are edited, and apply just what was shown."""
    draft = command.plan(folder, means.look().environment.names.profile)
    try:
        now = changes_of(draft.changes)
        if now != place.terraform:
            raise Overtaken(
                f"{draft.name} would do something else now than was shown, in {folder}: nothing was applied. Run again"
                " to see it."
            )
        command.apply(draft)
    finally:
        draft.drop()
    return tuple({"action": "applied", "origin": f"{address}: {action}", "by": draft.name} for address, action in now)


def changes_of(changes: Sequence[plan_json.ResourceChange]) -> tuple[tuple[str, str], ...]:
    """Each resource that Terraform would change, with what it would do."""
    return tuple((change.address, change.action) for change in changes)


def _is_all_that_differs(means: Means, step: Correction) -> bool:
    """Whether the revision that services have is their former one with the edits, and nobody's other change."""
    client = means.clients("ecs")
    return insist(
        f"task definition {step.definition.family}",
        "ecs:DescribeTaskDefinition",
        lambda: definitions.is_edited(client, step.begun, step.definition.arn, step.edits),
    )


def _insist_on_reference(seen: Snapshot, addition: Addition, place: Place) -> None:
    """See that Terraform has brought the reference; raises CouldNotLook for services that lack it still."""
    key = addition.key.name
    for service in seen.services:
        definition = seen.definition(service.task_definition_arn)
        if service.name in place.services and definition and key not in definition.variables:
            raise CouldNotLook(
                f"{service.name} in {place.environment} runs {definition.label}, which has no {key}, after Terraform's"
                " apply: does Terraform leave its task definition alone (ignore_changes)? Then deploy the new revision"
                " as you always do."
            )
