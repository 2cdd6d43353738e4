"""What a program shows of a value in its place: a password out of an address, its beginning and end, its escapes."""

from __future__ import annotations

import base64
import html
import json
import secrets
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote

import pydantic
import pytest

from omc_runbook.masking import registry
from omc_runbook.masking.document import parse
from omc_runbook.masking.parts import parts
from omc_runbook.masking.value import Masked

PASSWORD = "p@W/d9:#é"
PHRASE = "winding rivers carry yellow leaves under the old stone bridge"


def basic(text: str) -> str:
    """A text in base64."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "value",
    [
        f"postgresql://app:{quote(PASSWORD, safe='')}@db.internal:5432/app?sslmode=require",
        f"host=db user=app password={PASSWORD} dbname=app",
        f"host=db user=app password='{PASSWORD}'",
        f"Server=db;User Id=app;Password={PASSWORD};",
        f'"{PASSWORD}"',
        f"Bearer {PASSWORD}",
        f"Basic {basic(f'app:{PASSWORD}')}",
        basic(f"app:{PASSWORD}"),
        json.dumps({"auths": {"registry.example.com": {"auth": basic(f"app:{PASSWORD}")}}}),
        basic(f"pass: {PASSWORD}").replace("pass", ""),
        basic(json.dumps({"user": "app", "password": PASSWORD})),
        f"\x1b[31m{PASSWORD}\x1b[0m",
    ],
)
def test_a_secret_within_a_value_is_masked(value: str) -> None:
    """Also where a program shows it alone, without its escapes."""
    parse(Masked(json.dumps({"OTHER": value}), "the secret"))
    part = PASSWORD if basic(f"pass: {PASSWORD}") != value else f"pass: {PASSWORD}"
    assert registry.mask(f"the login failed with {part} twice") == "the login failed with ‹OTHER› twice"


@pytest.mark.parametrize(
    ("value", "password"),
    [
        ("Driver={ODBC};Server=db;UID=app;PWD={winter;rose};", "winter;rose"),
        ("Driver={ODBC};UID=app;PWD={win}};ter}", "win};ter"),
        ('Server=db;Password="winter;rose";User Id=app', "winter;rose"),
        ("Server=db;Password='it''s;winter';User Id=app", "it's;winter"),
        ("Server=db;Password=winter rose;User Id=app", "winter rose"),
        (r"host=db password='it\'s winter' dbname=app", "it's winter"),
        (r"host=db password=it\'s\ winter dbname=app", "it's winter"),
        ("jdbc:postgresql://db/app?user=app&password=winter+rose%2F", "winter rose/"),
        ("postgresql://db/app?password=winter%2Brose&user=app", "winter+rose"),
    ],
)
def test_a_password_that_a_list_quotes_is_masked(value: str, password: str) -> None:
    """Without its quotes, braces and escapes, as an error has it."""
    Masked(value, "OTHER")
    assert registry.mask(f"the login failed with {password} twice") == "the login failed with ‹OTHER› twice"


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ("jdbc:postgresql://db/app?password=&user=app", "jdbc:mysql://other/x?ssl=1&user=app"),
        ("mysql://db?password=&ssl-mode=REQUIRED", "mysql://other?a=1&ssl-mode=REQUIRED"),
        ("Server=db;Password=;User Id=app", 'Server="other";User Id=3'),
        ('Server=db;Password="";Encrypt=True;', 'Server=other;Name="";Encrypt=True;'),
        ("amqp://db?pwd=%s&user=%s", "amqp://other?pwd=%s&user=%s"),
    ],
)
def test_what_follows_an_empty_password_is_none(value: str, other: str) -> None:
    """A database that IAM opens has none; other connection strings have the same members."""
    Masked(value, "OTHER")
    assert registry.mask(f"connected to {other} twice") == f"connected to {other} twice"


def test_a_password_without_quotes_may_have_separators_of_other_lists() -> None:
    """Blanks alone end libpq's."""
    Masked("host=db password=winter&rose;7 dbname=app", "OTHER")
    assert registry.mask("failed with winter&rose;7 twice") == "failed with ‹OTHER› twice"


def test_a_password_whose_quote_never_ends_takes_no_time() -> None:
    """Each way to read a backslash would double it."""
    started = time.process_time()
    assert len(list(parts("password='" + "\\a" * 5000 + "password=" * 2000))) > 0
    assert time.process_time() - started < 1


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_value_in_the_other_unicode_form_is_masked(form: str) -> None:
    """macOS and browsers compose and decompose letters."""
    Masked(unicodedata.normalize("NFD" if form == "NFC" else "NFC", PASSWORD), "OTHER")
    assert registry.mask(f"with {unicodedata.normalize(form, PASSWORD)} twice") == "with ‹OTHER› twice"


