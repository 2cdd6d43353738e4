"""A .env as a file: its bytes, its variables as each program sees them, and no value outside."""

import os
import random
import stat
import string
from collections.abc import Mapping
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from omc_runbook.masking import registry
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import UsageError
from omc_runbook.workstation.docker import find_compose
from omc_runbook.workstation.dotenv import LARGEST, Binding, Dotenv, read_dotenv
from omc_runbook.workstation.dotenv_names import find_assignments, first_words_of, is_alone

CANARY = "kanarienvogel-7c41"
COMPOSE = find_compose()
with_compose = pytest.mark.skipif(COMPOSE is None, reason="no Docker Compose here")


def read(
    folder: Path,
    content: str | bytes,
    shell: Mapping[str, str] | None = None,
    public: tuple[str, ...] = (),
    program: tuple[str, ...] | None = COMPOSE,
) -> Dotenv:
    """The file as both programs read it; where there is no Docker Compose, as python-dotenv alone does."""
    path = folder / ".env"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    found = read_dotenv(path, shell or {}, public, program)
    assert found
    return found


def find(file: Dotenv, name: str) -> Binding:
    binding = file.find(name)
    assert binding, name
    return binding


def holds(masked: Masked | None, text: str | None) -> bool:
    return masked is None if text is None else masked is not None and masked.same_as(text)


@with_compose
@pytest.mark.parametrize(
    ("line", "python", "compose"),
    [
        ("A=b", "b", "b"),
        ("export A='b c'", "b c", "b c"),
        ("A=", "", ""),
        ("A=b # note", "b", "b"),
        ("A=b #c", "b", "b"),
        ("A=b\t# note", "b", "b\t# note"),
        ("A=b$NO", "b$NO", "b"),
        ("A=b$$c", "b$$c", "b$c"),
        ("A=b${NO}", "b", "b"),
        ("A='b${NO}c'", "bc", "b${NO}c"),
        ("A='b$NO'", "b$NO", "b$NO"),
        ("A=${S:-b}", "shell", "shell"),
        ("A=b\nA=c", "c", "c"),
        ("B=1\nA=${B}2", "12", "12"),
        ("A=${B}2\nB=1", "2", "12"),
        ("S=mine\nA=${S}", "mine", "shell"),
        ("A: b", None, "b"),
        ("S", None, "shell"),
        ('A="b\\tc"', "b\tc", "b\tc"),
    ],
)
def test_each_program_has_its_own_value(tmp_path: Path, line: str, python: str | None, compose: str | None) -> None:
    """A line has python-dotenv's reading and Docker Compose's."""
    binding = find(read(tmp_path, f"{line}\n", {"S": "shell"}), "S" if line == "S" else "A")
    assert holds(binding.for_python, python)
    assert holds(binding.for_compose, compose)


@with_compose
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("A=b", ("=", "", False, False, False, False)),
        ("A: 'b # c'", (":", "'", False, False, False, False)),
        ('A="b$c"', ("=", '"', True, False, False, True)),
        ("A=b$$c", ("=", "", True, False, False, False)),
        ("A=b$S", ("=", "", True, False, False, False)),
        ("A='b$c'", ("=", "'", False, False, False, False)),
        ("A='b${c}'", ("=", "'", True, False, False, False)),
        ("A=b$1$", ("=", "", False, False, False, False)),
        ("A=b # note #1", ("=", "", False, True, False, False)),
        ("A=b #c # note", ("=", "", False, True, True, False)),
        ("A= # note", ("=", "", False, True, False, False)),
        ("A=b#c", ("=", "", False, False, False, False)),
        ("A='b\n c$d #e'", ("=", "'", False, False, False, False)),
        ("A", ("", "", False, False, False, False)),
    ],
)
def test_how_a_line_is_written(tmp_path: Path, line: str, expected: tuple[str, str, bool, bool, bool, bool]) -> None:
    """Separator, quote, an expanded dollar, a cutting hash, text close to it, and a name that is not set."""
    found = find(read(tmp_path, f"\n# note\n{line}\n", {"S": "shell"}), "A")
    assert (
        found.separator,
        found.quote,
        found.has_dollar,
        found.has_hash,
        found.has_text_after_hash,
        found.is_unset,
    ) == expected
    assert found.line == 3


