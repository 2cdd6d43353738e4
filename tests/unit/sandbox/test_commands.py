"""What the sandbox's commands say."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from omc_runbook.model.errors import UsageError
from omc_runbook.sandbox import drills, faults, lifecycle
from omc_runbook.sandbox.cli import sandbox


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["weak"], "Repaired weak. Still broken: empty."),
        (["stale"], "stale was not broken. Still broken: weak, empty."),
        ([], "Repaired everything. The world is healthy."),
    ],
)
def test_mend_says_what_it_has_repaired(words: list[str], output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not that it has repaired what was whole."""
    monkeypatch.setattr(lifecycle, "find", lambda: SimpleNamespace(endpoint="http://127.0.0.1:9"))
    monkeypatch.setattr(lifecycle, "status", lambda _: {"broken": ["weak", "empty"]})
    monkeypatch.setattr(lifecycle, "ask", lambda *_: {})
    monkeypatch.setattr(drills, "current", lambda _: None)
    monkeypatch.setattr(faults, "mend", lambda *_: None)
    assert CliRunner().invoke(sandbox, ["mend", *words]).output.strip() == output


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("no-permision", "There is no fault no-permision; the nearest is no-permission: see"),
        ("NO-PERMISSION", "There is no fault NO-PERMISSION; the nearest is no-permission: see"),
        ("foo", "There is no fault foo: see"),
        ("", "There is no fault without a name: see"),
    ],
)
def test_a_fault_is_the_nearest_only_where_it_is_near(typed: str, answer: str) -> None:
    """Of a word that is like none, any other would be a guess."""
    with pytest.raises(UsageError) as refused:
        faults.find(typed)
    assert str(refused.value) == f"{answer} `omc-runbook sandbox faults`."
