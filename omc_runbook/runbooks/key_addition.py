"""A new key, as add_key adds it: applied, judged and concluded; finished, or taken back."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from functools import partial

from omc_runbook.changes.add_key import executor
from omc_runbook.changes.add_key.executor import AddKeyResult
from omc_runbook.changes.add_key.plan import AddKeyPlan
from omc_runbook.changes.engine.result import PlanInWords
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, with_remedies_of_causes
from omc_runbook.model.parameters import split_names
from omc_runbook.report import add_key as report
from omc_runbook.report import changes
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.report.display.banner import Banner
from omc_runbook.repository import git
from omc_runbook.repository.checkout import find_root, read_checkout
from omc_runbook.runbooks import new_key, own_parameters, own_record, take_back
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.closing import Closing, Displays, end_label
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.new_key import plan
from omc_runbook.runbooks.plan_review import NO_REVIEW, Review
from omc_runbook.runbooks.run import Run, now
from omc_runbook.runbooks.several_environments import name_environment, reach_each
from omc_runbook.snapshot.state import Snapshot

RUNBOOK = "add_key"
FAMILIES = ("secret", "reference", "content", "deployment", "drift")

NAME_IT = "Nothing was planned: the parameter key does not name the new key yet."

_NO_PLAN = PlanInWords(notes=(NAME_IT,))
"""The plan of a run without a key."""

Snapshots = dict[str, Snapshot]
"""Each environment's snapshot, the main one first."""


def begin(environment: str, environments: str = "", runbook_toml: str = "", repository: str = "") -> Run:
    """Begin on a checkout and on each environment of the list `environments`, or without one on `environment`.

    Raises as `several_environments.reach_each` and `find_root` do.
    """
    names = split_names("environments", environments) or (environment,)
    names = (environment, *(name for name in names if name != environment)) if environment in names else names
    started = now()
    targets = reach_each(RUNBOOK, names, runbook_toml)
    checkout = read_checkout(find_root(repository or targets[0].environment.repository))
    run = Run(runbook=RUNBOOK, started=started, targets=targets, checkout=checkout)
    run.announce()
    return run


def look(run: Run) -> Snapshots:
    """Read every environment and the checkout; raises as `Target.look` does."""
    snapshots = {}
    for target in run.targets:
        with name_environment(target.environment.name, run.targets):
            snapshots[target.environment.name] = target.look(str(run.own_checkout.root))
    return snapshots


def apply(
    run: Run, plan: AddKeyPlan | None, apply: bool, confirm: str = "", live: LiveChange | None = None
) -> AddKeyResult | None:
    """Add the key as planned if `apply` is set; None in a dry run.

    Raises UsageError without a key, and in production without its name in `confirm`, and what `executor.apply`
    raises.
    """
    if apply and plan is None:
        raise UsageError('key is empty: name the key to add, as in key = "NEW_API_KEY". Nothing was written.')
    if not run.may_change(apply, confirm) or plan is None:
        return None
    return executor.apply(plan, {target.environment.name: target.context(live) for target in run.targets})


def judge(
    plan: AddKeyPlan | None, before: Snapshots, after: Snapshots, result: AddKeyResult | None
) -> dict[str, tuple[Finding, ...]]:
    """For each environment the findings that decide how the run ended there.

    A problem that existed before is a remark, and so is the new key's missing value. An error of the key counts until
    the plan is applied.
    """
    name = plan.key.name if plan and plan.sentences and not result else ""
    harm = {part.environment: part.harm for part in plan.environments} if plan and not result else {}
    rollouts = result.rollouts if result else ()

    def is_of_key(finding: Finding) -> bool:
        return finding.severity == "error" and finding.is_root_cause and name in finding.subject.split()

    def judge_one(environment: str) -> tuple[Finding, ...]:
        judged = runbooks_run.judge(before[environment], after[environment], FAMILIES, rollouts, is_of_key)
        return (*harm.get(environment, ()), *(_as_planned(plan, finding) for finding in judged))

    return {environment: judge_one(environment) for environment in before}


def merge(findings_by_environment: Mapping[str, Sequence[Finding]]) -> tuple[Finding, ...]:
    """All findings of the main environment, and of the others those that are found or unknown."""
    (_, main), *others = findings_by_environment.items()
    rest = (
        replace(finding, subject=f"{environment}: {finding.subject}")
        for environment, findings in others
        for finding in with_remedies_of_causes(findings)
        if finding.status in ("found", "unknown")
    )
    return (*with_remedies_of_causes(main), *rest)


