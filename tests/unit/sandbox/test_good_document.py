"""Which values of a sandbox's secret `mend` goes back to."""

import json
import secrets

import pytest

from omc_runbook.sandbox.worlds.build import healthy_document, is_good


def test_the_healthy_values_are_good() -> None:
    """Each of them passes every judge of values."""
    assert is_good(json.dumps(healthy_document()))


@pytest.mark.parametrize(
    "changes",
    [
        {"SECRET_KEY": "ohmycoins-staging-secret-key-2026"},
        {"SECRET_KEY": "changethis"},
        {"OPENAI_API_KEY": "sk-replace-me"},
        {"OPENAI_API_KEY": f'"sk-{secrets.token_hex(24)}"'},
        {"SMTP_PASSWORD": "dragon"},
        {"SMTP_PASSWORD": f"{secrets.token_hex(8)} "},
        {"SMTP_HOST": ""},
        {"FIRST_SUPERUSER": "admin"},
        {"POSTGRES_PASSWORD": f"{secrets.token_hex(8)}/@"},
        {"SENTRY_DSN": None},
        dict.fromkeys(("POSTGRES_PASSWORD", "SMTP_PASSWORD"), secrets.token_hex(16)),
        {"NEW_KEY": secrets.token_hex(16)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_value_with_a_defect_is_not(changes: dict[str, str | None]) -> None:
    """`mend` would bring the fault back."""
    assert not is_good(json.dumps({**healthy_document(), **changes}))
