"""The carrying out of a new key: the secrets first, then the files, then new tasks, environment by environment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from omc_runbook.aws import definitions
from omc_runbook.aws.session import insist
from omc_runbook.changes import files
from omc_runbook.changes.add_key.environment_plan import find_begun
from omc_runbook.changes.add_key.plan import AddKeyPlan, EnvironmentPlan, why_no_patch
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, Step, execute
from omc_runbook.changes.fix import executor as fix_executor
from omc_runbook.changes.fix.executor import FixResult
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.steps import Correction, Redeploy
from omc_runbook.changes.secret.plan import Plan, current_id, why_unread
from omc_runbook.changes.secret.writer import SecretWriter
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform import command, plan_json
from omc_runbook.textfile.file import Edit
from omc_runbook.workstation import git

PATCH = ".patch"


@dataclass(frozen=True)
class EnvironmentResult:
    """How one environment's new tasks came; `fix` is None where none were needed."""

    part: EnvironmentPlan
    fix: FixResult | None


@dataclass(frozen=True, kw_only=True)
class AddKeyResult(ChangeResult):
    """A key that was added, with the environments that it came to, and the patches that take the files back."""

    addition: AddKeyPlan
    environments: tuple[EnvironmentResult, ...]
    patches: tuple[Path, ...]

    @property
    def is_proved(self) -> bool:
        """Whether every environment's services have proved that they run with the variable."""
        return not self.waiting and super().is_proved

    @property
    def waiting(self) -> tuple[str, ...]:
        """The environments to which it did not come, since another one failed before."""
        return tuple(part.environment for part in self.addition.places[len(self.environments) :])


def apply(addition: AddKeyPlan, contexts: Mapping[str, ChangeContext]) -> AddKeyResult:
    """Write the secrets, edit the files, and give tasks the variable; `contexts` has one for each environment.

    A key is in a secret before anything asks for it. Killed at any point, another plan and another run do the rest.
    The first environment whose tasks fail ends it, with that one's tasks back at their former revision. Raises
    UsageError for a file that may not be written and for a plan that would do harm, before anything is done;
    ConflictError where something is not as it was when the plan was made, and CouldNotLook where AWS or Terraform
    refuses: both tell what had been done before.
    """
    _refuse(addition)
    return _NewKey(addition, contexts).carry_out()


def _refuse(addition: AddKeyPlan) -> None:
    """Refuse what cannot be carried through, while nothing has been done."""
    for part in addition.places:
        for finding in part.harm[:1]:
            raise UsageError(f"Nothing was done. {finding.title}: {finding.subject}. {finding.remedy.command}")
    for edit in addition.edits:
        files.refuse_unwritable(edit.file.path)
        if files.read(edit.file.path) != edit.file.raw:
            raise ConflictError(
                f"{edit.file.path} was changed since the plan was made: it stays as it is, and nothing was done. Run"
                " again to plan on that."
            )


