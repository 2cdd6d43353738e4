"""The browser, and a desk with a sandbox of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.jupyterlab import CHROMIUM, OPTIONS
from support.runs import Desk

from omc_runbook.sandbox import lifecycle


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs a browser: there is no chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright to drive a browser")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield started
        started.close()


@pytest.fixture
def changing_desk(browser: Any, tmp_path: Path) -> Iterator[Desk]:
    """A desk with a sandbox of its own, which a test may change."""
    started = lifecycle.up("healthy")
    yield Desk(tmp_path, started)
    lifecycle.down(started)
