"""Reads a developer's workstation, and the committed .env that may serve as its template."""

from __future__ import annotations

import os
import posixpath
import pwd
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from omc_runbook.masking.search import ValueSearch
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key, provider_keys
from omc_runbook.model.errors import UsageError
from omc_runbook.model.placeholders import PLACEHOLDER
from omc_runbook.model.secretive import is_secret
from omc_runbook.repository import git
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.code_files import read_text
from omc_runbook.repository.compose import NAMES as COMPOSE_FILES
from omc_runbook.repository.compose import find_references, read_services_of
from omc_runbook.repository.compose_tree import OptionalPath
from omc_runbook.repository.settings_search import SettingsClass, find_settings_outside
from omc_runbook.repository.template import NAMES as TEMPLATES
from omc_runbook.repository.template import Template, parse_template
from omc_runbook.textfile.file import SourceFile, read_if_readable, read_source
from omc_runbook.workstation import docker, leaks, settings_probe
from omc_runbook.workstation.dotenv import Dotenv, read_dotenv
from omc_runbook.workstation.dotenv_names import find_assignments
from omc_runbook.workstation.history import GitHistory, read_history
from omc_runbook.workstation.settings_probe import SettingsResult
from omc_runbook.workstation.workstation import (
    DOTENV,
    Workstation,
    by_variable,
    files_beside,
    files_of_settings,
    is_read_by_settings,
    is_text_of_value,
    known_names,
)

_PRIVATE_KEYS = ".env.keys"
"""The file with the keys by which dotenvx decrypts a .env."""
_MISNAMED = (".env.txt", "env.txt", "env", ".env.env", ".env.local")
"""What a .env is called by an editor that adds or hides an extension, or by other programs."""


def read_workstation(
    checkout: Checkout, keys: Mapping[str, Key], allow_code: bool = False, python: str = ""
) -> Workstation:
    """Read a developer's machine: nothing is written, started or sent anywhere.

    `keys` is the catalogue by name. With `allow_code`, Settings are loaded too, which runs the checkout's code: in a
    process of its own that inherits no variables, by the interpreter `python` or the checkout's own.

    Raises UsageError for a .env that is no readable file, and CouldNotLook if Docker Compose does not end in time.
    """
    keys, path = _with_other_keys(checkout, keys), checkout.root / DOTENV
    public, known = [*_public_texts(checkout, keys)], known_names(checkout, keys)
    program = docker.find_compose(checkout.root) if checkout.compose and path.exists() else None
    dotenv = read_dotenv(path, os.environ, public, program, known)

    def read_other(other: Path) -> Dotenv | None:
        return read_dotenv(other, os.environ, public, known=known)

    def read_beside(result: SettingsResult | None) -> tuple[tuple[Dotenv, ...], ...]:
        found = (dict.fromkeys(paths) for paths in _files_beside(checkout, path, result))
        return tuple(tuple(filter(None, map(read_other, paths))) for paths in found)

    earlier, overriding = read_beside(None)
    stray_files = (*(() if path.exists() else _misnamed_files(checkout)), *_stray_files(checkout, path))
    # Files that have the .env's values, such as a link's target, or were meant to be it.
    others = (*stray_files, *([dotenv.target] if dotenv and dotenv.is_link else ()))
    names = [name for each in checkout.settings.fields for name in each.nested]
    names += [binding.name for binding in dotenv.bindings] if dotenv else []
    env_file = path if is_read_by_settings(checkout, path) else None
    source = checkout.settings
    load = partial(settings_probe.load_settings, checkout.root, env_file, names, python, source.path, source.name)
    with ThreadPoolExecutor(4, "workstation") as pool:
        history = pool.submit(_read_history, checkout, (path, *others))
        status = pool.submit(git.read_status, checkout.root, DOTENV)
        loading = pool.submit(load) if allow_code and source.file else None
        before, after = ([each.path for each in files] if dotenv else [] for files in (earlier, overriding))
        is_beside = loading and env_file and dotenv and (before or after)
        loading_later = pool.submit(load, after, before) if is_beside else None
        config = pool.submit(docker.read_config, program, checkout.root) if dotenv and program else None
    result = loading.result() if loading else None
    if result and source.env_files is None:
        earlier, overriding = read_beside(result)
    published = {checkout.root / name for name in history.result().published}
    workstation = Workstation(
        checkout=checkout,
        keys=keys,
        dotenv=dotenv,
        earlier_files=earlier,
        overriding_files=overriding,
        private_keys=read_other(checkout.root / _PRIVATE_KEYS),
        dangling_target=path.resolve() if dotenv is None and path.is_symlink() else None,
        stray_files=stray_files,
        secret_files=frozenset(_secret_files(checkout)),
        read_instead=None if path.exists() else next(_files_instead(checkout, path), None),
        missing_env_files=tuple(dict.fromkeys(_missing_env_files(checkout))),
        published_files=tuple(each for each in others if each in published),
        git=status.result(),
        settings_result=result if dotenv else None,
        later_result=loading_later.result() if loading_later else None,
        history=history.result(),
        url_parts=result.url_parts if result else (),
        unread_settings=tuple(each.label for each in _unread_settings(checkout)),
        is_code_withheld=bool(dotenv and source.file and not allow_code),
        compose_program=program or docker.expected_compose(checkout.root),
        compose_config=config.result() if config else None,
        shell=_shell(checkout, dotenv),
        owner=_own_name(),
    )
    if workstation.git.is_work_tree:
        search = ValueSearch(by_line=(*workstation.issued_values, *workstation.address_passwords))
        workstation = replace(workstation, tracked=leaks.search_tracked(checkout.root, search))
    instead = workstation.read_by_both if dotenv else None
    return replace(workstation, instead=read_other(instead)) if instead else workstation


