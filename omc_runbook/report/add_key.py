"""What add_key shows: the plan as diffs and steps, how it went, and how to undo it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from omc_runbook.changes.add_key.environment_plan import A_PLACEHOLDER, A_VALUE, NOTHING
from omc_runbook.changes.add_key.executor import Added
from omc_runbook.changes.add_key.plan import Addition, Place, why_no_patch
from omc_runbook.checks import remedies
from omc_runbook.model.environment import Environment
from omc_runbook.model.shell import command
from omc_runbook.report import changes, drift
from omc_runbook.report.display import console
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.diff import Diffs, FileDiff
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.textfile.file import Edit
from omc_runbook.textfile.redaction import redact

KILLED = "A run that was killed has left its label on the version: it is taken off."
NONE = "No key was named: set key to the name of the one to add."
HAD_IT = "The secret had it before: take it out only if an earlier run, which was broken off, had put it there."


def standing(seen: Mapping[str, Snapshot], plan: Addition | None = None) -> Table | Listing:
    """Where every variable stands, or the one that is to be added."""
    table = drift.table(next(iter(seen.values())), plan.key.name if plan else "")
    if plan and not table.rows:
        return Listing(f"Where {plan.key.name} stands", (), "Nowhere yet.")
    return table


def diffs(plan: Addition | None) -> Diffs:
    """The edits of the checkout's files; what stands around them shows no value."""
    if plan is None:
        return Diffs("The files", (), NONE)
    files = [FileDiff(edit.file.name, edit.what, tuple(_lines(edit))) for edit in plan.edits]
    dirty = f"Not committed, and not from this run: other changes in {', '.join(plan.dirty)}. They stay."
    count = f"{len(files)} file{'s' if len(files) != 1 else ''} would be edited"
    empty = f"Settings, the template and Terraform have {plan.key.name} already."
    return Diffs(count, files, empty, (*((dirty,) if plan.dirty else ()), *plan.notes))


def steps(plan: Addition | None) -> Listing:
    """What would be done, in its order: the secrets, the files, new tasks."""
    if plan is None:
        return Listing("What would be done", (), NONE)
    entries = [
        Entry(
            f"{plan.key.name} in the secret of {place.environment}",
            _becomes(plan, place),
            "warning" if place.write else "quiet",
            "write" if place.write else "there",
            lines=(*place.notes, *((KILLED,) if place.left else ())),
        )
        for place in plan.places
    ]
    names = ", ".join(edit.file.name for edit in plan.edits)
    entries.append(
        Entry("the files", names or "all there", "warning" if names else "quiet", "edit" if names else "there")
    )
    entries += [_deployment(place) for place in plan.places]
    return Listing("What would be done, in this order", entries)


def done(plan: Addition | None, done: Added | None) -> Banner:
    """How it went, or that nothing was done and why."""
    if plan is None:
        return Banner("plain", f"Nothing was done. {NONE}")
    if done is None and plan.is_empty:
        return Banner("good", f"Nothing has to be done: {plan.key.name} is everywhere.")
    if done is None:
        return Banner("plain", "Nothing was written or deployed: this was a dry run.")
    if not done.entries:
        return Banner("good", f"Nothing had to be done: {plan.key.name} is everywhere.")
    waiting = [place.environment for place in plan.places if place.holds != A_VALUE]
    lines = [f"It waits for its value in {', '.join(waiting)}."] if waiting else []
    lines.append("The application reads it once an image with the new Settings runs.")
    lines += [f"{name} was left for the next run, which goes on there." for name in done.waiting]
    failed = [each.cured.relapse.told for each in done.deployed if each.cured and each.cured.relapse.told]
    if failed:
        return Banner("bad", f"Tasks failed. {' '.join(failed)}", ("The files and the secret keep the key.", *lines))
    if not done.is_proved:
        reasons = tuple(f"{r.service}: {r.reason}" for r in done.rollouts if r.reason)
        return Banner("unsure", f"{plan.key.name} was added, and not proved everywhere.", (*reasons, *lines))
    services = ", ".join(r.service for r in done.rollouts if r.state == "done") or "no service"
    return Banner("good", f"{plan.key.name} was added and proved: new tasks of {services} have it.", tuple(lines))


def proof(done: Added | None) -> Table:
    """The deployments of the run."""
    return changes.deployments(done.rollouts if done else ())


def commit(plan: Addition | None) -> Listing:
    """A branch and a message for the edits, which nothing commits but you."""
    if plan is None or not plan.edits:
        return Listing("For git", (), "No file was edited, so that there is nothing to commit.")
    parts = (
        ("cd", plan.root),
        ("git", "switch", "-c", plan.branch),
        ("git", "add", *(_path_for_git(plan, edit) for edit in plan.edits)),
        ("git", "commit", "-m", plan.message),
    )
    shell = " && ".join(command(*words) for words in parts)
    lead = f"Mind {', '.join(plan.dirty)}: what else you changed there goes along." if plan.dirty else ""
    return Listing("For git", [Entry("a branch with the edits, once they are made", lead=lead, command=shell)])


