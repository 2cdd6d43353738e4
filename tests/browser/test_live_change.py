"""A change at a person's screen: stopped, reloaded, its kernel killed, interrupted; finished and taken back by buttons.

Backend is deployed blue/green, with a bake time that leaves room to act; worker is rolled.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.administrator import Staging
from support.jupyterlab import (
    CHROMIUM,
    FAST,
    HAS_RUN,
    OPTIONS,
    READY,
    SLOW,
    lab,
    put,
    run_all,
    run_cells,
    show,
    wait_until,
)
from support.runs import Desk, assert_nothing_leaked, spellings, values
from support.small_world import until

from omc_runbook.model.handover import FOLDER_VARIABLE
from omc_runbook.report.archive import kept_records
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.worlds import deployments

LONG, KERNELS = 20, 4
BACK, LEAVE = "Stop and put the former version back", "Stop watching (the deployment goes on)"


def is_in(content: bytes, value: str) -> bool:
    return any(spelling in content for spelling in spellings(value))


class Screen:
    """The notebook rotate in JupyterLab, in a world that a person watches."""

    def __init__(self, page: Any, address: str, desk: Desk) -> None:
        self.page, self.address, self.desk, self.staging = page, address, desk, Staging(desk.sandbox)
        self.hidden = values(desk.sandbox)

    def run_all(self) -> None:
        """Open a new page, run every cell, and note the values that must not be shown."""
        run_all(self.page, self.address)
        self.hidden += values(self.desk.sandbox)

    def run_anew(self, **parameters: str) -> None:
        """Run a fresh copy on the page that is open."""
        put(self.desk, "rotate", **parameters)
        self.run_again()

    def run_again(self) -> None:
        """Open the notebook as it was saved on the page that is open, and run every cell."""
        show(self.page, "rotate.ipynb")
        run_cells(self.page)
        self.hidden += values(self.desk.sandbox)

    def type_value(self) -> str:
        """Run update, and type a value into its prompt; gives the value."""
        value, page = f"sk-{secrets.token_hex(16)}", self.page
        show(page, "update.ipynb")
        page.evaluate("void jupyterapp.commands.execute('notebook:run-all-cells')")
        prompt = page.locator("input.jp-Stdin-input[type=password]")
        prompt.fill(value)
        prompt.press("Enter")
        wait_until(page, HAS_RUN)
        wait_until(page, READY)
        self.hidden += [value, *values(self.desk.sandbox)]
        return value

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def choose(self, key: str) -> None:
        """Run a copy without parameters, and tick a key in the form, which plans again."""
        self.run_anew()
        box = self.page.locator(".jp-NotebookPanel .widget-checkbox", has_text=key).first
        box.locator("input").check()
        self.button(f"Write {key} and redeploy backend, worker in staging").wait_for()
        wait_until(self.page, READY)

    @property
    def answer(self) -> str:
        """The text of the last code cell's outputs."""
        return str(self.page.locator(".jp-CodeCell .jp-OutputArea").last.inner_text())

    def begin(self, key: str = "SECRET_KEY") -> None:
        """Press the button, and wait for the bars of both services; they stay as long as they are needed."""
        lifecycle.set_minute(self.desk.sandbox, SLOW)
        self.button(f"Write {key} and redeploy backend, worker in staging").click()
        self.button(LEAVE).wait_for()
        wait_until(self.page, "document.body.innerText.includes('watching the new tasks')")
        self.hidden += values(self.desk.sandbox)

    def finish(self, name: str, label: str, back_to: str = "") -> None:
        """Press a button that ends a change, and wait for that; first for the version that it goes back to, if any."""
        self.button(name).click()
        if back_to:
            # Were time fast at once, the change might be done before it hears of the button.
            until(lambda: self.staging.current == back_to)
        lifecycle.set_minute(self.desk.sandbox, FAST)
        self.button(label).first.wait_for()

    @property
    def text(self) -> str:
        return str(self.page.inner_text(".jp-NotebookPanel"))

    @property
    def records(self) -> Path:
        return self.desk.work / "records"

    @property
    def states(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in self.records.glob("*.state.json")]

    def outcome(self) -> dict[str, Any]:
        return json.loads((self.records / "outcome.json").read_text())


@pytest.fixture(scope="module")
def screen(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    started, root = lifecycle.up("healthy"), tmp_path_factory.mktemp("screen")
    profile = tmp_path_factory.mktemp("profile")
    desk = Desk(root, started)
    desk.variables[FOLDER_VARIABLE] = str(desk.work)
    log = root / "lab.log"
    with (
        lab(desk, log, "rotate", kernels=KERNELS, keys="SECRET_KEY") as address,
        # All that the browser keeps is looked through, too.
        browser.browser_type.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=list(OPTIONS), viewport={"width": 1280, "height": 1000}
        ) as context,
    ):
        put(desk, "update", keys="OPENAI_API_KEY", values_from="prompt")
        page = context.new_page()
        new_screen = Screen(page, address, desk)
        deployments.configure(new_screen.staging.world, "backend", strategy="BLUE_GREEN", bake_minutes=1)
        yield new_screen
        text, content = new_screen.text, page.content()
        page.close()
    lifecycle.down(started)
    assert_nothing_leaked(desk, new_screen.hidden, text, content, log.read_text(errors="replace"))
    # JupyterLab's own scripts, which the browser keeps, have words that are values of the sandbox, too.
    long = {value for value in new_screen.hidden if len(value) >= LONG}
    files = [(path, path.read_bytes()) for path in profile.rglob("*") if path.is_file()]
    assert long and files and not [path for path, content in files for value in long if is_in(content, value)]


