"""A developer's workstation: the checkout, its .env as each program parses it, git, and the logs of a start."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, compress
from pathlib import Path

from omc_runbook.masking.addresses import logins_of
from omc_runbook.masking.defects import is_shortened
from omc_runbook.masking.value import Masked
from omc_runbook.messages.startline import StartProblem
from omc_runbook.model.catalogue import Key, variable_of
from omc_runbook.model.grouping import grouped
from omc_runbook.model.placeholders import ENCRYPTED, PLACEHOLDER, REFERENCE
from omc_runbook.model.secretive import is_issued, is_secret
from omc_runbook.model.shell import command
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.compose import interpolate
from omc_runbook.repository.git import GitStatus
from omc_runbook.repository.settings_classes import IN_SECRETS_DIR
from omc_runbook.repository.settings_source import Field
from omc_runbook.workstation import docker
from omc_runbook.workstation.docker import ComposeConfig
from omc_runbook.workstation.dotenv import Binding, Dotenv
from omc_runbook.workstation.history import GitHistory, Location
from omc_runbook.workstation.leaks import TrackedValues
from omc_runbook.workstation.settings_probe import SettingsResult, UrlPart

DOTENV = ".env"

_DJANGO = "DJANGO_SETTINGS_MODULE"
_OF_COMPOSE = ("COMPOSE_", "DOCKER_")
"""How the variables begin that Docker Compose itself reads from the .env."""
_NO_VALUES = (PLACEHOLDER, ENCRYPTED)

BLANK = re.compile(r"\A\s*(?:#(?:\s[^\n]*)?)?\Z")

NOT_LOADED = "Settings were not loaded, which would run the checkout's code: set allow_code = True where you trust it."


@dataclass(frozen=True)
class SharedValues:
    """Local values that other environments have too: the environment and key by variable, and what failed."""

    matches: Mapping[str, str]
    failures: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    """The environments whose secret was read, or does not exist."""
    published: tuple[tuple[str, Location], ...] = ()
    """Values of other environments that git's history holds: the environment and key, and where."""


