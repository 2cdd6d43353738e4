"""Local values: taken from a source, made where anyone may make them up, asked for, or still needed."""

from __future__ import annotations

import base64
import getpass
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from omc_runbook.changes.values import sources
from omc_runbook.changes.values.source_file import Given
from omc_runbook.changes.values.sources import GENERATE, GENERATORS, KEEP
from omc_runbook.changes.values.validation import objection
from omc_runbook.checks.local import misspellings
from omc_runbook.masking import kernel
from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import TEMPLATE_DEFAULT, Key, variable_of
from omc_runbook.model.errors import UsageError
from omc_runbook.repository.template import TemplateEntry
from omc_runbook.workstation.workstation import Workstation, is_text_of_value

PROMPT = "prompt"
SOURCES = "prompt, file:PATH, env:NAME, generate or keep"
RANDOM = re.compile(r"openssl\s+rand\s+-(hex|base64)\s+(\d{1,3})")
"""How a template says that a value may be made up."""


@dataclass(frozen=True)
class Needed:
    """A variable that has to have a value, and has none: what it is, and where to get it."""

    variable: str
    description: str
    obtain_from: str


def values_for(
    workstation: Workstation, there: Mapping[str, str], added: Collection[str], is_new: bool, values_from: str
) -> tuple[dict[str, Given], tuple[Needed, ...], tuple[str, ...]]:
    """New values for variables that have none, what is still needed after that, and notes.

    `there` has each variable's text, `added` those that the file did not have before. Raises UsageError as
    `sources.gather` does, and for a value that the catalogue objects to.
    """
    lacking = [name for name, text in there.items() if not is_text_of_value(text)]
    offered = _offered(workstation, there, values_from)
    found, notes = {}, []
    for name, entry in offered.items():
        why = objection(entry.value, workstation.key_of(name))
        if why:
            raise UsageError(f"{name} from {entry.origin} {why}. Nothing was written.")
        if name in there and name not in lacking and not is_new and name not in added:
            notes += [] if entry.value.same_as(there[name]) else [f"{name} has a value already, and keeps it."]
        elif name in there:
            found[name] = entry
        else:
            notes.append(f"{name} is not in the template, and was left out.")
    if values_from != KEEP:
        # A value may stand in the file already, under a slip of the name or in another line of the same.
        written = {meant for _, meant in misspellings(workstation)}
        written |= {name for name, _ in workstation.dotenv.duplicates} if workstation.dotenv else set()
        for name in (*lacking, *_public(workstation, there, added, is_new)):
            made = None if name in found or name in written else _made(workstation, name, there[name])
            if made:
                found[name] = made
    required = workstation.required
    left = [name for name in (*lacking, *(n for n in required if n not in there)) if name in required]
    left = [name for name in dict.fromkeys(left) if name not in found]
    if values_from == PROMPT:
        found |= _asked(workstation, left)
    needed = tuple(_needed(workstation, name, required[name]) for name in left if name not in found)
    return found, needed, tuple(notes)


def _public(workstation: Workstation, there: Mapping[str, str], added: Collection[str], is_new: bool) -> list[str]:
    """Secrets that anyone may make up and that come from the template with a value: all the world has that one."""
    keys = ((name, workstation.key_of(name)) for name in there if is_new or name in added)
    return [name for name, key in keys if key and key.generate]


def _offered(workstation: Workstation, there: Mapping[str, str], values_from: str) -> dict[str, Given]:
    """What the source has, by variable; a prompt and a generator offer nothing by themselves."""
    kind, _, name = values_from.partition(":")
    if values_from in ("", GENERATE, KEEP, PROMPT):
        return {}
    if kind not in ("file", "env") or not name:
        raise UsageError(f"values_from names no source of values: choose {SOURCES}.")
    known = {
        **{variable_of(key, workstation.keys): entry for key, entry in workstation.keys.items()},
        **workstation.keys,
    }
    template = workstation.checkout.template
    names = {*there, *workstation.checkout.reads, *(entry.name for entry in (template.entries if template else ()))}
    keys = [name] if kind == "env" and name in {*names, *known} else []
    found = sources.gather(values_from, keys, known, names)
    return {variable_of(key, workstation.keys): entry for key, entry in found.items()}


def _made(workstation: Workstation, name: str, text: str) -> Given | None:
    """A value made up, where the catalogue or the template says that anyone may, or the default stands there."""
    key, entry = (
        workstation.key_of(name),
        workstation.checkout.template.find(name) if workstation.checkout.template else None,
    )
    kind = "" if key is None else "urlsafe-32" if key.in_url and key.generate else key.generate
    if kind:
        return Given(Masked(GENERATORS[kind](), name), f"generated ({kind})")
    recipe = RANDOM.search(entry.description) if entry else None
    if recipe and workstation.is_secret(name):
        count = int(recipe[2])
        raw = secrets.token_bytes(max(count, 16))
        return Given(Masked(raw.hex() if recipe[1] == "hex" else base64.b64encode(raw).decode(), name), "generated")
    if TEMPLATE_DEFAULT.match(text) and workstation.is_secret(name) and not (key and key.obtain_from):
        return Given(Masked(GENERATORS["urlsafe-32"](), name), "generated (urlsafe-32)")
    return None


def _asked(workstation: Workstation, names: Collection[str]) -> dict[str, Given]:
    """What somebody types for each, hidden; an empty answer leaves it out."""
    if not names:
        return {}
    if not kernel.allows_input():
        raise UsageError("Nobody can be asked here: take the values from file:PATH or env:NAME.")
    answers = {name: Masked(getpass.getpass(f"Value of {name} (empty to leave it out): "), name) for name in names}
    for name, value in answers.items():
        why = objection(value, workstation.key_of(name)) if not value.is_empty else ""
        if why:
            raise UsageError(f"{name} {why}. Nothing was written.")
    return {name: Given(value, "prompt") for name, value in answers.items() if not value.is_empty}


def _needed(workstation: Workstation, name: str, why: str) -> Needed:
    key: Key | None = workstation.key_of(name)
    entry: TemplateEntry | None = workstation.checkout.template.find(name) if workstation.checkout.template else None
    description = (key.description if key else "") or (entry.description if entry else "") or why
    return Needed(name, description, (key.obtain_from if key else "") or (entry.obtain_from if entry else ""))
