"""The sections of an executed notebook, as its record's page shows them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any

PARAMETERS = frozenset({"parameters", "injected-parameters"})
ANSWER = "Answer"
"""The section with what there is to do."""

_MARKED = "papermill-error-cell-tag"
"""The tag of the cells in which papermill says, as HTML, where an error was: the page's head says what it was."""
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_SAMPLE = re.compile(r"Until you run it, the outputs here are a sample[^.]*\. *")


def without_empty(notebook: Any) -> Any:
    """A copy of a notebook to be read: parameters as text, no section in which no cell showed anything.

    How the run ended is said once, by the answer where there is one.
    """
    visible = copy.deepcopy(notebook)
    cells = chain.from_iterable(_split(cell) for cell in visible.cells if _MARKED not in cell.metadata.get("tags", ()))
    groups: list[list[Any]] = [[]]
    for cell in cells:
        if _HEADING.match(cell.source) and cell.cell_type == "markdown":
            groups.append([])
        groups[-1].append(cell)
    title, *sections = groups
    sections = [*filter(_has_content, sections)]
    answer = "".join(_text_shown(cells) for cells in sections if _is_called(ANSWER, cells))
    remaining = [
        title,
        *(cells for cells in sections if not (_is_called("Outcome", cells) and _is_said(cells, answer))),
    ]
    visible.cells = [_readable(cell) for group in remaining for cell in group]
    return visible


def without_sample(text: str) -> str:
    """A cell's text without the sentence on sample outputs, for a notebook that has none of them."""
    return _SAMPLE.sub("", text)


def headings(notebook: Any) -> tuple[str, ...]:
    """The titles of a notebook's sections."""
    return tuple(
        title for cell in notebook.cells if cell.cell_type == "markdown" for title in _HEADING.findall(cell.source)
    )


def _split(cell: Any) -> Iterator[Any]:
    """A cell in parts, of which only the beginning of one can be a section's heading."""
    from nbformat.v4 import new_markdown_cell

    if cell.cell_type != "markdown":
        yield cell
        return
    starts = [match.start() for match in _HEADING.finditer(cell.source)]
    for start, end in zip([0, *starts], [*starts, len(cell.source)], strict=True):
        if text := cell.source[start:end].strip():
            yield new_markdown_cell(text)


def _has_content(cells: list[Any]) -> bool:
    """Whether a section has no cell to run, or one that showed something; parameters show themselves."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    return not code or any(cell.outputs or _is_of_parameters(cell) for cell in code)


def _is_called(title: str, cells: list[Any]) -> bool:
    return title in _HEADING.findall(cells[0].source)


def _text_shown(cells: list[Any]) -> str:
    """What cells showed, as plain text."""
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    return "\n".join("".join(output.get("data", {}).get("text/plain", "")) for output in outputs)


def _is_said(cells: list[Any], answer: str) -> bool:
    """Whether an answer has what cells showed first: the first line of text that is not a rule."""
    lines = (line for line in _text_shown(cells).splitlines() if any(map(str.isalnum, line)))
    return (headline := next(lines, None)) is not None and headline in answer


def _readable(cell: Any) -> Any:
    from nbformat.v4 import new_markdown_cell

    if cell.cell_type == "markdown":
        cell.source = without_sample(cell.source)
    elif _is_of_parameters(cell):
        return new_markdown_cell(f"```python\n{cell.source}\n```")
    return cell


def _is_of_parameters(cell: Any) -> bool:
    return bool(PARAMETERS & {*cell.metadata.get("tags", ())})
