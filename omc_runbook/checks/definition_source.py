"""Where the source of a task definition is, which a correction must be written to, or the next deployment undoes it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from omc_runbook.aws.definitions import TaskDefinition
from omc_runbook.checks.key_demand import KeyDemand
from omc_runbook.checks.variable_locations import locations_of, may_be_family, of_family
from omc_runbook.model.aws_names import Names
from omc_runbook.model.findings import Remedy
from omc_runbook.model.shell import command
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform.container import TerraformContainer
from omc_runbook.terraform.hcl_json import is_synthesized
from omc_runbook.terraform.program import TERRAFORM
from omc_runbook.terraform.reference_places import VARIABLE, most_frequent

GUIDE_FILE = "infrastructure/terraform/modules/ecs/main.tf"
_ARN = f"${{var.{VARIABLE}}}"
_HEAD = re.compile(r"(?P<base>\$\{[^{}]+\}|arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:[^:]+):(?P<key>[^:]+)")


@dataclass(frozen=True, kw_only=True)
class DefinitionSource:
    """Terraform's file of a task definition, as the guide has it where none was read, or a stack of CloudFormation."""

    names: Names
    """The names of the environment, whose region and secret its corrections name."""
    stack: str = ""
    """The stack that registered it, whatever made its template: the AWS CDK, AWS Copilot or a person."""
    family: str = ""
    """The families, where the files that were read have none of them: a person or another tool may register them."""
    file: str = GUIDE_FILE
    program: str = TERRAFORM
    base: str = _ARN
    """The secret's ARN, as its references have it; "" where the files do not show it."""
    is_synthesized: bool = False
    """Whether CDK for Terraform has made the file, from code that has to be corrected instead."""
    is_map: bool = False
    """Whether the file has the references in a map, by the names of the variables."""

    def refer_to(self, key: str, variable: str = "", arn: str = "") -> Remedy:
        """Let a reference name this key, and register a new revision, as `register` does."""
        return self.register(f'"{_ARN}:{key}::"', variable, arn)

    def add(self, key: str, variable: str = "") -> Remedy:
        """Let a new entry of secrets[] name this key, and register a new revision."""
        base = self.base if self.base and not self.stack else "SECRET_ARN"
        where = "" if base == self.base else f", where SECRET_ARN is the ARN of {self.names.secret}"
        if variable and self.is_map:
            return self._correct(f'add {variable} = "{base}:{key}::" to the map of secrets{where}')
        name = f'name = "{variable}" and ' if variable else ""
        return self._correct(f'add an entry with {name}valueFrom = "{base}:{key}::" to secrets{where}')

    def register(self, instead: str, variable: str = "", arn: str = "") -> Remedy:
        """Correct a reference and register a new revision; `arn` is what the secret's ARN in it has to be."""
        base, where = self.base, ""
        if arn and base:
            name = base[2:-1] if base.startswith("${") else base
            base, where = (base, f", where {name} is {arn}") if "${" in base else (arn, "")
        instead = instead.replace(_ARN, "SECRET_ARN" if self.stack or not base else base)
        if self.stack or not base:
            meant = arn or f"the ARN of {self.names.secret}"
            where = f", where SECRET_ARN is {meant}" if "SECRET_ARN" in instead else ""
        return self._correct(f"set {self.value_of(variable)} to {instead}{where}")

    def write(self, what: str, instead: str) -> Remedy:
        """Let what refers to another secret be this text or what it says, and register a new revision."""
        return self._correct(f"set {what} to {instead}")

    def value_of(self, variable: str) -> str:
        """What holds the reference of a variable, or all references where none is named."""
        if variable and self.is_map:
            return f"{variable} in the map of secrets"
        return f"valueFrom of {variable}" if variable else "valueFrom"

    def rename(self, variable: str, instead: str) -> Remedy:
        """Correct a variable's name beside its reference, and register a new revision."""
        if self.is_map:
            return self._correct(f"write {instead} instead of {variable} in the map of secrets")
        return self._correct(f'set name = "{instead}" instead of "{variable}" in secrets')

    @property
    def reminder(self) -> str:
        """What is to be corrected too, where a revision was registered by hand."""
        if self.stack:
            return f"Change it in {_where_made(self.stack)} too: its next deployment would undo this."
        if self.family:
            return f"Correct it in what registers {self.family} too: its next revision would have the former reference."
        return "Correct it in Terraform too: its next apply would restore the former reference."

    def _correct(self, what: str) -> Remedy:
        region = f"(region {self.names.region})"
        if self.stack:
            return Remedy(f"In {_where_made(self.stack)} {what}, then deploy the stack {region}.")
        if self.family:
            return Remedy(f"In what registers task definition {self.family} {what}, then register it again {region}.")
        if self.is_synthesized:
            deploy = f"cdktf deploy {command(Path(self.file).parent.name)} {region}"
            return Remedy(f"In the code that cdktf synth makes {self.file} from, {what}, then run {deploy}.")
        return Remedy(f"In {self.file} {what}, then run {self.program} apply {region}.")


