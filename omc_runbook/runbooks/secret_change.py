"""A change of the secret, as update, rotate and restore make it: planned, applied, judged and concluded."""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.changes.database import rotation
from omc_runbook.changes.deploy import executor, failure, not_redeployed, readiness
from omc_runbook.changes.deploy.executor import SecretResult
from omc_runbook.changes.secret import new_values, restore
from omc_runbook.changes.secret.new_values import NewValues
from omc_runbook.changes.secret.plan import SecretPlan, document_of, is_database_password, plan_update
from omc_runbook.changes.values import former_values, live_check, reuse, source_file
from omc_runbook.changes.values.sources import GENERATE, KEEP, OF_ROTATION, RENEW, SOURCES, rotate_command
from omc_runbook.checks import age, remedies
from omc_runbook.model.errors import Interrupted, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.letters import listed
from omc_runbook.model.parameters import split_names
from omc_runbook.report import changes, verify
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.report.display.listing import Listing
from omc_runbook.runbooks import own_record
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.button import Choice
from omc_runbook.runbooks.closing import Closing, Displays, button_label, end_label
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.run import Run, diagnose
from omc_runbook.snapshot.history import read_history
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

RESTORE, LEAVE = "restore", "leave"
CHANGE_AGAIN = "run the notebook that began it again, with the same parameters. Nothing was written."
CHOOSE = "To change something, set the parameters, by the form at the top or in their cell."
NOTHING_DUE = "No key is due."
FAMILIES = ("secret", "content")
"""The checks of the secret that judge its change, beside those of the deployments of services that use it."""


def look(run: Run) -> Snapshot:
    """Read the environment; raises as `Target.look` does."""
    return run.look()


def history(run: Run, snapshot: Snapshot) -> VersionHistory:
    """Read every version that is kept, and who wrote it; raises as `read_history` does."""
    return read_history(run.target.clients, snapshot)


def findings(snapshot: Snapshot) -> Listing:
    """What is wrong with the secret and its content before anything changes."""
    return verify.findings(diagnose(snapshot, FAMILIES))


def findings_with_deployments(snapshot: Snapshot) -> Listing:
    """What is wrong with the secret, its content and the deployments before anything changes."""
    return verify.findings(diagnose(snapshot, (*FAMILIES, "deployment")))


def gather(
    run: Run,
    snapshot: Snapshot,
    values_from: str,
    keys: str = "",
    database_url_from: str = "",
    due: Sequence[str] | None = None,
) -> NewValues:
    """Take new values from a source for the keys: a list with commas, or "due" for the keys in `due`.

    Raises as `new_values.renew` and `rotation.url_from` do, and as `new_values.refuse_loss` for a rotation and for
    generated values; UsageError where a killed run has removed its source file. Nothing is written.
    """
    are_due = due is not None and keys.strip() == age.DUE
    names = tuple(due or ()) if are_due else split_names("keys", keys)
    if due is not None and not are_due:
        _refuse_due(names, {*snapshot.environment.keys, *document_of(snapshot).keys})
    _refuse_removed(run, values_from)
    url = rotation.url_from(database_url_from)
    offered = SOURCES if due is None else OF_ROTATION
    new = new_values.renew(run.target.clients, snapshot, names, values_from, url, are_due, offered)
    if url:
        new = replace(new, database_url_from=database_url_from.strip())
    if are_due and not names:
        new = replace(new, notes=(*new.notes, NOTHING_DUE))
    if due is not None or values_from == GENERATE:
        new_values.refuse_loss(snapshot, {key: entry.value for key, entry in new.values.items()})
    return new


def _refuse_due(names: Sequence[str], known: Collection[str]) -> None:
    """Refuse the word "due" beside names or a comma, or in capitals, where no key is called so."""
    if not any(name == age.DUE or (name.casefold() == age.DUE and name not in known) for name in names):
        return
    if names[1:] or names[0] == age.DUE:
        raise UsageError(f"keys has {age.DUE} and names: write {age.DUE} alone, or the names. Nothing was written.")
    raise UsageError(
        f"keys is {names[0]}: write {age.DUE}, in small letters, for the keys whose rotation is due. Nothing was"
        " written."
    )


