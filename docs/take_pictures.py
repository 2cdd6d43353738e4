"""Takes README's pictures: an answer, a plan and a rollout, from the records of runs in a sandbox.

    python docs/take_pictures.py

Needs what omc-runbook[dev] has, and Chromium on the PATH.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from omc_runbook.sandbox import faults, lifecycle

FOLDER = Path(__file__).parent
COMMAND = Path(sys.executable).with_name("omc-runbook")
WIDTH, MARGIN = 900, 16
PICTURES = {
    "answer": ("troubleshoot", (), "Answer", "no-permission"),
    "plan": ("rotate", ("keys=SECRET_KEY",), "What will change", ""),
    "rollout": ("rotate", ("keys=SECRET_KEY", "apply=true"), "Change it", ""),
}
"""By name: the runbook, its parameters, the section of its page that is taken, and the fault that is there."""


HEADINGS = "() => [...document.querySelectorAll('h2')].map(h => [h.innerText, h.getBoundingClientRect().top])"


def main() -> None:
    """Run each runbook in a new sandbox, and take the picture of its page."""
    browser_path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if browser_path is None:
        raise SystemExit("Chromium is not on the PATH.")
    sandbox = lifecycle.up("healthy")
    try:
        with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": WIDTH, "height": 800}, color_scheme="light")
            for name, (runbook, parameters, section, fault) in PICTURES.items():
                if fault:
                    faults.break_(sandbox.endpoint, fault)
                record = Path(folder, name)
                record.mkdir()
                words = [str(COMMAND), "run", runbook, *parameters, "--quiet"]
                subprocess.run(words, env={**os.environ, **sandbox.variables}, cwd=record, check=False)
                page.goto(next(record.glob(f"records/{runbook}-*.html")).as_uri())
                take(page, section, FOLDER / f"{name}.png")
                if fault:
                    faults.mend(sandbox.endpoint)
            browser.close()
    finally:
        lifecycle.down(sandbox)


def take(page: Page, section: str, path: Path) -> None:
    """Save the picture of a section: from its heading to the next one."""
    boxes = page.evaluate(HEADINGS)
    end = page.evaluate("() => document.body.getBoundingClientRect().bottom")
    at = next(number for number, (title, _) in enumerate(boxes) if title.startswith(section))
    bottom = boxes[at + 1][1] if at + 1 < len(boxes) else end
    clip = {"x": 0, "y": boxes[at][1] - MARGIN, "width": WIDTH, "height": bottom - boxes[at][1] + MARGIN}
    page.screenshot(path=path, full_page=True, clip=clip)


if __name__ == "__main__":
    main()