@pytest.mark.parametrize(("line", "is_comment"), [("A=# b", True), ("A= # b", True), ('A="# b"', False)])
def test_a_comment_in_the_place_of_a_value(tmp_path: Path, line: str, is_comment: bool) -> None:
    """In quotes it is a value."""
    assert find(read(tmp_path, f"{line}\n"), "A").is_comment is is_comment


def test_what_is_swallowed(tmp_path: Path) -> None:
    """A quote that is not closed takes names away; they are mentioned, and Compose refuses the file."""
    file = read(tmp_path, "# X=1\nA='b\n\nB=c'\nC=d\nD: e\n  export F = g\n")
    assert file.assigned_names == ("A", "B", "C", "D", "F")
    assert [binding.name for binding in file.bindings] == ["A", "C", "D", "F"]
    assert (file.hidden_names, file.unreadable, file.compose_kind or "") == (("B", "D"), (6,), "")
    file = read(tmp_path, 'A=b\nB="c\nC=d\n')
    assert (file.hidden_names, file.unreadable) == (("B",), (2,))
    assert (file.compose_kind, file.compose_line) == (("unterminated", 2) if COMPOSE else (None, 0))
    assert holds(find(file, "A").for_compose, None) and holds(find(file, "A").for_python, "b")


def test_a_name_twice(tmp_path: Path) -> None:
    """A name on several lines is one binding, its last; the lines are listed."""
    file = read(tmp_path, "A=b\nC=d\n\nA: e\nA=f\n")
    assert file.duplicates == (("A", (1, 4, 5)),)
    assert [(each.name, each.line) for each in file.bindings] == [("C", 2), ("A", 5)]


@pytest.mark.parametrize(
    ("raw", "newline", "bom", "error", "nul"),
    [
        (b"", "lf", False, "", False),
        (b"A=b", "lf", False, "", False),
        (b"A=b\nC=d\n", "lf", False, "", False),
        (b"A=b\r\nC=d\r\n", "crlf", False, "", False),
        (b"A=b\r\nC=d\n", "mixed", False, "", False),
        (b"A=b\rC=d\r", "cr", False, "", False),
        (b"A=b\rC=d\n", "mixed", False, "", False),
        (b"\xef\xbb\xbfA=b\n", "lf", True, "", False),
        (b"A=b\0c\n", "lf", False, "", True),
        (b"A=b\n# caf\xe9\nC=d\n", "lf", False, "not UTF-8 at byte 10", False),
        ("A=bcd\r\n".encode("utf-16"), "crlf", False, "UTF-16", True),
        ("A=bcd\n".encode("utf-16-be"), "lf", False, "UTF-16", True),
        (b"\xfe\xff" + "A=bcd\n".encode("utf-16-be"), "lf", False, "UTF-16", True),
        (b"\0GITCRYPT\0\xfeq\r\n\x01", "lf", False, "encrypted by git-crypt", True),
    ],
)
def test_bytes(tmp_path: Path, raw: bytes, newline: str, bom: bool, error: str, nul: bool) -> None:
    """Line ends, a byte order mark, another encoding and NUL bytes are reported; the names are found all the same."""
    file = read(tmp_path, raw)
    assert (file.newline, file.has_bom, file.encoding_error, file.has_nul) == (newline, bom, error, nul)
    assert file.assigned_names == tuple(name for name in ("A", "C") if f"{name}=".encode() in raw.replace(b"\0", b""))
    assert not error or all(each.for_python is None for each in file.bindings)


@with_compose
def test_a_byte_order_mark_hides_the_first_name(tmp_path: Path) -> None:
    """Most versions of python-dotenv take the mark for a part of the first name, and Compose does not."""
    file = read(tmp_path, "\ufeffA=b\nC=d\n")
    assert (file.hidden_names, file.misnamed_lines) == (("A",), ())
    assert holds(find(file, "A").for_python, None) and holds(find(file, "A").for_compose, "b")
    assert (find(file, "A").line, find(file, "A").separator, find(file, "C").line) == (1, "=", 2)
    assert read(tmp_path, "\ufeff# note\nA=b\n").hidden_names == ()


