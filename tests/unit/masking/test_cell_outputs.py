"""The outputs of cells that run in this process, whatever interrupts their writing."""

import secrets
from typing import Any

import pytest

from omc_runbook.masking import registry
from omc_runbook.masking.cell_outputs import CellOutputs
from omc_runbook.masking.index import Index


def test_what_is_printed_while_a_value_is_masked_shows_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by an object that is removed meanwhile, in the same thread."""
    value, cell_outputs, current = secrets.token_hex(16), list[Any](), registry.current
    registry.register(value, "CANARY")
    outputs = CellOutputs(lambda: None)
    outputs.begin(cell_outputs)
    outputs.write("stdout", value[:7])

    def interrupted() -> Index:
        monkeypatch.setattr(registry, "current", current)
        outputs.write("stdout", " removed ")
        return current()

    monkeypatch.setattr(registry, "current", interrupted)
    outputs.write("stdout", value[7:])
    outputs.flush()
    assert [output.text for output in cell_outputs] == ["‹CANARY› removed "]
