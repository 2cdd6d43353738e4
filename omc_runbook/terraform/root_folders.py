"""The folders that Terraform is applied in: which of them another environment has, by their names alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from omc_runbook.model.environment_names import aliases, environment_at_end
from omc_runbook.terraform.variable_files import is_spelled, named_after


def of_others(roots: Mapping[Path, frozenset[str]], values: Collection[Path], environment: str) -> set[Path]:
    """The root folders that are another environment's, or that may be.

    `roots` has the names of the files in each, and `values` are the files of variables' values.

    So is a folder that is called as an environment is, such as dev or shop-qa, also where runbook.toml knows none of
    that name, and one beside two such folders that have the same files. Not so is one that only begins with the word,
    as demo-shop, or that has this environment's values. Of prod-eu and prod-us, nothing tells which is production's.
    """
    words = {environment, *aliases(environment)}
    names: dict[Path, set[str]] = {}
    for root in roots:
        is_own = any(is_spelled(part, word) for part in root.parts for word in words)
        below = (path.relative_to(root) for path in values if path.is_relative_to(root))
        if not is_own and not any(environment in named_after(path, {environment}) for path in below):
            names[root] = {*filter(_is_environment, root.parts)}
    others = {
        root
        for root, parts in names.items()
        if not all(_is_alike(part, environment) for part in parts)
        or (not parts and _is_among_environments(root, roots))
    }
    regional = {root: parts for root, parts in names.items() if parts and root not in others}
    return others | (regional.keys() if len({*map(frozenset, regional.values())}) > 1 else set())


def _is_environment(folder: str) -> bool:
    """Whether a folder is called as an environment is; one called live has all of them, or is production's."""
    return folder.casefold() != "live" and bool(environment_at_end(folder))


def _is_alike(folder: str, environment: str) -> bool:
    """Whether a folder is called as the environment is, but for a region, a number or a project's name."""
    named = environment_at_end(folder)
    return named in {environment_at_end(environment), *aliases(environment)} or environment in aliases(named)


def _is_among_environments(root: Path, roots: Mapping[Path, frozenset[str]]) -> bool:
    """Whether two more folders with the same files, whose paths differ by one name, are called as environments are."""
    for at in range(len(root.parts)):
        before, after = root.parts[:at], root.parts[at + 1 :]
        same = (each for each in roots if roots[each] == roots[root] and each != root)
        alike = (each for each in same if len(each.parts) == len(root.parts))
        beside = {each.parts[at] for each in alike if (each.parts[:at], each.parts[at + 1 :]) == (before, after)}
        if sum(map(_is_environment, beside)) > 1:
            return True
    return False
