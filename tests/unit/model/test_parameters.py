"""Parameters of a command line: which are refused because they look like a secret's value."""

from __future__ import annotations

import ast
import base64
import secrets
import uuid

import pytest
from support.paths import ROOT

from omc_runbook.model.errors import UsageError
from omc_runbook.model.parameters import check, convert, is_secret_in, literal, looks_secret, of_notebook

PUBLIC = [
    "staging",
    "AWSPREVIOUS",
    "SECRET_KEY,SMTP_PASSWORD",
    "prompt",
    "env:NEW_VALUES",
    "file:/home/me/secrets.json",
    "/home/me/ohmycoins2/backend/app",
    "infrastructure/terraform/environments/staging2",
    "ohmycoins-staging-backend",
    "eu1Blue",
    "https://platform.openai.com/api-keys",
    "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:ohmycoins-staging-app-secrets-AbC123",
    "(service backend) was unable to place a task. Reason: ResourceInitializationError: 3 tries",
    '{"error":"denied(403)","by":[1]}',
    "(psycopg.OperationalError) connection to postgresql+psycopg://app:***@db:5432/app failed",
    "connection to postgresql://app:‹POSTGRES_PASSWORD›@db:5432/app failed",
    str(uuid.uuid4()),
]
MAKERS = {
    # Each has a digit and a letter: of hundreds that are drawn, one might else be a number, or a word.
    "hex": lambda: f"{secrets.token_hex(15)}a1",
    "longer hex": lambda: secrets.token_hex(32),
    "urlsafe": lambda: f"{secrets.token_urlsafe(32)}7",
    "base64": lambda: base64.b64encode(b"\xd4" + secrets.token_bytes(31)).decode(),
    "a long one": lambda: f"{secrets.token_urlsafe(400)}x7Q",
    "provider's key": lambda: f"sk-{secrets.token_hex(6)}",
    "signs of a shell": lambda: f"{secrets.token_hex(5)}1'\"`\\{secrets.token_hex(2)}$(\\n)",
    "login in a URL": lambda: f"postgresql://app:{secrets.token_hex(4)}@db/app",
}


@pytest.mark.parametrize("text", PUBLIC, ids=range(len(PUBLIC)))
def test_what_people_name_is_taken(text: str) -> None:
    """Names, paths, sources, ARNs, version ids and error texts are parameters like any other."""
    assert not looks_secret(text)


@pytest.mark.parametrize(
    "prefix", ["sk-", "ghp_", "gho_", "xoxa-", "xoxb-", "xoxp-", "AKIA", "ASIA", "eyJ", "-----BEGIN"]
)
def test_a_known_prefix_tells_a_secret(prefix: str) -> None:
    """However short and plain the rest is; within a text it is no prefix."""
    assert looks_secret(f"{prefix}example") and not looks_secret(f"of-{prefix}example")


@pytest.mark.parametrize("maker", MAKERS)
def test_what_generators_make_is_refused(maker: str) -> None:
    """What the guide's commands generate, and what providers give out, is recognised every time."""
    assert all(looks_secret(MAKERS[maker]()) for _ in range(200))


def test_binary_characters_are_refused_and_not_repeated() -> None:
    """A terminal hands bytes over that are no UTF-8, and no notebook could be saved with them."""
    notebook = ROOT / "notebooks" / "troubleshoot.ipynb"
    with pytest.raises(UsageError, match=r"error_text.* UTF-8") as refused:
        check(notebook, [("error_text", "pasted\udcff")])
    assert "pasted" not in str(refused.value)
    with pytest.raises(UsageError, match=r'"error_text" has the character NUL') as refused:
        check(notebook, [("error_text", "pasted\0")])
    assert "pasted" not in str(refused.value)


@pytest.mark.parametrize("id", [str(uuid.uuid4()), str(uuid.uuid4()).upper(), secrets.token_hex(32)])
def test_a_version_has_the_id_that_a_client_gave_it(id: str) -> None:
    """Such as a UUID in capitals, of which no other parameter is made."""
    assert check(ROOT / "notebooks" / "restore.ipynb", [("version", id)]) == {"version": id}
    with pytest.raises(UsageError, match="looks like a secret"):
        check(ROOT / "notebooks" / "restore.ipynb", [("version", secrets.token_urlsafe(32))])


def test_what_is_the_id_of_a_version_in_capitals_is_a_secret_elsewhere() -> None:
    """A task has no such id; and of hexadecimal digits in capitals, no variable's name is made."""
    capitals = str(uuid.uuid4()).upper()
    for id in (capitals, "AB3BA44B-B4BE-40E7-BFD4-7B7993DD993C"):
        assert not is_secret_in("version", id) and is_secret_in("task", id)
    assert not is_secret_in("task", secrets.token_hex(16)) and not is_secret_in("keys", "A1_" + "B" * 40)
    for name in ("keys", "task", "version"):
        assert is_secret_in(name, f"A{secrets.token_hex(15)}7".upper())


@pytest.mark.parametrize("name", ["repository", "service"])
def test_markup_is_no_name(name: str) -> None:
    """A value with HTML around it has signs that neither names nor paths have; only a pasted message may."""
    pasted = f'<b title="x">{secrets.token_hex(7)}a1</b>&amp;'
    notebook = ROOT / "notebooks" / "troubleshoot.ipynb"
    with pytest.raises(UsageError, match="looks like a secret") as refused:
        check(notebook, [(name, pasted)])
    assert pasted not in str(refused.value)
    assert check(notebook, [("error_text", pasted)]) == {"error_text": pasted}


@pytest.mark.parametrize("text", ["", "3.5", "\u0663", "9" * 19, "1" * 5000])
def test_an_integer_has_few_digits_of_our_own(text: str) -> None:
    """Those of other scripts are refused, and more than anything counts."""
    assert (convert("days", "30", "int"), convert("days", "-7", "int")) == (30, -7)
    with pytest.raises(UsageError, match='"days" must be an integer'):
        convert("days", text, "int")


@pytest.mark.parametrize(
    ("value", "kind", "converted"),
    [
        ("false", "bool", False),
        ("True", "bool", True),
        (0, "bool", False),
        ("30", "int", 30),
        (12345, "str", "12345"),
        (None, "str", ""),
        (" \t", "str", ""),
        (["SECRET_KEY", "SMTP_PASSWORD"], "str", "SECRET_KEY,SMTP_PASSWORD"),
    ],
)
def test_what_papermill_makes_of_a_parameter_gets_its_type(value: object, kind: str, converted: object) -> None:
    """A text is not true because it is not empty."""
    assert of_notebook("one", value, kind) is converted or of_notebook("one", value, kind) == converted


@pytest.mark.parametrize(
    ("value", "kind"),
    [("maybe", "bool"), (None, "bool"), ([], "bool"), (1.5, "int"), (True, "int"), (None, "int"), (1e9, "str")],
)
def test_what_has_another_type_is_refused_by_name(value: object, kind: str) -> None:
    with pytest.raises(UsageError, match=r'^"one" must be '):
        of_notebook("one", value, kind)


@pytest.mark.parametrize("sign", ["\n", "\0", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "\ud83d", "\U000e0041"])
def test_a_parameter_is_one_line_of_visible_source(sign: str) -> None:
    """The form in JupyterLab replaces a line of the parameters cell: U+2028 would leave its rest there."""
    text = f"a{sign}b'\"\\ключ"
    source = literal(text)
    assert source.isprintable() and "ключ" in source
    assert ast.literal_eval(source) == text
