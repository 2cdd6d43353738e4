"""Live checks of new values: a login at the mail server, or a call to the provider's API."""

from __future__ import annotations

import errno
import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Literal
from urllib.parse import urlsplit

from omc_runbook.changes.secret.plan import KeyChange, SecretPlan
from omc_runbook.checks import remedies
from omc_runbook.masking import registry
from omc_runbook.masking.document import Document, parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import SMTP, Key
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import Finding

SMTP_HOST = "SMTP_HOST"
SMTP_PORT = "SMTP_PORT"
SUBMISSION, SMTPS = 587, 465
TIMEOUT = 10.0
"""Seconds for each answer."""

HOST_AND_PORT = re.compile(r"\A(?P<host>.+?)(?::(?P<port>\d{1,5}))?\Z")

Verdict = tuple[Literal["accepted", "refused", "unknown"], str]
"""The result of a live check, and its reason, without a value."""


def check(plan: SecretPlan, environment: Environment) -> None:
    """Test the new values whose key has a `check` in the catalogue; an existing version is not tested again.

    "smtp" logs in to SMTP_HOST as the key's `login`; a URL is called with the value as bearer token. Raises UsageError
    for a value that is refused, CouldNotLook where the check could not run. Nothing has been written by then.
    """
    if plan.exists:
        return
    for change, document, value in _checked(plan, environment.keys):
        key = environment.keys[change.key]
        server, (verdict, reason) = server_of(document, key), attempt(document, key, value)
        if verdict == "refused":
            raise UsageError(
                f"{change.key} from {change.origin} was refused by {server}: {reason}. Nothing was written."
            )
        if verdict == "unknown":
            raise CouldNotLook(
                f"{change.key} could not be tested at {server}: {reason}. Nothing was written: fix that,"
                f" or remove {_setting(environment, change.key)}."
            )


def destinations(plan: SecretPlan, environment: Environment) -> tuple[str, ...]:
    """A sentence for each changed key with a `check`: which server gets which of its values, and which file says so."""
    document, keys = parse(plan.text), environment.keys
    new = "the new value before it is written"
    gets = {"added": new, "changed": f"{new} and then the former one"}
    return tuple(
        f"{change.key} would be tried at {server_of(document, keys[change.key])}, which gets"
        f" {'the restored value once that is current' if plan.exists else gets[change.action]}:"
        f" {_setting(environment, change.key)} says so."
        for change in plan.changed
        if change.key in keys and keys[change.key].check and change.action != "removed"
    )


def _setting(environment: Environment, key: str) -> str:
    """Where a key's `check` is set: "check in [keys.NAME] of runbook.toml"."""
    return f"check in [keys.{key}] of {environment.source_of(f'keys.{key}.check')}"


def find_refused(environment: Environment, plan: SecretPlan) -> tuple[Finding, ...]:
    """Try the values that a restored version has for its changed keys with a `check`.

    One finding a key: clear where the value is accepted, found where it is refused, as one that was revoked since, else
    unknown. Raises nothing: the version is in force.
    """
    return tuple(
        _judge_restored(environment, document, change.key, value)
        for change, document, value in _checked(plan, environment.keys)
    )


def _checked(plan: SecretPlan, keys: Mapping[str, Key]) -> Iterator[tuple[KeyChange, Document, Masked]]:
    """Each change to a value whose key has a `check`, with the new document and the value."""
    for change in plan.changed:
        if change.key in keys and keys[change.key].check:
            document = parse(plan.text)
            member = document.get(change.key)
            if member and not member.injected.is_empty:
                yield change, document, member.injected


def _judge_restored(environment: Environment, document: Document, name: str, value: Masked) -> Finding:
    key = environment.keys[name]
    server, (verdict, reason) = server_of(document, key), attempt(document, key, value)
    title = "The restored value does not work"
    found = partial(Finding, check="store-only", family="content", title=title, subject=name)
    if verdict == "accepted":
        return found(status="clear", evidence=(f"{server} accepts the restored value of {name}.",))
    if verdict == "unknown":
        sentence = f"The restored value of {name} could not be tried at {server}: {reason}."
        return found(status="unknown", evidence=(sentence,))
    sentence = f"{server} refuses the restored value of {name} ({reason}): it may have been revoked."
    return found(status="found", evidence=(sentence,), remedy=remedies.update(environment, name))


