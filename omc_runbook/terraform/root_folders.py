"""The folders that Terraform is applied in: which of them another environment has, by their names alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from omc_runbook.model.environment import PRODUCTION
from omc_runbook.model.environment_names import (
    ALIASES,
    aliases,
    environment_at_end,
    environment_in,
    means_production,
    without_region,
)
from omc_runbook.terraform.variable_files import is_spelled, named_after

_SHARED, _LIVE = "nonprod", "live"
_EXAMPLES, _TEST = frozenset({"example", "examples", "fixtures", "tests"}), frozenset({"test", "testing"})
_NOT_LIVE = re.compile(r"(non|pre)[-_. ]?live", re.IGNORECASE)


def of_others(roots: Mapping[Path, frozenset[str]], values: Collection[Path], environment: str) -> set[Path]:
    """The root folders that are another environment's, or that may be.

    `roots` has the names of the files in each, and `values` are the files of variables' values.

    So is a folder that is called as an environment is, such as dev or shop-qa, also where runbook.toml knows none of
    that name, one that begins with production's or staging's word, as prod-dr, and one beside two such folders that
    have the same files. Not so is one that only begins with another word, as demo-shop, or that has this environment's
    values. Of prod-eu and prod-us, nothing tells which is production's; of a-prod and a-prod-eu, the first one is.
    nonprod has all environments but production, where no folder is this one's.
    """
    words = {environment, *aliases(environment)}
    own, names = set[Path](), dict[Path, dict[str, str]]()
    for root in roots:
        below = (path.relative_to(root) for path in values if path.is_relative_to(root))
        if any(is_spelled(part, word) for part in root.parts for word in words):
            own.add(root)
        elif not any(environment in named_after(path, {environment}) for path in below):
            found = ((part, _environment_of(part, _beside(root, at, roots))) for at, part in enumerate(root.parts))
            names[root] = {part: named for part, named in found if named}
    shared = "" if own or means_production(environment) else _SHARED
    others = {
        root
        for root, parts in names.items()
        if not all(named == shared or _is_alike(named, environment) for named in parts.values())
        or (not any(_is_environment(part) or _is_live(part) for part in parts) and _is_among_environments(root, roots))
    }
    regional = {root: frozenset(filter(_is_environment, names[root])) for root in names.keys() - others}
    several = {*regional.values()} - {frozenset()}
    plain = {parts for parts in several if all(without_region(part) == part for part in parts)}
    known = plain if len(plain) == 1 else set()
    return others | {root for root, parts in regional.items() if len(several) > 1 and parts and parts not in known}


def unclear(roots: Mapping[Path, frozenset[str]], values: Collection[Path], environment: str) -> set[Path]:
    """Those of `of_others` of which one is this environment's, and nothing tells which, as prod-eu and prod-us."""
    plain = {root: Path(*map(without_region, root.parts)) for root in roots}
    others = of_others(roots, values, environment)
    no_region = of_others({plain[root]: names for root, names in roots.items()}, values, environment)
    known = no_region | {plain[root] for root in roots.keys() - others}
    return {root for root in others if plain[root] not in known}


def examples(roots: Collection[Path], environments: Collection[str]) -> set[Path]:
    """Those that only try a module out, as examples/dev; so does test, unless that is one of several environments."""
    found = {root for root in roots if not _EXAMPLES.isdisjoint(root.parts)}
    tests = {root for root in roots if not _TEST.isdisjoint(root.parts)}
    others = (part for root in {*roots} - found - tests for part in root.parts)
    return found if any(map(environment_at_end, others)) or not _TEST.isdisjoint(environments) else found | tests


def _environment_of(folder: str, beside: Collection[str]) -> str:
    """The environment that a folder is called as, "" for none.

    One called live has all of them, or is production's: so it is where one beside it is called as an environment. A
    first word that may be a project's is one where a folder beside has another in its place, as dev-app and prod-app.
    """
    if _is_live(folder):
        return PRODUCTION if any(_environment_of(each, ()) for each in beside) else ""
    if match := _NOT_LIVE.fullmatch(folder):
        return f"{match[1].casefold()}prod"
    first, rest = _in_two(folder)
    rests = {after for word, after in map(_in_two, beside) if environment_in(word)}
    by_first = environment_in(first) if first in ALIASES or rest in rests else ""
    return environment_at_end(folder) or by_first


def _in_two(folder: str) -> tuple[str, str]:
    """A folder's first word and the rest, where it is more than a word; live is no environment's there."""
    first, _, rest = re.sub(r"[^a-z0-9]+", "-", folder.casefold()).partition("-")
    return (first, rest) if rest and first != _LIVE else ("", "")


def _is_alike(named: str, environment: str) -> bool:
    """Whether a folder is called as the environment is, but for a region, a number or a project's name."""
    return named in {environment_at_end(environment), *aliases(environment)} or environment in aliases(named)


def _beside(root: Path, at: int, roots: Collection[Path]) -> set[str]:
    """What other roots are called whose paths differ from one's by the name at one place."""
    alike = (each.parts for each in roots if len(each.parts) == len(root.parts) and each != root)
    return {
        parts[at] for parts in alike if (*parts[:at], *parts[at + 1 :]) == (*root.parts[:at], *root.parts[at + 1 :])
    }


def _is_among_environments(root: Path, roots: Mapping[Path, frozenset[str]]) -> bool:
    """Whether two more folders with the same files, whose paths differ by one name, are called as environments are."""
    same = [each for each in roots if roots[each] == roots[root]]
    return any(sum(map(_is_environment, _beside(root, at, same))) > 1 for at in range(len(root.parts)))


def _is_environment(folder: str) -> bool:
    """Whether a folder is an environment's by its whole name or its last word."""
    return not _is_live(folder) and bool(_NOT_LIVE.fullmatch(folder) or environment_at_end(folder))


def _is_live(folder: str) -> bool:
    return folder.casefold() == _LIVE
