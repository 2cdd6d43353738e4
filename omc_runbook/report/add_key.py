"""The add_key report: the plan as diffs and steps, the result, and how to undo it."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from omc_runbook.changes import files
from omc_runbook.changes.add_key.environment_plan import A_PLACEHOLDER, A_VALUE, NOTHING
from omc_runbook.changes.add_key.executor import AddKeyResult
from omc_runbook.changes.add_key.own_files import OwnFiles, own_files
from omc_runbook.changes.add_key.plan import AddKeyPlan, EnvironmentPlan, why_no_patch
from omc_runbook.changes.fix.steps import undo_command, undo_commands
from omc_runbook.changes.take_back import Undo
from omc_runbook.checks import remedies
from omc_runbook.model.environment import PRODUCTION, Environment
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import as_sentence, counted
from omc_runbook.model.shell import command
from omc_runbook.report import changes, drift
from omc_runbook.report.display import console
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.diff import Diffs, FileDiff
from omc_runbook.report.display.listing import Entry, Listing, commands_for
from omc_runbook.report.display.table import Table
from omc_runbook.repository import git
from omc_runbook.repository.checkout import Checkout
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.textfile.file import Edit
from omc_runbook.textfile.redaction import redact

KILLED = "A run that was killed left its staging label on a version: the label is removed."
NONE = "No key was named: set the parameter key."
SUBMODULE = "Where it is a submodule, let the checkout refer to its new commit, once that is merged."
HAD_IT = "The secret had this key before: remove it only if an earlier, interrupted run added it."


def variables(snapshots: Mapping[str, Snapshot], plan: AddKeyPlan | None = None) -> Table | Listing:
    """Where every variable is defined, or only the one that the plan adds."""
    table = drift.table(next(iter(snapshots.values())), plan.key.name if plan else "")
    if plan and not table.rows:
        return Listing(f"Where {plan.key.name} is defined", (), "Nowhere yet.")
    return table


def diffs(plan: AddKeyPlan | None) -> Diffs:
    """The edits of the checkout's files, with values redacted in the context lines."""
    if plan is None:
        return Diffs("The files", (), NONE)
    files = [FileDiff(edit.file.name, edit.what, tuple(_lines(edit))) for edit in plan.edits]
    dirty = f"These files have other uncommitted changes, which stay: {', '.join(plan.dirty)}."
    count = f"{counted(len(files), 'file')} would be edited"
    empty = f"Settings, the template and Terraform have {plan.key.name} already."
    return Diffs(count, files, empty, (*((dirty,) if plan.dirty else ()), *plan.notes))


def steps(plan: AddKeyPlan | None) -> Listing:
    """The steps in order: the secrets, the files, new tasks."""
    if plan is None:
        return Listing("Planned steps", (), NONE)
    entries = [
        Entry(
            f"{plan.key.name} in the secret of {part.environment}",
            _value_of(plan, part),
            level="warning" if part.write else "quiet",
            label="write" if part.write else "present",
            lines=(*part.notes, *((KILLED,) if part.cleanup else ())),
        )
        for part in plan.environments
    ]
    names = ", ".join(edit.file.name for edit in plan.edits)
    entries.append(
        Entry(
            "the files",
            names or "all present",
            level="warning" if names else "quiet",
            label="edit" if names else "present",
            lines=plan.elsewhere,
        )
    )
    entries += [_deployment(part) for part in plan.environments]
    entries += _surroundings(plan)
    return Listing("Planned steps, in order", entries)


def result(plan: AddKeyPlan | None, result: AddKeyResult | None) -> Banner:
    """How it went, or why nothing was done."""
    if plan is None:
        return Banner("plain", f"Nothing was done. {NONE}")
    if result is None and plan.is_empty:
        return Banner("good", f"Nothing has to be done: {plan.key.name} is already everywhere.")
    if result is None:
        return Banner("plain", "Nothing was written or deployed: this was a dry run.")
    if not result.changes:
        return Banner("good", f"Nothing had to be done: {plan.key.name} is already everywhere.")
    if result.is_cancelled:
        return changes.stopped(result)
    without_value = [part.environment for part in plan.environments if part.content != A_VALUE]
    lines = [f"It still needs a value in {', '.join(without_value)}."] if without_value else []
    lines.append("The application reads it once an image with the new Settings is deployed.")
    lines += [f"{name} is left for the next run, which continues there." for name in result.waiting]
    if result.rollback_note:
        return Banner(
            "bad", f"Tasks failed. {result.rollback_note}", ("The files and the secret keep the key.", *lines)
        )
    if not result.is_proved:
        reasons = changes.reasons(result)
        return Banner("unsure", f"{plan.key.name} was added, but not verified everywhere.", (*reasons, *lines))
    services = changes.services_done(result) or "no service"
    return Banner("good", f"{plan.key.name} was added and verified: new tasks of {services} have it.", tuple(lines))


