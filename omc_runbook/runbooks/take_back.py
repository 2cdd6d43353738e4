"""The button that takes a change back that another process began and that is no change of the secret's values."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

from omc_runbook.changes.engine.result import ChangeResult
from omc_runbook.changes.engine.step import Journal, execute
from omc_runbook.changes.take_back import Reversal
from omc_runbook.model.errors import UsageError
from omc_runbook.report.archive.state import ChangeState
from omc_runbook.report.display.banner import Banner
from omc_runbook.runbooks.button import Choice
from omc_runbook.runbooks.closing import Closing, Displays
from omc_runbook.runbooks.live import Live
from omc_runbook.runbooks.run import Run

AGAIN = "Run this notebook again from its first cell to see what is."


def offers(run: Run, state: ChangeState) -> tuple[Choice, ...]:
    """A button that takes a change back, where its state says how; to finish it, it is begun anew."""
    live = Live()
    return (Choice("Take it back", partial(_take_back, run, live, state), live),) if state.undo else ()


@dataclass(frozen=True)
class _Plan:
    sentences: tuple[str, ...]


def _take_back(run: Run, live: Live, state: ChangeState, word: str) -> Generator[object, None, str]:
    names = {target.environment.name for target in run.targets}
    missing = sorted({undo.environment for undo in state.undo if undo.environment} - names)
    if missing:
        raise UsageError(
            f"{state.runbook} also changed {', '.join(missing)}: run {state.runbook}.ipynb with that environment, too."
        )

    def displays(may_apply: bool, confirm: str, live: Live) -> Displays:
        run.may_change(may_apply, confirm)
        contexts = {target.environment.name: target.context(live=live) for target in run.targets}
        reversal, journal = Reversal(contexts, state.undo), Journal(live.tell)
        execute(reversal.steps(), live.announce, journal)
        result = ChangeResult(changes=tuple(journal.changes), rollbacks=reversal.rollouts, is_back=reversal.is_complete)
        headline = "Taken back." if reversal.is_complete else "Not everything was taken back."
        yield "result", Banner("good" if reversal.is_complete else "unsure", headline, (reversal.sentence,))
        yield "outcome", run.conclude((), result, plan)
        yield "answer", Banner("plain", f"{headline} {AGAIN}")
        return "✓ Taken back" if reversal.is_complete else "? Not taken back everywhere"

    plan = _Plan((f"What {state.runbook} began at {state.started:%Y-%m-%d %H:%M:%S} UTC would be taken back.",))
    closing = Closing(run, plan, "Take it back", displays, False, "", False)
    return (yield from closing.press(word, live))
