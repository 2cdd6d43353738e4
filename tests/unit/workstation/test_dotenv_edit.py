"""The text of a .env edited by statements, and values spelled so that every program reads the same."""

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import create_model
from pydantic_settings import BaseSettings
from support.call_counts import count_calls

from omc_runbook.repository.layout import statements
from omc_runbook.workstation.dotenv_edit import comment_out, insert, insert_all, merge, quote, set_values

TEXT = """\
# A title

export SPACED = 'one' # says it
\tTABBED=two
QUOTED="first
SPACED=never
last"
not a variable
BARE
SPACED=three\t# last

EMPTY=
"""


def read(text: str) -> dict[str, str | None]:
    """What python-dotenv reads, without filling in variables."""
    return dotenv_values(stream=io.StringIO(text), interpolate=False)


def test_statements() -> None:
    """A value of several lines is one statement; blank lines, comments and what cannot be read are their own."""
    parts = statements(TEXT)
    assert [(part.kind, part.name) for part in parts] == [
        ("comment", ""),
        ("blank", ""),
        ("assignment", "SPACED"),
        ("assignment", "TABBED"),
        ("assignment", "QUOTED"),
        ("unreadable", ""),
        ("assignment", "BARE"),
        ("assignment", "SPACED"),
        ("blank", ""),
        ("assignment", "EMPTY"),
    ]
    assert [TEXT[part.end - len(part.raw) : part.end] for part in parts] == [part.raw for part in parts]
    assert "three" not in repr(parts)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", []),
        ("\ufeff", ["blank"]),
        ("\ufeff\ufeffA=1", ["assignment"]),
        ("\r\n \n\t", ["blank", "blank", "blank"]),
        ("no variable\r\nA=1", ["unreadable", "assignment"]),
        ("A='open\r\n\r\nB=1", ["unreadable", "blank", "assignment"]),
        ("export # nothing\n", ["unreadable"]),
        ("A=1\rB=2\r\nC=3", ["assignment", "assignment", "assignment"]),
    ],
)
def test_statements_of_odd_texts(text: str, kinds: list[str]) -> None:
    """Byte order marks, white space, quotes that stay open and old line ends have their place."""
    parts = statements(text)
    assert [part.kind for part in parts] == kinds
    assert "".join(part.raw for part in parts) == text


@pytest.mark.parametrize(
    ("text", "value", "after"),
    [
        ("N=old", "new", "N=new"),
        ("\ufeff  export N = old  # why\r\n", "new", "\ufeff  export N = new  # why\r\n"),
        ("N='old'# why\n", "new", "N='new'# why\n"),
        ("N='old'\n", "new", "N=new\n"),
        ('N="a\nb" # c\nM=1', "a b", "N='a b' # c\nM=1"),
        ("N=old # why\n", "", "N='' # why\n"),
        ("N=old#er\n", "", "N=\n"),
        ("N=\n", "new", "N=new\n"),
        ("N=  \t\n", "new", "N=new  \t\n"),
        ("N=  # why\n", "new", "N=new  # why\n"),
        ("N = # why\n", "new", "N = new # why\n"),
        ("N = \n", "new", "N = new\n"),
        ("N=# all of it\n", "new", "N=new\n"),
        ("N\n", "new", "N=new\n"),
        ("N # why\n", "new", "N=new # why\n"),
        ("'N' = 'old'", "it's", "'N' = \"it's\""),
        ("N=1\nN=2\nM=N\n", "3", "N=1\nN=3\nM=N\n"),
        ("n=1\nNN=1\n# N=1\n", "new", "n=1\nNN=1\n# N=1\n"),
        ("N='open\nM=1\n", "new", "N='open\nM=1\n"),
    ],
)
def test_a_new_value(text: str, value: str, after: str) -> None:
    """Only the value's own characters change, in the last place where the name stands."""
    assert set_values(text, {"N": value}) == after


def test_a_new_value_below_a_quote_that_stays_open() -> None:
    """A value whose quote would close one above is refused, and neither is in the sentence."""
    text = 'A="open\nN=1\n'
    assert set_values(text, {"N": "2"}) == 'A="open\nN=2\n'
    with pytest.raises(ValueError, match="A quote is never closed") as caught:
        set_values(text, {"N": "it's secret"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "block", "after", "expected"),
    [
        ("", "B=2\n", None, "B=2\n"),
        ("\ufeff", "\nB=2\n", None, "\ufeffB=2\n"),
        ("A=1", "B=2", None, "A=1\nB=2\n"),
        ("A=1\n", "\n# b\nB=2\n", None, "A=1\n\n# b\nB=2\n"),
        ("A=1\n\n", "\n# b\nB=2\n", None, "A=1\n\n# b\nB=2\n"),
        ("A=1\r\nC=3\r\n", "# b\nB=2\n", "A", "A=1\r\n# b\r\nB=2\r\nC=3\r\n"),
        ("A='1\n\n2'\nC=3\n", "B=2\r\n", "A", "A='1\n\n2'\nB=2\nC=3\n"),
        ("A=1\nC=3\nA=2\nD=4\n", "B=2\n", "A", "A=1\nC=3\nA=2\nB=2\nD=4\n"),
        ("A=1\n", "B=2\n", "ABSENT", "A=1\nB=2\n"),
        ("A=1\n  ", "B=2\n", "", "A=1\n  \nB=2\n"),
        ("A=1\n", "", "A", "A=1\n"),
        ("export A=1\n# C=3\n", "# b\nB=2\n", None, "export A=1\n# C=3\n# b\nexport B=2\n"),
        ("export A=1\n", "export B='2\n3'\n", "A", "export A=1\nexport B='2\n3'\n"),
        ("export A=1\nC=3\n", "B=2\n", None, "export A=1\nC=3\nB=2\n"),
    ],
)
def test_lines_put_in(text: str, block: str, after: str | None, expected: str) -> None:
    """Whole lines go behind a variable or to the end, in the text's own line ends."""
    assert insert(text, block, after) == expected


