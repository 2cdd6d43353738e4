"""The host of a database, a cache, a queue or a mail server: whether a task on AWS finds that there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from omc_runbook.masking.addresses import host_of, is_store
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Key
from omc_runbook.model.environment_names import ALIASES, environment_in

HostKind = Literal["loopback", "short", "environment"]


@dataclass(frozen=True)
class StrangeHost:
    """A host at which a task does not find its store; `environment` is the other one whose it is, for that kind."""

    kind: HostKind
    environment: str = ""


_STORE = re.compile(
    r"(?i)(?:\A|_)(?:POSTGRES(?:QL)?|PG(?:HOST)?|DB|DATABASE|SQL|MYSQL|MARIADB|RDS|MONGO(?:DB)?|REDIS|VALKEY|CACHE|MEMCACHED?"
    r"|CELERY|BROKER|QUEUE|RABBIT(?:MQ)?|AMQP|KAFKA|ELASTIC(?:SEARCH)?|OPENSEARCH|SMTP|MAIL|EMAIL)(?=\d*(?:_|\Z))"
)
_HOST_NAME = re.compile(r"(?i)_(?:HOST(?:NAME)?|SERVER|ENDPOINT|SERVERS|HOSTS|BROKERS)\d?\Z|\APGHOST\Z")
_LISTENS = re.compile(r"(?i)(?:\A|_)(?:BIND|LISTEN|EXPORTER|METRICS)_")
"""What names have in them of an interface on which a program listens, as CELERY_EXPORTER_HOST."""
_BEFORE_HOST = re.compile(r"\A[A-Za-z][\w+.-]*://(?:[^/?#]*@)?")
_NO_HOST = frozenset({"s3", "gs", "azureblockblob", "file", "filesystem", "memory"})
"""Schemes of Celery's that a bucket, a folder or nothing follows, as in s3://cache and memory://localhost/."""
_LOOPBACK = re.compile(
    r"(?i)localhost(?:\.localdomain)?|127(?:\.\d{1,3}){3}|0\.0\.0\.0|\[?::1\]?|host\.docker\.internal"
)
_LINK = re.compile(r"(?i)(?:\A|(?<!INTERNAL)_)(?:FRONTEND_(?:HOST|URL)|(?:PUBLIC|SITE)_URL)\Z")
_AWS_ENDPOINT = re.compile(r"AWS_ENDPOINT_URL(?:_[A-Z0-9_]+)?")
_WEB = re.compile(r"(?i)\s*https?://(\[[^\]]*\]|[^/?#:\s]+)")
_COMPOSE = re.compile(
    r"(?i)(?:db|database|postgres(?:ql)?|pg|mysql|mariadb|mongo(?:db)?|redis|valkey|cache|memcached|rabbit(?:mq)?|broker"
    r"|queue|kafka|elasticsearch|opensearch|mailcatcher|mailhog|mailpit|smtp)"
)
"""What stores are called in compose files; a network with a search domain has other names without a dot."""


def find_host(text: str, name: str, key: Key | None = None) -> str:
    """The host in an address of a store, of AWS or of links, or in a variable such as POSTGRES_SERVER; else ""."""
    if is_link(name) or is_aws_endpoint(name):
        web = _WEB.match(text)
        return web[1] if web else ""
    scheme, host = host_of(text, name, key)
    if scheme:
        return host if is_store(scheme) or (_STORE.search(name) and scheme not in _NO_HOST) else ""
    is_host = _HOST_NAME.search(name) or (key is not None and key.form == "host")
    if not (_STORE.search(name) and is_host) or _LISTENS.search(name):
        return ""
    # Some programs take an address there too.
    first = re.split("[,/]", _BEFORE_HOST.sub("", text.strip()))[0]
    return first if first.count(":") > 1 else first.partition(":")[0]


def is_link(name: str) -> bool:
    """Whether a variable has the address with which links begin that people open, as FRONTEND_HOST has."""
    return _LINK.search(name) is not None


def is_aws_endpoint(name: str) -> bool:
    """Whether AWS's SDKs read where AWS, or one of its services, is from a variable."""
    return _AWS_ENDPOINT.fullmatch(name) is not None


def judge(host: str, environment: str, others: Iterable[str]) -> StrangeHost | None:
    """Why a task of an environment does not find its store at a host; None where it may.

    `others` are the environments beside it, by name.
    """
    if _LOOPBACK.fullmatch(host):
        return StrangeHost("loopback")
    if _COMPOSE.fullmatch(host):
        return StrangeHost("short")
    host_environment = environment_in(host)
    is_known = host_environment in ALIASES.values() or host_environment in others
    return StrangeHost("environment", host_environment) if is_known and host_environment != environment else None


def judge_value(
    value: Masked, name: str, key: Key | None, environment: str, others: Iterable[str]
) -> StrangeHost | None:
    """The same of a secret value; None as well where it has no host of a store."""
    return judge(find_host(reveal(value), name, key), environment, others)


def names_secret(value: Masked, secret: str) -> bool:
    """Whether a value is the name of a secret, or has it in a path or an ARN."""
    return value.matches(re.compile(rf"(?:\A|[:/]){re.escape(secret)}(?:-\w{{6}})?(?:[:/]|\Z)"))
