"""Adds a new key: first to the secrets, then to the files, then to the tasks of each environment."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from omc_runbook.aws import definitions
from omc_runbook.aws.session import require
from omc_runbook.changes import files
from omc_runbook.changes.add_key.environment_plan import find_started_revisions
from omc_runbook.changes.add_key.plan import PATCH, AddKeyPlan, EnvironmentPlan, why_no_patch
from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import RUN_AGAIN, Cancelled, Journal, Made, Step, at_once, execute
from omc_runbook.changes.fix import executor as fix_executor
from omc_runbook.changes.fix.executor import FixResult
from omc_runbook.changes.fix.plan import FixPlan
from omc_runbook.changes.fix.steps import Correction, Redeploy
from omc_runbook.changes.secret.delivery import why_consumers_unknown
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.secret.writer import SecretWriter
from omc_runbook.changes.take_back import Reversal
from omc_runbook.model.change import Change
from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError, outdated_plan
from omc_runbook.repository import git
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform import command, plan_json
from omc_runbook.textfile.file import Edit


@dataclass(frozen=True)
class EnvironmentResult:
    """The deployment in one environment; `fix` is None where none was needed."""

    plan: EnvironmentPlan
    fix: FixResult | None


@dataclass(frozen=True, kw_only=True)
class AddKeyResult(ChangeResult):
    """An added key: the environments that were deployed, and the patches to revert the files."""

    plan: AddKeyPlan
    environments: tuple[EnvironmentResult, ...]
    patches: tuple[Path, ...]

    @property
    def is_proved(self) -> bool:
        """Whether the services of every environment run verified tasks with the variable."""
        return not self.waiting and super().is_proved

    @property
    def waiting(self) -> tuple[str, ...]:
        """The environments that were not deployed because an earlier one failed."""
        return tuple(each.environment for each in self.plan.environments[len(self.environments) :])


def apply(plan: AddKeyPlan, contexts: Mapping[str, ChangeContext]) -> AddKeyResult:
    """Write the secrets, edit the files, and redeploy the tasks; `contexts` has one for each environment.

    The key is in the secret before anything references it. After a kill at any point, a new plan and another run
    finish it. The first environment whose tasks fail ends the run and gets its former revision back. Raises UsageError,
    before any change, for a file that is not writable, for a harmful Terraform plan and where new tasks would fail for
    certain; ConflictError where something has changed since the plan was made, and CouldNotLook where AWS or Terraform
    refuses: both list the changes made before.
    """
    _refuse(plan)
    return _KeyAddition(plan, contexts).carry_out()


def _refuse(plan: AddKeyPlan) -> None:
    """Refuse a plan that cannot be executed, before any change."""
    for part in plan.environments:
        for finding in part.harm[:1]:
            raise UsageError(f"{finding.sentence} Nothing was done. {finding.remedy.command}")
    if plan.blockers:
        raise UsageError(f"{' '.join(plan.blockers)} Nothing was done.")
    for edit in plan.edits:
        files.refuse_unwritable(edit.file.path)
        if files.read(edit.file.path) != edit.file.raw:
            raise outdated_plan(f"{edit.file.path} was changed since the plan was made: nothing was done.")


class _KeyAddition:
    """A running addition of a key: the changes so far, and each environment's deployment."""

    def __init__(self, plan: AddKeyPlan, contexts: Mapping[str, ChangeContext]) -> None:
        self._plan, self._contexts, self._git_dir = plan, contexts, git.find_git_dir(plan.root)
        # Each environment tells the same listener.
        self._journal = Journal(next(iter(contexts.values())).tell)
        self._environments: list[EnvironmentResult] = []

    def carry_out(self) -> AddKeyResult:
        try:
            # Each environment announces in its own context.
            execute(self._steps(), lambda name: None, self._journal)
        except (CouldNotLook, ConflictError) as error:
            if self._journal.changes:
                raise
            error.args = (f"{error} Nothing was done before.",)
            raise
        reversal = None
        if self._journal.is_cancelled:
            announce = next(iter(self._contexts.values())).announce
            reversal = Reversal(self._contexts, self._plan.undos(self._git_dir), changed=self._changes)
            execute(reversal.steps(), announce, self._journal)
        fixes = [each.fix for each in self._environments if each.fix]
        result = AddKeyResult(
            plan=self._plan,
            environments=() if reversal else tuple(self._environments),
            patches=self._patches(),
            changes=tuple(self._journal.changes),
            rollouts=tuple(rollout for fix in fixes for rollout in fix.rollouts),
            rollbacks=tuple(rollout for fix in fixes for rollout in fix.rollbacks),
            rollback_note=" ".join(filter(None, (fix.rollback_note for fix in fixes))),
            findings=tuple(finding for fix in fixes for finding in fix.findings),
        )
        return reversal.cancelled(result, self._plan.key.name) if reversal else result

    @property
    def _changes(self) -> dict[str, list[Change]]:
        """What was changed in each environment."""
        return {name: [each for each in self._journal.changes if each.environment == name] for name in self._contexts}

    def _steps(self) -> Iterator[Step]:
        environments = self._plan.environments
        for part in environments:
            for plan in filter(None, (part.write, part.cleanup)):
                yield Step(name="", apply=partial(self._write, part, plan))
        for edit in self._plan.edits:
            yield Step(name="", apply=partial(self._edit, edit))
        for part in environments:
            deploy = partial(self._deploy, part)
            yield Step(name="", apply=deploy, is_done=self._has_failed, environment=part.environment)

    def _has_failed(self) -> bool:
        return any(each.fix and each.fix.findings for each in self._environments)

    def _write(self, part: EnvironmentPlan, plan: SecretPlan) -> None:
        """Write the key to an environment's secret, or only remove the labels of a killed run."""
        context = self._contexts[part.environment]
        write = SecretWriter(context.clients, plan, environment=part.environment)
        with write.cleaning_up():
            execute(write.steps(), context.announce, self._journal)
        # Other secrets, files and tasks come after it, so that not all else is done.
        execute([replace(write.release(), advice=RUN_AGAIN)], context.announce, self._journal)

    def _edit(self, edit: Edit) -> Iterator[Change]:
        """Save the patch of an edit, then edit the file."""
        if self._git_dir is not None and not why_no_patch(self._plan.root, edit):
            name = self._plan.patch_of(edit, self._git_dir).name
            files.keep_private(self._git_dir, name, edit.patch(self._plan.root).encode())
        files.write(edit.file.path, edit.file.raw, edit.after, self._git_dir)
        yield Change(action="edited", file=edit.file.name, origin=edit.what)

    def _deploy(self, part: EnvironmentPlan) -> None:
        """Give an environment's tasks the variable, by Terraform or new revisions, and watch them."""
        context, first_change = self._contexts[part.environment], len(self._journal.changes)
        if part.terraform_dir is not None and part.terraform:
            terraform = Step(name="terraform", apply=partial(_apply_terraform, part.terraform_dir, context, part))
            execute([terraform], context.announce, self._journal)
        is_applied = len(self._journal.changes) > first_change
        snapshot = context.look()
        services = {service.name for correction in part.corrections for service in correction.services}
        services |= {*part.services} if (is_applied or part.has_old_tasks) else set()
        if part.terraform_dir is not None:
            _insist_on_reference(snapshot, self._plan, part)
        fix = None
        if services or part.corrections:
            fix = fix_executor.apply(context, self._fix_plan(part, context, snapshot, services), self._journal)
        self._environments.append(EnvironmentResult(part, fix))
        if self._journal.is_cancelled:
            raise Cancelled

    def _fix_plan(
        self, part: EnvironmentPlan, context: ChangeContext, snapshot: Snapshot, services: Collection[str]
    ) -> FixPlan:
        started_revisions: tuple[Correction, ...] = ()
        if part.terraform_dir is None:
            # Revisions that a killed run deployed, so that a failure rolls them back.
            started = find_started_revisions(snapshot, self._plan.key.name, services)
            started_revisions = tuple(step for step in started if _is_all_that_differs(context, step))
        former, current = part.write.base if part.write else "", snapshot.current_id
        return FixPlan(
            names=snapshot.environment.names,
            secret_arn=snapshot.secret_arn,
            secret_name=snapshot.secret_name,
            # A look may still show what was current before this run's own write.
            current=part.write.token if part.write and current == former else current,
            former=former,
            read_at=part.read_at,
            steps=(*part.corrections, *started_revisions),
            redeploys=tuple(Redeploy(service, ()) for service in snapshot.services if service.name in services),
            unfixed=(),
            consumers_unknown=why_consumers_unknown(snapshot),
        )

    def _patches(self) -> tuple[Path, ...]:
        """The patches in force, of this run and of a killed one before it; () where nothing was changed."""
        if self._git_dir is None or not self._journal.changes:
            return ()
        patches = sorted((self._git_dir / files.FOLDER).glob(f"{self._plan.patch_prefix}*{PATCH}"))
        return tuple(path for path in patches if git.can_reverse(self._plan.root, path))


