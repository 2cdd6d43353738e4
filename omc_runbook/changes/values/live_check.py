"""Trying a new value where it was issued: a login at the mail server, or a call that its provider answers."""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Literal
from urllib.parse import urlsplit

from omc_runbook.changes.secret.plan import Plan
from omc_runbook.masking import registry
from omc_runbook.masking.document import Document, parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import SMTP, Key
from omc_runbook.model.errors import CouldNotLook, UsageError

SMTP_HOST = "SMTP_HOST"
SMTP_PORT = "SMTP_PORT"
SUBMISSION, SMTPS = 587, 465
TIMEOUT = 10.0
"""Seconds for each answer."""

HOST_AND_PORT = re.compile(r"\A(?P<host>.+?)(?::(?P<port>\d{1,5}))?\Z")

Verdict = tuple[Literal["taken", "refused", "unknown"], str]
"""What came of a trial, and the reason in words that hold no value."""


def check(plan: Plan, keys: Mapping[str, Key]) -> None:
    """Try the new values whose key has a `check` in the catalogue; a version that was there before is not tried.

    "smtp" logs in to SMTP_HOST as the key's `login`; an address gets the value as a bearer token. Raises UsageError
    for a value that is refused, CouldNotLook where that could not be found out. Nothing is written by then.
    """
    tried = [change for change in plan.changed if change.key in keys and keys[change.key].check]
    if not tried or plan.exists:
        return
    document = parse(plan.text)
    for change in tried:
        member = document.get(change.key)
        if change.action == "removed" or member is None or member.injected.is_empty:
            continue
        key = keys[change.key]
        where = f"the mail server {_said(document, SMTP_HOST)}" if key.check == SMTP else urlsplit(key.check).hostname
        verdict, reason = _log_in(document, key, member.injected) if key.check == SMTP else _call(key, member.injected)
        if verdict == "refused":
            raise UsageError(
                f"{change.key} from {change.origin} was refused by {where}: {reason}. Nothing was written."
            )
        if verdict == "unknown":
            raise CouldNotLook(
                f"{change.key} could not be tried at {where}: {reason}. Nothing was written: mend that,"
                f" or take check out of [keys.{change.key}] in runbook.toml."
            )


def _said(document: Document, key: str) -> str:
    member = document.get(key)
    return str(member.injected) if member and not member.injected.is_empty else "that is not set"


def _log_in(document: Document, key: Key, password: Masked) -> Verdict:
    """Log in with TLS and its certificate checked: from the start at port 465, by STARTTLS at any other."""
    host, login, port = (document.get(name) for name in (SMTP_HOST, key.login, SMTP_PORT))
    if host is None or host.injected.is_empty:
        return "unknown", f"the secret has no {SMTP_HOST}"
    if login is None or login.injected.is_empty:
        return "unknown", f"the secret has no {key.login or 'login for it, which [keys.NAME] names'}"
    try:
        with _connect(host.injected, port.injected if port else None) as server:
            server.login(reveal(login.injected), reveal(password))
    except smtplib.SMTPAuthenticationError as error:
        reply = f"{error.smtp_code} {_first_line(error.smtp_error)}".strip()
        return ("refused" if error.smtp_code >= 500 else "unknown"), reply
    except smtplib.SMTPResponseException as error:
        return "unknown", f"{error.smtp_code} {_first_line(error.smtp_error)}".strip()
    except smtplib.SMTPNotSupportedError:
        return "unknown", "it offers no STARTTLS or no login"
    except ssl.SSLCertVerificationError:
        return "unknown", "its certificate is not trusted"
    except UnicodeError:
        return "unknown", "the value has a character that a login cannot hold"
    except (smtplib.SMTPException, OSError, ValueError) as error:
        return "unknown", _why(error)
    return "taken", ""


def _connect(address: Masked, port_key: Masked | None) -> smtplib.SMTP:
    found = HOST_AND_PORT.match(reveal(address))
    host, written = (found["host"], found["port"]) if found else ("", None)
    port = int(written or (reveal(port_key) if port_key else "") or SUBMISSION)
    trusting = ssl.create_default_context()
    if port == SMTPS:
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=trusting)
    server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    try:
        server.starttls(context=trusting)
    except (smtplib.SMTPException, OSError):
        server.close()
        raise
    return server


def _call(key: Key, token: Masked) -> Verdict:
    """Ask an address with the value as bearer token; no proxy hears of it, and no redirect takes it along."""
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
        # Its message has the header in it.
        return "unknown", "the value has a character that a header cannot hold"
    except (HTTPException, OSError) as error:
        return "unknown", _why(error)
    finally:
        connection.close()
    if 200 <= status < 300:
        return "taken", ""
    return ("refused" if status in (401, 403) else "unknown"), f"it answered {status}"


def _why(error: Exception) -> str:
    """The reason that the system gives; a message of a library may hold what was sent."""
    if isinstance(error, TimeoutError):
        return f"it did not answer within {TIMEOUT:.0f} s"
    return (error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__).rstrip(".")


def _first_line(answer: bytes | str) -> str:
    """What a server answered, as far as one line of it, and without what it may repeat of the login."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return registry.mask((text.splitlines() or [""])[0][:200]).rstrip(".")
