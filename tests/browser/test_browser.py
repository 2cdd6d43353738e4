"""The notebook and its record in a real browser: JupyterLab run by hand, and the page opened from a file."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from dotenv import dotenv_values
from support.jupyterlab import (
    HAS_RUN,
    READY,
    SHOWS,
    lab,
    open_notebook,
    outputs_of,
    processes,
    put,
    run_all,
    run_cells,
    show,
    shown_by,
    wait_until,
)
from support.platform_checkout import make_platform
from support.records import an_index
from support.runs import SECRET, Desk, assert_nothing_leaked, client, values
from support.snapshots import NOW

from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.report.archive.record import STYLE
from omc_runbook.report.archive.state import ChangeState, own_process
from omc_runbook.report.change_state import ChangeToFinish, RunningChange
from omc_runbook.report.display.boxes import whole_page
from omc_runbook.runbooks.course import DRILLS
from omc_runbook.runbooks.quiz import QUESTIONS
from omc_runbook.sandbox import faults, lifecycle
from omc_runbook.sandbox.lifecycle import Sandbox

ANSWER_BEGINS_ABOVE = """() => {
    const cells = jupyterapp.shell.currentWidget.content.widgets.filter(cell => cell.model.type === 'code');
    const top = cells.at(-1).node.getBoundingClientRect().top;
    return cells.every(cell => cell.node.isConnected) && top > 0 && top < window.innerHeight / 2;
}"""
"""Whether all cells are in the page, and the last one begins in its upper half."""

LOST_WIDGETS = """[...document.querySelectorAll('.jp-OutputArea-output')]
    .filter(node => node.textContent === 'Error displaying widget: model not found')"""
AFTER = "getComputedStyle(node, '::after').content"
# Whether it is changed since does not count: what the kernel makes of the choice may come after the save.
NOTE_SAVES = """() => {
    window.saves = [];
    jupyterapp.shell.currentWidget.context.saveState.connect((_, state) => window.saves.push(state));
}"""
CELL_COUNT = "jupyterapp.shell.currentWidget.content.widgets.length"
SHARED_KERNELS = 9
IS_FOCUSED = "node => node === document.activeElement"
RESTART = "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
IS_OFF = "node => node.focus() || node !== document.activeElement"
PARAMETERS_CELL = """jupyterapp.shell.currentWidget.content.widgets.find(
    cell => cell.model.getMetadata('tags')?.includes('parameters')).model.sharedModel"""
PARAMETERS = f"() => {PARAMETERS_CELL}.getSource()"
SET_APPLY = f"""() => {{
    const cell = {PARAMETERS_CELL};
    cell.setSource(cell.getSource().replace('apply: bool = False', 'apply: bool = True'));
}}"""
ADD_LOST_WIDGETS = """() => {
    const cell = jupyterapp.shell.currentWidget.content.widgets.find(cell => cell.model.type === 'code');
    const data = {'application/vnd.jupyter.widget-view+json': {model_id: 'gone', version_major: 2, version_minor: 0}};
    cell.model.trusted = true;
    for (const _ of [1, 2]) cell.model.outputs.add({output_type: 'display_data', data, metadata: {}});
}"""
"""Gives the first cell what it has in a saved notebook whose kernel has ended."""


@pytest.fixture(scope="module")
def sandbox(browser: Any, sandbox_server: Sandbox) -> Sandbox:
    lifecycle.renew(sandbox_server)
    return sandbox_server


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Desk:
    return Desk(tmp_path_factory.mktemp("desk"), sandbox)


class Lab:
    """JupyterLab in the healthy world, on whose one page tests open notebooks one after another."""

    def __init__(self, desk: Desk, page: Any, log: Path) -> None:
        self.desk, self.page, self._log = desk, page, log
        self.hidden = values(desk.sandbox)
        """Values that nothing may hold, also when JupyterLab has ended."""

    def open(self, name: str, width: int, height: int, **parameters: str) -> Any:
        """A fresh copy of a notebook with a new kernel, in a window of so many pixels; gives the page."""
        put(self.desk, name, **parameters)
        self.page.set_viewport_size({"width": width, "height": height})
        show(self.page, f"{name}.ipynb", is_anew=True)
        return self.page

    def run_all(self, name: str, width: int, height: int, **parameters: str) -> Any:
        """The same, and run all of its cells."""
        page = self.open(name, width, height, **parameters)
        run_cells(page)
        return page

    @property
    def log(self) -> str:
        """All that JupyterLab has logged so far."""
        return self._log.read_text(errors="replace")


@pytest.fixture(scope="module")
def healthy_lab(browser: Any, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """For tests after which the next one finds the world healthy, at a desk of their own."""
    desk, log = Desk(tmp_path_factory.mktemp("shared"), sandbox), tmp_path_factory.mktemp("log") / "lab.log"
    with lab(desk, log, "index", kernels=SHARED_KERNELS) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        open_notebook(page, address)
        new_lab = Lab(desk, page, log)
        yield new_lab
        page.close()
    # With JupyterLab, the sandbox ends in which a newcomer has practised.
    assert not list((desk.root / "tmp").glob("omc-*/[0-9]*"))
    assert_nothing_leaked(desk, [*new_lab.hidden, *values(sandbox)], new_lab.log)


@pytest.fixture(scope="module")
def page_file(desk: Desk) -> Path:
    """The page of a record of the healthy world."""
    ended = desk.run()
    assert ended.returncode == 0, ended.stderr
    (page,) = desk.record.glob("*-*.html")
    return page


def test_run_all_in_jupyterlab_ends_with_the_outcome_and_shows_no_value(
    browser: Any, desk: Desk, tmp_path: Path
) -> None:
    """On a fresh kernel: the outcome's banner, no error, no value in the page or any file, and nothing left running."""
    hidden, log = values(desk.sandbox), tmp_path / "lab.log"
    with lab(desk, log, is_fork=False) as address:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        run_all(page, address)
        page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        assert any("ipykernel" in line for line in processes(str(desk.root)))
        text, content = page.inner_text(".jp-NotebookPanel"), page.content()
        page.close()
    assert "Nothing is wrong in staging" in text
    saved = nbformat.read(desk.work / "notebooks" / "verify.ipynb", as_version=4)
    kinds = {output.output_type for cell in saved.cells for output in cell.get("outputs", ())}
    assert kinds == {"execute_result", "display_data"}
    assert_nothing_leaked(desk, hidden, text, content, log.read_text(errors="replace"))
    assert processes(str(desk.root)) == []