class _NewKey:
    """A key that is being added: what has been done so far, and how each environment's tasks came."""

    def __init__(self, addition: AddKeyPlan, contexts: Mapping[str, ChangeContext]) -> None:
        self._addition, self._contexts, self._git_dir = addition, contexts, git.find_git_dir(addition.root)
        self._journal = Journal()
        self._environments: list[EnvironmentResult] = []

    def carry_out(self) -> AddKeyResult:
        try:
            # What an environment announces goes to its own context.
            execute(self._steps(), lambda name: None, self._journal)
        except (CouldNotLook, ConflictError) as error:
            if self._journal.changes:
                raise
            raise type(error)(f"{error} Nothing was done before.") from None
        fixes = [each.fix for each in self._environments if each.fix]
        return AddKeyResult(
            addition=self._addition,
            environments=tuple(self._environments),
            patches=self._patches(),
            changes=tuple(self._journal.changes),
            rollouts=tuple(rollout for fix in fixes for rollout in fix.rollouts),
            back=tuple(rollout for fix in fixes for rollout in fix.back),
            undone=" ".join(filter(None, (fix.undone for fix in fixes))),
            findings=tuple(finding for fix in fixes for finding in fix.findings),
        )

    def _steps(self) -> Iterator[Step]:
        places = self._addition.places
        for part in places:
            for plan in filter(None, (part.write, part.left)):
                yield Step(name="", apply=partial(self._write, part, plan))
        for edit in self._addition.edits:
            yield Step(name="", apply=partial(self._edit, edit))
        for part in places:
            yield Step(name="", apply=partial(self._deploy, part), is_done=self._has_failed)

    def _has_failed(self) -> bool:
        return any(each.fix and each.fix.findings for each in self._environments)

    def _write(self, part: EnvironmentPlan, plan: Plan) -> None:
        """Give an environment's secret the key, or only take off the labels of a run that was killed."""
        context = self._contexts[part.environment]
        write = SecretWriter(context.clients, plan, environment=part.environment)
        with write.clearing_up():
            execute(write.steps(), context.announce, self._journal)
        execute([write.release()], context.announce, self._journal)

    def _edit(self, edit: Edit) -> Iterator[Change]:
        """Edit a file, with its patch kept before."""
        if self._git_dir is not None and not why_no_patch(self._addition.root, edit):
            name = f"{self._patch_prefix}{edit.file.name.replace('/', '-')}{PATCH}"
            files.keep(self._git_dir, name, edit.patch(self._addition.root).encode())
        files.write(edit.file.path, edit.file.raw, edit.after, self._git_dir)
        yield Change(action="edited", file=edit.file.name, origin=edit.what)

    def _deploy(self, part: EnvironmentPlan) -> None:
        """Give an environment's tasks the variable, by Terraform or by new revisions, and watch them."""
        context, begun = self._contexts[part.environment], len(self._journal.changes)
        if part.terraform_dir is not None and part.terraform:
            terraform = Step(name="terraform", apply=partial(_apply_terraform, part.terraform_dir, context, part))
            execute([terraform], context.announce, self._journal)
        is_applied = len(self._journal.changes) > begun
        snapshot = context.look()
        names = {service.name for correction in part.corrections for service in correction.services}
        names |= {*part.services} if (is_applied or part.late) else set()
        if part.terraform_dir is not None:
            _insist_on_reference(snapshot, self._addition, part)
        fix = None
        if names or part.corrections:
            fix = fix_executor.apply(context, self._fix_plan(part, context, snapshot, names), self._journal)
        self._environments.append(EnvironmentResult(part, fix))

    def _fix_plan(
        self, part: EnvironmentPlan, context: ChangeContext, snapshot: Snapshot, names: Collection[str]
    ) -> FixPlan:
        begun = self._begun(context, snapshot, names) if part.terraform_dir is None else ()
        return FixPlan(
            names=snapshot.environment.names,
            secret_arn=snapshot.secret.arn if snapshot.secret else "",
            secret_name=snapshot.secret_name,
            current=current_id(snapshot),
            made=part.made,
            steps=(*part.corrections, *begun),
            redeploys=tuple(Redeploy(service, ()) for service in snapshot.services if service.name in names),
            left=(),
            unread=why_unread(snapshot),
        )

    def _begun(self, context: ChangeContext, snapshot: Snapshot, names: Collection[str]) -> tuple[Correction, ...]:
        """What a killed run has brought to services, for them to have a way back should their tasks fail."""
        found = find_begun(snapshot, self._addition.key.name, names)
        return tuple(step for step in found if _is_all_that_differs(context, step))

    def _patches(self) -> tuple[Path, ...]:
        """The patches in force: of this run, and of one that was killed before it; none where nothing was edited."""
        if self._git_dir is None or not self._journal.changes:
            return ()
        kept = sorted((self._git_dir / files.FOLDER).glob(f"{self._patch_prefix}*{PATCH}"))
        return tuple(path for path in kept if git.can_reverse(self._addition.root, path))

    @property
    def _patch_prefix(self) -> str:
        return f"add-{self._addition.key.name}-"


def _apply_terraform(folder: Path, context: ChangeContext, part: EnvironmentPlan) -> Iterator[Change]:
    """Plan with Terraform once more, now that the files are edited, and apply just what was shown."""
    draft = command.plan(folder, context.look().environment.names.profile)
    try:
        now = changes_of(draft.changes)
        if now != part.terraform:
            raise ConflictError(
                f"{draft.name} would now do something else than the plan shows, in {folder}: nothing was applied. Run"
                " again to see it."
            )
        command.apply(draft)
    finally:
        draft.drop()
    for address, action in now:
        yield Change(action="applied", origin=f"{address}: {action}", by=draft.name)


def changes_of(changes: Sequence[plan_json.ResourceChange]) -> tuple[tuple[str, str], ...]:
    """Each resource that Terraform would change, with what it would do."""
    return tuple((change.address, change.action) for change in changes)


def _is_all_that_differs(context: ChangeContext, step: Correction) -> bool:
    """Whether the revision that services have is their former one with the edits, and nobody's other change."""
    client = context.clients("ecs")
    return insist(
        f"task definition {step.definition.family}",
        "ecs:DescribeTaskDefinition",
        lambda: definitions.is_edited(client, step.begun, step.definition.arn, step.edits),
    )


def _insist_on_reference(snapshot: Snapshot, addition: AddKeyPlan, part: EnvironmentPlan) -> None:
    """See that Terraform has brought the reference; raises CouldNotLook for services that lack it still."""
    key = addition.key.name
    for service in snapshot.services:
        definition = snapshot.definition(service.task_definition_arn)
        if service.name in part.services and definition and key not in definition.variables:
            raise CouldNotLook(
                f"{service.name} in {part.environment} runs {definition.label}, which has no {key}, after Terraform's"
                " apply: does Terraform leave its task definition alone (ignore_changes)? Then deploy the new revision"
                " as you always do."
            )
