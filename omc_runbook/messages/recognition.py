"""What a pasted text says: a stopped task's reason, an event, a line of a log, the AWS CLI's error."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from omc_runbook.messages.denials import REASONS, REFUSED, denials
from omc_runbook.messages.events import CALLS, DEPLOYMENTS, SESSIONS
from omc_runbook.messages.loglines import APPLICATION, LOCAL, TERRAFORM
from omc_runbook.messages.naming import names_around
from omc_runbook.messages.paste import Paste, paste
from omc_runbook.messages.phrases import Phrase
from omc_runbook.messages.starts import STARTS

_PHRASES = (*STARTS, *REASONS, REFUSED, *DEPLOYMENTS, *SESSIONS, *CALLS, *APPLICATION, *LOCAL, *TERRAFORM)
_OPENERS = ("resourceinitializationerror", "(service", "anerroroccurred(", "stoppedreason")
_REASON = re.compile(r"(?:reason:|error:|\(error)'?resourceinitializationerror")
_REACH = 900
_MOST_PLACES = _MOST_NAMES = 8


@dataclass(frozen=True)
class Recognised:
    """What a part of a pasted text means.

    `checks` are the ids that it points at, the likeliest first, and empty where it tells of no fault that a check
    looks for. `named` has what the text itself names and may be shown, as kind and name: key, variable, secret,
    region, account, role, action, error, deployment, task, service, exit code. No other word of the text is kept.
    """

    checks: tuple[str, ...]
    meaning: str
    named: tuple[tuple[str, str], ...]
    next: str


@dataclass(frozen=True)
class _Found:
    begin: int
    end: int
    rank: int
    phrase: Phrase
    named: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=512)
def phrases_in(reason: str) -> tuple[Phrase, ...]:
    """The phrases that the reason of a stop, an event or a line of a log has, in the order of the text.

    What it refuses, it refuses to a task.
    """
    pasted = paste(reason)
    found = _without_wrappings(pasted, _without_overlaps(_search(pasted, of_task=True)))
    return tuple(dict.fromkeys(each.phrase for each in found))


def recognise(text: str) -> tuple[Recognised, ...]:
    """Say what a text means, whatever it was copied from: each kind of message once, in the order of the text.

    Empty where nothing in it is known.
    """
    pasted = paste(text)
    found = _without_wrappings(pasted, _without_overlaps(_search(pasted)))
    kinds: dict[Phrase, list[tuple[_Found, int, int | None]]] = {}
    for each, (after, before) in zip(found, _neighbours(found), strict=False):
        kinds.setdefault(each.phrase, []).append((each, after, before))
    return tuple(_recognised(pasted, phrase, places[:_MOST_PLACES]) for phrase, places in kinds.items())


def _search(pasted: Paste, of_task: bool = False) -> Iterator[_Found]:
    for rank, phrase in enumerate(_PHRASES):
        for wording in phrase.wordings:
            for begin, end in pasted.places(wording):
                yield _Found(begin, end, rank, phrase)
    for denial in denials(pasted, of_task):
        yield _Found(denial.begin, denial.end, -1, denial.phrase, denial.named)


def _without_overlaps(found: Iterable[_Found]) -> list[_Found]:
    """In the order of the text, of those in one place the better one, and none that an owner explains."""
    kept: list[_Found] = []
    end = 0
    for each in sorted(found, key=lambda found: (found.begin, found.rank)):
        if each.begin >= end:
            kept.append(each)
            end = each.end
    return kept


def _without_wrappings(pasted: Paste, found: Sequence[_Found]) -> list[_Found]:
    """Those that say something of their own: neither a wrapping of a better one nor explained by an owner before."""
    begins = [each.begin for each in found]
    explained: set[int] = set()
    for index, each in enumerate(found):
        if each.phrase.owner and index not in explained:
            explained |= {
                other
                for other in range(index + 1, bisect_right(begins, each.end + _REACH))
                if found[other].phrase.group == "pull"
                and not found[other].phrase.owner
                and _is_one_message(pasted, each, found[other])
            }
    left = [each for index, each in enumerate(found) if index not in explained]
    return [each for index, each in enumerate(left) if not (each.phrase.weak and _is_wrapping(pasted, left, index))]


def _is_wrapping(pasted: Paste, found: Sequence[_Found], index: int) -> bool:
    each = found[index]
    for other in found[index + 1 :]:
        if other.begin > each.end + _REACH:
            break
        if _is_better(other, each) and _is_one_message(pasted, each, other):
            return True
    earlier = found[index - 1] if index and each.phrase.group == "exit" else None
    return (
        earlier is not None
        and not earlier.phrase.weak
        and _is_better(earlier, each)
        and _is_one_message(pasted, earlier, each)
    )


def _is_better(one: _Found, other: _Found) -> bool:
    return one.phrase is not other.phrase and one.phrase.group == other.phrase.group


def _is_one_message(pasted: Paste, one: _Found, later: _Found) -> bool:
    """Whether no other message begins between two finds."""
    between = _REASON.sub("", pasted.lower[one.end : later.end])
    return not any(opener in between for opener in _OPENERS)


def _neighbours(found: Sequence[_Found]) -> Iterator[tuple[int, int | None]]:
    """For each find, the end of the one before it and the begin of the one after it."""
    ends = [0, *(each.end for each in found)]
    begins: list[int | None] = [*(each.begin for each in found[1:]), None]
    return zip(ends, begins, strict=False)


def _recognised(pasted: Paste, phrase: Phrase, places: Iterable[tuple[_Found, int, int | None]]) -> Recognised:
    names = dict.fromkeys(
        name
        for each, after, before in places
        for name in (*each.named, *names_around(pasted, phrase, each.begin, each.end, after, before))
    )
    return Recognised(phrase.checks, phrase.meaning, tuple(names)[:_MOST_NAMES], phrase.next)