def _refuse_removed(run: Run, values_from: str) -> None:
    """Refuse a source file that a change has removed, which was killed before it ended: with how that is finished."""
    path = source_file.path_of(values_from)
    if path is None or os.path.lexists(path):
        return
    for _, state in own_record.unfinished(run):
        if state.secret and state.parameters.get("values_from", "").strip() == values_from.strip():
            begun = f"{state.runbook}, begun {state.started:%Y-%m-%d %H:%M:%S} UTC"
            raise UsageError(
                f"{path} does not exist: {begun} with its values, has not ended. To finish that: {state.go_on}"
            )


def plan(run: Run, snapshot: Snapshot, new: NewValues, remove: str = "") -> SecretPlan:
    """Plan to write new values and to remove the keys of a list with commas; those that are gone already get a note.

    Raises as `plan_update` and `new_values.find_removed` do, and UsageError for a value that another environment has.
    """
    target, names = run.target, split_names("remove", remove)
    gone = new_values.find_removed(target.clients, snapshot, [name for name in names if name not in new.values])
    rest = [name for name in names if name not in gone]
    update = plan_update(snapshot, new.values, rest, new.redeploy_stale)
    changed = {change.key: new.values[change.key] for change in update.changed if change.key in new.values}
    notes = reuse.compare(target.clients, target.environment, target.caller, changed)
    removed = [change.key for change in update.changed if change.action == "removed"]
    started: tuple[tuple[str, str], ...] = ()
    if update.changed:
        started = tuple(not_redeployed.find_scheduled(target.clients, target.caller, snapshot, removed))
    own_notes = new.notes if update.sentences else new_values.notes_where_nothing_is_left(new)
    notes = (*new.left_out, *own_notes, *(f"{name} is removed already." for name in gone), *update.notes, *notes)
    # Without its key, a task that EventBridge starts would not start.
    unseen = tuple(each for each in started if removed and not each[0])
    readiness = (*update.readiness, *(sentence for _, sentence in started))
    update = replace(update, notes=notes, left_out=new.left_out, readiness=readiness, not_redeployed=unseen)
    return with_others(run, snapshot, update)


def with_others(run: Run, snapshot: Snapshot, plan: SecretPlan) -> SecretPlan:
    """A plan with the daemons and Express services that may keep the old values, and where the new ones are tried."""
    actions = {change.key: change.action for change in plan.changed}
    if not actions:
        return plan
    others = tuple(not_redeployed.find_consumers(run.target.clients, run.target.caller, snapshot, actions))
    readiness = (*plan.readiness, *(sentence for _, sentence in others))
    trials = live_check.destinations(plan, run.environment)
    return replace(plan, readiness=readiness, not_redeployed=(*plan.not_redeployed, *others), trials=trials)


def apply(
    run: Run,
    plan: SecretPlan,
    apply: bool,
    confirm: str = "",
    new: NewValues | None = None,
    on_failure: str = RESTORE,
    live: LiveChange | None = None,
) -> SecretResult | None:
    """Apply a plan if `apply` is set: write, redeploy every consumer, watch and verify; None in a dry run.

    `new` has the values of the plan; `on_failure` is "restore" or "leave". Raises UsageError in production without its
    name in `confirm`, and what `live_check.check` and `executor.apply` raise.
    """
    if on_failure not in (RESTORE, LEAVE):
        raise UsageError(f'on_failure is "{RESTORE}" or "{LEAVE}". Nothing was written.')
    if not run.may_change(apply, confirm):
        return None
    live_check.check(plan, run.environment)
    try:
        return executor.apply(run.target.context(live), plan, new, on_failure == LEAVE)
    except Interrupted as error:
        raise error.followed_by(_after_interruption(run, plan, new)) from None


def _after_interruption(run: Run, plan: SecretPlan, new: NewValues | None) -> str:
    """Which version is current, and the commands that go on or back, each on a line of its own."""
    environment, secret = run.environment, run.target.describe_secret(plan.secret_arn)
    current = secret.version_at(CURRENT) if secret else ""
    if not current:
        return f"Which version of {plan.secret_name} is current could not be read: run verify."
    database_url_from = new.database_url_from if new and new.rotation else ""
    go_on = rotate_command(environment, values_from=KEEP, database_url_from=database_url_from)
    replaced = executor.replaced_plan(plan, new or NewValues({}))
    former = replaced.base if replaced else plan.base
    if current in (plan.base, former):
        state = ", as before this run" if current == plan.base else " again"
        return f"Version {current} is current{state}. To give all tasks its values:\n{go_on}"
    if current != plan.token:
        return f"Version {current} is current, by somebody else: run verify."
    if not former:
        return f"Version {current} is current, the first one. To go on:\n{go_on}"
    back = remedies.command_to_apply(environment, remedies.restore(environment, former, plan.token))
    return f"Version {current} is current, with the new values. To go on:\n{go_on}\nTo go back:\n{back}"


