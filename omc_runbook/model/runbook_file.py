"""runbook.toml, which names a platform's environments: where it is looked for, and what it has."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path
from typing import Any

from omc_runbook.model import regular_file
from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import ALMOST, closest, exists, expand

FILE_NAME = "runbook.toml"
NOTEBOOKS = "notebooks"
_WITH_ENDING = f"{FILE_NAME}.txt"
"""What some editors make of the name; some file managers do not show the ending."""


def find_file(runbook_toml: str = "") -> Path | None:
    """The runbook.toml that `load` reads; None where there is none. Raises UsageError for what is no file."""
    if runbook_toml:
        path = expand(runbook_toml)
        if not exists(path) or not path.is_file():
            raise UsageError(f"{path} is not a file: name a runbook.toml, or omit it for the guide's names.")
        return path
    current = Path.cwd()
    # A kernel that another JupyterLab or an editor started runs beside the notebooks, or in a folder of theirs: their
    # checkout counts as well.
    inside = (each for each in (current, *current.parents) if each.name == NOTEBOOKS)
    around = [folder for each in inside for folder in (each, each.parent)]
    folders = (current / expand(""), current / expand(NOTEBOOKS), current, current / NOTEBOOKS, *around)
    found = next((folder / FILE_NAME for folder in folders if _is_there(folder / FILE_NAME)), None)
    # It may name the account that is to be guarded.
    if found and not found.is_file():
        raise UsageError(f"{found} is not a file that can be read: remove it, or correct where it leads.")
    return found


def find_misnamed(folder: Path) -> Path | None:
    """The file of a folder whose name is spelt about as runbook.toml's, or has .txt behind it; None for none."""
    names: dict[str, str] = {}
    with suppress(OSError):
        names = {each.name.casefold(): each.name for each in folder.iterdir()}
    near = closest(FILE_NAME, names, ALMOST) or (_WITH_ENDING if _WITH_ENDING in names else "")
    return folder / names[near] if near else None


def read_content(path: Path) -> bytes:
    """The bytes of a runbook.toml; raises UsageError where it cannot be read."""
    try:
        return regular_file.read_whole(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


def table_of(path: Path, content: bytes) -> dict[str, Any]:
    """What a runbook.toml's content has; raises UsageError where it is not valid TOML."""
    try:
        # Some editors begin a file with a byte order mark.
        return tomllib.loads(content.decode().removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not valid TOML: it is not UTF-8 text.") from None
    except RecursionError:
        raise UsageError(f"{path} is not valid TOML: it is nested too deeply.") from None
    except ValueError as error:
        # A number of thousands of digits is no TOMLDecodeError, and Python's words on it are of no use.
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "a number has too many digits"
        raise UsageError(f"{path} is not valid TOML: {reason}.") from None


def _is_there(path: Path) -> bool:
    """Whether a file, or a link, has this path; raises UsageError where that cannot be seen."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        way = "Name a runbook.toml, or run in another folder."
        raise UsageError(f"{path} cannot be looked for: {error.strerror}. {way}") from None
    return True
