"""How the values of one document fit together: exchanged values, and addresses of another login."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, dropwhile, zip_longest
from urllib.parse import unquote

from omc_runbook.masking.addresses import is_address, is_store, login_of
from omc_runbook.masking.defects import find_defect, has_form, has_shape
from omc_runbook.masking.document import Document, Member
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model import issuers
from omc_runbook.model.catalogue import FORMS, Key
from omc_runbook.model.secretive import is_secret

_PASSWORD = re.compile(r"_?(?:PASSWORD|PASSWD|PASS|PWD)\Z", re.IGNORECASE)
_ADDRESS = re.compile(r"_?(?:URL|URI|DSN|ADDRESS|CONNECTION|CONN_STR)\Z", re.IGNORECASE)
_AGE = re.compile(
    r"(?:\A|_)(?:CURRENT|PREVIOUS|PRIOR|FORMER|LAST|NEXT|OLD|NEW|FALLBACK|RETIRED"
    r"|PRIMARY|SECONDARY|ACTIVE|INACTIVE|STANDBY|BACKUP|BLUE|GREEN)S?(?=_|\Z)"
)
"""What tells the names of a key's former and coming values apart, and of two that take turns, as Azure's do."""
_DATABASE = frozenset(
    {
        *("", "DATABASE", "DB", "POSTGRES", "POSTGRESQL", "PG", "MYSQL", "MARIADB", "SQL", "RDS"),
        *("SQLALCHEMY_DATABASE", "SQLALCHEMY", "ASYNC_DATABASE", "SYNC_DATABASE", "APP_DATABASE", "APP_DB"),
    }
)
"""What names of the one database begin with; others, such as READONLY_DATABASE, are of another login."""
_QUEUE = frozenset({"BROKER", "MESSAGE_BROKER", "CELERY", "CELERY_BROKER", "QUEUE", "TASK_QUEUE", "MQ"})
_FAMILIES: tuple[tuple[re.Pattern[str], frozenset[str], frozenset[str]], ...] = (
    (re.compile(r"amqps?"), frozenset({"", "RABBITMQ", "RABBIT", "AMQP", "CLOUDAMQP"}), _QUEUE),
    (re.compile(r"(?:rediss?|valkeys?)"), frozenset({"", "REDIS", "VALKEY", "CACHE", "ELASTICACHE"}), _QUEUE),
    (re.compile(r"mongodb(?:\+srv)?"), frozenset({"", "MONGODB", "MONGO"}), frozenset({"DATABASE", "DB"})),
    (re.compile(r"smtps?"), frozenset({"", "SMTP", "MAIL", "EMAIL", "EMAIL_HOST", "MAILER"}), frozenset()),
    (re.compile(r"(?!https?\Z).*"), _DATABASE, frozenset()),
)
"""What names of a scheme's one store begin with, and what those that another system's may have too do."""


@dataclass(frozen=True)
class AddressMismatch:
    """An address whose password is not that of its own key."""

    address: str
    password: str
    is_same_login: bool
    """Whether both are known to be of one login."""


def is_database_address(name: str) -> bool:
    """Whether a variable's name is that of the one database's address."""
    return is_address(name, None) and _ADDRESS.sub("", name).upper() in _DATABASE


def passwords_of(address: str, scheme: str, names: Iterable[str]) -> tuple[str, ...]:
    """The variables, of some, with the password of an address, whose variable is given: by what the names begin with.

    Those that begin as the address does, as ANALYTICS_PASSWORD and ANALYTICS_URL, else those of its kind of store.
    """
    own, others = list[str](), list[str]()
    for name in names if is_store(scheme) else ():
        if _PASSWORD.search(name):
            stem, stem_of_address = _told_apart(name, address)
            if stem == stem_of_address:
                own.append(name)
            elif stem in _family(scheme, stem_of_address):
                others.append(name)
    return tuple(own or others)


def _told_apart(name: str, address: str) -> tuple[str, str]:
    """What the names of a password and an address begin with, without a prefix of both."""
    stems = (pattern.sub("", each).upper().split("_") for pattern, each in ((_PASSWORD, name), (_ADDRESS, address)))
    # Settings may have a prefix for all of their variables.
    pairs = [*dropwhile(lambda pair: pair[0] == pair[1], zip_longest(*stems, fillvalue=""))]
    stem, own = ("_".join(words).strip("_") for words in zip(*pairs, strict=True)) if pairs else ("", "")
    return stem, own


def find_exchanges(
    document: Document, keys: Mapping[str, Key], before: Document | None = None
) -> tuple[tuple[str, ...], ...]:
    """Keys of which each has the value of the next, and the last one that of the first.

    Pairs are told by their forms, pairs and longer circles by the values that they had `before`. Values that were
    exchanged before, by their forms, have been put right.
    """
    members = [member for member in document.members if member.kind == "string" and not member.injected.is_empty]
    # Of two keys of which neither is told apart from others, no form shows that they are exchanged.
    notable = {each.key for each in members if each.key in keys or issuers.of_name(each.key)}
    pairs = tuple(
        (one.key, other.key)
        for one, other in combinations(members, 2)
        if (one.key in notable or other.key in notable) and _are_exchanged(one, other, keys)
    )
    circles = tuple(_circles(members, before, keys)) if before else ()
    return (*circles, *(pair for pair in pairs if not any(set(pair) <= set(circle) for circle in circles)))


def find_mismatches(
    document: Document, keys: Mapping[str, Key], plain: Mapping[str, str]
) -> tuple[AddressMismatch, ...]:
    """Addresses with the login of another key and another password; `plain` are variables such as POSTGRES_USER."""
    return tuple(_mismatches(document, keys, plain))


def _are_exchanged(one: Member, other: Member, keys: Mapping[str, Key]) -> bool:
    entry, other_entry = keys.get(one.key), keys.get(other.key)
    if _have_each_others_kind(one, other, entry) or _have_each_others_kind(other, one, other_entry):
        return True
    for (a, key), (b, other_key) in (((one, entry), (other, other_entry)), ((other, other_entry), (one, entry))):
        if key is None or not is_secret(b.key, other_key):
            continue
        is_misplaced = not has_form(a.injected, key) and has_shape(b.injected, key)
        # Several providers' keys begin alike.
        is_told_apart = key.form != "text" or (other_key is not None and (other_key.generate or other_key.login))
        if is_misplaced and is_told_apart and (other_key is None or has_form(a.injected, other_key)):
            return True
        # Hardly any password has the form of an e-mail address.
        has_login = other_key is not None and other_key.login == a.key
        if has_login and b.injected.matches(FORMS["email"]) and not a.injected.matches(FORMS["email"]):
            return True
    return False


def _have_each_others_kind(one: Member, other: Member, key: Key | None) -> bool:
    """Whether a member has a key of the other's issuer, and the other one that fits the member, whose `key` it is."""
    kind, other_kind = issuers.of_name(one.key), issuers.of_name(other.key)
    if kind is None or other_kind is None or kind is other_kind:
        return False
    is_misplaced = one.injected.matches(other_kind.value) and not one.injected.matches(kind.value)
    fits = other.injected.matches(kind.value) or (
        key is not None and bool(key.prefix) and has_form(other.injected, key)
    )
    return is_misplaced and fits and not other.injected.matches(other_kind.value)


