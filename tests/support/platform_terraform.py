"""The Terraform of a checkout of the platform, with references of the guide's kind or such as the wild has."""

from __future__ import annotations

import re

from omc_runbook.sandbox.worlds import example
from omc_runbook.sandbox.worlds.staging import KEYS

GUIDE = {name: name for name in KEYS}
"""The key of each variable that the guide knows: the variable's own name."""

WILD = GUIDE | {
    "SMTP_USER": "SMTP_USERNAME",
    "SENTRY_DSN": "BACKEND_SENTRY_DSN",
    "REDIS_PASSWORD": "redis-auth-token",
    "CRYPTOPANIC_API_KEY": "omc-CryptoPanic-testkey",
}
"""Eleven variables, of which some have a key of another name."""

ROOT = "infrastructure/terraform/"
REFERENCE = """\
        {
          name      = "@VARIABLE@"
          valueFrom = "${var.secrets_arn}:@KEY@::"
        }"""


def terraform_files(references: dict[str, str]) -> dict[str, str]:
    """The files below `infrastructure/terraform`; `references` has the secret's key of each backend variable."""
    files = {
        name.removeprefix(ROOT): content.decode() for name, content in example.files().items() if name.startswith(ROOT)
    }
    listed = (REFERENCE.replace("@VARIABLE@", name).replace("@KEY@", key) for name, key in references.items())
    width = max(len(key) for key in references.values()) + len('""')
    placeholders = (_placeholder(key, width) for key in references.values())
    ecs, secrets = "modules/ecs/main.tf", "modules/secrets/main.tf"
    files[ecs] = _between(files[ecs], "      secrets = [\n", "\n      ]\n", ",\n".join(listed))
    files[secrets] = _between(files[secrets], "secret_string = jsonencode({\n", "\n  })\n", "\n".join(placeholders))
    return files


def _between(text: str, start: str, end: str, new: str) -> str:
    """A text with another one where it has the first one between its only start and the next end."""
    pattern = f"(?<={re.escape(start)}).*?(?={re.escape(end)})"
    assert text.count(start) == 1
    return re.sub(pattern, lambda _: new, text, count=1, flags=re.DOTALL)


def _placeholder(key: str, width: int) -> str:
    quoted, named = f'"{key}"', key.lower().replace("_", "-")
    return f'    {quoted:{width}} = "temporary-{named}-please-update"'
