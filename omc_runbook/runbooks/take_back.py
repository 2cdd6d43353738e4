"""The button that takes a change back that another process began and that is no change of the secret's values."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial

from omc_runbook.changes.engine.result import ChangeResult, PlanInWords
from omc_runbook.changes.engine.step import Journal, execute
from omc_runbook.changes.take_back import Reversal
from omc_runbook.model.errors import UsageError
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.report.display.banner import Banner
from omc_runbook.runbooks.button import Choice
from omc_runbook.runbooks.closing import Closing, Displays
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.run import Run
from omc_runbook.runbooks.several_environments import reach_each

AGAIN = "Run this notebook again from its first cell to see the current state."


Finish = Callable[[Run, LiveChange, ChangeState, str], Generator[object, None, str]]
"""Finishes a change from its state, with the word that was typed."""


def offers(run: Run, state: ChangeState, finish: Finish | None = None) -> tuple[Choice, ...]:
    """Buttons that finish a change with the parameters that it began with, and that take it back, where it says how."""
    live = LiveChange()
    forward = [Choice("Finish it", partial(finish, run, live, state), live)] if finish and state.parameters else []
    back = [Choice("Take it back", partial(_take_back, run, live, state), live)] if state.undo else []
    return (*forward, *back)


def go_on(run: Run, new_run: Run, state: ChangeState) -> Run:
    """The run that was begun to finish a change, on the page of the run that shows it, with the change's parameters.

    Raises UsageError where it is on another account, or not in the sandbox.
    """
    own = new_run.state()
    if not state.is_of(own.account, own.environment, own.endpoint):
        raise UsageError(f"{state.runbook} began on account {state.account}, and this is another. Nothing was written.")
    return replace(new_run, page=run.page, parameters=state.parameters)


def _take_back(run: Run, live: LiveChange, state: ChangeState, word: str) -> Generator[object, None, str]:
    run = _with_others(run, state)

    def displays(may_apply: bool, confirm: str, live: LiveChange) -> Displays:
        run.may_change(may_apply, confirm)
        contexts = {target.environment.name: target.context(live) for target in run.targets}
        secrets = {target.environment.name: target.environment.names.secret for target in run.targets}
        reversal, journal = Reversal(contexts, state.undo, state.rollouts), Journal(live.tell)
        execute(reversal.steps(), live.announce, journal)
        if reversal.is_complete and not live.has_begun:
            # Where all is as before already, reading that was the work, and the killed change is over.
            live.announce("look")
        subject = state.parameters.get("key") or secrets.get(state.environment, run.environment.names.secret)
        result = reversal.cancelled(ChangeResult(changes=tuple(journal.changes)), subject)
        headline = "Taken back." if reversal.is_complete else "Not all of it was taken back."
        yield "result", Banner("good" if reversal.is_complete else "unsure", headline, (reversal.sentence,))
        yield "outcome", run.conclude((), result, plan)
        yield "answer", Banner("plain", f"{headline} {AGAIN}")
        return "✓ Taken back" if reversal.is_complete else "? Not taken back everywhere"

    plan = PlanInWords((f"What {state.runbook} began at {state.started:%Y-%m-%d %H:%M:%S} UTC would be taken back.",))
    # What another process finds of this one, if it is killed in turn.
    own = run.state(undo=state.undo, services=state.services, parameters=state.parameters, runbook=state.runbook)
    closing = Closing(run, plan, "Take it back", displays, False, "", False, own)
    return (yield from closing.press(word, live))


def _with_others(run: Run, state: ChangeState) -> Run:
    """The run, also on the environments that the change began on and that its notebook is not about.

    Raises as `run.reach` does.
    """
    names = {target.environment.name for target in run.targets}
    others = sorted({undo.environment for undo in state.undo if undo.environment} - names)
    targets = reach_each(state.runbook, others, state.parameters.get("runbook_toml", ""), beside=names)
    return replace(run, targets=(*run.targets, *targets))