def test_the_button_in_jupyterlab_writes_what_the_plan_says(healthy_lab: Lab) -> None:
    """Run All writes nothing, a press does: the page and the saved notebook tell it, and show no value, old or new."""
    desk = healthy_lab.desk
    secretsmanager = client(desk.sandbox, "secretsmanager")
    before, hidden = secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"], values(desk.sandbox)
    page = healthy_lab.run_all("update", 1400, 1000, keys="SECRET_KEY", values_from="generate")
    button = page.get_by_role("button", name="Write SECRET_KEY and redeploy backend, worker in staging", exact=True)
    button.wait_for()
    assert secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"] == before
    button.dblclick()
    page.get_by_role("button", name="✓ Done and verified", exact=True).wait_for()
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    text, content = page.inner_text(".jp-NotebookPanel"), page.content()
    stages = secretsmanager.describe_secret(SecretId=SECRET)["VersionIdsToStages"]
    (old,), (new,) = before, stages.keys() - before.keys()
    assert stages == {old: ["AWSPREVIOUS"], new: ["AWSCURRENT"]}
    saved = nbformat.read(desk.work / "notebooks" / "update.ipynb", as_version=4)
    for page_text in (text, shown_by(saved)):
        assert "nothing was changed" not in page_text.lower()
        assert "Done and verified: SECRET_KEY changed;" in page_text and new in page_text
    assert "ButtonModel" in json.dumps(saved.metadata.widgets)
    assert_nothing_leaked(desk, [*hidden, *values(desk.sandbox)], text, content, healthy_lab.log)


