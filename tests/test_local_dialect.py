"""A .env as Docker Compose reads it, held against Docker Compose itself where there is one."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from omc_runbook.repository.compose_dotenv import Kind, read, read_beside

SHELL = {"SHELL_ONE": "shell", "EMPTY": "", "export": "exported"}

KINDS: tuple[tuple[str, Kind], ...] = (
    ("unterminated quoted value", "unterminated"),
    ("key cannot contain a space", "space-in-name"),
    ("unexpected character", "bad-name"),
    ("zero length string", "bad-name"),
    ("Invalid template", "bad-interpolation"),
    ("required variable", "bad-interpolation"),
)
"""The words of docker-compose for each kind of refusal."""

TAKEN: tuple[tuple[str, dict[str, str]], ...] = (
    ("", {}),
    ("A=b", {"A": "b"}),
    ("# note\n\n  A = b  \n\texport\tC=d\n", {"A": "b", "C": "d"}),
    ("A: b\nC:d=e\nF=g:h", {"A": "b", "C": "d=e", "F": "g:h"}),
    ("A=b\nA=c", {"A": "c"}),
    ("\ufeffA=b", {"A": "b"}),
    ("A=b\r\nC='d'\r\n", {"A": "b", "C": "d"}),
    ('A="b\r\nc"', {"A": "b\r\nc"}),
    ("A=\nB=c", {"A": "", "B": "c"}),
    ("A=b # note", {"A": "b"}),
    ("A=b#c\nD=#e\nF= # note", {"A": "b#c", "D": "#e", "F": "# note"}),
    ("A=b\t# c", {"A": "b\t# c"}),
    ("A='b # c' # note\nD=\"e\"#note", {"A": "b # c", "D": "e"}),
    ('A=b"c"\nD=e\'f', {"A": 'b"c"', "D": "e'f"}),
    ("A='b' C=d", {"A": "b", "C": "d"}),
    ("A='b\nc'\nD=e", {"A": "b\nc", "D": "e"}),
    ("SHELL_ONE\nNOT_SET\nexport EMPTY\nA=b\n", {"SHELL_ONE": "shell", "EMPTY": "", "A": "b"}),
    ("A=b\nNO_LINE_END", {"A": "b", "": "NO_LINE_END"}),
    ("A=$SHELL_ONE.x\nB=${A}y\nC=$NOT_SET", {"A": "shell.x", "B": "shell.xy", "C": ""}),
    ("SHELL_ONE=mine\nA=$SHELL_ONE", {"SHELL_ONE": "mine", "A": "shell"}),
    ("A='$SHELL_ONE'\nB=\"$SHELL_ONE\"", {"A": "$SHELL_ONE", "B": "shell"}),
    ("A=b$$c$\nD=$1$(e)", {"A": "b$c$", "D": "$1$(e)"}),
    ("A=${NO:-b}${EMPTY-c}${EMPTY:-d}${NO-e f}", {"A": "bde f"}),
    ("A=${NO:+b}${NO+c}${EMPTY:+d}${EMPTY+e}${SHELL_ONE:+$EMPTY-f}", {"A": "e-f"}),
    ("A=${SHELL_ONE:?words}${EMPTY?words}", {"A": "shell"}),
    ("A=${NO:-${NO:-{b}}}c}", {"A": "{b}c}"}),
    ("A=${NO:-{b}", {"A": "{b"}),
    (r'A="b\n\t\"\\\$SHELL_ONE\q\012\0101"', {"A": 'b\n\t"\\$SHELL_ONE\\q\\12A'}),
    (r"A='b\n\'c'" + "\nD=e\\nf", {"A": r"b\n'c", "D": r"e\nf"}),
    ("A-b.c[0]=d\né=f\n1=g", {"A-b.c[0]": "d", "é": "f", "1": "g"}),
)

REFUSED: tuple[tuple[str, Kind, int], ...] = (
    ("A=b\nC='d\nE=f\n", "unterminated", 2),
    ('A="b\\"', "unterminated", 1),
    ("\n\nA B=c", "space-in-name", 3),
    ("# note\nexport A B\n", "space-in-name", 2),
    ("A+=b", "bad-name", 1),
    ("A=b\n'C'=d", "bad-name", 2),
    ("A='b'c'", "bad-name", 1),
    ("A=b\nexport ", "bad-name", 2),
    ("A=${", "bad-interpolation", 1),
    ("A=b\nC=${D E}", "bad-interpolation", 2),
    ("A=${NO:?words}", "bad-interpolation", 1),
    ("A=${SHELL_ONE:-${}}", "bad-interpolation", 1),
    ("A=${NO:-b # c}", "bad-interpolation", 1),
)


@pytest.mark.parametrize(("text", "values"), TAKEN)
def test_what_compose_takes(text: str, values: dict[str, str]) -> None:
    """Every way to write a variable that Compose takes has the value that Compose gives it."""
    reading = read(text, SHELL)
    assert (dict(reading.values), reading.kind, reading.error) == (values, "", "")


@pytest.mark.parametrize(("text", "kind", "line"), REFUSED)
def test_what_compose_refuses(text: str, kind: Kind, line: int) -> None:
    """A file that Compose refuses has no values at all, and its kind and line."""
    reading = read(text, SHELL)
    assert (dict(reading.values), reading.kind, reading.line) == ({}, kind, line)
    assert reading.error.startswith(f"line {line}: ")


def test_errors_and_representations_show_no_text() -> None:
    """Neither an error nor a reading shows anything of what stands in the file."""
    for text in ("A='canary", "canary b=c", "canary+=b", "A=${canary b}", "A=${canary:?canary}"):
        assert read(text, {}).kind
        assert "canary" not in read(text, {}).error + repr(read(text, {}))
    assert "canary" not in repr(read("A=canary$canary", {}))


def test_how_a_variable_is_written() -> None:
    """Each assignment tells its line, its separator, its quote, and whether something was not there to be put in."""
    reading = read("A: 'b\nc'\nEMPTY\n\nD=\"$NO\"\nE=f$EMPTY", {"EMPTY": ""})
    told = [(each.name, each.line, each.separator, each.quote, each.is_unset) for each in reading.assignments]
    assert told == [
        ("A", 1, ":", "'", False),
        ("EMPTY", 3, "", "", False),
        ("D", 5, "=", '"', True),
        ("E", 6, "=", "", False),
    ]


def test_names_that_are_not_set() -> None:
    """Names after a $ without a value are told once, also those in a default that nobody takes."""
    assert read("A=$NO$NO${EMPTY:-$OTHER}${SHELL_ONE:-$THIRD}${FOURTH:-d}'", SHELL).unset == ("NO", "OTHER", "THIRD")


def test_the_project_has_the_file_too() -> None:
    """Beside the compose file a .env is read twice, so that a $ finds what stands further down."""
    text = "A=x$B$A\nB=y"
    assert read(text, {}).values == {"A": "x", "B": "y"}
    assert read_beside(text, {}).values == {"A": "xyx", "B": "y"}
    assert read_beside(text, {"B": "shell"}).values["A"] == "xshellxshell"
    assert read_beside("A='b", {}).kind == "unterminated"


@cache
def find_program() -> tuple[str, ...]:
    """The words that call the real Compose; skips the test where there is none."""
    for program in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(program[0]) and not subprocess.run([*program, "version"], capture_output=True).returncode:
            return program
    pytest.skip("needs docker compose or docker-compose, to compare with")


def ask(texts: Sequence[str]) -> tuple[list[dict[str, str]], str]:
    """What Compose makes of some env files, each a service's own, in one call; or why it refuses one of them."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        services = {f"s{number}": {"image": "i", "env_file": f"{number}.env"} for number in range(len(texts))}
        (folder / "compose.yaml").write_text(json.dumps({"services": services}))
        for number, text in enumerate(texts):
            (folder / f"{number}.env").write_bytes(text.encode())
        program = [*find_program(), "config", "--format", "json"]
        done = subprocess.run(program, cwd=folder, env=SHELL | {"PATH": "/usr/bin:/bin"}, capture_output=True)
    if done.returncode:
        return [], next((kind for words, kind in KINDS if words in done.stderr.decode()), done.stderr.decode())
    answered = json.loads(done.stdout)["services"]
    found = [answered[service].get("environment") or {} for service in services]
    return [{name: value.replace("$$", "$") for name, value in each.items()} for each in found], ""


