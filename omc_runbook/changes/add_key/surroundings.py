"""What else a new key concerns: environments that share a module, what CI does on merge, other lists of variables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.secret.placeholders import placeholder
from omc_runbook.checks import remedies
from omc_runbook.model.environment import KNOWN, PRODUCTION, Environment
from omc_runbook.model.findings import Remedy
from omc_runbook.model.secretive import is_secret
from omc_runbook.model.shell import command
from omc_runbook.repository.checkout import Checkout
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.infrastructure import find_references
from omc_runbook.repository.template import find_nearer_template, parse_template
from omc_runbook.repository.variable_lists import ENV, entry_of
from omc_runbook.repository.workflows import Command
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform.environment_files import applies_to, named_after
from omc_runbook.terraform.files import TerraformFiles, replaced_name
from omc_runbook.terraform.secret_versions import SecretVersion, find_own
from omc_runbook.textfile.file import Edit, read_if_readable


@dataclass(frozen=True, kw_only=True)
class SharedEnvironment:
    """An environment that was not asked for, whose next apply of Terraform uses an edited file."""

    environment: str
    folders: tuple[str, ...]
    """Where Terraform is applied for it."""
    files: tuple[str, ...]
    """The edited files that it uses."""
    secret: str
    """The name of its secret; "" where that is not known."""
    has_key: bool | None
    """Whether its secret has the key; None where that could not be read."""
    unread: str
    """Why it could not be read, as a clause."""
    remedy: Remedy
    """add_key for this environment."""

    @property
    def consequence(self) -> str:
        """What the next apply there would do."""
        secret = self.secret or f"the secret of {self.environment}"
        apply = "The next apply there registers a revision with the reference"
        if self.has_key:
            return f"{apply}, and {secret} has the key: new tasks get it."
        if self.has_key is None:
            return f"{apply}; whether {secret} has the key is unknown ({self.unread}). Without it no new task starts."
        return f"{apply}, and {secret} does not have the key: no new task would start. Add the key there first."


def note_other_definition(checkout: Checkout, name: str) -> str:
    """Where a key has to be added by hand, because no task definition is in Terraform's files; "" where one is."""
    if checkout.task_definitions:
        return ""
    tools = "".join(f" {each}" for each in checkout.other_tools)
    return (
        f"This checkout has no Terraform with a task definition ({checkout.root} and its folders were searched), so"
        " none is edited: where yours is made, refer to the key too, or the next deployment from there loses"
        f" {name}.{checkout.definition_elsewhere}{tools}"
    )


@dataclass(frozen=True, kw_only=True)
class OtherLocation:
    """A place in a file that names variables or keys too, and is not edited: what to add by hand."""

    file: str
    line: int
    reason: str
    addition: str = ""
    """The entry to add; "" where its form is not known."""
    command: str = ""
    """What sets it there."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What else in a checkout a new key concerns."""

    shared: tuple[SharedEnvironment, ...] = ()
    on_merge: tuple[tuple[Command, str], ...] = ()
    """What a merge of the edits applies or deploys, each with what starts it."""
    locations: tuple[OtherLocation, ...] = ()
    unreadable: tuple[str, ...] = ()
    """A sentence on each workflow that could not be read."""
    definition: str = ""
    """What is left to do where no Terraform of the checkout makes the task definition."""

    @property
    def merge_sentences(self) -> tuple[str, ...]:
        """What a merge of the edits applies or deploys, as far as the workflows could be read."""
        steps = (
            f"{step.location}: {trigger} runs {step.verb}{f' in {step.folder}' if step.folder else ''}."
            for step, trigger in self.on_merge
        )
        return (*steps, *(f"{sentence} Whether it runs on a merge is unknown." for sentence in self.unreadable))

    @property
    def sentences(self) -> tuple[str, ...]:
        """All of them, for a plan's text."""
        return (
            *(
                f"{each.environment} is not changed, and shares {', '.join(each.files)}. {each.consequence}"
                for each in self.shared
            ),
            *(f"Once merged: {sentence}" for sentence in self.merge_sentences),
            *(
                f"By hand, {each.file}, line {each.line}: {each.addition or each.command or each.reason}"
                for each in self.locations
            ),
            *filter(None, [self.definition]),
        )


