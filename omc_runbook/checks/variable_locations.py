"""The locations that a variable can be in, and what each has of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from omc_runbook.aws.definitions import Container, TaskDefinition
from omc_runbook.checks.key_demand import all_demands, containers_in_force
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.environment import KNOWN
from omc_runbook.model.grouping import grouped
from omc_runbook.model.secretive import is_frontend, is_secret
from omc_runbook.model.value_from import parse
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.settings_source import Field
from omc_runbook.repository.variable_lists import ENV, VariableList
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform.container import ContainerVariable, TerraformContainer
from omc_runbook.terraform.hcl_template import fits, is_literal, replace_interpolations
from omc_runbook.terraform.secret_versions import SecretVersion, find_own
from omc_runbook.terraform.services import DeclaredService

TEMPLATE, SETTINGS, COMPOSE, TERRAFORM, DEFINITION = "template", "Settings", "compose", "Terraform", "task definition"
TASKS = "tasks"
_OF = " of "
"""What joins a container's name and its family."""
INITIAL, WORKFLOWS, LISTS = "initial value", "workflow env", "other Compose lists"
"""What new environments, workflows and further services of Compose begin with: a checkout may have none of them."""

_OF_AWS = "AWS_"
"""The prefix of variables that AWS's libraries read, and Settings never does."""

ELSEWHERE = "elsewhere"
"""How a variable is read that another file of the application reads."""


