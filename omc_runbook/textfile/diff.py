"""A unified diff of two texts, with each insertion where a person sees what was put in."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal

Step = tuple[str, int, int, int, int]
"""One step from a text to another: what it does, and from and to which line of either."""
OpCode = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]

NO_NEWLINE = "\\ No newline at end of file\n"


def unified(before: Sequence[str], after: Sequence[str], name: str, around: int) -> str:
    """The diff from lines to lines of a file, with so many lines around each change, as `git apply` takes it."""
    lines = [f"--- a/{name}\n", f"+++ b/{name}\n"]
    for group in hunks(before, after, around):
        (_, old, _, new, _), (_, _, old_end, _, new_end) = group[0], group[-1]
        lines.append(f"@@ -{_range(old, old_end)} +{_range(new, new_end)} @@\n")
        for tag, old, old_end, new, new_end in group:
            if tag == "equal":
                lines += (f" {line}" for line in before[old:old_end])
            else:
                lines += (f"-{line}" for line in before[old:old_end])
                lines += (f"+{line}" for line in after[new:new_end])
    return "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in lines) if lines[2:] else ""


def hunks(before: Sequence[str], after: Sequence[str], around: int) -> Iterable[list[Step]]:
    """The steps from lines to lines, in a group for each place of the file, with so many lines around each change."""
    return _Matcher(before, after).get_grouped_opcodes(around)


class _Matcher(difflib.SequenceMatcher[str]):
    """difflib's own, which puts an insertion that fits in several places into any of them: here into the best."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        super().__init__(None, before, after, autojunk=False)
        self._ends, self._after = (len(before), len(after)), after

    def get_opcodes(self) -> list[OpCode]:
        """The steps from one text to the other; each insertion begins with as little indent as it can."""
        (old, new), after = self._ends, self._after
        steps: list[OpCode] = [*super().get_opcodes(), ("equal", old, old, new, new)]
        for at, (tag, old, _, new, end) in enumerate(steps):
            if tag != "insert":
                continue
            above, below = steps[at - 1] if at else steps[at], steps[at + 1]
            up, down = 0, 0
            while up < above[2] - above[1] and after[new - 1 - up] == after[end - 1 - up]:
                up += 1
            while down < below[2] - below[1] and after[new + down] == after[end + down]:
                down += 1
            by = min(range(down, -up - 1, -1), key=lambda by: _indent(after[new + by]))
            steps[at] = (tag, old + by, old + by, new + by, end + by)
            if at:
                steps[at - 1] = (above[0], above[1], old + by, above[3], new + by)
            steps[at + 1] = (below[0], old + by, below[2], end + by, below[4])
        return [step for step in steps if step[1] < step[2] or step[3] < step[4]]


def _indent(line: str) -> float:
    """How far a line is indented; one without text, with which nothing begins, the farthest."""
    text = line.lstrip()
    return len(line) - len(text) if text else float("inf")


def _range(start: int, end: int) -> str:
    """Lines as a hunk's head counts them; a range of none is named by the line before it."""
    return f"{start + 1}" if end - start == 1 else f"{start + (end > start)},{end - start}"