@dataclass(frozen=True, kw_only=True)
class Workstation:
    """Everything that was read of a developer's machine; values are masked."""

    checkout: Checkout
    keys: Mapping[str, Key]
    dotenv: Dotenv | None
    dangling_target: Path | None = None
    """Where the .env links to, if there is nothing."""
    stray_files: tuple[Path, ...]
    """Files called .env outside the checkout's top folder; without a .env, those beside it that were meant to be it."""
    read_instead: Path | None = None
    """Without a .env, the file beside it that has its variables, and that Settings or Compose read."""
    missing_env_files: tuple[Path, ...]
    """Files called .env in other folders that Compose requires and that do not exist."""
    git: GitStatus
    settings_result: SettingsResult | None
    """The result of loading Settings with the .env; None without a .env, or if it was not tried."""
    later_result: SettingsResult | None = None
    """The result of loading Settings with the overriding files too; None without any, or if it was not tried."""
    compose_program: tuple[str, ...] = docker.PROGRAMS[0]
    """The words that begin a command of Docker Compose on this machine."""
    compose_config: ComposeConfig | None
    """The configuration that Docker Compose resolves with it; None if Compose was not run."""
    shell: Mapping[str, Masked]
    """Variables of the .env, and those that values of the template refer to, that are set in this process too."""
    start_messages: tuple[StartProblem, ...] | None = None
    """Messages in the logs of the application and its database after a start; None if they were not started."""
    started: bool | None = None
    """Whether docker compose up succeeded; None if it was not run, or that is unknown."""
    start_problem: str = ""
    """Why it failed, or what of the start is unknown."""
    start_remedy: str = ""
    """The command that removes what it failed at, or that shows more of it."""
    shared_values: SharedValues | None = None
    """None if values were not compared with other environments'."""
    comparison_problem: str = ""
    """Why they were not."""
    published_files: tuple[Path, ...] = ()
    """Stray files, or the target of a linked .env, that git tracks or has in its history."""
    secret_files: frozenset[str] = frozenset()
    """Names of the files in the folders of secrets_dir that are not empty."""
    earlier_files: tuple[Dotenv, ...] = ()
    """The files that Settings or Compose read before the .env, which overrides them."""
    overriding_files: tuple[Dotenv, ...] = ()
    """Other files that Settings or Compose read after the .env, so that they override it."""
    instead: Dotenv | None = None
    """The .env that Settings and Compose read instead of the one at the top, which exists too; None for none."""
    private_keys: Dotenv | None = None
    """The file with the keys that decrypt the .env, where dotenvx has encrypted it."""
    history: GitHistory | None = None
    """Fingerprints of all that git holds in files with values; None where it was not read."""
    tracked: TrackedValues[str] | None = None
    """The secret values in use that stand in tracked files, by variable; None where these were not searched."""
    owner: str = ""
    """The name of the user of this process."""
    url_parts: tuple[UrlPart, ...] = ()
    """Variables that properties of Settings put into a URL; known without a .env too."""
    unread_settings: tuple[str, ...] = ()
    """The classes of settings of other applications in the checkout, as a message names them."""
    is_code_withheld: bool = False
    """Whether Settings were not loaded with the .env because the checkout's code may not run."""

    @property
    def path(self) -> Path:
        """The path of the .env: at the top of the checkout."""
        return self.checkout.root / DOTENV

    @property
    def commits(self) -> tuple[str, ...]:
        """The short ids of the last commits on any branch or tag that touch the .env, the newest first."""
        return self.history.commits.get(self.path.name, ()) if self.history else ()

    @property
    def unlink(self) -> str:
        """What stands before a command that makes the .env where that is a link that leads nowhere; "" elsewhere."""
        return f"{command('rm', self.path)} && " if self.dangling_target else ""

    def link_to(self, other: Path) -> str:
        """The command that makes the .env a link to another file."""
        return f"{self.unlink}{command('ln', '-s', other, self.path)}"

    def compose_command(self, *words: str) -> str:
        """A command of Docker Compose on the checkout, to paste in any folder."""
        return docker.command_for(self.compose_program, self.checkout, *words)

    @property
    def is_passed_by_compose(self) -> bool:
        """Whether Compose gives the application's container the .env's variables; Settings name no relative path."""
        service, files = self.checkout.application, self.checkout.settings.env_files or ()
        names = service.env_files if service and all(map(os.path.isabs, files)) else ()
        return self.path in {Path(os.path.normpath(self.checkout.root / name)) for name in names}

    @cached_property
    def dotenv_paths(self) -> tuple[Path, ...]:
        """The paths of the .env that Settings read, or the code itself; empty for none, or if that is unknown."""
        if self.checkout.loaded_files:
            return tuple(each.resolve() for each in self.checkout.loaded_files)
        if is_read_by_settings(self.checkout, self.path):
            return (self.path,) if self.checkout.settings.env_files else ()
        if self.settings_result and self.settings_result.env_files:
            return tuple(path for path, _ in self.settings_result.env_files)
        names = self.checkout.settings.env_files or ()
        folders = [each[0] for each in _starts_without(self.checkout, self.path, names)]
        paths = ((self.checkout.root / folder / name).resolve() for folder in folders for name in names)
        return tuple(dict.fromkeys(paths))

    @property
    def read_by_both(self) -> Path | None:
        """The other .env, such as that in Settings' folder, that Settings and Compose read instead; None for none."""
        settings, service, root = self.checkout.settings, self.checkout.application, self.checkout.root
        if service is None or service.env_file_names is None:
            return None
        by_settings = {os.path.normpath(root / settings.folder / name) for name in settings.env_files or ()}
        by_compose = {os.path.normpath(root / name) for name in service.env_files}
        if str(self.path) in by_settings | by_compose:
            return None
        both = (each for each in self.stray_files if str(each) in by_settings & by_compose)
        return next((each for each in both if each.resolve() != self.path.resolve()), None)

    @cached_property
    def required(self) -> Mapping[str, str]:
        """The required variables, each with the reason."""
        return self.required_with({})

    @property
    def needs_dotenv(self) -> bool:
        """Whether there is a .env, or ought to be: for a variable that is required, in the template, or of Compose."""
        is_active = any(not each.commented_out for each in self.checkout.template_entries)
        is_passed = any(each.env_file_names is None for each in self.checkout.services)
        return self.dotenv is not None or is_active or is_passed or bool(self.checkout.used_by_compose or self.required)

    def required_with(self, values: Mapping[str, Masked]) -> Mapping[str, str]:
        """The required variables, each with the reason, where the .env gets some values that it lacks."""
        reasons = dict(self._required_by_fields())
        for name, why in chain(self._required_by_defaults(), self._required_by_conditions(values)):
            reasons.setdefault(name, why)
        for variable, why in self._required_by_catalogue(values):
            if not self._is_told(variable, reasons):
                reasons.setdefault(self.dotenv_name(variable), why)
        provided = {name for name in reasons if self.is_set_later(name) or self.is_given_elsewhere(name)}
        provided |= {name for name in reasons if self.is_set_instead(name)}
        reasons = {name: why for name, why in reasons.items() if name not in provided}
        for name in self.checkout.compose.required if self.checkout.compose else ():
            reasons.setdefault(name, "Compose refuses to start without it")
        return reasons

    def _required_by_fields(self) -> Iterator[tuple[str, str]]:
        for field in self.checkout.settings.fields:
            for name in self._variables_of(field) if field.required and field.has_known_names else ():
                if not (self._is_doubtful(name, field) or self._is_optional(name, field)):
                    made = next((each for each in self._made_by_compose(name) if each in field.variables), "")
                    yield name, f"Compose makes {made} of it, and {field.reason}" if made else field.reason

    def _variables_of(self, field: Field) -> list[str]:
        """The variables that a required field needs: a nested model's one of JSON, or one for each of its fields."""
        name = self.dotenv_name(field.variables[0])
        inner = [*map(self.dotenv_name, field.required_parts)]
        if inner and not self.binding(name):
            return inner
        return [] if field.nested else [name]

    def _required_by_defaults(self) -> Iterator[tuple[str, str]]:
        """Those that a default asks the environment for; what the template lacks, such as HOME, the system may set."""
        lines = {(field.file, field.line) for field in self.checkout.settings.fields}
        for read in self.checkout.environment_reads:
            is_default = read.is_required and read.is_local and (read.file, read.line) in lines
            if is_default and self.checkout.template_entry(read.variable):
                yield self.dotenv_name(read.variable), f"{read.file}, line {read.line}, has no default for it"

    def _required_by_conditions(self, values: Mapping[str, Masked]) -> Iterator[tuple[str, str]]:
        for condition in self.checkout.settings.conditions:
            if option := self._chosen(condition.chooser, condition.options, values):
                reason = f"Settings requires it where {condition.chooser} is {option}"
                yield self.dotenv_name(condition.required), reason

    def _required_by_catalogue(self, values: Mapping[str, Masked]) -> Iterator[tuple[str, str]]:
        """Of the variables that Settings, where their names are known, or the template has."""
        unnamed = {
            name for each in self.checkout.settings.fields if not each.has_known_names for name in each.variables
        }
        variables = (self.checkout.reads - unnamed) | {entry.name for entry in self.checkout.template_entries}
        for name, key in self.keys.items():
            variable = variable_of(name, self.keys)
            if (
                variable in variables
                and not self.checkout.is_renamed_by_compose(variable)
                and (why := self._why_required(key, values))
            ):
                yield variable, why

    def _why_required(self, key: Key, values: Mapping[str, Masked]) -> str:
        """Why the catalogue requires a key; "" where it does not."""
        chooser, _, options = key.required_if.partition("=")
        option = self._chosen(chooser, options.split("|"), values) if chooser else None
        if option:
            return f"it is required where {chooser} is {option}"
        return "the catalogue requires it" if key.required and option is None else ""

    def _is_told(self, variable: str, reasons: Mapping[str, str]) -> bool:
        """Whether Settings may require a variable, or another name of its field is required already."""
        field = self.checkout.settings.find(variable)
        if field is None:
            return False
        is_known = not reasons.keys().isdisjoint({*field.variables} - {variable})
        return is_known or (field.required and self._is_doubtful(variable, field))

    def _is_doubtful(self, name: str, field: Field) -> bool:
        """Whether Settings may do without a variable of a field."""
        # What the .env has overrides a file of secrets_dir, even where it is empty.
        is_settled = IN_SECRETS_DIR in field.doubt and not self._lacks(name)
        return (bool(field.doubt) and not is_settled) or self._is_left_out(field)

    def _lacks(self, name: str) -> bool:
        """Whether Settings find no line for a variable in the .env."""
        return self.binding(name) is None or (self.checkout.settings.ignore_empty and is_blank(self.value(name)))

    def is_set_later(self, name: str) -> bool:
        """Whether files that are read after the .env give a variable a value: not where somebody gets the .env's."""
        by_settings = self._is_set_by(self._beside_for_settings[1], name)
        if self.checkout.application is None:
            return by_settings
        # Compose interpolates by the .env alone.
        if name in self.checkout.used_by_compose:
            return False
        reads_none = self.checkout.settings.env_files == () and not self.checkout.loaded_files
        by_compose = all(self._is_set_by(files, name) for _, files in self._beside_for_services)
        return by_compose and (by_settings or reads_none)

    def is_set_earlier(self, name: str) -> bool:
        """Whether the .env has no line for a variable that files before it give a value: to containers, if any."""
        return self._is_earlier(name, is_value)

    def is_written_earlier(self, name: str) -> bool:
        """Whether the .env has no line for a variable that they give any text, such as a placeholder."""
        return self._is_earlier(name, lambda value: not is_blank(value))

    def _is_earlier(self, name: str, is_enough: Callable[[Masked | None], bool]) -> bool:
        if self.binding(name) is not None:
            return False
        if self.checkout.application is None:
            return self._has_value(self._beside_for_settings[0], name, is_enough)
        return all(self._has_value(files, name, is_enough) for files, _ in self._beside_for_services)

    def is_set_earlier_for_settings(self, name: str) -> bool:
        """Whether Settings get a variable that the .env has no line for from files that they read before it."""
        return self.binding(name) is None and self._has_value(self._beside_for_settings[0], name, is_value)

    def _has_value(self, files: Iterable[Dotenv], name: str, is_enough: Callable[[Masked | None], bool]) -> bool:
        """Whether some files give a variable a value that is enough, in any case that Settings accept."""
        is_exact = self.checkout.settings.case_sensitive
        found = [
            binding
            for file in files
            for binding in file.bindings
            if binding.name == name or (not is_exact and binding.name.casefold() == name.casefold())
            if not self.is_skipped(file, binding)
        ]
        return bool(found) and is_enough(found[-1].for_python)

    def _is_set_by(self, files: Iterable[Dotenv], name: str) -> bool:
        """Whether the last of some files that has a variable has a value for it."""
        bindings = ((file, file.find(name)) for file in files)
        found = [each for file, each in bindings if each and not self.is_skipped(file, each)]
        return bool(found) and not is_blank(found[-1].for_python)

    def is_skipped(self, file: Dotenv, binding: Binding) -> bool:
        """Whether Settings ignore an empty line of a file beside the .env, which Compose passes to no container."""
        value = binding.for_python
        is_ignored = self.checkout.settings.ignore_empty and value is not None and value.is_empty
        return is_ignored and not any(file in files for files in chain(*self._beside_for_services))

    def is_set_instead(self, name: str) -> bool:
        """Whether the .env that both read instead has a variable, which no Compose file interpolates."""
        is_used = name in self.checkout.used_by_compose
        return self.instead is not None and not is_used and self._has_value((self.instead,), name, is_value)

    def is_given_elsewhere(self, name: str) -> bool:
        """Whether Settings get a variable from a file of secrets_dir or before the .env, or had it without a line."""
        field, compose = self.checkout.settings.find(name), self.checkout.compose
        # Another service has the line of the .env alone.
        if field is None or (compose and (name in compose.used or compose.is_of_image(name))):
            return False
        if self.is_set_earlier(name):
            return True
        if name in field.nested:
            return False
        is_loaded = field.required and not field.nested and self._is_optional(name, field)
        return is_loaded or self._is_in_secret_file(field) or any(map(self.checkout.is_mounted, field.variables))

    def is_refused(self, name: str) -> bool:
        """Whether Settings refuse a .env with a value for a variable, which nothing else here reads."""
        settings, checkout = self.checkout.settings, self.checkout
        if not (settings.forbids_others and settings.env_files and is_read_by_settings(checkout, self.path)):
            return False
        return not (self.is_for_others(name) or self._is_read_by_code(name))

    def is_for_others(self, name: str) -> bool:
        """Whether Compose reads a variable of the .env, in any case, or may give it to another service."""
        compose, application = self.checkout.compose, self.checkout.application
        # Another service that gets the file may read any of its lines.
        is_shared = any(each != application and each.env_file_names is None for each in self.checkout.services)
        is_used = compose is not None and (name.casefold() in compose.used_in_any_case or name.startswith(_OF_COMPOSE))
        return is_shared or is_used

    def is_for_compose_alone(self, name: str) -> bool:
        """Whether a variable is one that Docker Compose itself reads from the .env, and that nothing else needs."""
        return name.startswith(_OF_COMPOSE) and not self.is_secret(name) and not self._is_read_by_code(name)

    def _is_read_by_code(self, name: str) -> bool:
        """Whether Settings, the application or other code of the checkout reads a variable."""
        settings, checkout = self.checkout.settings, self.checkout
        is_field = settings.find(name) is not None or settings.find_whole(name) is not None
        return is_field or name in checkout.application_reads | checkout.other_reads

    def overrides_secret_file(self, name: str) -> bool:
        """Whether a line of the .env for a variable comes before a file of secrets_dir, here or in the container."""
        field, service = self.checkout.settings.find(name), self.checkout.application
        if field is None or not self.is_given_elsewhere(name):
            return False
        is_passed = service is not None and (service.env_file_names is None or service.mounts_checkout)
        return is_passed or self._is_in_secret_file(field)

    def _is_in_secret_file(self, field: Field) -> bool:
        return any(self.checkout.settings.takes_file(each, self.secret_files) for each in field.variables)

    @cached_property
    def _beside_for_settings(self) -> tuple[tuple[Dotenv, ...], tuple[Dotenv, ...]]:
        """The files that Settings read before and after the .env."""
        folders = (folder for each in self.checkout.settings.start_folders for folder in each)
        return self._beside(folders, files_of_settings(self.checkout, self.settings_result))

    @cached_property
    def _beside_for_services(self) -> tuple[tuple[tuple[Dotenv, ...], tuple[Dotenv, ...]], ...]:
        """The files that Compose reads before and after the .env, for each service that the code may run in."""
        checkout = self.checkout
        own = (each for each in checkout.services if each == checkout.application or (each.context and each.env_files))
        return tuple(self._beside([""], each.env_files) for each in own)

    def _beside(self, folders: Iterable[str], names: Iterable[str]) -> tuple[tuple[Dotenv, ...], tuple[Dotenv, ...]]:
        files = {each.path: each for each in (*self.earlier_files, *self.overriding_files)}
        earlier, later = (
            tuple(files[path] for path in paths if path in files)
            for paths in files_beside(self.checkout, self.path, folders, names)
        )
        return earlier, later

    def _is_left_out(self, field: Field) -> bool:
        """Whether what reads a field does not run here: another module of Django's settings than manage.py's does."""
        if field.is_local:
            return False
        service, own = self.checkout.application, self.checkout.settings.django_settings
        chosen = [each.value for each in (service.environment if service else ()) if each.variable == _DJANGO]
        value = self.value(_DJANGO)
        is_own = value.same_as(own) if value is not None else self.binding(_DJANGO) is None
        # Compose may pass it on, as by ${DJANGO_SETTINGS_MODULE:-config.local}.
        variables = {_DJANGO: own} if value is not None else {}
        return is_own and all(interpolate(str(text), variables) == own for text in chosen if text is not None)

    def _is_optional(self, name: str, field: Field) -> bool:
        """Whether Settings was loaded with this .env, which lacks the variable of a field of it."""
        result, settings = self.settings_result, self.checkout.settings
        is_loaded = result is not None and result.ok and not result.obstacle and field.owner == settings.name
        is_other_file = bool(self.dotenv_paths) and self.path not in self.dotenv_paths
        # Where Settings name their files by an expression, they were loaded with all of them.
        others = () if settings.env_files is not None else chain(*self._beside_for_settings)
        return is_loaded and not is_other_file and self._lacks(name) and not self._has_value(others, name, is_value)

    def _chosen(self, chooser: str, options: Iterable[str], values: Mapping[str, Masked]) -> str | None:
        """Which of some values a variable has; "" for none of them, None where its value is unknown."""
        field, entry = self.checkout.settings.find(chooser), self.checkout.template_entry(chooser)
        own = self.value(self.dotenv_name(chooser))
        chosen = values.get(chooser) if own is None or is_blank(own) else own
        default = field.default if field else ""
        text = entry.value if entry and not entry.commented_out else ""
        if chosen is not None and not is_blank(chosen):
            return next((each for each in options if chosen.same_as(each, casefold=True)), "")
        # A .env that lacks the variable gets it from the template.
        effective = text or default
        return next((each for each in options if each.casefold() == effective.casefold()), "") if effective else None

    @property
    def url_variables(self) -> frozenset[str]:
        """Variables whose value becomes a part of a URL, escaped there or not."""
        return frozenset((*self.checkout.raw_url_parts, *(part.variable for part in self.url_parts)))

    @property
    def raw_url_parts(self) -> Mapping[str, str]:
        """By variable, what puts it into a URL without escaping it."""
        raw = [part for part in self.url_parts if part.is_raw]
        return {part.variable: f"the property {part.property} of Settings" for part in reversed(raw)} | {
            name: where for name, where in self.checkout.raw_url_parts.items() if name not in {p.variable for p in raw}
        }

    def dotenv_name(self, variable: str) -> str:
        """The .env's variable that fills the same field of Settings, else the template's; `variable` without one."""
        field = self.checkout.settings.find(variable)
        template_names = [entry.name for entry in self.checkout.template_entries]
        if field is None or variable in field.nested:
            return self.spelling_of(variable, template_names)
        names = field.own_variables
        entries = filter(None, map(self.checkout.template_entry, (variable, *names)))
        offered = [entry.name for entry in sorted(entries, key=lambda entry: entry.commented_out)]
        sources = filter(None, map(self.checkout.sources_in_compose.get, (variable, *names)))
        name = next((each for each in names if self.binding(each)), next(iter((*offered, *sources, variable))))
        return self.spelling_of(name, template_names)

    def spelling_of(self, variable: str, lines: Collection[str]) -> str:
        """The name, of some lines, that Settings read as a variable in whatever case; `variable` without one."""
        settings = self.checkout.settings
        is_exact = settings.case_sensitive or variable in self.checkout.used_by_compose
        if variable in lines or is_exact or settings.find(variable) is None:
            return variable
        return next((each for each in lines if each.casefold() == variable.casefold()), variable)

    def name_for_compose(self, name: str) -> str:
        """The case in which Compose reads a variable that Settings read in any; `name` where it reads no other."""
        settings, compose = self.checkout.settings, self.checkout.compose
        if compose is None or name in compose.used or settings.case_sensitive or settings.find(name) is None:
            return name
        return compose.used_in_any_case.get(name.casefold(), name)

    def none_text(self, name: str) -> str:
        """The text that Settings take for None as a variable's value; "" for none, and where Compose reads it too."""
        settings, is_used = self.checkout.settings, name in self.checkout.used_by_compose
        return "" if is_used or settings.find(name) is None else settings.none_text

    def is_none(self, name: str, value: Masked | None) -> bool:
        """Whether Settings take a variable's value for None."""
        text = self.none_text(name)
        return text != "" and value is not None and value.same_as(text)

    @cached_property
    def known_variables(self) -> frozenset[str]:
        """The variables that Settings or the template has."""
        return self.checkout.reads | {entry.name for entry in self.checkout.template_entries}

    @cached_property
    def known_names(self) -> frozenset[str]:
        """Every name that something knows as a variable's, as `known_names` says."""
        return known_names(self.checkout, self.keys)

    def key_of(self, variable: str) -> Key | None:
        """The catalogue's key of a variable, of another name of its field or setting, or of what Compose makes of it.

        None if it has none.
        """
        field = self.checkout.settings.find(variable)
        aliases = (*field.own_variables, field.setting) if field else self._made_by_compose(variable)
        return next(filter(None, map(self._keys_by_variable.get, (variable, *aliases))), None)

    def _made_by_compose(self, variable: str) -> tuple[str, ...]:
        """The application's variables that Compose makes of one of the .env."""
        return tuple(name for name, source in self.checkout.sources_in_compose.items() if source == variable)

    @cached_property
    def _keys_by_variable(self) -> Mapping[str, Key]:
        return by_variable(self.keys)

    def is_secret(self, variable: str) -> bool:
        """Whether a variable is secret, by the catalogue or by its name."""
        return is_secret(variable, self.key_of(variable))

    def is_usable(self, variable: str, text: str) -> bool:
        """Whether a text of the template is a value for a new line: no placeholder, and no shortened secret."""
        return is_text_of_value(text) and not (self.is_secret(variable) and is_shortened(text))

    def is_reference(self, variable: str, value: Masked | None) -> bool:
        """Whether a secret's value only says where it is in a secret manager."""
        is_issued_here = is_issued(variable) or self.key_of(variable) is not None
        return is_issued_here and value is not None and value.matches(REFERENCE)

    def value(self, variable: str) -> Masked | None:
        """The value that Settings get from the .env for a variable, in any case that they accept."""
        binding = self.binding(variable)
        return binding.for_python if binding else None

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """The lines of the .env with variables; () without one."""
        return self.dotenv.bindings if self.dotenv else ()

    @property
    def issued_values(self) -> Iterator[tuple[str, Masked]]:
        """The secret values of the .env, and the keys that decrypt it, each with its variable: no placeholders."""
        keys = self.private_keys.bindings if self.private_keys and self.dotenv else ()
        for binding in (*self.bindings, *keys):
            value = binding.value
            if value is None or not self.is_secret(binding.name) or not is_value(value):
                continue
            if not self.is_reference(binding.name, value):
                yield binding.name, value

    @cached_property
    def address_passwords(self) -> tuple[tuple[str, Masked], ...]:
        """The passwords in addresses of the .env, such as DATABASE_URL, that no secret variable has too."""
        issued, found = [value for _, value in self.issued_values], list[tuple[str, Masked]]()
        for name, value in ((each.name, each.value) for each in self.bindings if not self.is_secret(each.name)):
            passwords = list[Masked]()
            for login in logins_of(value, name, self.key_of(name)) if value is not None else ():
                if is_value(login.password) and not any(map(login.password.same_as, (*issued, *passwords))):
                    passwords.append(login.password)
            found += [(name, password) for password in passwords]
        return tuple(found)

    @cached_property
    def _bindings_by_name(self) -> Mapping[str, Sequence[Binding]]:
        """The bindings by the name in lower case, as Python compares names in any case."""
        return grouped((each.name.casefold(), each) for each in self.bindings)

    def binding(self, variable: str) -> Binding | None:
        """The binding of the .env that Settings use for a variable: the last one, in any case that they accept."""
        settings = self.checkout.settings
        bindings = self._bindings_by_name.get(variable.casefold(), ())
        exact = [each for each in bindings if each.name == variable]
        # In which order a container has them, which Compose gives both, is not known.
        # Compose requires one case alone.
        is_for_compose = self.checkout.compose is not None and variable in self.checkout.compose.required
        is_exact = (exact or is_for_compose) and settings.find(variable) is None
        if settings.case_sensitive or is_exact or (exact and self.checkout.application):
            return next(iter(exact), None)
        values = ((each, each.for_python) for each in bindings)
        with_value = [
            each for each, value in values if value is not None and not (settings.ignore_empty and value.is_empty)
        ]
        return next(reversed(with_value or exact or bindings), None)