def _circles(members: Sequence[Member], before: Document, keys: Mapping[str, Key]) -> Iterator[tuple[str, ...]]:
    """Keys that have changed places: each has the value that the next one had before, and no other key."""
    former = [each for member in members if (each := before.get(member.key))]
    next_of = {}
    for member in members:
        own = before.get(member.key)
        if own is None or own.injected.same_as(member.injected):
            continue
        owners = [each.key for each in former if each.injected.same_as(member.injected)]
        if len(owners) == 1:
            next_of[member.key] = owners[0]
    remaining = dict(next_of)
    for start in next_of:
        way = []
        key = start
        while key in remaining:
            way.append(key)
            key = remaining.pop(key)
        # It may have begun with a key that has another's value too, and that nobody has the value of.
        circle = way[way.index(key) :] if key in way else []
        if circle and _is_by_mistake(circle, before, keys):
            yield tuple(circle)


def _is_by_mistake(circle: Sequence[str], before: Document, keys: Mapping[str, Key]) -> bool:
    """Whether nobody would have meant keys to change places."""
    former = [member for key in circle if (member := before.get(key))]
    had_own_form = all(has_form(each.injected, keys[each.key]) for each in former if each.key in keys)
    if not had_own_form or any(_are_exchanged(one, other, keys) for one, other in combinations(former, 2)):
        return False
    # A provider and the one to fall back on, say.
    are_settings = not any(key in keys or is_secret(key) for key in circle)
    # A rotation that is taken back, or one by turns.
    are_ages_of_one = len({_AGE.sub("", key.upper()).strip("_") for key in circle}) == 1
    return not (are_settings or are_ages_of_one)