def test_a_character_in_a_name_that_the_eye_does_not_see_has_its_number(tmp_path: Path) -> None:
    """Also one that looks like another; none that is seen."""
    file = read(tmp_path, "A=1\n\u200bB=2\nC\uff1d3\nD+E=4\nF\u20ac=5\n")
    assert file.misnamed_lines == (2, 3, 4, 5)
    assert file.odd_characters == {2: "‹U+200B›", 3: "‹U+FF1D›"}


def test_the_file_itself(tmp_path: Path) -> None:
    """The mode and the target of a link are read; without a file there is nothing."""
    file = read(tmp_path, "A=b\n")
    file.path.chmod(0o640)
    link = tmp_path / "link"
    link.symlink_to(file.path)
    found = read_dotenv(link, {})
    assert found
    assert (found.path, found.is_link, found.target, found.mode) == (link, True, file.path, 0o640)
    assert file.is_link is False and file.find("B") is None
    file.path.unlink()
    assert [read_dotenv(path, {}) for path in (link, file.path, tmp_path / "no" / ".env")] == [None, None, None]


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    """A directory, a pipe, a file that is too large or may not be read is refused in one sentence."""
    path = tmp_path / ".env"
    path.mkdir()
    with pytest.raises(UsageError, match=r"\.env is a directory, not a file: move it away\.$"):
        read_dotenv(path, {})
    path.rmdir()
    os.mkfifo(path)
    with pytest.raises(UsageError, match="is a pipe or a device"):
        read_dotenv(path, {})
    path.unlink()
    path.write_text("#" * LARGEST)
    assert read_dotenv(path, {})
    path.write_text("#" * (LARGEST + 1))
    with pytest.raises(UsageError, match="is larger than 262,144 bytes"):
        read_dotenv(path, {})
    path.chmod(0)
    if not os.access(path, os.R_OK):
        with pytest.raises(UsageError, match="cannot be read: Permission denied"):
            read_dotenv(path, {})
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_dotenv(path, {})
    assert stat.S_ISLNK(path.lstat().st_mode)


