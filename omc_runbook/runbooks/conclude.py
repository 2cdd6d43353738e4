"""The end of a run: its outcome handed to whoever runs it, or raised where nobody can be asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from omc_runbook.masking import kernel, registry
from omc_runbook.model.errors import CouldNotLook, FindingsRemain
from omc_runbook.model.findings import Outcome
from omc_runbook.model.handover import OUTCOME_VARIABLE, STATE_VARIABLE, room_beside, spare_outcome
from omc_runbook.report import verify
from omc_runbook.report.archive import table_files
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.rich_display import is_in_voila
from omc_runbook.report.display.table import Table
from omc_runbook.textfile import private_file


def announce(outcome: Outcome) -> None:
    """Give `omc-runbook run` what is known of a run under way: its outcome if the kernel dies or raises an error."""
    if OUTCOME_VARIABLE in os.environ:
        # If the disk is full, the outcome at the end says so.
        with suppress(OSError):
            _hand_over(masked(outcome))


class Ending(Banner):
    """How a run ended, in words, with its outcome."""

    def __init__(self, outcome: Outcome) -> None:
        banner = verify.outcome(outcome)
        super().__init__(banner.style, banner.headline, banner.lines)
        # It has its mark already.
        self.headline, self.outcome = banner.headline, outcome


def end(outcome: Outcome) -> Ending:
    """Say how a run ended, and tell the caller.

    Under `omc-runbook run` the outcome goes to that command. Elsewhere, where nobody can be asked (plain papermill, a
    scheduler), raises FindingsRemain or CouldNotLook unless nothing is wrong.
    """
    outcome = masked(outcome)
    try:
        is_handed_over = _hand_over(outcome, has_spare=True)
    except OSError as error:
        lines = (f"No outcome could be kept ({error.strerror}).", *verify.outcome(outcome).sentences)
        raise CouldNotLook(" ".join(lines)) from None
    # An error would end Voilà's page before its answer.
    if not is_handed_over and outcome.status != "ok" and not kernel.allows_input() and not is_in_voila():
        kind = FindingsRemain if outcome.status == "findings" else CouldNotLook
        raise kind(verify.headline(outcome))
    return Ending(outcome)


def keep_tables(tables: Mapping[str, Table]) -> None:
    """Give `omc-runbook run` tables for its record, by their names; elsewhere nothing is kept.

    Raises CouldNotLook where they cannot be written.
    """
    path = os.environ.get(OUTCOME_VARIABLE)
    if not path:
        return
    try:
        table_files.hand_over(Path(path), tables)
    except OSError as error:
        raise CouldNotLook(f"The tables could not be kept: {error.strerror}.") from None


def masked(outcome: Outcome) -> Outcome:
    """Mask the texts of an outcome; ids, words of the schema, dates and numbers stay, whatever the values are."""
    # A subject is the name of something: a common word in it is no value.
    return outcome.map_texts(registry.mask, partial(registry.mask, common=False))


def _hand_over(outcome: Outcome, has_spare: bool = False) -> bool:
    """Write an outcome for the command that runs this notebook; False where none does. Raises OSError.

    With `has_spare` it may go into the records' folder, where that for temporary files is full.
    """
    path, state, content = os.environ.get(OUTCOME_VARIABLE), os.environ.get(STATE_VARIABLE), outcome.to_json().encode()
    if path:
        try:
            _write(Path(path), content)
        except OSError:
            if not (has_spare and state):
                raise
            spare = spare_outcome(Path(state))
            spare.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            private_file.write(spare, content)
    return bool(path)


def _write(path: Path, content: bytes) -> None:
    """Write an outcome, on a full disk in the room that was kept for it; raises OSError."""
    try:
        private_file.write(path, content)
    except OSError:
        with suppress(OSError):
            room_beside(path).unlink()
        private_file.write(path, content)
