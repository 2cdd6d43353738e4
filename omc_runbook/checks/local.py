"""Faults of what a .env says: values that lack, that everybody knows, or that the application does not take."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from omc_runbook.checks.check import DOTENV, SHARED, Doubt, Evidence, family
from omc_runbook.checks.dotenv import by_setup, miscased, place_of
from omc_runbook.checks.dotenv_quoting import commented, in_odd_quotes, spoilt
from omc_runbook.checks.key_demand import is_misspelling
from omc_runbook.masking.strength import digits_of_guesses
from omc_runbook.masking.value import Masked
from omc_runbook.messages.startlog import Told
from omc_runbook.messages.validation import REASONS
from omc_runbook.model.catalogue import PLACEHOLDER, TEMPLATE_DEFAULT, Key
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.findings import Remedy
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.workstation.dotenv import Binding
from omc_runbook.workstation.workstation import Workstation, is_blank, is_text_of_value, is_value

check = family("local")

ENVIRONMENT = "ENVIRONMENT"
GUESSED, MADE, ISSUED = 10.0, 23.0, 6.0
"""Decimal logarithms of the guesses under which a value is weak: a password, for which zxcvbn's best score begins
there; a key that signs, which nobody has to type; and what a provider issues, which is never that poor."""
SIGNING = 32
"""Characters that a key which signs has to have, by the catalogue."""
LOGIN = re.compile(r"://\S+@")
"""An address with somebody's password in it, which is no word that anybody would try first."""
NEAR = 0.87
"""How alike two names are, of 1, that differ by a slip."""
STARTED = frozenset({"settings-refused", "required-empty", "changethis"})


@check("required-empty", DOTENV)
def required_empty(snapshot: Snapshot) -> Iterable[Evidence]:
    """A required variable has no value"""
    place = place_of(snapshot)
    for name, why in lacking(place):
        key, entry = place.key_of(name), place.checkout.template.find(name) if place.checkout.template else None
        source = (key.obtain_from if key else "") or (entry.obtain_from if entry else "")
        state = "is empty" if place.binding(name) else "is not in the file"
        get = f"Get it from {source}, and write" if source else "Write"
        remedy = by_setup(snapshot, f"{get} {name}= and the value into {place.path}.", _source(place, name))
        yield Evidence(name, (f"{name} {state}; {why}.",), remedy)


@check("misspelt", DOTENV)
def misspelt(snapshot: Snapshot) -> Iterable[Evidence]:
    """A name is nearly that of a variable which has no value"""
    place = place_of(snapshot)
    for binding, meant in meant_names(place):
        is_required, line = meant in place.required, binding.line
        what = "is required and" if is_required else "is known and"
        fact = f"Line {line} has {binding.name}, which nobody reads; {meant} {what} has no value."
        remedy = Remedy(f"Write {meant}= in line {line} of {place.path}.")
        yield Evidence(meant, (fact,), remedy, severity="error" if is_required else "warning")


@check("placeholder", DOTENV)
def placeholder(snapshot: Snapshot) -> Iterable[Evidence]:
    """A variable still has the template's placeholder"""
    place = place_of(snapshot)
    required = place.required
    for name, value in _values(place):
        if value.matches(PLACEHOLDER) and not value.matches(TEMPLATE_DEFAULT):
            fact = f"{name} has a placeholder, which the application takes for a value."
            remedy = by_setup(snapshot, f"Give {name} a value in {place.path}, or none.", _source(place, name))
            yield Evidence(name, (fact,), remedy, severity="error" if name in required else "warning")


@check("changethis", DOTENV, severity="warning")
def changethis(snapshot: Snapshot) -> Iterable[Evidence]:
    """A variable still has the template's default, which everybody knows"""
    place = place_of(snapshot)
    for name, value in _values(place):
        if value.matches(TEMPLATE_DEFAULT):
            fact = f"{name} has the default: the application warns of it here, and refuses to start anywhere else."
            yield Evidence(name, (fact,), by_setup(snapshot, f"Give {name} a value in {place.path}."))


