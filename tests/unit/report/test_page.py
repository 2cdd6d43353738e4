"""A record's page: it is nbconvert's, and every picture in it says what it shows."""

import re

import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from support.paths import ROOT

from omc_runbook.report.archive.record import to_html
from omc_runbook.report.archive.sections import without_empty


def test_a_page_is_as_nbconvert_makes_it() -> None:
    """Nothing is lost by going without nbconvert's second reading of the page."""
    notebook = without_empty(nbformat.read(ROOT / "notebooks" / "troubleshoot.ipynb", 4))
    exporter = HTMLExporter(template_name="basic", exclude_input=True, exclude_output_prompt=True, embed_images=True)
    expected, _ = exporter.from_notebook_node(notebook)
    assert str(BeautifulSoup(to_html(notebook), "html.parser")) == expected


def test_every_picture_has_an_alternative_text() -> None:
    """Who cannot see a picture reads what it shows, in every notebook that has one."""
    pictures = 0
    for path in ROOT.glob("notebooks/*.ipynb"):
        for picture in re.findall(r"<img\b[^>]*>", to_html(without_empty(nbformat.read(path, 4)))):
            assert re.search(r'\balt="[^"]{10,}"', picture), path.name
            pictures += 1
    assert pictures
