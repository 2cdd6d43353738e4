"""Files of values for Terraform's variables: whose they are, by their names and by what they call an environment."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from omc_runbook.model.environment_names import (
    aliases,
    canonical,
    environment_in,
    has_words,
    is_spelled,
    means_production,
    numbered_environment_in,
    without_region,
)
from omc_runbook.model.grouping import grouped

ENVIRONMENT_VARIABLES = ("environment", "env", "environment_name", "env_name", "stage", "deploy_env")
"""Variables and local values that hold an environment's name."""

REGION_VARIABLES = ("region", "aws_region")
"""The same of its region."""

SHARED = "nonprod"
"""What a folder or a file of values is called that environments but production may share."""
_FOR_ALL = frozenset({"all", "base", "common", "default", "defaults", "global", "shared"})
"""What files of values, or their folders, are called that all environments share."""

_ENDING = re.compile(r"\.tfvars(\.json)?\Z")


def environment_of(path: Path) -> str:
    """The environment whose values a file has, by its name or its folder's; "" for none."""
    return numbered_environment_in(_stem(path)) or numbered_environment_in(path.parent.name)


def is_automatic(path: Path) -> bool:
    """Whether Terraform reads a file of values by itself, where it is applied."""
    name = path.name.removesuffix(".json")
    return name == "terraform.tfvars" or name.endswith(".auto.tfvars")


def named_after(path: Path, environments: Collection[str]) -> set[str]:
    """The environments that a file of values, or a folder of it, is named after, in full or in short.

    prod-eu.tfvars is named after prod-eu where that is one of them, and after production else. One that names none of
    them, but another one, is named after that.
    """
    stem = _stem(path)
    whole = {*path.parent.parts, f"{path.parent.name}-{stem}"}
    spellings = {name: {name, *aliases(name)} for name in environments}
    found = {
        name: {each for each in all_ if has_words(stem, each) or any(is_spelled(part, each) for part in whole)}
        for name, all_ in spellings.items()
    }
    words = {name: own for name, own in found.items() if own}
    # prod is a word of prod-eu too; dev is DEV itself.
    parts = {
        name
        for name, own in words.items()
        for other in words
        if any(has_words(other, each) and each.casefold() != other.casefold() for each in own)
    }
    # A folder called live has all environments, or is production's.
    another = environment_in(f"{path.parent.name}/{stem}") or numbered_environment_in(stem)
    return words.keys() - parts or {*environments} & aliases(another) or {*filter(None, [another])}


def shared_files(paths: Collection[Path], environments: Collection[str], environment: str) -> set[Path]:
    """The files of nonprod's values, which may be those of any environment but production that has none of its own."""
    names = {path: named_after(path, environments) for path in paths}
    if means_production(environment) or any(environment in found for found in names.values()):
        return set()
    return {path for path, found in names.items() if found == {SHARED} and SHARED not in environments}


def files_by_environment(environment: str, tables: Mapping[Path, Mapping[str, Any]]) -> dict[str, list[Path]]:
    """An environment's files of values, of which each has a table, by name: those that call it otherwise are of others.

    So prod.tfvars is production's, and prod-eu.tfvars that of prod-eu; also where those with a region in their names
    have nothing but that in another way. Of several regions or numbers, as prod1.tfvars and prod2.tfvars, each has its
    own, and what all share, as prod/common.tfvars. A file that does neither, and is called otherwise than these, is
    then left out: whose it is, nothing tells.
    """
    names = _own_names(tables, environment)
    regional = [path for path, name in names.items() if is_regional(name, environment)]
    for variables, among in ((ENVIRONMENT_VARIABLES, [*tables]), (REGION_VARIABLES, regional)):
        for variable in variables:
            found = {path: canonical(str(tables[path][variable])) for path in among if variable in tables[path]}
            named = {names[path] for path in found}
            if min(len({*found.values()}), len(named)) > 1:
                own = {value for path, value in found.items() if names[path] == environment}
                # prod-secrets.tfvars that calls it as prod.tfvars does is production's too.
                same = {path for path, value in found.items() if value in own and path not in regional}
                names |= dict.fromkeys(same, environment)
                return _groups(names, named, environment)
    named = {names[path] for path in regional}
    if len(named) > 1 and (environment not in named or not all(map(environment_in, named))):
        return _groups(names, named, environment)
    return {environment: [*tables]}