def commit(plan: AddKeyPlan | None) -> Listing:
    """The commands that commit the edits on a branch; the runbook itself commits nothing."""
    if plan is None or not plan.edits:
        return Listing("For git", (), "No file was edited, so there is nothing to commit.")
    entries = []
    edits_of = grouped((folder, edit) for edit in plan.edits if (folder := _folder_for_git(plan, edit)))
    # The checkout's own come last: they refer to a submodule's.
    for folder, edits in sorted(edits_of.items(), key=lambda pair: pair[0] == plan.root):
        parts = (
            ("cd", folder),
            ("git", "switch", "-c", plan.branch),
            ("git", "add", *(os.path.relpath(edit.file.path.resolve(), folder) for edit in edits)),
            ("git", "commit", "-m", plan.message),
        )
        shell = " && ".join(command(*words) for words in parts)
        dirty = ", ".join(edit.file.name for edit in edits if edit.file.name in plan.dirty)
        lead = f"Your other changes in {dirty} are committed too." if dirty else ""
        title, lines = "commit the edits on a branch, once they are made", plan.surroundings.merge_sentences
        if folder != plan.root:
            title, lines = f"commit those in {folder}, a work tree of its own", (SUBMODULE,)
        entries.append(Entry(title, lead=lead, lines=lines, command=shell))
    return Listing("For git", entries, "Git has no work tree here that it reads, so the edits cannot be committed.")


def undo(
    plan: AddKeyPlan | None,
    result: AddKeyResult | None,
    environment: Environment,
    productions: Container[str] = frozenset({PRODUCTION}),
) -> Listing:
    """How to undo each part: the references first, then the files, then the key.

    Of the environments, those in `productions` are changed with a confirmation alone. Where a killed run had changed
    all, its parts are taken back.
    """
    has_changed = result is not None and bool(result.changes)
    earlier = plan.earlier_undos if plan and not has_changed else ()
    if plan is None or not (has_changed or earlier):
        return Listing("Undo", (), "Nothing was changed, so there is nothing to undo.")
    if result and result.is_cancelled:
        return Listing("Undo", (), result.rollback_note)
    entries = [*_revisions(earlier, environment)]
    for each in result.environments if result else ():
        fix = each.fix
        commands = [undo for step in fix.steps for undo in undo_commands(step, fix.plan.names)] if fix else []
        entries += [_return(each.plan.environment, undo) for undo in commands]
        if each.plan.terraform:
            lead = "Undo the edits of the files, as below, and apply Terraform again."
            entries.append(Entry("undo: Terraform", each.plan.environment, lead=lead))
    patches = [undo for undo in earlier if undo.kind == "patch"]
    paths = result.patches if result and result.patches else tuple(undo.new for undo in patches)
    if paths:
        lead = (
            "Reverts exactly the lines that were edited and keeps your other changes; git refuses where you have"
            " changed the new lines themselves."
        )
        options = ("--reverse", "--unidiff-zero", "--whitespace=nowarn")
        back = command("git", "-C", plan.root, *git.AS_THEY_ARE, "apply", *options, *paths)
        written = [edit.file.path for edit in plan.edits if not why_no_patch(plan.root, edit)]
        written += [plan.root / undo.subject for undo in patches]
        entries.append(Entry("undo: the files", lead=lead, command=" && ".join((back, *files.mode_commands(written)))))
    without_patch = [edit.file.name for edit in plan.edits if not paths or why_no_patch(plan.root, edit)]
    if without_patch:
        lead = f"Remove the new lines shown above: {', '.join(without_patch)}."
        entries.append(Entry("undo: files without a patch", lead=lead))
    for part in plan.environments:
        remedy = remedies.update(environment, remove=plan.key.name)
        parameters = {"environment": part.environment, "remove": plan.key.name}
        configuration = {k: v for k, v in remedy.parameters.items() if k == "runbook_toml"}
        confirm = {"confirm": PRODUCTION} if part.environment in productions else {}
        remedy = replace(remedy, parameters={**parameters, **configuration, "apply": "true", **confirm})
        is_new = any(undo.kind == "version" and undo.environment == part.environment for undo in earlier)
        lead = "" if part.write or is_new else HAD_IT
        entries.append(Entry("undo: the key", part.environment, lead=lead, command=remedy.invocation))
    return Listing("Undo, in this order" if has_changed else "Undo what a killed run did, in this order", entries)


def _revisions(undos: Sequence[Undo], environment: Environment) -> Iterator[Entry]:
    """Yield how services get their former revision back, and what stays."""
    names = {**environment.others, environment.name: environment.names}
    for undo in undos:
        if undo.kind == "revision" and undo.environment in names:
            yield _return(undo.environment, undo_command(undo, names[undo.environment]))
        elif undo.kind == "none":
            yield Entry("not undone", undo.environment, lead=undo.subject)


def _return(environment: str, undo: str) -> Entry:
    """The command by which a service gets its former revision back."""
    lead = "The service returns to its former task definition revision."
    return Entry("undo: the reference", environment, lead=lead, command=undo)


