"""What `init` finds in five checkouts that were written without a look at it: every name, or why it is not known."""

from __future__ import annotations

from datetime import date

import pytest
from support.unseen_stacks import STACKS

from omc_runbook.changes.configuration.names import AwsAnswer, EnvironmentNames, combine
from omc_runbook.terraform.declared import read_environments

CASES = [(stack, environment) for stack in STACKS for environment in ("staging", "production")]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], EnvironmentNames]:
    """The names of each environment of each checkout, without AWS."""
    root = tmp_path_factory.mktemp("stacks")
    offline = AwsAnswer(why_not="AWS was not asked.")
    return {
        (name, each.environment): combine(each.environment, each, offline, "", date(2026, 1, 1))
        for name, stack in STACKS.items()
        for each in read_environments(stack.write(root / name))
    }


def test_every_environment_is_found(found: dict[tuple[str, str], EnvironmentNames]) -> None:
    """And none besides."""
    assert sorted(found) == sorted(CASES)


@pytest.mark.parametrize(("stack", "environment"), CASES)
def test_every_name_is_the_one_that_an_engineer_reads(
    found: dict[tuple[str, str], EnvironmentNames], stack: str, environment: str
) -> None:
    """Each comes with the position of what it is made from."""
    names = found[stack, environment]
    assert {name.field: name.value for name in names.names} | {"prefix": names.prefix} == STACKS[stack].names[
        environment
    ]
    assert all(name.sources for name in names.names)


@pytest.mark.parametrize(("stack", "environment"), CASES)
def test_what_no_file_says_is_missing_with_the_reason(
    found: dict[tuple[str, str], EnvironmentNames], stack: str, environment: str
) -> None:
    """And never a guess."""
    missing = {each.field: each.why for each in found[stack, environment].missing}
    unknown = STACKS[stack].unknown.get(environment, {})
    assert set(missing) == set(unknown)
    assert all(word in missing[field] for field, word in unknown.items()), missing


@pytest.mark.parametrize(("stack", "environment"), CASES)
def test_keys_of_another_name_are_found_with_their_variable(
    found: dict[tuple[str, str], EnvironmentNames], stack: str, environment: str
) -> None:
    """The secret's JSON has the key, the container the variable."""
    keys = found[stack, environment].keys
    assert {key.variable: name for name, key in keys.items()} == STACKS[stack].keys


def test_a_name_comes_from_the_members_that_it_is_made_of_alone(
    found: dict[tuple[str, str], EnvironmentNames],
) -> None:
    """Of two objects that are merged and indexed by the workspace, the lines of the account and of the region."""
    names = {name.field: name.sources for name in found["workspaces", "production"].names}
    assert names["account_id"] == ("providers.tf:5, locals.tf:14",)
    assert names["region"] == ("providers.tf:2, locals.tf:15",)
