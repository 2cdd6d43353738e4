"""Faults of the secret's content: the document as a whole, and each key's value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from omc_runbook.aws.definitions import Container
from omc_runbook.aws.ecs import Service
from omc_runbook.checks import remedies
from omc_runbook.checks.change_authors import describe, write_of
from omc_runbook.checks.check import DOCUMENT, Evidence, Family, Uncertain
from omc_runbook.checks.definition_source import refer_in_proxy, source_for
from omc_runbook.checks.key_demand import (
    containers_in_force,
    in_words,
    missing_keys,
    plain_logins,
    referenced_keys,
    referring_services,
    rolled_back_revisions,
    secret_demands,
    services_reading,
)
from omc_runbook.checks.secret_owner import place_of_new_key, why_not_here
from omc_runbook.checks.variable_locations import locations_of
from omc_runbook.masking import hosts
from omc_runbook.masking.defects import CheckId, Defect, find_defect, is_stand_in
from omc_runbook.masking.document import Document, Kind, Member, Problem
from omc_runbook.masking.expiry import expiry_of
from omc_runbook.masking.hosts import StrangeHost
from omc_runbook.masking.relations import find_exchanges, find_mismatches
from omc_runbook.masking.strength import is_common_value, is_guessable
from omc_runbook.model import letters
from omc_runbook.model.catalogue import FORMS, URL_BREAKERS_IN_WORDS, default_keys, variable_of
from omc_runbook.model.environment import LOCAL
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.model.secretive import is_password, is_secret
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot

_PATH = re.compile(r"[.\[/]")
CHANGED_NUMBER = re.compile(r"e[+-]\d+$")
HERE = re.compile(r"https?://(?:127\.0\.0\.1|localhost)\b")
TEST_KEY, LIVE_KEY = (
    re.compile(
        rf"\A(?:[a-z]{{2,4}}_)?{mode}_(?:apikey_)?(?=[a-z]*\d|[A-Za-z]*[A-Z])[A-Za-z0-9]{{14,}}[$=]*\Z", re.ASCII
    )
    for mode in ("test", "live")
)
"""How Stripe, Razorpay, Mollie, Paystack and others begin keys of their test mode, and real ones."""
FREE_PORT = 32768
"""Where operating systems begin to number ports that nobody asked for."""
NEEDS = ("secret", "contents", "services", "task_definitions")
KEY_NEEDS = (*NEEDS, DOCUMENT)

check = Family("content", needs=KEY_NEEDS, hinders="secret")
document_check = Family("content", needs=NEEDS, looks_like=("unparsed",), hinders="secret")
value_check = Family(
    "content", needs=KEY_NEEDS, looks_like=("bad-value", "login-refused", "refuses-to-start"), hinders="value"
)


@document_check("not-json", ruled_out_by="GetSecretValue: SecretString has no other syntax error")
def not_json(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret is not JSON"""
    return _unparsed(snapshot, "not-json", "number-range", "too-deep")


