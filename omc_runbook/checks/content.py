"""Faults of what the secret holds: the document as a whole, and each key's value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from omc_runbook.aws.secretsmanager import PREVIOUS
from omc_runbook.checks import remedies
from omc_runbook.checks.change_authors import tell, write_of
from omc_runbook.checks.check import DOCUMENT, Check, Evidence, family
from omc_runbook.checks.key_demand import absent, named, services_wanting, successions, users
from omc_runbook.masking.document import Kind, Member, Problem
from omc_runbook.masking.public_values import SECRETIVE
from omc_runbook.masking.strength import is_common_value
from omc_runbook.model.catalogue import EDGE_SPACE, FORMS, PLACEHOLDER, SEVERAL_LINES, TEMPLATE_DEFAULT, URL_BREAKERS
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.snapshot.state import Snapshot

check = family("content")

CHANGED_NUMBER = re.compile(r"e[+-]\d+$")
NEEDS = ("secret", "contents", "services", "task_definitions")
KEY_NEEDS = (*NEEDS, DOCUMENT)


def _unparsed(id: str, problems: tuple[Problem, ...], title: str) -> Check:
    def run(snapshot: Snapshot) -> Iterable[Evidence]:
        error = snapshot.current.error if snapshot.current else None
        if error and error.problem in problems:
            yield Evidence(
                snapshot.environment.names.secret,
                (f"The current version cannot be read as JSON: {error}",),
                _roll_back(snapshot),
                users(snapshot),
            )

    run.__doc__ = title
    return check(id, *NEEDS)(run)


not_json = _unparsed("not-json", ("not-json", "number-range", "too-deep"), "The secret is not JSON")
single_quoted = _unparsed("single-quoted", ("single-quoted",), "The secret has Python's single quotes, not JSON's")
bom = _unparsed("bom", ("bom",), "A byte order mark stands before the secret's JSON")
truncated = _unparsed("truncated", ("truncated",), "The secret's JSON is empty or cut off")
not_an_object = _unparsed("not-an-object", ("not-an-object",), "The secret's JSON is no object, so it has no keys")


@check("binary", *NEEDS)
def binary(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret is binary where ECS needs text."""
    if snapshot.current and snapshot.current.binary:
        facts = ("GetSecretValue answers with SecretBinary and no SecretString.",)
        yield Evidence(snapshot.environment.names.secret, facts, _roll_back(snapshot), users(snapshot))


