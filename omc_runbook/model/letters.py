"""Letters that the eye does not tell from others, or does not see; and names and numbers as a sentence has them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

_LOOK_ALIKES = str.maketrans(
    "АВЕЅІЈКМНОРСТУХЗԌԚԜавеѕіјкмнорстухгԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχ‐‑‒–—−ˍ",
    "ABESIJKMHOPCTYX3GQWabesijkmhopctyxrqwABEZHIKMNOPTYXaiknoptux------_",
)
"""Cyrillic and Greek letters and the dashes, with the ASCII characters that they look like."""

_NUMBER = re.compile(r"‹U\+[0-9A-F]{4,6}›")

_ENDLESS, _HEAD = re.compile(r"(?<!\S)\S{2100,}?(?=[\"':;,.!?)]{0,3}(?!\S))"), 100
"""A word longer than an ARN can be, without what ends it in a sentence, and how much of it is shown."""


@lru_cache(maxsize=4096)
def skeleton(name: str) -> str:
    """A name without what the eye does not see: alphabet, invisible characters, and white space at its ends."""
    plain = unicodedata.normalize("NFKC", name).translate(_LOOK_ALIKES)
    return "".join(character for character in plain if not _is_invisible(character)).strip()


def fold(name: str) -> str:
    """What names that look the same have in common, whatever the case of their letters."""
    return skeleton(name).casefold()


def look_alike(name: str, other: str) -> bool:
    """Whether two names differ only in what the eye does not see."""
    return name != other and skeleton(name) == skeleton(other)


def describe(name: str) -> str:
    """The characters of a name that deceive the eye, with their Unicode names; "" for none."""
    odd = [] if _is_plain(name) else [character for character in name if _deceives(character, name)]
    edges = "white space at an end" if name != name.strip() else ""
    letters = [f"U+{ord(character):04X} ({unicodedata.name(character, 'a control character')})" for character in odd]
    return " and ".join(filter(None, (", ".join(dict.fromkeys(letters)), edges)))


def number(name: str) -> str:
    """A name in which every character that deceives the eye stands as its number, so that it can be pasted."""
    if _is_plain(name):
        return name
    return "".join(f"‹U+{ord(each):04X}›" if _deceives(each, name) else each for each in name)


def spell(name: str) -> str:
    """The same in a sentence: in quotes where white space is at an end."""
    return f'"{number(name)}"' if name != name.strip() else number(name)


def without_numbers(text: str) -> str:
    """A text without the characters that stand as their numbers in it."""
    return _NUMBER.sub("", text)


def printable(text: str) -> str:
    """A text in which each unprintable character, such as ESC or a mark of direction, is shown by its number.

    Line ends and tabs stay. Pages and terminals show texts from outside like this.
    """
    hidden = {each for each in set(text) if not each.isprintable() and each not in "\n\t"}
    numbers = {ord(each): f"‹U+{ord(each):04X}›" for each in hidden if unicodedata.category(each) != "Zs"}
    return text.translate(numbers) if numbers else text


def in_a_line(text: str) -> str:
    """The same with each line end as its number too: a name or a parameter stays in one piece."""
    return printable(text).replace("\n", "‹U+000A›")


def on_one_line(text: str) -> str:
    """The same without line ends, so that a name cannot begin a line of its own, and cut where too long."""
    return shorten(printable(" ".join(text.splitlines())))


def shorten(text: str) -> str:
    """A text without most of a word that would fill a screen; no name in AWS is as long."""
    return _ENDLESS.sub(lambda word: f"{word[0][:_HEAD]}… ({len(word[0]):,} characters)", text)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable()


def _deceives(character: str, name: str) -> bool:
    # An accent by itself looks like the letter that has it.
    is_other = skeleton(character).isascii() or character not in unicodedata.normalize("NFKC", name)
    return _is_invisible(character) or (not character.isascii() and is_other)


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc", "Zl", "Zp") or (character.isspace() and character != " ")


def as_sentence(words: str) -> str:
    """Words as a sentence: with a capital letter and a full stop."""
    return f"{words[0].upper()}{words[1:]}."


def lower_first(words: str) -> str:
    """A sentence as it stands within another: without its capital letter."""
    return f"{words[0].lower()}{words[1:]}"


NAMED = 3
"""How many names, such as those of services, variables or environments, a line has; of more it says how many."""
FILES_NAMED = 5
"""The same for files of a checkout, of which a person has to find the right one."""


def listed(names: Sequence[str], most: int = NAMED, mark: str = ", ") -> str:
    """Names in a sentence, of which more than so many are counted."""
    more = f" and {len(names) - most} more" if names[most:] else ""
    return f"{mark.join(names[:most])}{more}"


def whole_words(names: Iterable[str]) -> re.Pattern[str]:
    """What finds any of these names, of one or more, where it is no part of a longer one."""
    # Of two names of which one begins with the other, the longer one counts.
    any_name = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    return re.compile(rf"(?<![\w-])(?:{any_name})(?![\w-])")


def refer_to(names: Sequence[str]) -> str:
    """That these refer to something: api refers to; api, worker refer to."""
    return f"{', '.join(names)} refer{'' if names[1:] else 's'} to"


def counted(number: int, noun: str, plural: str = "") -> str:
    """How many there are of something: 1 task, 2 tasks."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
