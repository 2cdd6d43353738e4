"""What index.ipynb does: say how an environment is, and open the notebook for a purpose."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import partial
from typing import Any

from omc_runbook.headless import notebooks
from omc_runbook.model.shell import command
from omc_runbook.model.suggestions import expand
from omc_runbook.report import index as report
from omc_runbook.report.answer import Answer, read_at
from omc_runbook.report.archive import kept_records
from omc_runbook.report.archive.kept_records import KeptRecord
from omc_runbook.report.display.rich_display import Group
from omc_runbook.report.display.table import Table
from omc_runbook.report.index import Card
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks import unfinished
from omc_runbook.runbooks.actions import READ_WITH_ACCESS, Actions
from omc_runbook.runbooks.button import nothing_to_offer
from omc_runbook.runbooks.final_answer import FinalAnswer, Link, link_button, open_link
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.frontend import Frontend, is_available, make_row, show_widget
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.run import Run, diagnose, now
from omc_runbook.runbooks.secret_change import history, look
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionHistory

__all__ = [
    "form",
    "begin",
    "pickers",
    "records",
    "look",
    "verdict",
    "history",
    "cards",
]
"""All that the notebook calls, in its order."""

ACTIONS = Actions(plan=READ_WITH_ACCESS)

SHOWN = 5
"""How many records are shown."""

NONE = "There is none yet: a run of a runbook leaves one."

begin = partial(unfinished.begin, "index", offers=nothing_to_offer)
"""Begins on one environment, and shows its changes that were not finished; raises as `run.reach` does."""


def pickers(run: Run) -> tuple[Picker, ...]:
    """What the form offers: environments."""
    return (choices.environment(run.environment),)


def verdict(run: Run, snapshot: Snapshot) -> FinalAnswer:
    """How the environment is, and when it was read; raises as `conclude.end` does."""
    findings = diagnose(snapshot)
    run.conclude(findings)
    answer = run.answer(findings, snapshot)
    parameters = {"environment": run.environment.name}
    steps = () if answer.banner.style == "good" else (open_link("troubleshoot", parameters, "Troubleshoot it"),)
    return FinalAnswer(Answer(answer.summary.with_lines(read_at(snapshot))), links=steps, page=run.page)


@takes_parameters
def cards(snapshot: Snapshot, history: VersionHistory, runbook_toml: str = "") -> Cards:
    """What somebody may have come for, and the notebooks for it."""
    return Cards(purposes(snapshot, history, runbook_toml))


def purposes(snapshot: Snapshot, history: VersionHistory, runbook_toml: str = "") -> tuple[Card, ...]:
    """A card for each purpose whose notebook is there; last, each other notebook with its own words."""
    paths = notebooks.paths()
    cards = [card for card in report.cards(snapshot, history, runbook_toml) if card.runbook in paths]
    others = sorted(paths.keys() - {card.runbook for card in cards} - {"index"})
    words = {name: notebooks.describe(name).purpose for name in others}
    return (*cards, *report.more_cards(snapshot, words, runbook_toml))


class Cards(Group):
    """Cards with a button each, which opens a notebook with its parameters set; elsewhere with the command."""

    def __init__(self, cards: Sequence[Card]) -> None:
        super().__init__(report.listing(cards))
        self._cards = cards

    def _ipython_display_(self) -> None:
        if not is_available():
            raise NotImplementedError  # IPython then asks for the bundle.
        import ipywidgets

        frontend = Frontend()
        layout = ipywidgets.Layout(
            display="grid", grid_template_columns="repeat(auto-fill, minmax(14em, 1fr))", grid_gap="0.6em"
        )
        grid = ipywidgets.Box([_widget(card, frontend) for card in self._cards], layout=layout)
        box = ipywidgets.VBox((grid, frontend.widget))
        show_widget(box, self.to_text())


@takes_parameters
def records(folder: str) -> Records:
    """The newest records in a folder, by what their runs were, and what is left out of them."""
    path, moment = expand(folder), now()
    found_records = kept_records.read(path, SHOWN, with_outcomes=False, now=moment)
    return Records(folder, found_records[:SHOWN], kept_records.notes(path, found_records, SHOWN, moment))


class Records(Group):
    """A table of records, and a button for each page that is there."""

    def __init__(self, folder: str, record_list: Sequence[KeptRecord], notes: Sequence[str] = ()) -> None:
        rows = [[f"{each.finished:%Y-%m-%d %H:%M}", each.title, each.end, each.page.name] for each in record_list]
        columns = ["ended (UTC)", "runbook", "how it ended", "page"]
        listing = command("omc-runbook", "records", folder)
        none = "None can be shown." if notes else NONE
        why = kept_records.why_unreadable(expand(folder))
        empty = f"Those in S3 are listed by `{listing}`" if "://" in folder else why or none
        super().__init__(Table(f"The last records in {folder}", columns, rows, empty=empty, notes=notes))
        self._records = tuple(record_list)

    def _ipython_display_(self) -> None:
        if not is_available() or not self._records:
            raise NotImplementedError  # IPython then asks for the bundle.
        from IPython.display import display

        display(*self.parts)
        frontend = Frontend()
        links = [
            Link(f"Open {each.title}, {each.finished:%H:%M}", partial(Frontend.open_page, path=each.page))
            for each in self._records
            if each.page.suffix == ".html"
        ]
        buttons = [link_button(link, frontend) for link in links]
        show_widget(make_row((*buttons, frontend.widget)), "omc-runbook records --open opens the newest.")


def _widget(card: Card, frontend: Frontend) -> Any:
    import ipywidgets

    button = link_button(open_link(card.runbook, card.parameters, f"Open {card.runbook}", card.leads_to), frontend)
    button.button_style = "primary"
    text = f"<strong>{html.escape(card.purpose)}</strong><br>{html.escape(card.text)}"
    text = ipywidgets.HTML(f'<div style="line-height: 1.4; white-space: normal">{text}</div>')
    layout = ipywidgets.Layout(
        border="1px solid rgba(128, 128, 128, 0.4)", padding="0.6em", justify_content="space-between"
    )
    return ipywidgets.VBox((text, button), layout=layout)