def attempt(document: Document, key: Key, value: Masked) -> Verdict:
    """Try a value where the key's `check` says, with the server and the login that its document has."""
    return _log_in(document, key, value) if key.check == SMTP else _call(key, value)


def server_of(document: Document, key: Key) -> str:
    """Where a key's value is tried, in words."""
    host = urlsplit(key.check).hostname or ""
    return f"the mail server {_text_of(document, SMTP_HOST)}" if key.check == SMTP else host


def _text_of(document: Document, key: str) -> str:
    member = document.get(key)
    return str(member.injected) if member and not member.injected.is_empty else "(not set)"


def _log_in(document: Document, key: Key, password: Masked) -> Verdict:
    """Log in over verified TLS: implicit on port 465, STARTTLS on any other."""
    host, login, port = (document.get(name) for name in (SMTP_HOST, key.login, SMTP_PORT))
    if host is None or host.injected.is_empty:
        return "unknown", f"the secret has no {SMTP_HOST}"
    if login is None or login.injected.is_empty:
        return "unknown", f"the secret has no {key.login or 'login for it, which [keys.NAME] names'}"
    try:
        with _connect(host.injected, port.injected if port else None) as server:
            server.login(reveal(login.injected), reveal(password))
    except smtplib.SMTPResponseException as error:
        is_refused = isinstance(error, smtplib.SMTPAuthenticationError) and error.smtp_code >= 500
        return "refused" if is_refused else "unknown", f"{error.smtp_code} {_first_line(error.smtp_error)}".strip()
    except smtplib.SMTPNotSupportedError:
        return "unknown", "it offers no STARTTLS or no AUTH"
    except ssl.SSLCertVerificationError:
        return "unknown", "its certificate is not trusted"
    except UnicodeError:
        return "unknown", "the value has a character that is not allowed in a login"
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return "unknown", _reason(error)
    return "accepted", ""


def _connect(address: Masked, port_key: Masked | None) -> smtplib.SMTP:
    match = HOST_AND_PORT.match(reveal(address))
    host, port_text = (match["host"], match["port"]) if match else ("", None)
    try:
        port = int(port_text or (reveal(port_key) if port_key else "") or SUBMISSION)
        # Connecting does the same, with an error that a password could have caused as well.
        host.encode("idna")
    except ValueError:
        # Both messages quote the value.
        raise OSError(errno.EINVAL, f"{SMTP_HOST} or {SMTP_PORT} is not valid") from None
    context = ssl.create_default_context()
    if port == SMTPS:
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    try:
        server.starttls(context=context)
    except (smtplib.SMTPException, OSError):
        server.close()
        raise
    return server


def _call(key: Key, token: Masked) -> Verdict:
    """Call a URL with the value as bearer token, without proxies and without following redirects."""
    address = urlsplit(key.check)
    host, path = address.hostname or "", address.path or "/"
    connection = (
        HTTPSConnection(host, address.port, timeout=TIMEOUT, context=ssl.create_default_context())
        if address.scheme == "https"
        else HTTPConnection(host, address.port, timeout=TIMEOUT)
    )
    connection.set_debuglevel(0)
    try:
        target = f"{path}?{address.query}" if address.query else path
        connection.request("GET", target, headers={"Authorization": f"Bearer {reveal(token)}"})
        status = connection.getresponse().status
    except ssl.SSLCertVerificationError:
        return "unknown", "its certificate is not trusted"
    except ValueError:
        # The exception's message quotes the header.
        return "unknown", "the value has a character that is not allowed in a header"
    except (HTTPException, OSError) as error:
        return "unknown", _reason(error)
    finally:
        connection.close()
    if 200 <= status < 300:
        return "accepted", ""
    return ("refused" if status in (401, 403) else "unknown"), f"it answered {status}"


def _reason(error: Exception) -> str:
    """The operating system's reason; a library's message may quote what was sent."""
    # smtplib makes a lost connection of a silent server's.
    if isinstance(error.__context__ or error, TimeoutError):
        return f"it did not answer within {TIMEOUT:.0f} s"
    return (error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__).rstrip(".")


def _first_line(answer: bytes | str) -> str:
    """The first line of a server's reply, masked, since it may repeat the login."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return registry.mask((text.splitlines() or [""])[0][:200]).rstrip(".")
