"""The files that a key is added to by hand: a checkout's own, and where there is none the guide's."""

from __future__ import annotations

import os
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
from omc_runbook.terraform.hcl_folder import VALUES, Folder
from omc_runbook.terraform.program import TERRAFORM
from omc_runbook.terraform.stacks import fits, modules_of_units, spelling, uses_workspace
from omc_runbook.terraform.task_definitions import TaskDefinitions
from omc_runbook.terraform.variable_files import for_all

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
    files, name, program = TerraformFiles(checkout.root), environment.name, checkout.program
    called = Path(container.folder.root.files[0].name).parent
    folders = declared.owners(name, environment.others).applied_for(called)
    units = {unit.directory for unit in modules_of_units(files)}
    folder = next(iter(folders), called)
    if len(folders) != 1 or not units.isdisjoint((files.root / folder, files.root / called)):
        # Several folders apply it, none is the environment's, or Terragrunt does.
        return ""
    root = files.folder(files.root / folder)
    if "modules" in folder.parts:
        # What applies a module that nothing calls is not read: the guide's layout has a folder for it.
        return _guides_apply(environment, program) if folder.is_relative_to(_TERRAFORM) else ""
    values = [file for each in files.walk() for file in files.files_ending(each, VALUES)]
    # What several folders share sets variables of others too.
    common = [file for file in values if folder.as_posix() in files.roots_of(file.name) and for_all({file.path})]
    values = [file for file in values if file in common or fits(files, file.path, root.path, root)]
    owners = FileOwners((*declared.files, *values), name, environment.others, declared.calls)
    own = owners.own_values([file.name for file in values])
    options = [f"-var-file={Path(os.path.relpath(each, folder)).as_posix()}" for each in own]
    steps = [command("cd", folder.as_posix()), command(program, "apply", *options)]
    sources = Folder(tuple(dict.fromkeys((*root.files, *container.folder.files))))
    # A folder of its own needs no workspace to be the environment's.
    if uses_workspace(sources) and not named_after(f"{folder}/main.tf", {name}):
        steps.insert(1, command(program, "workspace", "select", spelling(sources, name)))
    return " && ".join(steps)


def _guides_apply(environment: Environment, program: str = TERRAFORM) -> str:
    return f"{command('cd', f'{_TERRAFORM}/environments/{environment.name}')} && {program} apply"
