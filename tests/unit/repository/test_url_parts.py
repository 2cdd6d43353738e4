"""Variables that files put into the login of a URL as they are."""

from pathlib import Path

import pytest
from support.files import write_files

from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.compose import read_compose
from omc_runbook.repository.settings import read_settings
from omc_runbook.repository.settings_source import CONFIG
from omc_runbook.repository.template import find_template, parse_template
from omc_runbook.repository.url_parts import find_raw_parts

SETTINGS = """\
from pydantic import Field
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    DB_USER: str = "app"
    password: str = Field("", alias="DB_PASSWORD")
    HOST: str = "db"
"""


def raw(folder: Path, **files: str) -> dict[str, str]:
    """What is found in a checkout with these files."""
    names = {"code": "backend/app/db.py", "compose": "docker-compose.yml", "template": ".env.example"}
    write_files(folder, {CONFIG: SETTINGS, **{names[each]: text for each, text in files.items()}})
    template = find_template(folder)
    parsed = parse_template(template) if template else None
    return find_raw_parts(CheckoutFiles(folder), read_settings(folder), parsed, read_compose(folder))


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ('f"redis://:{settings.password}@{settings.HOST}/0"', {"DB_PASSWORD"}),
        ('f"pg://{settings.DB_USER}:{settings.password.get_secret_value()}@db"', {"DB_USER", "DB_PASSWORD"}),
        ("f\"pg://x:{os.environ['DB_PASSWORD']}@db\"", {"DB_PASSWORD"}),
        ("f\"pg://x:{os.getenv('DB_PASSWORD', 1)}@db\"", {"DB_PASSWORD"}),
        ('f"pg://x:{quote(settings.password)}@db"', set()),
        ('f"pg://x:{urllib.parse.quote_plus(settings.password)}@db"', set()),
        ('f"https://{settings.HOST}/{settings.password}"', set()),
        ('f"mailto {settings.password}@db"', set()),
        ('f"pg://x:{other}@db', set()),
    ],
)
def test_f_strings(tmp_path: Path, code: str, names: set[str]) -> None:
    """No raw part: a value that a call may escape, one elsewhere in the URL, and what an invalid file has."""
    found = raw(tmp_path, code=f"import os\nURL = {code}\n")
    assert set(found) == names
    assert set(found.values()) <= {"backend/app/db.py, line 2"}


def test_a_byte_order_mark_hides_nothing(tmp_path: Path) -> None:
    """Editors of Windows write one, and Python reads the file."""
    assert set(raw(tmp_path, code='\ufeffURL = f"redis://:{settings.password}@db/0"\n')) == {"DB_PASSWORD"}


@pytest.mark.parametrize("length", [1500, 20_000])
def test_a_file_with_an_endless_expression_stops_nothing(tmp_path: Path, length: int) -> None:
    """As a generator of code may write one: Python parses the shorter one."""
    field = f"settings.password{'.get_secret_value()' * length}"
    assert set(raw(tmp_path, code=f'URL = f"redis://:{{{field}}}@db/0"\n')) <= {"DB_PASSWORD"}


def test_compose_and_template(tmp_path: Path) -> None:
    """What a ${…} is replaced with is not escaped; a comment is nobody's."""
    compose = (
        "services:\n  backend:\n    environment:\n"
        "      - DATABASE_URL=postgresql://${DB_USER:-app}:${DB_PASSWORD?}@db:5432/${DB_NAME}\n"
        "      # - X=redis://:${REDIS_PASSWORD}@redis\n"
    )
    template = "BROKER=amqp://mq:$MQ_PASSWORD@mq:5672\nSITE=https://$HOST/\n"
    assert raw(tmp_path, compose=compose, template=template) == {
        "DB_USER": "docker-compose.yml, line 4",
        "DB_PASSWORD": "docker-compose.yml, line 4",
        "MQ_PASSWORD": ".env.example, line 1",
    }
