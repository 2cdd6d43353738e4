"""A secret value shows its name, answers questions and yields its text to one verb only."""

import copy
import pickle
import re
import secrets
from pathlib import Path

import pytest
from support.call_counts import count_calls

from omc_runbook.masking import registry
from omc_runbook.masking.fingerprint import fingerprint, new_key
from omc_runbook.masking.value import Masked, reveal


def test_every_way_of_showing_a_value_yields_its_name() -> None:
    """repr, str, format and what contains the value show the name and no character of the text."""
    value = Masked("ÄÖ" + secrets.token_urlsafe(16), "SECRET_KEY")
    for text in (repr(value), str(value), f"{value}", f"{value!r}", str([value])[1:-1]):
        assert text == "‹SECRET_KEY›"
    assert f"{value:>14}" == "  ‹SECRET_KEY›"


def test_a_value_is_masked_from_the_moment_it_exists() -> None:
    """The constructor registers the text before it returns."""
    text = secrets.token_urlsafe(24)
    Masked(text, "FRESH")
    assert registry.mask(f"a {text} b") == "a ‹FRESH› b"


def test_a_value_asks_for_ipython_once() -> None:
    """A checkout may have tens of thousands of values, and IPython imports a module at each question."""
    assert count_calls(lambda: Masked("x", "ANY"), named="find_ipython") == 1


def test_reveal_yields_the_text() -> None:
    """The one verb gives back exactly what went in, even for an empty or odd text."""
    for text in ("", " x\n", "pä\udc80ss" + secrets.token_hex(4), secrets.token_urlsafe(8)):
        assert reveal(Masked(text, "ANY")) == text


def test_predicates_describe_the_text() -> None:
    """Length counts characters, size counts UTF-8 bytes, and patterns are searched for."""
    value = Masked("ä" * 5 + "-9", "WEAK")
    assert (value.length, value.size, value.is_empty) == (7, 12, False)
    assert value.matches(re.compile(r"\d$"))
    assert not value.matches(re.compile(r"^\d"))
    assert Masked("", "NONE").is_empty


def test_values_compare_by_text_and_not_by_name() -> None:
    """Equality and same_as look at the text alone; case is ignored only when asked."""
    text = "Ab" + secrets.token_hex(8)
    one, two = Masked(text, "ONE"), Masked(text, "TWO")
    assert one == two and one.same_as(text)
    assert one != Masked(text + "x", "ONE")
    assert one != text
    assert not one.same_as(text.swapcase())
    assert one.same_as(text.swapcase(), casefold=True)


def test_a_value_cannot_be_copied_out() -> None:
    """Pickling, hashing and attribute dictionaries are refused; a copy is the value itself."""
    value = Masked(secrets.token_hex(8), "KEPT")
    assert copy.copy(value) is value
    assert copy.deepcopy([value])[0] is value
    with pytest.raises(TypeError, match="‹KEPT›"):
        pickle.dumps(value)
    with pytest.raises(TypeError):
        hash(value)
    with pytest.raises(TypeError):
        vars(value)


def test_a_value_has_no_state_for_others() -> None:
    """What turns objects into JSON asks for that, as jsonpickle does."""
    text = secrets.token_urlsafe(24)
    with pytest.raises(TypeError, match="‹CANARY› is a secret value") as caught:
        Masked(text, "CANARY").__getstate__()
    assert text not in str(caught.value)


def test_a_name_cannot_break_what_shows_it() -> None:
    """A key's name is data from outside: markup in it does not reach a page."""
    assert repr(Masked(secrets.token_hex(8), "A<b>\"'\\")) == "‹A?b????›"
    assert repr(Masked(secrets.token_hex(8), "the secret")) == "‹the secret›"


def test_fingerprints_agree_under_one_key_only() -> None:
    """Equal texts have equal fingerprints under one key; another key or text gives another fingerprint."""
    text, key = secrets.token_hex(16), new_key()
    value = Masked(text, "ONE")
    assert fingerprint(value, key) == fingerprint(Masked(text, "TWO"), key)
    assert fingerprint(value, key) != fingerprint(value, new_key())
    assert fingerprint(value, key) != fingerprint(Masked(text + "!", "ONE"), key)
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(value, key))


def test_only_the_value_itself_touches_its_text() -> None:
    """No other module of the package reads the attribute that holds a value's text."""
    package = Path(registry.__file__).parents[1]
    readers = {str(path.relative_to(package)) for path in package.rglob("*.py") if "._text" in path.read_text("utf-8")}
    assert readers == {"masking/value.py"}
