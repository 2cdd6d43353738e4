"""A checkout of the platform: its Settings, .env template, compose files and task definitions in Terraform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.model.suggestions import exists, expand
from omc_runbook.repository.compose import Compose, read_compose
from omc_runbook.repository.readers import find_application_reads, find_other_reads
from omc_runbook.repository.settings import SettingsSource, read_settings
from omc_runbook.repository.template import Template, find_template, parse_template
from omc_runbook.repository.url_parts import find_raw_parts
from omc_runbook.terraform.task_definitions import TaskDefinitions, read_task_definitions


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """The parsed files of a checkout; None for each that it does not have."""

    root: Path
    settings: SettingsSource
    template: Template | None
    compose: Compose | None
    task_definitions: TaskDefinitions | None
    application_reads: frozenset[str] = frozenset()
    """Variables that other files of the application read."""
    other_reads: frozenset[str] = frozenset()
    """Variables that the rest of the checkout reads, such as its frontend."""
    raw_url_parts: Mapping[str, str] = field(default_factory=dict)
    """By variable, where a file puts it into the login of a URL without escaping it."""

    @property
    def reads(self) -> frozenset[str]:
        """Every variable that Settings read, under each of its names."""
        return frozenset(name for each in self.settings.fields for name in each.variables)


def find_root(repository: str) -> Path:
    """The absolute path of the parameter `repository`; raises UsageError, in one sentence, if it is not a folder."""
    if not repository.strip():
        raise UsageError('repository is empty: name a checkout of the platform, as in repository = ".".')
    root = expand(repository.strip())
    if not exists(root) or not root.is_dir():
        raise UsageError(f"repository {root} is not a folder: name a checkout of the platform.")
    return root.resolve()


def read_checkout(root: Path) -> Checkout:
    """Read a checkout; raises UsageError if it has no Settings, or for a file that cannot be parsed."""
    file, task_definitions = find_template(root), read_task_definitions(root)
    template, settings, compose = parse_template(file) if file else None, read_settings(root), read_compose(root)
    return Checkout(
        root=root,
        settings=settings,
        template=template,
        compose=compose,
        task_definitions=task_definitions if task_definitions.containers or task_definitions.unreadable else None,
        application_reads=find_application_reads(root, settings.file.name),
        other_reads=find_other_reads(root),
        raw_url_parts=find_raw_parts(root, settings, template, compose),
    )
