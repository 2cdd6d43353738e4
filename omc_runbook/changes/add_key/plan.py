"""The plan of a new key: the edits of Settings, template and Terraform, and each environment's part."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from omc_runbook.changes import files
from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.add_key.surroundings import Surroundings
from omc_runbook.changes.fix.steps import Correction
from omc_runbook.changes.secret.plan import SecretPlan
from omc_runbook.changes.take_back import Undo, digest_of
from omc_runbook.masking import shapes
from omc_runbook.model.catalogue import KEY_NAME, LONGEST_NAME, Key, variable_of
from omc_runbook.model.errors import CannotEdit, CannotFollow, UsageError
from omc_runbook.model.findings import Finding
from omc_runbook.model.letters import as_sentence, in_a_line
from omc_runbook.model.secretive import is_frontend, is_secret, without_frontend_prefix
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.infrastructure import other_tools
from omc_runbook.repository.settings_edit import NewField, add_field
from omc_runbook.repository.template import NAMES, advise_folder
from omc_runbook.repository.template_edit import NewEntry, add_entry
from omc_runbook.terraform.containers import are_one
from omc_runbook.terraform.environment_files import applies_to, without_data_of_others, without_members_of_others
from omc_runbook.terraform.hcl_folder import VALUES
from omc_runbook.terraform.secret_versions import find_rewritten
from omc_runbook.terraform.task_definitions import (
    TaskDefinitions,
    files_of,
    may_have_container,
    task_definitions_of,
    without_examples,
)
from omc_runbook.terraform.task_definitions_edit import add_reference, find_left_alone
from omc_runbook.textfile.file import Edit, SourceFile
from omc_runbook.textfile.redaction import is_random

PATCH = ".patch"


_OF_RUNTIME = re.compile(
    r"PATH|HOME|HOSTNAME|PWD|SHELL|USER|TMPDIR|IFS|LD_[A-Z_]+|PYTHON[A-Z]+"
    r"|AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|REGION|DEFAULT_REGION|PROFILE|ENDPOINT_URL|EXECUTION_ENV)"
    r"|AWS_(CONTAINER|WEB_IDENTITY|ROLE)_[A-Z_]+|ECS_(AGENT|CONTAINER)_[A-Z0-9_]+"
)
"""Variables that the shell, Python, AWS's libraries and the ECS agent read."""