def judge(
    before: Snapshot, after: Snapshot, result: SecretResult | None, plan: SecretPlan | None = None
) -> tuple[Finding, ...]:
    """The findings that decide how a change ended.

    An error that the plan would fix counts until it is applied; one of a value that it gives tasks first, even then.
    Where no service uses the secret, so does a cluster or service that does not exist: tasks may be under other names.
    A reference that names another version counts where the plan changes its key: the new value never reaches it. So
    does why a plan is refused.
    """
    families = (*FAMILIES, "deployment")

    def is_of_plan(finding: Finding) -> bool:
        if plan is None or finding.family in families:
            return False
        is_obstacle = bool(plan.blockers) and readiness.outlasts(finding)
        names = {service.name for service in plan.consumers}
        return finding.subject in plan.pinned_references or (is_obstacle and bool(finding.services & names))

    def counts(finding: Finding) -> bool:
        if plan is None or not plan.sentences:
            return False
        if is_of_plan(finding):
            return True
        is_elsewhere = finding.check == "wrong-names" and not after.consumers
        return is_elsewhere or plan.delivers(finding) or (result is None and plan.is_against(finding))

    rollouts = result.rollouts if result else ()
    judged = runbooks_run.judge(before, after, (*families, *readiness.OUTSIDE_THE_SECRET), rollouts, counts)
    return tuple(each for each in judged if each.family in families or is_of_plan(each))


@dataclass(frozen=True, kw_only=True)
class Source:
    """New values, where they come from, and whether to keep a file that has them; none where a version is restored."""

    new: NewValues | None = None
    values_from: str = ""
    keep: bool = False
    unfinished: NewValues | None = None
    """What a killed restore has left, with which the same restore goes on."""
    is_rotation: bool = False
    """Whether the database's former password must not work any more, either."""
    is_chosen: bool = False
    """Whether the parameters name a change, which may be nothing to do."""


def closing(
    run: Run,
    before: Snapshot,
    plan: SecretPlan,
    may_apply: bool,
    confirm: str,
    source: Source,
    on_failure: str = RESTORE,
) -> Closing:
    """The last part of update, rotate and restore: result, proof, holders, tried values, outcome, undo.

    Without a change, `before` is what is judged, as `Run.look_after` says, also where a person runs this cell minutes
    later: the plan and the cells above are of that look, and applying the plan looks again.
    """

    def displays(may_apply: bool, confirm: str, live: LiveChange) -> Displays:
        result = apply(run, plan, may_apply, confirm, new, on_failure, live)
        is_in_force = result is not None and result.is_in_force
        file_note = source_file.consume(source.values_from, plan.text, source.keep) if is_in_force else ""
        yield "result", changes.result(plan, result, file_note)
        yield "proof", changes.proof(result)
        after = run.look_after(before, result)
        yield "holders", changes.holders(after)
        tried: tuple[Finding, ...] = ()
        if source.new is None:
            tried = live_check.find_refused(run.environment, plan) if is_in_force else ()
            yield "restored", changes.restored(tried)
        else:
            if is_in_force:
                clients = run.target.clients
                tried = former_values.judge(clients, after, plan, source.new, with_database=source.is_rotation)
            yield "former", changes.former(tried)
        unseen = () if result else failure.find_not_redeployed([each for each in plan.not_redeployed if not each[0]])
        judged = (*tried, *unseen, *judge(before, after, result, plan))
        is_unchanged = result is None or not result.changes
        may_choose = is_empty and is_unchanged and not (source.is_chosen or run.unfinished)
        # A terminal has no form.
        chosen = f"To change something, set the parameters: omc-runbook show {run.runbook} lists them."
        planned = replace(plan, notes=(*plan.notes, chosen)) if may_choose else plan
        yield "outcome", run.conclude(judged, result, planned)
        yield "undo", changes.undo(run.environment, plan, result)
        answer = run.answer(judged, after, result, plan)
        yield "answer", answer.with_lines(CHOOSE) if may_choose else answer
        return _end_label(result, tried, is_restore=source.new is None)

    new = source.new or source.unfinished
    if on_failure == LEAVE:
        plan = replace(plan, blockers=())
    is_empty = plan.is_empty and not plan.consumers
    label = label_of(plan, run.environment.name, is_restore=source.new is None)
    after = partial(offers, run)
    return Closing(run, plan, label, displays, may_apply, confirm, is_empty, state(run, plan, new), after)