def find_surroundings(
    snapshots: Mapping[str, Snapshot], checkout: Checkout, key: NewKey, edits: Sequence[Edit]
) -> Surroundings:
    """Find them for a plan; `snapshots` are those of the environments that it is for, the main one first."""
    main = next(iter(snapshots.values()))
    files = [edit.file.name for edit in edits]
    return Surroundings(
        shared=tuple(_shared(main, checkout, key, files, [*snapshots])),
        on_merge=checkout.workflows.on_merge(files) if files else (),
        locations=(
            *_initial_values(main, [*snapshots], checkout, key),
            *_lists(checkout, key),
            *_dotenvs(checkout, key),
            *_twins(checkout, key, edits),
            *_nearer_templates(checkout, key),
            *_other_tools(checkout, key, main.document.keys if main.document else main.environment.keys),
        ),
        unreadable=checkout.workflows.unreadable if files else (),
        definition=note_other_definition(checkout, key.name),
    )


def _shared(
    main: Snapshot, checkout: Checkout, key: NewKey, files: Sequence[str], targets: Collection[str]
) -> Iterator[SharedEnvironment]:
    own = main.environment
    environments = {*KNOWN, own.name, *own.others}
    users: dict[str, tuple[set[str], set[str]]] = {}
    declared = checkout.task_definitions
    terraform = {file.name for file in declared.files} if declared else set()
    folders_of_terraform = TerraformFiles(checkout.root)
    for file in files:
        roots = folders_of_terraform.roots_of(file) if file in terraform else ()
        names = {root: named_after(f"{root}/main.tf", environments) for root in roots}
        for root in roots:
            # Folders beside one that is named after an environment are environments too.
            label = root.rpartition("/")[2]
            several = [label] if any(names.values()) else named_after(file, environments) or environments - {"local"}
            for environment in names[root] or several:
                folders, edited = users.setdefault(environment, (set(), set()))
                folders.add(root)
                edited.add(file)
    for environment, (folders, edited) in sorted(users.items(), key=lambda item: (item[0] == PRODUCTION, item[0])):
        if environment in targets:
            continue
        names_there, other = own.others.get(environment), main.other_keys.get(environment)
        unread = "it is not an environment of runbook.toml" if names_there is None else "it was not read"
        has_key = None if other is None or other.names is None else key.name in other.names
        if other and not other.unread and other.names is None:
            find = remedies.find_names(replace(own, name=environment)).command
            unread = f"there is no secret of that name: where it has another one, {find}"
        yield SharedEnvironment(
            environment=environment,
            folders=tuple(sorted(folders)),
            files=tuple(sorted(edited)),
            secret=names_there.secret if names_there else "",
            has_key=has_key,
            unread=other.unread.rstrip(".") if other and other.unread else unread,
            remedy=_add_key(own, checkout, key, environment),
        )


def _add_key(own: Environment, checkout: Checkout, key: NewKey, environment: str) -> Remedy:
    parameters = {
        "repository": str(checkout.root),
        "key": key.name,
        "description": key.description,
        "obtain_from": key.obtain_from,
        "required": "true" if key.required else "",
        "type": "" if key.type == "str" else key.type,
        "containers": ",".join(key.containers),
    }
    remedy = remedies.with_runbook("add_key", own, Remedy(), **parameters)
    return Remedy(runbook="add_key", parameters={**remedy.parameters, "environment": environment})


def _initial_values(
    main: Snapshot, targets: Collection[str], checkout: Checkout, key: NewKey
) -> Iterator[OtherLocation]:
    environments = {*KNOWN, *targets, *main.environment.others}
    values = [
        value
        for value in checkout.initial_values
        if any(applies_to(value.file, each, environments) for each in targets)
    ]
    document = main.document
    present = document.keys if document else main.environment.keys
    entry = key.entry(main.environment.keys)
    own, unclear = find_own(values, present), [value for value in values if not value.keys]
    for value in own or unclear[:1]:
        if key.name not in value.keys:
            yield OtherLocation(
                file=value.file,
                line=value.line,
                reason=_why_initial(value, key.name),
                addition=_initial_addition(value, key.name, placeholder(key.name, entry)),
            )


def _initial_addition(value: SecretVersion, key: str, text: str) -> str:
    # A new entry of a map that nothing protects would have the next apply write its texts over all values.
    if value.keys and not value.is_protected:
        return "lifecycle { ignore_changes = [secret_string] }"
    return f'"{key}" = "{text}"' if value.keys else ""


def _why_initial(value: SecretVersion, key: str) -> str:
    if not value.keys:
        return f"{value.address} takes the initial value of the secret from elsewhere: see that {key} is in it."
    if value.is_protected:
        return "A new environment's secret begins with these keys: without this one its tasks do not start."
    return f"No ignore_changes protects {value.address}: the next apply removes {key} from the secret."