def test_run_all_leads_to_the_beginning_of_the_answer(healthy_lab: Lab) -> None:
    """On a small page, where an answer is longer than what is left below the middle."""
    wait_until(healthy_lab.run_all("index", 800, 700), ANSWER_BEGINS_ABOVE)


def test_a_saved_notebook_says_how_to_get_its_buttons_back(healthy_lab: Lab) -> None:
    """Once a cell, where JupyterLab would say of each widget that its model is not found."""
    page = healthy_lab.open("verify", 1280, 1000)
    page.evaluate(ADD_LOST_WIDGETS)
    wait_until(page, f"{LOST_WIDGETS}.length === 2")
    texts = page.evaluate(f"{LOST_WIDGETS}.filter(node => node.checkVisibility()).map(node => {AFTER})")
    assert len(texts) == 1 and "choose Run → Run All Cells" in texts[0]


def test_buttons_of_a_kernel_that_was_restarted_are_off_and_say_how_to_get_them_back(healthy_lab: Lab) -> None:
    """They could only get a broken link, and do nothing: by mouse, keyboard and screen reader."""
    page = healthy_lab.run_all("verify", 1280, 1000)
    button = page.locator("button", has_text=re.compile("^Run again$"))
    assert not button.evaluate(IS_OFF)
    page.evaluate(RESTART)
    texts = f"[...document.querySelectorAll('.jp-OutputArea-output')].map(node => {AFTER})"
    wait_until(page, f"{texts}.some(text => text.includes('choose Run → Run All Cells'))")
    wait_until(page, "[...document.querySelectorAll('.jupyter-widgets-disconnected')].every(node => node.inert)")
    assert button.evaluate(IS_OFF)


def test_a_key_pressed_in_a_form_is_the_forms(healthy_lab: Lab) -> None:
    """It chooses, where JupyterLab would delete the cell; with Ctrl it is JupyterLab's, such as the one that saves."""
    page = healthy_lab.run_all("verify", 1280, 1000)
    select = page.locator(".jp-OutputArea select").first
    count = page.evaluate(CELL_COUNT)
    select.focus()
    page.keyboard.press("b")
    page.keyboard.press("x")
    page.keyboard.press("ArrowUp")
    assert page.evaluate(CELL_COUNT) == count and select.evaluate(IS_FOCUSED)
    page.evaluate(NOTE_SAVES)
    page.keyboard.press("Control+s")
    wait_until(page, "() => saves.some(state => state.startsWith('completed'))")


def test_from_the_index_to_a_plan(healthy_lab: Lab) -> None:
    """Two clicks show the verdict, a card opens its notebook filled in, and a choice in its form plans again."""
    desk, hidden, page = healthy_lab.desk, values(healthy_lab.desk.sandbox), healthy_lab.open("index", 1280, 900)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.get_by_text("Nothing is wrong in staging").wait_for()
    page.get_by_role("button", name="Open rotate", exact=True).click()
    wait_until(page, SHOWS, "rotate-staging.ipynb")
    panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")
    wait_until(page, HAS_RUN)
    panel.get_by_role("group", name="keys", exact=True).get_by_label("SECRET_KEY", exact=False).check()
    status = panel.get_by_role("status").filter(has_text="PLAN: nothing was changed in staging")
    status.wait_for()
    panel.get_by_role("button", name="Write SECRET_KEY and redeploy backend, worker in staging").wait_for()
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    text, content = page.inner_text(".jp-NotebookPanel:not(.lm-mod-hidden)"), page.content()
    saved = nbformat.read(desk.work / "notebooks" / "rotate-staging.ipynb", as_version=4)
    (parameters,) = (cell.source for cell in saved.cells if "parameters" in cell.metadata.get("tags", ()))
    assert 'keys: str = "SECRET_KEY"  # keys to renew' in parameters and "apply: bool = False" in parameters
    assert "SECRET_KEY would be changed" in shown_by(saved) and "SECRET_KEY would be changed" in text
    assert_nothing_leaked(desk, hidden, text, content, healthy_lab.log)


