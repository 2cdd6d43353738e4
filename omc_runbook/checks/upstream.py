"""Faults behind the secret: a database, a provider or the application itself that refuses the tasks' value."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise

from omc_runbook.checks import remedies, secret_owner
from omc_runbook.checks.change_authors import author_of_version
from omc_runbook.checks.check import DOCUMENT, ECS_FIELDS, Evidence, Family, Uncertain
from omc_runbook.checks.stopped_tasks import Stop, fresh_stops
from omc_runbook.masking.addresses import login_of
from omc_runbook.masking.document import differ
from omc_runbook.masking.registry import label
from omc_runbook.messages.refusals import (
    find_addresses,
    find_lack,
    find_others,
    find_user,
    is_for,
    is_refusal,
    is_undecrypted,
)
from omc_runbook.messages.startline import REFUSED, StartProblem
from omc_runbook.messages.startlog import read_log
from omc_runbook.model import issuers
from omc_runbook.model.catalogue import encrypts
from omc_runbook.model.findings import Remedy
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.state import Snapshot

check = Family(
    "content",
    needs=("secret", "contents", *ECS_FIELDS, DOCUMENT, "log_lines"),
    per_subject=True,
    hinders="value",
    hindered_by=("value",),
)

API_KEY = re.compile(r"(?i)api[ _-]?(key|token)")
CLIENT_SECRET = re.compile(r"(?i)client[ _-]?secret|invalid_client")
_NO_LOGIN = re.compile(r"\A[\w+.-]+://(?![^\s/:@]*:[^\s@]+@)(?!\S*password=)")
"""A URL without a password."""
_PASSWORD = re.compile(r"(?i)(?:PASSWORD|PASSWD|PASS|PWD)\Z")
"""The end of a password's name, in place of which its login's has another."""
GENERIC = (API_KEY, CLIENT_SECRET)
"""The generic names of a key, at a provider and in the secret."""

COMMON = frozenset(("auth", "client", "first", "main", "password", "secret", "server", "token", "user", "value"))
"""Words of a key's name that do not name a provider, beside those of three letters or less."""
UNMISTAKABLE = 6
"""From how many letters on a name is known within a word, as github in GithubException and not rest in restarting."""


