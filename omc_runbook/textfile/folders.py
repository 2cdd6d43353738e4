"""The folders of a checkout, each listed once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path


@dataclass(frozen=True)
class FolderListing:
    """What a folder has, in order of the names."""

    path: Path
    names: tuple[str, ...]
    """All names in it."""
    files: tuple[str, ...]
    """The names of regular files, and of links to some."""
    folders: tuple[Path, ...]
    """The folders in it, without links."""


class FolderListings:
    """Folders as one look finds them: what is listed is not listed again, so that a later look needs new ones."""

    def __init__(self) -> None:
        self._listings: dict[Path, FolderListing | None] = {}

    def walk(self, top: Path, skipped: Collection[str], without: Collection[Path] = ()) -> Iterator[FolderListing]:
        """Yield a folder and those below it, each before those in it, in order, as far as they can be listed.

        Folders with the names `skipped`, those of the paths `without`, and links to folders are left out with all that
        is below them.
        """
        waiting = [top]
        while waiting:
            if listing := self.listing(waiting.pop()):
                yield listing
                inner = (each for each in listing.folders if each.name not in skipped and each not in without)
                waiting += reversed([*inner])

    def listing(self, folder: Path) -> FolderListing | None:
        """What a folder has; None for one that is not there or cannot be listed."""
        if folder not in self._listings:
            self._listings[folder] = _list(folder)
        return self._listings[folder]


def _list(folder: Path) -> FolderListing | None:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except (OSError, ValueError):  # The latter for a path with a null character, as an escape in YAML gives it.
        return None
    return FolderListing(
        path=folder,
        names=tuple(each.name for each in entries),
        files=tuple(each.name for each in entries if _is(each.is_file)),
        folders=tuple(folder / each.name for each in entries if _is(partial(each.is_dir, follow_symlinks=False))),
    )


def _is(ask: Callable[[], bool]) -> bool:
    """The answer on what is there; False for what a link leads to that this user may not see."""
    try:
        return ask()
    except OSError:
        return False
