"""Secret values that are common words: found only where they stand alone as a value."""

import re
from collections.abc import Iterable, Iterator

from omc_runbook.masking.span import Span
from omc_runbook.model.grouping import grouped

_QUOTE = r"\\*[\"']|&(?:quot|apos|\#0*39|\#0*34|\#[xX]2[27]);"
_TAG = re.compile(r"<[A-Za-z][^<>]*?([\w-]+)\s*=\s*\Z")
_TEXT_ATTRIBUTES = frozenset({"value", "title", "alt", "content", "placeholder"})
"""HTML attributes with text for a person; the others are markup."""
_LOOK_BACK = 400


class StandaloneMatcher:
    """Finds common words that are values; built from (text, name of the key) pairs.

    A word stands alone as a line, in quotes, after its key or any variable (``NAME=``), and as a URL's password.
    """

    def __init__(self, values: Iterable[tuple[str, str]]) -> None:
        owners = grouped(values)
        self._names = {text: names[0] for text, names in owners.items()}
        self._patterns = [_compile(owners)] if owners else []
        self._patterns += [_compile_owned(text, names) for text, names in owners.items()]

    def find(self, text: str) -> Iterator[Span]:
        """Yield where ``text`` has one of the words alone, in no particular order."""
        for pattern in self._patterns:
            for hit in pattern.finditer(text):
                word = hit.lastgroup or ""
                if word != "quoted" or not _is_markup(text, hit.start()):
                    yield Span(*hit.span(word), self._names[hit[word]])


def _compile(words: Iterable[str]) -> re.Pattern[str]:
    any_word = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.compile(
        rf"^[^\S\n]*(?P<line>{any_word})[^\S\n]*$"
        # Not a JSON member's name, which is no value.
        rf"|(?P<mark>{_QUOTE})(?P<quoted>{any_word})(?P=mark)(?!\s*:)"
        rf"|\b[A-Z][A-Z0-9_]+=(?P<assigned>{any_word})(?![\w.-])"
        rf"|(?<=:)(?P<login>{any_word})(?=[@/])",
        re.MULTILINE,
    )


def _compile_owned(word: str, owners: Iterable[str]) -> re.Pattern[str]:
    owner, word = "|".join(map(re.escape, sorted(set(owners)))), re.escape(word)
    between = rf"(?:{_QUOTE})?\s*[:=]\s*|[^\S\n]{{2,}}|[^\S\n]*\|[^\S\n]*|\s*</t[dh]>\s*<t[dh][^<>]*>\s*"
    return re.compile(
        rf"(?<![\w-])(?:{owner})(?:{between})(?P<owned>{word})(?=[^\S\n]*(?:$|[\"'\\,;&|<>)}}\]]))", re.MULTILINE
    )


def _is_markup(text: str, at: int) -> bool:
    """Whether a quoted word is an HTML attribute's value that the page needs."""
    tag = _TAG.search(text[max(0, at - _LOOK_BACK) : at])
    return tag is not None and tag[1].lower() not in _TEXT_ATTRIBUTES and not tag[1].lower().startswith("data-")
