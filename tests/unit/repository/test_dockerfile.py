"""Whether an image has the .env of its build context, as its Dockerfile and .dockerignore say."""

from __future__ import annotations

from pathlib import Path

import pytest

from omc_runbook.repository.dockerfile import BuiltImage, read_image


def image(root: Path, dockerfile: str, ignored: str | None = None, target: str = "") -> BuiltImage:
    (root / "Dockerfile").write_text(dockerfile)
    if ignored is not None:
        (root / ".dockerignore").write_text(ignored)
    return read_image(root, ".", "", target)


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM python\nCOPY . .\n",
        "from python\nWORKDIR /app\n\ncopy --chown=app:app ./ /app\n",
        "FROM python\n# COPY\nADD \\\n  # all\n  . /app\n",
        'FROM python\nCOPY [".", "/app"]\n',
        "FROM python\nCOPY app pyproject.toml .env* /app/\n",
        "FROM python\nCOPY * /app/\n",
        "FROM python AS base\nCOPY / /app\nFROM base\nRUN rm /app/.env\n",
        "FROM python\nRUN python <<EOF\nfrom x import y\nEOF\nCOPY . .\n",
    ],
)
def test_a_copy_of_the_whole_context_has_it(tmp_path: Path, dockerfile: str) -> None:
    """A layer keeps what a later one removes."""
    assert image(tmp_path, dockerfile).has_dotenv


@pytest.mark.parametrize(
    ("dockerfile", "is_certain"),
    [
        ("FROM python\nCOPY app pyproject.toml /app/\n", True),
        ("FROM python\nCOPY ./app/ .\nCOPY *.toml .env.example .\n", True),
        ("FROM node AS build\nCOPY . .\nFROM nginx\nCOPY --from=build /app/dist /srv\n", False),
        ("FROM node AS build\nCOPY . .\nFROM nginx\nCOPY app /srv\n", True),
        ("FROM python\nCOPY --exclude=.env . .\n", False),
        ("FROM python\nARG WHAT\nCOPY $WHAT .\n", False),
        ("FROM python:3-onbuild\n", False),
        ("FROM python\nRUN --mount=type=bind,target=/src cp -r /src /app\n", False),
        ("FROM python\nRUN sh <<EOF\nCOPY . .\nEOF\nCOPY app app\n", True),
        ("FROM python\nCOPY [ .\n", True),
        ("", False),
    ],
)
def test_another_has_it_not_or_that_is_unknown(tmp_path: Path, dockerfile: str, is_certain: bool) -> None:
    """What another stage, a variable or an option brings in is not followed."""
    assert image(tmp_path, dockerfile) == BuiltImage(False if is_certain else None)


@pytest.mark.parametrize(
    ("text", "is_ignored"),
    [
        *((text, True) for text in (".env", "/.env", "./.env", ".env*", "*.env", ".*", "*", "**", "**/.env", ".en?")),
        *((text, True) for text in ("**\n!app", "# all\n\n.env  \r\n", "!.env\n.env", "**/*.env", ".[e]nv", "***env")),
        *((text, False) for text in ("**env", ".**v", "**[a-z]nv")),
        *((text, False) for text in ("", "app/.env", "#.env", ".env.*", "*.env\n!.env", "node_modules", ".[", "env")),
    ],
)
def test_dockerignore_keeps_it_out(tmp_path: Path, text: str, is_ignored: bool) -> None:
    """The last pattern that matches decides, as for Docker."""
    found = image(tmp_path, "FROM python\nCOPY . .\n", text)
    assert found.has_dotenv is not is_ignored


def test_the_stage_that_is_built_counts_and_a_file_of_the_dockerfiles_own(tmp_path: Path) -> None:
    """`target` chooses a stage; Dockerfile.dockerignore goes before .dockerignore."""
    text = "FROM python AS slim\nENV PORT=80 LOG_LEVEL=info\nENV NAME value\nCOPY app app\nFROM slim AS dev\nCOPY . .\n"
    assert image(tmp_path, text, target="slim").has_dotenv is False
    assert image(tmp_path, text).variables == {"PORT", "LOG_LEVEL", "NAME"}
    (tmp_path / "Dockerfile.dockerignore").write_text("docs\n")
    assert image(tmp_path, text, ".env\n").has_dotenv
    (tmp_path / "Dockerfile.dockerignore").write_text(".env\n")
    assert image(tmp_path, text).has_dotenv is False


@pytest.mark.parametrize("context", ["https://github.com/x/y.git", "..", "/srv", "$WHERE", "missing"])
def test_a_context_that_is_not_here_is_unknown(tmp_path: Path, context: str) -> None:
    """And so is a file that is no Dockerfile."""
    assert read_image(tmp_path, context) == BuiltImage()
    (tmp_path / "Dockerfile").write_bytes(b"\xff\xfe")
    assert read_image(tmp_path, ".") == BuiltImage()
