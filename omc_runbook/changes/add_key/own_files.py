"""The files that a key is added to by hand: a checkout's own, and where there is none the guide's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from omc_runbook.model.environment import Environment
from omc_runbook.model.shell import command
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.settings_source import CONFIG
from omc_runbook.repository.template import NAMES
from omc_runbook.terraform.container import ContainerVariable, TerraformContainer
from omc_runbook.terraform.containers import VALUE_FROM
from omc_runbook.terraform.environment_files import FileOwners, named_after
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.hcl_folder import SOURCES, VALUES
from omc_runbook.terraform.program import TERRAFORM
from omc_runbook.terraform.stacks import spelling
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
        apply = f"{command('cd', _guides_folder(environment))} && {TERRAFORM} apply"
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
    if like and like.element.kind == "member" and like.element.encloses(like.origin):
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
    root, name, program = container.folder.root, environment.name, checkout.program
    sources = [file for file in root.files if file.name.endswith(SOURCES)]
    folder, text = Path(sources[0].name).parent, "\n".join(file.text for file in sources)
    if "modules" in folder.parts:
        # What applies a module that nothing calls is not read: the guide's layout has a folder for it.
        if not folder.is_relative_to(_TERRAFORM):
            return ""
        folder, text = Path(_guides_folder(environment)), ""
    files = TerraformFiles(checkout.root)
    values = (file for below in files.walk(folder.as_posix()) for file in files.files_ending(below, VALUES))
    own_files = tuple(dict.fromkeys((*declared.files, *values)))
    owners = FileOwners(own_files, name, environment.others, declared.calls)
    options = [f"-var-file={Path(each).relative_to(folder).as_posix()}" for each in owners.values_for(folder)]
    steps = [command("cd", folder.as_posix()), command(program, "apply", *options)]
    # A folder of its own needs no workspace to be the environment's.
    if "terraform.workspace" in text and not named_after(sources[0].name, {name}):
        steps.insert(1, command(program, "workspace", "select", spelling(root, name)))
    return " && ".join(steps)


def _guides_folder(environment: Environment) -> str:
    return f"{_TERRAFORM}/environments/{environment.name}"
