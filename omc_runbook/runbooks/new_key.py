"""The plan of a new key: what the checkout and each environment still need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from omc_runbook.changes.add_key import executor
from omc_runbook.changes.add_key import plan as add_key_plan
from omc_runbook.changes.add_key.environment_plan import (
    KeyInEnvironment,
    containers_for,
    containers_with,
    has_value,
    refuse_one_secret,
    refuse_same,
    refuse_without_secret,
    values_of,
)
from omc_runbook.changes.add_key.key import NewKey
from omc_runbook.changes.add_key.plan import AddKeyPlan, EnvironmentPlan, KeyEdits
from omc_runbook.changes.add_key.surroundings import find_surroundings, note_other_definition
from omc_runbook.changes.secret import new_values
from omc_runbook.changes.secret.plan import document_of
from omc_runbook.changes.values import reuse
from omc_runbook.changes.values.source_file import path_of, precautions
from omc_runbook.changes.values.sources import GENERATE, PROMPT
from omc_runbook.checks.reference import own_secret_names, secrets_of_others
from omc_runbook.model import shell
from omc_runbook.model.environment import KNOWN
from omc_runbook.model.errors import UsageError
from omc_runbook.model.letters import as_sentence
from omc_runbook.model.parameters import split_names
from omc_runbook.model.suggestions import expand, is_folder
from omc_runbook.repository import git
from omc_runbook.repository.checkout import Checkout
from omc_runbook.runbooks.run import Run, Target
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.terraform import plan_json
from omc_runbook.terraform.applies import Apply
from omc_runbook.terraform.command import preview
from omc_runbook.terraform.program import name_of
from omc_runbook.textfile.file import Edit
from omc_runbook.workstation.reading import read_editable_template

ENVIRONMENT = "{environment}"


def plan(
    run: Run,
    snapshots: Mapping[str, Snapshot],
    key: str,
    description: str = "",
    obtain_from: str = "",
    required: bool = False,
    type: str = "str",
    containers: str = "",
    values_from: str = "",
    terraform_dir: str = "",
) -> AddKeyPlan | None:
    """Plan everything that a new key needs; None without a key.

    Raises UsageError and CannotEdit for a key that cannot be added like this, and what `reuse.compare` and
    `command.preview` raise. Nothing is written.
    """
    if not key.strip():
        return None
    new = add_key_plan.describe(
        key.strip(), description, obtain_from, required, type, split_names("containers", containers)
    )
    for snapshot in snapshots.values():
        refuse_without_secret(snapshot)
    refuse_one_secret(snapshots.values())
    main = snapshots[run.target.environment.name]
    assert main.checkout is not None, "add_key always reads the checkout"
    root = main.checkout.root
    checkout = replace(main.checkout, template=main.checkout.template or read_editable_template(root))
    add_key_plan.refuse_taken(new, main.environment.keys)
    folders = _folders(run, root, terraform_dir)
    containers_of = {name: containers_for(snapshot, new) for name, snapshot in snapshots.items()}
    environments = {*KNOWN, *containers_of, *main.environment.others}
    # A secret that cannot be read is the first thing to report.
    keys_in = {name: document_of(snapshot).keys for name, snapshot in snapshots.items()}
    hidden = {name: _hidden(snapshot, checkout, new, containers_of[name]) for name, snapshot in snapshots.items()}
    missing = {name: [each for each in names if each not in hidden[name]] for name, names in containers_of.items()}
    others = {name: secrets_of_others(snapshot) for name, snapshot in snapshots.items()}
    own = {name: own_secret_names(snapshot) for name, snapshot in snapshots.items()}
    key_edits = KeyEdits(checkout, new, environments, keys_in[main.environment.name], others, own)
    edits, by_hand = key_edits.plan_with_notes(missing)
    targets = {target.environment.name: target for target in run.targets}
    parts = {name: _part(run, target, snapshots[name], new, values_from) for name, target in targets.items()}
    refuse_same({name: part.values for name, part in parts.items()})
    plans = [_plan(targets[name], part, containers_of[name], folders.get(name)) for name, part in parts.items()]
    # Production comes last: a failure elsewhere stops the run before it.
    plans.sort(key=lambda each: each.environment in run.productions)
    return AddKeyPlan(
        new,
        root,
        edits,
        tuple(_with_terraform(root, each, edits, snapshots[each.environment]) for each in plans),
        git.find_uncommitted(root, tuple(edit.file.name for edit in edits)),
        (*_notes(root, checkout, new, edits), *_hidden_notes(new, hidden), *by_hand, *_source_notes(values_from)),
        find_surroundings({main.environment.name: main, **snapshots}, checkout, new, edits),
        work_trees=_work_trees(edits),
    )


def source_again(run: Run, snapshots: Mapping[str, Snapshot], key: str, values_from: str) -> str:
    """The source of a value with which a killed run is finished: what was typed is taken from where that left it.

    Raises UsageError where it left it nowhere.
    """
    if values_from != PROMPT:
        return values_from
    for target in run.targets:
        snapshot = snapshots[target.environment.name]
        if not has_value(snapshot, key, new_values.find_unfinished(target.clients, snapshot)):
            raise UsageError(
                f"The value that was typed for {key} did not get to {target.environment.name}: run add_key.ipynb with"
                " the same parameters, and type it again. Nothing was written."
            )
    return GENERATE


def _plan(target: Target, part: KeyInEnvironment, containers: tuple[str, ...], folder: Path | None) -> EnvironmentPlan:
    """Plan an environment's part; raises as `part.plan` does, and UsageError for a value that another one has too."""
    environment_plan = part.plan(containers, folder)
    if not environment_plan.write:
        return environment_plan
    notes = reuse.compare(target.clients, part.snapshot.environment, target.caller, part.values)
    return replace(environment_plan, notes=(*environment_plan.notes, *notes))