def test_a_change_goes_on_after_a_reload_and_is_taken_back_by_its_button(screen: Screen) -> None:
    """The bars and the buttons are there again; the former version is current, its tasks run, and all cells say so."""
    screen.run_all()
    before, page = screen.staging.current, screen.page
    screen.begin()
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    screen.button(BACK).wait_for()
    assert "backend" in screen.text and "under way since" in screen.text
    (state,) = screen.states
    assert state["former"] == before and state["new"] == screen.staging.current
    screen.finish(BACK, "✓ Stopped and put back", before)
    assert "was stopped and taken back" in screen.answer and "Under way" not in screen.text
    assert screen.staging.current == before and not screen.staging.labels() and screen.states == []
    assert (screen.outcome()["root_causes"], screen.outcome()["applied"]) == (["change-cancelled"], True)
    (record,) = screen.records.glob("rotate-staging-*.html")
    assert str(record) in screen.text and "Stopped, as you asked" in record.read_text()
    assert [each.state for each in kept_records.check(screen.records)] == ["intact"]


def test_after_its_kernel_was_killed_a_typed_value_is_rolled_out_by_a_button(screen: Screen) -> None:
    """A notebook that is run again says above its plan what was done and what is current; nobody has the value."""
    before, value = screen.staging.current, screen.type_value()
    screen.begin("OPENAI_API_KEY")
    screen.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    (state,) = screen.states
    os.kill(state["process"], signal.SIGKILL)
    screen.page.wait_for_timeout(500)
    assert state["steps"][-1] == "watch" and screen.staging.current == state["new"] != before
    screen.run_again()
    text = screen.text
    assert "was not finished" in text and f"Version {state['new']} is current, with the new values" in text
    assert text.index("was not finished") < text.index("What is there")
    screen.finish("Finish it", "✓ Done and verified")
    assert screen.staging.current == state["new"] and not screen.staging.labels() and screen.states == []
    assert screen.outcome()["status"] == "ok" and screen.outcome()["changes"]
    assert screen.staging.members["OPENAI_API_KEY"] == value


def test_a_key_chosen_in_the_form_is_rotated_through_a_reload_and_a_killed_kernel(screen: Screen) -> None:
    """Opened again, the panel finishes it; then the last cell says what is, and offers no plan from before."""
    screen.choose("SECRET_KEY")
    before, page = screen.staging.current, screen.page
    screen.begin()
    page.evaluate("jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    screen.button(BACK).wait_for()
    (state,) = screen.states
    os.kill(state["process"], signal.SIGKILL)
    page.wait_for_timeout(500)
    page.goto("about:blank")
    screen.run_all()
    assert "not finished" in screen.answer and screen.staging.current == state["new"] != before
    screen.finish("Finish it", "✓ Done and verified")
    screen.button("Run all cells again").wait_for()
    assert "Nothing is wrong in staging" in screen.answer and "not finished" not in screen.answer
    assert "How to go on" not in screen.text and "was a dry run" not in screen.text and "Under way" not in screen.text
    assert page.get_by_role("button", name="Write ", exact=False).count() == 0
    assert not screen.staging.labels() and screen.states == [] and screen.staging.current == state["new"]
    with page.expect_popup() as opened:
        screen.button("Open the record").click()
    opened.value.frame_locator("iframe").get_by_text("Done and verified").first.wait_for()
    opened.value.close()


def test_an_interrupted_change_says_what_is_current_and_offers_the_way_back(screen: Screen) -> None:
    """By JupyterLab's own button for it; the two buttons stand where the first one was."""
    screen.run_anew(keys="SECRET_KEY")
    before = screen.staging.current
    screen.begin()
    screen.page.evaluate("void jupyterapp.commands.execute('notebook:interrupt-kernel')")
    screen.button("Take it back").wait_for()
    (state,) = screen.states
    assert "Stopped, as you asked" in state["ended"] and screen.text.count("Done before: ") == 1
    assert "Nothing to do" not in screen.text
    assert screen.text.count("It is not finished.") == 1 and f"Version {state['new']} is current" in screen.text
    assert screen.outcome()["status"] == "failed" and screen.outcome()["applied"]
    screen.finish("Take it back", "✓ Done and verified")
    assert screen.staging.current == before and not screen.staging.labels() and screen.states == []
