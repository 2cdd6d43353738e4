"""Terraform's plan as JSON: the change of each resource, and findings on changes that harm a secret; no values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.secretsmanager import Secret as Existing
from omc_runbook.masking.document import DocumentError, parse
from omc_runbook.masking.value import Masked
from omc_runbook.model.findings import Finding, Remedy, Severity
from omc_runbook.model.shell import command
from omc_runbook.terraform.containers import DEFINITION
from omc_runbook.terraform.program import name_of
from omc_runbook.terraform.secret_versions import SECRET, VALUES, VERSION, SecretVersion

FAMILY = "terraform"
WRITE_ONLY_VERSION = "secret_string_wo_version"
VALUE_ARGUMENTS = frozenset({*VALUES, WRITE_ONLY_VERSION})
NO_CHANGE = frozenset({"no-op", "read"})


@dataclass(frozen=True)
class ResourceChange:
    """A plan's change of one resource.

    `belongs_to` is the secret's name, a version's secret_id, or a task definition's family before, "" if unknown.
    """

    address: str
    type: str
    actions: tuple[str, ...]
    belongs_to: str = ""
    replaced_for: tuple[str, ...] = ()
    """The arguments whose changes make Terraform replace it."""
    is_write_only: bool = False
    """Whether it is a version whose value is write-only."""

    @property
    def action(self) -> str:
        """The actions in one word, as in Terraform's own plan."""
        return "replace" if {"create", "delete"} <= {*self.actions} else "/".join(self.actions)

    def creates(self, name: str) -> bool:
        """Whether it creates a secret of this name; a name known after apply may be it."""
        return self.type == SECRET and "create" in self.actions and self.belongs_to in ("", name)


def read_changes(text: str) -> tuple[ResourceChange, ...] | None:
    """Read the output of `terraform show -json` on a plan, and register its sensitive values for masking.

    Returns the changes that are not no-op; None for no JSON or another major version of the format.
    https://developer.hashicorp.com/terraform/internals/json-format
    """
    try:
        body = json.loads(text)
    except json.JSONDecodeError:
        return None
    if str(body.get("format_version", "")).partition(".")[0] not in ("0", "1"):
        return None
    _mask(body)
    changes = (_change(entry) for entry in body.get("resource_changes", ()))
    return tuple(change for change in changes if not {*change.actions} <= NO_CHANGE)


def find_harm(
    changes: tuple[ResourceChange, ...], name: str, existing: Existing | None, folder: Path
) -> tuple[Finding, ...]:
    """Findings on changes that harm a secret: destroying it, creating one that exists, overwriting its value.

    `name` is the environment's secret, `existing` what AWS has of it, None if it does not exist. Remedies run in
    `folder`.
    """
    harm = tuple(_harm(changes, existing, (name_of(folder), f"-chdir={folder.resolve()}")))
    if existing or any(change.creates(name) for change in changes):
        return harm
    none = _finding(
        "terraform-creates-none",
        "Terraform's plan does not create the secret",
        name,
        f"None of the {len(changes)} changes of the plan creates a secret of that name.",
        "Check that terraform_dir, the workspace and its variables are those of this environment.",
    )
    return (*harm, none)


def families_instead(changes: Collection[ResourceChange], families: Collection[str]) -> tuple[str, ...]:
    """The families of the task definitions that are changed, where none of them is one of these, and all are known."""
    changed = {change.belongs_to for change in changes if change.type == DEFINITION}
    return () if "" in changed or changed.intersection(families) else tuple(sorted(changed))


def find_overwrites(versions: tuple[SecretVersion, ...]) -> tuple[Finding, ...]:
    """Findings on values that the next apply would overwrite."""
    return tuple(
        _finding(
            "terraform-unguarded",
            "The next apply of Terraform would overwrite the secret's values",
            each.address,
            f"{each.path.name} has no ignore_changes = [secret_string] for it.",
            f"In {each.path} add: lifecycle {{ ignore_changes = [secret_string] }}",
            severity="info",
        )
        for each in versions
    )


