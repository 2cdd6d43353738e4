"""Names in a diff are shown, also with digits between their letters; what may be a value is not."""

import pytest

from omc_runbook.textfile.redaction import redact

SHOWN = {
    "OAUTH2_CLIENT_SECRET=<your-oauth2-client-secret>": False,
    "S3_SECRET_ACCESS_KEY=changethis": False,
    "#S3_SECRET_ACCESS_KEY=<your-s3-secret-access-key>": False,
    "    OAUTH2_CLIENT_SECRET: str | None = None": True,
    "    oauth2_client_secret: str | None = None": True,
    '  "secrets": [{"name": "A", "valueFrom": "${var.secrets_arn}:A::"}],': True,
    '  valueFrom = "${var.secrets_arn}:OAUTH2_CLIENT_SECRET::"': True,
    "  secret_arn = aws_secretsmanager_secret.app_v2_secrets.arn": True,
}
HIDDEN = {
    "OAUTH2_CLIENT_SECRET=a1b2c3d4e5f6a7b8c9d0": "OAUTH2_CLIENT_SECRET=…",
    "# OAUTH2_CLIENT_SECRET=a1b2c3d4e5f6a7b8c9d0 of old": "# OAUTH2_CLIENT_SECRET=…",
    "# 550e8400-e29b-41d4-a716-446655440000": "# …",
    "# word1-word2-word3-word4-word5": "# …",
    "# q7x-9k2-m4p-8z1-w3n": "# …",
    "# deadbeefdeadbeefdeadbee1f": "# …",
}


@pytest.mark.parametrize("line", SHOWN)
def test_a_name_with_digits_is_shown(line: str) -> None:
    """In capitals, in lower case, and in a placeholder made of it."""
    assert redact(line, SHOWN[line]) == line


@pytest.mark.parametrize("line", HIDDEN)
def test_what_may_be_a_value_is_hidden(line: str) -> None:
    """A name in front of it stays."""
    assert redact(line, False) == HIDDEN[line]