def is_value(value: Masked | None) -> bool:
    """Whether a value is set: not blank, no placeholder, not encrypted."""
    if value is None or is_blank(value):
        return False
    return not any(value.matches(each) for each in _NO_VALUES)


def is_text_of_value(text: str) -> bool:
    """Whether a text of the template or of a .env is a value: not blank, no placeholder."""
    return not BLANK.match(text) and not any(each.match(text) for each in _NO_VALUES)


def is_blank(value: Masked | None) -> bool:
    """Whether a value is missing, empty, blank, or only a comment."""
    return value is None or value.matches(BLANK)


def by_variable(keys: Mapping[str, Key]) -> Mapping[str, Key]:
    """The catalogue by variable; of several keys of one variable, the first."""
    return {variable_of(name, keys): key for name, key in reversed([*keys.items()])}


def known_names(checkout: Checkout, keys: Mapping[str, Key]) -> frozenset[str]:
    """The names of variables in code, the template, Compose's files and the catalogue, in lower case.

    Each also without underscores, as in secretKey: that is a known name in another spelling, and no value.
    """
    nested = (name for each in checkout.settings.fields for name in each.nested)
    in_compose = (each.variable for service in checkout.services for each in service.environment)
    of_code = checkout.reads | checkout.application_reads | checkout.other_reads
    in_template = (entry.name for entry in checkout.template_entries)
    names = chain(of_code, nested, in_template, checkout.used_by_compose, in_compose, keys, by_variable(keys))
    folded = frozenset(name.casefold() for name in names)
    return folded | {name.replace("_", "") for name in folded}


