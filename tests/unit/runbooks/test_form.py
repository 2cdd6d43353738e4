"""What the form above a notebook's parameters does in IPython's shell."""

from __future__ import annotations

from typing import Any

import pytest

from omc_runbook.masking.cell_outputs import CellOutputs
from omc_runbook.masking.cell_shell import shell
from omc_runbook.runbooks import form as forms
from omc_runbook.runbooks import own_parameters


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


FIRST = 'environment: str = "staging"  # staging\nrunbook_toml: str = ""\nrecords: str = "records"\n'


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        (FIRST, ""),
        ('environment = "production"', ""),
        ('# Parameters\nenvironment = "production"\nrecords = "elsewhere"', ""),
        ("runbook_toml = records = ", ""),
        (
            FIRST.replace("environment: str", "enviroment"),
            'does not set environment; it sets "enviroment": did you mean environment? Set it there, and run all',
        ),
        (FIRST.replace(' = "records"', ""), "does not set records; it was set when it ran before. Set it there"),
        ("import os\n" + FIRST.replace("records:", "recods:"), 'it sets "recods": did you mean records?'),
        ("environment, runbook_toml = 'staging', ''", ""),
    ],
    ids=["the same", "another cell", "papermill", "no Python", "misspelt", "removed", "with an import", "a tuple"],
)
def test_a_parameter_that_its_cell_does_not_set_keeps_no_earlier_value(cell: str, sentence: str) -> None:
    """A misspelt name would let a run be made on the environment of the run before, in silence."""
    outputs = CellOutputs(lambda: None)
    with shell(outputs, has_terminal=False) as ipython:
        outputs.begin([])
        ipython.run_cell("from omc_runbook.runbooks import index")
        forms.form().watch_cells()
        ipython.run_cell(FIRST)
        ipython.run_cell(cell)
        error = ipython.run_cell("index.begin(environment, runbook_toml)").error_in_exec
        assert sentence in str(error) and ("parameters cell" in str(error)) is bool(sentence)
        ipython.run_cell(FIRST)
        assert ipython.run_cell("assert (environment, records) == ('staging', 'records')").success


@pytest.mark.parametrize("other", ["audit", "fleet", "rotate"])
def test_a_cell_is_known_by_its_parameters_where_another_runbook_is_imported(other: str) -> None:
    """Not by the runbook whose name comes first."""
    modules = dict.fromkeys((other, "index"), forms)
    assert own_parameters.declared_in(modules, {"enviroment", "runbook_toml", "records"}) >= {"environment", "records"}


def test_a_parameter_stays_forgotten_until_it_is_set() -> None:
    """Also where a cell begins as that of the parameters and sets the first alone."""
    outputs = CellOutputs(lambda: None)
    with shell(outputs, has_terminal=False) as ipython:
        outputs.begin([])
        ipython.run_cell("from omc_runbook.runbooks import index")
        forms.form().watch_cells()
        for cell in (FIRST, FIRST.replace("records:", "recods:"), FIRST.partition("\n")[0]):
            ipython.run_cell(cell)
        error = ipython.run_cell("index.records(records)").error_in_exec
        assert 'it sets "recods": did you mean records?' in str(error)


@pytest.mark.parametrize(
    "cell", ["x = '\0'", "x = '\ud800'", f"x{'.x' * 20000}"], ids=["null", "surrogate", "too deep to parse"]
)
def test_a_cell_that_cannot_be_parsed_sets_nothing(cell: str) -> None:
    """And is no error beside that of the cell itself; which of these it is depends on Python's version."""
    assert not own_parameters.set_by(cell)


@pytest.mark.filterwarnings("error")
def test_a_cell_is_warned_of_once() -> None:
    """By Python, when it runs it."""
    assert own_parameters.set_by(r"x = '\d'") == {"x"}
