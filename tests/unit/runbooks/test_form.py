"""What the form above a notebook's parameters does in IPython's shell."""

from __future__ import annotations

from typing import Any

import pytest

from omc_runbook.masking.cell_outputs import CellOutputs
from omc_runbook.masking.cell_shell import shell
from omc_runbook.runbooks import form as forms


@pytest.mark.parametrize(
    ("cause", "sentence"), [("", forms.INTERRUPTED), ("'Stopped, as you asked.'", "Stopped, as you asked.")]
)
@pytest.mark.parametrize("is_person", [True, False], ids=["a person", "nobody"])
def test_an_interrupted_cell_shows_a_sentence(
    monkeypatch: pytest.MonkeyPatch, is_person: bool, cause: str, sentence: str
) -> None:
    """The traceback of an interrupted read is pages long; a record of a run without a person keeps it."""
    monkeypatch.setattr(forms, "is_available", lambda: is_person)
    shown: list[Any] = []
    outputs = CellOutputs(lambda: None)
    with shell(outputs, has_terminal=False) as ipython:
        outputs.begin(shown)
        forms.form().watch_cells()
        result = ipython.run_cell(f"raise KeyboardInterrupt({cause})")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    [error] = shown
    assert error.ename == "KeyboardInterrupt"
    assert (error.traceback == [f"KeyboardInterrupt: {sentence}"]) is is_person
