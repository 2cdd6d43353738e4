"""What the creation of a secret shows: what would come to be, what came to be, what it still lacks, how to undo it."""

from __future__ import annotations

from omc_runbook.changes.secret.create import CreateResult
from omc_runbook.changes.secret.create_plan import Creation
from omc_runbook.changes.secret.placeholders import unset_keys, update_command
from omc_runbook.checks import remedies
from omc_runbook.model.catalogue import Key
from omc_runbook.model.environment import Environment
from omc_runbook.model.shell import command
from omc_runbook.report.display import console
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Mood
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot

ACTIONS: dict[str, Mood] = {
    "create": "good",
    "update": "warning",
    "replace": "error",
    "delete": "error",
    "a placeholder": "warning",
    "nothing yet": "quiet",
}
WEIGHTS: dict[str, Mood] = {"error": "error", "warning": "warning", "info": "warning"}


def plan(planned: Creation, environment: Environment) -> Table:
    """What would come to be: the keys of a new secret, a restoration, nothing, or Terraform's changes."""
    if planned.draft:
        return _drafted(planned)
    if planned.intent == "restore":
        deleted = planned.existing.deleted if planned.existing else None
        when = f" (DeletedDate {deleted:%Y-%m-%d %H:%M} UTC)" if deleted else ""
        title = f"{planned.name} is scheduled for deletion{when} and can still be restored: that is the plan"
        return Table(title, [], [], empty="All its keys and versions come back as they were; nothing is created.")
    if planned.intent == "nothing":
        return _nothing(planned)
    rows = [
        [
            name,
            "a placeholder" if held else "nothing yet",
            environment.keys[name].description,
            _source(environment, name),
        ]
        for name, held in planned.keys
    ]
    title = f"{planned.name} would be created in {planned.region} with {len(rows)} keys and no value yet"
    return Table(title, ["key", "holds", "what it is", "its value comes from"], rows, ACTIONS, notes=_notes(planned))


def warnings(planned: Creation) -> Listing:
    """What Terraform's files and its plan would do to values, with what to do about it."""
    entries = [
        Entry(
            finding.check,
            finding.subject,
            WEIGHTS[finding.severity],
            finding.severity if finding.is_problem else "beware",
            f"{finding.title}.",
            finding.evidence,
            finding.remedy.command,
        )
        for finding in planned.warnings
    ]
    empty = "Terraform would write over no value." if planned.draft else "Terraform has no part in this."
    return Listing("Terraform and values that others write", entries, empty)


def created(planned: Creation, done: CreateResult | None) -> Banner:
    """What came to be, or that nothing did and why."""
    if planned.intent == "nothing":
        return Banner("good", f"{planned.name} exists already: nothing was created.")
    if done is None:
        return Banner("plain", "Nothing was written: this was a dry run. Set apply = True to do what the plan says.")
    outputs = (f"Terraform's output {', '.join(done.outputs)} has this ARN.",) if done.outputs else ()
    proved = "reads back as planned" if done.by == "the API" else "AWS has it with a version that can be read"
    by = "" if done.action == "restored" else f" by {done.by}"
    return Banner(
        "good",
        f"{done.name} was {done.action}{by}, and {proved}.",
        (f"Its ARN is {done.arn}", f"Its current version is {done.version_id}", *outputs),
    )


def placeholders(snapshot: Snapshot) -> Listing:
    """Which keys have no value yet, where it comes from, and the command that gives them theirs."""
    keys, environment = unset_keys(snapshot), snapshot.environment
    entries = [_unset(key, environment.keys.get(key, Key())) for key in keys]
    if keys:
        entries.append(
            Entry(
                "give them their values",
                lead="Put them into secrets.json, a file that only you can read; it is removed after the write.",
                command=update_command(environment, keys),
            )
        )
    empty = "No key holds a placeholder." if snapshot.current else "There is no secret to look into yet."
    count = f"{len(keys)} key{'s' if len(keys) != 1 else ''} without a value yet"
    return Listing(count if keys else "Keys without a value", entries, empty)


def undo(planned: Creation, done: CreateResult | None) -> Listing:
    """The command that schedules the secret for deletion, with the days in which that can be taken back."""
    if done is None:
        return Listing("Going back", (), "Nothing was created or restored, so there is nothing to undo.")
    days = f"For {planned.recovery_days} days it can be restored, by this runbook too; its name is taken until then."
    again = " Take it out of the configuration as well, or Terraform creates it again." if planned.draft else ""
    return Listing("Going back", [Entry(f"delete {done.name}", lead=f"{days}{again}", command=planned.undo)])


def by_hand(environment: Environment, terraform_dir: str = "") -> Listing:
    """The guide's own commands for a new environment, with this environment's names, and the console's page."""
    names = environment.names
    folder = terraform_dir or f"infrastructure/terraform/environments/{environment.name}"
    rows = [
        [
            "create with Terraform",
            f"{command('cd', folder)} && terraform init && terraform plan -out=new && terraform apply new",
        ],
        ["create without it", remedies.create_secret(names).command],
        ["restore a deleted one", remedies.restore_secret(names).command],
        ["give it values", remedies.put_value(names).command],
        ["the secret in the console", console.secret(names)],
    ]
    return Listing(f"Commands and pages for {environment.name}", [Entry(what, command=how) for what, how in rows])


def _drafted(planned: Creation) -> Table:
    draft = planned.draft
    assert draft is not None, "only Terraform's plans come here"
    rows = [[change.address, change.type, change.action] for change in draft.changes]
    count = f"{draft.name} would change {len(rows)} resource{'s' if len(rows) != 1 else ''}"
    title = f"{planned.name} exists already, so nothing will be applied. {count}" if planned.existing else count
    return Table(title, ["resource", "type", "action"], rows, ACTIONS, empty="Its plan is empty.")


def _nothing(planned: Creation) -> Table:
    created = planned.existing.created if planned.existing else None
    since = f" since {created:%Y-%m-%d %H:%M} UTC" if created else ""
    empty = "There is nothing to create. To give its keys values, run update."
    return Table(f"{planned.name} exists already{since}", [], [], empty=empty)


def _notes(planned: Creation) -> tuple[str, ...]:
    tags = ", ".join(f"{key}={value}" for key, value in planned.tags.items()) or "none"
    return (
        f"Description: {planned.description or 'none'}. Tags: {tags}.",
        f"Encrypted with: {planned.kms_key or 'the AWS managed key'}.",
        f"Should it ever be deleted, it can be restored for {planned.recovery_days} days.",
    )


def _source(environment: Environment, name: str) -> str:
    key = environment.keys[name]
    if not key.required:
        return "optional"
    return "generate" if key.generate else key.obtain_from or "you"


def _unset(name: str, key: Key) -> Entry:
    source = f"Get it from {key.obtain_from}." if key.obtain_from else ""
    lead = "It can be made up, with values_from = generate." if key.generate else source
    return Entry(name, key.description, "warning", lead=lead)