class VariableLocations:
    """What a snapshot and its checkout have, by location."""

    def __init__(self, snapshot: Snapshot, checkout: Checkout) -> None:
        self.checkout, self.catalogue = checkout, snapshot.environment.keys
        environments = {*KNOWN, *snapshot.environment.others}
        task_definitions = checkout.task_definitions
        name = snapshot.environment.name
        applied = task_definitions.of_environment(name, environments) if task_definitions else None
        applicable = applied.own_containers(name, environments) if applied else []
        all_containers = applied.containers if applied else ()
        self.unreadable = applied.unreadable if applied else ()
        """A sentence on each part of Terraform's task definitions that could not be read for this environment."""
        self._of_other_environments = [each for each in all_containers if each not in applicable]
        self.snapshot = snapshot = _with_families(snapshot, applicable)
        used = (snapshot.definition(service) for service in snapshot.services)
        families = {definition.family for definition in used if definition}
        demands = [
            demand
            for demand in all_demands(snapshot)
            if demand.in_force
            and demand.is_variable
            # What another cluster runs may be another application.
            and not demand.service.other_cluster
            # A task that runs a service's family without it may run an older revision.
            and not (demand.service.is_family and demand.definition.family in families)
        ]
        own = [demand for demand in demands if snapshot.is_own(demand.reference)]
        self.defined = {(demand.container.name, demand.variable): demand.reference.key for demand in own}
        """By container and variable the key, as task definitions in force have it."""
        self.foreign = {(demand.container.name, demand.variable) for demand in demands} - self.defined.keys()
        """Containers and variables that come from another secret, or from a parameter of SSM."""
        self.containers = tuple(map(self._in_force_name, applicable))
        self.declared = dict(self._declared()) | {
            at: key for at, key in self.defined.items() if at[0] in self.evaluated
        }
        """The same as `defined`, as Terraform's files have it."""
        document = snapshot.document
        self.keys = frozenset(document.keys) if document else None
        """The keys of this environment's secret; None where they could not be read, or there is none."""
        others = snapshot.other_keys.items()
        self.others = {name: other.names for name, other in others if other.names is not None or other.unread}
        """The keys of the others' secrets, None for one that could not be read; one without a secret is left out."""

    def _in_force_name(self, container: TerraformContainer) -> TerraformContainer:
        """A container with its name in force, where its own is a template, or has a family, that matches only one."""
        if container.name in self.in_force:
            return container
        matching = [name for name in self.in_force if _may_be_in_force(container, *name.split(_OF))]
        return replace(container, name=matching[0]) if len(matching) == 1 else container

    @property
    def _references(self) -> Iterator[tuple[tuple[str, str], ContainerVariable]]:
        return (((each.name, ref.variable), ref) for each in self.containers for ref in each.references)

    @cached_property
    def _own_bases(self) -> frozenset[str]:
        """How Terraform's files name the secret, by the references that have the same key in force."""
        own = [
            (ref.base, ref.key == self.defined[at]) for at, ref in self._references if ref.base and at in self.defined
        ]
        return frozenset(base for base, is_same in own if is_same) or frozenset(base for base, _ in own)

    def _declared(self) -> Iterator[tuple[tuple[str, str], str]]:
        for location, ref in self._references:
            # A variable from another secret comes from there in the files too, unless they name ours.
            is_ours = location not in self.foreign or ref.base in self._own_bases
            if is_ours and (ref.certain or location in self.defined):
                yield location, ref.key

    @cached_property
    def elsewhere(self) -> Mapping[tuple[str, str], str]:
        """By container and variable what Terraform's files name in the place of the secret, which it may not be."""
        references = ((at, ref.base) for at, ref in self._references if self._own_bases and ref.base)
        others = ((at, base) for at, base in references if base not in self._own_bases)
        return {at: base for at, base in others if not (is_literal(base) and self.snapshot.is_own(parse(base)))}

    @cached_property
    def in_force(self) -> Mapping[str, frozenset[str]]:
        """By container its plain variables, as task definitions in force have them."""
        definitions = (self.snapshot.definition(each) for each in self.snapshot.services)
        containers = (container for definition in definitions if definition for container in definition.containers)
        return {container.name: frozenset(container.environment) for container in containers}

    @cached_property
    def shared(self) -> frozenset[str]:
        """The containers that both Terraform and the task definitions in force have, by name."""
        return frozenset(self.in_force.keys() & {container.name for container in self.containers}) | self.evaluated

    @cached_property
    def evaluated(self) -> frozenset[str]:
        """The containers that are not read in full, and whose references are what Terraform's expressions evaluate to.

        This shows that the files are applied, in whatever form they are. Where the two differ it shows nothing, since a
        variable may be set elsewhere.
        """
        read = {container.name for container in self.containers if not container.other_sources}
        services = self.snapshot.declared.services if self.snapshot.declared else ()
        in_force, others = set[str](), set[str]()
        for service in self.snapshot.services:
            definition = self.snapshot.definition(service)
            means = [each for each in services if definition and each.family and each.family.value == definition.family]
            for container in self.snapshot.containers(service):
                is_same = bool(means) and all(self._is_in_force(each, container) for each in means)
                (in_force if is_same else others).add(container.name)
        return frozenset(in_force - others - read)

    def _is_in_force(self, service: DeclaredService, container: Container) -> bool:
        """Whether what Terraform's files give a service's container are its references in force."""
        own = {each.variable: each.reference for each in container.secrets if self.snapshot.is_own(each.reference)}
        foreign = {each.variable for each in container.secrets} - own.keys()
        variables = [
            each
            for each in service.variables
            if each.container == container.name.partition(_OF)[0]
            and (each.variable not in foreign or each.secret == self.snapshot.secret_name)
        ]
        return (
            service.is_whole
            and sorted(each.variable for each in variables) == sorted(own)
            and all(
                each.secret == self.snapshot.secret_name
                and own[each.variable].text in (each.rest, f"{own[each.variable].secret_arn}{each.rest}")
                for each in variables
            )
        )

    @cached_property
    def application(self) -> frozenset[str]:
        """The containers in which Settings is read: those that get one of its variables, and no sidecar."""
        variables = (*self.defined, *self.declared)
        return frozenset(name for name, variable in variables if self.checkout.settings.find(variable)) or self.main

    @cached_property
    def main(self) -> frozenset[str]:
        """The containers of the main service that get anything from the secret."""
        main, containers = self.snapshot.environment.names.service, containers_in_force(self.snapshot)
        names = {container.name for service, _, container in containers if service.name == main}
        return frozenset(names & {name for name, _ in self.defined})

    @cached_property
    def home(self) -> frozenset[str]:
        """The application's containers that get new keys: those of the main service, if it has any."""
        return self.application & self.main or self.application

    @cached_property
    def unseen(self) -> frozenset[str]:
        """The containers that Terraform may give more than was read."""
        return frozenset(container.name for container in self.containers if container.other_sources) - self.evaluated

    @cached_property
    def only_of_others(self) -> Mapping[str, tuple[str, ...]]:
        """By container in force that Terraform's files have for other environments alone, the folders that have it."""
        found = {
            name: [each for each in self._of_other_environments if _may_be_in_force(each, *name.split(_OF))]
            for name in self.in_force.keys() - self.shared
        }
        return {
            name: tuple(sorted({each.root.rpartition("/")[0] or "." for each in containers}))
            for name, containers in found.items()
            if containers
        }

    @property
    def may_be_hidden(self) -> bool:
        """Whether Terraform may have a container that could not be read."""
        return bool(self.unreadable) or not all(is_literal(each.name) for each in self.containers)

    @cached_property
    def required(self) -> frozenset[str]:
        """The variables that Settings certainly requires, each by that of its names which is set."""
        fields = (each for each in self._without_default if not each.doubt)
        return frozenset(name for each in fields for name in self._needed(each))

    @cached_property
    def doubts(self) -> Mapping[str, str]:
        """The other variables without a default in Settings, each with why it may not require them."""
        fields = ((name, each.doubt) for each in self._without_default for name in self._needed(each))
        return {name: doubt for name, doubt in fields if name not in self.required}

    @property
    def _without_default(self) -> Iterator[Field]:
        return (each for each in self.checkout.settings.fields if each.required and each.has_known_names)

    @cached_property
    def without_prefix(self) -> Mapping[str, str]:
        """The variables of Settings by their names without env_prefix, where no container gets one with it.

        Without containers, where nothing else has it.
        """
        prefix, provided = self.checkout.settings.env_prefix.upper(), self._provided
        variables = {*self._injected, *self._plain} or provided
        if not prefix or self.is_blind or any(name.upper().startswith(prefix) for name in variables):
            return {}
        names = [name for name in sorted(self.checkout.reads) if name.upper().startswith(prefix)]
        return {name[len(prefix) :]: name for name in names if name[len(prefix) :] in provided}

    @property
    def is_blind(self) -> bool:
        """Whether some task definition in force could not be read."""
        return bool({"services", "task_definitions"}.intersection(self.snapshot.gaps))

    def variable(self, key: str) -> str:
        """The variable that a key fills: as containers have it, else as the catalogue says."""
        variables = (*self.declared.items(), *self.defined.items())
        return {own: variable for (_, variable), own in variables}.get(key) or variable_of(key, self.catalogue)

    def is_secret(self, variable: str) -> bool:
        """Whether its value is a secret."""
        keys = (key for name, key in self.catalogue.items() if variable_of(name, self.catalogue) == variable)
        return is_secret(variable, next(keys, None))

    def in_template(self, variable: str) -> str:
        """How the template has it: "", "set", "empty" or "optional"."""
        entry = self.checkout.template_entry_for(variable)
        if entry is None:
            return ""
        return "optional" if entry.optional else "set" if entry.value else "empty"

    def in_settings(self, variable: str) -> str:
        """How the application reads it: "", "required", "may be required", "optional", or ELSEWHERE.

        That is otherwise than by a class in config.py.
        """
        part = self.checkout.settings.part(variable)
        if part:
            is_required = part.required or variable in self.required
            return "may be required" if variable in self.doubts else "required" if is_required else "optional"
        is_part = self.checkout.settings.find_whole(variable) is not None
        is_taken = is_part or self.checkout.settings.takes(variable)
        return ELSEWHERE if is_taken or variable.upper() in self.checkout.application_reads else ""

    def is_demanded(self, variable: str) -> bool:
        """Whether Docker Compose refuses to start without it."""
        return self.checkout.compose is not None and variable in self.checkout.compose.required

    def in_compose(self, variable: str) -> str:
        """How the application's service of compose gets it: "", "env_file", "environment" or "secrets"."""
        service = self.checkout.application
        if self.checkout.is_mounted(variable):
            return "secrets"
        if service and any(setting.variable == variable for setting in service.environment):
            return "environment"
        is_mounted = service is not None and service.mounts_checkout and self.checkout.settings.env_files != ()
        return "env_file" if service and (service.env_files or is_mounted) else ""

    @cached_property
    def referenced(self) -> frozenset[str]:
        """The keys that containers reference, in force or in Terraform's files, and that the secret does not lack."""
        defined = (key for (container, _), key in self.defined.items() if container in self.shared)
        keys = frozenset(key for key in (*defined, *self.declared.values()) if key)
        # key-missing and terraform-ahead report a key that the secret itself lacks.
        return keys & self.keys if self.keys is not None else keys

    @cached_property
    def initial_values(self) -> tuple[SecretVersion, ...]:
        """What Terraform gives the first version of this secret."""
        return find_own(self.checkout.initial_values, self.referenced)

    @cached_property
    def lists(self) -> tuple[VariableList, ...]:
        """The lists in workflows and Compose files with secrets of Settings, but the application's own in Compose."""
        compose = self.checkout.compose
        files = [file.name for file in compose.files] if compose else []
        own = self.checkout.application.name if self.checkout.application else ""
        # compose-lacks reports the application's own service.
        return tuple(each for each in self.lists_of_all if each.owner != own or each.file not in files)

    @cached_property
    def lists_of_all(self) -> tuple[VariableList, ...]:
        """The lists in workflows and Compose files with secrets of Settings."""
        return self.checkout.lists_with({name for name in self.checkout.reads if self.is_secret(name)})

    def in_lists(self, variable: str, location: str) -> tuple[bool, ...]:
        """For each list of a kind whether it has a variable."""
        kind = [each for each in self.lists if (each.owner == ENV) == (location == WORKFLOWS)]
        has = [(variable in each.all_variables, each.owner) for each in kind]
        return tuple(is_there for is_there, owner in has if is_there or self.may_read(owner, variable))

    def may_read(self, service: str, variable: str) -> bool:
        """Whether a service of Compose may read a variable: without a main class, the code that does tells."""
        compose, words = self.checkout.compose, self.checkout.words_by_service.get(service)
        if compose is None or words is None or variable in words:
            return True
        files = {each.file for each in self.checkout.settings.fields if variable in each.variables}
        files |= {each.file for each in self.checkout.environment_reads if each.variable == variable}
        return not files or compose.may_run(service, files)

    def in_initial_values(self, keys: Collection[str]) -> tuple[bool, ...]:
        """For each first value of the secret whether it has one of the keys."""
        return tuple(not {*keys}.isdisjoint(each.keys) for each in self.initial_values)

    def alone_in_initial_values(self) -> Iterator[tuple[SecretVersion, str]]:
        """The keys of first values that nothing else has, each with its value; not those that the secret has."""
        elsewhere = {*(self.keys or ()), *self.defined.values(), *self.declared.values()}
        for value in self.initial_values if self.keys is not None else ():
            keys = (key for key in sorted({*value.keys} - elsewhere) if not self.is_read(self.variable(key)))
            yield from ((value, key) for key in keys)

    def alone_in_lists(self) -> Iterator[tuple[VariableList, str]]:
        """The secrets in lists with the application's variables that nothing reads, each with its list."""
        for variables in self.lists_of_all:
            # The commands of a workflow read variables too, and so do tools that no file names.
            workflow = self.checkout.workflows.find(variables.file)
            for name in variables.variables if not workflow or workflow.passes_on(variables) else ():
                if self.is_secret(name) and not is_of_others(name) and not self.is_read(name):
                    yield variables, name

    def is_read(self, variable: str) -> bool:
        """Whether anything in the checkout reads a variable, or any container gets it."""
        checkout = self.checkout
        names = {*self._injected}
        names |= {each.variable for each in checkout.environment_reads}
        names |= checkout.reads | checkout.application_reads | checkout.other_reads
        return (
            variable in names or self.in_settings(variable) != "" or self.checkout.template_entry(variable) is not None
        )

    def is_provided(self, variable: str) -> bool:
        """Whether any location has it, or Settings reads it."""
        return self.checkout.settings.find(variable) is not None or variable in self._provided

    @property
    def _plain(self) -> Iterator[str]:
        yield from (name for names in self.in_force.values() for name in names)
        yield from (name for container in self.containers for name in container.environment)

    @property
    def _injected(self) -> Iterator[str]:
        return (name for _, name in (*self.defined, *self.declared, *self.foreign))

    @cached_property
    def _provided(self) -> frozenset[str]:
        """What the locations have: files of the checkout, task definitions, and keys of a secret."""
        checkout, compose = self.checkout, self.checkout.compose
        keys = {*(self.keys or ()), *(key for names in self.others.values() for key in names or ())}
        listed = (each.variable for service in (compose.services if compose else ()) for each in service.environment)
        lists = (name for each in checkout.compose_lists for name in each.all_variables)
        everything = {*listed, *self._plain, *self._injected, *lists, *map(self.variable, keys), *keys}
        everything |= checkout.environment_sets | checkout.workflows.variables
        everything |= {each.name for each in checkout.template_entries}
        return frozenset(everything)

    def plainly(self, variable: str) -> frozenset[str]:
        """Which of Terraform and the task definitions in force give it to the application without the secret."""
        declared = {container.name: container.environment for container in self.containers}
        return frozenset(
            location
            for location, variables in ((TERRAFORM, declared), (DEFINITION, self.in_force))
            for name, names in variables.items()
            if name in self.application and (variable in names or (name, variable) in self.foreign)
        )

    def in_secrets(self, keys: set[str]) -> Iterator[tuple[str, bool | None]]:
        """By environment whether its secret has one of the keys; None where it could not be read."""
        snapshot = self.snapshot
        if self.keys is not None:
            yield snapshot.environment.name, bool(keys & self.keys)
        elif snapshot.secret or "secret" in snapshot.gaps:
            yield snapshot.environment.name, None
        for name, names in self.others.items():
            yield name, bool(keys & names) if names is not None else None

    def in_tasks(self, variable: str) -> str:
        """Running tasks whose own revision has it, of all that services with it run: "2 of 2"."""
        have = of = 0
        for service in self.snapshot.consumers:
            definition = self.snapshot.definition(service)
            if definition and variable in {each.variable for _, each in self.snapshot.own_injections(definition)}:
                for task in self.snapshot.running(service):
                    of += 1
                    revision = self.snapshot.definition(task)
                    have += revision is not None and variable in revision.variables
        return f"{have} of {of}"

    def is_misnamed(self, variable: str, key: str) -> bool:
        """Whether Settings reads a key under another variable, which is not set."""
        due = variable_of(key, self.catalogue)
        variables = {due in names for names in self.in_force.values()} | {due == each for _, each in self.defined}
        return bool(key) and due != variable and self.checkout.settings.find(due) is not None and True not in variables

    def used(self, field: Field) -> str:
        return next(filter(self._is_set, field.variables), field.variables[0])

    def _needed(self, field: Field) -> tuple[str, ...]:
        """The variables that a required field needs: its model's required parts, where it has some, or any one."""
        is_whole = any(map(self._is_set, field.own_variables))
        return (not is_whole and field.required_parts) or (self.used(field),)

    def _is_set(self, variable: str) -> bool:
        """Whether a container gets a variable, or the template has it."""
        return variable in self._variables_of_containers or self.checkout.template_entry(variable) is not None

    @cached_property
    def _variables_of_containers(self) -> frozenset[str]:
        variables = {variable for _, variable in (*self.defined, *self.declared)}
        return frozenset(variables.union(*(each.environment for each in self.containers)))


