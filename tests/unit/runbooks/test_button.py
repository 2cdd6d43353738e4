"""What the buttons in JupyterLab do with a word that is typed beside them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from unittest.mock import Mock

import pytest

from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks import button as buttons
from omc_runbook.runbooks.button import Button, Choice


@pytest.mark.parametrize("word", ["sk-typed-by-mistake", "<b>production</b>", "x" * 100_000, "Production", "a\0b"])
def test_a_wrong_word_is_refused_in_a_sentence_and_stays_nowhere(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """It may be a secret: neither the sentence nor the widget, whose state a notebook can save, keeps it."""
    pytest.importorskip("ipywidgets", reason="needs ipywidgets to make a button")
    monkeypatch.setattr(buttons, "show_widget", lambda *_: None)
    done: list[str] = []

    def act(typed: str) -> Generator[object, None, str]:
        """Note what was typed."""
        done.append(typed)
        yield from ()
        return "done"

    button: Any = Button([Choice("Write it", act)], "production")
    button._ipython_display_()
    button._field.value = word
    with pytest.raises(UsageError, match=r"^This is production: type production beside the button first\. Nothing was"):
        button._do(act)
    assert button._field.value == "" and done == []
    button._field.value = " production "
    assert button._do(act) == "done" and done == ["production"]


@pytest.mark.parametrize(
    ("begins_with", "word", "is_set_back"), [("", "", True), (None, "", False), ("", "production", False)]
)
def test_an_apply_from_its_cell_is_used_up_once_it_was_carried_out(
    monkeypatch: pytest.MonkeyPatch, begins_with: str | None, word: str, is_set_back: bool
) -> None:
    """Run All again would rotate a second time; where the word is missing, nothing was done, and the cell stays."""
    widgets = pytest.importorskip("ipywidgets", reason="needs ipywidgets to make a button")
    monkeypatch.setattr(buttons, "show_widget", lambda *_: None)
    monkeypatch.setattr(buttons, "_publisher", Mock())
    monkeypatch.setattr(buttons, "_start_thread", lambda run, name: run())

    def act(typed: str) -> Generator[object, None, str]:
        yield from ()
        return "done"

    button: Any = Button([Choice("Write it", act)], word)
    frontend = Mock(widget=widgets.Label())
    button._ipython_display_()
    button.frontend, button.begins_with = frontend, begins_with
    button._press(button._choices[0], button._row.children[-1])
    assert frontend.only_plan.called is is_set_back and frontend.show_answer.called