@pytest.mark.parametrize(
    "content",
    [
        f"SECRET_KEY={CANARY}",
        f"SECRET_KEY: {CANARY}",
        f"SECRET_KEY='{CANARY}",
        f"SECRET_KEY=x #{CANARY}",
        f"SECRET_KEY=${{{CANARY}",
        f"SECRET_KEY='x' {CANARY}",
        f"two words={CANARY}",
        f"{CANARY} x",
        f"a'b={CANARY}",
        f"{CANARY}",
        f"A='b\n{CANARY}",
        f"A=b\n{CANARY}=",
        f"SECRET_KEY=x{CANARY}\nA=${{",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_no_value_gets_out(tmp_path: Path, content: str, encoding: str) -> None:
    """What was read shows no value, and whatever else would show one is masked, also of lines that nobody can read."""
    file = read(tmp_path, f"{content}\n".encode(encoding))
    assert CANARY not in repr(file)
    assert CANARY not in registry.mask(f"it said {CANARY} and x{CANARY}")


def test_a_private_key_is_no_list_of_names(tmp_path: Path) -> None:
    """The lines of a private key that nobody put into quotes are not taken for variables."""
    body = "MIIkanarienvogel\nAbcdEfghIjkl==\nQRSTUVWXYZ"
    file = read(tmp_path, f"A=b\nKEY_FILE=-----BEGIN KEY-----\n{body}\n-----END KEY-----\nC=d\n")
    assert file.assigned_names == ("A", "KEY_FILE", "C")
    assert [binding.name for binding in file.bindings] == ["A", "KEY_FILE", "C"]
    assert read(tmp_path, "KEY_FILE=-----BEGIN KEY-----\nMIIkanarien\nMIIkanarien\n").duplicates == ()
    assert "AbcdEfghIjkl" not in registry.mask(body) and "kanarienvogel" not in repr(file)


def test_what_may_be_shown(tmp_path: Path) -> None:
    """Common words, numbers, plain words and the template's values stay readable, unless a secret is the same."""
    content = (
        "ENVIRONMENT=local\nPORT=54321\nLOG_LEVEL=debug\nOWNER=ada\nTITLE='Oh my'\nAPI_TOKEN=ada\nX_PASSWORD=sesamum\n"
    )
    file = read(tmp_path, f"{content}# As of May\nNICK=sesamum\nDEBUG: False\n", {}, ("Oh my",))
    assert registry.mask("# As of May") == "# As of May"
    assert registry.mask("local 54321 debug Oh my False sesamum") == "local 54321 debug Oh my False ‹X_PASSWORD›"
    assert holds(find(file, "TITLE").for_python, "Oh my")


def test_paths_of_the_checkout_stay_readable(tmp_path: Path) -> None:
    """A remedy names files, which a variable may name too; what a secret has is masked, whatever it is."""
    (tmp_path / "src" / "app").mkdir(parents=True)
    (tmp_path / "sesamum2").touch()
    (tmp_path / "schild7a").touch()
    (tmp_path / "schild7b").touch()
    Masked("schild7a", "BEFORE")
    content = f"UV_ENV_FILE=.env\nPYTHONPATH=src/app\nROOT={tmp_path}\nOTHER=no/such\n"
    read(tmp_path, f"{content}X_PASSWORD=sesamum2\nY=sesamum2\nA=schild7a\nB=schild7b\n")
    Masked("schild7b", "AFTER")
    text = f"{tmp_path}/.env src/app/main.py no/such"
    assert registry.mask(text) == f"{tmp_path}/.env src/app/main.py ‹OTHER›"
    assert registry.mask("sesamum2 schild7a schild7b") == "‹X_PASSWORD› ‹BEFORE› ‹AFTER›"


def test_the_former_lines_of_a_variable_are_masked(tmp_path: Path) -> None:
    """Of several lines the last one counts; what stands above, as in a merge conflict, is as secret."""
    read(tmp_path, f"A_KEY={CANARY}\n=======\nA_KEY='gimpel-22ab'\nA_KEY=zeisig-31cd\n")
    assert registry.mask(f"{CANARY} gimpel-22ab zeisig-31cd") == "‹A_KEY› ‹A_KEY› ‹A_KEY›"


def test_the_marks_of_a_merge_conflict_are_not_masked(tmp_path: Path) -> None:
    """They are the same in every file, and a remedy names them; what is between them is masked."""
    read(tmp_path, f"A=1\n<<<<<<< HEAD\n{CANARY}\n|||||||\n=======\n======={CANARY}\n>>>>>>> theirs\n")
    marks = "<<<<<<< ||||||| ======= >>>>>>>"
    assert registry.mask(f"{marks} {CANARY}") == f"{marks} ‹.env›"


def test_equal_signs_without_a_conflict_may_be_a_value(tmp_path: Path) -> None:
    """A lone line of them is no mark."""
    read(tmp_path, "A=1\n=======\n")
    assert registry.mask("=======") == "‹.env›"


@with_compose
def test_only_a_count_of_unset_names(tmp_path: Path) -> None:
    """Names that Compose does not find may be pieces of a password: only their number is reported."""
    file = read(tmp_path, "A=x$canary$other$canary\n")
    assert (file.unset, find(file, "A").is_unset) == (2, True)
    assert "canary" not in repr(file)


pieces = st.one_of(
    st.sampled_from(["A", "B", "S", "=", ":", " ", "\n", "\r\n", "\r", "\t", "#", " #", "'", '"', "\\", "é", "\x0b"]),
    st.sampled_from(["${A}", "${S}", "${NO:-", "}", "$A", "x", "export ", "\\n", "A=", "\nB=", "\nA='"]),
)


@pytest.mark.long
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(pieces, max_size=14).map("".join))
@example("x=\nx")
def test_python_agrees(tmp_path: Path, text: str) -> None:
    """Whatever is in a file, the values for Python are those that python-dotenv gives to this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S", "shell")
        patch.delenv("A", raising=False)
        patch.delenv("B", raising=False)
        file = read(tmp_path, text, os.environ, program=None)
        expected = dotenv_values(file.path, encoding="utf-8")
    visible = {
        name: value for name, value in expected.items() if value is not None and name in ("A", "B", "S", "AB", "x")
    }
    for name, value in visible.items():
        assert holds(find(file, name).for_python, value)
    others = [each for each in file.bindings if each.name not in visible]
    assert [
        each.name for each in others if each.for_python is not None and each.name in ("A", "B", "S", "AB", "x")
    ] == []
    visible = {name for name, value in expected.items() if value is not None}
    assert set(file.hidden_names) == set(file.assigned_names) - visible


@pytest.mark.parametrize("end", ["=", "==", "", "= x"])
@pytest.mark.parametrize(
    "line",
    [
        *("Zq7c6520381054e1369480f55bf67be", "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbCF4", "JBSWY3DPEHPK3PXPJB5WY3DP"),
        *("T2YgY291cnNlIG5vdA", "d2hhdCBpcyBpdCB3b3J0aA", "Q2FuIHlvdSByZWFkIGl0IGhlcmU"),
    ],
)
def test_a_value_on_a_line_of_its_own_is_no_name(tmp_path: Path, line: str, end: str) -> None:
    """As one in base64, whose = at its end makes it a name for python-dotenv; it is shown nowhere."""
    file = read(tmp_path, f"SECRET_KEY=\n{line}{end}\nPORT=1\n")
    assert [each.name for each in file.bindings] == ["SECRET_KEY", "PORT"]
    assert line not in f"{file.hidden_names} {file.assigned_names} {file.first_words}"


@pytest.mark.parametrize(
    "name",
    [
        *("AWS_S3_BUCKET2", "MYAPPDB2CONNECTIONSTRING", "OAUTH2CLIENTSECRET", "someLongCamelCaseName"),
        *("A1_B2_C3_D4_E5_F6_G7_H8", "KEY_2026_10_31_OF_THE_TEAM", "NEXT_PUBLIC_FIREBASE_API_KEY_V2"),
        *("neo4jConnectionUri", "oauth2GoogleClientId", "awsS3BucketName2", "utf8Mb4CharsetDefault"),
        *("x509CertificateSha256", "azureOpenAiGpt4Deployment", "REACT_APP_route53HostedZoneId"),
        *("GITHUBAPP2024SECRET", "BACKUP20261031ENABLED"),
    ],
)
def test_a_long_name_with_digits_stays_a_name(tmp_path: Path, name: str) -> None:
    """Its words are short, or have few digits."""
    assert [each.name for each in read(tmp_path, f"{name}=x\n").bindings] == [name]


@pytest.mark.parametrize("value", ["!a1", "%41", "*a", "(a)", '["a"]', "'[1]'", "^a"])
def test_a_name_stays_one_whatever_its_value_begins_with(tmp_path: Path, value: str) -> None:
    """A generated password begins with any character, and a list with a bracket."""
    assert [each.name for each in read(tmp_path, f"myServiceToken={value}\n").bindings] == ["myServiceToken"]


ENDS = ("=", "==", '="', "==',", "= # x", "=\\n", ": x", "=-----END PRIVATE KEY-----", "=</Modulus>", "=@db/app")


@pytest.mark.parametrize(
    "characters",
    [
        *(f"{string.ascii_uppercase}234567", f"{string.ascii_uppercase}{string.digits}", string.ascii_letters),
        *(f"{string.ascii_letters}{string.digits}", f"{string.ascii_lowercase}{string.digits}", "0123456789abcdef"),
    ],
)
def test_no_random_value_on_a_line_of_its_own_is_a_name(characters: str) -> None:
    """Whichever letters and digits it is made of, and whether or not it ends in = as base64 and base32 do."""
    source = random.Random(characters)
    for length in (16, 20, 22, 26, 32, 43):
        for word in ("".join(source.choices(characters, k=length)) for _ in range(50)):
            assert not is_alone(word, ())
            lines = "".join(f"{word}{end}\n" for end in ENDS)
            assert (find_assignments(lines, ()), first_words_of(lines, ())) == ({}, frozenset())


@pytest.mark.parametrize("end", ["", "="])
@pytest.mark.parametrize("name", ["x509CertificateSha256", "MYAPPDB2CONNECTIONSTRING", "T2YgY291cnNlIG5vdA"])
def test_a_name_that_the_checkout_has_elsewhere_is_no_value(tmp_path: Path, name: str, end: str) -> None:
    """On a line of its own, with and without =, whatever it looks like, and in whatever case."""
    path = tmp_path / ".env"
    path.write_text(f"{name}{end}\n")
    found = [read_dotenv(path, {}, known=known) for known in ((), (name.casefold(),))]
    assert [[binding.name for binding in file.bindings] for file in found if file] == [[], [name]]
