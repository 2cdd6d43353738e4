"""Pages whose tables are written by benchmarks, and what of a table is measured anew."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import click


def choose(only: str, every_name: Iterable[str]) -> frozenset[str]:
    """The names that `--only` gives, separated by commas, or all; raises click.UsageError for one that is not known."""
    named, names = frozenset(filter(None, only.split(","))), frozenset(every_name)
    if strange := sorted(named - names):
        raise click.UsageError(f"--only: {', '.join(strange)} is not here. There is: {', '.join(sorted(names))}.")
    return named or names


def fill(page: Path, name: str, body: str) -> None:
    """Replace what stands between two marks of a page."""
    marks = f"<!-- {name} -->", f"<!-- end of {name} -->"
    pattern = f"({re.escape(marks[0])}).*?({re.escape(marks[1])})"
    text = page.read_text(encoding="utf-8")
    text = re.sub(pattern, lambda match: f"{match[1]}\n\n{body}\n\n{match[2]}", text, flags=re.DOTALL)
    page.write_text(text, encoding="utf-8")
