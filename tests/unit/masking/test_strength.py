"""How hard values are to guess: with an estimate, and without where none is needed."""

import random
import string

import pytest

from omc_runbook.masking import guesses, strength
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import default_keys

SIGNING_KEY = default_keys()["SECRET_KEY"]
HEX, MIXED = "0123456789abcdef", string.ascii_letters + string.digits


@pytest.mark.parametrize("alphabet", [HEX, MIXED], ids=["hex", "mixed"])
def test_a_random_value_needs_no_estimate(alphabet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which takes longer than all else that is asked of a value."""
    chosen = random.Random(11)
    values = [Masked("".join(chosen.choices(alphabet, k=48)), "SECRET_KEY") for _ in range(200)]
    monkeypatch.setattr(guesses, "estimate", lambda text, user_inputs=(): 0.0)
    assert not any(strength.is_guessable(value, None) for value in values if strength.is_strong(value))
    assert sum(map(strength.is_strong, values)) > 190


def test_an_estimate_says_the_same() -> None:
    """A value that needs none is hard to guess by an estimate too."""
    value = Masked("".join(random.Random(11).choices(HEX, k=48)), "SECRET_KEY")
    assert strength.is_strong(value) and strength.digits_of_guesses(value) > strength.SIGNED


@pytest.mark.parametrize(
    "text",
    [
        "abcdefghijklmnopqrstuvwxyz012345",
        "0123456789abcdeffedcba9876543210",
        "97531Zq97531Xw13579Yp13579",
        "deadbeef" * 4,
        "qwertyuiop1234567890asdfgh",
        "correct-Horse-7-battery-Staple-42",
        "aB3aB3aB3aB3aB3aB3aB3aB3",
        "Drowssap-7-Yretsym-9-Nogard",
    ],
)
def test_a_value_of_words_or_patterns_is_estimated(text: str) -> None:
    """However long it is."""
    value = Masked(text, "SECRET_KEY")
    assert strength.is_strong(value) == (strength.digits_of_guesses(value) >= strength.SIGNED)
    assert not strength.is_strong(value)


def test_words_that_an_attacker_would_try_first_are_looked_for() -> None:
    """Also where no dictionary has them: the project's name, and the user's."""
    value = Masked("Ohmycoins7Q-ohmycoinX9-2k", "SECRET_KEY")
    assert not strength.is_guessable(value, None, ["unrelated"])
    assert strength.is_guessable(value, SIGNING_KEY, ["ohmycoins"]) == (
        strength.digits_of_guesses(value, ["ohmycoins"]) < strength.SIGNED
    )
    assert strength.is_guessable(value, SIGNING_KEY, ["ohmycoins"])


def test_the_longest_value_is_judged_at_once() -> None:
    """Of a certificate no more is looked at than an estimate would."""
    text = "".join(random.Random(3).choices(string.ascii_lowercase, k=60_000))
    assert strength.is_strong(Masked(f"A1{text}", "CERTIFICATE"))


@pytest.mark.parametrize(
    ("body", "is_weak"), [("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC{}\n{}", False), ("password" * 8, True)]
)
def test_a_key_file_is_judged_by_its_key(body: str, is_weak: bool) -> None:
    """Its first line is that of all keys of its kind, and what comes then is that of all RSA keys."""
    parts = ("".join(random.Random(seed).choices(MIXED, k=32)) for seed in (5, 6))
    value = Masked(f"-----BEGIN PRIVATE KEY-----\n{body.format(*parts)}\n-----END PRIVATE KEY-----\n", "SECRET_KEY")
    assert strength.is_guessable(value, SIGNING_KEY) == is_weak


@pytest.mark.parametrize("text", ["-----BEGIN PRIVATE KEY-----", "-----BEGIN A-----\n-----END A-----\n"])
def test_a_key_file_without_its_key_is_weak(text: str) -> None:
    """Of one without quotes in a .env, the first line alone is the value."""
    assert strength.digits_of_guesses(Masked(text, "TLS_KEY")) == 0
    assert strength.is_guessable(Masked(text, "TLS_KEY"), None)


def test_likely_words_are_found_once_for_many_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long .env each value is judged by the words of all others, which are split into words once."""
    texts = [f"service-{number}.example.com" for number in range(20)]
    values = [Masked(f"correct-horse-{number}-ohmycoins", "PASSWORD") for number in range(10)]
    expected = [strength.is_guessable(value, None, texts) for value in values]
    words, split = strength.LikelyWords(texts), []
    monkeypatch.setattr(strength, "_words_of", lambda texts: split.append(texts) or ())
    assert [strength.is_guessable(value, None, words) for value in values] == expected
    assert not split
