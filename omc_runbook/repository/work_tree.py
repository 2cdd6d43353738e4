"""What is above a checkout that is a folder of a larger git repository: it is named, and not read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from omc_runbook.model.programs import work_tree_of
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.compose import NAMES
from omc_runbook.terraform.hcl_folder import SOURCES
from omc_runbook.terraform.task_definitions import RESOURCE


def note_compose_above(repository: Path) -> str:
    """A sentence, after a blank, on the compose file that Docker Compose finds above a checkout; "" for none."""
    paths = (folder / name for folder in _above(repository) for name in NAMES)
    found = next((path for path in paths if path.is_file()), None)
    if found is None:
        return ""
    return f" Docker Compose finds {found} above it, which is read only with {found.parent} as repository."


def note_definition_above(repository: Path) -> str:
    """A sentence, after a blank, on a task definition in Terraform elsewhere in the git repository; "" for none."""
    top = work_tree_of(repository)
    files = CheckoutFiles(top)
    paths = (path for path in files.ending(SOURCES) if not path.is_relative_to(repository)) if top != repository else ()
    # What has a repository of its own belongs to something else.
    definitions = (path for path in paths if RESOURCE.search(files.text(path)) and work_tree_of(path.parent) == top)
    found = next(definitions, None)
    return f" {found} has one, in the same git repository: it is read only with {top} as repository." if found else ""


def _above(repository: Path) -> Iterator[Path]:
    """The folders above a checkout, the nearest first, up to the top of the git repository that it is in."""
    top = work_tree_of(repository)
    return (folder for folder in repository.parents if folder.is_relative_to(top))
