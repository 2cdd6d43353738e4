"""Fixtures that several test modules share."""

import os
from collections.abc import Iterator

import pytest

from omc_runbook.masking import registry
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox


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
