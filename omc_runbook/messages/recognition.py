"""What a text means: a stopped task's reason, an event, a line of a log, the AWS CLI's error."""

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
from omc_runbook.messages.paste import Paste, flatten
from omc_runbook.messages.phrases import Phrase
from omc_runbook.messages.starts import STARTS

_PHRASES = (*STARTS, *REASONS, REFUSED, *DEPLOYMENTS, *SESSIONS, *CALLS, *APPLICATION, *LOCAL, *TERRAFORM)
_OPENERS = ("resourceinitializationerror", "(service", "anerroroccurred(", "stoppedreason")
_REASON = re.compile(r"(?:reason:|error:|\(error)'?resourceinitializationerror")
_REACH = 900
_MOST_MATCHES = _MOST_NAMES = 8


@dataclass(frozen=True)
class KnownMessage:
    """What a part of a pasted text means.

    `checks` are the ids that it points at, the likeliest first, and empty where no check looks for its fault. `names`
    are those in the text that may be shown, as kind and name: key, variable, secret, region, account, role, action,
    error, deployment, task, service, exit code. No other word of the text is kept.
    """

    checks: tuple[str, ...]
    meaning: str
    names: tuple[tuple[str, str], ...]
    next: str


@dataclass(frozen=True)
class _Match:
    begin: int
    end: int
    rank: int
    phrase: Phrase
    names: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=512)
def phrases_in(reason: str) -> tuple[Phrase, ...]:
    """The phrases in the reason of a stop, an event or a line of a log, in the order of the text.

    A refusal in it is one of a task's calls, not of the caller's.
    """
    paste = flatten(reason)
    matches = _without_wrappings(paste, _without_overlaps(_search(paste, of_task=True)))
    return tuple(dict.fromkeys(match.phrase for match in matches))


def recognise(text: str) -> tuple[KnownMessage, ...]:
    """What a text means, whatever it was copied from: each kind of message once, in the order of the text.

    Empty where nothing in it is known.
    """
    paste = flatten(text)
    matches = _without_wrappings(paste, _without_overlaps(_search(paste)))
    by_phrase: dict[Phrase, list[tuple[_Match, int, int | None]]] = {}
    for match, (after, before) in zip(matches, _neighbours(matches), strict=False):
        by_phrase.setdefault(match.phrase, []).append((match, after, before))
    return tuple(_message(paste, phrase, group[:_MOST_MATCHES]) for phrase, group in by_phrase.items())


def _search(paste: Paste, of_task: bool = False) -> Iterator[_Match]:
    for rank, phrase in enumerate(_PHRASES):
        for wording in phrase.wordings:
            for begin, end in paste.find(wording):
                yield _Match(begin, end, rank, phrase)
    for denial in denials(paste, of_task):
        yield _Match(denial.begin, denial.end, -1, denial.phrase, denial.names)


def _without_overlaps(matches: Iterable[_Match]) -> list[_Match]:
    """The matches in the order of the text, and of overlapping ones the best."""
    best: list[_Match] = []
    end = 0
    for match in sorted(matches, key=lambda match: (match.begin, match.rank)):
        if match.begin >= end:
            best.append(match)
            end = match.end
    return best


def _without_wrappings(paste: Paste, matches: Sequence[_Match]) -> list[_Match]:
    """The matches without wrappings of better ones and without those that an owner before them explains."""
    begins = [match.begin for match in matches]
    explained: set[int] = set()
    for index, match in enumerate(matches):
        if match.phrase.owner and index not in explained:
            explained |= {
                other
                for other in range(index + 1, bisect_right(begins, match.end + _REACH))
                if matches[other].phrase.group == "pull"
                and not matches[other].phrase.owner
                and _is_one_message(paste, match, matches[other])
            }
    others = [match for index, match in enumerate(matches) if index not in explained]
    return [
        match for index, match in enumerate(others) if not (match.phrase.weak and _is_wrapping(paste, others, index))
    ]


def _is_wrapping(paste: Paste, matches: Sequence[_Match], index: int) -> bool:
    match = matches[index]
    for other in matches[index + 1 :]:
        if other.begin > match.end + _REACH:
            break
        if _is_better(other, match) and _is_one_message(paste, match, other):
            return True
    earlier = matches[index - 1] if index and match.phrase.group == "exit" else None
    return (
        earlier is not None
        and not earlier.phrase.weak
        and _is_better(earlier, match)
        and _is_one_message(paste, earlier, match)
    )


def _is_better(one: _Match, other: _Match) -> bool:
    return one.phrase is not other.phrase and one.phrase.group == other.phrase.group


def _is_one_message(paste: Paste, one: _Match, later: _Match) -> bool:
    """Whether no other message begins between two matches."""
    between = _REASON.sub("", paste.lower[one.end : later.end])
    return not any(opener in between for opener in _OPENERS)


def _neighbours(matches: Sequence[_Match]) -> Iterator[tuple[int, int | None]]:
    """For each match, the end of the one before it and the begin of the one after it."""
    ends = [0, *(match.end for match in matches)]
    begins: list[int | None] = [*(match.begin for match in matches[1:]), None]
    return zip(ends, begins, strict=False)


def _message(paste: Paste, phrase: Phrase, matches: Iterable[tuple[_Match, int, int | None]]) -> KnownMessage:
    names = dict.fromkeys(
        name
        for match, after, before in matches
        for name in (*match.names, *names_around(paste, phrase, match.begin, match.end, after, before))
    )
    return KnownMessage(phrase.checks, phrase.meaning, tuple(names)[:_MOST_NAMES], phrase.next)