@own_parameters.takes_parameters
def closing(
    run: Run, before: Snapshots, plan: AddKeyPlan | None, may_apply: bool, confirm: str, review: Review = NO_REVIEW
) -> Closing:
    """Add the key, if `may_apply` is set: result, proof, variables, commit, outcome, undo."""
    run = review.attach(run)
    plan = plan and with_earlier_undos(plan, [state for _, state in own_record.unfinished(run)])

    def displays(may_apply: bool, confirm: str, live: LiveChange) -> Displays:
        result = apply(run, plan, may_apply, confirm, live)
        yield "result", report.result(plan, result)
        yield "proof", changes.proof(result)
        after = look(run) if result else before
        yield "variables", report.variables(after, plan)
        yield "commit", report.commit(plan)
        judged = judge(plan, before, after, result)
        yield "outcome", _conclude(run, judged, result, plan)
        yield "undo", report.undo(plan, result, run.environment, run.productions)
        answer = run.answer(merge(judged), next(iter(after.values())), result, plan or _NO_PLAN)
        yield "answer", answer if plan else answer.with_lines(NAME_IT)
        return end_label(result, "✓ Added and verified", "? Added, and not verified")

    environments = ", ".join(target.environment.name for target in run.targets)
    label = f"Add {plan.key.name} in the checkout and {environments}" if plan else "Add the key"
    undos = plan.undos(git.find_git_dir(plan.root)) if plan else ()
    is_empty, after = plan is None or plan.is_empty, partial(offers, run)
    return Closing(run, plan, label, displays, may_apply, confirm, is_empty, run.state(undo=undos), after)


def with_earlier_undos(plan: AddKeyPlan, unfinished: Sequence[ChangeState]) -> AddKeyPlan:
    """A plan that has nothing left to do, with how the change of a killed run for the same key is taken back."""

    def is_same(state: ChangeState) -> bool:
        is_of_key = state.runbook == RUNBOOK and state.parameters.get("key") == plan.key.name
        return is_of_key and all(undo.former == str(plan.root) for undo in state.undo if undo.kind == "patch")

    killed = [state for state in unfinished if is_same(state) and not state.is_alive] if plan.is_empty else []
    return replace(plan, earlier_undos=(*plan.earlier_undos, *(undo for state in killed for undo in state.undo)))


def _finish(run: Run, live: LiveChange, state: ChangeState, word: str) -> Generator[object, None, str]:
    """Make the plan anew with the same parameters, and apply it."""
    parameters = own_parameters.all_parameters(RUNBOOK, state.parameters)
    texts = {name: value for name, value in parameters.items() if isinstance(value, str)}
    new_run = begin(state.environment, texts["environments"], texts["runbook_toml"], texts["repository"])
    run = take_back.go_on(run, new_run, state)
    snapshots = look(run)
    names = ("key", "description", "obtain_from", "type", "containers", "terraform_dir")
    rest = plan(
        run,
        snapshots,
        values_from=new_key.source_again(run, snapshots, texts["key"], texts["values_from"]),
        required=bool(parameters["required"]),
        **{name: texts[name] for name in names},
    )
    rest = rest and replace(rest, earlier_undos=state.undo)
    return (yield from closing(run, snapshots, rest, False, "").press(word, live))


offers = partial(take_back.offers, finish=_finish)
"""Buttons that finish it where another process began it, and that take it back."""


def _conclude(
    run: Run,
    findings_by_environment: Mapping[str, Sequence[Finding]],
    result: AddKeyResult | None,
    plan: AddKeyPlan | None,
) -> Banner:
    fixes = {each.plan.environment: each.fix for each in (result.environments if result else ()) if each.fix}
    by_target = {
        name: (*(fixes[name].findings if name in fixes else ()), *findings)
        for name, findings in findings_by_environment.items()
    }
    return run.conclude(merge(findings_by_environment), result, plan or _NO_PLAN, by_target)


def _as_planned(plan: AddKeyPlan | None, finding: Finding) -> Finding:
    """The finding, as a remark if it is that the new key has no value yet."""
    lacks_value = finding.is_problem and finding.check in ("placeholder", "empty")
    if plan is None or not lacks_value or finding.subject != plan.key.name:
        return finding
    evidence = (*finding.evidence, "It waits for its value, as planned: update gives it one.")
    return replace(finding, severity="info", evidence=evidence)
