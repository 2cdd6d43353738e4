"""Faults of the family content, each made in a healthy snapshot."""

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from support.check_assertions import Fault
from support.scene import Shown, user_agent_of_last_put
from support.snapshots import (
    ARN,
    CHANGED,
    CURRENT,
    NAME,
    PREVIOUS,
    document,
    event,
    with_container,
    with_keys,
    with_text,
    with_values,
    without_key,
)

from omc_runbook.aws.definitions import Injection
from omc_runbook.model.value_from import parse
from omc_runbook.sandbox.worlds import staging
from omc_runbook.sandbox.worlds.build import FRESH_DOCUMENT
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.state import Snapshot

TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8"


def text(make: Callable[[dict[str, Any]], str]) -> Callable[[Snapshot], Snapshot]:
    """Let the current version hold another writing of its document."""
    return lambda snapshot: with_text(snapshot, make(document(snapshot)))


def key(name: str, value: Any) -> Callable[[Snapshot], Snapshot]:
    """Give a key another value."""
    return lambda snapshot: with_keys(snapshot, **{name: value})


def twice(found: dict[str, Any]) -> str:
    """The document with SECRET_KEY written twice."""
    return json.dumps(found)[:-1] + f', "SECRET_KEY": {json.dumps(secrets.token_hex(32))}}}'


def overwritten(snapshot: Snapshot, agent: str = TERRAFORM) -> Snapshot:
    """Put a placeholder over a good SECRET_KEY, as terraform apply does."""
    before = with_values(snapshot, document(snapshot), PREVIOUS)
    after = with_keys(before, SECRET_KEY="temporary-secret-key-please-update")
    return replace(after, writes=(event("PutSecretValue", CHANGED, CURRENT, agent=agent),))


def exchange(snapshot: Snapshot) -> Snapshot:
    """Give a login and its password each other's value."""
    found = document(snapshot)
    names = ("FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD")
    return with_keys(snapshot, **{names[0]: found[names[1]], names[1]: found[names[0]]})


def with_own(name: str, value: str) -> Callable[[Snapshot], Snapshot]:
    """Let backend have a key of the project's own from the secret."""
    entry = Injection(name, parse(f"{ARN}:{name}::"))
    return lambda snapshot: with_keys(
        with_container(snapshot, "backend", lambda old: replace(old, secrets=(*old.secrets, entry))), **{name: value}
    )


def with_address(snapshot: Snapshot) -> Snapshot:
    """Let backend have the database's address too, with another password than POSTGRES_PASSWORD."""
    with_login = with_container(
        snapshot, "backend", lambda old: replace(old, logins=(*old.logins, ("POSTGRES_USER", "app")))
    )
    return with_own("DATABASE_URL", f"postgresql://app:{secrets.token_hex(16)}@db.internal:5432/app")(with_login)


def with_store(host: str, name: str = "REDIS_URL") -> Callable[[Snapshot], Snapshot]:
    """Let backend have an address from the secret that leads to a host."""
    return with_own(name, f"redis://{host}:6379/0")


def token(expires: int) -> str:
    """A JWT that expires at this second since 1970."""
    parts = ({"alg": "HS256"}, {"sub": "push", "exp": expires})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*encoded, secrets.token_urlsafe(32)))


FAULTS = {
    "not-json": Fault(text(lambda d: "\n".join(f"{k}={v}" for k, v in d.items())), NAME, "line 1, column 1"),
    "single-quoted": Fault(text(str), NAME, "single quotes"),
    "bom": Fault(text(lambda d: "\ufeff" + json.dumps(d)), NAME, "byte order mark"),
    "truncated": Fault(text(lambda d: json.dumps(d)[:-20]), NAME, "middle"),
    "not-an-object": Fault(text(lambda d: json.dumps(list(d.values()))), NAME, "not an object"),
    "binary": Fault(lambda s: replace(s, contents={CURRENT: Content(CURRENT, binary=True)}), NAME, "SecretBinary"),
    "key-missing": Fault(
        lambda s: without_key(s, "OPENAI_API_KEY"), "OPENAI_API_KEY", "is referenced by backend, worker"
    ),
    "key-case": Fault(
        lambda s: without_key(s, "OPENAI_API_KEY", "openai_api_key"), "OPENAI_API_KEY", "has openai_api_key"
    ),
    "key-misspelt": Fault(
        lambda s: without_key(s, "OPENAI_API_KEY", "OPENAI_API_KYE"), "OPENAI_API_KEY", "has OPENAI_API_KYE"
    ),
    "duplicate-key": Fault(text(twice), "SECRET_KEY", "occurs more than once"),
    "key-unreferenced": Fault(
        key("STRIPE_KEY", secrets.token_hex(16)), "STRIPE_KEY", "No task definition of backend, worker", ""
    ),
    "null": Fault(key("SECRET_KEY", None), "SECRET_KEY", "JSON null"),
    "nested": Fault(key("SECRET_KEY", {"value": secrets.token_hex(16)}), "SECRET_KEY", "JSON object"),
    "number-format": Fault(key("SMTP_USER", 12345678), "SMTP_USER", "1e+06", "backend"),
    "empty": Fault(key("SECRET_KEY", ""), "SECRET_KEY", "is empty"),
    "changethis": Fault(key("SECRET_KEY", "changethis"), "SECRET_KEY", "template's default"),
    "placeholder": Fault(key("SECRET_KEY", "temporary-secret-key-please-update"), "SECRET_KEY", "is a placeholder"),
    "url-chars": Fault(key("POSTGRES_PASSWORD", secrets.token_hex(8) + "/@:#"), "POSTGRES_PASSWORD", "URL"),
    "white-space": Fault(key("SECRET_KEY", secrets.token_hex(32) + "\n"), "SECRET_KEY", "white space"),
    "wrong-form": Fault(key("FIRST_SUPERUSER", "admin.ohmycoins.test"), "FIRST_SUPERUSER", "not an e-mail", "backend"),
    "bad-copy": Fault(lambda s: with_keys(s, SECRET_KEY=f'"{document(s)["SECRET_KEY"]}"'), "SECRET_KEY", "quotes"),
    "values-exchanged": Fault(exchange, "FIRST_SUPERUSER", "has what FIRST_SUPERUSER_PASSWORD should have", "backend"),
    "address-differs": Fault(with_address, "DATABASE_URL", "is not the value of POSTGRES_PASSWORD", "backend"),
    "wrong-host": Fault(with_store("cache.prod.internal"), "REDIS_URL", "a host of production", "backend"),
    "value-expired": Fault(
        with_own("PUSH_TOKEN", token(int(CHANGED.timestamp()))), "PUSH_TOKEN", "(JWT) that expired at 2026-", "backend"
    ),
    "test-mode": Fault(
        with_own("STRIPE_SECRET_KEY", f"sk_live_{secrets.token_hex(16)}"),
        "STRIPE_SECRET_KEY",
        "like a live key",
        "backend",
    ),
    "weak": Fault(key("SMTP_PASSWORD", "found"), "SMTP_PASSWORD", "easy to guess", "backend"),
    "terraform-overwrote": Fault(overwritten, "SECRET_KEY", "Terraform/"),
}

