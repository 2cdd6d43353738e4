"""The files of a checkout that are searched: the application's code, and the rest; nothing that is installed."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from omc_runbook.model import regular_file
from omc_runbook.textfile.file import is_inside

SCRIPTS = "scripts"
ROOTS = ("backend", SCRIPTS)
"""The folders of the application's files, within a checkout."""

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "tests", "test"})
SKIPPED |= {"dist", "build", ".next", ".terraform"}
CODE = (".py", ".sh")
LARGEST, MOST, MOST_FOLDERS = 262_144, 1500, 5000
"""How much of each file is read, in bytes, how many files are, and how many folders are searched for them."""

_STARTS = re.compile(r"(?:(?:docker[-_])?entry[-_]?point|(?:pre)?start)(?:[-_][\w-]+|(?:[-_.][\w.-]+)?\.sh)?")
"""The names of the scripts that containers begin with, which need no ending."""
_MAINS = re.compile(r"(?:main|app|application|wsgi|asgi|server|run|worker|celery\w*|gunicorn[\w.]*)\.py")
"""The names of the modules that an application begins with."""
_WORD = re.compile(r"\b[A-Z][A-Z0-9_]*\b")


def application_roots(settings: str) -> tuple[str, ...]:
    """The folders of the application's code: the first one in the path of Settings, and without one all of them."""
    folder, separator, _ = settings.partition("/")
    return (folder,) if separator else (ROOTS[0], ".")


def application_files(repository: Path, settings: str) -> Iterator[Path]:
    """Yield the Python files of the application with these Settings, without its tests."""
    roots = (*application_roots(settings), SCRIPTS)
    return (path for path in search_files(repository, roots, CODE) if path.suffix == ".py")


def code_files(repository: Path) -> Iterator[Path]:
    """Yield the Python files of a checkout, in order, without its tests and what is installed."""
    return (path for path in search_files(repository, (*ROOTS, "."), CODE) if path.suffix == ".py")


def files_ending(repository: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files of a checkout whose names end so, in order."""
    return (path for path in search_files(repository, (*ROOTS, "."), endings) if path.name.endswith(endings))


def named_files(repository: Path, names: Collection[str]) -> Iterator[Path]:
    """Yield the files of a checkout that have one of some names, in order."""
    for folder, _, files in _walk(repository):
        yield from (folder / name for name in sorted(set(files).intersection(names)))


def main_modules(repository: Path, folder: str) -> Iterator[Path]:
    """Yield the modules right in a folder of a checkout that an application begins with, as their names say."""
    paths = sorted((repository / folder).glob("*.py"))
    return (path for path in paths if _MAINS.fullmatch(path.name) and path.is_file())


def start_scripts(repository: Path) -> Iterator[Path]:
    """Yield the scripts of a checkout that containers begin with, as their names say, in order."""
    for folder, _, files in _walk(repository):
        yield from (path for name in sorted(files) if _STARTS.fullmatch(name) and (path := folder / name).is_file())


def find_words(repository: Path, folders: tuple[str, ...]) -> frozenset[str] | None:
    """The words in capitals in all files of some folders, such as variables' names; None where those are too many."""
    files = [*search_files(repository, tuple(filter(is_inside, folders)), ("",))]
    if len(files) == MOST:
        return None
    return frozenset(word for each in files for word in _WORD.findall(read_text(each)))


def search_files(repository: Path, roots: tuple[str, ...], endings: tuple[str, ...]) -> Iterator[Path]:
    """Yield files with these endings, Dockerfiles and Makefiles, in order; from the top without those in `ROOTS`."""
    count = 0
    for root in roots:
        for folder, inner, names in _walk(repository / root):
            if folder == repository:
                inner[:] = [each for each in inner if each not in ROOTS]
            for name in sorted(names):
                path = folder / name
                if (name.endswith(endings) or name.startswith(("Dockerfile", "Makefile"))) and path.is_file():
                    count += 1
                    if count > MOST:
                        return
                    yield path


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield a folder and those below it as os.walk does, in order, without those in `SKIPPED`, up to a limit."""
    for count, (folder, inner, names) in enumerate(os.walk(root), 1):
        inner[:] = sorted(set(inner) - SKIPPED)
        yield Path(folder), inner, names
        if count == MOST_FOLDERS:
            return


def read_text(path: Path) -> str:
    """The first `LARGEST` bytes of a file as text; "" for one that cannot be read."""
    try:
        return regular_file.read(path)[:LARGEST].decode("utf-8", "replace")
    except OSError:
        return ""
