"""Faults of the secret's content; every service that uses it has been redeployed since."""

from __future__ import annotations

import codecs
import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from omc_runbook.sandbox.ecs.application import salted
from omc_runbook.sandbox.faults.change import document, put, redeploy, revise
from omc_runbook.sandbox.faults.fault import Fault
from omc_runbook.sandbox.worlds.build import FRESH_DOCUMENT
from omc_runbook.sandbox.worlds.database import with_login
from omc_runbook.sandbox.worlds.staging import SECRET, World

if TYPE_CHECKING:
    from mypy_boto3_ecs.type_defs import ContainerDefinitionOutputTypeDef

Document = dict[str, Any]
TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.9.8 terraform-provider-aws/5.80.0"


def faults() -> tuple[Fault, ...]:
    """The faults of this family."""
    return (
        _fault("key-missing", "OPENAI_API_KEY is not in the secret.", lambda d: _renamed(d, "")),
        _fault("key-case", "The secret's key is openai_api_key.", lambda d: _renamed(d, "openai_api_key")),
        _fault("key-misspelt", "The secret's key is OPENAI_API_KYE.", lambda d: _renamed(d, "OPENAI_API_KYE")),
        _fault("not-json", "The secret is a list of NAME=value lines.", _lines),
        _fault("single-quoted", "The secret's JSON has Python's single quotes.", lambda d: str(d)),
        _fault("bom", "The secret's JSON begins with a byte order mark.", lambda d: _bom() + json.dumps(d)),
        _fault("truncated", "The secret's JSON is truncated.", lambda d: json.dumps(d)[:-20]),
        _fault("null", "OPENAI_API_KEY is null.", lambda d: {**d, "OPENAI_API_KEY": None}),
        _fault("nested", "OPENAI_API_KEY is an object.", _nested),
        _fault("not-an-object", "The secret is a JSON list.", lambda d: json.dumps([d])),
        _fault("duplicate-key", "OPENAI_API_KEY occurs twice in the secret's JSON.", _doubled),
        _fault("number-format", "OPENAI_API_KEY is a large JSON number.", lambda d: {**d, "OPENAI_API_KEY": 12345678}),
        _fault("white-space", "OPENAI_API_KEY ends with a newline.", _with_line_end),
        _fault("weak", "SMTP_PASSWORD is a dictionary word.", lambda d: {**d, "SMTP_PASSWORD": "found"}),
        _fault("binary", "The value was stored as SecretBinary.", lambda d: json.dumps(d).encode()),
        _fault("empty", "SECRET_KEY is an empty string.", lambda d: {**d, "SECRET_KEY": ""}),
        _fault("changethis", "SECRET_KEY is the template's default, changethis.", _template_default),
        _fault("placeholder", "SECRET_KEY is Terraform's placeholder.", _placeholder),
        _fault("url-chars", "POSTGRES_PASSWORD contains / @ : and #.", _awkward),
        Fault(
            "terraform-overwrote",
            "content",
            "A terraform apply overwrote the real values with placeholders.",
            _apply_terraform,
        ),
        Fault(
            "store-only",
            "content",
            "POSTGRES_PASSWORD was changed only in the secret: the database still has the former one.",
            _change_secret_alone,
        ),
    )


def _fault(fault: str, breaks: str, edit: Callable[[Document], Document | str | bytes]) -> Fault:
    def apply(world: World) -> None:
        put(world, edit(document(world)))
        redeploy(world)

    return Fault(fault, "content", breaks, apply)


def _renamed(found: Document, name: str) -> Document:
    """The document with OPENAI_API_KEY under another name in the same place, or without it."""
    renamed = {name if key == "OPENAI_API_KEY" else key: value for key, value in found.items()}
    renamed.pop("", None)
    return renamed


def _lines(found: Document) -> str:
    return "\n".join(f"{key}={value}" for key, value in found.items())


def _bom() -> str:
    return codecs.BOM_UTF8.decode()


def _nested(found: Document) -> Document:
    return {**found, "OPENAI_API_KEY": {"value": found["OPENAI_API_KEY"]}}


def _doubled(found: Document) -> str:
    return json.dumps(found)[:-1] + f', "OPENAI_API_KEY": {json.dumps(found["OPENAI_API_KEY"])}}}'


def _with_line_end(found: Document) -> Document:
    return {**found, "OPENAI_API_KEY": f"{found['OPENAI_API_KEY']}\n"}


def _template_default(found: Document) -> Document:
    return {**found, "SECRET_KEY": "changethis"}


def _placeholder(found: Document) -> Document:
    return {**found, "SECRET_KEY": "temporary-secret-key-please-update"}


def _awkward(found: Document) -> Document:
    return {**found, "POSTGRES_PASSWORD": f"{found['POSTGRES_PASSWORD']}/@:#"}


def _apply_terraform(world: World) -> None:
    text = json.dumps(with_login(FRESH_DOCUMENT, world.database))
    terraform = World(world.endpoint, user_agent=TERRAFORM)
    terraform.secretsmanager.put_secret_value(SecretId=SECRET, SecretString=text)
    redeploy(world)


def _change_secret_alone(world: World) -> None:
    found = document(world)
    if world.database is None:
        accepted = salted(found["POSTGRES_PASSWORD"], secrets.token_hex(16))

        def edit(container: ContainerDefinitionOutputTypeDef) -> None:
            container["environment"].append({"name": "OMC_APP_DATABASE_ACCEPTS", "value": accepted})

        revise(world, "worker", edit)
        world.settle()
    put(world, {**found, "POSTGRES_PASSWORD": secrets.token_hex(24)})
    redeploy(world)
