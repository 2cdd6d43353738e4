"""The create report: the plan, the result, the keys that still need values, how to undo it."""

from __future__ import annotations

from omc_runbook.changes.secret.create import CreateResult
from omc_runbook.changes.secret.create_plan import CreatePlan
from omc_runbook.changes.secret.placeholders import unset_keys, update_command
from omc_runbook.checks import remedies
from omc_runbook.model.catalogue import Key
from omc_runbook.model.environment import Environment
from omc_runbook.model.shell import command
from omc_runbook.report.display import console
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing
from omc_runbook.report.display.severity import Level
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot

ACTIONS: dict[str, Level] = {
    "create": "good",
    "update": "warning",
    "replace": "error",
    "delete": "error",
    "a placeholder": "warning",
    "nothing yet": "quiet",
}
SEVERITIES: dict[str, Level] = {"error": "error", "warning": "warning", "info": "warning"}


def plan(planned: CreatePlan, environment: Environment) -> Table:
    """What the plan does: create a secret with these keys, restore one, apply Terraform's changes, or nothing."""
    if planned.draft:
        return _terraform_plan(planned)
    if planned.intent == "restore":
        deleted = planned.existing.deleted if planned.existing else None
        when = f" (DeletedDate {deleted:%Y-%m-%d %H:%M} UTC)" if deleted else ""
        title = f"{planned.name} is scheduled for deletion{when} and will be restored"
        return Table(title, [], [], empty="All its keys and versions are kept; nothing is created.")
    if planned.intent == "nothing":
        return _nothing(planned)
    rows = [
        [
            name,
            "a placeholder" if is_placeholder else "nothing yet",
            environment.keys[name].description,
            _source(environment, name),
        ]
        for name, is_placeholder in planned.keys
    ]
    title = f"{planned.name} would be created in {planned.region} with {len(rows)} keys and no value yet"
    return Table(title, ["key", "value", "description", "value comes from"], rows, ACTIONS, notes=_notes(planned))


def warnings(planned: CreatePlan) -> Listing:
    """What Terraform's files and plan would do to values, with what to do about it."""
    entries = [
        Entry(
            finding.check,
            finding.subject,
            level=SEVERITIES[finding.severity],
            label=finding.severity if finding.is_problem else "warning",
            lead=f"{finding.title}.",
            lines=finding.evidence,
            command=finding.remedy.command,
        )
        for finding in planned.warnings
    ]
    empty = "Terraform would overwrite no value." if planned.draft else "Terraform is not used."
    return Listing("Terraform and existing values", entries, empty)


def created(planned: CreatePlan, done: CreateResult | None) -> Banner:
    """What was created or restored, or why nothing was."""
    if planned.intent == "nothing":
        return Banner("good", f"{planned.name} exists already: nothing was created.")
    if done is None:
        return Banner("plain", "Nothing was written: this was a dry run. Set apply = True to do what the plan says.")
    outputs = (f"Terraform's output {', '.join(done.outputs)} has this ARN.",) if done.outputs else ()
    check = "reads back as planned" if done.by == "the API" else "AWS has it with a readable version"
    by = "" if done.action == "restored" else f" by {done.by}"
    return Banner(
        "good",
        f"{done.name} was {done.action}{by}, and {check}.",
        (f"Its ARN is {done.arn}", f"Its current version is {done.version_id}", *outputs),
    )


def placeholders(snapshot: Snapshot) -> Listing:
    """The keys that have no value yet, where to get each, and the command that writes them."""
    keys, environment = unset_keys(snapshot), snapshot.environment
    entries = [_unset(key, environment.keys.get(key, Key())) for key in keys]
    if keys:
        entries.append(
            Entry(
                "write their values",
                lead="Put them into secrets.json, readable only by you; the runbook removes the file after the write.",
                command=update_command(environment, keys),
            )
        )
    empty = "No key has a placeholder." if snapshot.current else "The secret does not exist yet."
    count = f"{len(keys)} key{'s' if len(keys) != 1 else ''} without a value yet"
    return Listing(count if keys else "Keys without a value", entries, empty)


def undo(planned: CreatePlan, done: CreateResult | None) -> Listing:
    """The command that schedules the secret for deletion, with the recovery window in days."""
    if done is None:
        return Listing("Undo", (), "Nothing was created or restored, so there is nothing to undo.")
    days = f"For {planned.recovery_days} days it can be restored, also by this runbook; until then its name is taken."
    again = " Remove it from the configuration too, or Terraform creates it again." if planned.draft else ""
    return Listing("Undo", [Entry(f"delete {done.name}", lead=f"{days}{again}", command=planned.undo)])


def by_hand(environment: Environment, terraform_dir: str = "") -> Listing:
    """The guide's commands for a new environment, with this environment's names, and the console's page."""
    names = environment.names
    folder = terraform_dir or f"infrastructure/terraform/environments/{environment.name}"
    rows = [
        [
            "create with Terraform",
            f"{command('cd', folder)} && terraform init && terraform plan -out=new && terraform apply new",
        ],
        ["create without it", remedies.create_secret(names).command],
        ["restore a deleted one", remedies.restore_secret(names).command],
        ["write its values", remedies.put_value(names).command],
        ["the secret in the console", console.secret(names)],
    ]
    return Listing(f"Commands and pages for {environment.name}", [Entry(what, command=how) for what, how in rows])


def _terraform_plan(planned: CreatePlan) -> Table:
    draft = planned.draft
    assert draft is not None, "only Terraform's plans come here"
    rows = [[change.address, change.type, change.action] for change in draft.changes]
    count = f"{draft.name} would change {len(rows)} resource{'s' if len(rows) != 1 else ''}"
    title = f"{planned.name} exists already, so nothing will be applied. {count}" if planned.existing else count
    return Table(title, ["resource", "type", "action"], rows, ACTIONS, empty="Its plan is empty.")


def _nothing(planned: CreatePlan) -> Table:
    created = planned.existing.created if planned.existing else None
    since = f" since {created:%Y-%m-%d %H:%M} UTC" if created else ""
    empty = "There is nothing to create. Run update to write its keys' values."
    return Table(f"{planned.name} exists already{since}", [], [], empty=empty)


def _notes(planned: CreatePlan) -> tuple[str, ...]:
    tags = ", ".join(f"{key}={value}" for key, value in planned.tags.items()) or "none"
    return (
        f"Description: {planned.description or 'none'}. Tags: {tags}.",
        f"Encrypted with: {planned.kms_key or 'the AWS managed key'}.",
        f"After a deletion it can be restored for {planned.recovery_days} days.",
    )


def _source(environment: Environment, name: str) -> str:
    key = environment.keys[name]
    if not key.required:
        return "optional"
    return "generate" if key.generate else key.obtain_from or "you"


def _unset(name: str, key: Key) -> Entry:
    source = f"Get it from {key.obtain_from}." if key.obtain_from else ""
    lead = "It can be generated: values_from = generate." if key.generate else source
    return Entry(name, key.description, level="warning", lead=lead)
