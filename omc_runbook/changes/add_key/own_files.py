"""The files that a key is added to by hand: a checkout's own, and where there is none the guide's."""

from __future__ import annotations

from dataclasses import dataclass

from omc_runbook.model.environment import Environment
from omc_runbook.model.shell import command
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.settings_source import CONFIG
from omc_runbook.repository.template import NAMES
from omc_runbook.terraform.container import ContainerVariable, TerraformContainer
from omc_runbook.terraform.containers import VALUE_FROM
from omc_runbook.terraform.program import TERRAFORM
from omc_runbook.terraform.task_definitions import TaskDefinitions

_TERRAFORM = "infrastructure/terraform"
_ARN, _UNKNOWN_ARN = "${var.secrets_arn}", "ARN"


@dataclass(frozen=True, kw_only=True)
class OwnFiles:
    """Paths within a checkout, and what a person writes and runs there."""

    settings: str
    """The file of Settings; "" where the code itself asks for its variables."""
    template: str
    definition: str
    """The file that gets the reference; "" where none of those that are read makes the container's definition."""
    reference: str
    """The reference; ARN in it stands for the secret's where the files do not show it."""
    apply: str
    """The command that applies Terraform for the environment; "" where the checkout does not show its folder."""


def own_files(checkout: Checkout | None, environment: Environment, key: str) -> OwnFiles:
    """The files of a checkout, and what a key needs there; without one, the guide's."""
    settings = checkout.settings.path if checkout else CONFIG
    template = checkout.template.file.name if checkout and checkout.template else NAMES[0]
    if checkout is None:
        definition, reference = f"{_TERRAFORM}/modules/ecs/main.tf", _reference(key, _ARN)
        apply = _guides_apply(environment)
        return OwnFiles(settings=settings, template=template, definition=definition, reference=reference, apply=apply)
    declared = checkout.task_definitions
    container = _container(declared, environment) if declared else None
    ref = _reference_of(container) if container else None
    definition = ref.origin.file.name if ref else container.file if container else ""
    arn = (container.base if container else "") or _UNKNOWN_ARN
    is_json = definition.endswith(".json") or bool(container and container.json)
    return OwnFiles(
        settings=settings,
        template=template,
        definition=definition,
        reference=_reference(key, arn, ref, is_json),
        apply=_apply(checkout, declared, container, environment) if declared and container else "",
    )


def _container(declared: TaskDefinitions, environment: Environment) -> TerraformContainer | None:
    """The container of an environment that has most of the secret's variables; None where Terraform has none."""
    own = declared.of_environment(environment.name, environment.others)
    containers = own.own_containers(environment.name, environment.others)
    return max(containers, key=lambda each: len(each.references), default=None)


def _reference_of(container: TerraformContainer) -> ContainerVariable | None:
    """The last of a container's references that names the secret as a new one does."""
    return next((each for each in reversed(container.references) if each.base and each.base == container.base), None)


def _reference(key: str, arn: str, like: ContainerVariable | None = None, is_json: bool = False) -> str:
    """A reference to a key in the form of another one: a member of a map, or an element of a list."""
    value = f"{arn}:{key}::"
    if like and like.is_member:
        return f'"{key}": "{value}"' if is_json else f'{key} = "{value}"'
    if is_json:
        return f'{{ "name": "{key}", "valueFrom": "{value}" }}'
    is_object = like is not None and like.element.kind == "object"
    member = next((each for each in VALUE_FROM if is_object and like and like.element.member(each)), VALUE_FROM[0])
    return f'{{ name = "{key}", {member} = "{value}" }}'


def _apply(
    checkout: Checkout, declared: TaskDefinitions, container: TerraformContainer, environment: Environment
) -> str:
    """The command that applies Terraform for a container, in its folder and workspace, with its files of values."""
    program, apply = checkout.program, declared.apply_of(container, environment.name, environment.others)
    if apply is None:
        return ""
    if apply.is_in_module:
        # The guide's layout has a folder that calls it.
        return _guides_apply(environment, program) if apply.folder.is_relative_to(_TERRAFORM) else ""
    select = [command(program, "workspace", "select", apply.workspace)] if apply.workspace else []
    options = [f"-var-file={each}" for each in apply.values]
    return " && ".join((command("cd", apply.folder.as_posix()), *select, command(program, "apply", *options)))


def _guides_apply(environment: Environment, program: str = TERRAFORM) -> str:
    return f"{command('cd', f'{_TERRAFORM}/environments/{environment.name}')} && {program} apply"
