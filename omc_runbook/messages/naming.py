"""The names around a phrase that may be shown: those in the fixed places of AWS's and pydantic's messages."""

from __future__ import annotations

import re
from collections.abc import Iterator

from omc_runbook.messages.paste import SEAM, Paste
from omc_runbook.messages.phrases import Phrase

_BACK, _ON = 1200, 300
_WHOLE = rf"(?![\w{SEAM}])"
_TOKEN = re.compile(r"(?:sk|pk|rk|gh[a-z]|xox[a-z]|glpat|AKIA|ASIA|eyJ|AIza)[-_A-Z0-9a-z]")

_KEY = re.compile(rf"json key '?([A-Za-z_][A-Za-z0-9_.-]{{0,63}}+)(?![\w{SEAM}+/=@-])", re.IGNORECASE)
_SECRET = re.compile(
    rf"arn:aws[a-z-]*+:secretsmanager:([a-z0-9-]{{5,25}}+):(\d{{12}}):secret:([A-Za-z0-9/_.@+!-]{{1,200}}+)(?![\w{SEAM}=])"
)
_ROLE = re.compile(rf"arn:aws[a-z-]*+:iam::(\d{{12}}):role/(?:[\w+=,.@-]++/)*+([\w+=,.@-]{{1,64}}+)(?![{SEAM}/])")
_ASSUMED = re.compile(rf":assumed-role/([\w+=,.@-]{{1,64}}+)/([0-9a-f]{{32}}){_WHOLE}")
_NAMES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("error", re.compile(rf"(?:api error|occurred \() ?([A-Z][A-Za-z]{{2,40}}+)(?=:|\)){_WHOLE}")),
    ("service", re.compile(r"\(service ([A-Za-z0-9_-]{1,255}+)[,)]")),
    ("deployment", re.compile(rf"\b(ecs-svc/\d{{5,25}}+){_WHOLE}")),
    ("task", re.compile(rf"(?:\btask/(?:[\w-]{{1,255}}+/)?|\(task )([0-9a-f]{{32}}){_WHOLE}")),
    ("exit code", re.compile(rf"exit ?code'?:? ?(\d{{1,3}}+){_WHOLE}", re.IGNORECASE)),
)
_ERRORS = ("Exception", "Error", "Failure", "Fault", "NotFound", "AccessDenied", "ExpiredToken")
_VARIABLES = (
    re.compile(
        r"\b([A-Z][A-Z0-9_]{1,63}+)(?=[\s:]{1,20}(?:value error, )?(?:field required|value is not|input should be))",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?<![\w/+=.-])([A-Z][A-Z0-9_]{1,63}+)(?= (?:environment variable\b|not found\. declare it))", re.IGNORECASE
    ),
    re.compile(
        r"(?:environment variable(?: not found)?: |required key |could not resolve placeholder '|os\.environ\[')"
        r"([A-Z][A-Z0-9_]{1,63}+)(?![\w/+=-])",
        re.IGNORECASE,
    ),
    re.compile(r"\b([A-Z][A-Z0-9_]{1,63}+)(?= (?:still has the default|is 'changethis'|is not set: using a random))"),
)


def names_around(
    paste: Paste, phrase: Phrase, begin: int, end: int, after: int, before: int | None
) -> Iterator[tuple[str, str]]:
    """The names that belong to a phrase at `begin` to `end` of the paste's `run`, as kind and name.

    Of each kind it is the nearest before the phrase's end, else the first behind it on its line; none before `after`
    or from `before` on, where the neighbours are, nor before the phrase's own event.
    """
    middle = paste.in_flat(end - 1) + 1
    low = max(
        paste.in_flat(after), paste.in_flat(begin) - _BACK, paste.in_flat(paste.lower.rfind("(service", 0, begin))
    )
    high = min(paste.in_flat(before) if before is not None else len(paste.flat), middle + _ON)
    if phrase.speaker == "program":
        yield from _variables(paste.flat[low:high])
        return
    line = paste.flat.find("\n", middle + 1, high)
    window = paste.flat[low : line if line >= 0 else high]
    middle -= low
    if (key := _nearest(_KEY, window, middle)) and not _TOKEN.match(key[1]):
        yield "key", key[1].rstrip(".")
    if secret := _nearest(_SECRET, window, middle):
        yield from (("secret", secret[0].rstrip(".!")), ("region", secret[1]), ("account", secret[2]))
    if role := _nearest(_ROLE, window, middle):
        yield "role", role[2].rstrip(".,")
    if assumed := _nearest(_ASSUMED, window, middle):
        yield from (("role", assumed[1]), ("task", assumed[2]))
    for kind, pattern in _NAMES:
        match = _nearest(pattern, window, middle)
        if match and (kind != "error" or match[1].endswith(_ERRORS)):
            yield kind, match[1]


def _nearest(pattern: re.Pattern[str], window: str, middle: int) -> re.Match[str] | None:
    """The last match that begins before `middle`, else the first."""
    matches = list(pattern.finditer(window))
    earlier = [match for match in matches if match.start() < middle]
    return earlier[-1] if earlier else next(iter(matches), None)


def _variables(window: str) -> Iterator[tuple[str, str]]:
    for pattern in _VARIABLES:
        for match in pattern.finditer(window):
            if match[1].isupper() and not _TOKEN.match(match[1]):
                yield "variable", match[1]
