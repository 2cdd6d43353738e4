"""Pages whose tables are written by benchmarks."""

from __future__ import annotations

import re
from pathlib import Path


def fill(page: Path, name: str, body: str) -> None:
    """Replace what stands between two marks of a page."""
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = f"({re.escape(marks[0])}).*?({re.escape(marks[1])})"
    text = page.read_text(encoding="utf-8")
    text = re.sub(pattern, lambda match: f"{match[1]}\n\n{body}\n\n{match[2]}", text, flags=re.DOTALL)
    page.write_text(text, encoding="utf-8")
