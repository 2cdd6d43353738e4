"""Variables read by files other than Settings: the application's Python files and scripts, and the rest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOTS = ("backend", "scripts")
"""The folders of the application's files, within a checkout."""

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "tests", "test"})
SKIPPED |= {"dist", "build", ".next", ".terraform"}
CODE = (".py", ".sh")
REST = (
    *CODE,
    ".js",
    ".jsx",
    ".mjs",
    ".cjs",
    ".ts",
    ".tsx",
    ".vue",
    ".svelte",
    ".yml",
    ".yaml",
    ".npmrc",
)
"""The endings of files that are searched in the rest of a checkout; in the application's folders only `CODE`."""
LARGEST, MOST = 262_144, 1500
"""How much of each file is read, in bytes, and how many files are."""

_CALL = re.compile(r"""\b(?:environ|getenv|config|env)\b[^"'\n]{0,20}["']([A-Za-z]\w{0,63})["']""", re.ASCII)
_EXPANDED = re.compile(r"\$\{?([A-Z][A-Z0-9_]{0,63})\b", re.ASCII)
_MEMBER = re.compile(r"\benv\.([A-Z][A-Z0-9_]{0,63})\b", re.ASCII)
_MAKE_VARIABLE = re.compile(r"\$\(([A-Z][A-Z0-9_]{0,63})\)", re.ASCII)
_FIELD = re.compile(r"^[ \t]+([A-Za-z]\w{0,63})[ \t]*:[ \t]*\S", re.MULTILINE | re.ASCII)
_PREFIX = re.compile(r"""env_prefix["']?\s*[=:]\s*["'](\w{0,32})["']""", re.ASCII)
_ALIAS = re.compile(r"""\b\w*alias\w*\s*=[^"'\n]{0,40}["']([A-Za-z]\w{0,63})["']""", re.ASCII)


def find_application_reads(repository: Path, settings: str) -> frozenset[str]:
    """The variables, upper case, that the application's files read from the environment or declare as settings.

    Found by regular expressions, with false positives rather than false negatives: they suppress findings. Of
    `settings`, the path of Settings within the checkout, only direct reads of the environment count. Unreadable files
    are skipped.
    """
    variables: set[str] = set()
    for path in _files(repository, (settings.partition("/")[0], *ROOTS[1:]), CODE):
        text = _text(path)
        if path.suffix != ".py":
            variables.update(_EXPANDED.findall(text))
            continue
        variables.update(_CALL.findall(text))
        if "BaseSettings" in text and path != repository / settings:
            prefixes = ["", *_PREFIX.findall(text)]
            variables.update(f"{prefix}{name}" for prefix in prefixes for name in _FIELD.findall(text))
            variables.update(_ALIAS.findall(text))
    return frozenset(name.upper() for name in variables)


def find_other_reads(repository: Path) -> frozenset[str]:
    """The variables, upper case, that the rest of a checkout reads: frontend, Makefile, other compose files.

    Found like those of `find_application_reads`. A developer's .env may have them; tasks do not read them.
    """
    variables: set[str] = set()
    for path in _files(repository, (".",), REST):
        text = _text(path)
        variables.update(
            name for pattern in (_CALL, _EXPANDED, _MEMBER, _MAKE_VARIABLE) for name in pattern.findall(text)
        )
    return frozenset(name.upper() for name in variables)


def application_files(repository: Path, settings: str) -> Iterator[Path]:
    """Yield the Python files of the application with these Settings, without its tests."""
    roots = (settings.partition("/")[0], *ROOTS[1:])
    return (path for path in _files(repository, roots, CODE) if path.suffix == ".py")


def _files(repository: Path, roots: tuple[str, ...], endings: tuple[str, ...]) -> Iterator[Path]:
    """Yield files with these endings, Dockerfiles and Makefiles, in order; from the top without those in `ROOTS`."""
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