@document_check("single-quoted", ruled_out_by="GetSecretValue: the JSON is not in single quotes")
def single_quoted(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret's JSON has single quotes."""
    return _unparsed(snapshot, "single-quoted")


@document_check("bom", ruled_out_by="GetSecretValue: the first character is not a byte order mark")
def bom(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret's JSON begins with a byte order mark."""
    return _unparsed(snapshot, "bom")


@document_check("truncated", ruled_out_by="GetSecretValue: the JSON is not cut off")
def truncated(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret's JSON is empty or cut off"""
    return _unparsed(snapshot, "truncated")


@document_check("not-an-object", ruled_out_by="GetSecretValue: SecretString is not a bare text, number or list")
def not_an_object(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret's JSON is not an object, so it has no keys."""
    return _unparsed(snapshot, "not-an-object")


@document_check("binary", ruled_out_by="GetSecretValue answered with a SecretString")
def binary(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret is stored as binary: ECS needs text."""
    if snapshot.current and snapshot.current.binary:
        facts = ("GetSecretValue answers with SecretBinary and no SecretString.",)
        yield Evidence(snapshot.environment.names.secret, facts, _roll_back(snapshot), referring_services(snapshot))


@check(
    "key-missing",
    looks_like=("key-not-found", "file-behind"),
    ruled_out_by="GetSecretValue: no key that tasks reference is missing altogether",
)
def key_missing(snapshot: Snapshot) -> Iterable[Evidence]:
    """The secret lacks a key that tasks reference."""
    for key, similar in missing_keys(snapshot).items():
        if not similar:
            yield _referenced(snapshot, key, f"The current version has neither {key} nor a similar key.")


@check(
    "key-case",
    looks_like=("key-not-found",),
    ruled_out_by="GetSecretValue: no key differs from a referenced one by its case alone",
)
def key_case(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key's case differs from what tasks reference."""
    for key, similar in missing_keys(snapshot).items():
        if similar and similar.casefold() == key.casefold():
            yield _referenced(snapshot, key, f"The current version has {similar}, which differs in case only.", similar)


@check("key-misspelt", looks_like=("key-not-found",), ruled_out_by="GetSecretValue: no key is similar to a missing one")
def key_misspelt(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key's spelling differs from what tasks reference."""
    for key, similar in missing_keys(snapshot).items():
        if similar and similar.casefold() != key.casefold():
            other = letters.spell(similar)
            unused = "" if services_reading(snapshot, similar) else ", which no task references"
            fact = f"The current version has {other}{unused}."
            if letters.look_alike(key, similar):
                odd = " and ".join(filter(None, map(letters.describe, (key, similar))))
                fact = f"The current version has {other}, which only looks like {letters.spell(key)}: one has {odd}."
            yield _referenced(snapshot, key, fact, similar)


@check(
    "duplicate-key",
    severity="warning",
    symptom="not-updating",
    looks_like=("old-value",),
    ruled_out_by="GetSecretValue: no key occurs twice in the JSON",
)
def duplicate_key(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key occurs twice in the secret."""
    for key in _document(snapshot).duplicates:
        facts = (f"{key} occurs more than once in the JSON; ECS takes the last.",)
        yield Evidence(key, facts, remedies.put_value(snapshot.environment.names), services_reading(snapshot, key))


@value_check("null", looks_like=("bad-value",), ruled_out_by="GetSecretValue: no key that tasks read is null")
def null(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key's value is JSON null"""
    return _of_kind(snapshot, ("null",), "the text <nil>")


@value_check(
    "nested", looks_like=("bad-value",), ruled_out_by="GetSecretValue: no key that tasks read holds an object or a list"
)
def nested(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key's value is a JSON object or list"""
    return _of_kind(snapshot, ("object", "array"), "Go's notation of it")


@value_check(
    "number-format",
    looks_like=("bad-value",),
    ruled_out_by="GetSecretValue: no number is large enough for ECS to inject an exponent",
)
def number_format(snapshot: Snapshot) -> Iterable[Evidence]:
    """ECS injects a JSON number in a different notation."""
    for member in _relevant_members(snapshot):
        if _has_exponent(member):
            yield _evidence(
                snapshot, member, "is a JSON number that ECS injects with an exponent (as 1e+06): make it a string."
            )


@value_check(
    "empty", looks_like=("bad-value", "refuses-to-start"), ruled_out_by="GetSecretValue: no required key is empty"
)
def empty(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A required key is empty or absent."""
    emptied = _emptied_by_terraform(snapshot)
    for member, defect in _defective(snapshot, "empty"):
        if member.key in emptied:
            # terraform-overwrote has the value to go back to.
            continue
        is_empty = member.injected.is_empty
        what = "is empty: the application uses its default, or refuses to start" if is_empty else defect.sentence
        yield _evidence(snapshot, member, f"{what}.")
    has_files = any(container.has_environment_files for _, _, container in containers_in_force(snapshot))
    for key, variable in _absent(snapshot):
        source = snapshot.environment.source_of(f"keys.{key}.required")
        fact = f"{source} says that {key} is required, and the current version does not have it."
        locations = f"No container of {in_words(snapshot.consumer_names)} has {variable} in secrets[] or environment."
        if has_files:
            yield Uncertain(key, (fact, locations, "Their environmentFiles may set that: files in S3 are not read."))
            continue
        remedy = Remedy(f"Add {key} to {place_of_new_key(snapshot.secret)}, refer to it in secrets[], and deploy.")
        if not (snapshot.secret and why_not_here(snapshot.secret)):
            remedy = remedies.with_runbook("add_key", snapshot.environment, remedy, key=key, required="true")
        yield Evidence(key, (fact, locations), remedy, snapshot.consumer_names)


def _absent(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """The keys that runbook.toml alone makes required and nothing has or refers to, each with its variable.

    The guide's own may be those of another application than the one that runs.
    """
    keys, definitions = snapshot.environment.keys, [snapshot.definition(service) for service in snapshot.consumers]
    if not definitions or not all(definitions):
        return
    present = {*_document(snapshot).keys, *referenced_keys(snapshot)}
    containers = [container for _, _, container in containers_in_force(snapshot)]
    variables = {name for each in containers for name in (*each.environment, *(one.variable for one in each.secrets))}
    guides = default_keys()
    for key, entry in keys.items():
        variable = variable_of(key, keys)
        is_required = entry.required and not entry.required_if and key not in guides
        if is_required and key not in present and variable not in variables:
            yield key, variable


@value_check(
    "changethis",
    looks_like=("bad-value", "refuses-to-start"),
    ruled_out_by="GetSecretValue: no key has the template's default",
    because_of=("terraform-overwrote",),
    per_subject=True,
)
def changethis(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key still has the template's default."""
    for member, _ in _defective(snapshot, "changethis"):
        yield _evidence(snapshot, member, "has the template's default: the application refuses to start with it.")


@value_check(
    "placeholder",
    looks_like=("bad-value", "login-refused"),
    ruled_out_by="GetSecretValue: no key has a placeholder",
    because_of=("terraform-overwrote",),
    per_subject=True,
)
def placeholder(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key still has a placeholder."""
    for member, defect in _defective(snapshot, "placeholder"):
        entry = snapshot.environment.keys.get(member.key)
        what = f"{defect.sentence}: it is public, in a template, code or documentation."
        is_grave = (entry and entry.required) or defect.consequence
        yield _evidence(snapshot, member, what, "error" if is_grave else "warning")


@value_check("url-chars", ruled_out_by="GetSecretValue: no password has a character that ends its part of a URL")
def url_chars(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value breaks the URL that the application builds with it."""
    for member, _ in _defective(snapshot, "url-chars"):
        yield _evidence(snapshot, member, f"has {URL_BREAKERS_IN_WORDS} in it, and becomes part of the database URL.")


@value_check(
    "white-space",
    severity="warning",
    looks_like=("bad-value", "login-refused"),
    ruled_out_by="GetSecretValue: no value begins or ends in white space",
)
def white_space(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value begins or ends with white space."""
    for member, defect in _defective(snapshot, "white-space"):
        what = "begins or ends with white space, often a pasted line break."
        yield _evidence(snapshot, member, what, "error" if defect.consequence else "warning")


@value_check(
    "wrong-form", ruled_out_by="GetSecretValue: each value has the format that the catalogue gives for its key"
)
def wrong_form(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value has the wrong format for its key."""
    misplaced = {key for circle in _exchanged(snapshot) for key in circle}
    for member, defect in _defective(snapshot, "wrong-form"):
        if member.key not in misplaced:
            yield _evidence(snapshot, member, f"{_harm(defect)}.", "error" if defect.consequence else "warning")


@value_check(
    "bad-copy",
    ruled_out_by="GetSecretValue: no value has quotes, a name, an escape or an invisible character of a bad copy",
)
def bad_copy(snapshot: Snapshot) -> Iterable[Evidence]:
    """A value was copied incorrectly: with quotes, escapes or invisible characters."""
    for member, defect in _defective(snapshot, "bad-copy"):
        yield _evidence(snapshot, member, f"{_harm(defect)}.")


@value_check(
    "values-exchanged", ruled_out_by="GetSecretValue: no two keys have the form, or the former value, of each other"
)
def values_exchanged(snapshot: Snapshot) -> Iterable[Evidence]:
    """The values of two keys or more are swapped."""
    environment, circles = snapshot.environment, _exchanged(snapshot)
    by_form = find_exchanges(_document(snapshot), environment.keys) if circles else ()
    for circle in circles:
        # Where values have no recognisable form, only the former version shows which is whose.
        remedy = remedies.update(environment, ",".join(circle)) if circle in by_form else _roll_back(snapshot)
        services = frozenset[str]().union(*(services_reading(snapshot, key) for key in circle))
        for at, key in enumerate(circle):
            before, after = circle[at - 1], circle[(at + 1) % len(circle)]
            fact = f"{key} has what {after} should have, and {before} has what {key} should have."
            yield Evidence(key, (fact,), remedy, services)


@value_check(
    "address-differs", ruled_out_by="GetSecretValue: the password in each URL that tasks read is the value of its key"
)
def address_differs(snapshot: Snapshot) -> Iterable[Evidence]:
    """The password in a URL differs from the key that has it."""
    relevant = {member.key for member in _relevant_members(snapshot)}
    for mismatch in find_mismatches(_document(snapshot), snapshot.environment.keys, plain_logins(snapshot)):
        if mismatch.address not in relevant:
            continue
        doubt = (
            "" if mismatch.is_same_login else " The login of the key is unknown: if it is another, both may be right."
        )
        fact = f"The password in {mismatch.address} is not the value of {mismatch.password}.{doubt}"
        remedy = remedies.update(snapshot.environment, f"{mismatch.address},{mismatch.password}")
        severity: Severity = "error" if mismatch.is_same_login else "warning"
        yield Evidence(mismatch.address, (fact,), remedy, services_reading(snapshot, mismatch.address), severity)


@value_check(
    "wrong-host",
    ruled_out_by="GetSecretValue and DescribeTaskDefinition: no address leads to localhost or to another environment",
)
def wrong_host(snapshot: Snapshot) -> Iterable[Evidence]:
    """A URL leads to localhost, to a host of Compose, or to another environment."""
    environment = snapshot.environment
    environments = (*environment.others, LOCAL)
    secrets = {other.secret: name for name, other in environment.others.items()}
    secrets.pop(environment.names.secret, None)
    for member in _relevant_members(snapshot):
        key, value = member.key, member.injected
        if owner := next((secrets[name] for name in secrets if hosts.names_secret(value, name)), ""):
            yield _evidence(snapshot, member, f"names the secret of {owner}.")
        elif strange := hosts.judge_value(value, key, environment.keys.get(key), environment.name, environments):
            readers = [each for each in snapshot.consumers if each.name in services_reading(snapshot, key)]
            if what := _strangeness(snapshot, key, strange, readers):
                yield _evidence(snapshot, member, what, _severity_of(strange, key))
    for service, definition, container in containers_in_force(snapshot):
        for name, host in container.hosts:
            plain = hosts.judge(host, environment.name, environments)
            if plain is None or _is_emulated(snapshot, container, name):
                continue
            if fact := _strangeness(snapshot, name, plain, [service]):
                subject = f"{definition.label} {container.name} {name}"
                is_removed = hosts.is_aws_endpoint(name)
                way = f"Remove {name}" if is_removed else f"Give {name} the host that {environment.name} has"
                advice = f"{way}, where {definition.family} is declared"
                yield Evidence(
                    subject,
                    (f"DescribeTaskDefinition: {name} of {definition.label} {container.name} {fact}",),
                    Remedy(f"{advice}, and deploy that."),
                    frozenset({service.name}),
                    _severity_of(plain, name),
                )


@value_check(
    "value-expired", ruled_out_by="GetSecretValue: no certificate, token (JWT) or shared access signature has expired"
)
def value_expired(snapshot: Snapshot) -> Iterable[Evidence]:
    """A certificate, a token or a signature has expired."""
    names = {member.key.casefold() for member in snapshot.members}
    for member in _relevant_members(snapshot):
        expiry = expiry_of(member.injected, member.key)
        # With a refresh token beside it, the application gets another access token.
        name = member.key.casefold()
        is_renewed = "access" in name and name.replace("access", "refresh") in names
        if expiry and expiry.at <= snapshot.taken and not is_renewed:
            yield _evidence(snapshot, member, f"holds {expiry.what} that expired at {expiry.at:%Y-%m-%d %H:%M} UTC.")


@value_check(
    "test-mode",
    severity="warning",
    looks_like=("bad-value",),
    ruled_out_by="GetSecretValue: no key is of a provider's test mode in production, or a live one elsewhere",
    because_of=("wrong-form",),
    per_subject=True,
)
def test_mode(snapshot: Snapshot) -> Iterable[Evidence]:
    """A key is of a provider's test mode in production, or a live one elsewhere."""
    environment = snapshot.environment
    is_production = environment.is_production
    mode, pattern = ("TEST", TEST_KEY) if is_production else ("LIVE", LIVE_KEY)
    for member in _relevant_members(snapshot):
        # An application that has the keys of both modes has them under names that say so.
        is_meant = mode in member.key.upper().split("_")
        if is_meant or not is_secret(member.key) or not member.injected.matches(pattern):
            continue
        kind = (
            "test key: its calls have no real effect"
            if is_production
            else "live key: its calls, such as payments, are real"
        )
        yield _evidence(snapshot, member, f"in {environment.name} begins like a {kind}.")


@value_check(
    "weak",
    severity="warning",
    looks_like=("bad-value",),
    ruled_out_by="GetSecretValue: no secret value is short, a common word, a date or a pattern",
)
def weak(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret value is short or easy to guess."""
    for member, defect in _defects(snapshot):
        if not _is_text(member) or (defect and defect.check != "weak"):
            continue
        if is_secret(member.key) and is_common_value(member.injected):
            what = "is easy to guess, and so common that outputs mask it only where it stands alone."
            yield _evidence(snapshot, member, what)
        elif defect:
            yield _evidence(snapshot, member, f"{defect.sentence}.")
        elif _is_guessed(snapshot, member):
            yield _evidence(snapshot, member, "is easy to guess: a known password, words or a pattern.")
        elif other := _reused(snapshot, member):
            yield _evidence(snapshot, member, f"has the same value as {other}")


@value_check(
    "terraform-overwrote",
    needs=(*KEY_NEEDS, "writes"),
    symptom="not-updating",
    looks_like=("bad-value", "old-value", "login-refused"),
    ruled_out_by="CloudTrail: the current version was not written by Terraform",
)
def terraform_overwrote(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Terraform overwrote a value with its placeholder."""
    current, previous = snapshot.current, snapshot.previous
    write = write_of(snapshot, current.version_id) if current else None
    if not (current and previous and previous.document) or snapshot.writes is None:
        return
    emptied = _emptied_by_terraform(snapshot)
    for member in _relevant_members(snapshot):
        before, is_empty = previous.document.get(member.key), member.key in emptied
        if before and (is_empty or _is_placeholder(snapshot, member)) and not _is_placeholder(snapshot, before):
            what = "empty" if is_empty else "a placeholder"
            fact = f"{member.key} is {what} now, and a value in the previous version."
            if write is None:
                unseen = f"CloudTrail has no call that made version {current.version_id}"
                yield Uncertain(member.key, (fact, f"{unseen}: it is minutes late, and keeps 90 days."))
            elif write.by_terraform:
                remedy = remedies.restore(snapshot.environment, previous.version_id, current.version_id)
                facts = (describe(write), fact, _next_apply(snapshot))
                yield Evidence(member.key, facts, remedy, services_reading(snapshot, member.key))


def _next_apply(snapshot: Snapshot) -> str:
    """Whether the next apply may overwrite the secret's value again, by Terraform's files where they were read."""
    versions = locations_of(snapshot).initial_values if snapshot.checkout else ()
    unprotected = [version.address for version in versions if not version.is_protected]
    if versions and not unprotected:
        return (
            f"This checkout's {versions[0].address} keeps applies from overwriting it: the one that did had other"
            " files, or replaced the version."
        )
    [address, *_] = unprotected or ["its aws_secretsmanager_secret_version"]
    return (
        f"The next terraform apply may overwrite it again: the lifecycle of {address} needs"
        " ignore_changes = [secret_string]."
    )


@once
def _emptied_by_terraform(snapshot: Snapshot) -> frozenset[str]:
    """The required keys that are empty in a version of Terraform's, and had a value in the one before."""
    current, previous = snapshot.current, snapshot.previous
    write = write_of(snapshot, current.version_id) if current else None
    if not (write and write.by_terraform and previous and previous.document):
        return frozenset()
    empty_keys = {member.key for member, _ in _defective(snapshot, "empty") if member.injected.is_empty}
    values = (previous.document.get(key) for key in empty_keys)
    had_values = (each for each in values if each and not each.injected.is_empty)
    return frozenset(each.key for each in had_values if not _is_placeholder(snapshot, each))


def _strangeness(snapshot: Snapshot, name: str, strange: StrangeHost, services: Sequence[Service]) -> str:
    """What is wrong with a host for one of these services, as the end of a sentence; "" where it may be right."""
    if hosts.is_link(name):
        # Elsewhere, the frontend may be one that a developer has on the same machine as the browser.
        is_wrong = strange.kind == "loopback" and snapshot.environment.is_production
        return "leads to localhost: a link that begins with it leads to the reader's own machine." if is_wrong else ""
    if hosts.is_aws_endpoint(name) and strange.kind != "loopback":
        # It may be a proxy's, which environments share.
        return ""
    if strange.kind == "environment":
        return f"names a host of {strange.environment}."
    for service in services:
        definition = snapshot.definition(service)
        # With awsvpc a task has an interface of its own; a container beside may be what answers there.
        is_alone = definition is not None and len(definition.containers) == 1
        if not (service.placement.subnets or service.launch_type == "FARGATE"):
            continue
        if strange.kind == "loopback" and definition and is_alone:
            return f"leads to localhost, which is the task itself: {definition.label} has no container beside this one."
        if strange.kind == "short" and not service.connects:
            return (
                "has a host without a dot, as Compose's services do: a task resolves it only with Service Connect,"
                f" which {service.name} does not use, or with a search domain in the VPC's DHCP options."
            )
    return ""


def _severity_of(strange: StrangeHost, name: str) -> Severity:
    return "warning" if strange.kind == "short" or hosts.is_link(name) else "error"


def _is_emulated(snapshot: Snapshot, container: Container, name: str) -> bool:
    """Whether a plain host is an emulator's or its own database's: tasks run here, and the database's port is free."""
    port = dict(container.logins).get(f"{name.rpartition('_')[0]}_PORT", "")
    is_free = port.isdecimal() and int(port) >= FREE_PORT
    return HERE.match(snapshot.endpoint) is not None and (is_free or hosts.is_aws_endpoint(name))


def _reused(snapshot: Snapshot, member: Member) -> str:
    """Which other value equals a member's, though it should be unique; the end of a sentence, "" for none.

    A password should be nobody's e-mail address, and a value that has to be generated no other generated or issued one.
    """
    keys, value = snapshot.environment.keys, member.injected
    generated = [other.key for other in snapshot.members if other.key in keys and keys[other.key].generate]
    is_address = is_password(member.key) and value.matches(FORMS["email"])
    if value.is_empty or not (is_address or member.key in generated):
        return ""
    for other in snapshot.members:
        if other.key == member.key or not other.injected.same_as(value):
            continue
        # Another login may be a token, which some mail servers take as the password too.
        if is_address and not is_secret(other.key, keys.get(other.key)):
            return f"{other.key}, which is not a secret."
        earlier = generated[: generated.index(member.key)] if member.key in generated else ()
        is_issued = other.key in keys and bool(keys[other.key].obtain_from) and member.key in generated
        if other.key in earlier or is_issued:
            return f"{other.key}: whoever knows one need not guess the other."
    return ""


def _unparsed(snapshot: Snapshot, *problems: Problem) -> Iterator[Evidence]:
    error = snapshot.current.error if snapshot.current else None
    if error and error.problem in problems:
        lead = "has no keys" if error.problem == "not-an-object" else "cannot be parsed as JSON"
        fact = f"The current version {lead}: {error}"
        yield Evidence(snapshot.environment.names.secret, (fact,), _roll_back(snapshot), referring_services(snapshot))


def _of_kind(snapshot: Snapshot, kinds: tuple[Kind, ...], becomes: str) -> Iterator[Evidence]:
    for member in _relevant_members(snapshot):
        if member.kind in kinds:
            yield _evidence(snapshot, member, f"is a JSON {member.kind}; the application gets {becomes}.")


def _is_text(member: Member) -> bool:
    """Whether ECS injects a text as the secret has it."""
    return member.kind in ("string", "boolean", "number") and not _has_exponent(member)


def _has_exponent(member: Member) -> bool:
    """Whether ECS injects a number in another notation than the secret has."""
    return member.kind == "number" and member.injected.matches(CHANGED_NUMBER)


def _defective(snapshot: Snapshot, check_id: CheckId) -> Iterator[tuple[Member, Defect]]:
    """The members that matter and have the defect of a check."""
    return ((member, defect) for member, defect in _defects(snapshot) if defect and defect.check == check_id)


@once
def _defects(snapshot: Snapshot) -> tuple[tuple[Member, Defect | None], ...]:
    """The members that matter, each with what is wrong with its text; other JSON has checks of its own."""
    keys, words = snapshot.environment.keys, snapshot.environment.words
    return tuple(
        (member, find_defect(member.injected, member.key, keys.get(member.key), words) if _is_text(member) else None)
        for member in _relevant_members(snapshot)
    )


def _is_guessed(snapshot: Snapshot, member: Member) -> bool:
    """Whether a member is a password that an attacker would soon have tried."""
    value, entry = member.injected, snapshot.environment.keys.get(member.key)
    return is_password(member.key) and not value.is_empty and is_guessable(value, entry, snapshot.environment.words)


@once
def _exchanged(snapshot: Snapshot) -> tuple[tuple[str, ...], ...]:
    previous = snapshot.previous
    created = {version.id: version.created for version in snapshot.versions}
    if previous and snapshot.current and previous.version_id in created and snapshot.current.version_id in created:
        # Where the former version was restored, the newer one had the values exchanged.
        is_older = created[previous.version_id] <= created[snapshot.current.version_id]
        previous = previous if is_older else None
    relevant = {member.key for member in _relevant_members(snapshot)}
    before = previous.document if previous else None
    circles = find_exchanges(_document(snapshot), snapshot.environment.keys, before)
    return tuple(circle for circle in circles if relevant.intersection(circle))


def _harm(defect: Defect) -> str:
    """What is wrong with a value, and what comes of it."""
    return "; ".join(filter(None, (defect.sentence, defect.consequence)))


def _is_placeholder(snapshot: Snapshot, member: Member) -> bool:
    entry = snapshot.environment.keys.get(member.key)
    return member.kind == "string" and is_stand_in(member.injected, member.key, entry)


def _document(snapshot: Snapshot) -> Document:
    """The current version's document, which the checks with DOCUMENT among their needs have."""
    assert snapshot.document is not None, "run only where there is one"
    return snapshot.document


def _relevant_members(snapshot: Snapshot) -> Iterator[Member]:
    """Members that a task gets or the catalogue knows: others can do no harm."""
    relevant = referenced_keys(snapshot) | set(snapshot.environment.keys)
    return (member for member in snapshot.members if member.key in relevant)


def _evidence(snapshot: Snapshot, member: Member, what: str, severity: Severity | None = None) -> Evidence:
    """What is wrong with a key's value, as the rest of a sentence that begins with the key."""
    key, remedy = member.key, remedies.update(snapshot.environment, member.key)
    return Evidence(key, (f"{key} {what}",), remedy, services_reading(snapshot, key), severity)


def _referenced(snapshot: Snapshot, key: str, fact: str, instead: str = "") -> Evidence:
    services, environment = services_reading(snapshot, key), snapshot.environment
    demands = [demand for demand in secret_demands(snapshot) if demand.reference.key == key]
    is_managed = snapshot.secret is not None and bool(snapshot.secret.manager)
    # An AWS service or a partner names the keys of what it manages.
    if instead and (is_managed or (key not in environment.keys and instead in referenced_keys(snapshot))):
        variables = " and ".join(dict.fromkeys(demand.variable for demand in demands))
        correct = source_for(snapshot, services).refer_to(instead, variables)
        if demands and all(demand.is_of_proxy for demand in demands):
            owners, value_from = " and ".join(sorted(services)), f"{snapshot.secret_arn}:{instead}::"
            correct = refer_in_proxy(owners, demands[0].variable, value_from)
        remedy = remedies.with_runbook("troubleshoot", environment, correct)
        return Evidence(key, (f"{letters.spell(key)} is referenced by {in_words(services)}.", fact), remedy, services)
    # update refuses a key that neither the secret nor the catalogue has as a misspelling.
    entry = key in environment.keys
    remedy = remedies.update(environment, key, instead) if entry else remedies.put_value(environment.names)
    referenced = f"{key} is referenced by {in_words(services)}."
    revisions = rolled_back_revisions(snapshot, ((demand.service, demand.definition) for demand in demands))
    ways = (
        f"Of {service}, only {revision} refers to it, which ECS rolled back: once the secret has the key, deploy that"
        " revision."
        for service, revision in revisions.items()
    )
    facts = (referenced, fact, *_not_reached(snapshot, key), *ways)
    return Evidence(key, facts, remedy, services, revisions=revisions)


def keys_asked_within(snapshot: Snapshot) -> frozenset[str]:
    """What references ask for a member of, as database of database.password, which is no key."""
    paths = map(_path_in, missing_keys(snapshot))
    return frozenset(head for head, *inner in paths if inner)


def _path_in(key: str) -> list[str]:
    """The names in what a reference asks for, from the outside in: more than one where it is a member of a value."""
    return _PATH.split(key.removeprefix("$."))


def _not_reached(snapshot: Snapshot, key: str) -> Iterator[str]:
    """A sentence where a reference asks for a member of a value, as in database.password, or one value has the key."""
    head, *inner = _path_in(key)
    # The text of an object is Go's, as map[a:1 b:2], in which a string may look like a key.
    holds, is_key = re.compile(rf"(?:map\[|\s){re.escape(key)}:"), re.compile(rf'(?<!\\)"{re.escape(key)}"\s*:')
    is_nested = snapshot.document is not None and snapshot.document.value.matches(is_key)
    for member in (each for each in snapshot.members if each.kind in ("object", "array")):
        what = f"ECS reads the keys of the secret, and nothing inside of what {member.key} holds"
        if inner and member.key == head:
            yield f"{what}: make that a key of its own, and name it in the valueFrom."
        elif is_nested and member.injected.matches(holds):
            yield f"{what}, where {key} is: make it a key of the secret."


def _roll_back(snapshot: Snapshot) -> Remedy:
    environment, previous = snapshot.environment, snapshot.previous_id
    if previous and snapshot.current:
        return remedies.restore(environment, previous, snapshot.current.version_id)
    return remedies.update(environment)
