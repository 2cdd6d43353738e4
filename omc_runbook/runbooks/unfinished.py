"""Changes of an environment that are under way or were not finished, shown as a run begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.report.archive.state import ChangeState, StateFile
from omc_runbook.report.change_state import ChangeToFinish
from omc_runbook.report.display import rich_display
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.runbooks import own_record
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.button import Choice, Offers, Panel, can_press
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.run import Run


@takes_parameters
def begin(
    runbook: str, environment: str, runbook_toml: str = "", service: str = "", offers: Offers | None = None
) -> Run:
    """Begin on one environment, and show its changes that are under way or were not finished.

    `offers` gives the buttons that finish one or take it back. Raises as `run.reach` does.
    """
    return with_unfinished(runbooks_run.begin(runbook, environment, runbook_toml, service), offers)


def with_unfinished(run: Run, offers: Offers | None = None) -> Run:
    """The same run, showing the changes of its environment that are under way or were not finished."""
    offers = offers or _offers
    if can_press():
        rich_display.watch(run.page.note)
    found = own_record.unfinished(run)
    unfinished = tuple(_show(run, file, state, offers) for file, state in found)
    return replace(run, unfinished=unfinished, is_under_way=any(state.is_alive for _, state in found))


def _offers(run: Run, state: ChangeState) -> Sequence[Choice]:
    """The buttons that finish a change or take it back, of whatever kind it is."""
    # What makes changes takes long to import, and there is rarely one to finish.
    from omc_runbook.runbooks import fix, key_addition, secret_change, take_back

    if state.secret:
        return secret_change.offers(run, state)
    of_kind = {fix.RUNBOOK: fix.offers, key_addition.RUNBOOK: key_addition.offers}
    return of_kind.get(state.runbook, take_back.offers)(run, state)


def _show(run: Run, file: StateFile, state: ChangeState, offers: Offers) -> RichDisplay:
    if not can_press():
        return ChangeToFinish(state, _current(run, state))
    describe, after = lambda each: ChangeToFinish(each, _current(run, each)), partial(offers, run)
    return Panel(file, state, describe, after, state.word or run.word, run.page, run.why_word)


def _current(run: Run, state: ChangeState) -> str:
    """Which version is current now, in a sentence; "" for a change that wrote none."""
    if not state.secret:
        return ""
    secret = run.target.describe_secret(state.secret)
    version = secret.version_at(CURRENT) if secret else ""
    if not version:
        return f"Which version of {state.secret} is current could not be read: run verify."
    if version == state.new and state.former:
        return f"Version {version} is current, with the new values; the one before is {state.former}."
    if version in (state.new, state.former):
        return f"Version {version} is current, as before this change."
    return f"Version {version} is current, which is neither that of this change nor the one before it: run verify."
