"""Known values are found in bytes, in the spellings of programs, and no common word is."""

from __future__ import annotations

import base64
import html
import json
import re
import secrets
from collections.abc import Callable
from urllib.parse import quote

import pytest

from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.spelling import in_base64
from omc_runbook.masking.value import Masked


def test_values_are_found_under_their_names() -> None:
    """Where the first of each begins; a former value in another encoding is not looked for."""
    now, former = f'{secrets.token_hex(12)}"ä', secrets.token_hex(12)
    search = ValueSearch([("former", Masked(former, "F"))], encoded=[("now", Masked(now, "N"))])
    assert search.find(f"a {former} b {former} {now}".encode()) == {"former": 2, "now": 54}
    for spelling in (json.dumps({"a": now}), base64.b64encode(f"x{now}".encode()).decode(), repr(now.encode())):
        assert [*search.find(spelling.encode())] == ["now"]
    assert search.find(base64.b64encode(former.encode())) == {}
    assert search.find(former[:-1].encode()) == {}


def test_a_short_or_common_value_is_not_looked_for() -> None:
    """Any text may have it."""
    values = [(word, Masked(word, "W")) for word in ("password", "abc123", "localhost")]
    assert ValueSearch(values, encoded=values).find(b"the password abc123 of localhost") == {}


def test_lines_are_what_a_program_is_given() -> None:
    """One for each spelling that source files have, and base64; of several lines the longest, without armour."""
    plain, odd = secrets.token_hex(12), f'-{secrets.token_hex(8)}"$ü/[.*'
    long = secrets.token_hex(20)
    several = f"-----BEGIN A RATHER LONG PRIVATE KEY OF MINE-----\r\n{secrets.token_hex(9)}\r\n{long}\r\n"
    values = [("plain", plain), ("odd", odd), ("several", several), ("short", "Xk9-vB2mQ-7"), ("word", "organization")]
    search = ValueSearch(by_line=[(name, Masked(text, "X")) for name, text in values])
    lines = search.lines.decode().splitlines()
    assert "" not in lines and len({*lines}) == len(lines)
    encoded = in_base64(plain.encode()) | in_base64(odd.encode()) | in_base64(long.encode())
    assert encoded <= {*lines}
    in_urls = {quote(odd, safe=""), quote(odd), quote(odd, safe="$*")}
    in_small = {re.sub("%..", lambda code: code[0].lower(), each) for each in (quote(odd, safe=""), quote(odd))}
    in_ini = {quote(odd, safe=signs).replace("%", "%%") for signs in ("", "$*")}
    in_json = {json.dumps(odd)[1:-1], odd.replace('"', '\\"')}
    in_logs = {json.dumps(each, ensure_ascii=is_ascii)[1:-1] for each in in_json for is_ascii in (True, False)}
    in_logs.add(odd.replace("ü", r"\xc3\xbc"))
    in_html = {html.escape(odd), odd.replace('"', "&#34;")}
    in_quotes = {odd.replace("$", "$$"), odd.replace("$", r"\$")}
    # Nothing else: git grep takes time for each.
    escaped = in_urls | in_small | in_ini | in_json | in_logs | in_html | in_quotes
    assert {*lines} - encoded == {plain, odd, long, *escaped}
    assert not ValueSearch[str]().lines
    text = f"{plain}\n{plain} {json.dumps([odd])} {several}".encode()
    assert search.find_all(text) == {"plain": [0, 25], "odd": [52], "several": [text.index(long.encode())]}


@pytest.mark.parametrize("line_break", ["\n", "\r\n", r"\n", r"\r\n"])
@pytest.mark.parametrize(
    ("start", "end"), [("", ""), (f'{{"id": "{"a" * 90}", "key": "', f'", "uri": "https://{"a" * 90}"}}')]
)
def test_a_private_key_is_found_in_a_file_of_another_form(line_break: str, start: str, end: str) -> None:
    """With line breaks as escapes, within JSON and after a certificate, it is the key itself that is looked for."""
    lines = [secrets.token_urlsafe(48), secrets.token_urlsafe(48), secrets.token_hex(9)]
    public = ["-----BEGIN CERTIFICATE-----", secrets.token_hex(38), "-----END CERTIFICATE-----"]
    key = ["-----BEGIN RSA PRIVATE KEY-----", *lines, "-----END RSA PRIVATE KEY-----", ""]
    value = Masked(f"{start}{line_break.join([*public, *key])}{end}", "KEY")
    search = ValueSearch(by_line=[("KEY", value)])
    assert {*search.lines.decode().splitlines()} == {lines[1], *in_base64(lines[1].encode())}
    for text in ("\n".join(key), json.dumps("\n".join(key))):
        assert [*search.find(text.encode())] == ["KEY"]
    assert not search.find("\n".join(public).encode())


@pytest.mark.parametrize("before", ["", "ci:", "AB"])
def test_what_base64_has_is_found_from_either_side(before: str) -> None:
    """A Secret of Kubernetes has a value of the .env in it, with its line's end; a .env has a key file in it."""
    value = secrets.token_hex(12)
    encoded = base64.b64encode(f"{before}{value}\n".encode())
    assert [*ValueSearch(by_line=[("A", Masked(value, "A"))]).find(encoded)] == ["A"]
    in_dotenv = Masked(base64.b64encode(value.encode()).decode(), "B")
    assert [*ValueSearch(by_line=[("B", in_dotenv)]).find(f"{before}{value}".encode())] == ["B"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("admin:password1234", "curl -u admin:password1234"),
        (
            '{\n"token_uri": "https://example.com/a/rather/long/path",\n"id": "x"\n}',
            '"https://example.com/a/rather/long/path"',
        ),
    ],
)
def test_what_base64_has_may_be_in_any_file(text: str, line: str) -> None:
    """A login of words, and the longest line of a document, are not looked for; all of it is, in base64."""
    in_dotenv = base64.b64encode(text.encode()).decode()
    search = ValueSearch(by_line=[("A", Masked(in_dotenv, "A"))])
    assert not search.find(text.encode()) and not search.find(line.encode())
    assert [*search.find(in_dotenv.encode())] == ["A"]


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text.replace("'", "''"),
        lambda text: text.replace("'", "\\'"),
        lambda text: text.replace("'", "'\\''"),
        lambda text: text.replace("$", "\\$"),
        lambda text: html.escape(text, quote=False),
        lambda text: quote(text, safe="$'"),
        lambda text: quote(text, safe="$'").replace("%", "%%"),
    ],
)
def test_a_value_is_found_as_files_escape_it(spell: Callable[[str], str]) -> None:
    """In single quotes of YAML, Python and shells, in double quotes of shells, in XML, and in addresses."""
    value = f"{secrets.token_hex(6)}$'<{secrets.token_hex(6)}"
    kinds = (value.replace("'", ""), value.replace("$", ""))
    for text in kinds:
        found = ValueSearch(by_line=[("A", Masked(text, "A"))]).find(f"x{spell(text)}x".encode())
        assert [*found] == ["A"]


def test_two_spellings_at_one_place_are_one_find() -> None:
    """A value without special characters is spelt alike everywhere."""
    value = secrets.token_hex(12)
    search = ValueSearch(encoded=[("A", Masked(value, "A"))])
    assert search.find_all(f"x{value} {value}".encode()) == {"A": [1, 26]}
