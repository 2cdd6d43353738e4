"""What a run leaves on a desk is found: files, streams, and the arguments and variables of its processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.hold import awkward
from benchmarks.hold.desk import SOURCE, Desk
from benchmarks.hold.leaks import _blotted, _words_beside
from benchmarks.hold.search import Searcher

VALUES = awkward.draw(11)
LEAK = """
import os, pathlib, subprocess, sys
a, b, c, d = os.environ.pop("HOLD_SOURCE").split()
pathlib.Path(os.environ["TMPDIR"], "left").write_text(a)
print(b)
# One process has a value as an argument, another in its environment.
subprocess.run(["sleep", "0.4", c[:0] + "0"], env={**os.environ, "LEAKED": c})
subprocess.run([sys.executable, "-c", "import time; time.sleep(.4)", d])
"""


def test_a_value_is_found_wherever_a_run_leaves_it(tmp_path: Path) -> None:
    """In a temporary file, on a stream, in the environment and among the arguments of processes that it starts."""
    desk = Desk(tmp_path / "desk", dict(os.environ))
    file = desk.work / "kept"
    file.write_text(VALUES[6].text)
    desk.keep()
    values = [VALUES[at] for at in (0, 5, 8, 9)]
    cores = [value.random[0] for value in values]
    assert desk.start([sys.executable, "-c", LEAK], variables={SOURCE: " ".join(cores)}).end().code == 0
    found = {location: {hit.kind for hit in Searcher(VALUES).find(content)} for location, content in desk.written()}
    assert found["tmp/left"] == {values[0].kind} and found["streams/0-out"] == {values[1].kind}
    assert found["arguments and variables of processes"] == {values[2].kind, values[3].kind}
    assert "work/kept" not in found


def test_a_common_word_is_seen_beside_its_key_and_blotted_out_of_sentences(tmp_path: Path) -> None:
    """It may stand in any sentence, but not after its key; and its label in none."""
    [word] = [value for value in VALUES if not value.random]
    assert [*_words_beside(f'"{word.key}": "{word.text}"'.encode(), VALUES)]
    assert not [*_words_beside(f"{word.key} is masked; a task is {word.text}".encode(), VALUES)]
    desk = Desk(tmp_path / "desk", {})
    page = desk.work / "page.html"
    page.write_text(f"<p>{word.key}=‹{word.key}› and a task is {word.text}</p>")
    assert [*_blotted(desk, VALUES)] == []
    page.write_text(f"<p>a task is ‹{word.key}›</p>")
    assert [*_blotted(desk, VALUES)]
