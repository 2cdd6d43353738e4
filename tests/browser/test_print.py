"""A record's page on paper: all of it is there, dark on white, and as wide as the paper; and displays on a screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_output

from omc_runbook.model.errors import UsageError
from omc_runbook.report.archive.record import STYLE
from omc_runbook.report.audit import UNFOLDED, FoldedTable
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.boxes import whole_page
from omc_runbook.report.display.diff import Diffs, FileDiff
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.rich_display import Collapsible
from omc_runbook.report.display.table import Table
from omc_runbook.runbooks import frontend

PAPER = 703
"""A4 without its margins, in pixels of CSS."""
LAB = 828
"""What JupyterLab leaves for a display, with its file browser open, on a screen of 1280 pixels."""
ARN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbCdEf"
LONG = FoldedTable("Long", ["principal", "by", "on"], [[f"row {number}", ARN, ARN] for number in range(UNFOLDED + 1)])
SHORT = Table("Short", ["a", "b", "c", "d", "e"], [[ARN] * 5])
HIDDEN = Collapsible("More", [Listing("Folded", [Entry("name", command=f"aws {ARN} {ARN}")])])


@pytest.mark.parametrize("medium", ["screen", "print"])
def test_on_paper_nothing_is_folded_cut_off_or_dark(browser: Any, tmp_path: Path, medium: str) -> None:
    """On a dark screen the same page is folded, dark, and leads to its sections."""
    body = "\n".join(each.to_html() for each in (LONG, SHORT, HIDDEN))
    path = tmp_path / "page.html"
    path.write_text(whole_page("t", STYLE, "<nav>Contents</nav>", body), encoding="utf-8")
    page = browser.new_page(viewport={"width": PAPER, "height": 900}, color_scheme="dark")
    page.goto(path.as_uri())
    page.emulate_media(media=medium)
    is_paper = medium == "print"
    for text in (f"row {UNFOLDED}", "Folded"):
        assert page.get_by_text(text, exact=True).is_visible() is is_paper
    assert page.locator("nav").is_visible() is not is_paper
    # What stands in a table is never wider than the table, which on a screen scrolls.
    widths = page.evaluate("[...document.querySelectorAll('table')].map(each => each.getBoundingClientRect().right)")
    cells = page.evaluate("[...document.querySelectorAll('td')].map(each => each.getBoundingClientRect().right)")
    assert max(widths) <= PAPER and (max(cells) <= PAPER) is is_paper
    light = page.evaluate("getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'")
    assert light is is_paper
    page.close()


def test_a_table_of_nine_columns_fits_into_jupyterlab(browser: Any) -> None:
    """With its file browser open, on a screen of 1280 pixels."""
    columns = ["principal", "kind", "reads", "changes", "refused", "first", "last", "addresses", "unusual"]
    times, address = ["2026-11-28 10:02", "2026-11-28 10:19"], "ecs-tasks.amazonaws.com"
    role = "role/ohmycoins-staging-ecs-task-execution-role"
    rows = [
        [role, "role", "42", "0", "67", *times, address, "tasks start with it"],
        ["user/administrator", "user", "9", "1", "0", *times, "127.0.0.1", "this audit's caller"],
    ]
    page = browser.new_page(viewport={"width": LAB, "height": 900})
    # What JupyterLab gives a table: its font, and room in its cells.
    style = "<style>body { margin: 0; font: 13px sans-serif } table { border-collapse: collapse; font-size: 13px }"
    style += "td, th { padding: 0.5em }</style>"
    page.set_content(style + Table("Who used it", columns, rows).to_html())
    region = page.get_by_role("group", name="Who used it", exact=True)
    assert region.evaluate("node => node.scrollWidth <= node.clientWidth")
    page.close()


def test_a_table_that_ends_on_the_page_has_no_line_at_its_right(browser: Any, tmp_path: Path) -> None:
    """Only one that goes on there has it."""
    path = tmp_path / "page.html"
    table = Table("Who used it", ["principal"], [["user/administrator"]]).to_html()
    path.write_text(whole_page("t", STYLE, "", table), encoding="utf-8")
    page = browser.new_page(viewport={"width": 800, "height": 600}, color_scheme="light")
    page.goto(path.as_uri())
    image = page.locator("table").screenshot()
    page.add_style_tag(content="table { background: none }")
    assert page.locator("table").screenshot() == image
    page.close()


def test_a_command_has_the_font_of_code_on_the_page_of_nbconvert(browser: Any) -> None:
    """Whose style for what is in an output takes it from a <pre>; a diff has it too."""
    page = browser.new_page()
    diff = Diffs("What changes", [FileDiff("a.tf", "", ("+ a line",))], "")
    style = "<style>.output { font-family: sans-serif } .output pre { font-family: inherit }</style>"
    page.set_content(f'{style}<div class="output">{HIDDEN.to_html()}{diff.to_html()}</div>')
    fonts = page.evaluate("[...document.querySelectorAll('pre')].map(each => getComputedStyle(each).fontFamily)")
    assert fonts == ["ui-monospace, monospace"] * 2
    page.close()


def test_a_form_says_how_its_run_ended_in_a_whole_sentence(browser: Any) -> None:
    """Which plain text breaks into lines; and not what the index has below its verdict. An error shows each sign."""
    end = f"PLAN: nothing was changed in staging. Refused until this is fixed: {'a long reason ' * 9}& another."
    displays = Banner("bad", end, ("More.",)), Listing("What to do", [Entry("apply the plan")])
    outputs = [[{"data": {"text/html": each.to_html(), "text/plain": each.to_text()}}] for each in displays]
    page = browser.new_page()
    script = Path(frontend.__file__).with_suffix(".js").read_text(encoding="utf-8")
    page.add_script_tag(content=script.replace("export default { render };", "window.endOf = endOf;"), type="module")
    page.wait_for_function("!!window.endOf")
    cells = "outputs => endOf(outputs.map(each => ({model: {sharedModel: {getOutputs: () => each}}})))"
    assert page.evaluate(cells, outputs) == f"✗ {end}"
    error = UsageError("repository a\u202eb is not a folder.")
    output = new_output("error", ename="UsageError", evalue=str(error), traceback=error._render_traceback_())
    assert page.evaluate(cells, [[output]]) == "It stopped: repository a‹U+202E›b is not a folder."
    page.close()
