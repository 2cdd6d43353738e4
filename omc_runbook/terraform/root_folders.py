"""The folders that Terraform is applied in: which of them another environment has, by their names alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from omc_runbook.model.environment import PRODUCTION
from omc_runbook.model.environment_names import (
    ALIASES,
    LIVE,
    aliases,
    canonical,
    environment_at_end,
    environment_in,
    first_word,
    is_spelled,
    means_production,
    without_region,
)
from omc_runbook.terraform.variable_files import SHARED, is_regional, named_after

_NO_PROJECT = frozenset({*ALIASES, "preprod", SHARED})
"""Words that no project has, so that they mean an environment at the beginning of a name too."""
_EXAMPLES, _TEST = frozenset({"example", "examples", "fixtures", "tests"}), frozenset({"test", "testing"})

Roots = Mapping[Path, frozenset[str]]
"""The root folders, with the names of the files in each."""


def is_called(root: Path, environment: str) -> bool:
    """Whether a part of a path is the environment's name, in full or in short."""
    return any(is_spelled(part, word) for part in root.parts for word in (environment, *aliases(environment)))


def of_others(roots: Roots, values: Collection[Path], environment: str) -> set[Path]:
    """The root folders that are another environment's, or that may be; `values` are the files of variables' values.

    So is a folder that is called as an environment is, such as dev or shop-qa, also where runbook.toml knows none of
    that name, one that begins with production's or staging's word, as prod-dr, or with nonprod or preprod, and one
    beside two such folders that have the same files. Not so is one that only begins with another word, as demo-shop, or
    that has this environment's values. Of prod-eu and prod-us, nothing tells which is production's; of a-prod and
    a-prod-eu, the first one is. nonprod has all environments but production, where no folder is this one's.
    """
    own = {root for root in roots if is_called(root, environment)}
    shared = "" if own or means_production(environment) else SHARED
    # One of its own may have a region or a project's name too, as test-app-eu.
    is_named = own or any(environment in part.casefold() for root in roots for part in root.parts)
    beginning = "" if is_named else _at_beginning(environment)
    words = {root: _words(root, roots) for root in roots.keys() - own if not _has_values(root, values, environment)}
    others = {
        root
        for root, meanings in words.items()
        if not all(name in (shared, beginning) or _is_alike(name, environment) for name in meanings.values())
        or (not any(map(environment_at_end, meanings)) and _is_among_environments(root, roots))
    }
    return others | _of_other_regions({root: words[root] for root in words.keys() - others})


def unclear(roots: Roots, values: Collection[Path], environment: str) -> set[Path]:
    """Those of `of_others` of which one is this environment's, and nothing tells which, as prod-eu and prod-us."""
    plain = {root: Path(*map(without_region, root.parts)) for root in roots}
    others = of_others(roots, values, environment)
    no_region = of_others({plain[root]: names for root, names in roots.items()}, values, environment)
    known = no_region | {plain[root] for root in roots.keys() - others}
    return {root for root in others if plain[root] not in known}


def beside_own(roots: Collection[Path], every: Collection[Path], environment: str) -> set[Path]:
    """Those of a region of the environment, as prod-eu, beside the folder of the environment itself, as prod.

    `every` has all root folders, of which `roots` are some.
    """
    name = canonical(environment)
    return {
        root
        for root in roots
        for at, part in enumerate(root.parts)
        if canonical(part) != name and is_regional(part, name)
        if any(canonical(each) == name for each in _beside(root, at, every))
    }


def examples(roots: Collection[Path], environments: Collection[str], modules: Collection[Path] = ()) -> set[Path]:
    """Those that only try a module out, as examples/dev; so does test, unless that is one of several environments.

    So is a module of an example's own. What an environment is called is no example, nor test for shop-test or test-app.
    """
    names = {*environments, *map(environment_at_end, environments), *map(_at_beginning, environments)}
    words = _EXAMPLES - names
    found = {root for root in roots if not words.isdisjoint(root.parts)}
    tests = {root for root in roots if not _TEST.isdisjoint(root.parts)}
    others = (part for root in {*roots} - found - tests for part in root.parts)
    if not any(map(environment_at_end, others)) and _TEST.isdisjoint(names):
        words |= _TEST
    return {each for each in {*roots, *modules} if not words.isdisjoint(each.parts)}


def _has_values(root: Path, values: Collection[Path], environment: str) -> bool:
    """Whether a folder has a file of values below it that is named after the environment."""
    below = (path.relative_to(root) for path in values if path.is_relative_to(root))
    return any(environment in named_after(path, {environment}) for path in below)


def _words(root: Path, roots: Roots) -> dict[str, str]:
    """The parts of a path that are called as environments are, and what each means."""
    meanings = ((part, _meaning(part, _beside(root, at, roots))) for at, part in enumerate(root.parts))
    return {part: meaning for part, meaning in meanings if meaning}


def _meaning(folder: str, beside: Collection[str]) -> str:
    """The environment that a folder is called as, "" for none.

    One called live has all of them, or is production's: so it is where one beside it is called as an environment. A
    first word that may be a project's is one where a folder beside has another in its place, as dev-app and prod-app.
    """
    if _is_live(folder):
        return PRODUCTION if any(_meaning(each, ()) for each in beside) else ""
    first, rest = first_word(folder)
    is_word = first in _NO_PROJECT or any(
        rest == after and environment_in(word) for word, after in map(first_word, beside)
    )
    return environment_at_end(folder) or (environment_in(first) if is_word else "")


def _is_alike(meaning: str, environment: str) -> bool:
    """Whether a folder's environment is this one, but for a region, a number or a project's name."""
    return meaning in {environment_at_end(environment), *aliases(environment)} or environment in aliases(meaning)


def _at_beginning(environment: str) -> str:
    """The environment that a name's first word alone means, where a project may have that too: test for test-app."""
    first, _ = first_word(environment)
    return "" if first in _NO_PROJECT or environment_at_end(environment) else environment_in(first)


def _beside(root: Path, at: int, roots: Collection[Path]) -> set[str]:
    """What other roots are called whose paths differ from one's by the name at one place."""
    before, after = root.parts[:at], root.parts[at + 1 :]
    alike = (each.parts for each in roots if len(each.parts) == len(root.parts) and each != root)
    return {parts[at] for parts in alike if (parts[:at], parts[at + 1 :]) == (before, after)}


def _is_among_environments(root: Path, roots: Roots) -> bool:
    """Whether two more folders with the same files, whose paths differ by one name, are called as environments are."""
    same = [each for each in roots if roots[each] == roots[root]]
    return any(sum(map(_is_environment, _beside(root, at, same))) > 1 for at in range(len(root.parts)))


def _of_other_regions(words: Mapping[Path, Collection[str]]) -> set[Path]:
    """Of folders that are called as one environment, each with its words: all but those without a region.

    All of them where none or several are without.
    """
    regional = {root: frozenset(filter(_is_environment, parts)) for root, parts in words.items()}
    several = {*regional.values()} - {frozenset()}
    plain = {parts for parts in several if all(without_region(part) == part for part in parts)}
    known = {frozenset(), *(plain if len(plain) == 1 else ())}
    return {root for root, parts in regional.items() if parts not in known} if len(several) > 1 else set()


def _is_environment(folder: str) -> bool:
    """Whether a folder is an environment's by its whole name or its last word; live may have all of them."""
    return not _is_live(folder) and bool(environment_at_end(folder))


def _is_live(folder: str) -> bool:
    return folder.casefold() == LIVE
