"""A finished file is searched for values, and rewritten without them."""

import base64
import html
import json
import secrets
import stat
from pathlib import Path

import nbformat
import pytest

from omc_runbook.masking import registry
from omc_runbook.masking.scan import leaks, scrub

VALUE = (
    "".join(f"{letter}{secrets.randbelow(10)}" for letter in secrets.token_urlsafe(14))
    + '"&\n\\'
    + secrets.token_hex(5)
)


@pytest.fixture(scope="module", autouse=True)
def value() -> None:
    """Register the value that files are searched for."""
    registry.register(VALUE, "SCANNED")


def names(path: Path) -> set[str]:
    """The names of what leaks from a file."""
    return {leak.name for leak in leaks(path)}


def notebook(*outputs: str) -> str:
    """The text of a notebook whose one cell put these out."""
    streams = [nbformat.v4.new_output("stream", text=text) for text in outputs]
    cell = nbformat.v4.new_code_cell("show()", outputs=streams)
    return nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))


FILES = {
    "whole.ipynb": notebook(f"a {VALUE} b"),
    "piece.ipynb": notebook(f"cut {VALUE[5:17]}…"),
    "lines.ipynb": notebook("\n".join(VALUE[:20])),
    "nested.ipynb": notebook(json.dumps({"a": json.dumps(VALUE)})),
    "encoded.ipynb": notebook(base64.b64encode(b"x:" + VALUE.encode()).decode()),
    "plain.json": json.dumps({"findings": [{"evidence": [VALUE]}], VALUE[:20]: 1}),
    "broken.json": '{"a": ' + json.dumps(VALUE),
    "page.html": f"<p title='{html.escape(VALUE)}'>x</p>",
    "piece.html": f"<b>{VALUE[3:16]}</b>",
    "latin.html": f"caf\xe9 {VALUE}",
}


@pytest.mark.parametrize("name", FILES)
def test_a_leak_is_found_and_scrubbed(tmp_path: Path, name: str) -> None:
    """What shows the value is found, and after scrubbing the file shows its name, to its owner only."""
    path = tmp_path / name
    path.write_bytes(FILES[name].encode("latin-1" if name.startswith("latin") else "utf-8"))
    path.chmod(0o644)
    assert names(path) == {"SCANNED"}
    scrub(path)
    assert leaks(path) == ()
    text = path.read_text("utf-8", "surrogateescape")
    assert "‹SCANNED›" in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == [name]
    if name.endswith(".ipynb"):
        nbformat.validate(nbformat.reads(text, as_version=4))
    elif name == "plain.json":
        assert set(json.loads(text)) == {"findings", "‹SCANNED›"}


def test_characters_in_separate_outputs_are_found(tmp_path: Path) -> None:
    """A value that was displayed one character at a time is found, although no string of the file holds two."""
    path = tmp_path / "split.ipynb"
    path.write_text(notebook(*VALUE[:20]), "utf-8")
    assert names(path) == {"SCANNED"}


def test_a_long_number_is_found_in_json(tmp_path: Path) -> None:
    """A value of digits is found where it is a number, and the file stays JSON without it."""
    digits = str(10**11 + secrets.randbelow(10**11))
    registry.register(digits, "DIGITS")
    path = tmp_path / "number.json"
    path.write_text(json.dumps({"n": int(digits), "m": 12, "x": 0.5}))
    assert names(path) == {"DIGITS"}
    scrub(path)
    assert json.loads(path.read_text("utf-8")) == {"n": "‹DIGITS›", "m": 12, "x": 0.5}


def test_a_clean_record_is_left_as_it_reads(tmp_path: Path) -> None:
    """Pictures, identifiers and prose are no leaks, and scrubbing changes nothing but the mode."""
    registry.register("https://k3y@errors.example.com/settings/1", "SENTRY_DSN")
    registry.register("6543", "DB_PORT")
    registry.exempt({"staging-6543"})
    picture = base64.b64encode(secrets.token_bytes(150_000)).decode()
    prose = "see https://errors.example.com, run 16543, 0.6543 s, ‹SCANNED›, 2024-11-05T10:00:00Z " + secrets.token_hex(
        32
    )
    path = tmp_path / "clean.ipynb"
    content = json.loads(notebook(prose, picture))
    path.write_text(json.dumps(content), "utf-8")
    assert leaks(path) == ()
    scrub(path)
    assert json.loads(path.read_text("utf-8")) == content


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A file that cannot be read is not a clean one."""
    with pytest.raises(FileNotFoundError):
        leaks(tmp_path / "absent.html")
