"""Sources of new values: a prompt, a file, a variable or a generator."""

from __future__ import annotations

import base64
import getpass
import os
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence

from omc_runbook.changes.values import source_file
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.checks import remedies
from omc_runbook.masking import kernel
from omc_runbook.masking.terminal_prompt import CutLine
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Key
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import NO_REMEDY
from omc_runbook.model.suggestions import nearest

SOURCES = "prompt, file:PATH, env:NAME, generate or keep"
"""What values_from may be, where a runbook has no other list."""
OF_ROTATION = f"renew, {SOURCES}"
KEEP, GENERATE, RENEW, PROMPT = "keep", "generate", "renew", "prompt"
GENERATED = "generated"
"""How the origin of a generated value begins."""
_ONE_VALUE = "If it has the value of one key, name that key in the parameter keys."
CAPITALS = re.compile(r"[A-Z_][A-Z0-9_]{0,47}")

GENERATORS: dict[str, Callable[[], str]] = {
    "hex-32": lambda: secrets.token_hex(32),
    "base64-32": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "urlsafe-32": lambda: secrets.token_urlsafe(32),
}


def rotate_command(environment: Environment, **parameters: str) -> str:
    """The command of rotate that applies its plan, such as new tasks alone where `values_from` is keep."""
    rotate = remedies.with_runbook("rotate", environment, NO_REMEDY, **parameters)
    return remedies.command_to_apply(environment, rotate)


def gather(
    values_from: str,
    keys: Sequence[str],
    catalogue: Mapping[str, Key],
    present_keys: Collection[str],
    where: str = "",
    offered: str = SOURCES,
) -> dict[str, NewValue]:
    """Read new values from the source `values_from`, masked; "" and "keep" give none.

    At the terminal of a command, "" prompts for the keys.

    `keys` selects them; empty means all that the source has, which does not work for a prompt or a generator. Each key
    must be in the catalogue (`catalogue`) or in the secret (`present_keys`). `where` is the environment's name, for a
    prompt, and `offered` the sources that the runbook has, for an error. Raises UsageError, without a value in it, for
    an unknown source or a key that the source lacks.
    """
    known_keys = {*catalogue, *present_keys}
    refuse_unknown(keys, known_keys)
    if not values_from and keys and kernel.has_terminal():
        values_from = PROMPT
    if not values_from and keys:
        raise UsageError(f"{', '.join(keys)} has no new value. Set values_from to {offered}.")
    if values_from in ("", KEEP):
        return {}
    values = take(values_from, keys, catalogue, where, offered, known_keys, _ONE_VALUE)
    refuse_unknown([*values], known_keys)
    return values


def take(
    values_from: str,
    keys: Sequence[str],
    catalogue: Mapping[str, Key],
    where: str = "",
    offered: str = SOURCES,
    known_keys: Collection[str] = (),
    advice: str = "",
) -> dict[str, NewValue]:
    """Read new values as `gather` does, also of keys that are in no catalogue; `known_keys` are more than those.

    `advice` is a sentence on what to do with a variable that has one value, where no key is named.
    """
    kind, _, name = values_from.partition(":")
    path = source_file.path_of(values_from)
    if path:
        return _select(source_file.read_file(path), keys, values_from)
    if kind == "env" and name:
        return _select(_from_variable(name, keys, {*catalogue, *known_keys, *keys}, advice), keys, values_from)
    if values_from == PROMPT:
        return _prompt(_require_keys(keys, values_from), where, catalogue)
    if values_from == GENERATE:
        return {key: _generate(key, catalogue.get(key)) for key in _require_keys(keys, values_from)}
    # Not quoted: it may be a value pasted by mistake.
    raise UsageError(f"values_from is not a source of values: choose {offered}.")


def _from_variable(name: str, keys: Sequence[str], known_keys: Collection[str], advice: str) -> dict[str, NewValue]:
    """The variable's text as the value of the one key; where it is a document of keys, or none is named, its values."""
    text = os.environ.get(name)
    if not text:
        raise UsageError("The variable that values_from names is not set or empty: set it, or name another source.")
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        # Not masked yet: no traceback can show it.
        del text
        raise UsageError(f"The variable {name} is not UTF-8 text: set it again.") from None
    if len(keys) == 1 and not text.lstrip().startswith("{"):
        return {keys[0]: NewValue(Masked(text, keys[0]), f"variable {name}")}
    try:
        values = source_file.read(raw, f"variable {name}", f"The variable {name}")
    except UsageError as error:
        raise UsageError(str(error) if keys else f"{error} {advice}".rstrip()) from None
    if len(keys) == 1 and not any(key in known_keys or CAPITALS.fullmatch(key) for key in values):
        # An object without any key of a secret is a value itself, such as the credentials of a service account.
        return {keys[0]: NewValue(Masked(text, keys[0]), f"variable {name}")}
    return values


