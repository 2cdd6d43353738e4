"""A person with an outage: from the index to the cause, its fix by a button, and the record; light and dark.

Backend is deployed blue/green, with a bake time that leaves room to look at the change while it is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.jupyterlab import FAST, HAS_RUN, READY, SLOW, lab, run_all, run_cells, show, wait_until
from support.runs import Desk, assert_nothing_leaked, values

from omc_runbook.model.handover import FOLDER_VARIABLE
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.faults import break_
from omc_runbook.sandbox.worlds import deployments
from omc_runbook.sandbox.worlds.staging import World

SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden)"
AXE = """async () => {
    const options = {include: [['.jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea-output']]};
    const found = await axe.run(options);
    return found.violations.map(fault => [fault.id, fault.nodes[0].html, fault.nodes[0].any[0]?.message]);
}"""
CUT = """() => [...document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) :is(.widget-box, .widget-html)')]
    .filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.innerText)"""
FIX = "Allow secretsmanager:GetSecretValue and redeploy backend, worker in staging"


@pytest.fixture(scope="module")
def world(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with a sandbox in which tasks may not read the secret."""
    started = lifecycle.up("healthy")
    desk = Desk(tmp_path_factory.mktemp("person"), started)
    desk.variables[FOLDER_VARIABLE] = str(desk.work)
    break_(started.endpoint, "no-permission")
    deployments.configure(World(started.endpoint), "backend", strategy="BLUE_GREEN", bake_minutes=1)
    yield desk
    lifecycle.down(started)


LOOKS = (("JupyterLab Light", 1280), ("JupyterLab Dark", 800))


def faults(page: Any, looks: Sequence[tuple[str, int]] = LOOKS) -> list[Any]:
    """What axe-core finds in what we show, in themes and at widths; what is cut off counts, too."""
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-core to look for faults")
    page.add_script_tag(path=Path(axe.__file__).parent / "axe.min.js")
    faults_of_themes = []
    for theme, width in looks:
        page.set_viewport_size({"width": width, "height": 1000})
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{theme: '{theme}'}})")
        wait_until(page, f"document.body.dataset.jpThemeLight === '{str('Light' in theme).lower()}'")
        faults_of_themes += [(theme, *fault) for fault in page.evaluate(AXE)]
        faults_of_themes += [(theme, "cut off", text) for text in page.evaluate(CUT)]
    return faults_of_themes


def test_from_the_index_to_the_fix_and_its_record(browser: Any, world: Desk, tmp_path: Path) -> None:
    """Each page has the answer, leads on by a button, and is without a fault of access; the record opens in a tab."""
    hidden, log = values(world.sandbox), tmp_path / "lab.log"
    with lab(world, log, "index") as address:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        run_all(page, address)
        assert "The execution role may not read the secret" in page.inner_text(SHOWN)
        assert faults(page) == []
        page.get_by_role("button", name="Open troubleshoot", exact=True).click()
        wait_until(page, "() => jupyterapp.shell.currentWidget.context.path === 'troubleshoot-staging.ipynb'")
        wait_until(page, HAS_RUN)
        wait_until(page, READY)
        assert faults(page) == []
        lifecycle.set_minute(world.sandbox, SLOW)
        page.get_by_role("button", name=FIX, exact=True).click()
        page.get_by_role("button", name="Stop and take it back", exact=True).wait_for()
        assert faults(page, LOOKS[1:]) == []
        lifecycle.set_minute(world.sandbox, FAST)
        page.get_by_role("button", name="✓ Fixed and verified", exact=True).wait_for()
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Open the record", exact=True).click()
        record = opened.value.frame_locator("iframe").locator("body")
        record.get_by_text("Fixed and verified").first.wait_for()
        text, content = page.inner_text(SHOWN), page.content() + record.inner_html()
        opened.value.close()
        show(page, "index.ipynb")
        run_cells(page)
        assert "Nothing is wrong in staging" in page.inner_text(SHOWN)
        with page.expect_popup() as opened:
            page.get_by_role("button", name="Open troubleshoot on staging", exact=False).click()
        opened.value.frame_locator("iframe").get_by_text("Fixed and verified").first.wait_for()
        page.close()
    assert "Nothing is wrong in staging" in text and "Under way" not in text
    assert_nothing_leaked(world, hidden, text, content, log.read_text(errors="replace"))