@check(
    "store-only",
    looks_like=("bad-value", "login-refused", "refuses-to-start"),
    ruled_out_by="no log line says that a database or provider refused a key's value",
)
def store_only(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """The database or the provider refuses the tasks' value."""
    lines = [
        (stop, line)
        for stop in fresh_stops(snapshot)
        if stop.kind in ("exit", "health-check")
        for line in stop.log_lines
        if is_refusal(line)
    ]
    refused = grouped(
        (key, (stop, line)) for stop, line in lines for key in _keys_meant(snapshot, stop, line, find_user(line))
    )
    for key, refusals in refused.items():
        stop, line = refusals[0]
        services = frozenset(each.service.name for each, _ in refusals)
        if lack := find_lack(line):
            fact = f"Tasks have {key}, and the application gave {lack}: the value itself was not refused."
            way = Remedy(
                f"Let the application read {key} by the variable's name in the task definition, and deploy it."
            )
            member = snapshot.document and snapshot.document.get(key)
            if member and member.injected.matches(_NO_LOGIN):
                fact, way = f"The URL in {key} has no password.", remedies.update(snapshot.environment, key)
            yield Evidence(key, (line, stop.sentence, fact), way, services)
            continue
        changed = _has_changed(snapshot, key)
        facts = (
            line,
            stop.sentence,
            _history(snapshot, key, changed),
            *(author_of_version(snapshot) if changed else ()),
        )
        if encrypts(snapshot.environment.keys, key) and not changed:
            # A user's token, or data of another environment, cannot be decrypted with the right key either.
            yield Uncertain(key, facts, services)
        else:
            yield Evidence(key, facts, _remedy(snapshot, key, changed), services)
    yield from _of_other_logins(snapshot, lines)


def _of_other_logins(snapshot: Snapshot, lines: Iterable[tuple[Stop, str]]) -> Iterator[Uncertain]:
    """Refusals of a login that no key is known to have the password of; one may, as part of a longer value.

    So may one whose address is another database's: the application may say a database's words itself.
    """
    named = ((find_user(line), (stop, line)) for stop, line in lines)
    refused = grouped(
        (user, (stop, line))
        for user, (stop, line) in named
        if not _keys_meant(snapshot, stop, line, user) and _keys_meant(snapshot, stop, line)
    )
    for user, refusals in refused.items():
        stop, line = refusals[0]
        login = f"the login {user}" if user else "a login"
        fact = f"The database refused {login}, and no key of the secret is known to have its password."
        yield Uncertain("", (line, stop.sentence, fact), frozenset(each.service.name for each, _ in refusals))


@check(
    "value-refused",
    looks_like=("bad-value", "refuses-to-start"),
    ruled_out_by="no log line says that the application refuses a variable's value",
)
def value_refused(snapshot: Snapshot) -> Iterable[Evidence]:
    """The application refuses a variable's value when it starts."""
    document = snapshot.document
    for subject, refusals in grouped(_values_refused(snapshot)).items():
        stop, line, problem = refusals[0]
        is_key = document is not None and document.get(subject) is not None
        plain = "" if is_key else f" {problem.variable} is a plain variable of its task definition, not of the secret."
        remedy = (
            remedies.update(snapshot.environment, subject)
            if is_key
            else Remedy(f"Correct {problem.variable} in the task definition's environment, and deploy it.")
        )
        facts = (f"Settings refuses {problem.variable}: {problem.reason}.{plain}", line, stop.sentence)
        yield Evidence(subject, facts, remedy, frozenset(each.service.name for each, *_ in refusals))


def _values_refused(snapshot: Snapshot) -> Iterator[tuple[str, tuple[Stop, str, StartProblem]]]:
    """By key, or by plain variable, the log lines that say that the application refuses a value."""
    for stop in fresh_stops(snapshot):
        definition = snapshot.definition(stop.task)
        variables = definition.variables if definition else ()
        keys = {injection.variable: injection.reference.key for _, injection in snapshot.own_injections(definition)}
        for line in stop.log_lines:
            for problem in read_log(line, variables):
                # A variable without a key has the whole JSON: its reference is wrong, and no value.
                subject = keys.get(problem.variable, problem.variable)
                if subject and problem.check == REFUSED and problem.variable in variables:
                    yield subject, (stop, line, problem)


def _keys_meant(snapshot: Snapshot, stop: Stop, line: str, user: str | None = None) -> tuple[str, ...]:
    """The keys of a stopped task that a line can mean: those that have changed, if any has.

    `user` is the login that it names, "" for any of the database whose words it has, None for any of any database.
    """
    keys = tuple(dict.fromkeys(_keys_read(snapshot, stop)))
    catalogue = snapshot.environment.keys
    logins = {key: login for key in keys if (login := _login_of(snapshot, key, keys))}
    # Who names a login refuses its password.
    named = [key for key in keys if label(key) in line and key not in logins.values()]
    by_label = named or [key for key, login in logins.items() if label(login) in line]
    encrypting = [key for key in keys if encrypts(catalogue, key)] if is_undecrypted(line) else []
    others = find_others(line) if user is not None else None
    keys = tuple(key for key in keys if _may_be_of(snapshot, stop, key, user or ""))
    candidates = [key for key in keys if key in encrypting or is_for(line, key)] or _addresses(snapshot, keys, line)
    if others:
        candidates = [key for key in candidates if not _has_value(snapshot, key, others[1])]
        # Where all have another database's name, one of them has the wrong name.
        candidates = [key for key in candidates if not others[0].search(key)] or candidates
    candidates = by_label or candidates or [key for key in keys if _is_named(key, line)]
    generic = next((each for each in GENERIC if each.search(line)), None)
    if not candidates and generic:
        candidates = [key for key in keys if generic.search(key) and not issuers.names_another(line, key)]
        return tuple(key for key in candidates if _has_changed(snapshot, key) or len(candidates) == 1)
    return tuple(key for key in candidates if _has_changed(snapshot, key)) or tuple(candidates)


def _login_of(snapshot: Snapshot, key: str, keys: Collection[str]) -> str:
    """The key of the login that a key is the password of, by the catalogue or by its name; "" for none."""
    entry, stem = snapshot.environment.keys.get(key), _PASSWORD.sub("", key)
    if entry and entry.login:
        return entry.login
    logins = {f"{stem}{word}".casefold() for word in ("user", "username")} if stem != key else set[str]()
    return next((each for each in keys if each.casefold() in logins), "")


def _keys_read(snapshot: Snapshot, stop: Stop) -> Iterator[str]:
    """Keys whose current value the task has, without a second entry that sets another one."""
    for container, injection in snapshot.own_injections(snapshot.definition(stop.task)):
        ref = injection.reference
        if ref.key and not ref.names_version and injection.variable not in container.environment:
            yield ref.key


def _may_be_of(snapshot: Snapshot, stop: Stop, key: str, user: str) -> bool:
    """Whether a key may have the password of a user, as far as its login is known; "" is any user."""
    if not user:
        return True
    # Poolers and Azure take more than the user's name, as user.project and user@server.
    is_user = re.compile(rf"(?is)\A{re.escape(user)}(?:[.@].*)?\Z")
    entry, document = snapshot.environment.keys.get(key), snapshot.document
    member = document.get(key) if document else None
    if address := login_of(member.injected, key, entry) if member else None:
        # Without a user's name, a variable such as PGUSER has it.
        return not address.user or bool(is_user.match(address.user))
    if entry is None or not entry.login:
        return True
    own = snapshot.own_injections(snapshot.definition(stop.task))
    containers = [container for container, injection in own if injection.reference.key == key]
    # A sidecar may log in as another user, and the secret may have a user's name that the container does not get.
    plain = [value for container in containers for name, value in container.logins if name == entry.login]
    if plain:
        return any(is_user.match(value) for value in plain)
    login = document.get(entry.login) if document else None
    return login is None or login.injected.matches(is_user)


def _addresses(snapshot: Snapshot, keys: Iterable[str], line: str) -> list[str]:
    """Keys whose values are addresses of the system that refuses something, whatever the keys are called."""
    pattern = find_addresses(line)
    return [key for key in keys if _has_value(snapshot, key, pattern)] if pattern else []


def _has_value(snapshot: Snapshot, key: str, pattern: re.Pattern[str]) -> bool:
    """Whether a key's current value, as it is injected, matches a pattern."""
    member = snapshot.document.get(key) if snapshot.document else None
    return member is not None and member.injected.matches(pattern)


def _is_named(key: str, line: str) -> bool:
    """Whether a line has a word of a key's name, such as a provider; a long one may begin a longer word."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line)
    words, own = set(re.split(r"[^a-z0-9]+", f"{line} {apart}".casefold())), _own_words(key)
    return not own.isdisjoint(words) or any(
        word.startswith(each) for each in own if len(each) >= UNMISTAKABLE for word in words
    )


def _own_words(key: str) -> set[str]:
    """A key's words that may name a provider, and each with the next one, as newsapi for NEWS_API_KEY."""
    words = [word for word in re.split(r"[^a-z0-9]+", key.casefold()) if word]
    own = {word for word in words if len(word) > 3} - COMMON
    return own | {first + second for first, second in pairwise(words) if not own.isdisjoint((first, second))}


def _has_changed(snapshot: Snapshot, key: str) -> bool | None:
    """Whether the key, or its login, differs from AWSPREVIOUS; None where that is unknown."""
    previous, current, entry = snapshot.previous, snapshot.current, snapshot.environment.keys.get(key)
    if not (previous and previous.document and current and current.document):
        return None
    before, now = previous.document, current.document
    return any(differ(before.get(name), now.get(name)) for name in (key, entry.login if entry else "") if name)


def _history(snapshot: Snapshot, key: str, changed: bool | None) -> str:
    since = freshness.current_since(snapshot)
    when = f" of {since[0]:%Y-%m-%d %H:%M:%S} UTC" if since else ""
    if changed is None:
        return f"It is unknown whether {key} has changed: no earlier version can be read."
    encrypts_data = encrypts(snapshot.environment.keys, key)
    if changed:
        left = "data is encrypted with the former value" if encrypts_data else "not the database or the provider"
        return f"{key} differs between AWSPREVIOUS and the current version{when}: the secret was changed, but {left}."
    other = "the password was changed in the database, or the provider revoked the key"
    if encrypts_data:
        other = "data is encrypted with an older value, or what the application cannot decrypt is not its own"
    return f"{key} is the same in AWSPREVIOUS: {other}."


def _remedy(snapshot: Snapshot, key: str, changed: bool | None) -> Remedy:
    environment = snapshot.environment
    entry = environment.keys.get(key)
    has_database = entry is not None and entry.effect == "database-too"
    forward = "In psql, \\password with the secret's value" if has_database else "Give the provider the new value"
    if encrypts(environment.keys, key):
        forward = f"Let {key} have the former value after the new one, if the application reads a list (MultiFernet)"
    owner = secret_owner.why_not_here(snapshot.secret) if snapshot.secret else ""
    if owner and (changed or has_database):
        return Remedy(f"{forward}; or change the value: {owner}")
    if changed and snapshot.current:
        back = remedies.restore(environment, snapshot.previous_id, snapshot.current.version_id)
        return replace(back, command=f"{forward}; or go back with `{back.command}` and start new tasks.")
    if has_database:
        return remedies.with_runbook("rotate", environment, Remedy(f"{forward}."), keys=key)
    return remedies.update(environment, key)
