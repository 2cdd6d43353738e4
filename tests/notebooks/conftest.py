"""A person's desk, a person's sign-in, and faults that are gone after a test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.runs import Desk, sign_in

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


@pytest.fixture
def at(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Iterator[Sandbox]:
    """Be somebody who works with the sandbox."""
    sign_in(sandbox, monkeypatch)
    yield sandbox