@pytest.mark.parametrize(
    "misread",
    [
        lambda text: text.encode().decode("latin-1"),
        lambda text: text.encode().decode("cp1252"),
        lambda text: json.dumps(text.encode().decode("latin-1"))[1:-1],
        lambda text: text.encode("ascii", "replace").decode(),
        lambda text: text.encode().decode("ascii", "replace"),
        lambda text: text.encode().decode("ascii", "surrogateescape"),
        lambda text: text.encode("latin-1").decode("utf-8", "replace"),
        lambda text: text.encode("latin-1").decode("utf-8", "surrogateescape"),
    ],
    ids=range(8),
)
def test_a_value_in_another_encoding_is_masked(misread: Callable[[str], str]) -> None:
    """As a header is read, what a container prints in the C locale, and a page of an old server; no piece is long."""
    Masked("grün!käse-für-öl7", "OTHER")
    assert registry.mask(f"with {misread('grün!käse-für-öl7')} twice") == "with ‹OTHER› twice"


@pytest.mark.parametrize("name", ["u", "us", "use"])
def test_a_login_that_a_client_encodes_in_latin_1_is_masked(name: str) -> None:
    """As requests does for HTTP Basic."""
    Masked("grün!käse-für-öl7", "OTHER")
    encoded = base64.b64encode(f"{name}:grün!käse-für-öl7".encode("latin-1")).decode()
    masked = registry.mask(f"({encoded})")
    assert "‹OTHER›" in masked and len(masked) < 20


def test_signs_in_the_place_of_lost_letters_are_no_value() -> None:
    """Any text may have as many question marks."""
    Masked("парольсекрет12", "OTHER")
    for text in ("why ????????????12", "\ufffd" * 24 + "12", "?" * 40):
        assert registry.mask(text) == text


@pytest.mark.parametrize("value", ["backend\u200b", "password\u00a0", "production“", "test😀"])
def test_a_word_with_a_question_mark_is_no_value(value: str) -> None:
    """A value may have been pasted with a sign that nobody sees; what is left of it is a word."""
    Masked(value, "OTHER")
    question = "Restart the backend? Which password? In production? A test? Yes."
    assert registry.mask(question) == question


def test_a_large_value_in_other_letters_is_registered_in_time() -> None:
    """In none but its own encoding: a secret has sixty-four kilobytes at most, and a run several secrets."""
    value = "".join(map(chr, range(0x4E00, 0x9000))) + "abcd12"
    started = time.process_time()
    Masked(value, "OTHER")
    assert registry.mask(f"a {value} b") == "a ‹OTHER› b"
    assert time.process_time() - started < 0.3


def test_hexadecimal_digits_of_the_other_case_are_masked() -> None:
    """UUIDs are shown in small letters, whatever they were."""
    value = "0B" + secrets.token_hex(3).upper() + "-AB12-4C3D-8E9F-" + secrets.token_hex(6).upper()
    Masked(value, "OTHER")
    assert registry.mask(value.lower()) == "‹OTHER›"


def test_a_shortened_value_is_masked() -> None:
    """pydantic shows the beginning and the end of what it refuses, words of a passphrase too."""
    Masked(PHRASE, "OTHER")
    with pytest.raises(pydantic.ValidationError) as caught:
        pydantic.TypeAdapter(int).validate_python(PHRASE)
    assert "input_value='‹OTHER›...‹OTHER›'" in registry.mask(str(caught.value))
    assert registry.mask("winding rivers… and more") == "‹OTHER›… and more"


@pytest.mark.parametrize("text", ["https://api.example.com...", "rivers ...", "Loading... done", "the old bridge..."])
def test_what_is_shortened_otherwise_is_shown(text: str) -> None:
    """A host is no secret, and dots are in many sentences."""
    Masked("https://api.example.com/v1/hooks?x=1", "HOOK")
    Masked(PHRASE, "OTHER")
    assert registry.mask(text) == text


@pytest.mark.parametrize(
    "escape", [lambda sign: f"%{ord(sign):02X}", lambda sign: f"&#{ord(sign)};", lambda sign: f"\\u{ord(sign):04x}"]
)
def test_a_value_of_which_every_character_is_escaped_is_masked(escape: object) -> None:
    """Letters too, which no escaping needs."""
    value = f"Zq-{secrets.token_hex(6)}"
    Masked(value, "OTHER")
    assert callable(escape)
    assert registry.mask(f"x {''.join(map(escape, value))} y") == "x ‹OTHER› y"
    assert html.escape(registry.mask("a&#39;b&#39;")) == html.escape("a&#39;b&#39;")
