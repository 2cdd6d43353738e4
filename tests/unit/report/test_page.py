"""A record's page: it shows what nbconvert's would, and every picture in it says what it shows."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from support.outcomes import an_outcome
from support.paths import ROOT

from omc_runbook.model.findings import Finding, Remedy
from omc_runbook.model.unread_target import unread
from omc_runbook.report.archive.notebook_page import to_html
from omc_runbook.report.archive.record import MOST_CAUSES, Record, write_page
from omc_runbook.report.archive.sections import without_empty

WRAPPERS = {"div", "main", "body", "html", "style", "span", "svg"}
"""What nbconvert puts around its cells."""


def contents_of(page: str) -> tuple[str, Counter[str], list[str], list[str]]:
    """What a reader sees on a page: its text, its elements, its links and its images."""
    soup = BeautifulSoup(page, "html.parser")
    for link in soup.select("a.anchor-link"):
        link.decompose()
    for code in soup.select("pre > code"):
        code.unwrap()
    elements = Counter(tag.name for tag in soup.find_all(True) if tag.name not in WRAPPERS)
    links = [str(each["href"]) for each in soup.find_all("a")]
    pictures = [str(each["src"]) for each in soup.find_all("img")]
    return "".join(soup.get_text().split()), elements, links, pictures


@pytest.mark.parametrize("path", sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda path: path.stem)
def test_a_page_shows_what_nbconvert_makes_of_it(path: Path) -> None:
    """The same text in the same elements, for every notebook."""
    notebook = without_empty(nbformat.read(path, 4))
    exporter = HTMLExporter(template_name="basic", exclude_input=True, exclude_output_prompt=True, embed_images=True)
    expected, _ = exporter.from_notebook_node(notebook)
    assert contents_of(to_html(notebook)) == contents_of(expected)


def test_texts_of_a_stream_are_one_and_an_error_has_no_colours() -> None:
    """What a bar overwrote is gone, and so are a terminal's commands; HTML in a text is text."""
    outputs = [
        new_output("stream", name="stdout", text="10 %\r50 %\r"),
        new_output("stream", name="stdout", text="100 %\n<b>done</b>\n"),
        new_output("stream", name="stderr", text="beside"),
        new_output("error", ename="E", evalue="v", traceback=["\x1b[0;31mKeyError\x1b[0m: \x1b]0;title\x07<i>"]),
    ]
    page = to_html(new_notebook(cells=[new_code_cell("x", outputs=outputs)]))
    texts = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert texts[:2] == ["100 %\n&lt;b&gt;done&lt;/b&gt;\n", "beside"]
    assert "KeyError: " in texts[2] and "&lt;i&gt;" in texts[2] and "\x1b" not in page


def test_html_in_prose_is_text() -> None:
    """A name in Markdown cannot bring an element of its own."""
    page = to_html(new_notebook(cells=[new_markdown_cell("## A `b` title\n\n<script>x</script>")]))
    assert '<h2 id="A-b-title">' in page and "<script" not in page


def test_the_head_of_a_page_says_why_a_plan_is_refused(tmp_path: Path) -> None:
    """Findings may be about something else."""
    empty = Finding(check="empty", family="content", title="It is empty", status="found", subject="SECRET_KEY")
    why = ("New tasks would fail.",)
    outcome = an_outcome(runbook="add_key", findings=(empty,), plan=("A.",), blockers=why)
    record = Record(tmp_path, "add_key-staging-x")
    write_page(new_notebook(), outcome, record)
    assert "New tasks would fail." in record.page.read_text(encoding="utf-8")


def test_the_head_of_a_page_says_the_title_of_a_cause_once(tmp_path: Path) -> None:
    """A secret that was created again leaves each reference wrong."""
    empty = Finding(check="empty", family="content", title="It is empty", status="found")
    outcome = an_outcome(findings=tuple(replace(empty, subject=f"KEY_{n}") for n in range(10)))
    record = Record(tmp_path, "verify-staging-x")
    write_page(new_notebook(), outcome, record)
    page = record.page.read_text(encoding="utf-8")
    assert page.count("It is empty") == 1 and "It is empty: KEY_0, KEY_1, " in page and "KEY_7 and 2 more" in page


def test_the_head_of_a_page_says_what_is_unknown(tmp_path: Path) -> None:
    """How many checks for which reason, and which environment was not looked at; "unknown" alone leads nowhere."""
    throttled = Finding(check="empty", family="content", title="It is empty", status="unknown")
    reads = ("Could not read secret x: Throttling.", "Could not read its value: Throttling.")
    findings = (replace(throttled, evidence=reads), replace(throttled, check="weak", evidence=reads[:1]))
    dark = unread("qa: The sign-in has expired.", Remedy(), "qa")
    record = Record(tmp_path, "verify-staging-x")
    write_page(new_notebook(), an_outcome(findings=(*findings, dark)), record)
    page = record.page.read_text(encoding="utf-8")
    assert "2 checks are unknown: Could not read secret x, its value: Throttling." in page
    assert "Not looked at: qa: The sign-in has expired." in page


@pytest.mark.parametrize(
    ("failure", "others", "expected"),
    [
        ("Not looked at: qa, dev.", 0, ""),
        ("Not looked at: qa, dev. Account 1 refused.", 0, "Account 1 refused."),
        ("Not looked at: qa, dev.", MOST_CAUSES, "Not looked at: qa, dev."),
        ("The disk is full.", 0, "The disk is full."),
    ],
)
def test_the_head_of_a_page_names_an_environment_that_was_not_looked_at_once(
    failure: str, others: int, expected: str, tmp_path: Path
) -> None:
    """With its reason; where there is no room for all reasons, the sentence with all names stays."""
    causes = (
        Finding(check=f"c{number}", family="content", title=f"Cause {number}", status="found")
        for number in range(others)
    )
    dark = (unread(f"{name}: The sign-in has expired.", Remedy(), name) for name in ("qa", "dev"))
    record = Record(tmp_path, "fleet-staging-x")
    write_page(new_notebook(), an_outcome(findings=(*causes, *dark), failure=failure), record)
    page = record.page.read_text(encoding="utf-8")
    assert page.count("Not looked at: qa, dev.") == expected.count("Not looked at") and expected in page
    assert (page.count("Not looked at: qa: ") + page.count("Not looked at: dev: ")) == (0 if others else 2)


def test_every_picture_has_an_alternative_text() -> None:
    """Who cannot see a picture reads what it shows, in every notebook that has one."""
    pictures = 0
    for path in ROOT.glob("notebooks/*.ipynb"):
        for picture in re.findall(r"<img\b[^>]*>", to_html(without_empty(nbformat.read(path, 4)))):
            assert re.search(r'\balt="[^"]{10,}"', picture), path.name
            pictures += 1
    assert pictures
