"""Names that look alike and are not the same."""

import pytest

from omc_runbook.model import letters
from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import nearest


@pytest.mark.parametrize(
    "name",
    [
        "SECRET_\u041aEY",
        "SECRET\u200b_KEY",
        "SECRET_KEY ",
        "\ufeffSECRET_KEY",
        "\uff33ECRET_KEY",
        "S\u0395CRET_K\u0395Y",
    ],
)
def test_a_name_that_only_looks_like_another_is_told(name: str) -> None:
    """Another alphabet, an invisible character, white space at an end, a wide letter."""
    assert letters.look_alike(name, "SECRET_KEY") and letters.describe(name)
    assert letters.spell(name) != name and letters.skeleton(name) == "SECRET_KEY"


@pytest.mark.parametrize("name", ["SECRET_KEY", "omc-key", "schlüssel", "密钥", "", "a b"])
def test_an_honest_name_is_left_as_it_is(name: str) -> None:
    """Names of other alphabets deceive nobody."""
    assert (letters.describe(name), letters.spell(name)) == ("", name)


@pytest.mark.parametrize(
    ("whole", "parts", "number"),
    [("CL\u00c9", "CLE\u0301", "CLE‹U+0301›"), ("キー\u30ab", "キー\uff76", "キー‹U+FF76›")],
)
def test_a_letter_of_another_form_is_told_from_the_usual_one(whole: str, parts: str, number: str) -> None:
    """As an accent by itself, or of half the width: no ASCII character looks like it."""
    assert letters.look_alike(whole, parts)
    assert (letters.describe(whole), letters.spell(whole)) == ("", whole)
    assert letters.describe(parts).startswith("U+") and letters.spell(parts) == number


def test_the_nearest_name_says_which_letter_differs() -> None:
    """Otherwise the suggestion would look like the mistake."""
    hint = nearest("backe\u200bnd", ["backend", "worker"])
    assert hint == ": did you mean backend? The name has U+200B (ZERO WIDTH SPACE)."


def test_another_name_is_asked_for_where_it_is_similar() -> None:
    """Not confirm, production's guard, where on_failure is meant, which another runbook has."""
    assert nearest("on_failure", ["apply", "confirm"]) == ": there are apply, confirm."
    for name, meant in (("stage", "staging"), ("prod", "production"), ("comfirm", "confirm")):
        assert nearest(name, ["apply", "confirm", "production", "staging"]) == f": did you mean {meant}?"


def test_what_would_fill_the_screen_is_cut() -> None:
    """A name of 100 KB, but neither a long ARN nor many words."""
    assert letters.on_one_line(f"a {'b' * 100_000}\nc") == f"a {'b' * 100}… (100,000 characters) c"
    assert letters.shorten(f'No "{"b" * 100_000}": b.') == f'No "{"b" * 99}… (100,001 characters)": b.'
    assert letters.shorten("." * 9_000) == f"{'.' * 100}… (8,997 characters)..."
    for text in ("x" * 2048, "word " * 1000):
        assert letters.on_one_line(text) == text


def test_an_error_stays_in_a_line() -> None:
    """Whatever the parameter has that it quotes: also a line end stands as its number."""
    (line,) = UsageError("a\nb\x1b[2J is not a file.")._render_traceback_()
    assert line == "UsageError: a‹U+000A›b‹U+001B›[2J is not a file."
    (line,) = UsageError(f"{'x' * 100_000} is not a folder.")._render_traceback_()
    assert line == f"UsageError: {'x' * 100}… (100,000 characters) is not a folder."