@dataclass(frozen=True)
class EnvironmentPlan:
    """One environment's part: the changes of its secret, and of the containers that get the variable.

    `write` is None where the secret has the key; `content` says what the key has, or will have. `terraform` are the
    changes that Terraform would make with the edited files, None without Terraform.
    """

    environment: str
    content: str
    write: SecretPlan | None
    read_at: datetime
    """When the environment was read."""
    cleanup: SecretPlan | None = None
    """A plan that only removes the labels of a killed run of add_key."""
    corrections: tuple[Correction, ...] = ()
    services: tuple[str, ...] = ()
    """Services with such a container."""
    terraform_dir: Path | None = None
    terraform_values: tuple[str, ...] = ()
    """The environment's files of variables' values, as from that folder, where their names tell."""
    terraform: tuple[tuple[str, str], ...] | None = None
    """Each resource with its action."""
    harm: tuple[Finding, ...] = ()
    without_reference: tuple[str, ...] = ()
    """Those of them whose task definition lacks the variable."""
    has_old_tasks: bool = False
    """Whether tasks must be replaced, though every reference is in force."""
    blockers: tuple[str, ...] = ()
    """Why its new tasks would fail for certain, whatever the key's value is."""
    notes: tuple[str, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done for its tasks."""
        changes = tuple(f"Terraform: {address} ({action})." for address, action in self.terraform or ())
        corrections = tuple(as_sentence(f"{each.title} in {self.environment}") for each in self.corrections)
        corrected = (service.name for each in self.corrections for service in each.services)
        names = ", ".join(self.services if self.has_old_tasks else dict.fromkeys(corrected))
        tasks = (f"New tasks would be started in {self.environment}: {names}.",) if names else ()
        return (*changes, *corrections, *tasks)

    @property
    def undos(self) -> tuple[Undo, ...]:
        """How its part is taken back."""
        name, write = self.environment, self.write
        tasks = [undo for correction in self.corrections for undo in correction.undos(name)]
        if self.terraform:
            sentence = f"What Terraform applied in {name} stays, until it is applied again."
            tasks.append(Undo(kind="none", subject=sentence, environment=name))
        if write and write.base:
            tasks.append(
                Undo(kind="version", subject=write.secret_name, former=write.base, new=write.token, environment=name)
            )
        return tuple(tasks)

    @property
    def is_done(self) -> bool:
        """Whether the environment has the key, and its tasks the variable."""
        waits = bool(self.terraform) and self.terraform_dir is not None
        return not (self.write or self.cleanup or self.corrections or self.has_old_tasks or waits)


@dataclass(frozen=True)
class AddKeyPlan:
    """The plan of a new key, in its order: the secrets, the files, the tasks of each environment."""

    key: NewKey
    root: Path
    edits: tuple[Edit, ...]
    environments: tuple[EnvironmentPlan, ...]
    dirty: tuple[str, ...] = ()
    """Files to edit that have uncommitted changes."""
    notes: tuple[str, ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)
    """What else the key concerns, which the plan does not change."""
    earlier_undos: tuple[Undo, ...] = ()
    """How the parts are taken back that another process made before it was killed."""
    work_trees: Mapping[str, Path | None] = field(default_factory=dict)
    """By edited file the top of the work tree that git has it in, which may be a submodule's; None without one."""

    @property
    def is_empty(self) -> bool:
        """Whether files and environments have the key already."""
        return not self.edits and all(environment.is_done for environment in self.environments)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What would be done: each environment's secret, each file, each environment's tasks; then what would not."""
        if self.is_empty:
            return ()
        secrets = (
            f"The secret of {each.environment} would get {self.key.name}." for each in self.environments if each.write
        )
        edited = (f"{edit.file.name} would be edited." for edit in self.edits)
        tasks = (line for environment in self.environments for line in environment.sentences)
        return (*secrets, *edited, *self.elsewhere, *tasks, *self.surroundings.sentences)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """A sentence on each file that is a link, with the file that is written instead."""
        sentences = (files.link_sentence(edit.file.path, edit.file.name, self.root) for edit in self.edits)
        return tuple(filter(None, sentences))

    @property
    def blockers(self) -> tuple[str, ...]:
        """Why Terraform plans must not be applied, and why new tasks would fail, one sentence each."""
        harm = (each.sentence for part in self.environments for each in part.harm)
        is_one = len(self.environments) == 1
        tasks = (
            each if is_one else f"In {part.environment}: {each} Or leave {part.environment} out of environments."
            for part in self.environments
            for each in part.blockers
        )
        return (*harm, *tasks)

    def undos(self, git_dir: Path | None) -> tuple[Undo, ...]:
        """How it is taken back: tasks, files, secrets; `git_dir` is the checkout's, in which the patches are."""
        parts = [undo for part in reversed(self.environments) for undo in part.undos]
        edits = (
            Undo(
                kind="patch",
                subject=edit.file.name,
                former=str(self.root),
                new=str(self.patch_of(edit, git_dir)),
                known=digest_of(edit.file.raw),
            )
            if git_dir and not why_no_patch(self.root, edit)
            else Undo(kind="none", subject=f"The new lines of {edit.file.name} stay: remove them by hand.")
            for edit in self.edits
        )
        return tuple(dict.fromkeys((*parts, *edits, *self.earlier_undos)))

    def patch_of(self, edit: Edit, git_dir: Path) -> Path:
        """Where the patch of an edit is kept."""
        return git_dir / files.FOLDER / f"{self.patch_prefix}{edit.file.name.replace('/', '-')}{PATCH}"

    @property
    def patch_prefix(self) -> str:
        """How the names of its patches begin."""
        return f"add-{self.key.name}-"

    @property
    def branch(self) -> str:
        """A name for a branch with the edits."""
        return f"add-{self.key.name.lower().replace('_', '-')}"

    @property
    def message(self) -> str:
        """A message for a commit with the edits."""
        return f"Add {self.key.name}"


def describe(
    name: str, description: str, obtain_from: str, required: bool, type: str, containers: Sequence[str]
) -> NewKey:
    """Describe the key to add; raises UsageError for an invalid name, and for a text with what may be a value.

    The name is not quoted, because it may be a value pasted by mistake.
    """
    if "," in name and all(KEY_NAME.fullmatch(each.strip()) for each in name.split(",")):
        raise UsageError("key takes one name: run add_key once for each key. Nothing was written.")
    if not KEY_NAME.fullmatch(name) or _is_random(name):
        right = re.sub(r"\W+", "_", name).upper()
        is_near = len(name) <= 40 and KEY_NAME.fullmatch(right) and not _is_odd(name) and not _is_random(right)
        near = f", as in {right}" if is_near else ""
        most = f"at most {LONGEST_NAME} " if len(name) > LONGEST_NAME else ""
        raise UsageError(
            f"key is not the name of a variable: use {most}capitals, digits and _{near}. Nothing was written."
        )
    if _OF_RUNTIME.fullmatch(name):
        raise UsageError(
            f"{name} is a variable by which a container's programs find each other, or AWS's libraries sign in: with a"
            f" secret in its place tasks do not work. Choose another name, as in APP_{name}. Nothing was written."
        )
    if is_frontend(name):
        raise UsageError(f"{_why_not_frontend(name)} Nothing was written.")
    for parameter, text in (("description", description), ("obtain_from", obtain_from), ("type", type)):
        # It is written into source files, where a mark of direction would show reviewers another line than there is.
        if hidden := [each for each in text if in_a_line(each) != each]:
            raise UsageError(
                f"{parameter} has a line break or a character that is not shown (U+{ord(hidden[0]):04X}): write it on"
                " one line, in plain text. Nothing was written."
            )
        if any(shapes.find(text)):
            raise UsageError(
                f"{parameter} has what looks like a secret, and is written into the checkout: say what the key is, and"
                " where its value is by values_from. Nothing was written."
            )
    return NewKey(name, description.strip(), obtain_from.strip(), required, type.strip() or "str", tuple(containers))


@dataclass(frozen=True)
class KeyEdits:
    """The edits of a checkout's files for a new key; the methods' `containers` are by environment."""

    checkout: Checkout
    key: NewKey
    environments: Collection[str] = ()
    """The names of all environments."""
    present: Collection[str] = ()
    """The keys in the secret."""
    others: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By environment the other ones, by the names of their secrets."""
    own: Mapping[str, Collection[str]] = field(default_factory=dict)
    """By environment what its own secret is called, without and with its suffix."""

    def plan(self, containers: Mapping[str, Sequence[str]]) -> tuple[Edit, ...]:
        """The edits still missing for the key, one a file; raises CannotEdit where one is not certain."""
        checkout, key, settings = self.checkout, self.key, self.checkout.settings
        if checkout.template is None:
            raise UsageError(
                f"{checkout.root} has no {NAMES[0]}: write one that names the variables ({', '.join(NAMES[1:4])}, or a"
                f" committed .env without a secret's value, will do too), or set repository to a platform checkout."
                f"{advise_folder(checkout.root)} Nothing was written."
            )
        if settings.library and not key.name.startswith(settings.env_prefix):
            raise CannotEdit(
                f"{key.name} does not begin with {settings.env_prefix}, which {settings.library} puts before the names"
                f" of its settings: use the key {settings.env_prefix}{key.name}. Nothing was written."
            )
        field = NewField(key.name, key.type, key.required, key.description)
        entry = NewEntry(
            name=key.name,
            description=key.description or key.name,
            obtain_from=key.obtain_from,
            required=key.required,
            is_text=key.is_text,
        )
        # Where Settings read both cases, a second line would override the first.
        is_there = checkout.template.has(key.name, case_sensitive=settings.case_sensitive)
        edits = [] if is_there else [add_entry(checkout.template.file, entry)]
        if settings.file:
            edits.insert(0, add_field(settings.file, field, settings.name, settings))
        return tuple(edit for edit in (*edits, *self._references(containers), *self._lists()) if edit)

    def plan_with_notes(self, containers: Mapping[str, Sequence[str]]) -> tuple[tuple[Edit, ...], tuple[str, ...]]:
        """The same, with a note on each reference that somebody added where Terraform cannot be followed.

        So on one from another environment's secret, and on a task definition that gets none since it has that secret.
        """
        by_hand: dict[str, dict[str, str]] = {}
        rest = containers
        try:
            edits = self.plan(containers)
        except CannotFollow as error:
            by_hand = self.find_by_hand(containers, error)
            rest = {each: [name for name in own if name not in by_hand.get(each, {})] for each, own in rest.items()}
            edits = self.plan(rest)
        facts = dict.fromkeys(fact for found in by_hand.values() for fact in found.values())
        return edits, (*facts, *self._left_alone(rest, edits))

    def _left_alone(self, containers: Mapping[str, Sequence[str]], edits: Collection[Edit]) -> Iterator[str]:
        """Yield a sentence on each task definition of an environment that the run is not for, and no edit is."""
        declared, name = self.checkout.task_definitions, self.key.name
        if declared is None:
            return
        edited = {edit.file: replace(edit.file, raw=edit.after) for edit in edits}
        for environment, container in _pairs(containers):
            secrets = {each: of for each, of in self.others.get(environment, {}).items() if of not in containers}
            own_files = files_of(declared.files, declared.owners(environment, self.environments))
            before = task_definitions_of(own_files)
            after = task_definitions_of(tuple(edited.get(file, file) for file in own_files))
            own = self.own.get(environment, ())
            for fact in find_left_alone(before, after, container, name, self.present, secrets, own):
                yield f"For {environment}: {fact}, and gets no {name}."

    def find_by_hand(self, containers: Mapping[str, Sequence[str]], error: CannotFollow) -> dict[str, dict[str, str]]:
        """By environment and container, what gives the reference in Terraform that is not followed, in a sentence.

        Somebody has added it there, or each key of a secret gets one. Raises `error`, with what to write and to do
        next, where a container has neither.
        """
        declared, name = self.checkout.task_definitions, self.key.name
        why = "Terraform is not followed there, so check that this is its reference: no other one is added."
        assert declared is not None, "only Terraform can be impossible to follow"
        found: dict[str, dict[str, str]] = {}
        for environment, container in _pairs(containers):
            try:
                self._references({environment: (container,)})
            except CannotFollow as refusal:
                if refusal.found:
                    found.setdefault(environment, {})[container] = f"For {environment}: {refusal.found}"
                    continue
                own = self._own(environment, container)
                mention = own.mention(name, container)
                all_keys = task_definitions_of(own.files).of_all_keys(container, name)
                if not (mention or all_keys):
                    problem = " ".join(filter(None, (str(error), own.place_of(self.present, container))))
                    raise CannotFollow(
                        f"{problem} Once {name} is there, by its name in a list of names or as in valueFrom ="
                        f' "ARN:{name}::", run again: it is then left as it is, and the rest is done. Nothing was'
                        " written."
                    ) from None
                fact = f"{mention} has {name} already." if mention else f"{all_keys} refers to each key of a secret."
                found.setdefault(environment, {})[container] = f"{fact} {why}"
        return found

    def _own(self, environment: str, container: str) -> TaskDefinitions:
        """The task definitions with the files alone in which a reference may be an environment's, for a container.

        Found once for each container.
        """
        known, key = self._own_by_container, (environment, container)
        if key not in known:
            known[key] = self._find_own(environment, container)
        return known[key]

    @cached_property
    def _own_by_container(self) -> dict[tuple[str, str], TaskDefinitions]:
        return {}

    def _find_own(self, environment: str, container: str) -> TaskDefinitions:
        declared = self.checkout.task_definitions
        assert declared is not None, "its callers have some"
        owners = declared.owners(environment, self.environments)
        counted = without_examples(tuple(dict.fromkeys((*declared.files, *declared.other_files))), owners)
        others = (
            each
            for each in declared.other_files
            if each in counted
            and applies_to(each.name, environment, self.environments)
            and may_have_container(each, container)
        )
        files, rest = (
            tuple(
                without_members_of_others(each, environment, self.environments)
                for each in without_data_of_others(found, environment, self.environments)
            )
            for found in (files_of(declared.files, owners), tuple(others))
        )
        return replace(declared, files=files, other_files=rest)

    def _unreadable(self, environment: str, container: str) -> tuple[str, ...]:
        """The sentences on what could not be read, but for files that are another's if there are some of its own."""
        declared = self.checkout.task_definitions
        if declared is None or not declared.unreadable:
            return ()
        own = {each.name for each in self._own(environment, container).other_files}
        of_others = tuple(f"{each.name}, line " for each in declared.other_files if each.name not in own)
        return tuple(each for each in declared.unreadable if not each.startswith(of_others)) or declared.unreadable

    def _references(self, containers: Mapping[str, Sequence[str]]) -> list[Edit]:
        """The edits of the Terraform files, one a file."""
        declared, name = self.checkout.task_definitions, self.key.name
        if declared is None:
            return []
        if len(containers) > 1:
            # What is added for one environment must not count as another's own reference.
            alone = {environment: self._references({environment: own}) for environment, own in containers.items()}
            # What code gives to all of them is not added to the values of one too.
            order = sorted(alone, key=lambda each: any(edit.file.name.endswith(VALUES) for edit in alone[each]))
            containers = {environment: containers[environment] for environment in order}
        files, descriptions = {file.name: file for file in declared.files}, dict[str, list[str]]()
        owners = {environment: declared.owners(environment, self.environments) for environment in containers}

        def edit_in(own_files: tuple[SourceFile, ...], environment: str, container: str) -> Edit | None:
            found = task_definitions_of(own_files)
            unreadable = (*self._unreadable(environment, container), *found.unreadable)
            known = replace(found, unreadable=tuple(dict.fromkeys(unreadable)), are_apart=declared.are_apart)
            others, own = self.others.get(environment, {}), self.own.get(environment, ())
            return add_reference(known, container, name, name, self.present, containers[environment], others, own)

        def is_needed(file: SourceFile, own_files: tuple[SourceFile, ...], environment: str, container: str) -> bool:
            """Whether a file of values, which is another environment's, is the one that names the references."""
            try:
                edit = edit_in((*own_files, file), environment, container)
            except CannotEdit:
                return False
            return edit is None or edit.file.name == file.name

        def next_edit(environment: str, container: str) -> Edit | None:
            """The next one for a container, which several task definitions may have."""
            own_files = files_of(tuple(files.values()), owners[environment])
            now = task_definitions_of(own_files)
            try:
                return edit_in(own_files, environment, container)
            except CannotFollow:
                others = (each for each in files.values() if each.name.endswith(VALUES) and each not in own_files)
                others = (each for each in others if not owners[environment].examples_with(each.name))
                if file := next((each for each in others if is_needed(each, own_files, environment, container)), None):
                    raise self._of_another(file, environment) from None
                raise
            except CannotEdit as error:
                is_missing = all(each.name != container for each in now.containers)
                if not (tools := other_tools(CheckoutFiles(self.checkout.root)) if is_missing else ()):
                    raise
                by_hand = f"Where container {container} is made there, add the key and its reference by hand."
                raise CannotEdit(" ".join((str(error), *tools, by_hand))) from None

        for environment, container in _pairs(containers):
            while edit := next_edit(environment, container):
                if owners[environment].may_be_of_another(edit.file.name):
                    raise self._of_another(edit.file, environment)
                files[edit.file.name] = replace(edit.file, raw=edit.after)
                descriptions.setdefault(edit.file.name, []).append(edit.what)
        before = {file.name: file for file in declared.files}
        edits = [Edit(before[each], files[each].raw, "; ".join(texts)) for each, texts in descriptions.items()]
        self._refuse_twice(tuple(files.values()), descriptions, containers)
        if edits and (address := find_rewritten(self.checkout.root, edits)):
            raise CannotEdit(
                f"{name} was not added to {', '.join(descriptions)}: the same list makes the value of {address}, so the"
                " next apply would overwrite every key of the secret. Add lifecycle { ignore_changes ="
                " [secret_string] } to it first; where Terraform is meant to write the values, add the key to the list"
                " yourself, then run again. Nothing was written."
            )
        return edits

    def _refuse_twice(self, files: tuple[SourceFile, ...], edited: Collection[str], targets: Collection[str]) -> None:
        """Raise CannotEdit where a list that other environments share gets the key, and one has it in its own too."""
        declared, name = self.checkout.task_definitions, self.key.name
        if declared is None or not edited:
            return
        for environment in sorted({*self.environments} - {*targets}):
            owners = declared.owners(environment, self.environments)
            before, after = (task_definitions_of(files_of(each, owners)).containers for each in (declared.files, files))
            for old, new in zip(before, after, strict=False):
                there, now = (
                    [ref for ref in each.references if ref.variable == name and ref.certain] for each in (old, new)
                )
                if there and len(now) > len(there) and not are_one(now, new):
                    element = there[0].element
                    file = next(ref.element.file.name for ref in now if ref.element.file.name in edited)
                    raise CannotEdit(
                        f"{name} was not added to {file}, which {environment} uses too and has {name} from"
                        f" {element.file.name}, line {element.line}: its next apply would have it twice. Take it out"
                        f" there first: {environment} then gets it from {file} as well. Nothing was written."
                    )

    def _of_another(self, file: SourceFile, environment: str) -> CannotFollow:
        """Why a file that may be another environment's is not edited."""
        declared, is_values = self.checkout.task_definitions, file.name.endswith(VALUES)
        own = f"the file of {environment}'s values" if is_values else f"{environment}'s Terraform"
        known = files_of(declared.files, declared.owners(environment, self.environments)) if declared else ()
        is_read = any(each.name == file.name for each in known)
        how = f" Its name, or its folder's, has to say so, as {environment}.tfvars does."
        return CannotFollow(
            f"{self.key.name} was not added to {file.name}: that may be another environment's than {environment}."
            f" Add it yourself to {own}.{how if is_values and not is_read else ''}"
        )

    def _lists(self) -> Iterator[Edit | None]:
        """The edits of lists of variables, one a file; `surroundings` names the lists where none is certain."""
        secrets = {name for name in self.checkout.reads if is_secret(name)} - {self.key.name}
        for variables in self.checkout.lists_with(secrets):
            if self.key.name not in variables.all_variables:
                yield self.checkout.add_to_list(variables, self.key.name, self.key.required)


def _pairs(containers: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Each environment with each of its containers."""
    return ((environment, container) for environment, own in containers.items() for container in own)


def refuse_taken(key: NewKey, catalogue: Mapping[str, Key]) -> None:
    """Raise UsageError where another key of the catalogue has the variable of this name."""
    owner = next((name for name in catalogue if name != key.name and variable_of(name, catalogue) == key.name), "")
    if owner:
        raise UsageError(
            f"{key.name} is the variable of the key {owner} already: choose another name. Nothing was written."
        )


def _why_not_frontend(name: str) -> str:
    """Why a variable of the frontend's build is no key, and what to do instead."""
    public = f"{name} is a variable of the frontend's build: its value becomes a part of the files that browsers load"
    if not is_secret(name):
        return (
            f"{public}, and no field of the backend. Set it where the frontend is built, as in frontend/.env and the"
            " workflow, not in the secret."
        )
    bare = without_frontend_prefix(name)
    return (
        f"{public}, so a secret in it is public. Add {bare} to the backend, which calls the service for the frontend;"
        " a value that has been built in has to be revoked where it was issued."
    )


def why_no_patch(root: Path, edit: Edit) -> str:
    """Why no patch of an edit is saved for an undo; "" where one is."""
    if not edit.file.path.resolve().is_relative_to(root):
        return "is a link to a file outside the checkout"
    return "may contain a value in a changed line" if any(map(is_random, edit.removed_lines)) else ""


def _is_odd(name: str) -> bool:
    """Whether a name looks like a value: digits and letters of both cases."""
    return bool(re.search(r"\d", name) and re.search(r"[a-z]", name) and re.search(r"[A-Z]", name))


def _is_random(name: str) -> bool:
    """Whether a part of a name is long and has digits, like an access key id."""
    return any(len(part) >= 16 and re.search(r"\d", part) for part in name.split("_"))