def source_of(
    snapshot: Snapshot, definitions: Iterable[TaskDefinition] = (), container: str = "", variable: str = ""
) -> DefinitionSource:
    """The source of task definitions, without any of those that services use.

    Of one container, and of the reference of one variable, where one is named.
    """
    names, used = snapshot.environment.names, (snapshot.definition(service) for service in snapshot.services)
    revisions = [*definitions] or [each for each in used if each and snapshot.own_references(each)]
    stacks = {each.stack for each in revisions}
    if len(stacks) == 1 and stacks != {""}:
        return DefinitionSource(names=names, stack=stacks.pop())
    if snapshot.checkout is None:
        return DefinitionSource(names=names)
    task_definitions, families = snapshot.checkout.task_definitions, {each.family for each in revisions}
    declared = task_definitions.containers if task_definitions else ()
    is_elsewhere = not any(may_be_family(each.family, family) for each in declared for family in families)
    is_read = bool(declared) or task_definitions is None
    if is_elsewhere and families and (is_read or snapshot.checkout.other_tools):
        return DefinitionSource(names=names, family=" and ".join(sorted(families)), base="")
    own = {container} if container else {each.name for revision in revisions for each in revision.containers}
    own |= {of_family(name, revision.family) for name in own for revision in revisions}
    containers = [each for each in locations_of(snapshot).containers if each.name in own]
    keys = {*snapshot.environment.keys, *(snapshot.document.keys if snapshot.document else ())}
    files, bases = {_file_of(each, variable) for each in containers}, {base_of(each, keys) for each in containers}
    found = [ref for each in containers for ref in each.references if variable in ("", ref.variable)]
    found = found or [ref for each in containers for ref in each.references]
    is_guide = task_definitions is None or any(each.name == GUIDE_FILE for each in task_definitions.files)
    has_variable = is_guide or any(each.folder.declares(VARIABLE) for each in containers)
    return DefinitionSource(
        names=names,
        file=next(iter(files)) if len(files) == 1 else GUIDE_FILE if is_guide else "Terraform's files",
        program=snapshot.checkout.program,
        base=(bases.pop() if len(bases) == 1 else "") or (_ARN if has_variable else ""),
        is_map=bool(found) and all(ref.is_member for ref in found),
        is_synthesized=len(files) == 1 and any(is_synthesized(each.node.file) for each in containers),
    )


def source_of_demand(snapshot: Snapshot, demand: KeyDemand) -> DefinitionSource:
    """The source of one reference; what no variable gets is in no map of variables."""
    source = source_of(snapshot, [demand.definition], demand.container.name, demand.variable)
    return replace(source, is_map=source.is_map and demand.is_variable)


def source_for(snapshot: Snapshot, services: Collection[str]) -> DefinitionSource:
    """The source of the revisions that services use, by their names, or what reads the secret outside of one."""
    readers = (*snapshot.services, *snapshot.readers)
    used = (snapshot.definition(each) for each in readers if each.name in services)
    return source_of(snapshot, filter(None, used))


def refer_in_proxy(service: str, variable: str, value_from: str) -> Remedy:
    """Correct what the log driver of a service's Service Connect proxy gets: no task definition has it."""
    option, value = variable.rpartition(" ")[2], command(value_from)
    return Remedy(f"Set valueFrom of {option} in logConfiguration to {value}, in {service}'s Service Connect.")


def out_of_environment(variable: str) -> str:
    """What else a change does that injects a variable: ECS refuses one that a container has in plain text too."""
    return f"Take {variable} out of environment in the same change."


def base_of(container: TerraformContainer, keys: Collection[str]) -> str:
    """The expression of the secret's ARN in a container's references, malformed ones that name a key included."""
    heads = (_HEAD.match(each.value_from) for each in container.references)
    return container.base or most_frequent(head["base"] for head in heads if head and head["key"] in keys)


def _file_of(container: TerraformContainer, variable: str) -> str:
    """The file in which a container's reference is, or all are; its own where they are in several, or it has none."""
    own = [each for each in container.references if each.variable == variable]
    files = {each.element.file.name for each in own or container.references}
    return files.pop() if len(files) == 1 else container.file


def _where_made(stack: str) -> str:
    return f"what makes the CloudFormation stack {stack} (its template, CDK app or Copilot manifest)"