@check("weak", DOTENV, severity="warning")
def weak(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret is short, or easy to guess"""
    place = place_of(snapshot)
    words: list[Masked | str] = [snapshot.environment.names.secret, place.checkout.root.name, place.owner]
    words += [value for name, value in _values(place) if not place.is_secret(name) and not value.matches(LOGIN)]
    for name, value in _values(place):
        key = place.key_of(name)
        if not place.is_secret(name) or not is_value(value):
            continue
        if key and value.length < key.weak_below:
            yield Evidence(name, (f"{name} is shorter than {key.weak_below} characters.",), _renew(place, name))
        elif (key is None or key.form == "text") and digits_of_guesses(value, words) < _least(key):
            fact = f"{name} is found in far too few guesses, by words, names, dates and patterns."
            yield Evidence(name, (fact,), _renew(place, name))


@check("environment-literal", DOTENV)
def environment_literal(snapshot: Snapshot) -> Iterable[Evidence]:
    """ENVIRONMENT is not local"""
    place = place_of(snapshot)
    if _is_elsewhere(place):
        fact = f'{ENVIRONMENT} has another value than "{LOCAL}": the application takes this machine for a server.'
        yield Evidence(ENVIRONMENT, (fact,), Remedy(f"Write {ENVIRONMENT}={LOCAL} in {place.path}."))


@check("settings-refused", DOTENV)
def settings_refused(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """Settings does not take a variable's value"""
    place = place_of(snapshot)
    if place.settings_result and place.settings_result.obstacle:
        yield Doubt("Settings", (f"Settings could not be tried: {place.settings_result.obstacle}",))
    for told in _unexplained(place):
        subject = told.variable or "Settings"
        where = f"Correct {told.variable} in {place.path}." if told.variable else "Read the application's log."
        if told.variable and told.reason == REASONS["extra_forbidden"]:
            where = f'Take {told.variable} out of {place.path}, or give Settings extra="ignore" in model_config.'
        fact = f"Settings, loaded with this .env: {subject}: {told.reason}."
        if told.variable in refused_empty(place):
            where = f"Put # before {told.variable}= in {place.path}: Settings takes no empty text for it."
            yield Evidence(subject, (f"{fact} It is empty.",), by_setup(snapshot, where))
            continue
        yield Evidence(subject, (fact,), Remedy(where))


@check("reused", DOTENV, SHARED)
def reused(snapshot: Snapshot) -> Iterable[Evidence | Doubt]:
    """A local secret is the same as another environment's"""
    place = place_of(snapshot)
    assert place.shared_values is not None
    for name, theirs in place.shared_values.matches.items():
        fact = f"{name} is {theirs}, by keyed fingerprint: what leaks from this machine opens that environment."
        yield Evidence(name, (fact,), _renew(place, name))
    for reason in place.shared_values.failures:
        yield Doubt("other environments", (reason,))


def _least(key: Key | None) -> float:
    if key and key.generate and key.weak_below >= SIGNING:
        return MADE
    return ISSUED if key and key.obtain_from and not key.generate else GUESSED


def _values(place: Workstation) -> Iterator[tuple[str, Masked]]:
    """Each variable's value as the application gets it, by the name that the variable should have."""
    right, out = {binding.name: name for binding, name in miscased(place)}, spoilt(place)
    for binding in place.dotenv.bindings if place.dotenv else ():
        value = binding.for_python or binding.for_compose
        if value is not None and binding.name not in out:
            yield right.get(binding.name, binding.name), value


def lacking(place: Workstation) -> Iterator[tuple[str, str]]:
    """Required variables without a value that no faulty line mentions, with who requires them."""
    file = place.dotenv
    assert file
    out = {*file.hidden_names, *spoilt(place)}
    miswritten = {
        right for binding, right in miscased(place) if not is_blank(binding.for_python or binding.for_compose)
    }
    for name, why in place.required.items():
        binding = place.binding(name)
        written = (binding.for_python or binding.for_compose) if binding else None
        if name in out or (binding is None and name in (*file.assigned_names, *file.first_words, *miswritten)):
            continue
        if is_blank(written):
            yield name, why


def meant_names(place: Workstation) -> Iterator[tuple[Binding, str]]:
    """The lines whose name nobody reads, each with the name of a variable without a value that it nearly is."""
    if place.dotenv is None:
        return
    template, compose = place.checkout.template, place.checkout.compose
    known = {*place.checkout.reads, *(compose.interpolated if compose else ())}
    known |= {entry.name for entry in template.entries} if template else set()
    folded = {name.casefold() for name in known}
    empty = [name for name, _ in lacking(place)]
    open_ = [name for name in sorted(known) if name not in place.required and is_blank(place.value(name))]
    for binding in place.dotenv.bindings:
        if binding.name.casefold() not in folded and not is_blank(binding.for_python or binding.for_compose):
            near = [name for name in empty if is_misspelling(name, binding.name)]
            near += [name for name in open_ if is_slip(name, binding.name)]
            if near:
                yield binding, near[0]


def refused_empty(place: Workstation) -> frozenset[str]:
    """Optional variables that Settings refuses because they are there and empty."""
    bindings = (place.binding(told.variable) for told in _unexplained(place))
    found = (binding for binding in bindings if binding and binding.name not in place.required)
    return frozenset(each.name for each in found if each.for_python is not None and is_blank(each.for_python))


def _unexplained(place: Workstation) -> Iterator[Told]:
    """What Settings says of variables of which nothing else tells."""
    elsewhere = bool(place.dotenv_paths) and place.path not in place.dotenv_paths
    if place.settings_result is None or place.dotenv is None or elsewhere:
        return
    empty = (name for name, _ in lacking(place))
    explained = {name.casefold() for name in (*place.dotenv.hidden_names, *spoilt(place), *empty)}
    explained |= {ENVIRONMENT.casefold()} if _is_elsewhere(place) else set()
    explained |= {name.casefold() for name, value in _values(place) if not is_value(value) and not is_blank(value)}
    explained |= {name.casefold() for name in (*place.dotenv.first_words, *(each.name for each in commented(place)))}
    explained |= {binding.name.casefold() for binding, _ in meant_names(place)}
    explained |= {name.casefold() for _, name in miscased(place)} if place.checkout.settings.case_sensitive else set()
    for told in dict.fromkeys(place.settings_result.messages):
        if told.check in STARTED and told.variable.partition(".")[0].casefold() not in explained:
            yield told


def is_slip(name: str, other: str) -> bool:
    """Whether two names are the same but for a letter or two, or how their words are set apart; numbers count."""
    mine, theirs = (re.sub(r"[-_.\d]", "", each.casefold()) for each in (name, other))
    if mine == theirs:
        return re.sub(r"\D", "", name) == re.sub(r"\D", "", other)
    return min(len(mine), len(theirs)) > 5 and difflib.SequenceMatcher(None, mine, theirs).ratio() >= NEAR


def _is_elsewhere(place: Workstation) -> bool:
    """Whether ENVIRONMENT says that this is no developer's machine."""
    value, field = place.value(ENVIRONMENT), place.checkout.settings.find(ENVIRONMENT)
    if value is None or value.same_as(LOCAL) or ENVIRONMENT in {each.name for each in in_odd_quotes(place)}:
        return False
    # An empty one counts only where Settings takes it for what it is.
    takes_empty = field is not None and "str" in field.annotation and not place.checkout.settings.ignore_empty
    return takes_empty or not is_blank(value)


def _source(place: Workstation, name: str) -> str:
    """Where local_setup gets a value from: it makes some up by itself, and the template has others."""
    key, entry = place.key_of(name), place.checkout.template.find(name) if place.checkout.template else None
    is_there = place.binding(name) is None and entry is not None and is_text_of_value(entry.value)
    return "" if is_there or (key and key.generate) else "file:PATH"


def _renew(place: Workstation, name: str) -> Remedy:
    key = place.key_of(name)
    # What Base64 has besides letters and digits would break an address that the value becomes a part of.
    kind = "hex-32" if key and key.in_url and key.generate else key.generate if key else ""
    how = {"hex-32": "openssl rand -hex 32", "base64-32": "openssl rand -base64 32"}.get(kind, "")
    source = f"Get another one from {key.obtain_from}" if key and key.obtain_from else "Make another one"
    database = " POSTGRES_PASSWORD has to change in the database too." if key and key.effect == "database-too" else ""
    return Remedy(f"{source}{f' with {how}' if how else ''} and write it into {place.path}.{database}")


CHECKS = (
    required_empty,
    misspelt,
    placeholder,
    changethis,
    weak,
    environment_literal,
    settings_refused,
    reused,
)