def test_lines_below_a_quote_that_stays_open() -> None:
    """Lines that would be taken into a value are refused."""
    assert insert("A='open\n", "B=2\n", None) == "A='open\nB=2\n"
    with pytest.raises(ValueError, match="never closed"):
        insert("A='open\n", "B='2'\n", None)


def test_commented_out() -> None:
    """Every assignment of a name becomes a comment, with all its lines, and no other."""
    text = "\ufeffN=1\r\n  export N='a\r\n\r\nb'\r\nNN=1\r\nM\r\nK=1"
    after = "\ufeff# N=1\r\n  # export N='a\r\n#\r\n# b'\r\nNN=1\r\n# M\r\nK=1"
    assert comment_out(text, {"N", "M", ""}) == after
    assert read(after) == {"NN": "1", "K": "1"}


TEMPLATE = """\
# Copy me

# ======
# One
# ======

# about A
A=1
B=2

# =====
# Two
# =====
# C=3
# about D
# and more
D="4
5"
# Three

E=6
E=7"""


def test_what_is_missing() -> None:
    """Each missing variable comes with its comment lines, and the first of a new section with the framed title."""
    two = "\n# =====\n# Two\n# =====\n"
    assert merge(TEMPLATE, "A=1\n") == (
        ("B", "B=2\n", "A"),
        ("D", f'{two}# about D\n# and more\nD="4\n5"\n', "B"),
        ("E", "E=7\n", "D"),
    )
    (only,) = merge("# --- One ---\n# about A\nA=1\n", "")
    assert only == ("A", "\n# --- One ---\n# about A\nA=1\n", None)
    assert merge(TEMPLATE, "X=1\n# E=8\n")[0] == ("A", "\n# ======\n# One\n# ======\n\n# about A\nA=1\n", None)
    assert merge(TEMPLATE, "B=1\nD=2\nE=3\n") == (("A", "\n# about A\nA=1\n", None),)
    assert merge(TEMPLATE, TEMPLATE) == merge("", "") == ()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_merged_text_has_every_variable(newline: str) -> None:
    """Inserted one after the other the blocks make a text like the template, its own variables included."""
    text = newline.join(["A=mine", "", "OWN='1'", "D=2"])
    for name, block, after in merge("\ufeff" + TEMPLATE.replace("\n", newline), text):
        text = insert(text, block, after)
        assert name in read(text)
    assert read(text) == {"A": "mine", "B": "2", "OWN": "1", "D": "2", "E": "7"}
    assert text == newline.join(["A=mine", "B=2", "", "OWN='1'", "D=2", "E=7", ""])


nasty = st.text(st.sampled_from("AB=#'\"\\ \t\n\r$x\ufeff\x0b\x85\u2028:"), max_size=30)
wild = st.lists(
    st.sampled_from(
        [
            "A=1",
            "export B = 'x y' # c",
            '  C="1\n# 2\n3"',
            "# A=2",
            "",
            "  ",
            "no variable",
            "D='open",
            "A",
            "B=",
            "C =  # d",
        ]
    )
    | nasty
).map("\n".join)
texts = st.builds(lambda text, newline: text.replace("\n", newline), wild, st.sampled_from(["\n", "\r\n"]))


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(texts | nasty | st.text())
def test_joined_statements_are_the_text(text: str) -> None:
    """Nothing gets lost or moved, and python-dotenv's own names are the names."""
    parts = statements(text)
    assert "".join(part.raw for part in parts) == text
    assert {part.name for part in parts if part.kind == "assignment"} == read(text.lstrip("\ufeff")).keys()


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(texts, st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), st.text() | nasty, min_size=1))
def test_any_new_values(text: str, values: dict[str, str]) -> None:
    """Each variable that is there has its new value afterwards, and every other one the value it had."""
    before = read(text.lstrip("\ufeff"))
    try:
        after = set_values(text, values)
    except ValueError:
        assume(False)
    expected = {name: values.get(name, value) for name, value in before.items()}
    assert read(after.lstrip("\ufeff")) == expected
    assert [part.name for part in statements(after)] == [part.name for part in statements(text)]
    assert set_values(after, values) == after