def _apply_terraform(folder: Path, context: ChangeContext, part: EnvironmentPlan) -> Iterator[Made]:
    """Plan with Terraform again, with the edited files, and apply only what was shown."""
    draft = command.plan(folder, context.look().environment.names.profile, values=part.terraform_values)
    try:
        changes = changes_of(draft.changes)
        if changes != part.terraform:
            raise ConflictError(
                f"{draft.name} would now make other changes than planned, in {folder}: nothing was applied. Run again"
                " to see them.",
                says_next=True,
            )
        command.apply(draft)
    finally:
        draft.drop()
    yield from at_once(
        Change(action="applied", origin=f"{address}: {action}", by=draft.name) for address, action in changes
    )


def changes_of(changes: Sequence[plan_json.ResourceChange]) -> tuple[tuple[str, str], ...]:
    """Each resource that Terraform would change, with its action."""
    return tuple((change.address, change.action) for change in changes)


def _is_all_that_differs(context: ChangeContext, step: Correction) -> bool:
    """Whether the deployed revision is the former one with the edits and no other change."""
    former, client = step.definition, context.clients("ecs")
    compare = partial(definitions.is_edited, client, step.revision_arn, former.arn, step.edits)
    return require(f"task definition {former.family}", "ecs:DescribeTaskDefinition", compare)


def _insist_on_reference(snapshot: Snapshot, plan: AddKeyPlan, part: EnvironmentPlan) -> None:
    """Raise CouldNotLook for a service that still lacks the reference after Terraform's apply."""
    key = plan.key.name
    for service in snapshot.services:
        definition = snapshot.definition(service)
        if service.name in part.services and definition and key not in definition.variables:
            raise CouldNotLook(
                f"After Terraform's apply {service.name} in {part.environment} runs {definition.label},"
                f" which has no {key}: if Terraform ignores its task definition (ignore_changes), deploy the new"
                " revision as usual."
            )