def label_of(plan: SecretPlan, environment: str, is_restore: bool = False) -> str:
    """What the button says that it does, as `button_label`."""
    keys = listed([change.key for change in plan.changed])
    act = f"{'put back' if is_restore else 'write'} {keys}" if keys else ""
    return button_label(act, environment, plan.consumers, plan.underway)


def _end_label(result: SecretResult | None, tried: Sequence[Finding], is_restore: bool) -> str:
    """The button's last label; `tried` is what the former values, or the restored ones, turned out to be."""
    if any(finding.is_problem for finding in tried):
        return f"! Done, and a {'restored value does not work' if is_restore else 'former value still works'}"
    if any(finding.status == "unknown" for finding in tried):
        return f"? Done, and a {'restored' if is_restore else 'former'} value could not be tried"
    return end_label(result, "✓ Done and verified")


def state(run: Run, plan: SecretPlan, new: NewValues | None) -> ChangeState:
    """A change as it begins, with the commands that finish it and that take it back, if a version of its own can be."""
    environment, replaced = run.environment, executor.replaced_plan(plan, new or NewValues({}))
    back = remedies.restore(environment, replaced.base, replaced.token) if replaced else None
    return run.state(
        secret=plan.secret_name,
        keys=tuple(change.key for change in plan.changed),
        former=replaced.base if replaced else "",
        new=replaced.token if replaced else "",
        go_on=rotate_command(environment, values_from=KEEP),
        go_back=remedies.command_to_apply(environment, back) if back else "",
    )


def left_by_restore(run: Run, snapshot: Snapshot, plan: SecretPlan) -> NewValues | None:
    """What a killed restore has left, where a plan goes on with it; raises CouldNotLook where that cannot be read."""
    if not restore.is_unfinished(plan):
        return None
    unfinished = new_values.find_unfinished(run.target.clients, snapshot)
    return NewValues({}, unfinished=unfinished) if unfinished and unfinished.is_restore else None


def offers(run: Run, state: ChangeState) -> tuple[Choice, ...]:
    """Buttons that finish a change of the secret, or take it back."""
    live = LiveChange()
    finish = Choice("Finish it", partial(_finish, run, live), live)
    back = Choice("Take it back", partial(_take_back, run, live, state), live)
    return (finish, back) if state.former else (finish,)


def _finish(run: Run, live: LiveChange, word: str) -> Generator[object, None, str]:
    """Go on with the version that a change left, and give all tasks its values."""
    snapshot = run.look()
    unfinished = new_values.find_unfinished(run.target.clients, snapshot)
    if unfinished and not unfinished.is_certain:
        raise UsageError(f"Somebody else has changed the secret meanwhile: {CHANGE_AGAIN}")
    keys = unfinished.keys if unfinished and not unfinished.is_current else ()
    if unfinished and not unfinished.is_current and set(unfinished.keys) != set(unfinished.actions):
        raise UsageError(f"A change that removes keys is finished by its own runbook: {CHANGE_AGAIN}")
    new = gather(run, snapshot, RENEW if keys else KEEP, ",".join(keys))
    if new.rotation is None and any(is_database_password(run.environment.keys, key) for key in keys):
        raise UsageError(f"The database may have the new password already: {CHANGE_AGAIN}")
    rest = plan(run, snapshot, new)
    return (yield from closing(run, snapshot, rest, False, "", Source(new=new)).press(word, live))


def _take_back(run: Run, live: LiveChange, state: ChangeState, word: str) -> Generator[object, None, str]:
    """Make the version before a change current again, and give all tasks its values."""
    snapshot = run.look()
    if snapshot.current_id == state.former:
        new = gather(run, snapshot, KEEP)
        back, source = plan(run, snapshot, new), Source(new=new)
    elif snapshot.current_id == state.new:
        former = restore.plan_restore(snapshot, history(run, snapshot), state.former)
        back, source = with_others(run, snapshot, former), Source()
    else:
        raise UsageError("Somebody else has changed the secret meanwhile, and theirs stays: run verify.")
    return (yield from closing(run, snapshot, back, False, "", source).press(word, live))