def is_read_by_settings(checkout: Checkout, path: Path) -> bool:
    """Whether Settings read the .env at the top, run from there or from backend/, or have no env_file at all."""
    names = checkout.settings.env_files
    return names is not None and not (names and _starts_without(checkout, path, names))


def _starts_without(checkout: Checkout, path: Path, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The folders of each application whose env_file does not have the .env at the top as seen from them."""

    def is_among(folders: Sequence[str]) -> bool:
        own, *above = [[(checkout.root / folder / name).resolve() for name in names] for folder in folders]
        # Where a file is there as seen from src/, that may be the one that is meant.
        others = [] if any(each.is_file() for each in own) else above
        paths = {*own, *chain(*others), *((checkout.root / name).resolve() for name in names)}
        return path.resolve() in paths or path in paths

    return [folders for folders in checkout.settings.start_folders if not is_among(folders)]


def files_of_settings(checkout: Checkout, result: SettingsResult | None) -> tuple[str, ...]:
    """The files of variables that Settings name; where they do so by an expression, those with which they loaded."""
    names = checkout.settings.env_files
    return names if names is not None else tuple(str(path) for path, _ in (result.env_files if result else ()))


def files_beside(
    checkout: Checkout, path: Path, folders: Iterable[str], names: Iterable[str]
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """The files of an env_file before and after the .env, as seen from the first folder from which it has the .env."""
    names = [name for name in names if "$" not in name]
    seen_from = ([Path(os.path.normpath(checkout.root / each / name)) for name in names] for each in folders)
    paths = next((each for each in seen_from if path in each), [])
    if not paths:
        return (), ()
    # The .env may be a link to one of them.
    is_other = [each.resolve() != path.resolve() for each in paths]
    at = paths.index(path)
    return tuple(compress(paths[:at], is_other)), tuple(compress(paths[at:], is_other[at:]))
