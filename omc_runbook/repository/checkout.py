"""A checkout of the platform: what its Settings, template, compose files and Terraform say of each variable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import exists, expand
from omc_runbook.repository.compose import Compose, read_compose
from omc_runbook.repository.readers import find_others, find_readers
from omc_runbook.repository.settings import CONFIG, Settings, read_settings
from omc_runbook.repository.template import Template, find_template, read_template
from omc_runbook.terraform.task_definitions import TaskDefinitions, read_task_definitions


@dataclass(frozen=True)
class Checkout:
    """The application's own files, read; what a checkout does not have is None."""

    root: Path
    settings: Settings
    template: Template | None
    compose: Compose | None
    task_definitions: TaskDefinitions | None
    read_elsewhere: frozenset[str] = frozenset()
    """Variables that other files of the application read, by whatever means."""
    read_around: frozenset[str] = frozenset()
    """Variables that the rest of the checkout reads, as its frontend does."""

    @property
    def reads(self) -> frozenset[str]:
        """Every variable that Settings reads, under any of its names."""
        return frozenset(name for field in self.settings.fields for name in field.variables)


def find_root(repository: str) -> Path:
    """The folder that a person named as the checkout; raises UsageError, in one sentence, where it is none."""
    if not repository.strip():
        raise UsageError('repository is empty: name a checkout of the platform, as in repository = ".".')
    root = expand(repository.strip())
    if not exists(root) or not root.is_dir():
        raise UsageError(f"repository {root} is no folder: name a checkout of the platform.")
    return root.resolve()


def read_checkout(root: Path) -> Checkout:
    """Read a checkout as it lies there; raises UsageError for one without Settings, and for a file with an error."""
    task_definitions = read_task_definitions(root)
    return Checkout(
        root=root,
        settings=read_settings(root),
        template=read_template(root) if find_template(root) else None,
        compose=read_compose(root),
        task_definitions=task_definitions if task_definitions.containers or task_definitions.unreadable else None,
        read_elsewhere=find_readers(root, CONFIG),
        read_around=find_others(root),
    )
