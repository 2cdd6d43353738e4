"""A person's desk, and faults that are gone after a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.runs import Desk

from omc_runbook.sandbox import faults
from omc_runbook.sandbox.lifecycle import Sandbox


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Desk:
    """A desk before the module's sandbox."""
    return Desk(tmp_path, sandbox)


@pytest.fixture
def broken(sandbox: Sandbox) -> Iterator[Callable[[str], object]]:
    """Break faults, and have the healthy world back afterwards."""
    yield lambda fault: faults.break_(sandbox.endpoint, fault)
    faults.mend(sandbox.endpoint)
