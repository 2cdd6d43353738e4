"""What the example application says of its settings."""

import subprocess
import sys

import pytest

from omc_runbook.sandbox.ecs import application
from omc_runbook.sandbox.ecs.application import Settings

WHOLE = {
    "ENVIRONMENT": "staging",
    "POSTGRES_PASSWORD": "a-password",
    "FIRST_SUPERUSER": "admin@example.com",
    "FIRST_SUPERUSER_PASSWORD": "another-password",
    "OPENAI_API_KEY": "a-key",
    "SECRET_KEY": "a-secret-key",
}


@pytest.mark.parametrize(
    ("changed", "start"),
    [
        ({}, ""),
        ({"OPENAI_API_KEY": ""}, "1 validation error(s) for Settings: Settings: Value error, OPENAI_API_KEY: field"),
        ({"SECRET_KEY": "changethis"}, "1 validation error(s) for Settings: Settings: Value error, SECRET_KEY still"),
        ({"FIRST_SUPERUSER": "admin"}, "1 validation error(s) for Settings: FIRST_SUPERUSER: Value error, value is"),
        ({"SENTRY_DSN": "https://0@o1.ingest.example.com/9"}, ""),
        ({"SENTRY_DSN": "https://0@256.256.256.256/4"}, "1 validation error(s) for Settings: SENTRY_DSN: Input should"),
        ({"SMTP_PORT": "many", "OPENAI_API_KEY": ""}, "1 validation error(s) for Settings: SMTP_PORT: Input should"),
    ],
    ids=["right", "missing", "default", "form", "labels with digits", "no address", "form and missing"],
)
def test_errors_are_described_as_pydantic_puts_them(changed: dict[str, str], start: str) -> None:
    """Also where pydantic is not asked, since all values have plainly the form that they should have."""
    settings = Settings(WHOLE | changed)
    assert settings.describe_errors() == settings.validate()
    assert settings.validate().startswith(start) and bool(settings.validate()) == bool(start)


def test_a_task_that_fails_imports_no_more_than_what_judges_its_values() -> None:
    """All of pydantic takes twice as long, and each task that fails would spend it."""
    code = (
        "import runpy, sys\n"
        f"settings = runpy.run_path({application.__file__!r})['Settings']({WHOLE | {'SMTP_PORT': 'many'}!r})\n"
        "print(settings.describe_errors().count('SMTP_PORT'), 'pydantic' in sys.modules)"
    )
    command = [sys.executable, *application.OPTIONS, "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, cwd="/", check=True)
    assert ended.stdout.split() == ["1", "False"], ended.stderr