def _prompt(keys: Sequence[str], where: str, catalogue: Mapping[str, Key]) -> dict[str, NewValue]:
    if not kernel.allows_prompt():
        can_generate = all(key in catalogue and catalogue[key].generate for key in keys)
        ways = "file:PATH, env:NAME or generate" if can_generate else "file:PATH or env:NAME"
        raise UsageError(f"A prompt needs an interactive session: take {', '.join(keys)} from {ways}.")
    name = f" in {where}" if where else ""
    return {key: NewValue(_ask(key, f"New value of {key}{name}: "), PROMPT) for key in keys}


def _ask(key: str, prompt: str) -> Masked:
    value = ask_hidden(prompt, key)
    if value.is_empty:
        raise UsageError(
            f"Nothing was typed for {key}: run again, or take an empty value from file:PATH. Nothing was written."
        )
    return value


def ask_hidden(prompt: str, name: str) -> Masked:
    """What a person types without echo; empty where the input ends, as by Ctrl-D."""
    try:
        return Masked(getpass.getpass(prompt), name)
    except EOFError:
        return Masked("", name)
    except CutLine as error:
        raise UsageError(f"What was typed for {name} {error}: take it from file:PATH. Nothing was written.") from None


def _generate(key: str, entry: Key | None) -> NewValue:
    if entry is None or not entry.generate:
        where = f" (get it from {entry.obtain_from})" if entry and entry.obtain_from else ""
        raise UsageError(f"{key} cannot be generated{where}: take it from prompt, file:PATH or env:NAME.")
    return generated(key, "urlsafe-32" if entry.in_url else entry.generate)


def generated(key: str, kind: str) -> NewValue:
    """A generated value of a key, of a kind in `GENERATORS`."""
    return NewValue(Masked(GENERATORS[kind](), key), f"{GENERATED} ({kind})")


def _require_keys(keys: Sequence[str], values_from: str) -> Sequence[str]:
    if not keys:
        raise UsageError(f'With values_from "{values_from}" name the keys, as in keys = "SECRET_KEY,SMTP_PASSWORD".')
    return keys


def _select(values: dict[str, NewValue], keys: Sequence[str], values_from: str) -> dict[str, NewValue]:
    missing = [key for key in keys if key not in values]
    if missing:
        raise UsageError(f"{values_from} has no {', '.join(missing)}: it has {', '.join(sorted(values)) or 'nothing'}.")
    return {key: values[key] for key in keys} if keys else values


def refuse_unknown(keys: Sequence[str], catalogue: Collection[str]) -> None:
    """Raise UsageError for the first key that is neither in the catalogue nor in the secret, with the nearest name."""
    for key in keys:
        if key not in catalogue:
            refuse_list(key, catalogue)
            name = printable_key(key, catalogue)
            raise UsageError(
                f"{name} is neither in the secret nor in the catalogue{nearest(key, catalogue)}"
                " Add a new key with add_key, or give it a table [keys.NAME] in runbook.toml."
            )


def refuse_list(key: str, catalogue: Collection[str]) -> None:
    """Raise UsageError for known keys that something else than commas separates or surrounds, such as blanks."""
    names = re.split(r"[\s;|\"'\[\]]+", key.strip(" \t;|\"'[]"))
    if {*names} <= {*catalogue} and names != [key.strip()]:
        raise UsageError(f"Keys are names with commas between them, as in {','.join(names)}: write them so.")


def printable_key(key: str, catalogue: Collection[str]) -> str:
    """An unknown key, for a message; not quoted where it may be a value pasted by mistake."""
    is_name = CAPITALS.fullmatch(key) or key.strip().upper() in {name.upper() for name in catalogue}
    return key if is_name else "A key that is not written like SECRET_KEY, and may be a value,"