@pytest.mark.parametrize(
    ("value", "spelling"),
    [
        ("", ""),
        ("sk-abc_123/+=", "sk-abc_123/+="),
        ("a b", "'a b'"),
        ("#1", "'#1'"),
        ("it's", '"it\'s"'),
        ('say "x"', "'say \"x\"'"),
        ("$HOME", "'$HOME'"),
        ("a$'b", '"a$\'b"'),
        ("C:\\new", "'C:\\new'"),
        ("end\\", '"end\\\\"'),
        ("two\nlines", '"two\\nlines"'),
        ("$two\nlines", "'$two\nlines'"),
        ("\r", '"\\r"'),
    ],
)
def test_spellings(value: str, spelling: str) -> None:
    """Bare where nothing is special, else in single quotes, else in double quotes with escapes."""
    assert quote(value) == spelling
    assert read(f"N={spelling}") == {"N": value}


@pytest.mark.parametrize(
    "value", ["a\0b", "\ud800", "x${y}z", "x${y:-z}", "it's $y", "it's $$", "$x\r", "$x\\\\y", "it's \\$"]
)
def test_values_without_a_spelling(value: str) -> None:
    """What no spelling gives to all programs is refused; the sentence has none of the value."""
    with pytest.raises(ValueError) as caught:
        quote(value)
    assert value not in str(caught.value)


def spelled(value: str) -> str | None:
    """The spelling of a value, None where it has none."""
    try:
        return quote(value)
    except ValueError:
        return None


values = st.text(st.sampled_from("aZ0_'\"\\$`#{}:-=% \t\n\r!&|;()~é\u2028\x85\xa0\x01"), max_size=12) | st.text(
    max_size=12
)
batches = st.lists(values.filter(lambda value: spelled(value) is not None), min_size=30, max_size=80)


def compose_program() -> list[str] | None:
    """Docker Compose as it is installed here, None where it is not."""
    for program in (["docker", "compose"], ["docker-compose"]):
        found = shutil.which(program[0])
        if found and subprocess.run([found, *program[1:], "version"], capture_output=True, check=False).returncode == 0:
            return [found, *program[1:]]
    return None


COMPOSE = compose_program()


def write_values(path: Path, batch: list[str]) -> dict[str, str]:
    """Put values into a file, spelled; by variable."""
    named = {f"OMCV_{number}": value for number, value in enumerate(batch)}
    text = "".join(f"{name}={quote(value)}\n" for name, value in named.items())
    path.write_bytes(text.encode())
    return named


@pytest.mark.long
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(batches)
def test_python_reads_every_spelling(tmp_path: Path, batch: list[str]) -> None:
    """python-dotenv and pydantic-settings read exactly the values from a file, filling in variables as they do."""
    named = write_values(tmp_path / "x.env", batch)
    assert dotenv_values(tmp_path / "x.env") == named
    fields: dict[str, Any] = dict.fromkeys(named, (str, ...))
    model = create_model("Settings", __base__=BaseSettings, **fields)
    assert model(_env_file=tmp_path / "x.env", _env_file_encoding="utf-8").model_dump() == named


@pytest.mark.long
@pytest.mark.skipif(COMPOSE is None, reason="needs docker compose or docker-compose, to read a .env as it does")
def test_compose_reads_every_spelling(tmp_path: Path) -> None:
    """Docker Compose reads exactly the values; each example is a service, since it takes long to start."""
    services: dict[str, dict[str, str]] = {}

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(batches)
    def add_service(batch: list[str]) -> None:
        name = f"example{len(services)}"
        services[name] = write_values(tmp_path / f"{name}.env", batch)

    add_service()
    assert len(services) >= 40
    project = {"services": {name: {"image": "x", "env_file": [f"{name}.env"]} for name in services}}
    (tmp_path / "compose.yml").write_text(json.dumps(project))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    process = subprocess.run(
        [*(COMPOSE or ()), "-f", "compose.yml", "config", "--format", "json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
    )
    # Its error names the example's file.
    assert process.returncode == 0, process.stderr
    for name, service in json.loads(process.stdout)["services"].items():
        # Its output is a compose file again, in which a $ is written twice.
        values = {variable: value.replace("$$", "$") for variable, value in service["environment"].items()}
        assert values == services.pop(name), name
    assert not services


@pytest.mark.parametrize("existing", ["", "B=1", "export B=1\r\n", "A=0\n\nC=2\n"])
def test_blocks_in_a_row_are_inserted_at_once(existing: str) -> None:
    """As one by one, each of which parses the whole text anew."""
    blocks = merge("# first\nA=\nexport B=\n\n# third\nC=\nD='x\ny'\n\nE=\nF=\n", existing)
    expected = existing
    for block in blocks:
        expected = insert(expected, block.block, block.after)
    assert insert_all(existing, blocks) == expected
    many = merge("".join(f"# {at}\nNAME_{at}=\n" for at in range(50)), existing)
    assert count_calls(lambda: insert_all(existing, many), "insert") <= 2
