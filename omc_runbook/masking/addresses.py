"""Addresses with a login in them, such as DATABASE_URL: what in them is broken, and whose password they have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal
from urllib.parse import quote, unquote

from omc_runbook.masking.common import is_random
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Key
from omc_runbook.model.placeholders import is_placeholder

_NAME = re.compile(r"(?:\A|_)(?:URL|URI|DSN|ADDRESS|BROKER|RESULT_BACKEND|CONNECTION|CONN_STR)\Z", re.IGNORECASE)
_ADDRESS = re.compile(r"(?s)\A(?:jdbc:|db\+)?(?P<scheme>[A-Za-z][\w+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)\Z")
_BARE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TWICE = re.compile(r"(?i)%25(?:2[0-9A-F]|3[A-F]|40|5[BCDE]|60|7[BCD])")
_RAW_RESERVED = re.compile(r"[^\w.~%-]", re.ASCII)
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]*(?:%\w+)?\]|[^:\[\]]*)(?::0*(?P<port>\d{0,9}))?")
_STORES = re.compile(
    r"(?i)\A(?:postgres(?:ql)?|mysql|mariadb|mssql|oracle|mongodb|rediss?|valkeys?|amqps?|cockroachdb|smtps?)(?:\+\w+)?\Z"
)
_NO_SLASHES = re.compile(r"(?i)\A(?:postgres(?:ql)?|mysql|mariadb|mongodb|rediss?|amqps?)(?:\+\w+)?(?::/(?!/)|//)")
_WITH_QUERY = re.compile(r"(?i)(?:postgres(?:ql)?|mysql|mariadb)(?:\+\w+)?\Z")
_UNFILLED = re.compile(r"\$\{\w+\}|\{\{.*?\}\}|<[\w -]+>|\[YOUR[\w -]*\]")
_VARIABLE = re.compile(r"\$[A-Z_][A-Z0-9_]*|%\(\w+\)s|%[A-Z_][A-Z0-9_]*%")
"""A variable in the place of a whole login or password, as shells, Python's % and Windows write it."""
_HIDDEN = re.compile(r"[*•.…x]{3,}")
_NEXT = re.compile(r"[,;\s]\s*(?=[A-Za-z][\w+.-]*://)")
"""What stands between those of a list of addresses, as CORS origins, brokers and LDAP's servers are."""
LARGEST_PORT = 65535


@dataclass(frozen=True)
class AddressProblem:
    """What is wrong with an address: the check that finds it, and the end of a sentence that begins with its key."""

    check: Literal["wrong-form", "bad-copy", "placeholder"]
    sentence: str


@dataclass(frozen=True)
class AddressLogin:
    """The login in an address."""

    scheme: str
    user: str
    password: Masked
    host: str


def is_address(name: str, key: Key | None) -> bool:
    """Whether a key's value is an address, by the catalogue or by its name."""
    return (key is not None and key.form in ("url", "dsn")) or _NAME.search(name) is not None


def problem_of(value: Masked, name: str, key: Key | None) -> AddressProblem | None:
    """What is wrong with the login, the host or the port of an address; None where nothing is, or it is no address."""
    if not is_address(name, key):
        return None
    text = reveal(value)
    if "(" in text.partition("://")[0]:
        # A list of brokers to try, as failover:(ssl://one,ssl://other).
        return None
    for part in _NEXT.split(text):
        if _NO_SLASHES.search(part):
            return AddressProblem("wrong-form", "lacks the :// after its scheme")
        if (match := _ADDRESS.search(part)) and (problem := _problem(match)):
            return problem
    return None


def logins_of(value: Masked, name: str, key: Key | None) -> tuple[AddressLogin, ...]:
    """The logins in an address, or in each of a list of them, as a broker's clients try one after another."""
    return tuple(filter(None, (_login_in(part, name, key) for part in _NEXT.split(reveal(value)))))


def secret_parts(value: Masked, name: str, key: Key | None) -> tuple[Masked, ...]:
    """What of a value may be secret, where it is an address with a login, or one of a store; else the whole value.

    Those are the passwords, and the users that are random, as where a mail server takes a token as the user's name. A
    store's address without a login or a query has none: its host and port are public.
    """
    if logins := logins_of(value, name, key):
        users = (Masked(login.user, name) for login in logins if is_random(login.user))
        return (*(login.password for login in logins), *users)
    text = reveal(value)
    is_public = "?" not in text and is_store(host_of(text, name, key)[0]) and scheme_and_user(text) == ("", "")
    return () if is_public else (value,)


def login_of(value: Masked, name: str, key: Key | None) -> AddressLogin | None:
    """The login in an address; None where it has no password, is broken, or is no address.

    PostgreSQL's and JDBC's may have it in their query: https://www.postgresql.org/docs/current/libpq-connect.html
    """
    return _login_in(reveal(value), name, key)


def _login_in(text: str, name: str, key: Key | None) -> AddressLogin | None:
    match = _ADDRESS.search(text) if is_address(name, key) else None
    if not match or _problem(match):
        return None
    user, _, password = match["authority"].rpartition("@")[0].partition(":")
    if not password:
        parameters = _parameters(match)
        user, password = parameters.get("user", user), parameters.get("password", "")
        # A plus is one to PostgreSQL, and a blank to JDBC; the application may fill in a placeholder.
        user = "" if _is_unfilled(user) else user
        password = "" if "+" in password or _is_unfilled(password) else password
    if not password:
        return None
    return AddressLogin(
        match["scheme"].lower(), unquote(user), Masked(unquote(password), name), host_of(text, name, key)[1]
    )