def undo(plan: Addition | None, done: Added | None, environment: Environment) -> Listing:
    """How to take each part back: the references first, then the files, then the key."""
    if plan is None or done is None or not done.entries:
        return Listing("Going back", (), "Nothing was changed, so there is nothing to undo.")
    entries = []
    for each in done.deployed:
        for step in each.cured.steps if each.cured else ():
            names = each.cured.cure.names if each.cured else environment.names
            lead = "The service gets back the revision that it had."
            entries += [
                Entry("undo: the reference", each.place.environment, lead=lead, command=back)
                for back in step.undo(names)
            ]
        if each.place.terraform:
            told = "Take the files back, as below, and apply Terraform again."
            entries.append(Entry("undo: Terraform", each.place.environment, lead=told))
    if done.patches:
        lead = (
            "Each file gets back exactly the lines that it had, and other changes of yours stay; git refuses where you"
            " have changed the new lines themselves."
        )
        options = ("--reverse", "--unidiff-zero", "--whitespace=nowarn")
        back = command("git", "-C", plan.root, "apply", *options, *done.patches)
        entries.append(Entry("undo: the files", lead=lead, command=back))
    loose = [edit.file.name for edit in plan.edits if not (done.patches and not why_no_patch(plan.root, edit))]
    if loose:
        lead = f"Take the new lines out again, as they stand above: {', '.join(loose)}."
        entries.append(Entry("undo: files without a patch", lead=lead))
    for place in plan.places:
        remedy = remedies.update(environment, remove=plan.key.name)
        parameters = {"environment": place.environment, "remove": plan.key.name}
        known = {k: v for k, v in remedy.parameters.items() if k == "runbook_toml"}
        sure = {"confirm": place.environment} if place.environment == "production" else {}
        back = replace(remedy, parameters={**parameters, **known, "apply": "true", **sure}).invocation
        lead = "" if place.write else HAD_IT
        entries.append(Entry("undo: the key", place.environment, lead=lead, command=back))
    return Listing("Going back, in this order", entries)


def by_hand(environment: Environment, key: str = "") -> Listing:
    """The guide's own commands for the same, with this environment's names."""
    names, name = environment.names, key or "NEW_API_KEY"
    rows = [
        ["1. the field, in backend/app/core/config.py", f"{name}: str | None = None"],
        ["2. the template, in .env.template", f"{name}=<your-{name.lower().replace('_', '-')}>"],
        [
            "3. the reference, in infrastructure/terraform/modules/ecs/main.tf",
            f'{{ name = "{name}", valueFrom = "${{var.secrets_arn}}:{name}::" }}',
        ],
        ["4. the secret: write the whole of it from a file", remedies.put_value(names).command],
        ["the file away again", "rm secrets.json"],
        [
            "5. Terraform",
            f"{command('cd', f'infrastructure/terraform/environments/{environment.name}')} && terraform apply",
        ],
        ["new tasks", remedies.redeploy(names, names.service).command],
        ["the secret in the console", console.secret(names)],
    ]
    return Listing(f"Commands and pages for {environment.name}", [Entry(what, command=how) for what, how in rows])


def _becomes(plan: Addition, place: Place) -> str:
    if place.write is None:
        return "it is there, and empty" if place.holds == NOTHING else f"it has {place.holds}"
    origin = next((change.origin for change in place.write.changes if change.key == plan.key.name), "")
    told = {
        NOTHING: "empty, until update gives it a value",
        A_PLACEHOLDER: "a placeholder, until update gives it its value",
    }
    what = told.get(place.holds, f"a value, from {origin}")
    return f"{what}; on top of version {place.write.base[:8]}" if place.write.base else what


def _deployment(place: Place) -> Entry:
    name = f"new tasks in {place.environment}"
    if not (place.corrections or place.late or place.terraform):
        return Entry(name, "none are needed", "quiet", "there")
    lines: list[str] = []
    if place.terraform_dir is not None:
        lines += [f"Terraform: {address} ({action})." for address, action in place.terraform or ()]
        lines += [] if place.terraform else ["Terraform would change nothing."]
        lines += [f"It will not be applied: {finding.title}: {finding.subject}." for finding in place.harm]
    lines += [line for correction in place.corrections for line in (f"{correction.title}.", *correction.lines)]
    watched = f"{', '.join(place.services)}: watched until proved" if place.services else "no service has such a task"
    return Entry(name, watched, "error" if place.harm else "warning", "deploy", lines=tuple(lines))


def _path_for_git(plan: Addition, edit: Edit) -> str:
    """What has changed as git sees it: the file that a link leads to."""
    path = edit.file.path.resolve()
    return path.relative_to(plan.root).as_posix() if _is_within(plan, edit) else edit.file.name


def _is_within(plan: Addition, edit: Edit) -> bool:
    """Whether a file, or what a link leads to, lies in the checkout."""
    return edit.file.path.resolve().is_relative_to(plan.root)


def _lines(edit: Edit) -> Iterator[str]:
    """The diff without its header; of lines that were there only what shows no value."""
    lines = [line.rstrip("\r") for line in edit.diff.rstrip("\n").split("\n")[2:]]
    # Where a line is changed, the new one holds what the old one held.
    is_ours = not any(line.startswith("-") for line in lines)
    is_code = edit.file.path.suffix in (".py", ".tf", ".tofu", ".json")
    for line in lines:
        is_shown = line.startswith(("@", "\\")) or (is_ours and line.startswith("+"))
        yield line if is_shown else line[:1] + redact(line[1:], is_code)