def _part(run: Run, target: Target, snapshot: Snapshot, new: NewKey, values_from: str) -> KeyInEnvironment:
    """One environment's part, with its value; raises as `values_of` does."""
    kind = values_from.partition(":")[0]
    if len(run.targets) > 1 and kind in ("file", "env"):
        raise UsageError(
            f"{values_from} has one value, and no two environments should share one: add the key to one environment"
            " at a time, or use prompt or generate. Nothing was written."
        )
    entry = new.entry(snapshot.environment.keys)
    if kind == GENERATE and not entry.generate:
        entry = entry.model_copy(update={"generate": "hex-32"})
    keys = {**snapshot.environment.keys, new.name: entry}
    snapshot = replace(snapshot, environment=replace(snapshot.environment, keys=keys))
    unfinished = new_values.find_unfinished(target.clients, snapshot)
    return KeyInEnvironment(snapshot, new, values_of(snapshot, new, values_from, unfinished), unfinished)


def _folders(run: Run, root: Path, terraform_dir: str) -> dict[str, Path]:
    """Each environment's Terraform folder; empty without `terraform_dir`."""
    text = terraform_dir.strip()
    if not text:
        return {}
    names = [target.environment.name for target in run.targets]
    if len(names) > 1 and ENVIRONMENT not in text:
        raise UsageError(
            f"terraform_dir is one environment's folder, and there are {', '.join(names)}: write {ENVIRONMENT} in"
            " it. Nothing was written."
        )
    paths = {name: expand(text.replace(ENVIRONMENT, name)) for name in names}
    return {name: path if path.is_absolute() or is_folder(path) else root / path for name, path in paths.items()}


def _work_trees(edits: Sequence[Edit]) -> dict[str, Path | None]:
    folder_of = {edit.file.name: edit.file.path.resolve().parent for edit in edits}
    trees = {folder: git.find_work_tree(folder) for folder in {*folder_of.values()}}
    return {name: trees[folder] for name, folder in folder_of.items()}


def _with_terraform(root: Path, part: EnvironmentPlan, edits: Sequence[Edit], snapshot: Snapshot) -> EnvironmentPlan:
    if part.terraform_dir is None:
        return part
    own = _own_apply(root, part, snapshot)
    values = own.values if own else ()
    changes = preview(root, part.terraform_dir, edits, snapshot.environment.names.profile, values)
    if part.without_reference and not changes:
        raise UsageError(
            f"Terraform would change nothing in {part.terraform_dir}, though {', '.join(part.without_reference)} in"
            f" {part.environment} would lack the variable: name the folder that its task definition comes from, or"
            " leave terraform_dir empty. Nothing was written."
        )
    found = (snapshot.definition(each) for each in snapshot.services if each.name in part.without_reference)
    families = {definition.family for definition in found if definition}
    if families and (instead := plan_json.families_instead(changes, families)):
        raise UsageError(
            f"Terraform would change {', '.join(instead)} in {part.terraform_dir}, and not"
            f" {', '.join(sorted(families))}, which {part.environment} runs:{_other_way(part.terraform_dir, own)}"
            " Nothing was written."
        )
    harm = plan_json.find_harm(changes, snapshot.secret_name, snapshot.secret, part.terraform_dir)
    return replace(part, terraform_values=values, terraform=executor.changes_of(changes), harm=harm)


