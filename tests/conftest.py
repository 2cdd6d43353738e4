"""Fixtures that several test modules share."""

from collections.abc import Iterator

import pytest

from omc_runbook.masking import registry


@pytest.fixture
def own_registry() -> Iterator[None]:
    """Keep the values of one test from being masked in others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_values", {})
        patch.setattr(registry, "_announced", set())
        patch.setattr(registry, "_public", set(registry._public))
        patch.setattr(registry, "_index", None)
        yield
