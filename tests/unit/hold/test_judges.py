"""The parts find what they look for: a lost write, a wrong verdict, a cut file, growth, and a changed file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.hold import crashes, network, races, soak, supply
from benchmarks.hold.network import Expected
from benchmarks.hold.races import Written
from benchmarks.hold.racing_operator import digest


class Kept:
    """A secret whose versions are made up: each id's document, and which one is current."""

    def __init__(self, current: str, labels: Sequence[str] = ("AWSCURRENT", "AWSPREVIOUS"), **documents: Any) -> None:
        self._current, self._labels, self._documents = current, labels, documents

    def read(self, **which: str) -> tuple[str, dict[str, str]]:
        version = which.get("VersionId", self._current)
        return version, self._documents[version]

    def labels(self) -> Sequence[str]:
        return self._labels


def write_of(writer: str, base: str, version: str, key: str, value: str) -> Written:
    return Written(writer, base, version, {key: digest(value)})


OURS = write_of("operator 0", "v0", "v1", "KEY", "new")
CLI = write_of("CLI", "v0", "v2", "BY_CLI", "new")
BEFORE = {"KEY": "old", "BY_CLI": "old"}
BY_US, BY_CLI = BEFORE | {"KEY": "new"}, BEFORE | {"BY_CLI": "new"}


@pytest.mark.parametrize(
    ("secret", "writers", "failure"),
    [
        (Kept("v1", v0=BEFORE, v1=BY_US), [OURS], ""),
        # The CLI had read before ours was there, and wrote after it: it replaces what it does not know.
        (Kept("v2", v0=BEFORE, v1=BY_US, v2=BY_CLI), [OURS, CLI], ""),
        (Kept("v1", v0=BEFORE, v1=BY_US, v2=BY_CLI), [OURS, CLI], "what CLI wrote was replaced by one of ours"),
        (Kept("v0", v0=BEFORE, v1=BY_US), [OURS], "what operator 0 wrote was replaced by one of ours"),
        (Kept("v1", v0=BEFORE, v1=BEFORE), [OURS], "the version of operator 0 has other values than it was told"),
        (Kept("v3", v0=BEFORE, v1=BY_US, v3=BEFORE), [OURS], "the current version is nobody's who was told so"),
        (Kept("v1", ["AWSCURRENT", "omc-runbook-1"], v0=BEFORE, v1=BY_US), [OURS], "these labels are left"),
    ],
)
def test_a_lost_write_is_found(secret: Any, writers: list[Written], failure: str) -> None:
    """Ours only replace what they were planned on, others whatever is there."""
    found = races._judge(secret, "v0", writers)
    assert failure in found and bool(failure) == bool(found)


@pytest.mark.parametrize(
    ("expected", "code", "status", "causes", "is_wrong"),
    [
        (0, 0, "ok", [], False),
        (0, 2, "unknown", [], False),
        (0, 1, "findings", ["empty"], True),
        (1, 1, "findings", ["bom"], False),
        (1, 1, "findings", [], False),
        (1, 1, "findings", ["bom", "empty"], True),
        (1, 0, "ok", [], True),
        (1, 2, "ok", [], True),
    ],
)
def test_a_wrong_verdict_is_found(expected: int, code: int, status: str, causes: list[str], is_wrong: bool) -> None:
    """Unknown is not wrong; ok on a fault, another cause, and an exit code that contradicts its status are."""
    truth = Expected(expected, frozenset({"bom"} if expected else ()))
    assert bool(network._wrong_verdict(truth, code, {"status": status, "root_causes": causes})) is is_wrong


def test_a_cut_file_is_found() -> None:
    """It ends before its end; one with more in its middle is whole."""
    path, text = Path("config.py"), b"first line\nlast line of the file\n"
    assert crashes._half({path: text}, {path: text[:-4]}) == "config.py"
    assert crashes._half({path: text}, {path: b"more\n" + text}) == ""


def test_growth_is_found() -> None:
    """Of each kind."""
    few = soak.State(temporary=(), home=1, records=6, others=("index.html",), labels=2, versions=2)
    many = soak.State(temporary=("omc-x",), home=2, records=99, others=("a", "index.html"), labels=3, versions=3)
    assert soak._grown(few, few) == ""
    assert len(soak._grown(few, many).split(", ")) == 6


def test_a_changed_file_of_a_distribution_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the digest in its RECORD; one that is missing is changed, too."""
    (tmp_path / "small-1.dist-info").mkdir()
    (tmp_path / "small-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: small\nVersion: 1\n")
    (tmp_path / "small.py").write_text("")
    empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
    (tmp_path / "small-1.dist-info" / "RECORD").write_text(f"small.py,sha256={empty},0\ngone.py,sha256=x,0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert supply._changed_files("small") == "changed: gone.py"
    (tmp_path / "small.py").write_text("import os")
    assert supply._changed_files("small") == "changed: small.py, gone.py"


def test_a_lock_with_an_address_or_without_a_hash_is_found(tmp_path: Path) -> None:
    """And one that lacks what is needed."""
    path = tmp_path / "lock.txt"
    path.write_text(json.dumps("boto3==1 @ https://index.example.com"))
    found = dict(supply._lock(path))
    assert found["each line has a hash"] and found["no host is named"] and found["it has all that pyproject.toml names"]