SHOWN: Shown = {
    "key-unreferenced": lambda s: (
        bool(s.key("NEWS_API_KEY")) and "NEWS_API_KEY" not in s.references("backend") and s.whole()
    ),
    "key-missing": lambda s: (
        set(staging.KEYS) - set(json.loads(s.text())) == {"OPENAI_API_KEY"} and s.refused("json key OPENAI_API_KEY")
    ),
    "key-case": lambda s: bool(s.key("openai_api_key")) and s.refused("json key OPENAI_API_KEY"),
    "key-misspelt": lambda s: bool(s.key("OPENAI_API_KYE")) and s.refused("json key OPENAI_API_KEY"),
    "not-json": lambda s: s.text().startswith("SECRET_KEY=") and s.refused("looking for beginning of value"),
    "single-quoted": lambda s: s.text().startswith("{'") and s.refused("invalid character '\\''"),
    "bom": lambda s: s.text().startswith("\ufeff{") and s.refused("looking for beginning of value"),
    "truncated": lambda s: not s.text().endswith("}") and s.refused("unexpected end of JSON input"),
    "null": lambda s: s.key("OPENAI_API_KEY") is None and s.whole(),
    "nested": lambda s: isinstance(s.key("OPENAI_API_KEY"), dict) and s.whole(),
    "not-an-object": lambda s: s.text().startswith("[") and s.refused("cannot unmarshal"),
    "duplicate-key": lambda s: s.text().count('"OPENAI_API_KEY"') == 2 and s.whole(),
    "number-format": lambda s: s.key("OPENAI_API_KEY") == 12345678 and s.whole(),
    "weak": lambda s: s.key("SMTP_PASSWORD") == "found" and s.whole(),
    "wrong-form": lambda s: "@" not in s.key("FIRST_SUPERUSER"),
    "values-exchanged": lambda s: "@" in s.key("FIRST_SUPERUSER_PASSWORD"),
    "address-differs": lambda s: (
        s.key("POSTGRES_PASSWORD") not in s.key("DATABASE_URL")
        and "DATABASE_URL" in s.references("worker")
        and s.whole()
    ),
    "wrong-host": lambda s: "production" in s.key("REDIS_URL") and "REDIS_URL" in s.references("worker") and s.whole(),
    "value-expired": lambda s: (
        s.key("PUSH_TOKEN").startswith("eyJ") and "PUSH_TOKEN" in s.references("worker") and s.whole()
    ),
    "test-mode": lambda s: (
        s.key("STRIPE_SECRET_KEY").startswith("sk_live_")
        and "STRIPE_SECRET_KEY" in s.references("worker")
        and s.whole()
    ),
    "bad-copy": lambda s: s.key("OPENAI_API_KEY").startswith('"') and s.whole(),
    "white-space": lambda s: s.key("OPENAI_API_KEY").endswith("\n") and s.whole(),
    "binary": lambda s: "SecretString" not in s.value() and s.refused("unexpected end of JSON input"),
    "empty": lambda s: s.key("SECRET_KEY") == "" and s.whole(),
    "changethis": lambda s: (
        s.key("SECRET_KEY") == "changethis"
        and all(task["stopCode"] == "EssentialContainerExited" for task in s.stopped("worker"))
        and bool(s.stopped("worker"))
    ),
    "placeholder": lambda s: s.key("SECRET_KEY").endswith("-please-update") and s.whole(),
    "url-chars": lambda s: s.key("POSTGRES_PASSWORD").endswith("/@:#"),
    "terraform-overwrote": lambda s: (
        json.loads(s.text()) == FRESH_DOCUMENT and "Terraform" in user_agent_of_last_put(s) and s.whole()
    ),
}
