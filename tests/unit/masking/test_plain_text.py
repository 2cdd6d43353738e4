"""A text that others can read gives only the names of the values in it."""

import pickle
from secrets import token_hex

import pytest

from omc_runbook.masking.fingerprint import process_key, text_fingerprint
from omc_runbook.masking.plain_text import PlainText, is_distinct, is_place
from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.value import Masked


def test_a_text_is_searched_and_never_shown() -> None:
    """Neither by its representation, nor by copies in another process."""
    value = token_hex(16)
    text = PlainText(f"run --key={value}")
    assert text.find(ValueSearch([("KEY", Masked(value, "KEY"))]), {}) == ("KEY",)
    assert PlainText("run").find(ValueSearch([("KEY", Masked(value, "KEY"))]), {}) == ()
    assert value not in f"{text} {text!r} {vars(PlainText)}"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(text)


@pytest.mark.parametrize(
    ("text", "has_shape"),
    [("redis://:f3a91c7e52d84b06@cache:6379", True), ("redis://cache:6379/0", False), ("", False)],
)
def test_what_looks_like_a_secret(text: str, has_shape: bool) -> None:
    """A password in an address does, an address alone does not."""
    assert PlainText(text).has_shape is has_shape


@pytest.mark.parametrize(
    ("text", "found"), [("run --password open-sesame", ("KEY",)), ("run --name open-sesame", ()), ("open-sesame", ())]
)
def test_a_weak_value_is_found_where_a_secret_stands(text: str, found: tuple[str, ...]) -> None:
    """Anywhere else, a text may have it by chance."""
    weak = {text_fingerprint("open-sesame", process_key()): "KEY"}
    assert PlainText(text).find(ValueSearch(()), weak) == found


@pytest.mark.parametrize(
    ("text", "name_is_secret", "expected"),
    [
        ("aB3-xyz-9Qw", True, True),
        ("open-sesame", True, False),
        ("db-1.abc123xyz.rds.amazonaws.com", False, False),
        ("postgresql://app:f3a91c7e52d84b06@db/app", False, True),
    ],
)
def test_what_a_text_may_have_by_chance(text: str, name_is_secret: bool, expected: bool) -> None:
    """Words, and what has neither a secret's name nor its form."""
    assert is_distinct(Masked(text, "KEY"), name_is_secret) is expected


@pytest.mark.parametrize(
    ("text", "name_is_secret", "expected"),
    [
        ("db-1.abc123xyz.ap-southeast-2.rds.amazonaws.com", False, True),
        ("https://api.ohmycoins.com:8443/v1", False, True),
        ("arn:aws:s3:::app-data-2024", False, True),
        ("/ecs/ohmycoins-staging/backend", False, True),
        ("db-1.abc123xyz.internal", True, False),
        ("redis://:f3a91c7e52d84b06@cache.internal:6379", False, False),
        ("https://flows.ohmycoins.com/webhook/f3a91c7e52d84b06", False, False),
        ("f3a91c7e52d84b06", False, False),
        ("app:f3a91c7e52d84b06", False, False),
        ("redis://cache:6379/0", False, True),
        ("10.0.12.34:6379", False, True),
        ("https://sqs.ap-southeast-2.amazonaws.com/123456789012/jobs-2024.fifo", False, True),
        ("f3a91c7e52d84b06a1e9.c4770b6d2f58ae31c09d", False, False),
        ("MTk4NjIyNDgzNDcx.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7k", False, False),
        ("https://flows.ohmycoins.com/f3a91c7e/52d84b06", False, False),
        ("/aB3dEf9h/Kj2LmN0/pQ8rS", False, False),
    ],
)
def test_what_says_where_something_is(text: str, name_is_secret: bool, expected: bool) -> None:
    """Unless its name is that of a secret, or a login is in it."""
    assert is_place(Masked(text, "KEY"), name_is_secret) is expected