def _lists(checkout: Checkout, key: NewKey) -> Iterator[OtherLocation]:
    secrets = {name for name in checkout.reads if is_secret(name)}
    for variables in checkout.lists_with(secrets - {key.name}):
        if key.name in variables.all_variables:
            continue
        located = partial(OtherLocation, file=variables.file, line=variables.line)
        if checkout.add_to_list(variables, key.name, key.required):
            if variables.owner == ENV:
                reason = f"This env reads secrets.{key.name}, which is empty until the repository on GitHub has it."
                yield located(reason=reason, command=command("gh", "secret", "set", key.name))
                yield from _lists_of_compose(checkout, key, secrets - {key.name})
            continue
        who = "This env" if variables.owner == ENV else f"Service {variables.owner}"
        reason = f"{who} names the variables that the application gets: without this one {_without_key(key)}."
        yield located(reason=reason, addition=entry_of(variables, key.name))


def _lists_of_compose(checkout: Checkout, key: NewKey, secrets: Collection[str]) -> Iterator[OtherLocation]:
    """The lists through which Compose gets to its services what the workflow's env has, instead of the .env's value."""
    for variables in checkout.lists_beside_files(secrets):
        if key.name not in variables.all_variables:
            yield OtherLocation(
                file=variables.file,
                line=variables.line,
                reason=f"The workflow's {key.name} reaches service {variables.owner} only by this list: without it the"
                " service has what its env_file says.",
                addition=entry_of(variables, key.name),
            )


def _without_key(key: NewKey) -> str:
    return "the application refuses to start" if key.required else "the application there goes without it"


def _dotenvs(checkout: Checkout, key: NewKey) -> Iterator[OtherLocation]:
    """Workflows that write a .env, or a container's references, line by line."""
    secrets = {name for name in checkout.reads if is_secret(name)}
    for workflow in checkout.workflows.files:
        located = partial(OtherLocation, file=workflow.file.name)
        for line, addition in workflow.find_references(secrets, key.name):
            yield located(
                line=line,
                reason="This step renders the task definition: the next deployment from there loses a reference that it"
                " does not name.",
                addition=addition,
            )
        if workflow.mentions(key.name):
            continue
        if line := workflow.dotenv_line(secrets):
            yield located(
                line=line,
                reason=f"This workflow writes the application's .env: without this variable {_without_key(key)}.",
                addition=f"{key.name}=${{{{ secrets.{key.name} }}}}",
                command=command("gh", "secret", "set", key.name),
            )
        line, addition = workflow.find_echo(secrets, key.name)
        if line:
            yield located(
                line=line,
                reason=f"This pipeline writes the application's .env from its variables, of which this has to be one"
                f" too: without it {_without_key(key)}.",
                addition=addition,
            )


def _twins(checkout: Checkout, key: NewKey, edits: Sequence[Edit]) -> Iterator[OtherLocation]:
    """Files that Terraform reads, and OpenTofu not, since the edited one stands in their place."""
    for edit in edits:
        name = replaced_name(edit.file.name)
        twin = read_if_readable(checkout.root, name) if name and (checkout.root / name).is_file() else None
        if twin and key.name not in twin.text:
            before, after = edit.file.text.split("\n"), edit.after.decode(errors="replace").split("\n")
            changed = next((line for line, new in zip(before, after, strict=False) if line != new), "")
            lines = (at for at, line in enumerate(twin.text.split("\n"), 1) if line.strip() == changed.strip())
            yield OtherLocation(
                file=name,
                line=next(lines, 1),
                reason=f"OpenTofu reads {edit.file.name} in its place, and terraform reads this one: where it is still"
                f" applied, it needs the reference to {key.name} too.",
            )


def _nearer_templates(checkout: Checkout, key: NewKey) -> Iterator[OtherLocation]:
    """The template in the folder of one of several applications, beside that at the top, which is the checkout's."""
    file = find_nearer_template(checkout.root, checkout.settings.path)
    if file is None or checkout.template is None or file.name == checkout.template.file.name:
        return
    if not parse_template(file).has(key.name, case_sensitive=checkout.settings.case_sensitive):
        yield OtherLocation(
            file=file.name,
            line=file.text.count("\n") or 1,
            reason=f"This template is nearer to {checkout.settings.path} than {checkout.template.file.name}: if the"
            f" application's .env is made from it, add {key.name} here too.",
        )


def _other_tools(checkout: Checkout, key: NewKey, present: Collection[str]) -> Iterator[OtherLocation]:
    """Where another tool has a container's references, in a checkout that has no Terraform to edit."""
    if checkout.task_definitions or not checkout.other_tools:
        return
    workflows = {workflow.file.name for workflow in checkout.workflows.files}
    for found in find_references(CheckoutFiles(checkout.root), present, key.name):
        if found.file not in workflows:
            yield OtherLocation(
                file=found.file,
                line=found.line,
                reason=f"{found.key} is referred to here: refer to {key.name} in the same form, or the next deployment"
                " from there loses it.",
            )
