"""What validators of Settings require where another variable chooses it, read from the source."""

import textwrap
from pathlib import Path

import pytest

from omc_runbook.repository.settings import parse_settings
from omc_runbook.repository.settings_source import CONFIG
from omc_runbook.textfile.file import SourceFile

FIELDS = """
    from enum import Enum
    from typing import Literal

    from pydantic import Field, model_validator
    from pydantic_settings import BaseSettings

    class Provider(str, Enum):
        OPENAI = "openai"
        GOOGLE = "google"

    class Settings(BaseSettings):
        LLM_PROVIDER: str = "openai"
        OPENAI_API_KEY: str | None = None
        GOOGLE_API_KEY: str | None = Field(default=None, alias="GEMINI_KEY")
        AZURE_KEY: str | None = None
        DEBUG: bool = False

        @model_validator(mode="after")
        def keys(self):
"""

READ = {
    "one test": """
        if self.LLM_PROVIDER == "google" and not self.GOOGLE_API_KEY:
            raise ValueError
    """,
    "nested": """
        if self.LLM_PROVIDER.lower() == "google":
            if self.GOOGLE_API_KEY is None:
                raise ValueError
    """,
    "elif": """
        if self.DEBUG:
            pass
        elif "google" == self.LLM_PROVIDER:
            if not self.GOOGLE_API_KEY:
                raise ValueError
    """,
    "a local variable": """
        provider = self.LLM_PROVIDER.strip().lower()
        if provider in ("google",) and self.GOOGLE_API_KEY == "":
            raise ValueError
    """,
    "an enumeration": """
        if self.LLM_PROVIDER is Provider.GOOGLE and not self.GOOGLE_API_KEY:
            raise ValueError
    """,
    "match": """
        match self.LLM_PROVIDER:
            case "google":
                if not self.GOOGLE_API_KEY:
                    raise ValueError
            case _:
                if not self.AZURE_KEY:
                    raise ValueError
    """,
    "match with a guard": """
        match self.LLM_PROVIDER:
            case "google" if not self.GOOGLE_API_KEY:
                raise ValueError
    """,
    "a dict": """
        required = {"google": self.GOOGLE_API_KEY}
        if not required[self.LLM_PROVIDER]:
            raise ValueError
    """,
    "an assertion": """
        if self.LLM_PROVIDER == "google":
            assert self.GOOGLE_API_KEY, "missing"
    """,
    "an assertion that it is not None": """
        if self.LLM_PROVIDER == "google":
            assert self.GOOGLE_API_KEY is not None
    """,
    "a dict of names": """
        required = {"google": "GOOGLE_API_KEY"}
        name = required.get(self.LLM_PROVIDER)
        if not getattr(self, name):
            raise ValueError
    """,
}


def conditions(body: str) -> set[tuple[str, str, frozenset[str]]]:
    text = textwrap.dedent(FIELDS) + textwrap.indent(textwrap.dedent(body), "        ")
    settings = parse_settings(SourceFile(Path(CONFIG), CONFIG, text.encode()))
    return {(each.required, each.chooser, each.options) for each in settings.conditions}


@pytest.mark.parametrize("name", READ)
def test_a_requirement_is_read_in_whatever_way_it_is_written(name: str) -> None:
    """By the variable that the field has, not by its name."""
    assert conditions(READ[name]) == {("GEMINI_KEY", "LLM_PROVIDER", frozenset({"google"}))}


def test_several_options_and_several_variables() -> None:
    """Each of both is required with each of both."""
    body = """
        if self.LLM_PROVIDER in {"google", "openai"} and (not self.OPENAI_API_KEY or not self.AZURE_KEY):
            raise ValueError
    """
    options = frozenset({"google", "openai"})
    assert conditions(body) == {(name, "LLM_PROVIDER", options) for name in ("OPENAI_API_KEY", "AZURE_KEY")}


@pytest.mark.parametrize(
    "body",
    [
        "if self.DEBUG and not self.AZURE_KEY:\n    raise ValueError",
        "if self.DEBUG:\n    if self.AZURE_KEY is None:\n        raise ValueError",
        "on = self.DEBUG\nif on and not self.AZURE_KEY:\n    raise ValueError",
    ],
)
def test_what_is_required_where_another_is_true(body: str) -> None:
    """In each of the ways in which pydantic takes a text for True."""
    assert conditions(body) == {("AZURE_KEY", "DEBUG", frozenset({"true", "1", "yes", "on", "t", "y"}))}


@pytest.mark.parametrize(
    "body",
    [
        "if not self.DEBUG and not self.AZURE_KEY:\n    raise ValueError",
        "if self.OPENAI_API_KEY and not self.AZURE_KEY:\n    raise ValueError",
        'if self.LLM_PROVIDER == "google" and not self.OPENAI_API_KEY and not self.AZURE_KEY:\n    raise ValueError',
        'if self.LLM_PROVIDER != "google" and not self.OPENAI_API_KEY:\n    raise ValueError',
        'if self.LLM_PROVIDER == "google" and not self.OPENAI_API_KEY:\n    self.AZURE_KEY = "x"',
        'if self.DEBUG and self.LLM_PROVIDER == "google":\n    if not self.OPENAI_API_KEY:\n        raise ValueError',
        "if not self.OPENAI_API_KEY:\n    raise ValueError",
        'if self.LLM_PROVIDER == "google":\n    raise ValueError',
        "match self.LLM_PROVIDER:\n    case _:\n        if not self.AZURE_KEY:\n            raise ValueError",
        'if self.LLM_PROVIDER == "google":\n    assert self.OPENAI_API_KEY or self.AZURE_KEY',
        "assert self.OPENAI_API_KEY",
        "if not TABLE[self.LLM_PROVIDER]:\n    raise ValueError",
        'of = {"google": self.GOOGLE_API_KEY}\nassert of[self.LLM_PROVIDER] != "changethis"',
        'of = {"google": self.GOOGLE_API_KEY}\nif of[self.LLM_PROVIDER]:\n    raise ValueError',
    ],
)
def test_what_is_no_requirement_of_one_variable_yields_nothing(body: str) -> None:
    """One of several is enough, every other value, a default, further conditions, no chooser."""
    assert conditions(body) == set()


@pytest.mark.parametrize(
    "body",
    [
        'name = name.strip().lower()\nif name == "x":\n    raise ValueError',
        'one = other.lower()\nother = one.strip()\nif one == "x" and not self.AZURE_KEY:\n    raise ValueError',
    ],
)
def test_a_local_variable_that_is_made_of_itself_yields_nothing(body: str) -> None:
    """As a validator has that tidies its value before it looks at it."""
    assert conditions(body) == set()