def read_tracked_template(root: Path) -> Template | None:
    """The committed .env of a checkout, which serves as its template; None if none is committed as UTF-8 text."""
    raw = git.read_committed(root, DOTENV)
    try:
        if raw is None or not raw.decode("utf-8"):
            return None
    except UnicodeDecodeError:
        return None
    return parse_template(SourceFile(root / DOTENV, DOTENV, raw))


def read_editable_template(root: Path) -> Template | None:
    """The .env of a checkout as its template to edit: committed, and without a secret's value; None if it is none."""
    file = read_source(root, DOTENV) if git.read_committed(root, DOTENV) is not None else None
    template = parse_template(file) if file else None
    has_value = any(
        is_secret(each.name) and is_text_of_value(each.value) for each in (template.entries if template else ())
    )
    return None if has_value else template


def _with_other_keys(checkout: Checkout, keys: Mapping[str, Key]) -> Mapping[str, Key]:
    """The catalogue, with the keys of providers and those that the prefix of Settings gives, which the checkout has."""
    prefix = checkout.settings.env_prefix.upper()
    known_keys = _provider_keys(prefix) | _with_prefix(prefix, keys)
    names = checkout.reads | {entry.name for entry in checkout.template_entries}
    return {**{name: key for name, key in known_keys.items() if name in names}, **keys}


def _provider_keys(prefix: str) -> dict[str, Key]:
    """The keys of providers by the names that they may have, with the prefix of Settings and without."""
    keys = provider_keys()
    rules = {name: f"{prefix}{key.required_if}" if key.required_if else "" for name, key in keys.items()}
    return keys | {f"{prefix}{name}": key.model_copy(update={"required_if": rules[name]}) for name, key in keys.items()}


def _with_prefix(prefix: str, keys: Mapping[str, Key]) -> dict[str, Key]:
    """The catalogue's keys by the names that the prefix of Settings gives them, which say whether each is required."""
    return {
        f"{prefix}{name}": key.model_copy(
            update={"required": False, "required_if": "", "login": f"{prefix}{key.login}" if key.login else ""}
        )
        for name, key in keys.items()
        if prefix and not key.variable
    }


def _own_name() -> str:
    """The name of the user that this process runs as; the number where that has none, as in a container."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _public_texts(checkout: Checkout, keys: Mapping[str, Key]) -> Iterator[str]:
    """The template's values that are not secret, since they are in the repository."""
    known = by_variable(keys)
    for entry in checkout.template_entries:
        if not is_secret(entry.name, known.get(entry.name)) or PLACEHOLDER.match(entry.value):
            yield entry.value


def _read_history(checkout: Checkout, files: Iterable[Path]) -> GitHistory:
    """What git holds of those of some files that are within the checkout, and of all that hold values."""
    root, template = checkout.root, checkout.template.file.name if checkout.template else ""
    inside = [each.relative_to(root).as_posix() for each in files if each.is_relative_to(root)]
    return read_history(root, inside, {template} - {"", DOTENV})


def _unread_settings(checkout: Checkout) -> Iterator[SettingsClass]:
    """The classes of settings outside of the application's folder that are not among its fields."""
    read = {field.file for field in checkout.settings.fields}
    folder, separator, _ = checkout.settings.path.partition("/")
    found = find_settings_outside(checkout.root, folder) if separator else ()
    return (each for each in found if each.file not in read)


