"""A checkout of the platform: its Settings, .env template, compose files and task definitions in Terraform."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain
from pathlib import Path

from omc_runbook.model.errors import CannotEdit, UsageError
from omc_runbook.model.letters import FILES_NAMED, listed
from omc_runbook.model.secretive import is_password
from omc_runbook.model.suggestions import expand, is_folder
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.compose import (
    NAMES,
    SECRETS,
    Compose,
    ComposeService,
    ServiceVariable,
    names_missing_file,
    read_compose,
)
from omc_runbook.repository.dotenv_loading import find_loaded_files
from omc_runbook.repository.environment_reads import (
    EnvironmentRead,
    find_application_reads,
    find_environment_reads,
    find_other_reads,
)
from omc_runbook.repository.infrastructure import other_tools
from omc_runbook.repository.settings import read_settings
from omc_runbook.repository.settings_source import SettingsSource
from omc_runbook.repository.sparse_checkout import advise_sparse
from omc_runbook.repository.template import Template, TemplateEntry, find_template_of, parse_template
from omc_runbook.repository.url_parts import find_raw_parts
from omc_runbook.repository.variable_lists import VariableList, read_compose_lists
from omc_runbook.repository.variable_lists_edit import add_variable
from omc_runbook.repository.work_tree import note_compose_above, note_definition_above
from omc_runbook.repository.workflows import Workflows, read_workflows
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.program import TERRAFORM, name_of
from omc_runbook.terraform.secret_versions import SecretVersion, read_secret_versions
from omc_runbook.terraform.task_definitions import TaskDefinitions, read_task_definitions
from omc_runbook.textfile.file import Edit, read_if_readable

_OF_DATABASE = re.compile(r"POSTGRES|PG|MYSQL|MARIADB|REDIS|MONGO|DATABASE_")


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
    environment_reads: tuple[EnvironmentRead, ...] = ()
    """Where the application's code asks the environment for a variable, without Settings."""
    environment_sets: frozenset[str] = frozenset()
    """Variables that the application's code sets itself."""
    workflows: Workflows = field(default_factory=Workflows)
    compose_lists: tuple[VariableList, ...] = ()
    """Lists of variables in all Compose files, of services without `env_file`."""
    initial_values: tuple[SecretVersion, ...] = ()
    """What Terraform gives the first versions of secrets."""

    loaded_files: tuple[Path, ...] = ()
    """The files that the application's code loads its variables from, where Settings and Compose name none."""
    program: str = TERRAFORM
    """The command that applies its Terraform files: terraform or tofu."""
    compose_below: tuple[str, ...] = ()
    """The compose files in other folders, where Docker Compose finds none at the top."""
    is_compose_missing: bool = False
    """Whether COMPOSE_FILE names a file that does not exist, and no other."""
    other_tools: tuple[str, ...] = ()
    """Without a task definition in Terraform's files, a sentence on each other tool that may register it."""
    words_by_service: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Without a main class, the words in capitals in all that a service of Compose has code of, where that is known."""
    raw_url_parts: Mapping[str, str] = field(default_factory=dict)
    """By variable, where a file puts it into the login of a URL without escaping it."""

    @property
    def reads(self) -> frozenset[str]:
        """Every variable that Settings read, under each of its names."""
        return frozenset(name for each in self.settings.fields for name in each.variables)

    @property
    def without_compose(self) -> str:
        """That Docker Compose finds no file at the top, and which are below or above; "" where it does."""
        if self.is_compose_missing:
            return "COMPOSE_FILE names a file that does not exist."
        files, verb = listed(self.compose_below, FILES_NAMED), "are" if self.compose_below[1:] else "is"
        below = f" at its top, and {files} {verb} not read" if files else ""
        return "" if self.compose else f"The repository has no compose file{below}.{note_compose_above(self.root)}"

    @property
    def without_terraform(self) -> str:
        """That no task definition is in Terraform's files, and where it may be; "" where one is."""
        sentence = f"The repository has no Terraform with a task definition: {self.root} and its folders were searched."
        if self.task_definitions and not self.other_tools:
            return ""
        return " ".join((f"{sentence}{self.definition_elsewhere}", *self.other_tools))

    @cached_property
    def definition_elsewhere(self) -> str:
        """Sentences, after a blank, on where in the git repository a task definition may be; "" for nowhere."""
        return f"{advise_sparse(self.root)}{note_definition_above(self.root)}"

    def reads_as(self, name: str, due: str) -> bool:
        """Whether a variable of that name is read: by Settings, or by all that reads another, in whatever case."""
        if name in self.reads or self.settings.case_sensitive or name.casefold() != due.casefold():
            return name in self.reads
        return all(each.variable != due for each in self.environment_reads)

    @property
    def services(self) -> tuple[ComposeService, ...]:
        """The services of Compose; () without it."""
        return self.compose.services if self.compose else ()

    @property
    def used_by_compose(self) -> frozenset[str]:
        """Every variable that Compose's files interpolate or pass through to a service; none without it."""
        return self.compose.used if self.compose else frozenset()

    @cached_property
    def application(self) -> ComposeService | None:
        """The service of Compose that runs the application; None without one."""
        return self.compose.application() if self.compose else None

    def is_mounted(self, variable: str) -> bool:
        """Whether Compose gives the application a file of this name in the folder where Settings read values from."""
        is_read = SECRETS in map(posixpath.normpath, self.settings.secrets_dirs)
        files = self.application.secret_files if self.application and is_read else ()
        return self.settings.takes_file(variable, files)

    def is_renamed_by_compose(self, name: str) -> bool:
        """Whether Compose makes a variable that the template lacks of others, as ${PGPASSWORD}, for all services.

        What another service than the application gets so is the application's, too, only where it is a password.
        """
        if self.template_entry(name):
            return False
        entries = [entry for service, entry in self._set_by_services(name) if service == self.application]
        if is_password(name):
            entries = [entry for _, entry in self._set_by_services(name)]
        return any(each.interpolates for each in entries) and not any(each.is_of_dotenv for each in entries)

    @cached_property
    def sources_in_compose(self) -> Mapping[str, str]:
        """By variable that the template lacks, the one of the template's that Compose gives the application as it."""
        entries = self.application.environment if self.application else ()
        lacking = (each for each in entries if each.source and not self.template_entry(each.variable))
        return {each.variable: each.source for each in lacking if self.template_entry(each.source)}

    def is_fixed_by_compose(self, name: str, text: str) -> bool:
        """Whether Compose sets a service's variable to a text of its own, such as a database's password.

        Not where another service of the same image, as a database beside an old one, gets that of the .env.
        """
        entries = [(service.image_name or service.name, entry) for service, entry in self._set_by_services(name)]
        fixed = {server for server, entry in entries if not entry.interpolates and entry.has_text(text)}
        return not fixed <= {server for server, entry in entries if entry.is_of_dotenv}

    def texts_by_compose(self, name: str) -> frozenset[str]:
        """The texts of its own to which Compose sets a variable that is no secret, such as a database's user."""
        entries = (entry for _, entry in self._set_by_services(name) if not entry.interpolates)
        return frozenset(entry.value for entry in entries if isinstance(entry.value, str) and entry.value)

    def _set_by_services(self, name: str) -> Iterator[tuple[ComposeService, ServiceVariable]]:
        settings = ((service, each) for service in self.services for each in service.environment)
        return (pair for pair in settings if pair[1].variable == name)

    @property
    def template_entries(self) -> tuple[TemplateEntry, ...]:
        """The template's lines with variables; () without a template."""
        return self.template.entries if self.template else ()

    def template_entry(self, variable: str) -> TemplateEntry | None:
        """The template's line for a variable; None without a template, or without a line."""
        return self.template.find(variable) if self.template else None

    def template_entry_for(self, variable: str) -> TemplateEntry | None:
        """The template's line for a variable, or for another name of the same field of Settings, in its case or not.

        Else that for the variable of which Compose makes it.
        """
        field = self.settings.find(variable)
        names = [variable, *(field.own_variables if field and variable not in field.nested else ())]
        if found := next(filter(None, map(self.template_entry, names)), None):
            return found
        folded = {each.casefold() for each in names} if field and not self.settings.case_sensitive else set()
        entry = next((each for each in self.template_entries if each.name.casefold() in folded), None)
        return entry or self.template_entry(self.sources_in_compose.get(variable, ""))

    def lists_with(self, variables: Collection[str]) -> tuple[VariableList, ...]:
        """The lists in workflows and Compose files that give an application one of these variables.

        A database's own variables show no application. Of the lists in one workflow, the one that has most of them
        stands for all.
        """
        own_variables = {name for name in variables if not _OF_DATABASE.match(name)}
        lists = []
        for workflow in self.workflows.files:
            own = [each for each in workflow.variable_lists if own_variables.intersection(each.variables)]
            best = max(own, key=lambda each: len(own_variables.intersection(each.variables)), default=None)
            others = (each.variables for each in workflow.variable_lists if each is not best)
            lists += [replace(best, other_variables=tuple(chain.from_iterable(others)))] if best else []
        return (*lists, *(each for each in self.compose_lists if own_variables.intersection(each.all_variables)))

    def lists_beside_files(self, variables: Collection[str]) -> tuple[VariableList, ...]:
        """The lists in Compose files, of services with an `env_file`, that give an application one of these variables.

        What the shell has, as from a workflow's list, reaches such a service only by its list.
        """
        own_variables = {name for name in variables if not _OF_DATABASE.match(name)}
        lists = read_compose_lists(self.root, self.compose, beside_file=True)
        return tuple(each for each in lists if own_variables.intersection(each.all_variables))

    def add_to_list(self, variables: VariableList, name: str, required: bool) -> Edit | None:
        """The edit that adds a variable to a list; None where the list is not certainly the application's."""
        workflow = self.workflows.find(variables.file)
        is_own = workflow.passes_on(variables) if workflow else self._is_of_application(variables)
        file = workflow.file if workflow else read_if_readable(self.root, variables.file)
        try:
            return add_variable(file, variables, name, required) if file and is_own else None
        except CannotEdit:
            return None

    def _is_of_application(self, variables: VariableList) -> bool:
        """Whether a list is the only one of the service that runs the application, as Compose merges it."""
        service = self.application
        files = {file.name for file in self.compose.files} if self.compose else set()
        own = [each for each in self.compose_lists if service and each.owner == service.name and each.file in files]
        return service is not None and own == [variables] and not service.env_files


