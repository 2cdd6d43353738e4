"""The files of a checkout that are searched: the application's code, and the rest; nothing that is installed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path

from omc_runbook.model import regular_file
from omc_runbook.textfile.file import is_inside
from omc_runbook.textfile.folders import FolderListing, FolderListings

SCRIPTS = "scripts"
ROOTS = ("backend", SCRIPTS)
"""The folders of the application's files, within a checkout."""

SKIPPED = frozenset({".git", ".venv", "venv", "node_modules", "__pycache__", "tests", "test"})
SKIPPED |= {"dist", "build", ".next", ".terraform", "cdk.out", ".aws-sam"}
CODE = (".py", ".sh")
LARGEST, MOST, MOST_FOLDERS = 262_144, 1500, 5000
"""How much of each file is read, in bytes, how many files are, and how many folders are searched for them."""
_KEPT = 67_108_864
"""How many characters of texts are kept."""

_STARTS = re.compile(r"(?:(?:docker[-_])?entry[-_]?point|(?:pre)?start)(?:[-_][\w-]+|(?:[-_.][\w.-]+)?\.sh)?")
"""The names of the scripts that containers begin with, which need no ending."""
_MAINS = re.compile(r"(?:main|app|application|wsgi|asgi|server|run|worker|celery\w*|gunicorn[\w.]*)\.py")
"""The names of the modules that an application begins with."""
_WORD = re.compile(r"\b[A-Z][A-Z0-9_]*\b")


def application_roots(settings: str) -> tuple[str, ...]:
    """The folders of the application's code: the first one in the path of Settings, and without one all of them."""
    folder, separator, _ = settings.partition("/")
    return (folder,) if separator else (ROOTS[0], ".")


class CheckoutFiles:
    """The files of a checkout as one look finds them: a later look needs an object of its own.

    Each folder is listed once, and each text read once, as long as all texts together are not too large to be kept.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders = FolderListings()
        self._kept: dict[Path, str] = {}
        self._room = _KEPT

    def text(self, path: Path) -> str:
        """The first `LARGEST` bytes of a file as text; "" for one that cannot be read."""
        if path in self._kept:
            return self._kept[path]
        text = read_text(path)
        if len(text) <= self._room:
            self._kept[path] = text
            self._room -= len(text)
        return text

    @cached_property
    def code(self) -> tuple[Path, ...]:
        """The Python files of the checkout, in order, without its tests and what is installed."""
        return tuple(path for path in self.search((*ROOTS, "."), CODE) if path.suffix == ".py")

    def of_application(self, settings: str) -> Iterator[Path]:
        """Yield the Python files of the application with these Settings, without its tests."""
        roots = (*application_roots(settings), SCRIPTS)
        return (path for path in self.search(roots, CODE) if path.suffix == ".py")

    def ending(self, endings: tuple[str, ...]) -> Iterator[Path]:
        """Yield the files whose names end so, in order."""
        return (path for path in self.search((*ROOTS, "."), endings) if path.name.endswith(endings))

    def with_names(self, names: Collection[str]) -> Iterator[Path]:
        """Yield the files that have one of some names, in order."""
        return (each.path / name for each in self._walk() for name in each.files if name in names)

    def main_modules(self, folder: str) -> Iterator[Path]:
        """Yield the modules right in a folder that an application begins with, as their names say."""
        path = self.root / folder
        listing = self.folders.listing(path)
        return (path / name for name in (listing.files if listing else ()) if _MAINS.fullmatch(name))

    def start_scripts(self) -> Iterator[Path]:
        """Yield the scripts that containers begin with, as their names say, in order."""
        return (each.path / name for each in self._walk() for name in each.files if _STARTS.fullmatch(name))

    def words(self, folders: tuple[str, ...]) -> frozenset[str] | None:
        """The words in capitals in all files of some folders, as variables' names; None where those are too many."""
        files = [*self.search(tuple(filter(is_inside, folders)), ("",))]
        if len(files) == MOST:
            return None
        return frozenset(word for each in files for word in _WORD.findall(self.text(each)))

    def search(self, roots: tuple[str, ...], endings: tuple[str, ...]) -> Iterator[Path]:
        """Yield files with these endings, Dockerfiles and Makefiles, in order; in the top not those below `ROOTS`."""
        without = [self.root / each for each in ROOTS]
        found = (
            listing.path / name
            for root in roots
            for listing in self._walk(root, without)
            for name in listing.files
            if name.endswith(endings) or name.startswith(("Dockerfile", "Makefile"))
        )
        return islice(found, MOST)

    def _walk(self, root: str = "", without: Collection[Path] = ()) -> Iterator[FolderListing]:
        """Yield a folder and those below it as `FolderListings` does, without those in `SKIPPED`, up to a limit."""
        return islice(self.folders.walk(self.root / root, SKIPPED, without), MOST_FOLDERS)


def read_text(path: Path) -> str:
    """The first `LARGEST` bytes of a file as text; "" for one that cannot be read."""
    try:
        return regular_file.read(path, LARGEST)[:LARGEST].decode("utf-8", "replace")
    except OSError:
        return ""