def _own_apply(root: Path, part: EnvironmentPlan, snapshot: Snapshot) -> Apply | None:
    """How the environment's Terraform is applied in its folder, where the checkout's files tell."""
    declared, environment = snapshot.checkout.task_definitions if snapshot.checkout else None, snapshot.environment
    if declared is None or part.terraform_dir is None:
        return None
    found = {declared.apply_of(each, environment.name, environment.others) for each in declared.containers}
    here = part.terraform_dir.resolve()
    own = [each for each in found if each and (root / each.folder).resolve() == here]
    return max(own, key=lambda each: each.workspace, default=None)


def _other_way(folder: Path, own: Apply | None) -> str:
    """How a plan in a folder becomes the environment's."""
    if own and own.workspace:
        select = shell.command(name_of(folder), f"-chdir={folder}", "workspace", "select", own.workspace)
        return f" first run `{select}`."
    return " name its own folder, or its values there with TF_CLI_ARGS_plan=-var-file=FILE, or select its workspace."


def _notes(root: Path, checkout: Checkout, new: NewKey, edits: Sequence[Edit]) -> tuple[str, ...]:
    notes = []
    if note := note_other_definition(checkout, new.name):
        notes.append(note)
    if edits and git.find_git_dir(root) is None:
        why = git.read_status(root).obstacle or "This checkout is in no git work tree."
        notes.append(f"{why} There will be no patch for undoing the edits.")
    for edit in edits:
        if why := add_key_plan.why_no_patch(root, edit):
            notes.append(f"{edit.file.name} {why}: there will be no patch of it.")
    settings = checkout.settings
    is_edited = any(edit.file.name == settings.path for edit in edits)
    if is_edited:
        notes += (as_sentence(f"{why}: check that {new.name} is read accordingly") for why in settings.ambiguities)
    if is_edited and settings.equal_classes:
        notes.append(
            f"Of several classes of settings in one folder, class {settings.name} in {settings.path} gets the field,"
            f" not {', '.join(settings.equal_classes)}: move it if the code needs {new.name} there."
        )
    if settings.library:
        name = new.name.removeprefix(settings.env_prefix).replace("__", ".")
        validator = f', and Validator("{name}", must_exist=True) where it is made demands it' if new.required else ""
        notes.append(
            f"The settings are made by {settings.library}, which needs no field: it reads {new.name} as"
            f" settings.{name}{validator}."
        )
    elif settings.are_several and new.name not in checkout.reads:
        notes.append(
            "This checkout has several classes of settings, none of which is the main one: add a field to the one that"
            f" needs {new.name}."
        )
    elif settings.file is None and new.name not in checkout.reads:
        notes.append(
            "This checkout has no class of settings to add a field to: read the variable where the application needs"
            f' it, as in os.environ["{new.name}"].'
        )
    if edits and not new.description:
        notes.append("The key has no description: set the parameter description, so that others know what it is for.")
    return tuple(notes)


def _hidden(snapshot: Snapshot, checkout: Checkout, new: NewKey, containers: Sequence[str]) -> tuple[str, ...]:
    """The containers whose reference is in force and comes from unreadable Terraform: none is added there."""
    declared = checkout.task_definitions
    unread = [name for name in containers if declared and declared.may_hide(name)]
    return containers_with(snapshot, new, unread)


def _hidden_notes(new: NewKey, hidden: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    names = dict.fromkeys(name for names in hidden.values() for name in names)
    why = "is in force, and comes from Terraform that cannot be read: no reference is added"
    return tuple(f"The reference of {name} to {new.name} {why}." for name in names)


def _source_notes(values_from: str) -> tuple[str, ...]:
    """Notes about the source file, which add_key does not remove."""
    path = path_of(values_from)
    removal = (f"{path} has the value in plain text and is not removed: remove it afterwards.",) if path else ()
    return (*precautions(values_from), *removal)