def _mismatches(document: Document, keys: Mapping[str, Key], plain: Mapping[str, str]) -> Iterator[AddressMismatch]:
    for member in document.members:
        login = login_of(member.injected, member.key, keys.get(member.key)) if member.kind == "string" else None
        own = _own_password(document, member.key, login.scheme, keys) if login and is_store(login.scheme) else None
        if login is None or own is None or _has_password(own, login.password):
            continue
        stem, entry = _PASSWORD.sub("", own.key), keys.get(own.key)
        user = _text(document, plain, (entry.login if entry else "", f"{stem}_USER", f"{stem}_USERNAME"))
        host = _text(document, plain, (f"{stem}_SERVER", f"{stem}_HOST"))
        if (user and user != login.user) or (host and login.host and host.strip("[]") != login.host.strip("[]")):
            continue
        yield AddressMismatch(member.key, own.key, bool(user))


def _own_password(document: Document, address: str, scheme: str, keys: Mapping[str, Key]) -> Member | None:
    """The key with the password of an address: of the same name, or the only one of its kind of store."""
    stem = _ADDRESS.sub("", address).upper()
    family = _family(scheme, stem)
    passwords = {
        _PASSWORD.sub("", member.key).upper(): member for member in document.members if _is_password(member, keys)
    }
    if stem and stem in passwords:
        return passwords[stem]
    of_family = [member for name, member in passwords.items() if name in family]
    return of_family[0] if stem in family and len(of_family) == 1 else None


def _family(scheme: str, stem: str) -> frozenset[str]:
    """What names of the store of a scheme begin with, where its address's begins with a stem.

    Beside an address that names its system, as MONGODB_URI, DB_PASSWORD may be the one of PostgreSQL.
    """
    own, shared = next((own, shared) for pattern, own, shared in _FAMILIES if pattern.fullmatch(scheme))
    return own if stem and stem in own else own | shared


def _is_password(member: Member, keys: Mapping[str, Key]) -> bool:
    if member.kind != "string" or not _PASSWORD.search(member.key):
        return False
    defect = find_defect(member.injected, member.key, keys.get(member.key))
    return defect is None or defect.check in ("weak", "url-chars")


def _has_password(own: Member, password: Masked) -> bool:
    """Whether a key has a password, as it is or escaped for a URL."""
    return own.injected.same_as(password) or unquote(reveal(own.injected)) == reveal(password)


def _text(document: Document, plain: Mapping[str, str], names: tuple[str, ...]) -> str:
    for name in filter(None, names):
        if member := document.get(name):
            return reveal(member.injected)
        if plain.get(name):
            return plain[name]
    return ""
