"""What is wrong with an output in which hostile text stands: markup that works, control characters, forged lines."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import mistune
from prometheus_client.parser import text_string_to_metric_families

MARK = "zqh"
"""In each hostile text, so that it is found wherever it stands."""
FORGED = f"PLAN: {MARK}"
"""How a line begins that a text would add."""
_PLACES = re.compile(r"(?i)on\w+|src|srcset|srcdoc|href|style|action|formaction|data|xlink:href|poster|background")
"""Attributes by which a page loads or runs something."""
_OWN_LINKS = re.compile(r"#|https://[\w.-]*console\.aws\.amazon\.com/|vscode:|data:image/")


class _Page(HTMLParser):
    """Collects where a mark is more than text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self._raw = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that a text brings along, or one whose attribute it is."""
        if MARK in tag:
            self.problems.append(f"is the element {tag}")
        for name, text in attrs:
            if MARK in name:
                self.problems.append(f"is an attribute of {tag}")
            if MARK in (text or "") and _PLACES.fullmatch(name) and not _OWN_LINKS.match(text or ""):
                self.problems.append(f"is {name} of {tag}")
        self._raw = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        """The end of a script."""
        self._raw = ""

    def handle_data(self, data: str) -> None:
        """What a script or a style has in it."""
        if self._raw and MARK in data:
            self.problems.append(f"is in a {self._raw}")


def page(text: str) -> Iterator[str]:
    """Of HTML: elements, attributes that load or run something, scripts; and characters that are no signs."""
    parser = _Page()
    parser.feed(text)
    parser.close()
    yield from dict.fromkeys(parser.problems)
    yield from characters(text)


def characters(text: str) -> Iterator[str]:
    """Control characters, and marks of direction: none of them is ever meant."""
    # A soft hyphen or a joiner may be in a page's own texts; these change what a person reads.
    odd = {each for each in text if unicodedata.category(each) in ("Cc", "Zl", "Zp") and each not in "\n\t\r"}
    odd |= {each for each in text if each in "\u200e\u200f\u061c" or "\u202a" <= each <= "\u202e"}
    odd |= {each for each in text if "\u2066" <= each <= "\u2069"}
    yield from sorted(f"has U+{ord(each):04X}" for each in odd)


def terminal(text: str) -> Iterator[str]:
    """Of a terminal's text: the same, and lines that a text forged."""
    yield from characters(text)
    if any(line.startswith(FORGED) for line in text.splitlines()):
        yield "has a forged line"
    if longest := max((len(line) for line in text.split("\n") if MARK in line), default=0) > 20_000:
        yield f"has a line of {longest} characters"


def markdown(text: str) -> Iterator[str]:
    """Of Markdown: what it becomes as a page."""
    yield from page(str(mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url"])(text)))


def notebook(text: str) -> Iterator[str]:
    """Of a notebook: each of its outputs, by its kind."""
    for cell in json.loads(text)["cells"]:
        for output in cell.get("outputs", ()):
            for kind, content in (output.get("data") or {"text/plain": output.get("text", "")}).items():
                text_of_output = "".join(content) if isinstance(content, list) else str(content)
                judge = {"text/html": page, "text/markdown": markdown}.get(kind, characters)
                yield from (f"{kind} {problem}" for problem in judge(text_of_output))


def junit(text: str) -> Iterator[str]:
    """Of JUnit XML: that it can be read, and what its texts are."""
    for element in ElementTree.fromstring(text).iter():
        if MARK in element.tag:
            yield f"is the element {element.tag}"
        for value in (element.text or "", *element.attrib.values()):
            yield from characters(value)


def prometheus(text: str) -> Iterator[str]:
    """Of a Prometheus textfile: that it can be read, and has our metrics alone."""
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("omc_runbook_"):
            yield f"has the metric {family.name[:20]}"


def lines_of_json(text: str) -> Iterator[str]:
    """Of embedded metrics: that each line is one object."""
    for line in text.splitlines():
        body: Any = json.loads(line)
        if not isinstance(body, dict) or "_aws" not in body:
            yield "has a line that is no metric"


def message(bodies: str) -> Iterator[str]:
    """Of a notification as apprise posts it: its title is one line, and neither has characters that are no signs."""
    for body in json.loads(bodies):
        if "\n" in str(body.get("title", "")):
            yield "has a title of several lines"
        for name in ("title", "message"):
            yield from characters(str(body.get(name, "")))
