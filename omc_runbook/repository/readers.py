"""Who else reads variables: the application's other Python files and its scripts, and the rest of a checkout."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOTS = ("backend", "scripts")
"""Where the application's files are looked for, within a checkout."""

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "tests", "test"})
SKIPPED |= {"dist", "build", ".next", ".terraform"}
CODE = (".py", ".sh")
AROUND = (*CODE, ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".vue", ".svelte", ".yml", ".yaml", ".npmrc")
"""How names of files end that ask for variables; those of the rest of a checkout are of any kind."""
LARGEST, MOST = 262_144, 1500
"""Bytes of the largest file that is read, and how many files are."""

_ASKED = re.compile(r"""\b(?:environ|getenv|config|env)\b[^"'\n]{0,20}["']([A-Za-z]\w{0,63})["']""", re.ASCII)
_EXPANDED = re.compile(r"\$\{?([A-Z][A-Z0-9_]{0,63})\b", re.ASCII)
_MEMBER = re.compile(r"\benv\.([A-Z][A-Z0-9_]{0,63})\b", re.ASCII)
_MADE = re.compile(r"\$\(([A-Z][A-Z0-9_]{0,63})\)", re.ASCII)
_FIELD = re.compile(r"^[ \t]+([A-Za-z]\w{0,63})[ \t]*:[ \t]*\S", re.MULTILINE | re.ASCII)
_PREFIX = re.compile(r"""env_prefix["']?\s*[=:]\s*["'](\w{0,32})["']""", re.ASCII)
_ALIAS = re.compile(r"""\b\w*alias\w*\s*=[^"'\n]{0,40}["']([A-Za-z]\w{0,63})["']""", re.ASCII)


def find_readers(repository: Path, settings: str) -> frozenset[str]:
    """The variables, in capitals, that files other than `settings` ask the environment for or declare as settings.

    Told by patterns, and rather one too many: it serves to keep quiet. Of `settings` itself, a path within the
    checkout, only what it asks the environment for by itself counts. What cannot be read is left out.
    """
    found: set[str] = set()
    for path in _files(repository, ROOTS, CODE):
        text = _text(path)
        if path.suffix != ".py":
            found.update(_EXPANDED.findall(text))
            continue
        found.update(_ASKED.findall(text))
        if "BaseSettings" in text and path != repository / settings:
            heads = ["", *_PREFIX.findall(text)]
            found.update(f"{head}{name}" for head in heads for name in _FIELD.findall(text))
            found.update(_ALIAS.findall(text))
    return frozenset(name.upper() for name in found)


def find_others(repository: Path) -> frozenset[str]:
    """The variables that a checkout reads beside the application: its frontend, make, other compose files.

    Told as those of `find_readers` are. They say what a developer's .env is for, and nothing of what tasks read.
    """
    found: set[str] = set()
    for path in _files(repository, (".",), AROUND):
        text = _text(path)
        found.update(name for told in (_ASKED, _EXPANDED, _MEMBER, _MADE) for name in told.findall(text))
    return frozenset(name.upper() for name in found)


def _files(repository: Path, roots: tuple[str, ...], endings: tuple[str, ...]) -> Iterator[Path]:
    """Files with such names, Dockerfiles and makefiles, in order; at the top the application's folders are left out."""
    count = 0
    for root in roots:
        for folder, inner, names in os.walk(repository / root):
            inner[:] = sorted(set(inner) - SKIPPED - ({*ROOTS} if Path(folder) == repository else set()))
            for name in sorted(names):
                path = Path(folder, name)
                if (name.endswith(endings) or name.startswith(("Dockerfile", "Makefile"))) and path.is_file():
                    count += 1
                    if count > MOST:
                        return
                    yield path


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