def test_a_value_that_is_asked_for_in_jupyterlab_goes_into_the_dotenv_and_nowhere_else(
    healthy_lab: Lab, tmp_path: Path
) -> None:
    """Typed hidden into the prompt under Run All, and written by the button; no page, log or other file has it."""
    platform, key = make_platform(tmp_path / "checkout"), f"sk-{secrets.token_hex(16)}"
    page = healthy_lab.open("local_setup", 1400, 1000, repository=str(platform.root), values_from="prompt")
    page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
    prompt = page.locator("input.jp-Stdin-input[type=password]")
    prompt.fill(key)
    prompt.press("Enter")
    button = page.get_by_role("button", name="Write the .env", exact=True)
    button.wait_for()
    wait_until(page, READY)
    assert not platform.dotenv.exists()
    button.press("Enter")
    page.get_by_role("button", name="✓ Written", exact=True).wait_for()
    wait_until(page, "() => document.activeElement.closest('.jp-Cell')")
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    text, content = page.inner_text(".jp-NotebookPanel"), page.content()
    dotenv = dotenv_values(platform.dotenv)
    assert dotenv["OPENAI_API_KEY"] == key and platform.dotenv.stat().st_mode & 0o777 == 0o600
    assert "✓ Nothing is wrong in your .env" in text
    new_values = [str(dotenv[name]) for name in ("OPENAI_API_KEY", "SECRET_KEY", "FIRST_SUPERUSER_PASSWORD")]
    healthy_lab.hidden += new_values
    assert_nothing_leaked(healthy_lab.desk, new_values, text, content, healthy_lab.log)
    assert platform.git("status", "--short") == ""


def test_an_apply_in_its_cell_is_used_up_by_its_run(healthy_lab: Lab, tmp_path: Path) -> None:
    """Run All again plans; the rest of the cell stays as it is."""
    platform = make_platform(tmp_path / "checkout")
    page = healthy_lab.open("local_setup", 1280, 1000, repository=str(platform.root))
    page.evaluate(SET_APPLY)
    before = page.evaluate(PARAMETERS)
    assert "apply: bool = True  #" in before
    run_cells(page)
    page.get_by_role("button", name="✓ Written", exact=True).wait_for()
    wait_until(page, f"before => ({PARAMETERS})() !== before", before)
    assert page.evaluate(PARAMETERS) == before.replace("apply: bool = True", "apply: bool = False")
    dotenv = dotenv_values(platform.dotenv)
    healthy_lab.hidden += [str(dotenv[name]) for name in ("SECRET_KEY", "FIRST_SUPERUSER_PASSWORD")]


def test_a_newcomer_goes_through_onboarding_by_hand(healthy_lab: Lab) -> None:
    """Questions by radio button, the first one wrong; three drills with a look and a hint; marks that follow."""
    page = healthy_lab.run_all("onboarding", 1280, 1000)
    first = outputs_of(page, f'question(course, "{QUESTIONS[0].name}")')
    first.get_by_role("button", name="Answer", exact=True).click()
    first.get_by_text("Choose an answer first.").wait_for()
    for number, question in enumerate(QUESTIONS):
        letter = question.right if number else "b"
        panel = outputs_of(page, f'question(course, "{question.name}")')
        choices = panel.get_by_role("group", name=question.text, exact=True)
        choices.get_by_role("radio", name=question.labelled(letter), exact=True).check()
        panel.get_by_role("button", name="Answer", exact=True).click()
        panel.get_by_text(question.choice(letter).why.split(".")[0]).first.wait_for()
    drills = outputs_of(page, "drills(course)")
    drills.get_by_role("button", name="Start", exact=True).click()
    drills.get_by_text("Drill 1 of").last.wait_for()
    drills.get_by_role("button", name="Answer", exact=True).last.click()
    drills.get_by_text("Choose a fault first.").wait_for()
    for number, fault in enumerate(DRILLS, 1):
        drills.get_by_text(f"Drill {number} of {len(DRILLS)}:").last.wait_for()
        drills.get_by_role("button", name="Look at the state", exact=True).click()
        drills.get_by_text("SECRET_KEY" if fault == "misspelt" else "staging at 20").last.wait_for()
        drills.get_by_role("button", name="Hint (costs 2 points)", exact=True).click()
        drills.get_by_text("A right answer is worth 8 points").last.wait_for()
        drills.get_by_role("combobox", name="It is about", exact=True).select_option(faults.find(fault).family)
        breaks = faults.find(fault).breaks
        drills.get_by_role("combobox", name="and is", exact=True).select_option(f"{fault}: {breaks}")
        drills.get_by_role("button", name="Answer", exact=True).last.click()
        drills.get_by_text(f"8 of 10 points: it was {fault}").first.wait_for()
    outputs_of(page, "onboarding.conclude(course)").get_by_text("9 of 10 answers are right").first.wait_for()
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    text = page.inner_text(".jp-NotebookPanel")
    assert "9 of 10 right" in text and "3 of 3 faults were found by their symptoms." in text
    saved = nbformat.read(healthy_lab.desk.work / "notebooks" / "onboarding.ipynb", as_version=4)
    kinds = {output.output_type for cell in saved.cells for output in cell.get("outputs", ())}
    assert kinds == {"execute_result", "display_data"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 800])
