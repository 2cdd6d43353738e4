"""Terraform's plan as JSON: what is masked of it, and which changes harm a secret."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from omc_runbook.aws.secretsmanager import CURRENT
from omc_runbook.aws.secretsmanager import Secret as Existing
from omc_runbook.masking import registry
from omc_runbook.terraform.containers import DEFINITION
from omc_runbook.terraform.plan_json import ResourceChange, families_instead, find_harm, read_changes
from omc_runbook.terraform.secret_versions import SECRET, VERSION

NAME = "ohmycoins-staging-app-secrets"
ARN = f"arn:aws:secretsmanager:ap-southeast-2:111111111111:secret:{NAME}-AbCdEf"


def secret(stages: dict[str, tuple[str, ...]]) -> Existing:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Existing(arn=ARN, name=NAME, created=now, deleted=None, changed=now, kms_key_id="", stages=stages)


def resource(type: str, values: dict[str, Any], sensitive: dict[str, Any]) -> dict[str, Any]:
    return {"address": f"{type}.x", "type": type, "values": values, "sensitive_values": sensitive}


def root(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"root_module": {"resources": resources}, **more}


VALUE = "Tr0ub4dor&3x9"
INNER = resource("aws_db_instance", {"password": VALUE}, {"password": True})
SENSITIVE: dict[str, dict[str, Any]] = {
    "a variable": {
        "variables": {"password": {"value": VALUE}},
        "configuration": {"root_module": {"variables": {"password": {"sensitive": True}}}},
    },
    "an output": {"planned_values": {"outputs": {"password": {"value": VALUE, "sensitive": True}}}},
    "an output of before": {"prior_state": {"values": {"outputs": {"password": {"value": VALUE, "sensitive": True}}}}},
    "a resource": {"planned_values": root(INNER)},
    "a resource of before": {"prior_state": {"values": root(INNER)}},
    "a resource of a module in a module": {
        "planned_values": {"root_module": {"child_modules": [{"child_modules": [{"resources": [INNER]}]}]}}
    },
    "all of a mapping": {"planned_values": root(resource("x", {"a": {"password": VALUE}}, {"a": True}))},
    "one of a list": {"planned_values": root(resource("x", {"password": ["a", VALUE]}, {"password": [False, True]}))},
    "all of a list": {"planned_values": root(resource("x", {"password": [[VALUE]]}, {"password": True}))},
    "a secret's document": {
        "planned_values": root(resource(VERSION, {"secret_string": json.dumps({"password": VALUE})}, {}))
    },
}


@pytest.mark.parametrize("plan", SENSITIVE.values(), ids=SENSITIVE)
def test_sensitive_values_of_a_plan_are_masked(plan: dict[str, Any]) -> None:
    """Wherever a plan has them; the rest stays readable."""
    assert read_changes(json.dumps({"format_version": "1.2", **plan})) == ()
    assert registry.mask(f"seen {VALUE}") == "seen ‹password›"


@pytest.mark.parametrize(
    "plan",
    [
        {"variables": {"region": {"value": VALUE}}},
        {"planned_values": {"outputs": {"region": {"value": VALUE, "sensitive": False}}}},
        {"planned_values": root(resource("x", {"a": VALUE, "b": [VALUE], "c": {"d": VALUE}}, {"b": [], "c": {}}))},
        {"planned_values": root(resource("x", {"a": [True, None, {"b": None}]}, {"a": True}))},
        {"planned_values": root(resource(VERSION, {"secret_string": None}, {"secret_string": True}))},
    ],
)
def test_what_a_plan_does_not_call_sensitive_is_not_masked(plan: dict[str, Any]) -> None:
    """Nor a value that only an apply shows."""
    assert read_changes(json.dumps({"format_version": "1.2", **plan})) == ()
    assert registry.mask(f"seen {VALUE}") == f"seen {VALUE}"


@pytest.mark.parametrize(
    ("type", "actions", "of", "found"),
    [
        (SECRET, "delete", NAME, ["terraform-destroys"]),
        (SECRET, "delete", "another", ["terraform-destroys"]),
        (SECRET, "create", NAME, ["terraform-unaware"]),
        (SECRET, "create", "", ["terraform-unaware"]),
        (SECRET, "create", "another", []),
        (SECRET, "update", NAME, []),
        (VERSION, "create", ARN, ["terraform-recreates"]),
        (VERSION, "create delete", NAME, ["terraform-recreates"]),
        (VERSION, "create", "", []),
        (VERSION, "create", "another", []),
        (VERSION, "delete", ARN, []),
        (VERSION, "forget", ARN, []),
        ("aws_vpc", "create", "", []),
        ("aws_vpc", "delete", "", []),
    ],
)
def test_which_changes_harm_the_secret(type: str, actions: str, of: str, found: list[str]) -> None:
    """A version that leaves Terraform keeps AWSCURRENT: nothing is overwritten."""
    change = ResourceChange("x", type, tuple(actions.split()), of)
    harm = find_harm((change,), NAME, secret({"1": (CURRENT,)}), Path())
    assert [each.check for each in harm] == found


def test_a_secret_without_a_value_has_none_to_overwrite() -> None:
    """Its first version is Terraform's to make; of a secret that does not exist, the secret too."""
    changes = [ResourceChange("x", type, ("create",), NAME) for type in (SECRET, VERSION)]
    assert find_harm((changes[1],), NAME, secret({}), Path()) == ()
    assert find_harm((*changes,), NAME, None, Path()) == ()
    update = ResourceChange("x", SECRET, ("update",), NAME)
    for change in (changes[1], update):
        assert [each.check for each in find_harm((change,), NAME, None, Path())] == ["terraform-creates-none"]


