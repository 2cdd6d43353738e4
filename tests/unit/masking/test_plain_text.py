"""A text that others can read gives only the names of the values in it."""

import pickle
from secrets import token_hex

import pytest

from omc_runbook.masking.plain_text import PlainText
from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.value import Masked


def test_a_text_is_searched_and_never_shown() -> None:
    """Neither by its representation, nor by copies in another process."""
    value = token_hex(16)
    text = PlainText(f"run --key={value}")
    assert text.find(ValueSearch([("KEY", Masked(value, "KEY"))])) == ("KEY",)
    assert PlainText("run").find(ValueSearch([("KEY", Masked(value, "KEY"))])) == ()
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