def test_the_record_reads_well_from_a_file(browser: Any, page_file: Path, scheme: str, width: int) -> None:
    """The page fetches nothing, complains of nothing, fits its window, contrasts, and holds matrix and outcome."""
    fetched: list[str] = []
    complaints: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.on("request", lambda request: fetched.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(page_file.as_uri())
    page.wait_for_load_state("networkidle")
    assert [url for url in fetched if not url.startswith("data:")] == [page_file.as_uri()]
    assert complaints == []
    text = page.inner_text("body")
    for words in ("POSTGRES_PASSWORD", "reaches tasks", "2\u00a0fresh", "Nothing is wrong in staging"):
        assert words in text
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    is_light = page.evaluate("getComputedStyle(document.body).color") != "rgb(0, 0, 0)"
    assert is_light == (scheme == "dark")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_index_of_records_can_be_read_on_a_phone(browser: Any, tmp_path: Path, scheme: str) -> None:
    """It fetches nothing, fits 400 pixels, and says in words what its marks mean."""
    (tmp_path / "index.html").write_text(an_index())
    fetched: list[str] = []
    page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme)
    page.on("request", lambda request: fetched.append(request.url))
    page.goto((tmp_path / "index.html").as_uri())
    assert fetched == [(tmp_path / "index.html").as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.get_by_role("link", name="proved, 2026-07-02 23:00 UTC: applied, ok").wait_for()
    assert page.locator("ol.runs >> nth=0").get_by_role("link").count() == 2
    assert (page.evaluate("getComputedStyle(document.body).color") != "rgb(0, 0, 0)") == (scheme == "dark")
    page.screenshot(path=tmp_path / "index.png", full_page=True)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_fault_that_axe_core_finds(browser: Any, page_file: Path, tmp_path: Path, scheme: str) -> None:
    """The record of a run, and the displays of a change under way or unfinished: contrast, landmarks."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-core to look for faults")
    state = ChangeState(
        runbook="rotate",
        environment="staging",
        account="",
        region="",
        endpoint="",
        started=NOW,
        go_on="omc-runbook run rotate",
        steps=("move", "watch"),
        changes=("changed SECRET_KEY",),
        rollouts=(Rollout("backend", "ecs-svc/1", "family:7", "rolling", 2, 1, others=1, began=NOW),),
        **own_process(),
    )
    parts = (
        RunningChange(state),
        ChangeToFinish(state),
        ChangeToFinish(replace(state, process=0), "Version v is current."),
    )
    change_page = tmp_path / "change.html"
    change_page.write_text(whole_page("A change", STYLE, "<h1>A change</h1>", "\n".join(p.to_html() for p in parts)))
    index = tmp_path / "index.html"
    index.write_text(an_index())
    for path in (page_file, change_page, index):
        page = browser.new_page(color_scheme=scheme)
        page.goto(path.as_uri())
        for width in (1280, 800, 400):
            page.set_viewport_size({"width": width, "height": 900})
            violations = axe.Axe().run(page).response["violations"]
            assert [(path.name, width, fault["id"], fault["nodes"][0]["html"]) for fault in violations] == []
        page.close()
