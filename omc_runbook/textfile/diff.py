"""A unified diff of two texts that shows each insertion as a whole block."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal

OpCode = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]
"""An opcode of difflib: its tag, then start and end line in the old and in the new text."""

NO_NEWLINE = "\\ No newline at end of file\n"


def unified_diff(before: Sequence[str], after: Sequence[str], name: str, context: int) -> str:
    """Diff two versions of a file for `git apply`.

    `before` and `after` are lines with their ends, `name` is the path in the header, and `context` is the number of
    unchanged lines around each change. Returns "" where nothing changes.
    """
    lines = [f"--- a/{name}\n", f"+++ b/{name}\n"]
    for group in hunks(before, after, context):
        (_, old, _, new, _), (_, _, old_end, _, new_end) = group[0], group[-1]
        lines.append(f"@@ -{_range(old, old_end)} +{_range(new, new_end)} @@\n")
        for tag, old, old_end, new, new_end in group:
            if tag == "equal":
                lines += (f" {line}" for line in before[old:old_end])
            else:
                lines += (f"-{line}" for line in before[old:old_end])
                lines += (f"+{line}" for line in after[new:new_end])
    return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in lines) if lines[2:] else ""


def hunks(before: Sequence[str], after: Sequence[str], context: int) -> Iterable[list[tuple[str, int, int, int, int]]]:
    """Group the opcodes of a diff into hunks with `context` unchanged lines around each change."""
    return _Matcher(before, after).get_grouped_opcodes(context)


class _Matcher(difflib.SequenceMatcher[str]):
    """A matcher that, where an insertion fits at several lines, chooses the one where the inserted block begins."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        super().__init__(None, before, after, autojunk=False)
        self._ends, self._after = (len(before), len(after)), after

    def get_opcodes(self) -> list[OpCode]:
        """The opcodes of the diff; each insertion starts at the least indented line that it can start at."""
        (old, new), after = self._ends, self._after
        opcodes: list[OpCode] = [*super().get_opcodes(), ("equal", old, old, new, new)]
        for index, (tag, old, _, new, end) in enumerate(opcodes):
            if tag != "insert":
                continue
            above, below = opcodes[index - 1] if index else opcodes[index], opcodes[index + 1]
            up, down = 0, 0
            while up < above[2] - above[1] and after[new - 1 - up] == after[end - 1 - up]:
                up += 1
            while down < below[2] - below[1] and after[new + down] == after[end + down]:
                down += 1
            shift = min(range(down, -up - 1, -1), key=lambda shift: _indent(after[new + shift]))
            opcodes[index] = (tag, old + shift, old + shift, new + shift, end + shift)
            if index:
                opcodes[index - 1] = (above[0], above[1], old + shift, above[3], new + shift)
            opcodes[index + 1] = (below[0], old + shift, below[2], end + shift, below[4])
        return [opcode for opcode in opcodes if opcode[1] < opcode[2] or opcode[3] < opcode[4]]


def _indent(line: str) -> float:
    """The indentation of a line in characters; infinite for a blank line, since no block begins with one."""
    text = line.lstrip()
    return len(line) - len(text) if text else float("inf")


def _range(start: int, end: int) -> str:
    """A line range as a hunk header writes it; an empty range is named by the line before it."""
    return f"{start + 1}" if end - start == 1 else f"{start + (end > start)},{end - start}"
