"""A diff that git applies, and that shows what was put in as a person would say it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from omc_runbook.textfile.diff import unified_diff

ELEMENT = ["  {\n", "    name = 1\n", "  },\n"]

some_lines = st.lists(st.sampled_from(["{\n", "  a\n", "},\n", "\n", "  {\n", "  },\n"]), max_size=12)


def test_an_element_of_a_list_is_put_in_whole() -> None:
    """Of the places that one insertion fits in, the one where the element begins is shown."""
    before = ["[\n", *ELEMENT, "  {\n", "    name = 3\n", "  },\n", "]\n"]
    after = ["[\n", *ELEMENT, "  {\n", "    name = 2\n", "  },\n", "  {\n", "    name = 3\n", "  },\n", "]\n"]
    added = [line[1:] for line in unified_diff(before, after, "main.tf", 3).splitlines()[3:] if line.startswith("+")]
    assert added == ["  {", "    name = 2", "  },"]


def test_a_block_ends_with_the_empty_line_behind_it() -> None:
    """What is put between two blocks begins with its text."""
    before, after = ["A=1\n", "\n", "B=2\n"], ["A=1\n", "\n", "N=0\n", "\n", "B=2\n"]
    added = [line for line in unified_diff(before, after, ".env.template", 3).splitlines()[3:] if line.startswith("+")]
    assert added == ["+N=0", "+"]


def test_without_a_change_there_is_no_diff() -> None:
    """Nor a head of one."""
    assert unified_diff(["A\n"], ["A\n"], "x", 3) == unified_diff([], [], "x", 0) == ""


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(some_lines, some_lines, st.booleans(), st.sampled_from([0, 3]))
@example(["a\n"], ["a\n", "a\n"], False, 3)
@example([], ["a\n"], True, 0)
def test_git_applies_it_in_both_directions(before: list[str], after: list[str], cut: bool, around: int) -> None:
    """Whatever changes, the diff makes the one text of the other, and back."""
    texts = ["".join(lines) for lines in (before, after)]
    # Without lines around it git takes a last line that has no end for an equal one that has.
    texts[1] = texts[1].rstrip("\n") if cut and around else texts[1]
    lines = [text.splitlines(keepends=True) for text in texts]
    diff = unified_diff(lines[0], lines[1], "file", around)
    if not diff:
        assert texts[0] == texts[1]
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "file")
        for source, target, way in ((texts[0], texts[1], []), (texts[1], texts[0], ["--reverse"])):
            file.write_text(source)
            command = ["git", "apply", "--whitespace=nowarn", *way, *(["--unidiff-zero"] if not around else []), "-"]
            process = subprocess.run(command, cwd=folder, input=diff, text=True, capture_output=True, check=False)
            assert (process.returncode, process.stderr, file.read_text()) == (0, "", target)