def _files_beside(
    checkout: Checkout, path: Path, result: SettingsResult | None
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The files that Settings or the application's service read before and after the .env."""
    service = checkout.application
    folders = (folder for each in checkout.settings.start_folders for folder in each)
    own = files_beside(checkout, path, folders, files_of_settings(checkout, result))
    of_service = files_beside(checkout, path, [""], service.env_files if service else ())
    return (*own[0], *of_service[0]), (*own[1], *of_service[1])


def _secret_files(checkout: Checkout) -> Iterator[str]:
    """The names of the files in which Settings find values; those that Compose mounts are in the container alone."""
    starts = {checkout.root / checkout.settings.folder, checkout.root}
    for folder in (start / name for name in checkout.settings.secrets_dirs for start in starts):
        with suppress(PermissionError):
            files = [each for each in folder.iterdir() if each.is_file()] if folder.is_dir() else []
            yield from (each.name for each in files if each.stat().st_size)


def _stray_files(checkout: Checkout, path: Path) -> Iterator[Path]:
    backend = checkout.root / checkout.settings.folder
    for folder in (backend, backend / "app", checkout.root.parent):
        other = folder / DOTENV
        # One in the parent folder belongs to another project, unless there is none here.
        is_of_others = folder == checkout.root.parent and (path.exists() or _is_project(folder))
        if other.is_file() and other != path and not is_of_others:
            yield other


def _misnamed_files(checkout: Checkout, is_read: bool = False) -> Iterator[Path]:
    """Files at the top that set a required variable, and have a name that Settings or Compose read, or neither."""
    service = checkout.application
    read = (*(checkout.settings.env_files or ()), *(service.env_files if service else ()))
    read_names = {*map(os.path.basename, read), *(each.name for each in checkout.loaded_files)}
    required = {name for field in checkout.settings.fields if field.required for name in field.variables}
    folded = {name.casefold() for name in required}
    for path in (checkout.root / name for name in _MISNAMED if (name in read_names) is is_read):
        # In UTF-16, as an editor on Windows may save it, every other byte is a NUL.
        assignments = find_assignments(read_text(path).replace("\0", ""), (), folded) if path.is_file() else {}
        if any(each[1] in required for each in assignments.values()):
            yield path


def _files_instead(checkout: Checkout, path: Path) -> Iterator[Path]:
    """Files with the variables that Settings or Compose read in place of the .env."""
    yield from _misnamed_files(checkout, True)
    service = checkout.application
    # A mere name in Settings, or one with .., is looked for in the folder in which they are started.
    names_of_settings = checkout.settings.env_files or ()
    of_settings = [name for name in names_of_settings if posixpath.dirname(name) and not name.startswith("..")]
    names = (*of_settings, *(service.env_files if service else ()), *_read_by_compose_below(checkout))
    read = {os.path.normpath(checkout.root / name) for name in names}
    yield from (each for each in _stray_files(checkout, path) if str(each) in read)
    others = (checkout.root / name for name in of_settings if posixpath.basename(name) == DOTENV)
    yield from (each for each in others if each.is_file() and each != path)


def _read_by_compose_below(checkout: Checkout) -> Iterator[str]:
    """The .env beside each compose file in another folder, where none is at the top, and what its services read."""
    for name in checkout.compose_below:
        yield posixpath.join(posixpath.dirname(name), DOTENV)
        with suppress(UsageError):
            if file := read_if_readable(checkout.root, name):
                services = read_services_of(checkout.root, file).values()
                yield from (each for service in services for each in service.env_files)


def _is_project(folder: Path) -> bool:
    """Whether a folder has what reads a .env in it: a checkout's own, its Compose file or its template."""
    return any((folder / name).exists() for name in (".git", *COMPOSE_FILES, *TEMPLATES))


def _missing_env_files(checkout: Checkout) -> Iterator[Path]:
    for service in checkout.services:
        for name in service.env_files:
            path = Path(os.path.normpath(checkout.root / name))
            is_other = path.name == DOTENV and path.parent != checkout.root and not isinstance(name, OptionalPath)
            if is_other and "$" not in name and not path.exists():
                yield path


def _shell(checkout: Checkout, dotenv: Dotenv | None) -> dict[str, Masked]:
    names = {binding.name for binding in dotenv.bindings} if dotenv else set()
    names |= {name for entry in checkout.template_entries for name, _ in find_references(entry.value)}
    return {name: Masked(os.environ[name], name) for name in sorted(names & os.environ.keys())}
