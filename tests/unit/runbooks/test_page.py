"""What the cells of a notebook show after a button elsewhere on the page has changed what they are about."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.model.change import Change
from omc_runbook.model.environment import load
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.model.handover import STATE_VARIABLE
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.runbooks import page as module
from omc_runbook.runbooks.button import Button
from omc_runbook.runbooks.closing import ABOVE, NOT_OF_IT, OLD_PLAN, Closing, Displays
from omc_runbook.runbooks.live_change import LiveChange
from omc_runbook.runbooks.page import ANSWER
from omc_runbook.runbooks.run import Run, Target


class Plan:
    """A plan of one sentence."""

    sentences = ("SECRET_KEY would change.",)
    blockers = ()
    notes = ()


class Buttons:
    """A row of buttons that records the calls to it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def hold(self) -> None:
        self.calls.append("hold")

    def release(self) -> None:
        self.calls.append("release")

    def settle(self) -> None:
        self.calls.append("settle")


@pytest.fixture
def cells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """What each cell shows, by its id, as a browser would."""
    texts: dict[str, str] = {}

    def update(display_id: str, value: object) -> bool:
        if isinstance(value, RichDisplay):
            texts[display_id.rpartition("-")[2]] = value.to_text()
        return isinstance(value, RichDisplay)

    monkeypatch.setattr(module, "update", update)
    monkeypatch.setattr("omc_runbook.runbooks.button.shows_widgets", lambda: True)
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "rotate.state.json"))
    return texts


def a_run() -> Run:
    target = Target(load("staging"), Clients("ap-southeast-2"), Caller("123456789012", "arn"))
    return Run(runbook="rotate", started=datetime(2026, 7, 1, tzinfo=UTC), targets=(target,))


def closing(
    run: Run,
    names: tuple[str, ...],
    fails: bool = False,
    is_refused: bool = False,
    refusal: str = "AWS is gone. Try again.",
) -> Closing:
    """The last part of a runbook with these displays."""

    def displays(apply: bool, confirm: str, live: LiveChange) -> Displays:
        if apply and is_refused:
            raise CouldNotLook(refusal)
        if apply:
            live.announce("move")
            live.tell(Change(key="SECRET_KEY", action="changed", version="version-2"))
        for name in names:
            if apply and fails and name == names[-1]:
                raise CouldNotLook("AWS is gone. Try again.")
            yield name, Banner("plain", f"{name} {'was done' if apply else 'is planned'}.")
        return "✓ Done"

    return Closing(run, Plan(), "Write it", displays, False, "", False)


def pressed(closing: Closing) -> list[Any]:
    """Press it to its end; gives what it shows beside the cells."""
    return list(closing.press(""))


def test_what_a_panel_finishes_is_told_in_the_cells_below_it(cells: dict[str, str]) -> None:
    """The cells of the same names say what was done, the others that they are not about it; no button is left."""
    run = a_run()
    below, finish = closing(run, ("result", "proof", ANSWER)), closing(run, ("result", "review", ANSWER))
    for name in ("result", "proof", ANSWER):
        below.show(name)
    assert isinstance(below.button(), Button)
    beside = pressed(finish)
    assert [each.headline for each in beside] == ["review was done."]
    assert "result was done" in cells["result"] and NOT_OF_IT[:40] in cells["proof"]
    assert "answer was done" in cells[ANSWER] and OLD_PLAN[:40] in cells[ANSWER]
    again = below.show(ANSWER)
    assert isinstance(again, Banner) and again.headline == "answer was done."
    assert not isinstance(below.button(), Button)


@pytest.mark.parametrize(("has_begun", "expected"), [(True, ["plan"]), (False, [])])
def test_what_stands_above_is_told_to_be_from_before_the_change(
    cells: dict[str, str], has_begun: bool, expected: list[str]
) -> None:
    """The plan and all that was read, but nothing that is shown later; and not where nothing was begun."""
    run = a_run()
    above, later = Banner("plain", "SECRET_KEY would change."), Banner("plain", "It is so.")
    run.page.note(above)
    own = closing(run, ("result", ANSWER), is_refused=not has_begun)
    own.show("result")
    run.page.note(later)
    assert above.display_id and not later.display_id
    with suppress(CouldNotLook):
        pressed(own)
    dated = [text for text in cells.values() if text.startswith("This was before the change that ended at ")]
    assert ["plan" for text in dated if "SECRET_KEY would change." in text] == expected


def test_a_panel_that_breaks_off_leaves_no_cell_that_says_otherwise(cells: dict[str, str]) -> None:
    """The last cell says where it stands; the button of the former plan is gone."""
    run = a_run()
    below, finish = closing(run, ("result", ANSWER)), closing(run, ("result", ANSWER), fails=True)
    for name in ("result", ANSWER):
        below.show(name)
    steps = finish.press("")
    with pytest.raises(CouldNotLook):
        list(steps)
    assert ABOVE.unfinished[:40] in cells[ANSWER] and "result was done" in cells["result"]
    assert not isinstance(below.button(), Button)


@pytest.mark.parametrize("is_refused", [True, False], ids=["refused", "broke off"])
def test_no_cell_says_that_something_was_done_where_nothing_was(cells: dict[str, str], is_refused: bool) -> None:
    """As where the credentials have expired since the plan was made."""
    own = closing(a_run(), ("result", "proof", ANSWER), fails=True, is_refused=is_refused)
    for name in ("result", "proof", ANSWER):
        own.show(name)
    with pytest.raises(CouldNotLook):
        pressed(own)
    assert ("Nothing was done." in cells[ANSWER]) is is_refused
    if is_refused:
        assert "AWS is gone. Nothing was done." in cells["result"] and "what was done" not in cells["proof"]
        assert "Nothing was done." in cells["proof"] and "AWS is gone" not in cells["proof"], "one cell says why"


def test_the_other_buttons_of_a_page_wait_and_then_show_what_is() -> None:
    """Where nothing was changed, they are as before; the row that was pressed looks after itself."""
    page, panel, last = a_run().page, Buttons(), Buttons()
    page.add("a panel", panel)
    page.add(ANSWER, last)
    page.hold("a panel")
    page.go_on("a panel", page.version)
    assert last.calls == ["hold", "release"]
    before = page.version
    page.outdate(Banner("plain", "It has ended."), "a panel")
    assert last.calls[2:] == ["settle"] and panel.calls == [] and page.version > before and page.cells.is_outdated


@pytest.mark.parametrize(
    "refusal",
    [
        "main.tf was changed since the plan was made: nothing was done. Run again to make a new plan.",
        "main.tf is not a regular file: nothing was written.",
    ],
)
def test_a_cell_says_once_that_nothing_was_done(cells: dict[str, str], refusal: str) -> None:
    """The reason may say so itself."""
    own = closing(a_run(), ("result", ANSWER), is_refused=True, refusal=refusal)
    for name in ("result", ANSWER):
        own.show(name)
    with pytest.raises(CouldNotLook):
        pressed(own)
    assert "✗ main.tf " in cells["result"] and cells["result"].casefold().count("nothing was ") == 1
