"""The browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.jupyterlab import CHROMIUM, OPTIONS


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs a browser: there is no chromium on the PATH")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright to drive a browser")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield started
        started.close()