def find_root(repository: str) -> Path:
    """The absolute path of the parameter `repository`; raises UsageError, in one sentence, if it is not a folder."""
    if not repository.strip():
        raise UsageError('repository is empty: name a checkout of the platform, as in repository = ".".')
    root = expand(repository.strip())
    if not is_folder(root):
        raise UsageError(f"repository {root} is not a folder: name a checkout of the platform.")
    return root.resolve()


def read_checkout(root: Path) -> Checkout:
    """Read a checkout; raises UsageError as `read_settings` does, or for a file that cannot be parsed."""
    files = CheckoutFiles(root)
    terraform = TerraformFiles(root, files.folders)
    settings = read_settings(root, files)
    compose, task_definitions = read_compose(root, settings.path_or_folder), read_task_definitions(root, terraform)
    # In a container Compose sets the variables.
    loads_itself = settings.env_files == () and not (compose and compose.application())
    file = find_template_of(root, settings.path)
    template = parse_template(file) if file else None
    is_declared = bool(task_definitions.containers or task_definitions.unreadable)
    environment_reads, environment_sets = find_environment_reads(files, settings.path, settings.folder)
    return Checkout(
        root=root,
        settings=settings,
        template=template,
        compose=compose,
        task_definitions=task_definitions if is_declared else None,
        is_compose_missing=not compose and names_missing_file(files),
        compose_below=() if compose else tuple(str(each.relative_to(root)) for each in files.with_names(NAMES)),
        other_tools=() if is_declared and not task_definitions.are_apart else other_tools(files),
        application_reads=find_application_reads(files, settings.path, settings.folder),
        other_reads=find_other_reads(files),
        program=name_of(*dict.fromkeys(file.path.parent for file in task_definitions.files)),
        words_by_service=_words_by_service(files, compose) if compose and settings.file is None else {},
        raw_url_parts=find_raw_parts(files, settings, template, compose),
        environment_reads=environment_reads,
        environment_sets=environment_sets,
        workflows=read_workflows(root),
        compose_lists=read_compose_lists(root, compose),
        initial_values=read_secret_versions(root, terraform),
        loaded_files=find_loaded_files(files, settings.path) if loads_itself else (),
    )


def _words_by_service(files: CheckoutFiles, compose: Compose) -> dict[str, frozenset[str]]:
    found = {each.name: files.words(each.code) for each in compose.services if each.code}
    return {name: words for name, words in found.items() if words is not None}