def scheme_and_user(text: str) -> tuple[str, str]:
    """The scheme of an address in lower case and its user, where it has a login; ("", "") elsewhere."""
    match = _ADDRESS.search(text)
    user, at, _ = match["authority"].rpartition("@") if match else ("", "", "")
    parameters = _parameters(match) if match else {}
    user = user.partition(":")[0] or parameters.get("user", "")
    return (match["scheme"].lower(), unquote(user)) if match and (at or "password" in parameters) else ("", "")


def with_password(text: str, former: str, password: str) -> str:
    """An address, or each of a list, whose password is `former` with another one, escaped; any other text as it is.

    Of a list, those of the first one's scheme and user.
    """
    ends, login = [0, *(each.end() for each in _NEXT.finditer(text)), len(text)], scheme_and_user(text)
    parts, escaped = (text[start:end] for start, end in pairwise(ends)), quote(password, safe="")
    return "".join(_with_password(each, former, escaped) if scheme_and_user(each) == login else each for each in parts)


def _with_password(text: str, former: str, escaped: str) -> str:
    match = _ADDRESS.search(text)
    login, at, hosts = match["authority"].rpartition("@") if match else ("", "", "")
    user, colon, own = login.partition(":")
    if match is None or unquote(own or _parameters(match).get("password", "")) != former:
        return text
    if own:
        return f"{text[: match.start('authority')]}{user}{colon}{escaped}{at}{hosts}{match['rest']}"
    rest = re.sub(r"(?<=[?&]password=)[^&#]*", lambda _: escaped, match["rest"], count=1)
    return f"{text[: match.start('rest')]}{rest}"


def _parameters(match: re.Match[str]) -> dict[str, str]:
    """The query of a database's address, as it stands there; {} of another's."""
    if not _WITH_QUERY.match(match["scheme"]):
        return {}
    pairs = (pair.partition("=") for pair in match["rest"].partition("?")[2].partition("#")[0].split("&"))
    return {name: text for name, _, text in pairs}


def host_of(text: str, name: str, key: Key | None) -> tuple[str, str]:
    """The scheme and the first host of an address, with or without a login; ("", "") where it is broken, or none."""
    match = _ADDRESS.search(text) if is_address(name, key) else None
    if not match or _problem(match):
        return "", ""
    first = match["authority"].rpartition("@")[2].partition(",")[0]
    host = first.rpartition("]")[0] + "]" if first.startswith("[") else first.partition(":")[0]
    return match["scheme"].lower(), host


def is_store(scheme: str) -> bool:
    """Whether a scheme is that of a database, a cache, a queue or a mail server."""
    return _STORES.search(scheme) is not None


def _problem(match: re.Match[str]) -> AddressProblem | None:
    scheme, authority, rest = match["scheme"], match["authority"], match["rest"]
    userinfo, at, hosts = authority.rpartition("@")
    password = userinfo.partition(":")[2]
    if _UNFILLED.search(authority) or _VARIABLE.fullmatch(password):
        return AddressProblem("placeholder", "has a part that is a placeholder, not a value")
    if re.match(r"\w*\(", hosts):
        # MySQL's Go driver writes tcp(host:port).
        return None
    if not at and hosts.endswith(":") and rest.startswith("//"):
        return AddressProblem("wrong-form", "names no host after its scheme, which stands there twice")
    # Where a password has an @ too, the authority ends in it; a query's value may have one of its own.
    if is_store(scheme) and re.match(r"[^?@]*@|[^=@]*@" if at else r"[^?@]*@|[^=@]*@|[?#].*@", rest):
        return AddressProblem("wrong-form", "has an unescaped / ? or # in its password: write %2F, %3F or %23")
    # The programs that read addresses of mail servers take an e-mail address as the user's name.
    if "@" in (password if scheme.lower().startswith(("smtp", "submission")) else userinfo):
        return AddressProblem("wrong-form", "has an unescaped @ in its password: write %40")
    if re.search(r"[\[\]\s]", userinfo):
        return AddressProblem("wrong-form", "has an unescaped bracket or white space in its login: escape it with %")
    if _BARE_PERCENT.search(userinfo):
        return AddressProblem("wrong-form", "has an unescaped % in its password: write %25")
    its_password = password or _parameters(match).get("password", "")
    if _HIDDEN.fullmatch(its_password):
        return AddressProblem("bad-copy", "is a masked copy: its password is hidden")
    if its_password and not _is_unfilled(its_password) and _is_placeholder(unquote(its_password)):
        return AddressProblem("placeholder", "has a placeholder as its password")
    if _TWICE.search(password) and not _RAW_RESERVED.search(password) and not _RAW_RESERVED.search(unquote(password)):
        return AddressProblem("bad-copy", "is URL-escaped twice")
    is_web = scheme.lower() in ("http", "https")
    if is_web and (not hosts or re.match(r"(?i)https?//", hosts + rest)):
        return AddressProblem("wrong-form", "names no host after its scheme")
    # What follows other schemes need not be a host: Apprise's tgram:// is followed by a token.
    for host in hosts.split(",") if is_web or is_store(scheme) else ():
        parts = _HOST.fullmatch(host)
        if parts is None or int(parts["port"] or 0) > LARGEST_PORT:
            return AddressProblem(
                "wrong-form", "has a port that is not a number, or an unescaped character in its login"
            )
    return None


def _is_unfilled(text: str) -> bool:
    return _UNFILLED.search(text) is not None or _VARIABLE.fullmatch(text) is not None


def _is_placeholder(password: str) -> bool:
    is_word = password.casefold() in ("password", "passwd", "pass", "pwd", "secret")
    return is_word or is_placeholder(password, "")