def compare(texts: Sequence[str], most_refused: int) -> None:
    """Hold our readings against Compose's own: all files that are taken at once, those that are refused one by one."""
    shell = SHELL | {"PATH": "/usr/bin:/bin"}
    readings = {text: read(text, shell) for text in texts}
    taken = [text for text, reading in readings.items() if not reading.kind]
    if taken:
        answered, refused = ask(taken)
        if refused:
            wrong = next(text for text in taken if ask([text])[1])
            raise AssertionError(f"compose refuses {wrong!r}: {ask([wrong])[1]}")
        for text, values in zip(taken, answered, strict=True):
            assert (text, dict(readings[text].values)) == (text, values)
    for text in [text for text, reading in readings.items() if reading.kind][:most_refused]:
        assert (text, ask([text])[1]) == (text, readings[text].kind)


def test_compose_agrees_with_the_table() -> None:
    """What is said above of Docker Compose is what Docker Compose does."""
    compare([*(text for text, _ in TAKEN), *(text for text, _, _ in REFUSED)], len(REFUSED))
    answered, _ = ask([text for text, _ in TAKEN])
    assert answered == [values for _, values in TAKEN]


pieces = st.one_of(
    st.sampled_from(["A", "B", "SHELL_ONE", "EMPTY", "NO", "=", ":", " ", "\n", "\r\n", "\t", "#", " #", "'", '"']),
    st.sampled_from(["\\", "$", "${", "}", "{", ":-", "-", "+", ":+", "?", ":?", "x", "export ", "\\n", "$$", "\\0"]),
    st.sampled_from(["\x85", "\xa0", "\u3000", "\v", "\x1c", "é", "²", ".", "[", "ſ", "\ufeff", "1", "/"]),
)
values = st.lists(
    st.sampled_from(["a", " ", "#", " #", "$A", "${B}", "${NO:-", "}", "\\", "$", "b c", "é"]), max_size=6
)
quoted = st.builds(lambda quote, parts: f"{quote}{''.join(parts)}{quote}", st.sampled_from(["", "'", '"']), values)
line = st.builds(
    lambda *parts: "".join(parts),
    st.sampled_from(["", " ", "export "]),
    st.sampled_from(["A", "B", "NO", "A B"]),
    st.sampled_from(["=", "=", "=", ": ", " = "]),
    quoted,
    st.sampled_from(["", " ", " # note", "#note"]),
    st.sampled_from(["\n", "\n", "\r\n"]),
)
files = st.one_of(st.lists(line, max_size=4).map("".join), st.lists(pieces, max_size=12).map("".join))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(files, min_size=25, max_size=40))
@example(["A=${NO:+b${}", "A=$NO{b}", "A=${ſ:-b}", "export\nA=b", "A\u3000=b"])
def test_compose_agrees(texts: list[str]) -> None:
    """Whatever is in a file, our reader gives the values that Docker Compose gives, or refuses for the same reason."""
    compare(texts, 3)


@settings(max_examples=200, deadline=None)
@given(st.text() | files)
@example("\r;")
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text raises anything, and no line is told that there is not."""
    reading = read(text, SHELL)
    assert reading.line <= len(re.split(r"\r\n|\r|\n", text))
    assert bool(reading.kind) == bool(reading.error) == bool(re.match(r"line \d+: ", reading.error))
