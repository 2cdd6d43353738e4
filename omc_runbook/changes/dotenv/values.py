"""Values of a .env: from a source, generated, prompted for, or still missing."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from dotenv.variables import parse_variables

from omc_runbook.changes.values import sources
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.changes.values.sources import GENERATE, GENERATED, KEEP, PROMPT, printable_key
from omc_runbook.checks.local import misspellings, set_by_compose
from omc_runbook.masking import kernel
from omc_runbook.masking.addresses import scheme_and_user, with_password
from omc_runbook.masking.defects import objection
from omc_runbook.masking.relations import is_database_address, passwords_of
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import URL_BREAKERS, variable_of
from omc_runbook.model.errors import UsageError
from omc_runbook.model.placeholders import CIPHERTEXT, ENCRYPTED, PLACEHOLDER, REFERENCE, TEMPLATE_DEFAULT
from omc_runbook.model.suggestions import did_you_mean
from omc_runbook.repository.compose import find_references
from omc_runbook.workstation import dotenv_edit
from omc_runbook.workstation.workstation import Workstation, is_text_of_value, is_value

_ONE_VALUE = "If it has the value of one variable of the .env, give it that variable's name."
RANDOM = re.compile(r"openssl\s+rand\s+-(hex|base64)\s+(\d{1,3})")
"""How a template says that a value can be generated."""
_VARIABLE = re.compile(r"\$\{(\w+)(?::?(?:[?+][^}]*|-))?\}")
"""A reference to a variable, without a default of its own."""


@dataclass(frozen=True)
class MissingVariable:
    """A required variable without a value: what it is, and where to get it."""

    variable: str
    description: str
    obtain_from: str


@dataclass(frozen=True)
class SourceValues:
    """The values that a source has, by the variable that the .env gets, and notes on those that are left out."""

    values: Mapping[str, NewValue] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    def spelled_as(self, workstation: Workstation, lines: Collection[str]) -> SourceValues:
        """The same by the names of some lines, where Settings read these in whatever case."""
        return SourceValues({workstation.spelling_of(name, lines): e for name, e in self.values.items()}, self.notes)


def read_source_values(workstation: Workstation, values_from: str) -> SourceValues:
    """The values of a file or variable; a prompt and a generator have none by themselves.

    A name that nothing in the checkout reads is left out. Raises UsageError for an unknown source, one that cannot be
    read, and a value that the catalogue refuses.
    """
    kind, _, name = values_from.partition(":")
    if values_from in ("", GENERATE, KEEP, PROMPT):
        return SourceValues()
    variables = _known_names(workstation)
    keys = [name] if kind == "env" and name in variables | {*workstation.keys} else []
    values: dict[str, NewValue] = {}
    notes = []
    for key, entry in sources.take(values_from, keys, workstation.keys, advice=_ONE_VALUE).items():
        variable = _spelling(workstation, variable_of(key, workstation.keys))
        if variable not in variables and not workstation.checkout.settings.takes(variable):
            near = did_you_mean(key, variables) or "."
            notes.append(
                f"{printable_key(key, variables)} from {entry.origin} is left out: nothing here reads it{near}"
            )
            continue
        problem = _objection(workstation, variable, entry.value)
        if problem:
            raise UsageError(f"{variable} from {entry.origin} {problem}. Nothing was written.")
        values[variable] = entry
    return SourceValues(values, tuple(notes))


def _known_names(workstation: Workstation) -> frozenset[str]:
    """Every variable that something in the checkout reads, or that its template or .env has."""
    checkout, in_file = workstation.checkout, {binding.name for binding in workstation.bindings}
    read = workstation.known_variables | checkout.application_reads | checkout.other_reads
    return read | checkout.used_by_compose | in_file


def _spelling(workstation: Workstation, variable: str) -> str:
    """The name by which the .env, else the template, fills the field of Settings that a variable fills."""
    settings_field = workstation.checkout.settings.find(variable)
    is_whole = settings_field is not None and variable not in settings_field.nested
    names = settings_field.own_variables if settings_field and is_whole else (variable,)
    in_dotenv = [each for each in names if workstation.binding(each)]
    active = [entry.name for entry in workstation.checkout.template_entries if not entry.commented_out]
    in_template = [each for each in names if each in active]
    if in_dotenv:
        return in_dotenv[0]
    return in_template[0] if in_template and variable not in in_template else variable


def values_for(
    workstation: Workstation,
    present: Mapping[str, str],
    added_names: Collection[str],
    values_from: str,
    source: SourceValues,
) -> tuple[dict[str, NewValue], tuple[MissingVariable, ...], tuple[str, ...]]:
    """New values for variables without one, the variables still missing, and notes on values that are left out.

    `present` has each variable's text, `added_names` are those that the file did not have before. Raises UsageError
    for a prompt without a person, or a value that the catalogue refuses.
    """
    empty_names = [name for name, text in present.items() if not is_set(workstation, name, text)]
    values, notes = _taken_values(source, present, {*empty_names, *added_names})
    references = {name: {each for each, _ in find_references(text)} - {name} for name, text in present.items()}
    # No reader of a .env gives a line the value of a later one.
    lines = {name: number for number, name in enumerate(present)}
    refers_below = {name for name in present if any(lines.get(each, 0) > lines[name] for each in references[name])}
    if values_from != KEEP:
        # Whoever asks for generated values has no program that gives those of a template.
        renewed = {*added_names} if values_from == GENERATE else refers_below.intersection(added_names)
        names_with_value = _names_with_value(workstation, present, empty_names, renewed)
        # What can be generated and has a value in the template has one that is public; a database has it, too, if
        # Compose names it.
        public_secrets = [
            name
            for name, text in present.items()
            if name in added_names
            and is_generated(workstation, name)
            and not workstation.checkout.is_fixed_by_compose(name, text)
        ]
        for name in (*empty_names, *public_secrets):
            if name not in values and name not in names_with_value:
                generated = _generate(workstation, name, present[name])
                values |= {name: generated} if generated else {}
    reasons = workstation.required_with({name: entry.value for name, entry in source.values.items()})
    required = {workstation.spelling_of(name, present.keys()): why for name, why in reasons.items()}
    filled = {*values, *(present.keys() - {*empty_names})}
    known = filled.union(name for name, value in workstation.shell.items() if not value.is_empty)
    filled |= {name for name in {*added_names} - refers_below if not known.isdisjoint(references.get(name, ()))}
    lacking = dict.fromkeys((*empty_names, *(name for name in required if name not in present)))
    missing_names = [
        name
        for name in lacking
        if name in required and name not in filled and not set_by_compose(workstation, name, filled)
    ]
    if values_from == PROMPT:
        values |= _prompt(workstation, missing_names)
    missing = tuple(
        _missing_variable(workstation, name, required[name]) for name in missing_names if name not in values
    )
    return values, missing, tuple(notes)


def addresses_for(
    workstation: Workstation,
    present: Mapping[str, str],
    template: Mapping[str, str],
    added_names: Collection[str],
    values: Mapping[str, NewValue],
) -> dict[str, NewValue]:
    """Addresses such as DATABASE_URL that have a password which another variable has anew, with that password.

    `present` and `template` have each variable's text in the file and in the template, `values` the new ones. An
    address that the file had before keeps the password of a variable that it did not have.
    """
    addresses = dict[str, NewValue]()
    for name, text in present.items():
        scheme, user = scheme_and_user(text) if name not in values else ("", "")
        origin = "the template" if name in added_names else "as before"
        texts = template if name in added_names else present
        formers = {each: former for each in present if "$" not in (former := texts.get(each, ""))}
        if is_database_address(name):
            # The one database's address may have the password of POSTGRES_PASSWORD beside an empty DATABASE_PASSWORD.
            formers = {each: former for each, former in formers.items() if former}
        for password in passwords_of(name, scheme, formers):
            if name not in added_names and (password in added_names or password not in values):
                continue
            former = formers[password]
            current = reveal(values[password].value) if password in values else present[password]
            if not (former and is_text_of_value(current)) or "$" in current:
                continue
            new = with_password(text, former, current)
            if new != text and dotenv_edit.can_quote(new) and _is_login_of(workstation, password, user, present):
                addresses[name] = NewValue(Masked(new, name), f"{origin}, with {password}")
                break
    return addresses


def _is_login_of(workstation: Workstation, password: str, user: str, present: Mapping[str, str]) -> bool:
    """Whether a password may be that of a user's, by the variable that names its login."""
    key, stem = workstation.key_of(password), password.rpartition("_")[0]
    names = (key.login if key else "", f"{stem}_USER", f"{stem}_USERNAME")
    login = next((present[name] for name in names if present.get(name)), "")
    logins = {login} if login else {text for name in names for text in workstation.checkout.texts_by_compose(name)}
    return not logins or "$" in login or user in logins