@check("key-missing", *KEY_NEEDS)
def key_missing(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key that tasks ask for is missing from the secret."""
    for key, meant in absent(snapshot).items():
        if not meant:
            yield _asked_for(snapshot, key, f"No key of the current version is called {key} or nearly so.")


@check("key-case", *KEY_NEEDS)
def key_case(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key is written in another case than tasks ask for."""
    for key, meant in absent(snapshot).items():
        if meant and meant.casefold() == key.casefold():
            yield _asked_for(snapshot, key, f"The current version has {meant}, which differs in case only.", meant)


@check("key-misspelt", *KEY_NEEDS)
def key_misspelt(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key is spelt otherwise than tasks ask for."""
    for key, meant in absent(snapshot).items():
        if meant and meant.casefold() != key.casefold():
            yield _asked_for(snapshot, key, f"The current version has {meant}, and no task asks for that.", meant)


@check("duplicate-key", *KEY_NEEDS, severity="warning")
def duplicate_key(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key stands twice in the secret."""
    document = snapshot.current.document if snapshot.current else None
    for key in document.duplicates if document else ():
        facts = (f"{key} stands more than once in the JSON; ECS takes the last.",)
        yield Evidence(key, facts, remedies.put_value(snapshot.environment.names), services_wanting(snapshot, key))


@check("key-unreferenced", *KEY_NEEDS, severity="warning")
def key_unreferenced(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key of the secret reaches no task."""
    meant = set(absent(snapshot).values())
    names = snapshot.environment.names
    yield from _dropped(snapshot)
    asked = named(snapshot)
    if not asked or not all(snapshot.definition(service.task_definition_arn) for service in snapshot.consumers):
        return
    for member in _members(snapshot):
        if member.key not in asked | meant:
            yield Evidence(
                member.key,
                (f"No task definition of {_list(users(snapshot))} refers to {member.key}.",),
                remedies.register(names, f'"${{var.secrets_arn}}:{member.key}::"'),
            )


def _dropped(snapshot: Snapshot) -> Iterator[Evidence]:
    """Keys that a revision which fails no longer refers to, and the one that serves does."""
    for pair in successions(snapshot):
        asked = {injection.reference.key for _, injection in snapshot.own_injections(pair.failing)}
        for _, injection in snapshot.own_injections(pair.serving):
            key = injection.reference.key
            if key not in asked and injection.variable not in pair.failing.variables:
                fact = f"{pair.failing.label}, whose tasks fail, does not refer to {key}; {pair.serving.label} does."
                yield Evidence(
                    key,
                    (fact,),
                    remedies.register(snapshot.environment.names, f'"${{var.secrets_arn}}:{key}::"'),
                    frozenset({pair.service.name}),
                    "error",
                )


def _of_kind(id: str, kinds: tuple[Kind, ...], title: str, becomes: str) -> Check:
    def run(snapshot: Snapshot) -> Iterable[Evidence]:
        for member in _wanted_members(snapshot):
            if member.kind in kinds:
                fact = f"{member.key} is a JSON {member.kind}; ECS hands the application {becomes}."
                yield _about(snapshot, member.key, fact)

    run.__doc__ = title
    return check(id, *KEY_NEEDS)(run)


null = _of_kind("null", ("null",), "A key's value is JSON null", "the text <nil>")
nested = _of_kind("nested", ("object", "array"), "A key's value is a JSON object or list", "Go's notation of it")


@check("number-format", *KEY_NEEDS)
def number_format(snapshot: Snapshot) -> Iterable[Evidence]:
    """A JSON number reaches the application in another notation."""
    for member in _wanted_members(snapshot):
        if member.kind == "number" and member.injected.matches(CHANGED_NUMBER):
            fact = f"{member.key} is a JSON number that ECS writes with an exponent (as 1e+06); make it a string."
            yield _about(snapshot, member.key, fact)


@check("empty", *KEY_NEEDS)
def empty(snapshot: Snapshot) -> Iterable[Evidence]:
    """A required key is empty."""
    for member in _wanted_members(snapshot):
        known = snapshot.environment.keys.get(member.key)
        if known and known.required and member.kind == "string" and member.injected.is_empty:
            yield _about(snapshot, member.key, f"{member.key} is the empty string: the application takes its default.")


@check("changethis", *KEY_NEEDS)
def changethis(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key still has the template's default."""
    for member in _wanted_members(snapshot):
        if member.injected.matches(TEMPLATE_DEFAULT):
            fact = f"{member.key} holds the template's default, at which the application refuses to start."
            yield _about(snapshot, member.key, fact)


@check("placeholder", *KEY_NEEDS)
def placeholder(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key still has a placeholder."""
    for member in _wanted_members(snapshot):
        if _is_placeholder(member) and not member.injected.matches(TEMPLATE_DEFAULT):
            known = snapshot.environment.keys.get(member.key)
            fact = f"{member.key} matches the placeholders that Terraform and the templates use: a public value."
            grave = (known and known.required) or _is_refused(snapshot, member)
            yield _about(snapshot, member.key, fact, "error" if grave else "warning")


@check("url-chars", *KEY_NEEDS)
def url_chars(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value has characters that break the URL which the application builds with it."""
    for member in _wanted_members(snapshot):
        known = snapshot.environment.keys.get(member.key)
        if known and known.in_url and member.kind == "string" and member.injected.matches(URL_BREAKERS):
            fact = f"{member.key} has a character such as / @ : # in it, and goes into the database's URL."
            yield _about(snapshot, member.key, fact)


@check("white-space", *KEY_NEEDS, severity="warning")
def white_space(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value begins or ends with white space."""
    for member in _wanted_members(snapshot):
        known = snapshot.environment.keys.get(member.key)
        if member.kind != "string" or (known and known.in_url) or member.injected.matches(SEVERAL_LINES):
            continue
        if member.injected.matches(EDGE_SPACE):
            fact = f"{member.key} has white space at an end, often a pasted line end."
            yield _about(snapshot, member.key, fact, "error" if _is_refused(snapshot, member) else "warning")


@check("weak", *KEY_NEEDS, severity="warning")
def weak(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret value is a common word, a date or a short number."""
    for member in _wanted_members(snapshot):
        plain = member.kind in ("string", "number", "boolean") and not member.injected.matches(TEMPLATE_DEFAULT)
        if plain and SECRETIVE.search(member.key) and is_common_value(member.injected):
            fact = f"Anybody guesses {member.key}; being so common, it is hidden only where it stands alone as a value."
            yield _about(snapshot, member.key, fact)


@check("terraform-overwrote", *KEY_NEEDS, "writes")
def terraform_overwrote(snapshot: Snapshot) -> Iterable[Evidence]:
    """Terraform wrote its placeholder over a value."""
    current, secret = snapshot.current, snapshot.secret
    previous = snapshot.contents.get(secret.version_at(PREVIOUS)) if secret else None
    write = write_of(snapshot, current.version_id) if current else None
    if not (
        current and secret and previous and previous.document and write and "terraform" in write.user_agent.lower()
    ):
        return
    for member in _wanted_members(snapshot):
        before = previous.document.get(member.key)
        if before and _is_placeholder(member) and not _is_placeholder(before):
            facts = (
                tell(write),
                f"{member.key} is a placeholder now and was none in the version before.",
            )
            remedy = remedies.restore(snapshot.environment, previous.version_id, current.version_id)
            yield Evidence(member.key, facts, remedy, services_wanting(snapshot, member.key))


def _is_refused(snapshot: Snapshot, member: Member) -> bool:
    """Whether a value has not the form that its application insists on."""
    known = snapshot.environment.keys.get(member.key)
    form = FORMS.get(known.form) if known else None
    return form is not None and not member.injected.matches(form)


def _is_placeholder(member: Member) -> bool:
    return member.kind == "string" and member.injected.matches(PLACEHOLDER)


def _members(snapshot: Snapshot) -> tuple[Member, ...]:
    document = snapshot.current.document if snapshot.current else None
    return document.members if document else ()


def _wanted_members(snapshot: Snapshot) -> Iterator[Member]:
    """Members that a task gets or the catalogue knows: what nobody uses can do no harm."""
    relevant = named(snapshot) | set(snapshot.environment.keys)
    return (member for member in _members(snapshot) if member.key in relevant)


def _about(snapshot: Snapshot, key: str, fact: str, severity: Severity | None = None) -> Evidence:
    remedy = remedies.update(snapshot.environment, key)
    return Evidence(key, (fact,), remedy, services_wanting(snapshot, key), severity)


def _asked_for(snapshot: Snapshot, key: str, fact: str, instead: str = "") -> Evidence:
    asking, environment = services_wanting(snapshot, key), snapshot.environment
    # The runbook takes a key for a slip of the pen that neither the secret nor the catalogue has.
    known = key in environment.keys
    remedy = remedies.update(environment, key, instead) if known else remedies.put_value(environment.names)
    return Evidence(key, (f"{_list(asking)} ask for {key}.", fact), remedy, asking)


def _roll_back(snapshot: Snapshot) -> Remedy:
    environment, secret = snapshot.environment, snapshot.secret
    previous = secret.version_at(PREVIOUS) if secret else ""
    if secret and previous and snapshot.current:
        return remedies.restore(environment, previous, snapshot.current.version_id)
    return remedies.update(environment)


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "no service"


CHECKS = (
    not_json,
    single_quoted,
    bom,
    truncated,
    not_an_object,
    binary,
    key_missing,
    key_case,
    key_misspelt,
    duplicate_key,
    key_unreferenced,
    null,
    nested,
    number_format,
    empty,
    changethis,
    placeholder,
    url_chars,
    white_space,
    weak,
    terraform_overwrote,
)
