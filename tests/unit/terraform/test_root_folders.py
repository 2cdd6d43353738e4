"""Root folders of Terraform that another environment has, by their names."""

from pathlib import Path

import pytest

from omc_runbook.terraform.root_folders import beside_own, examples, of_others, unclear


@pytest.mark.parametrize(
    ("environment", "roots", "others"),
    [
        ("production", "envs/dev", "envs/dev"),
        ("production", "dev/app", "dev/app"),
        ("production", "shop-qa dev2 eu-uat uat-us pre-prod non_prod sandbox", "*"),
        ("production", "shop-dev-1 infra", "shop-dev-1"),
        ("staging", "envs/prod-eu envs/preprod", "*"),
        ("staging", "live live/app demo-shop terraform", ""),
        ("production", "infra modules terraform/aws demo-shop test-app eu-west-1", ""),
        ("production", "envs/prod envs/prod2 envs/dev", "envs/dev"),
        ("production", "live/prod-eu", ""),
        ("production", "live/eu-prod live/infra", ""),
        ("production", "live/prod-eu live/prod-us", "*"),
        ("production", "shop-prod shop-prod-eu", "shop-prod-eu"),
        ("production", "shop-prod web-prod shop-prod-eu", "*"),
        ("prod-eu", "live/prod-eu live/prod-us", ""),
        ("prod-eu", "live/prod_eu live/dev", "live/dev"),
        ("prod-eu", "prod", ""),
        ("production", "envs/dev envs/acc envs/staging", "*"),
        ("production", "envs/dev/app envs/acc/app envs/staging/app base", "envs/dev/app envs/acc/app envs/staging/app"),
        ("production", "terraform/app terraform/test", "terraform/test"),
        ("dev", "development testing", "testing"),
        ("development", "dev testing", "testing"),
        ("DEV", "dev", ""),
        ("shop-prod", "prod dev", "dev"),
        ("staging", "live/app test/app", "*"),
        ("production", "live/app test/app", "test/app"),
        ("staging", "live non-live", "live"),
        ("staging", "live pre-live", "*"),
        ("production", "live nonlive", "nonlive"),
        ("staging", "accounts/nonprod/app accounts/prod/app", "accounts/prod/app"),
        ("staging", "nonprod nonprod/dev staging", "nonprod nonprod/dev"),
        ("staging", "production production-dr", "*"),
        ("production", "production staging prod-dr", "staging prod-dr"),
        ("production", "prod-network prod-service staging-service", "staging-service"),
        ("staging", "prod-app dev-app", "*"),
        ("production", "live dev staging", "dev staging"),
        ("production", "prod-app pre-prod-app", "pre-prod-app"),
        ("production", "pre-prod-app", "*"),
        ("production", "prod-app pre-live-app", "pre-live-app"),
        ("production", "pre-live-checks", ""),
        ("production", "nonprod-app infra", "nonprod-app"),
        ("staging", "nonprod-app", ""),
        ("production", "shop-prod shop-non-live", "shop-non-live"),
        ("test-app", "infra/test infra/dev", "infra/dev"),
        ("test-app", "infra/test infra/test-app", "infra/test"),
        ("test-app", "infra/test infra/test-app-eu", "infra/test"),
        ("test-app", "infra/test infra/shop-test-app", "infra/test"),
        ("test-prod", "infra/test infra/core", "infra/test"),
        ("prod-app", "infra/prod infra/core", "infra/prod"),
    ],
)
def test_a_folder_is_another_environments_by_its_name(environment: str, roots: str, others: str) -> None:
    """A whole name or its last word is an environment's, a first word a project's; runbook.toml need not know it.

    Not so a first word that is production's or staging's, or in whose place a folder beside has another environment's.
    """
    names = {Path(each): frozenset({"main.tf"}) for each in roots.split()}
    expected = roots if others == "*" else others
    assert of_others(names, (), environment) == {*map(Path, expected.split())}


def test_a_folder_with_values_for_the_environment_is_its_own_too() -> None:
    """Also where it is called as another one, and its siblings have other files."""
    roots = {Path("dev/terraform"): frozenset({"main.tf"}), Path("envs/acc"): frozenset({"other.tf"})}
    roots |= {Path(f"envs/{each}"): frozenset({"main.tf"}) for each in ("dev", "qa")}
    values = [Path("dev/terraform/envs/prod.tfvars"), Path("envs/qa/staging.tfvars")]
    assert of_others(roots, values, "production") == {Path("envs/dev"), Path("envs/qa")}


@pytest.mark.parametrize(
    ("roots", "expected"),
    [
        ("prod-eu prod-us dev-eu staging2", "prod-eu prod-us"),
        ("shop-prod shop-prod-eu dev", ""),
        ("prod-eu dev", ""),
        ("dev1 dev2", ""),
    ],
)
def test_one_of_several_regions_is_the_environments(roots: str, expected: str) -> None:
    """Nothing tells which of them; other environments' are none of these."""
    names = {Path(each): frozenset({"main.tf"}) for each in roots.split()}
    assert unclear(names, (), "production") == {*map(Path, expected.split())}


@pytest.mark.parametrize(
    ("roots", "environments", "expected"),
    [
        ("examples/dev modules/app/tests/prod prod", "", "examples/dev modules/app/tests/prod"),
        ("test test/fixtures/dev", "production", "test test/fixtures/dev"),
        ("test examples/full", "test production", "examples/full"),
        ("test prod", "", ""),
        ("test infra modules/network", "", "test"),
        ("env/example example/x", "example staging", ""),
        ("infra/test infra/core examples/x", "shop-test", "examples/x"),
        ("infra/test infra/core", "test-eu", ""),
        ("infra/test infra/core", "test-app", ""),
        ("infra/test infra/core", "prod-app", "infra/test"),
        ("", "", ""),
    ],
)
def test_examples_are_no_environments(roots: str, environments: str, expected: str) -> None:
    """Nor is test where no environment is beside it, or called so, with a project or a region too."""
    assert examples({*map(Path, roots.split())}, environments.split()) == {*map(Path, expected.split())}


@pytest.mark.parametrize(
    ("environment", "root", "every", "is_beside"),
    [
        ("production", "envs/prod-eu", "envs/prod", True),
        ("production", "envs/eu-prod/app", "envs/production/app", True),
        ("production", "envs/prod2", "envs/prod", True),
        ("production", "envs/prod-eu", "envs/staging", False),
        ("production", "envs/prod-eu", "network/prod", False),
        ("production", "envs/prod-eu/app", "envs/prod/network", False),
        ("prod-eu", "envs/prod-eu", "envs/prod", False),
        ("prod", "envs/prod-eu", "envs/production", True),
        ("prod", "envs/prod", "envs/prod-eu", False),
        ("staging", "envs/prod-eu", "envs/prod", False),
    ],
)
def test_a_region_s_folder_beside_the_environment_s_own(
    environment: str, root: str, every: str, is_beside: bool
) -> None:
    """The environment's own one may lack what that has."""
    assert beside_own([Path(root)], [Path(root), Path(every)], environment) == ({Path(root)} if is_beside else set())