def _taken_values(
    source: SourceValues, present: Mapping[str, str], open_names: Collection[str]
) -> tuple[dict[str, NewValue], list[str]]:
    """The values of a source for variables that may get one, and notes on it and on the others."""
    values, notes = dict[str, NewValue](), [*source.notes]
    for name, entry in source.values.items():
        if name not in present:
            # Nothing is written for an empty value of a variable that is not there.
            notes += [] if entry.value.is_empty else [f"{name} was not written: correct the line that it is in first."]
        elif name not in open_names:
            notes += [] if entry.value.same_as(present[name]) else [f"{name} has a value already, which stays."]
        else:
            values[name] = entry
    return values, notes


def _names_with_value(
    workstation: Workstation, present: Mapping[str, str], empty_names: Collection[str], renewed: Collection[str]
) -> set[str]:
    """The variables that have, or may have, a value already; `renewed` are those whose reference counts for none."""
    # The file may have the value already, under a misspelt name or in a duplicate line.
    names = {right_name for _, right_name in misspellings(workstation)}
    names |= {name for name, _ in workstation.dotenv.duplicates} if workstation.dotenv else set()
    names |= {name for name in empty_names if workstation.is_set_later(name)}
    names |= {name for name in present if workstation.is_given_elsewhere(name) or workstation.is_set_instead(name)}
    return names | {name for name, text in present.items() if name not in renewed and stands_for_another(name, text)}


