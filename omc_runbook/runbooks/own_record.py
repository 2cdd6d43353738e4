"""The record of a change that a person makes in JupyterLab, and the state of a change until it has ended."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from omc_runbook.changes.engine.result import Plan
from omc_runbook.changes.secret.plan import is_withdrawn, own_labels
from omc_runbook.masking import kernel
from omc_runbook.model import temporary
from omc_runbook.model.errors import CouldNotLook, RunbookError
from omc_runbook.model.findings import Finding, Outcome, status_of
from omc_runbook.model.handover import STATE_SUFFIX, STATE_VARIABLE
from omc_runbook.model.suggestions import expand
from omc_runbook.report.archive import kept_records, stems
from omc_runbook.report.archive import record as records
from omc_runbook.report.archive import state as states
from omc_runbook.report.archive.record import Record
from omc_runbook.report.archive.state import ChangeState, StateFile
from omc_runbook.report.display.banner import STOP_HERE
from omc_runbook.report.display.rich_display import RichDisplay, is_in_ipython
from omc_runbook.runbooks import live_change
from omc_runbook.runbooks.conclude import Ending
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.run import Run, now

RECORDS = "records"
"""The folder of records, beside which a person works."""
HEADINGS = {
    "result": "Change it",
    "proof": "Did it work",
    "outcome": "Outcome",
    "undo": "How to undo it",
    "answer": "Answer",
}
"""The headings of a record's page, before the displays of these names."""


def folder() -> Path:
    """The folder with the records and the states of changes: that of `omc-runbook run`, or a person's own.

    It is absolute: a cell may change the working folder while a change is under way.
    """
    path = os.environ.get(STATE_VARIABLE)
    return (Path(path).parent if path else expand(RECORDS)).absolute()


def unfinished(run: Run) -> list[tuple[StateFile, ChangeState]]:
    """The changes of a run's main environment that have not ended well, the newest first."""
    return _states_like(run.state())


def _states_like(state: ChangeState) -> list[tuple[StateFile, ChangeState]]:
    """The changes of the same account and environment."""
    return states.find(folder(), state.account, state.environment, state.endpoint)


def begin(live: LiveChange, state: ChangeState) -> None:
    """Give a change its file; raises UsageError where a person works on another one of the same environment."""
    path, started = os.environ.get(STATE_VARIABLE), now()
    state = states.begun(state, started)
    if path or not (is_in_ipython() and kernel.allows_input()):
        live.restart(state, StateFile(Path(path)) if path else None, is_watched=True)
        return
    live_change.refuse_another(_states_like(state))
    stem = stems.make(state.runbook, state.environment, started)
    live.restart(state, StateFile(folder() / f"{stem}{STATE_SUFFIX}"), is_watched=False)


def end(live: LiveChange, run: Run, displays: Mapping[str, object]) -> None:
    """Note that a change has ended, and in JupyterLab leave its record."""
    live.end()
    ending = displays.get("outcome")
    if live.state:
        is_well = isinstance(ending, Ending) and ending.outcome.status == "ok"
        for file in _find_done(live, live.state, run, is_well):
            file.remove()
    if isinstance(ending, Ending):
        _leave(live, run, ending.outcome, displays)


def without_done(live: LiveChange, run: Run, findings: Sequence[Finding]) -> Run:
    """The same run, with nothing unfinished where this change, ending with these findings, leaves nothing so.

    `end` removes the states of killed changes, and the outcome is said before.
    """
    if live.state is None:
        return run
    done = [*_find_done(live, live.state, run, status_of(findings) == "ok")]
    is_all = all(file in done for file, _ in unfinished(run) if file != live.file)
    return replace(run, unfinished=()) if is_all else run


def _find_done(live: LiveChange, own: ChangeState, run: Run, is_well: bool) -> Iterator[StateFile]:
    """The states of killed changes that this one has finished, or that are well without it."""
    for file, state in _states_like(own):
        if state.is_alive or file == live.file:
            continue
        has_done = live.has_begun and _is_done_by(own, state)
        if (has_done or (is_well and _is_same(own, state))) and not _has_label(run, state):
            yield file


def _is_done_by(own: ChangeState, other: ChangeState) -> bool:
    """Whether a change that has ended has finished another one, or taken it back."""
    if own.secret or other.secret:
        return bool(own.secret and other.secret)
    return _is_same(own, other) or (bool(other.undo) and {*other.undo} <= {*own.undo})


def _is_same(own: ChangeState, other: ChangeState) -> bool:
    """Whether two changes are of the same runbook, key and checkout, as far as both name one."""
    checkouts = {each.parameters["repository"] for each in (own, other) if each.parameters.get("repository")}
    is_of_key = own.parameters.get("key") == other.parameters.get("key")
    return own.runbook == other.runbook and is_of_key and len(checkouts) < 2


def _has_label(run: Run, state: ChangeState) -> bool:
    """Whether a killed run's version has a label of ours, so that another run goes on with it; True where unread."""
    if not state.secret:
        return False
    secret = run.target.describe_secret(state.secret)
    return secret is None or not is_withdrawn(own_labels(secret).get(state.new, ()))


def fail(live: LiveChange, run: Run, plan: Plan | None, displays: Mapping[str, object], error: RunbookError) -> None:
    """Note why a change broke off, and in JupyterLab leave its record, if it had begun."""
    live.fail(error)
    if live.has_begun:
        _leave(live, run, run.failed(str(error), plan, changes=live.changes), displays)


def _leave(live: LiveChange, run: Run, outcome: Outcome, displays: Mapping[str, object]) -> None:
    if live.file is None or STATE_VARIABLE in os.environ:
        return
    try:
        with temporary.folder("run") as drafts:
            draft = Record(Path(drafts), live.file.stem)
            outcome = records.mask(outcome)
            kept = Record(live.file.path.parent, draft.stem)
            record = kept_records.save(_notebook(run, outcome, displays), outcome, draft, kept)
        live.note, live.record = f"Record: {record.page}", record.page
    except (OSError, ValueError, CouldNotLook) as error:
        live.note = f"No record was kept, though the change took place: {error}"


def _notebook(run: Run, outcome: Outcome, displays: Mapping[str, object]) -> object:
    """The displays of a change as a notebook that has been executed."""
    from nbformat import v4

    plan = "".join(f"\n- {sentence}" for sentence in outcome.plan or ())
    where: list[tuple[str, object]] = [("where", run.banner.without(STOP_HERE))]
    cells = [v4.new_markdown_cell(f"# {run.runbook}: {outcome.where or outcome.environment}")]
    for name, display in (*where, *displays.items()):
        if name in HEADINGS:
            cells.append(v4.new_markdown_cell(f"## {HEADINGS[name]}"))
        if isinstance(display, RichDisplay):
            bundle = {"text/plain": display.to_text(), "text/html": display.to_html()}
            cells.append(v4.new_code_cell(outputs=[v4.new_output("display_data", bundle)]))
        if name == "where" and plan:
            cells.append(v4.new_markdown_cell(f"## The plan\n{plan}"))
    return v4.new_notebook(cells=cells)
