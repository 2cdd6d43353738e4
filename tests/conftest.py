"""Fixtures that several test modules share."""

import os
from collections.abc import Iterator

import pytest

from omc_runbook.masking import registry
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox

SLOW = frozenset(
    {
        *(
            "test_faults",
            "test_rotate",
            "test_rotation",
            "test_restore",
            "test_update",
            "test_create",
            "test_terraform",
        ),
        *(
            "test_chain",
            "test_readme",
            "test_browser",
            "test_troubleshoot",
            "test_cure",
            "test_add_key",
            "test_database",
        ),
        *("test_add_key_plan", "test_local_setup", "test_local_faults", "test_drill", "test_notebooks", "test_inside"),
    }
)
"""Files that take long, whatever the number of their tests: they begin first, for all workers to end together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of slow files first, and leave all else in its order."""
    items.sort(key=lambda item: item.path.stem not in SLOW)


@pytest.fixture
def own_registry() -> Iterator[None]:
    """Keep the values of one test from being masked in others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_values", {})
        patch.setattr(registry, "_announced", set())
        patch.setattr(registry, "_public", set(registry._public))
        patch.setattr(registry, "_index", None)
        yield


@pytest.fixture
def bare_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let neither the caller's AWS configuration nor the caller's OMC_ names count."""
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in [name for name in os.environ if name.startswith("OMC_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A healthy sandbox for the tests of one module."""
    started = lifecycle.up("healthy")
    yield started
    lifecycle.down(started)
