"""Faults of the secret's content; each redeploys the services that use the secret."""

from __future__ import annotations

import base64
import codecs
import json
import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from omc_runbook.sandbox.ecs.application import hash_password
from omc_runbook.sandbox.faults.change import add_reference, add_variables, document, put, redeploy, revise
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.build import FRESH_DOCUMENT
from omc_runbook.sandbox.worlds.database import with_login
from omc_runbook.sandbox.worlds.staging import SECRET, World

Document = dict[str, Any]
API_KEY = "OPENAI_API_KEY"
EXPIRED = 1_760_000_000
"""A second of October 2025."""
BYTE_ORDER_MARK = codecs.BOM_UTF8.decode()
_fault = partial(Fault, "content")
TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 terraform-provider-aws/5.80.0"


def _document(fault_id: str, breaks: str, edit: Callable[[Document], Document | str | bytes]) -> Fault:
    def apply(world: World) -> None:
        put(world, edit(document(world)))
        redeploy(world)

    return _fault(fault_id, breaks, apply)


def _value(fault_id: str, breaks: str, key: str, edit: Callable[[str], Any]) -> Fault:
    return _document(fault_id, breaks, lambda content: {**content, key: edit(content[key])})


def _remove_key(content: Document) -> Document:
    return {key: value for key, value in content.items() if key != API_KEY}


def _rename_key(content: Document, name: str) -> Document:
    """The document with OPENAI_API_KEY under another name in the same place."""
    return {name if key == API_KEY else key: value for key, value in content.items()}


def _as_lines(content: Document) -> str:
    return "\n".join(f"{key}={value}" for key, value in content.items())


def _repeat_key(content: Document) -> str:
    return json.dumps(content)[:-1] + f', "{API_KEY}": {json.dumps(content[API_KEY])}}}'


def _exchange(content: Document) -> Document:
    login, password = "FIRST_SUPERUSER", "FIRST_SUPERUSER_PASSWORD"
    return {**content, login: content[password], password: content[login]}


def _inject(world: World, name: str, value: str) -> None:
    put(world, {**document(world), name: value})
    arn = world.secretsmanager.describe_secret(SecretId=SECRET)["ARN"]
    revise(world, "worker", add_reference(name, f"{arn}:{name}::"))
    redeploy(world)


def _token(expires: int) -> str:
    """A JWT, as an issuer makes it; `expires` in seconds since 1970."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": "push", "exp": expires})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join((*encoded, secrets.token_urlsafe(32)))


def _apply_terraform(world: World) -> None:
    text = json.dumps(with_login(FRESH_DOCUMENT, world.database))
    terraform = World(world.endpoint, user_agent=TERRAFORM)
    terraform.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)
    redeploy(world)


def _change_secret_alone(world: World) -> None:
    content = document(world)
    if world.database is None:
        accepted = hash_password(content["POSTGRES_PASSWORD"], secrets.token_hex(16))
        revise(world, "worker", add_variables(OMC_APP_DATABASE_ACCEPTS=accepted))
        world.settle()
    put(world, {**content, "POSTGRES_PASSWORD": secrets.token_hex(24)})
    redeploy(world)


FAULTS = (
    _document("key-missing", f"{API_KEY} is not in the secret.", _remove_key),
    _document("key-case", "The secret's key is openai_api_key.", lambda d: _rename_key(d, "openai_api_key")),
    _document("key-misspelt", "The secret's key is OPENAI_API_KYE.", lambda d: _rename_key(d, "OPENAI_API_KYE")),
    _document("not-json", "The secret is a list of NAME=value lines.", _as_lines),
    _document("single-quoted", "The secret's JSON has Python's single quotes.", str),
    _document("bom", "The secret's JSON begins with a byte order mark.", lambda d: BYTE_ORDER_MARK + json.dumps(d)),
    _document("truncated", "The secret's JSON is truncated.", lambda d: json.dumps(d)[:-20]),
    _value("null", f"{API_KEY} is null.", API_KEY, lambda value: None),
    _value("nested", f"{API_KEY} is an object.", API_KEY, lambda value: {"value": value}),
    _document("not-an-object", "The secret is a JSON list.", lambda d: json.dumps([d])),
    _document("duplicate-key", f"{API_KEY} occurs twice in the secret's JSON.", _repeat_key),
    _value("number-format", f"{API_KEY} is a large JSON number.", API_KEY, lambda value: 12345678),
    _value("white-space", f"{API_KEY} ends with a newline.", API_KEY, lambda value: f"{value}\n"),
    _value("weak", "SMTP_PASSWORD is a dictionary word.", "SMTP_PASSWORD", lambda value: "found"),
    _value(
        "wrong-form",
        "FIRST_SUPERUSER is not an e-mail address.",
        "FIRST_SUPERUSER",
        lambda value: value.replace("@", "."),
    ),
    _fault(
        "value-refused",
        "The worker gets a POSTGRES_PORT from the secret that is not a number.",
        lambda world: _inject(world, "POSTGRES_PORT", "5432/tcp"),
    ),
    _value("bad-copy", f"{API_KEY} has quotes around it.", API_KEY, lambda value: f'"{value}"'),
    _document("values-exchanged", "The values of FIRST_SUPERUSER and its password are swapped.", _exchange),
    _fault(
        "address-differs",
        "The password in the worker's DATABASE_URL differs from POSTGRES_PASSWORD.",
        lambda world: _inject(
            world, "DATABASE_URL", f"postgresql://app:{secrets.token_hex(24)}@database.internal:5432/app"
        ),
    ),
    _fault(
        "wrong-host",
        "The worker's REDIS_URL leads to production.",
        lambda world: _inject(world, "REDIS_URL", "rediss://ohmycoins-production.x7k2.apse2.cache.amazonaws.com:6379"),
    ),
    _fault(
        "value-expired",
        "The worker's PUSH_TOKEN is a token that has expired.",
        lambda world: _inject(world, "PUSH_TOKEN", _token(EXPIRED)),
    ),
    _fault(
        "test-mode",
        "The worker's STRIPE_SECRET_KEY is a live one, in staging.",
        lambda world: _inject(world, "STRIPE_SECRET_KEY", f"sk_live_{secrets.token_hex(16)}"),
    ),
    _document("binary", "The value was stored as SecretBinary.", lambda d: json.dumps(d).encode()),
    _value("empty", "SECRET_KEY is an empty string.", "SECRET_KEY", lambda value: ""),
    _value("changethis", "SECRET_KEY is the template's default, changethis.", "SECRET_KEY", lambda value: "changethis"),
    _value(
        "placeholder",
        "SECRET_KEY is Terraform's placeholder.",
        "SECRET_KEY",
        lambda value: "temporary-secret-key-please-update",
    ),
    _value("url-chars", "POSTGRES_PASSWORD contains / @ : and #.", "POSTGRES_PASSWORD", lambda value: f"{value}/@:#"),
    _fault("terraform-overwrote", "A terraform apply overwrote the real values with placeholders.", _apply_terraform),
    _fault(
        "store-only",
        "POSTGRES_PASSWORD was changed only in the secret: the database still has the former one.",
        _change_secret_alone,
    ),
)
