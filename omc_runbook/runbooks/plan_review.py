"""A second pair of eyes: a plan written for somebody else (`plan_to`), and applied as it was written (`plan_from`)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from omc_runbook.changes import binding
from omc_runbook.changes.binding import AnyPlan
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import LABEL, SecretPlan
from omc_runbook.changes.values.sources import KEEP, rotate_command
from omc_runbook.headless import notebooks
from omc_runbook.masking import fingerprint, registry
from omc_runbook.model.errors import ConflictError, UsageError
from omc_runbook.model.parameters import of_notebook
from omc_runbook.model.suggestions import expand
from omc_runbook.report.archive import plan_file
from omc_runbook.report.archive.plan_file import LIFETIME, FiledPlan, PlanFile
from omc_runbook.report.display.banner import Banner
from omc_runbook.runbooks.own_parameters import OF_ONE_RUN, takes_parameters
from omc_runbook.runbooks.run import Run, now
from omc_runbook.snapshot.state import Snapshot

ALONE = "No second person reviews this plan: whoever sets apply applies it."
NO_FILE = "There is nothing to do, so no plan was written."
WAYS = ("plan_to writes it to a file, without values; plan_from applies exactly the plan of such a file, or nothing.",)


@dataclass(frozen=True)
class Parameters:
    """A notebook's parameters, in the order in which it named them: its own, or those of a plan's file."""

    values: Mapping[str, str | bool]
    plan_to: Path | None = None
    plan_from: Path | None = None
    plan: PlanFile | None = None

    def __iter__(self) -> Iterator[str | bool]:
        return iter(self.values.values())


class Review(Banner):
    """What the approver compares: the plan's hash and who made it; or that nobody else is asked."""

    def __init__(
        self, headline: str, lines: tuple[str, ...] = (), filed: FiledPlan | None = None, notes: tuple[str, ...] = ()
    ) -> None:
        super().__init__("plain", headline, lines)
        self._filed, self._notes = filed, notes

    def attach(self, run: Run) -> Run:
        """The run, with the plan's file in its outcome, or that none was written though one was asked for."""
        return replace(run, filed_plan=self._filed, notes=self._notes)


NO_REVIEW = Review(ALONE, WAYS)
NOTHING = Review("There is nothing to review: the plan is empty.")


@takes_parameters
def parameters(
    runbook: str, plan_to: str, plan_from: str, apply: bool, *values: str | bool, clock: Callable[[], datetime] = now
) -> Parameters:
    """A notebook's parameters that a plan depends on, in its order, or with `plan_from` those of the plan's file.

    Raises UsageError for files that cannot be, for a chosen parameter that contradicts the plan (one at its default
    chooses nothing), and where `plan_to` meets `plan_from` or `apply`; ConflictError for a plan that is past.
    """
    declared = {each.name: each for each in notebooks.describe(runbook).parameters}
    names = [name for name in declared if name not in OF_ONE_RUN]
    chosen = {name: of_notebook(name, value, declared[name].kind) for name, value in zip(names, values, strict=True)}
    if plan_to and (plan_from or apply):
        other = "plan_from" if plan_from else "apply"
        raise UsageError(f"plan_to writes a plan, and {other} applies one: set one of them. Nothing was written.")
    if plan_to:
        plan_file.refuse_unwritable(expand(plan_to))
        return Parameters(chosen, plan_to=expand(plan_to))
    if not plan_from:
        return Parameters(chosen)
    plan = plan_file.read(expand(plan_from))
    plan.refuse_other(runbook)
    plan.refuse_past(clock())
    defaults = {name: ast.literal_eval(each.default) for name, each in declared.items()}
    planned = plan.parameters_with({name: value for name, value in chosen.items() if value != defaults[name]})
    if planned.keys() != chosen.keys():
        raise UsageError(f"Plan {plan.hash} has other parameters than {runbook}: have it made again by this version.")
    return Parameters({name: planned[name] for name in chosen}, plan_from=expand(plan_from), plan=plan)


def review(run: Run, snapshot: Snapshot, plan: AnyPlan, parameters: Parameters, new: NewValues | None = None) -> Review:
    """Review the plan of one environment, as `review_several` does."""
    return review_several(run, {run.target.environment.name: snapshot}, plan, parameters, new)


def review_several(
    run: Run,
    snapshots: Mapping[str, Snapshot],
    plan: AnyPlan | None,
    parameters: Parameters,
    new: NewValues | None = None,
    clock: Callable[[], datetime] = now,
) -> Review:
    """Write the plan to its file, or compare it with that of the file; neither without one.

    Raises UsageError as `binding.bind` and `plan_file.write` do, ConflictError with all that is otherwise by now.
    """
    path = parameters.plan_to or parameters.plan_from
    is_empty = plan is None or not plan.sentences
    if path is None:
        return NOTHING if is_empty else NO_REVIEW
    planned, caller, created = parameters.plan, run.target.caller, clock()
    if planned is None and is_empty:
        return Review(NO_FILE, notes=(NO_FILE,))
    salt = planned.salt if planned else fingerprint.new_salt()
    bound = binding.bind(plan, snapshots, salt, new) if plan else binding.PlanBinding({}, {}, ())
    current = PlanFile(
        runbook=run.runbook,
        environment=run.target.environment.name,
        account=caller.account,
        region=run.target.environment.names.region,
        endpoint=run.target.endpoint,
        parameters={name: _masked(value) for name, value in parameters.values.items()},
        facts=bound.facts,
        fingerprints=bound.fingerprints,
        steps=bound.steps,
        salt=salt,
        created=created,
        expires=created + LIFETIME,
        by=caller.arn,
    )
    if planned is None:
        plan_file.write(path, current)
        until = f"{path} has it without a value, until {plan_file.in_words(current.expires)}."
        return Review(
            f"Plan {current.hash}",
            (until, "Whoever applies it with plan_from compares these digits with those that they see."),
            FiledPlan(path, current, caller.arn, is_read=False),
        )
    planned.refuse_past(created)
    if differences := planned.differences(current):
        raise ConflictError(
            f"Plan {planned.hash} is out of date: {'; '.join(differences).rstrip('.')}. Nothing was written."
            f" {_way_on(run, plan)}"
        )
    origin = f"Made by {planned.by} at {plan_file.in_words(planned.created)}; you are {caller.arn}."
    lines = (origin, "It is still valid: nothing that it is based on has changed.", *planned.steps)
    return Review(f"Plan {planned.hash}", lines, FiledPlan(path, planned, caller.arn, is_read=True))


def _way_on(run: Run, plan: AnyPlan | None) -> str:
    """How to go on from a plan that does not hold: perhaps a run of it was killed, and its version is in force."""
    labels = [label for label, version in plan.labels if version == plan.base] if isinstance(plan, SecretPlan) else ()
    if not any(label.startswith(LABEL) for label in labels):
        return "Have it made again."
    return (
        "The current version is of a change that was not finished, perhaps of this plan. To finish that:\n"
        f"{rotate_command(run.target.environment, values_from=KEEP)}"
    )


def _masked(value: str | bool) -> str | bool:
    # An environment's name is one of the common words that some secrets have for values.
    return value if isinstance(value, bool) else registry.mask(value, common=False)