def by_hand(environment: Environment, key: str = "", checkout: Checkout | None = None) -> Listing:
    """The guide's commands for the same, with this environment's names and the checkout's files."""
    names, name = environment.names, key or "NEW_API_KEY"
    files = own_files(checkout, environment, name)
    options = ("--region", names.region, "--query", "SecretString", "--output", "text")
    read = command("aws", "secretsmanager", "get-secret-value", "--secret-id", names.secret, *options)
    private = f"{command('touch', 'secrets.json')} && {command('chmod', '600', 'secrets.json')}"
    rows = [
        (f"1. the field, in {files.settings}", f"{name}: str | None = None")
        if files.settings
        else ("1. the code that needs it", f'os.environ["{name}"]'),
        (f"2. the template, in {files.template}", f"{name}=<your-{name.lower().replace('_', '-')}>"),
        (f"3. the reference, {_where(files)}", files.reference),
        (
            "4. the secret: read all of it into a file that only you can read",
            f"{private} && {read} > secrets.json",
        ),
        (f"add {name} to the file, and write all of it", remedies.put_value(names).command),
        ("remove the file", "rm secrets.json"),
        ("5. Terraform", files.apply)
        if files.apply
        else ("5. a new revision", f"Let what makes the task definition deploy it in {environment.name}."),
        ("new tasks", remedies.redeploy(names, names.service).command),
        ("the secret in the console", console.secret(names)),
    ]
    return commands_for(environment.name, rows)


def _where(files: OwnFiles) -> str:
    """Where the reference is written, and what ARN in it is."""
    where = f"in {files.definition}" if files.definition else "where the task definition is made"
    return f"{where}, with the secret's ARN" if "ARN:" in files.reference else where


def _surroundings(plan: AddKeyPlan) -> Iterator[Entry]:
    """What else the key concerns: environments that share a module, CI, and other files."""
    for shared in plan.surroundings.shared:
        folders = ", ".join(shared.folders)
        lead = f"{', '.join(shared.files)} is used for {shared.environment} too, in {folders}. {shared.consequence}"
        yield Entry(
            f"{shared.environment}, not asked for",
            "its Terraform uses an edited file",
            level="quiet" if shared.has_key else "warning",
            label="shared",
            lead=lead,
            command=shared.remedy.invocation,
        )
    if lines := plan.surroundings.merge_sentences:
        yield Entry("once the edits are merged", "what CI does then", level="warning", label="CI", lines=lines)
    for location in plan.surroundings.locations:
        yield Entry(
            f"{location.file}, line {location.line}",
            "not edited",
            level="warning",
            label="by hand",
            lead=location.reason,
            lines=(f"Add {location.addition}",) if location.addition else (),
            command=location.command,
        )


def _value_of(plan: AddKeyPlan, part: EnvironmentPlan) -> str:
    if part.write is None:
        return "it exists and is empty" if part.content == NOTHING else f"it has {part.content}"
    origin = next((change.origin for change in part.write.changes if change.key == plan.key.name), "")
    descriptions = {
        NOTHING: "empty, until update writes a value",
        A_PLACEHOLDER: "a placeholder, until update writes a value",
    }
    description = descriptions.get(part.content, f"a value, from {origin}")
    return f"{description}; on top of version {part.write.short(part.write.base)}" if part.write.base else description


def _deployment(part: EnvironmentPlan) -> Entry:
    name = f"new tasks in {part.environment}"
    if not (part.corrections or part.has_old_tasks or part.terraform):
        return Entry(name, "none are needed", level="quiet", label="present")
    lines: list[str] = []
    if part.terraform_dir is not None:
        lines += [f"Terraform: {address} ({action})." for address, action in part.terraform or ()]
        lines += [] if part.terraform else ["Terraform would change nothing."]
        lines += [f"Terraform will not be applied: {finding.sentence}" for finding in part.harm]
    lines += [line for correction in part.corrections for line in (as_sentence(correction.title), *correction.lines)]
    services = f"{', '.join(part.services)}: watched until verified" if part.services else "no service has such a task"
    return Entry(name, services, level="error" if part.harm else "warning", label="deploy", lines=tuple(lines))


def _folder_for_git(plan: AddKeyPlan, edit: Edit) -> Path | None:
    """Where git adds an edited file: the checkout, or the work tree that it is in instead; None without one."""
    top = plan.work_trees.get(edit.file.name, plan.root)
    return plan.root if top and plan.root.is_relative_to(top) else top


def _lines(edit: Edit) -> Iterator[str]:
    """The diff without its header, with values redacted in existing lines."""
    lines = [line.rstrip("\r") for line in edit.diff.rstrip("\n").split("\n")[2:]]
    # A changed line still contains what the old line contained.
    has_no_old_line = not any(line.startswith("-") for line in lines)
    is_code = edit.file.path.suffix in (".py", ".tf", ".tofu", ".tfvars", ".json", ".tftpl", ".tpl", ".yml", ".yaml")
    for line in lines:
        is_public = line.startswith(("@", "\\")) or (has_no_old_line and line.startswith("+"))
        yield line if is_public else line[:1] + redact(line[1:], is_code)
