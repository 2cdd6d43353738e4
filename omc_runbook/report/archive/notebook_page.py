"""A notebook's prose and outputs as HTML, as a record's page shows them."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from functools import cache
from html import escape
from itertools import chain, groupby, pairwise
from typing import TYPE_CHECKING, Any

from click import unstyle

from omc_runbook.model.letters import printable

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_SVG = "image/svg+xml"
_PICTURES = (_SVG, "image/png", "image/jpeg")
_OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\n])")
"""What a progress bar wrote in a line before the last time that it wrote it."""


def to_html(notebook: Any) -> str:
    """Convert a notebook's prose and outputs to HTML, without its code.

    Of the forms that an output has, HTML is shown, then Markdown, a picture, and plain text; scripts and widgets are
    not. Each heading has an id, its text with dashes for blanks. HTML within prose is shown as text. nbconvert
    makes the same of a notebook, and takes a fifth of a run's time to be imported.
    """
    parts = (_prose(cell.source) if cell.cell_type == "markdown" else _outputs(cell) for cell in notebook.cells)
    return "\n".join(filter(None, parts))


@cache
def converter() -> MarkdownIt:
    """What converts Markdown; to import it takes some time."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table")


def _prose(source: str) -> str:
    markdown = converter()
    tokens = markdown.parse(source)
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open":
            text = "".join(child.content for child in inline.children or ())
            opening.attrSet("id", text.replace(" ", "-"))
    return str(markdown.renderer.render(tokens, markdown.options, {}))


def _outputs(cell: Any) -> str:
    """A cell's outputs; consecutive texts of one stream are one text."""
    groups = groupby(cell.get("outputs", ()), lambda output: output.get("name", ""))
    fragments = chain.from_iterable([_stream(group)] if name else map(_display, group) for name, group in groups)
    return "\n".join(f'<div class="output">\n{each}\n</div>' for each in fragments if each)


def _stream(outputs: Iterable[Any]) -> str:
    return _text(_OVERWRITTEN.sub("", "".join(output.text for output in outputs)))


def _display(output: Any) -> str:
    if output.output_type == "error":
        return _text("\n".join(output.traceback))
    data = {kind: "".join(text) if isinstance(text, list) else text for kind, text in output.get("data", {}).items()}
    if "text/html" in data:
        return str(data["text/html"])
    if "text/markdown" in data:
        return _prose(data["text/markdown"])
    for kind in _PICTURES:
        if kind in data:
            described = output.get("metadata", {}).get(kind, {})
            if kind == _SVG and not described.get("alt"):
                # It may have a title of its own, and needs no namespace within a page.
                return str(data[kind])
            content = b64encode(data[kind].encode()).decode() if kind == _SVG else data[kind].strip()
            alternative = escape(described.get("alt", "No description available"))
            return f'<img alt="{alternative}" src="data:{kind};base64,{escape(content)}">'
    return _text(data["text/plain"]) if "text/plain" in data else ""


def _text(text: str) -> str:
    return f"<pre>{escape(printable(unstyle(text)))}</pre>" if text else ""