def is_set(workstation: Workstation, name: str, text: str) -> bool:
    """Whether a line of a .env has a value: a text, or a reference to a variable that has one or is in the file."""
    file = workstation.dotenv
    if text and text == workstation.none_text(name):
        return True
    # The line may have had the name in another case.
    others = (each for each in workstation.bindings if each.name.casefold() == name.casefold())
    binding = (file.find(name) if file else None) or next(others, None)
    if binding and not binding.has_braces:
        return is_text_of_value(text)
    if binding is None and is_text_of_value(text):
        return workstation.is_usable(name, text)
    # After a colon, python-dotenv has read nothing.
    default = "".join(each.resolve({}) for each in parse_variables(text))
    has_text = is_text_of_value(text) or is_text_of_value(default)
    if has_text or file is None or binding is None:
        return has_text
    names = {each for each, _ in find_references(text)} - {name}
    return is_value(binding.for_python) or not names.isdisjoint(file.assigned_names)


def stands_for_another(name: str, text: str) -> bool:
    """Whether a text is no placeholder: a reference to a secret manager or another variable, or an encrypted value.

    Not one of a file that sops or dotenvx decrypts as a whole.
    """
    variable = _VARIABLE.fullmatch(text)
    is_other = variable is not None and variable[1] != name and not PLACEHOLDER.match(variable[1])
    return is_other or (any(each.search(text) for each in (REFERENCE, CIPHERTEXT)) and not ENCRYPTED.match(text))


def is_generated(workstation: Workstation, name: str) -> bool:
    """Whether the catalogue says how to generate a variable's value."""
    key = workstation.key_of(name)
    return key is not None and bool(key.generate)


def _generate(workstation: Workstation, name: str, text: str) -> NewValue | None:
    """A generated value, where the catalogue or the template allows it, or for a template's default."""
    key, entry = workstation.key_of(name), workstation.checkout.template_entry_for(name)
    is_in_url = (key is not None and key.in_url) or name in workstation.url_variables
    kind = "" if key is None else "urlsafe-32" if is_in_url and key.generate else key.generate
    if kind:
        return sources.generated(name, kind)
    recipe = RANDOM.search(entry.description) if entry else None
    if recipe and workstation.is_secret(name):
        count = int(recipe[2])
        raw = secrets.token_bytes(max(count, 16))
        encode = base64.urlsafe_b64encode if is_in_url else base64.b64encode
        text = raw.hex() if recipe[1] == "hex" else encode(raw).decode().rstrip("=" if is_in_url else "")
        return NewValue(Masked(text, name), GENERATED)
    if TEMPLATE_DEFAULT.match(text) and workstation.is_secret(name) and not (key and key.obtain_from):
        return sources.generated(name, "urlsafe-32")
    return None


def _objection(workstation: Workstation, name: str, value: Masked) -> str:
    """What is wrong with a value, as the end of a sentence; "" where it is valid."""
    key, where = workstation.key_of(name), workstation.raw_url_parts.get(name)
    if key and name in workstation.url_variables:
        # What this application does with it counts, not what the catalogue says of all.
        key = key.model_copy(update={"in_url": False})
    problem = objection(value, key)
    if problem or where is None or not value.matches(URL_BREAKERS):
        return problem
    return (
        f"has a character that breaks a URL (/ @ : # and the like), and {where} puts it into one as it is: take another"
        " value, or escape it there with urllib.parse.quote"
    )


def _prompt(workstation: Workstation, names: Collection[str]) -> dict[str, NewValue]:
    """Prompt for each without echo; an empty answer skips it."""
    if not names:
        return {}
    if not kernel.allows_prompt():
        raise UsageError("A prompt needs an interactive session: take the values from file:PATH or env:NAME.")
    answers = {name: sources.ask_hidden(f"Value of {name} (empty to skip it): ", name) for name in names}
    for name, value in answers.items():
        problem = _objection(workstation, name, value) if not value.is_empty else ""
        if problem:
            raise UsageError(f"{name} {problem}. Nothing was written.")
    return {name: NewValue(value, PROMPT) for name, value in answers.items() if not value.is_empty}


def _missing_variable(workstation: Workstation, name: str, reason: str) -> MissingVariable:
    key, entry = workstation.key_of(name), workstation.checkout.template_entry_for(name)
    description = (key.description if key else "") or (entry.description if entry else "") or reason
    return MissingVariable(name, description, (key.obtain_from if key else "") or (entry.obtain_from if entry else ""))
