"""Terraform's plan as JSON: what becomes of each resource, and whether that would harm a secret; never a value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.secretsmanager import Secret as Existing
from omc_runbook.masking.document import DocumentError, parse
from omc_runbook.masking.value import Masked
from omc_runbook.model.findings import Finding, Remedy
from omc_runbook.model.shell import command
from omc_runbook.terraform.configuration import SECRET, VERSION, Unguarded

FAMILY = "terraform"
IDLE = frozenset({"no-op", "read"})


@dataclass(frozen=True)
class ResourceChange:
    """What a plan does to one resource; `belongs_to` is the name of a secret, or a version's secret, if known."""

    address: str
    type: str
    actions: tuple[str, ...]
    belongs_to: str = ""

    @property
    def action(self) -> str:
        """The actions in one word, as Terraform's own plan has them."""
        return "replace" if {"create", "delete"} <= {*self.actions} else "/".join(self.actions)

    @property
    def is_idle(self) -> bool:
        """Whether nothing happens to the resource."""
        return {*self.actions} <= IDLE

    def creates(self, name: str) -> bool:
        """Whether a secret of this name comes to be; a name that only the apply will tell may be it."""
        return self.type == SECRET and "create" in self.actions and self.belongs_to in ("", name)


def read_changes(text: str) -> tuple[ResourceChange, ...] | None:
    """Read what `terraform show -json` gives of a plan, and have its values masked from now on.

    Gives the resources that something happens to; None for a format of another major version. See
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
    return tuple(change for change in changes if not change.is_idle)


def judge(changes: tuple[ResourceChange, ...], name: str, existing: Existing | None) -> tuple[Finding, ...]:
    """What in a plan would harm a secret: one destroyed, one that AWS has created anew, a value written over."""
    harm = tuple(_harm(changes, existing))
    if existing or any(change.creates(name) for change in changes):
        return harm
    return (
        *harm,
        Finding(
            check="terraform-creates-none",
            family=FAMILY,
            title="Terraform's plan does not create the secret",
            status="found",
            subject=name,
            evidence=(f"None of the {len(changes)} changes of the plan creates a secret of that name.",),
            remedy=Remedy("See whether terraform_dir, the workspace and its variables are those of this environment."),
        ),
    )


def warn(unguarded: tuple[Unguarded, ...]) -> tuple[Finding, ...]:
    """What Terraform would write over at the next apply, whatever the present one does."""
    return tuple(
        Finding(
            check="terraform-unguarded",
            family=FAMILY,
            title="Terraform would write over your values at the next apply",
            status="found",
            subject=each.address,
            severity="info",
            evidence=(f"{each.file.name} has no ignore_changes = [secret_string] for it.",),
            remedy=Remedy(f"In {each.file} add: lifecycle {{ ignore_changes = [secret_string] }}"),
        )
        for each in unguarded
    )


def _harm(changes: tuple[ResourceChange, ...], existing: Existing | None) -> Iterator[Finding]:
    for change in changes:
        if change.type not in (SECRET, VERSION):
            continue
        ours = existing is not None and change.belongs_to in ("", existing.name, existing.arn)
        if "delete" in change.actions and change.type == SECRET:
            yield _found(
                "terraform-destroys",
                "Terraform would destroy a secret",
                change,
                f"The plan says {change.action}.",
                "See in the configuration why it is no longer wanted as it is, or has to be made anew.",
            )
        elif existing and ours and change.type == SECRET and "create" in change.actions:
            yield _found(
                "terraform-unaware",
                "AWS has the secret and Terraform's state does not",
                change,
                "The plan would create it, and that would fail.",
                command("terraform", "import", change.address, existing.arn),
            )
        elif existing and existing.version_at(CURRENT) and change.type == VERSION and change.belongs_to and ours:
            version = f"{existing.arn}|{existing.version_at(CURRENT)}"
            yield _found(
                "terraform-recreates",
                "Terraform would write its placeholders over the secret's values",
                change,
                f"The plan says {change.action}: the version that it tracked may have been collected after updates.",
                f"{command('terraform', 'state', 'rm', change.address)};"
                f" {command('terraform', 'import', change.address, version)}",
            )


def _found(check: str, title: str, change: ResourceChange, fact: str, way: str) -> Finding:
    return Finding(
        check=check,
        family=FAMILY,
        title=title,
        status="found",
        subject=change.address,
        severity="error",
        evidence=(fact,),
        remedy=Remedy(way),
    )


def _change(entry: dict[str, Any]) -> ResourceChange:
    change, attribute = entry["change"], {SECRET: "name", VERSION: "secret_id"}.get(entry["type"], "")
    sides = [side for side in (change.get("after"), change.get("before")) if isinstance(side, dict)]
    belongs_to = next((str(side[attribute]) for side in sides if side.get(attribute)), "")
    return ResourceChange(entry["address"], entry["type"], tuple(change["actions"]), belongs_to)


def _mask(body: dict[str, Any]) -> None:
    """Have every value masked that the plan marks as sensitive or that is a secret's."""
    declared = body.get("configuration", {}).get("root_module", {}).get("variables", {})
    for name, variable in body.get("variables", {}).items():
        _hide(variable.get("value"), declared.get(name, {}).get("sensitive", False), name)
    for values in (body.get("planned_values", {}), body.get("prior_state", {}).get("values", {})):
        for name, output in values.get("outputs", {}).items():
            _hide(output.get("value"), output.get("sensitive", False), name)
        for resource in _resources(values.get("root_module", {})):
            _hide(resource.get("values", {}), resource.get("sensitive_values", {}), resource["address"])
            _hide_document(resource)


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", ())
    for child in module.get("child_modules", ()):
        yield from _resources(child)


def _hide(value: Any, marks: Any, name: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _hide(inner, marks is True or (isinstance(marks, dict) and marks.get(key, False)), key)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            mark = marks[place] if isinstance(marks, list) and place < len(marks) else marks is True
            _hide(inner, mark, name)
    elif marks is True and value is not None and not isinstance(value, bool):
        Masked(str(value), name)


def _hide_document(resource: dict[str, Any]) -> None:
    text = resource.get("values", {}).get("secret_string")
    if resource.get("type") == VERSION and isinstance(text, str):
        try:
            parse(Masked(text, "the secret"))
        except DocumentError:
            return
