"""Parameters as plain papermill gives them: in a cell of its own, below those that the notebook declares."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks.own_parameters import takes_parameters

IMPORT = "from omc_runbook.runbooks import verify"
DECLARED = 'environment: str = "staging"  # look at staging or production\nlook_inside: bool = False  # also inside'
WRONG, RIGHT = '# Parameters\nenviroment = "production"\n', '# Parameters\nenvironment = "production"\n'


@takes_parameters
def begin(environment: str) -> str:
    return environment


@pytest.mark.parametrize(
    "cells", [(IMPORT,), (IMPORT, DECLARED), (IMPORT, DECLARED, RIGHT), (IMPORT, DECLARED, WRONG, IMPORT, DECLARED)]
)
def test_what_the_notebook_declares_is_taken(monkeypatch: pytest.MonkeyPatch, cells: tuple[str, ...]) -> None:
    """In the same kernel, a run is not that of the cells before its own."""
    run_in(monkeypatch, *cells)
    assert begin("staging") == "staging"


def test_what_it_does_not_declare_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the run would be that of the default."""
    run_in(monkeypatch, IMPORT, DECLARED, WRONG)
    with pytest.raises(UsageError, match='no parameter "enviroment": did you mean environment'):
        begin("staging")


def test_a_value_in_the_place_of_a_name_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    token = "ghp_" + "0123456789abcdef" * 2
    run_in(monkeypatch, IMPORT, DECLARED, f"# Parameters\n{token} = 5\n")
    with pytest.raises(UsageError) as refused:
        begin("staging")
    assert token not in str(refused.value)


def run_in(monkeypatch: pytest.MonkeyPatch, *cells: str) -> None:
    """A shell in which these cells have run."""
    shell = SimpleNamespace(user_ns={"In": ["", *cells]})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
