"""The create report: the plan, the result, the keys that still need values, how to undo it."""

from __future__ import annotations

from omc_runbook.changes.secret.create import CreateResult
from omc_runbook.changes.secret.create_plan import CreatePlan
from omc_runbook.changes.secret.placeholders import unset_keys, update_command
from omc_runbook.checks import remedies
from omc_runbook.model.catalogue import Key
from omc_runbook.model.environment import Environment
from omc_runbook.model.letters import counted
from omc_runbook.model.shell import command
from omc_runbook.report.display import console
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Entry, Listing, commands_for
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


def plan(plan: CreatePlan, environment: Environment) -> Table:
    """What the plan does: create a secret with these keys, restore one, apply Terraform's changes, or nothing."""
    if plan.draft:
        return _terraform_plan(plan)
    if plan.intent == "restore":
        deleted = plan.existing.deleted if plan.existing else None
        when = f" (DeletedDate {deleted:%Y-%m-%d %H:%M} UTC)" if deleted else ""
        title = f"{plan.name} is scheduled for deletion{when} and will be restored"
        return Table(title, [], [], empty="All its keys and versions are kept; nothing is created.")
    if plan.intent == "nothing":
        creation = plan.existing.created if plan.existing else None
        since = f" since {creation:%Y-%m-%d %H:%M} UTC" if creation else ""
        empty = "There is nothing to create. Run update to write its keys' values."
        return Table(f"{plan.name} exists already{since}", [], [], empty=empty)
    rows = [
        [
            name,
            "a placeholder" if is_placeholder else "nothing yet",
            environment.keys[name].description,
            _source(environment, name),
        ]
        for name, is_placeholder in plan.keys
    ]
    title = f"{plan.name} would be created in {plan.region} with {counted(len(rows), 'key')} and no value yet"
    return Table(title, ["key", "value", "description", "value comes from"], rows, ACTIONS, notes=_notes(plan))


def warnings(plan: CreatePlan) -> Listing:
    """What Terraform's files and plan would do to values, with what to do about it."""
    entries = [
        Entry(
            finding.check,
            finding.subject,
            level="error" if finding.severity == "error" else "warning",
            label=finding.severity if finding.is_problem else "warning",
            lead=f"{finding.title}.",
            lines=finding.evidence,
            command=finding.remedy.command,
            needs=finding.remedy.needs,
        )
        for finding in plan.warnings
    ]
    empty = "Terraform would overwrite no value." if plan.draft else "Terraform is not used."
    return Listing("Terraform and existing values", entries, empty)


def result(plan: CreatePlan, result: CreateResult | None) -> Banner:
    """What was created or restored, or why nothing was."""
    if plan.intent == "nothing":
        return Banner("good", f"{plan.name} exists already: nothing was created.")
    if result is None:
        return Banner("plain", "Nothing was written: this was a dry run. Set apply = True to do what the plan says.")
    outputs = (f"Terraform's output {', '.join(result.outputs)} has this ARN.",) if result.outputs else ()
    check = "reads back as planned" if result.by == "the API" else "AWS has it with a readable version"
    by = "" if result.action == "restored" else f" by {result.by}"
    return Banner(
        "good",
        f"{result.name} was {result.action}{by}, and {check}.",
        (f"Its ARN is {result.arn}", f"Its current version is {result.version_id}", *outputs),
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
    count = f"{counted(len(keys), 'key')} without a value yet"
    return Listing(count if keys else "Keys without a value", entries, _why_none(snapshot))


def _why_none(snapshot: Snapshot) -> str:
    """Why no key is known to have no value."""
    if snapshot.current:
        return "No key has a placeholder."
    unread = [each.sentence for part in ("secret", "contents") for each in snapshot.gaps.get(part, ())]
    if unread or snapshot.secret is None:
        return " ".join(unread) or "The secret does not exist yet."
    is_deleted = snapshot.secret.deleted is not None
    return "The keys can be read once the secret is restored." if is_deleted else "The secret has no current version."


def undo(plan: CreatePlan, result: CreateResult | None) -> Listing:
    """The command that schedules the secret for deletion, with the recovery window in days."""
    if result is None:
        return Listing("Undo", (), "Nothing was created or restored, so there is nothing to undo.")
    days = f"For {plan.recovery_days} days it can be restored, also by this runbook; until then its name is taken."
    again = " Remove it from the configuration too, or Terraform creates it again." if plan.draft else ""
    return Listing("Undo", [Entry(f"delete {result.name}", lead=f"{days}{again}", command=plan.undo)])


def by_hand(environment: Environment, terraform_dir: str = "", program: str = "terraform") -> Listing:
    """The guide's commands for a new environment, with this environment's names, and the console's page.

    `program` is the one that the folder is for, terraform or tofu.
    """
    names = environment.names
    folder = command("cd", terraform_dir or f"infrastructure/terraform/environments/{environment.name}")
    terraform = f"{folder} && {program} init && {program} plan -out=new && {program} apply new"
    rows = [
        ("create with Terraform", terraform),
        ("create without it", remedies.create_secret(names).command),
        ("restore a deleted one", remedies.restore_secret(names).command),
        ("write its values", remedies.put_value(names).command),
        ("the secret in the console", console.secret(names)),
    ]
    return commands_for(environment.name, rows)


def _terraform_plan(plan: CreatePlan) -> Table:
    draft = plan.draft
    assert draft is not None, "the caller has checked that this is a Terraform plan"
    rows = [[change.address, change.type, change.action] for change in draft.changes]
    count = f"{draft.name} would change {counted(len(rows), 'resource')}"
    title = f"{plan.name} exists already, so nothing will be applied. {count}" if plan.existing else count
    return Table(title, ["resource", "type", "action"], rows, ACTIONS, empty="Its plan is empty.")


def _notes(plan: CreatePlan) -> tuple[str, ...]:
    tags = ", ".join(f"{key}={value}" for key, value in plan.tags.items()) or "none"
    return (
        f"Description: {plan.description or 'none'}. Tags: {tags}.",
        f"Encrypted with: {plan.kms_key or 'the AWS managed key'}.",
        f"After a deletion it can be restored for {plan.recovery_days} days.",
        *plan.doubts,
        *(f"{each.title}. {' '.join(each.evidence)}" for each in plan.unseen),
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
