"""New values: from a prompt, a file, a variable or a generator, named by a parameter and never shown."""

from __future__ import annotations

import base64
import getpass
import os
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

from omc_runbook.changes.values import source_file
from omc_runbook.changes.values.source_file import Given
from omc_runbook.masking import kernel
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key
from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import nearest

SOURCES = "prompt, file:PATH, env:NAME, generate or renew"
KEEP, GENERATE, RENEW = "keep", "generate", "renew"
CAPITALS = re.compile(r"[A-Z_][A-Z0-9_]{0,47}")

GENERATORS: dict[str, Callable[[], str]] = {
    "hex-32": lambda: secrets.token_hex(32),
    "base64-32": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "urlsafe-32": lambda: secrets.token_urlsafe(32),
}


def gather(
    values_from: str, keys: Sequence[str], known: Mapping[str, Key], present: Collection[str], where: str = ""
) -> dict[str, Given]:
    """Take new values from the source that a parameter names, masked from the start; none from "" and "keep".

    `keys` says which; empty means all that the source has, which a prompt and a generator do not know. A key has
    to be in the catalogue (`known`) or in the secret (`present`). `where` is the environment's name, for a prompt.
    Raises UsageError, in one sentence without a value, for a source that is not one or does not have what is asked
    for.
    """
    refuse_unknown(keys, {*known, *present})
    if not values_from and keys:
        raise UsageError(f"{', '.join(keys)} should change, but to what? Set values_from to {SOURCES}.")
    found = _take(values_from, keys, known, where) if values_from not in ("", KEEP) else {}
    refuse_unknown([*found], {*known, *present})
    return found


def _take(values_from: str, keys: Sequence[str], known: Mapping[str, Key], where: str) -> dict[str, Given]:
    kind, _, name = values_from.partition(":")
    path = source_file.path_of(values_from)
    if path:
        return _only(source_file.read_file(path), keys, values_from)
    if kind == "env" and name:
        return _only(_from_variable(name, keys), keys, values_from)
    if values_from == "prompt":
        return _ask(_named(keys, values_from), where)
    if values_from == GENERATE:
        return {key: _generate(key, known.get(key)) for key in _named(keys, values_from)}
    # Not repeated here: somebody may have put a value in its place.
    raise UsageError(f"values_from names no source of values: choose {SOURCES}.")


def _from_variable(name: str, keys: Sequence[str]) -> dict[str, Given]:
    text = os.environ.get(name)
    if not text:
        raise UsageError("The variable that values_from names is not set or empty: set it, or name another source.")
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"The variable {name} is not UTF-8 text: set it anew.") from None
    if len(keys) == 1 and not text.lstrip().startswith("{"):
        return {keys[0]: Given(Masked(text, keys[0]), f"variable {name}")}
    return source_file.read(raw, f"variable {name}", f"The variable {name}")


def _ask(keys: Sequence[str], where: str) -> dict[str, Given]:
    if not kernel.allows_input():
        raise UsageError("Nobody can be asked here: take the values from file:PATH, env:NAME or generate.")
    name = f" in {where}" if where else ""
    return {key: Given(Masked(getpass.getpass(f"New value of {key}{name}: "), key), "prompt") for key in keys}


def _generate(key: str, known: Key | None) -> Given:
    if known is None or not known.generate:
        where = f" (get it from {known.obtain_from})" if known and known.obtain_from else ""
        raise UsageError(f"{key} cannot be generated{where}: take it from prompt, file:PATH or env:NAME.")
    kind = "urlsafe-32" if known.in_url else known.generate
    return Given(Masked(GENERATORS[kind](), key), f"generated ({kind})")


def _named(keys: Sequence[str], values_from: str) -> Sequence[str]:
    if not keys:
        raise UsageError(f'With values_from "{values_from}" name the keys, as in keys = "SECRET_KEY,SMTP_PASSWORD".')
    return keys


def _only(found: dict[str, Given], keys: Sequence[str], values_from: str) -> dict[str, Given]:
    missing = [key for key in keys if key not in found]
    if missing:
        raise UsageError(f"{values_from} has no {', '.join(missing)}: it has {', '.join(sorted(found)) or 'nothing'}.")
    return {key: found[key] for key in keys} if keys else found


def refuse_unknown(keys: Sequence[str], known: Collection[str]) -> None:
    """Raise UsageError for the first key that is not known, with the nearest that is."""
    for key in keys:
        if key not in known:
            raise UsageError(
                f"{named(key, known)} is neither in the secret nor in the catalogue{nearest(key, known)}"
                " A new key wants a table [keys.NAME] in runbook.toml."
            )


def named(key: str, known: Collection[str]) -> str:
    """A key that is not known, for a sentence; not repeated where a value may have been put in its place."""
    is_name = CAPITALS.fullmatch(key) or key.strip().upper() in {name.upper() for name in known}
    return key if is_name else "A key that is not written like SECRET_KEY, and may be a value,"