PREFIX = "ohmycoins-staging-db-"
KEEPS = "lifecycle {{ ignore_changes = [{}] }}"


@pytest.mark.parametrize(
    ("actions", "after", "forced_by", "remedy"),
    [
        ("delete create", {"secret_string": "x"}, ["secret_string"], KEEPS.format("secret_string")),
        (
            "create delete",
            {"secret_string_wo_version": 2},
            ["secret_string_wo_version", "secret_string"],
            KEEPS.format("secret_string, secret_string_wo_version"),
        ),
        ("create", {"secret_string_wo_version": 2}, [], "Remove x from the configuration"),
        ("create", {"secret_string": "x", "secret_string_wo_version": None}, [], "import x "),
        ("delete create", {"secret_string": "x"}, ["secret_id"], "import x "),
    ],
)
def test_what_keeps_a_version_is_what_terraform_can_do(
    actions: str, after: dict[str, Any], forced_by: list[str], remedy: str
) -> None:
    """A replacement comes back after an import, and an import writes a write-only value into the state."""
    paths = {"replace_paths": [[name] for name in forced_by]} if forced_by else {}
    change = {"actions": actions.split(), "before": None, "after": {"secret_id": ARN, **after}, **paths}
    plan = {"format_version": "1.2", "resource_changes": [{"address": "x", "type": VERSION, "change": change}]}
    changes = read_changes(json.dumps(plan))
    assert changes
    (found,) = find_harm(changes, NAME, secret({"1": (CURRENT,)}), Path())
    assert found.check == "terraform-recreates" and found.remedy and remedy in found.remedy.command
    assert ("state rm" in found.remedy.command) == ("import x" in remedy)


@pytest.mark.parametrize(
    ("before", "after", "instead"),
    [
        ("staging", "staging-v2", ()),
        ("production", "staging", ("production",)),
        ("", "staging", ()),
        ("", "production", ("production",)),
        ("", "", ()),
    ],
)
def test_whose_task_definition_changes_is_told_by_the_family_that_it_had(
    before: str, after: str, instead: tuple[str, ...]
) -> None:
    """A rename is the environment's own; what makes another's definition this one's would take it from that one."""
    sides = {"before": {"family": before} if before else None, "after": {"family": after} if after else {}}
    entry = {"address": "x", "type": DEFINITION, "change": {"actions": ["delete", "create"], **sides}}
    changes = read_changes(json.dumps({"format_version": "1.2", "resource_changes": [entry]}))
    assert changes and families_instead(changes, {"staging"}) == instead


@pytest.mark.parametrize("after", [{"name_prefix": PREFIX}, {"name": None, "name_prefix": PREFIX}])
def test_a_name_with_a_suffix_is_another_secrets(after: dict[str, Any]) -> None:
    """It is known after apply, but never that of the environment's secret."""
    change = {"actions": ["create"], "before": None, "after": after, "after_unknown": {"name": True}}
    plan = {"format_version": "1.2", "resource_changes": [{"address": "x", "type": SECRET, "change": change}]}
    changes = read_changes(json.dumps(plan))
    assert changes and find_harm(changes, NAME, secret({"1": (CURRENT,)}), Path()) == ()
    assert [each.check for each in find_harm(changes, NAME, None, Path())] == ["terraform-creates-none"]
