"""A person's desk, a person's sign-in, faults that are gone after a test, and kernels that take less time to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.provisioning import local_provisioner
from support import forked_command
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


@pytest.fixture(scope="module")
def forked_kernels() -> Iterator[None]:
    """Let the kernels that this process starts be forks, which have imported what they need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_provisioner, "launch_kernel", forked_command.launch_kernel)
        yield
