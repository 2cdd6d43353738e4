"""What a record's page takes of a notebook: its title, contents, sections, and alternative texts."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from papermill.execute import ERROR_MARKER_TAG

from omc_runbook.model.change import Change
from omc_runbook.model.findings import Finding, Outcome
from omc_runbook.report.archive import notebook_page, sections
from omc_runbook.report.archive import record as records
from omc_runbook.report.archive.record import Record

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)
FINDING = Finding(check="not-forced", family="deployment", title="Old values", status="found", subject="backend")
PLAIN = Outcome(
    runbook="rotate", environment="staging", account="1", region="r", endpoint="", started=NOW, finished=NOW, plan=()
)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'


def output_cell(text: str) -> Any:
    """A cell that showed a text."""
    output = new_output("execute_result", {"text/plain": text, "text/html": f"<p>{text}</p>"})
    return new_code_cell("show()", outputs=[output])


def notebook() -> Any:
    """A run that broke off in its third section."""
    picture = new_output("execute_result", {"image/svg+xml": SVG}, metadata={"image/svg+xml": {"alt": "A way & more"}})
    return new_notebook(
        cells=[
            new_markdown_cell("# Rotate\n\nUse it.\n\n## Parameters\n\nNever a value."),
            new_code_cell('keys = ""', metadata={"tags": ["parameters"]}),
            new_markdown_cell(
                "## Where am I\n\nUntil you run it, the outputs here are a sample, from a sandbox. So far."
            ),
            output_cell("the account"),
            new_code_cell("picture()", outputs=[picture]),
            new_markdown_cell("It was read.\n\n## Change it\n\nNow."),
            new_code_cell("closing.show()"),
            new_markdown_cell("It was changed.\n\n## Answer\n\nWhat is true now:"),
            new_code_cell("closing.answer()"),
        ]
    )


def page(tmp_path: Path, ran: Any, outcome: Outcome) -> str:
    """The page of a run."""
    record = Record(tmp_path, "rotate-staging-20260701T030000Z")
    records.write_page(ran, outcome, record)
    return record.page.read_text(encoding="utf-8")


def test_a_run_that_broke_off_says_so_in_the_head_alone(tmp_path: Path) -> None:
    """Without papermill's marks, whose HTML would stand there as text; commands stay on lines of their own."""
    ran = notebook()
    marks = {"tags": [ERROR_MARKER_TAG]}
    ran.cells = [new_markdown_cell('<span style="color:red">An Exception</span>', metadata=marks), *ran.cells]
    failure = "Interrupted. To go on:\nomc-runbook run rotate\nTo go back:\nomc-runbook run restore"
    text = page(tmp_path, ran, replace(PLAIN, failure=failure))
    assert "An Exception" not in text
    assert "<br>".join(["", *failure.splitlines(), ""]) in text


def test_sections_that_showed_nothing_are_left_out(tmp_path: Path) -> None:
    """With their headings and their sentences; what stands above the next heading belongs to the section before."""
    ran = notebook()
    before = [cell.source for cell in ran.cells]
    text = page(tmp_path, ran, replace(PLAIN, failure="The kernel died."))
    headings = re.findall(r"<h2[^>]*>([^<]+)", text)
    assert headings == ["Parameters", "Where am I"] == [*sections.headings(sections.without_empty(ran))]
    assert "It was read." in text and "Now." not in text and "It was changed." not in text
    assert "a sample" not in text and "So far." in text
    assert [cell.source for cell in ran.cells] == before


def test_every_link_of_the_contents_leads_to_a_section(tmp_path: Path) -> None:
    """Each section once, and what there is to do first, where there is something to do."""
    ran = notebook()
    ran.cells[6].outputs = ran.cells[8].outputs = output_cell("It says so.").outputs
    text = page(tmp_path, ran, replace(PLAIN, findings=(FINDING,)))
    nav = re.search(r"<nav.*?</nav>", text, re.DOTALL)
    assert nav
    links = re.findall(r'href="#([^"]+)">([^<]+)', nav[0])
    assert [words for _, words in links] == ["What to do", "Parameters", "Where am I", "Change it", "Answer"]
    assert all(f'id="{target}"' in text for target, _ in links)
    assert "What to do" not in page(tmp_path, ran, PLAIN)


@pytest.mark.parametrize(("answer", "times"), [("───\n✓ All is well.\n───", 1), ("Cards", 2)])
def test_how_the_run_ended_is_said_once(answer: str, times: int) -> None:
    """By the answer, if it says so: that of the index does not."""
    cells = [new_markdown_cell("# Rotate"), new_markdown_cell("## Outcome"), output_cell("───\n✓ All is well.\n───")]
    ran = new_notebook(cells=[*cells, new_markdown_cell("## Answer\n\nWhat to do:"), output_cell(answer)])
    assert sections.headings(sections.without_empty(ran)) == ("Outcome", "Answer")[-times:]


@pytest.mark.parametrize(
    ("outcome", "end"),
    [
        (PLAIN, "rotate on staging: nothing to do, ok"),
        (replace(PLAIN, plan=("It would change.",)), "rotate on staging: PLAN: nothing was changed"),
        (
            replace(PLAIN, plan=("It would change.",), applied=True, changes=(Change(action="changed", key="K"),)),
            "rotate on staging: applied, ok",
        ),
        (replace(PLAIN, plan=("It would change.",), applied=True, failure="AWS refused."), "rotate on staging: failed"),
        (replace(PLAIN, plan=None, findings=(FINDING,)), "rotate on staging: findings (not-forced)"),
    ],
    ids=["nothing to do", "plan", "applied", "broke off", "findings"],
)
def test_the_title_and_the_banner_say_how_it_ended(outcome: Outcome, end: str, tmp_path: Path) -> None:
    """In the same words; the title has the time too."""
    text = page(tmp_path, notebook(), outcome)
    assert f"<title>{end}, 2026-07-01 03:00 UTC</title>" in text
    assert f"{end}</strong>" in text


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"text/markdown": "*all*", "text/plain": "all"}, "<em>all</em>"),
        (
            {"image/png": "iVBO\n", "text/plain": "<Figure>"},
            '<img alt="No description available" src="data:image/png;base64,iVBO">',
        ),
        (
            {"image/svg+xml": "<svg><title>all</title></svg>", "text/plain": "<Figure>"},
            "\n<svg><title>all</title></svg>\n",
        ),
    ],
    ids=["Markdown", "pixels", "a drawing that has its own title"],
)
def test_an_output_is_shown_in_its_best_form(data: dict[str, str], expected: str) -> None:
    """Of what other libraries display, too."""
    ran = new_notebook(cells=[new_code_cell("show()", outputs=[new_output("display_data", data)])])
    assert expected in notebook_page.to_html(ran)


def test_a_drawing_has_its_alternative_text(tmp_path: Path) -> None:
    """nbconvert gives such an image none."""
    text = page(tmp_path, notebook(), PLAIN)
    assert re.findall(r'<img[^>]* alt="([^"]+)"', text) == ["A way &amp; more"]
    assert f'src="data:image/svg+xml;base64,{b64encode(SVG.encode()).decode()}"' in text
