"""What add_key shows: the plan as diffs and steps, how it went, and how to undo it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from omc_runbook.catalogue import PLACEHOLDER, TEMPLATE_DEFAULT
from omc_runbook.changes.added import NOTHING
from omc_runbook.changes.adding import Added
from omc_runbook.changes.addition import Addition, Place
from omc_runbook.checks import remedies
from omc_runbook.environment import Environment
from omc_runbook.report import changes, console, drift
from omc_runbook.report.banner import Banner
from omc_runbook.report.diff import Diffs, FileDiff
from omc_runbook.report.listing import Entry, Listing
from omc_runbook.report.table import Table
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.source.file import Edit

NONE = "No key was named: set key to the name of the one to add."
ASSIGNED = re.compile(r"^(\s*(?:#\s*)?(?:export\s+)?[A-Za-z_]\w*\s*=\s*)(\S.*)$")
LITERAL = re.compile(r"""(["'])([^"'\s$]{16,})\1""")
"""A text in quotes that is long enough to be a value: in the surroundings of an edit nobody needs it."""
NAME = re.compile(r"[A-Z][A-Z0-9_]*|[a-z][a-z0-9_.-]*|[\w.-]*[:/].*")


def standing(seen: Mapping[str, Snapshot], plan: Addition | None = None) -> Table:
    """Where every variable stands, or the one that is to be added."""
    return drift.table(next(iter(seen.values())), plan.key.name if plan else "")


def diffs(plan: Addition | None) -> Diffs:
    """The edits of the checkout's files; what stands around them shows no value."""
    if plan is None:
        return Diffs("The files", (), NONE)
    files = [FileDiff(edit.file.name, edit.what, tuple(_lines(edit))) for edit in plan.edits]
    dirty = f"Not committed yet, and not from here: changes in {', '.join(plan.dirty)}. They stay."
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
            lines=place.notes,
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
    waiting = [place.environment for place in plan.places if place.holds != "a value"]
    lines = [f"It waits for its value in {', '.join(waiting)}."] if waiting else []
    lines.append("The application reads it once an image with the new Settings runs.")
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
    names = " ".join(shlex.quote(edit.file.name) for edit in plan.edits)
    command = (
        f"cd {shlex.quote(str(plan.root))} && git switch -c {plan.branch} && git add {names}"
        f" && git commit -m {shlex.quote(plan.message)}"
    )
    lead = f"Mind {', '.join(plan.dirty)}: what else you changed there goes along." if plan.dirty else ""
    return Listing("For git", [Entry("a branch with the edits", lead=lead, command=command)])


def undo(plan: Addition | None, done: Added | None, environment: Environment) -> Listing:
    """How to take each part back: the references first, then the files, then the key."""
    if plan is None or done is None or not done.entries:
        return Listing("Going back", (), "Nothing was changed, so there is nothing to undo.")
    entries = []
    for each in done.deployed:
        for step in each.cured.steps if each.cured else ():
            names = each.cured.cure.names if each.cured else environment.names
            entries += [Entry(f"undo: {step.title}", each.place.environment, command=c) for c in step.undo(names)]
        if each.place.terraform:
            told = "Take the files back, as below, and apply Terraform again."
            entries.append(Entry("undo: Terraform", each.place.environment, lead=told))
    if done.patches:
        patches = " ".join(shlex.quote(str(path)) for path in done.patches)
        lead = "Each file gets back exactly the lines it had; other changes of yours stay."
        command = f"git -C {shlex.quote(str(plan.root))} apply --reverse --whitespace=nowarn {patches}"
        entries.append(Entry("undo: the files", lead=lead, command=command))
    for place in plan.places:
        if place.write:
            remedy = remedies.update(environment, remove=plan.key.name)
            parameters = {"environment": place.environment, "remove": plan.key.name}
            known = {k: v for k, v in remedy.parameters.items() if k == "runbook_toml"}
            sure = {"confirm": place.environment} if place.environment == "production" else {}
            given = " ".join(f"-p {k} {v}" for k, v in {**parameters, **known, "apply": "true", **sure}.items())
            entries.append(Entry("undo: the key", place.environment, command=f"omc-runbook run update {given}"))
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
        ["5. Terraform", f"cd infrastructure/terraform/environments/{environment.name} && terraform apply"],
        ["new tasks", remedies.redeploy(names, names.service).command],
        ["the secret in the console", console.secret(names)],
    ]
    return Listing(f"Commands and pages for {environment.name}", [Entry(what, command=how) for what, how in rows])


def _becomes(plan: Addition, place: Place) -> str:
    if place.write is None:
        return f"it has {place.holds}"
    origin = next((change.origin for change in place.write.changes if change.key == plan.key.name), "")
    told = "nothing yet" if place.holds == NOTHING else place.holds
    return f"{told}, from {origin}, on top of version {place.write.base[:8]}" if place.write.base else told


def _deployment(place: Place) -> Entry:
    services = ", ".join(place.services) or "no service"
    if place.is_done or not (place.corrections or place.late or place.terraform or place.write):
        return Entry(f"new tasks in {place.environment}", "none are needed", "quiet", "there")
    lines: list[str] = []
    if place.terraform_dir is not None:
        lines += [f"Terraform: {address} ({action})." for address, action in place.terraform or ()]
        lines += [] if place.terraform else ["Terraform would change nothing."]
        lines += [f"It is not applied: {finding.title}: {finding.subject}." for finding in place.harm]
    lines += [line for correction in place.corrections for line in (f"{correction.title}.", *correction.lines)]
    needs = place.corrections or place.late or place.terraform
    subject = f"{services}: watched until proved" if needs and place.services else "none are needed"
    return Entry(f"new tasks in {place.environment}", subject, "warning", "deploy", lines=tuple(lines))


def _lines(edit: Edit) -> Iterator[str]:
    """The diff without its header; of the lines around the edit only what shows no value."""
    for line in edit.diff.rstrip("\n").split("\n")[2:]:
        line = line.rstrip("\r")
        yield line if line.startswith(("+", "@", "\\")) else _veiled(edit, line)


def _veiled(edit: Edit, line: str) -> str:
    """A line of a file with a name in the place of what may be a value."""
    if edit.file.path.suffix in (".py", ".tf"):
        return LITERAL.sub(lambda found: found[0] if NAME.fullmatch(found[2]) else f"{found[1]}…{found[1]}", line)
    found = ASSIGNED.match(line[1:])
    if found is None or PLACEHOLDER.match(found[2]) or TEMPLATE_DEFAULT.match(found[2]):
        return line
    return f"{line[:1]}{found[1]}…"
