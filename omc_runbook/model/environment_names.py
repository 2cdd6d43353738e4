"""What environments are called in names, paths and tags, and which service has the application's secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile

from omc_runbook.model.handover import CONFIRMED as PRODUCTION

PROJECT = "ohmycoins"
"""The guide's project, where runbook.toml names none."""
STAGING = "staging"
ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("production", "prod", "prd", "live"), PRODUCTION),
    **dict.fromkeys(("staging", "stage", "stg", "stag"), STAGING),
}
"""What environments are called, and the names by which runbooks know them: production asks for a confirmation."""

OTHERS = frozenset(
    {"dev", "development", "test", "testing", "qa", "uat", "preprod", "nonprod", "sandbox", "demo", "preview"}
)
"""More names of environments, which stay as they are."""

_SHORT = {"development": "dev", "testing": "test"}
"""A short form of names that stay as they are."""

TAGS = ("environment", "env", "stage")
"""Tags that hold an environment's name, in lower case."""

MAIN = ("backend", "api", "app", "web", "server", "service")
"""Words in the name of the service that has the application's secrets, the best first."""

LIVE = "live"
"""A word that means production as a tag's value or at the end of a name, before a number too, and else others."""
_AT_END: Mapping[str, str] = {LIVE: PRODUCTION, f"pre{LIVE}": "preprod", f"non{LIVE}": "nonprod"}
"""What live means at the end of a name, alone and after pre or non."""
_MEANINGS = {**{each: each for each in OTHERS}, **ALIASES, **_AT_END}

_WORDS = re.compile(r"[^A-Za-z0-9]+")
_BEFORE_PRODUCTION = re.compile(
    rf"(?<![a-z0-9])(pre|non)[-_. ]?(?:production|prod|prd|({LIVE}))(?![a-z0-9])", re.IGNORECASE
)
"""What is not production, in two words or in one."""
_NUMBER = re.compile(r"(?<=[A-Za-z])[-_.]?\d+(?![A-Za-z0-9])")
"""The number at the end of a word, as in prod2 and prod-2."""
_A_REGION = (
    r"(?:af|ap|apac|au|ca|cn|emea|eu|il|jp|me|mx|nz|sa|sg|uk|us)"
    r"(?:g?[ns]?[ewnsc]\d+)?(?:[^a-z0-9]*(?:gov|north|south|(?:north|south)?(?:east|west)|central|\d+))*"
)
_REGION = re.compile(rf"(?<=[a-z0-9])[^a-z0-9]+{_A_REGION}$", re.IGNORECASE)
"""The region at the end of a name, as in live-eu, live-us-east-1 or live-use1."""
_REGION_FIRST = re.compile(
    rf"^{_A_REGION}[^a-z0-9]+(?=(?:{'|'.join((*ALIASES, *sorted(OTHERS)))})(?:\d|[^a-z0-9]|$))", re.IGNORECASE
)
"""The region before an environment's word, as in eu-prod."""


def canonical(name: str) -> str:
    """The name by which runbooks know an environment: production for prod."""
    return ALIASES.get(name.casefold(), name)


def aliases(environment: str) -> frozenset[str]:
    """The words that an environment may have in a resource's name."""
    words = {alias for alias, name in ALIASES.items() if name == environment and alias != LIVE}
    return frozenset({environment.casefold(), _SHORT.get(environment, environment.casefold()), *words})


def environment_in(text: str) -> str:
    """The environment that a word of a name, or of a path, means, the last such word; "" for none."""
    words = [word for word in _in_words(text).split("-") if word]
    last = max((at for at, word in enumerate(words) if not word.isdecimal()), default=0)
    words = [word for at, word in enumerate(words) if word not in _AT_END or at == last]
    return next((_MEANINGS[word] for word in reversed(words) if word in _MEANINGS), "")


def means_production(name: str) -> bool:
    """Whether an environment of this name is production, whose changes need a confirmation; prod2 and live-eu are."""
    return environment_in(without_region(name)) == PRODUCTION


def without_region(name: str) -> str:
    """A name without its region or the number at its end: prod for prod-eu, eu-prod and prod2."""
    return _NUMBER.sub("", _REGION.sub("", _REGION_FIRST.sub("", name)))


def numbered_environment_in(text: str) -> str:
    """The environment that a word means, also with a number, as prod1; "" for none."""
    return environment_in(text) or environment_in(without_region(text))


def environment_at_end(name: str) -> str:
    """The environment that the last word of a name means, but for a region or a number: qa for shop-qa and qa2.

    demo-shop is a shop, whose name only begins with such a word: "". non-live is nonprod.
    """
    words = [word for word in _in_words(without_region(name)).split("-") if not word.isdecimal()]
    return environment_in(words[-1]) if words else ""


def first_word(name: str) -> tuple[str, str]:
    """The first word of a name and the rest, dev and app for dev-app; "" twice for a single word.

    So for live-app, where live means no environment.
    """
    first, _, rest = _in_words(name).partition("-")
    return (first, rest) if rest and first != LIVE else ("", "")


def environment_of(name: str, tags: Mapping[str, str], environment: str = "") -> str:
    """The environment of a resource, by its tags before its name; "" where neither tells.

    A name with all words of the environment that is asked for is its own, also where these mean another, as prod-eu.
    """
    tagged = (value for tag, value in tags.items() if tag.casefold() in TAGS and value)
    is_asked = environment_in(environment) != environment and has_words(name, environment)
    return canonical(next(tagged, "")) or (environment if is_asked else environment_in(name))


def has_words(name: str, environment: str) -> bool:
    """Whether a name has all words of an environment's, in a row; pre-prod has not those of prod."""
    return f"-{_in_words(environment)}-" in f"-{_in_words(name)}-"


def is_spelled(name: str, environment: str) -> bool:
    """Whether a name is an environment's, perhaps with other separators, as prod_eu for prod-eu."""
    return name == environment or (has_words(name, environment) and has_words(environment, name))


def _in_words(text: str) -> str:
    """The words of a text, with - between them: preprod for pre-prod, and prelive for pre-live."""
    joined = _BEFORE_PRODUCTION.sub(lambda match: f"{match[1]}{match[2] or 'prod'}", text)
    return _WORDS.sub("-", joined.casefold())


def without_environment(name: str) -> str:
    """A name without the environment at its end: ohmycoins for ohmycoins-prod."""
    head, separator, last = name.rpartition("-")
    return head if separator and environment_in(last) else name


def main_rank(service: str, variables: int) -> tuple[int, int, str]:
    """The sort key of services that get variables from the secret: the main one is the least."""
    words = [word.casefold() for word in _WORDS.split(service)]
    best = next((at for at, word in enumerate(MAIN) if word in words), len(MAIN))
    return best, -variables, service


def common_prefix(names: list[str]) -> str:
    """What several names begin with, in whole words, as in a-b of a-b-c and a-b/d; "" for fewer than two names."""
    words = [re.findall(r"[A-Za-z0-9]+|.", name) for name in names if name]
    shared = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    return "".join(column[0] for column in shared).strip("-_/.") if words[1:] else ""
