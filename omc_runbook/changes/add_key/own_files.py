"""The files that a key is added to by hand: a checkout's own, and where there is none the guide's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omc_runbook.model.environment import Environment
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.settings_source import CONFIG
from omc_runbook.repository.template import NAMES
from omc_runbook.terraform.container import TerraformContainer
from omc_runbook.terraform.hcl_folder import SOURCES
from omc_runbook.terraform.program import TERRAFORM

_TERRAFORM = "infrastructure/terraform"


@dataclass(frozen=True, kw_only=True)
class OwnFiles:
    """Paths within a checkout."""

    settings: str
    """The file of Settings; "" where the code itself asks for its variables."""
    template: str
    container: str
    """The file of the container that gets the reference."""
    arn: str
    """The expression of the secret's ARN there."""
    stack: str
    """The folder in which Terraform is applied for the environment."""
    program: str
    """The command that applies it: terraform or tofu."""


def own_files(checkout: Checkout | None, environment: Environment) -> OwnFiles:
    """The files of a checkout; without one, the guide's."""
    container = _container(checkout, environment)
    root = Path(container.root) if container else Path()
    is_applied = root.name.endswith(SOURCES) and "modules" not in root.parts
    return OwnFiles(
        settings=checkout.settings.path if checkout else CONFIG,
        template=checkout.template.file.name if checkout and checkout.template else NAMES[0],
        container=container.file if container else f"{_TERRAFORM}/modules/ecs/main.tf",
        arn=(container.base if container else "") or "${var.secrets_arn}",
        stack=root.parent.as_posix() if is_applied else f"{_TERRAFORM}/environments/{environment.name}",
        program=checkout.program if checkout else TERRAFORM,
    )


def _container(checkout: Checkout | None, environment: Environment) -> TerraformContainer | None:
    """The container of an environment that has most of the secret's variables; None where Terraform has none."""
    declared = checkout.task_definitions if checkout else None
    own = declared.own_containers(environment.name, environment.others) if declared else []
    return max(own, key=lambda each: len(each.references), default=None)
