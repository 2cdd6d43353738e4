"""The catalogue of the secret's keys: what each is, where to get it and when a change takes effect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from omc_runbook.model.whole_number import WholeNumber

Effect = Literal["next-deployment", "signs-everybody-out", "database-too", "first-start-only", "encrypts-data"]
Form = Literal["text", "email", "host", "url", "dsn", "number"]

LONGEST_NAME = 64
KEY_NAME = re.compile(rf"[A-Z][A-Z0-9_]{{0,{LONGEST_NAME - 1}}}")
"""What a new key may be called: a variable's name, in capitals."""

URL_BREAKERS = re.compile(r"[/@:#?%\[\]\\\s]")
"""Characters that break a URL of which a value becomes a part."""
URL_BREAKERS_IN_WORDS = "one of / @ : # ? % [ ] \\ or white space"

EDGE_SPACE = re.compile(r"^\s|\s$")
"""White space at either end of a value."""

SEVERAL_LINES = re.compile(r"\S[^\S\n]*\n\s*\S")
"""A value of several lines, such as a certificate, which may end with a newline."""

FORMS: dict[Form, re.Pattern[str]] = {
    "email": re.compile(r"\A[^@\s]+@[^@\s]+\.[^@\s]+\Z"),
    "url": re.compile(r"\A(?:jdbc:)?[A-Za-z][\w+.-]*://\S+\Z"),
    "number": re.compile(r"\A[+-]?\d+(\.\d+)?\Z"),
}
"""Formats that the application validates when it starts."""


SMTP = "smtp"
CHECK = rf"^(|{SMTP}|https://[^@\s]+|http://(127\.0\.0\.1|localhost)[:/][^@\s]*)$"
"""What `check` may be: "smtp", an https:// URL, or an http:// URL of this machine."""


ENCRYPTION_NAME = re.compile(r"(?i)(?:^|_)(?:fernet|encrypt|encryption|kek|dek|data_key)(?:_|$)")
"""Names of keys that encrypt data, unless `effect` says something else."""


class Key(BaseModel):
    """One key of the secret; `[keys.NAME]` in runbook.toml sets any of these fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    description: str = ""
    required: bool = False
    variable: str = ""
    """The variable that the application reads; the key's own name when empty."""
    generate: Literal["", "hex-32", "base64-32"] = ""
    obtain_from: str = ""
    form: Form = "text"
    prefix: str = ""
    effect: Effect = "next-deployment"
    in_url: bool = False
    """Whether the application puts the value into a URL, which / @ : # and the like break."""
    weak_below: WholeNumber = Field(default=0, ge=0)
    """The length in characters below which the value is weak; 0 for no limit."""
    login: str = ""
    """The key with the login name, where this one is a password."""
    required_if: str = Field(default="", pattern=r"^(|[A-Za-z_]\w*=[^\s=]+)$")
    """Another variable and its values for which this key is required, and otherwise not, as in
    LLM_PROVIDER=google|gemini; where that variable is unknown `required` decides."""
    check: str = Field(default="", pattern=CHECK)
    """Where a new value is tried before it is written: "smtp", or a URL that accepts it as a bearer token."""


class _Tables(BaseModel):
    """The `[keys.NAME]` tables, so that a validation error names the table."""

    keys: dict[str, Key]


def default_keys() -> dict[str, Key]:
    """The guide's nine keys by name."""
    return {
        "SECRET_KEY": Key(
            description="Signs the access tokens (JWT)",
            required=True,
            generate="hex-32",
            effect="signs-everybody-out",
            weak_below=32,
        ),
        "POSTGRES_PASSWORD": Key(
            description="Password of the application's database role",
            required=True,
            generate="base64-32",
            effect="database-too",
            in_url=True,
            weak_below=12,
            login="POSTGRES_USER",
        ),
        "OPENAI_API_KEY": Key(
            description="Key of the AI agent's provider",
            required=True,
            required_if="LLM_PROVIDER=openai",
            obtain_from="https://platform.openai.com/api-keys",
            prefix="sk-",
            weak_below=20,
        ),
        "FIRST_SUPERUSER": Key(description="E-mail of the first administrator", required=True, form="email"),
        "FIRST_SUPERUSER_PASSWORD": Key(
            description="Password of the first administrator",
            required=True,
            generate="base64-32",
            effect="first-start-only",
            weak_below=8,
        ),
        "SMTP_HOST": Key(description="Mail server; empty turns e-mails off", form="host"),
        "SMTP_USER": Key(description="Login at the mail server"),
        "SMTP_PASSWORD": Key(
            description="App password at the mail server",
            obtain_from="your mail provider's app passwords",
            login="SMTP_USER",
        ),
        "SENTRY_DSN": Key(
            description="Where errors are reported", obtain_from="https://sentry.io/settings/", form="dsn"
        ),
    }


def provider_keys() -> dict[str, Key]:
    """The keys of other providers by name, for a checkout that has such a variable."""
    providers = {
        "ANTHROPIC_API_KEY": ("anthropic|claude", "https://console.anthropic.com/settings/keys"),
        "AZURE_OPENAI_API_KEY": ("azure|azure_openai|azure-openai", "https://portal.azure.com/"),
        "GOOGLE_API_KEY": ("google|gemini|google_genai", "https://aistudio.google.com/apikey"),
        "GROQ_API_KEY": ("groq", "https://console.groq.com/keys"),
        "MISTRAL_API_KEY": ("mistral|mistralai", "https://console.mistral.ai/api-keys"),
    }
    return {
        name: Key(
            description="Key of the AI agent's provider", required_if=f"LLM_PROVIDER={options}", obtain_from=address
        )
        for name, (options, address) in providers.items()
    }


def catalogue(changes: Mapping[str, Mapping[str, object]]) -> dict[str, Key]:
    """The default catalogue with `[keys.NAME]` tables applied; raises pydantic.ValidationError for an invalid one."""
    defaults = default_keys()
    tables = {
        name: {**(defaults[name].model_dump() if name in defaults else {}), **table} for name, table in changes.items()
    }
    return {**defaults, **_Tables.model_validate({"keys": tables}).keys}


def effect_of(name: str, keys: Mapping[str, Key]) -> Effect:
    """When a change of a key takes effect; where nobody has said so, ENCRYPTION_KEY and its like encrypt data."""
    key = keys.get(name)
    if key and "effect" in key.model_fields_set:
        return key.effect
    return "encrypts-data" if ENCRYPTION_NAME.search(name) else "next-deployment"


def encrypts(keys: Mapping[str, Key], name: str) -> bool:
    """Whether data is encrypted with a key."""
    return effect_of(name, keys) == "encrypts-data"


def variable_of(name: str, keys: Mapping[str, Key]) -> str:
    """The variable that the application reads for a key."""
    return (keys[name].variable if name in keys else "") or name