def is_of_family(name: str) -> bool:
    """Whether a name has the family of its container, which no container's own name does."""
    return _OF in name


def of_family(container: str, family: str) -> str:
    """What a container is called whose name is in several families."""
    return f"{container}{_OF}{family}"


def _may_be_in_force(container: TerraformContainer, name: str, family: str = "") -> bool:
    """Whether a container of Terraform's files may be one in force, of a family where the name is in several."""
    is_named = container.name == name or fits(container.name, name)
    return is_named and (not family or may_be_family(container.family, family))


def may_be_family(pattern: str, family: str) -> bool:
    """Whether a family, as it is written, may be one in force: an interpolation may be empty, and "" be anything."""
    words = replace_interpolations(pattern, lambda *_: "\0").split("\0")
    is_read = bool(pattern) and all(map(is_literal, words))
    return not is_read or re.fullmatch(".*".join(map(re.escape, words)), family) is not None


def _with_families(snapshot: Snapshot, declared: Sequence[TerraformContainer]) -> Snapshot:
    """The snapshot with the family beside each container's name that is in several, if the files tell which is whose.

    What is the same for all of one name stands by the name alone.
    """
    used = (snapshot.definition(each) for each in (*snapshot.services, *snapshot.readers))
    families = grouped(
        (container.name, definition.family) for definition in filter(None, used) for container in definition.containers
    )
    several = {name: {*of} for name, of in families.items() if _are_told_apart(declared, name, {*of})}
    if not several:
        return snapshot

    def named(definition: TaskDefinition, container: Container) -> Container:
        is_one = definition.family in several.get(container.name, ())
        return replace(container, name=of_family(container.name, definition.family)) if is_one else container

    definitions = {
        arn: replace(each, containers=tuple(named(each, container) for container in each.containers))
        for arn, each in snapshot.task_definitions.items()
    }
    return replace(snapshot, task_definitions=definitions)


def _are_told_apart(declared: Sequence[TerraformContainer], name: str, families: Collection[str]) -> bool:
    """Whether the files have a name's containers of these several families, each certainly of at most one of them."""
    if len(families) < 2:
        return False
    own = [each for each in declared if _may_be_in_force(each, name)]
    # If none is of these families, they may be called otherwise in force.
    return max((sum(_may_be_in_force(each, name, family) for family in families) for each in own), default=0) == 1


@once
def locations_of(snapshot: Snapshot) -> VariableLocations:
    """The locations of variables in a snapshot with a checkout."""
    assert snapshot.checkout is not None, "asked for only where a checkout was read"
    return VariableLocations(snapshot, snapshot.checkout)


def is_of_others(variable: str) -> bool:
    """Whether a variable is AWS's own, or of a frontend's build."""
    return variable.startswith(_OF_AWS) or is_frontend(variable)