def _groups(names: Mapping[Path, str], among: Collection[str], environment: str) -> dict[str, list[Path]]:
    """The files of each of these names; those of the environment are all others' too where it is none of them."""
    shared = [path for path, name in names.items() if name == environment] if environment not in among else []
    groups = grouped((name, path) for path, name in names.items() if name in among)
    return {name: [*shared, *paths] for name, paths in groups.items()}


def of_others(environment: str, tables: Mapping[Path, Mapping[str, Any]]) -> tuple[set[Path], set[Path]]:
    """The files of values that are of environments with the same word, and those that may be of one.

    Files of one place are compared. Of prod-eu.tfvars and prod-us.tfvars alone, nothing tells which is production's.
    """
    others, unclear = set[Path](), set[Path]()
    own = (path for path in tables if environment_of(path) == environment)
    for paths in grouped((_place(path, environment), path) for path in own).values():
        groups = files_by_environment(environment, {path: tables[path] for path in paths})
        names = _own_names(paths, environment)
        several = {name for name in names.values() if is_regional(name, environment)}
        several |= groups.keys() if len(groups) > 1 else set()
        if len(several) > 1:
            known = groups.get(environment, ()) if len(groups) > 1 else ()
            unclear |= {path for path, name in names.items() if name != environment and path not in known}
        if environment in groups:
            others |= {path for name, group in groups.items() for path in group if name != environment}
    return others, unclear - others


def _place(path: Path, environment: str) -> Path:
    """Where a file stands beside those that it is compared with, or its folder does if that tells whose it is."""
    is_by_file = own_name(path, environment) == own_name(Path(path.name), environment)
    return path.parent if is_by_file else path.parent.parent


def own_name(path: Path, environment: str) -> str:
    """What the environment of a file of values is called, where others' files have its word too.

    By the file or its folder, and by both where the second one adds a region, as in prod/eu.tfvars.
    """
    stem, folder = _stem(path), path.parent.name
    name, other = (stem, folder) if numbered_environment_in(stem) else (folder, stem)
    if canonical(name) == environment:
        return f"{name}-{other}" if is_regional(f"{name}-{other}", environment) else environment
    return name


def _own_names(paths: Iterable[Path], environment: str) -> dict[Path, str]:
    """The same of each of several files, without what all have before the environment's word, as a project's name."""
    names = {path: own_name(path, environment) for path in paths}
    words = "|".join(map(re.escape, aliases(environment)))
    before = re.compile(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9]).*\Z", re.IGNORECASE)
    heads = {before.sub("", name) for name in names.values()}
    if len(heads) != 1 or heads & {*names.values()}:
        return names
    rest = {path: name.removeprefix(*heads) for path, name in names.items()}
    return {path: environment if canonical(name) == environment else name for path, name in rest.items()}


def is_regional(name: str, environment: str) -> bool:
    """Whether a name is an environment's, but for a region or a number."""
    return canonical(without_region(name)) == environment


def for_all(paths: Collection[Path]) -> set[Path]:
    """The files of values that are called as what all environments share, as common.tfvars, by name or by folder.

    A folder called so tells nothing where files in it are called as environments, as common/dev.tfvars.
    """
    apart = {path.parent for path in paths if environment_of(path)}
    names = {path: {_stem(path), *({path.parent.name} if path.parent not in apart else ())} for path in paths}
    found = {path for path in paths if not _FOR_ALL.isdisjoint(map(str.casefold, names[path]))}
    return {path for path in found if not environment_of(path)}


def without_ending(path: Path) -> Path:
    """The path of a file of values without .tfvars, as a folder of the same name has."""
    return path.with_name(_stem(path))


def _stem(path: Path) -> str:
    return _ENDING.sub("", path.name)