def _harm(
    changes: tuple[ResourceChange, ...], existing: Existing | None, program: tuple[str, ...]
) -> Iterator[Finding]:
    for change in changes:
        if "delete" in change.actions and change.type == SECRET:
            yield _finding(
                "terraform-destroys",
                "Terraform would destroy a secret",
                change.address,
                f"The plan says {change.action}.",
                "Find out in the configuration why the secret is removed or replaced.",
            )
        elif existing is None or change.belongs_to not in ("", existing.name, existing.arn):
            continue
        elif change.type == SECRET and "create" in change.actions:
            yield _finding(
                "terraform-unaware",
                "The secret exists in AWS but not in Terraform's state",
                change.address,
                "The plan creates it, which fails because it exists.",
                command(*program, "import", change.address, existing.arn),
            )
        elif (
            change.type == VERSION
            and change.belongs_to
            # A version that is only deleted or forgotten keeps AWSCURRENT.
            and {"create", "update"}.intersection(change.actions)
            and (current := existing.version_at(CURRENT))
        ):
            yield _finding(
                "terraform-recreates",
                "Terraform would overwrite the secret's values with placeholders",
                change.address,
                *_recreation(change, f"{existing.arn}|{current}", program),
            )


def _recreation(change: ResourceChange, version: str, program: tuple[str, ...]) -> tuple[str, str]:
    """Why a version of the secret is written anew, and what keeps the current one."""
    if change.replaced_for and {*change.replaced_for} <= VALUE_ARGUMENTS:
        arguments = ", ".join(change.replaced_for)
        return (
            f"The plan says {change.action}, because {arguments} changed.",
            f"In {change.address} add: lifecycle {{ ignore_changes = [{arguments}] }}",
        )
    fact = f"The plan says {change.action}: AWS may have deleted the version in its state after updates."
    if change.is_write_only:
        # An import would put the value into the state, and the next plan would replace that version.
        return fact, f"Remove {change.address} from the configuration: Terraform cannot import a write-only value."
    state_rm, adopt = (*program, "state", "rm", change.address), (*program, "import", change.address, version)
    return fact, f"{command(*state_rm)} && {command(*adopt)}"


def _finding(check: str, title: str, subject: str, fact: str, fix: str, severity: Severity = "error") -> Finding:
    return Finding(
        check=check,
        family=FAMILY,
        title=title,
        status="found",
        subject=subject,
        severity=severity,
        evidence=(fact,),
        remedy=Remedy(fix),
    )


def _change(entry: dict[str, Any]) -> ResourceChange:
    attributes = {SECRET: "name", VERSION: "secret_id", DEFINITION: "family"}
    change, attribute = entry["change"], attributes.get(entry["type"], "")
    sides = [side for side in (change.get("after"), change.get("before")) if isinstance(side, dict)]
    if entry["type"] == DEFINITION:
        # One that is renamed is the environment's by the name that runs.
        sides.reverse()
    belongs_to = next((str(side[attribute]) for side in sides if side.get(attribute)), "")
    if entry["type"] == SECRET and not belongs_to:
        # Such a name gets a suffix when it is applied.
        belongs_to = next((f"{side['name_prefix']}…" for side in sides if side.get("name_prefix")), "")
    return ResourceChange(
        entry["address"],
        entry["type"],
        tuple(change["actions"]),
        belongs_to,
        tuple(sorted({str(path[0]) for path in change.get("replace_paths", ())})),
        (change.get("after") or {}).get(WRITE_ONLY_VERSION) is not None,
    )


def _mask(body: dict[str, Any]) -> None:
    """Register every sensitive value of the plan, and every value of a secret, for masking."""
    declared = body.get("configuration", {}).get("root_module", {}).get("variables", {})
    for name, variable in body.get("variables", {}).items():
        _mask_sensitive(variable.get("value"), declared.get(name, {}).get("sensitive", False), name)
    for values in (body.get("planned_values", {}), body.get("prior_state", {}).get("values", {})):
        for name, output in values.get("outputs", {}).items():
            _mask_sensitive(output.get("value"), output.get("sensitive", False), name)
        for resource in _resources(values.get("root_module", {})):
            _mask_sensitive(resource.get("values", {}), resource.get("sensitive_values", {}), resource["address"])
            _mask_document(resource)


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _mask_sensitive(value: Any, marks: Any, name: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _mask_sensitive(inner, marks is True or (isinstance(marks, dict) and marks.get(key, False)), key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            mark = marks[index] if isinstance(marks, list) and index < len(marks) else marks is True
            _mask_sensitive(inner, mark, name)
    elif marks is True and value is not None and not isinstance(value, bool):
        Masked(str(value), name)


def _mask_document(resource: dict[str, Any]) -> None:
    text = resource.get("values", {}).get("secret_string")
    if resource.get("type") == VERSION and isinstance(text, str):
        try:
            parse(Masked(text, "the secret"))
        except DocumentError:
            return
