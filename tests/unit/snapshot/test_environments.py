"""The environments of runbook.toml, and those that discovery finds by names and by tags."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from support.moto_environment import ACCOUNT, REGION, Wire, between, mock_aws

from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.snapshot.environments import Environments, find_environment, find_environments, find_several

OTHER_REGION = "eu-west-1"
BY_NAME = '[discovery]\nsecrets = "{project}-*-app-secrets"\n'
BY_TAG = '[discovery]\nenvironment_tag = "Stage"\ntags = { Project = "{project}" }\n'


@pytest.fixture(autouse=True)
def account() -> Iterator[None]:
    """An account with nothing in it."""
    with mock_aws():
        yield


def create(name: str, region: str = REGION, **tags: str) -> None:
    labels = [{"Key": key, "Value": value} for key, value in tags.items()]
    boto3.client("secretsmanager", region_name=region).create_secret(Name=name, SecretString="{}", Tags=labels)


def find(folder: Path, text: str) -> Environments:
    return find_environments(write_toml(folder, text))


def write_toml(folder: Path, text: str) -> str:
    file = folder / "runbook.toml"
    file.write_text(text)
    return str(file)


def names(found: Environments) -> list[str]:
    return [environment.name for environment in found.environments]


def test_without_discovery_the_tables_count(tmp_path: Path) -> None:
    """No call is made; without tables there are the guide's two."""
    wire = Wire()
    with between(wire):
        assert names(find(tmp_path, "[environments.local]\n[environments.qa]\n")) == ["qa"]
        assert names(find(tmp_path, "")) == ["staging", "production"]
    assert wire.operations == set()


def test_a_pattern_of_names_finds_environments(tmp_path: Path) -> None:
    """The others' names follow from the word in the secret's; prod is production, with its word in the names."""
    for word in ("prod", "qa-7", "staging", "local"):
        create(f"ohmycoins-{word}-app-secrets")
    create("ohmycoins-prod-database")
    create("another-dev-app-secrets")
    found = find(tmp_path, BY_NAME)
    assert (names(found), found.unread) == (["production", "qa-7", "staging"], ())
    production, qa, _ = found.environments
    assert (production.names.secret, production.names.cluster) == ("ohmycoins-prod-app-secrets", "ohmycoins-prod")
    assert (production.is_production, production.names.rotation_days) == (True, 90)
    assert (qa.is_production, qa.names.execution_role) == (False, "ohmycoins-qa-7-ecs-task-execution-role")
    assert {environment.names.account_id for environment in found.environments} == {ACCOUNT}


def test_a_table_comes_before_what_is_found(tmp_path: Path) -> None:
    """Its secret makes no second environment; its region is searched too, and tells equal names apart."""
    create("shop-secrets")
    create("ohmycoins-production-app-secrets")
    create("ohmycoins-eu-prod-app-secrets", OTHER_REGION)
    create("ohmycoins-staging-app-secrets", OTHER_REGION)
    tables = f"""
        [environments.staging]
        secret = "shop-secrets"
        [environments.eu]
        region = "{OTHER_REGION}"
        secret = "absent"
    """
    found = find(tmp_path, BY_NAME + tables)
    assert names(found) == ["staging", "eu", "eu-prod", "production", f"staging-{OTHER_REGION}"]
    by_name = {environment.name: environment for environment in found.environments}
    assert by_name["eu-prod"].is_production
    assert by_name[f"staging-{OTHER_REGION}"].names.region == OTHER_REGION
    assert by_name[f"staging-{OTHER_REGION}"].names.cluster == "ohmycoins-staging"


def test_what_is_found_by_another_sign_in_keeps_that(tmp_path: Path) -> None:
    """Else its secret would be looked for by the usual one, which does not reach it."""
    create("ohmycoins-qa-app-secrets", OTHER_REGION)
    create("ohmycoins-dev-app-secrets")
    role = f"arn:aws:iam::{ACCOUNT}:role/reader"
    table = f'[environments.eu]\nregion = "{OTHER_REGION}"\nrole_arn = "{role}"\nsecret = "absent"\n'
    by_name = {each.name: each.names for each in find(tmp_path, BY_NAME + table).environments}
    assert (by_name["qa"].role_arn, by_name["qa"].region) == (role, OTHER_REGION)
    assert (by_name["dev"].role_arn, by_name["dev"].region) == ("", REGION)


def test_two_words_for_production_stay_apart(tmp_path: Path) -> None:
    """Each asks for a confirmation."""
    create("ohmycoins-prod-app-secrets")
    create("ohmycoins-production-app-secrets")
    found = find(tmp_path, BY_NAME)
    assert names(found) == ["prod", "production"]
    assert all(environment.is_production for environment in found.environments)


def test_tags_find_environments(tmp_path: Path) -> None:
    """Of several secrets of one environment, that with the usual name counts; without one, all are named as unread."""
    create("anything", Project="ohmycoins", Stage="staging")
    create("ohmycoins-qa-app-secrets", Project="ohmycoins", Stage="qa")
    create("ohmycoins-qa-database", Project="ohmycoins", Stage="qa")
    create("one", Project="ohmycoins", Stage="dev")
    create("two", Project="ohmycoins", Stage="dev")
    create("foreign", Project="another", Stage="demo")
    found = find(tmp_path, BY_TAG)
    assert [(each.name, each.names.secret) for each in found.environments] == [
        ("qa", "ohmycoins-qa-app-secrets"),
        ("staging", "anything"),
    ]
    assert found.unread == ("Several secrets have the tags of dev: one, two. Set secret for it in runbook.toml.",)


def test_a_tag_that_can_be_no_name_is_named(tmp_path: Path) -> None:
    """Else a fleet would call all environments well and not look at this one; with a table it is looked at."""
    create("eu", Project="ohmycoins", Stage="EU Production")
    create("eu-database", Project="ohmycoins", Stage="EU Production")
    create("shared", Project="ohmycoins")
    create("ohmycoins-qa-app-secrets", Project="ohmycoins", Stage="qa")
    found = find(tmp_path, BY_TAG)
    assert names(found) == ["qa"]
    (sentence,) = found.unread
    assert sentence.startswith('The tag Stage of eu, eu-database is "EU Production": an environment')
    found = find(tmp_path, f'{BY_TAG}[environments.prod-eu]\nsecret = "eu"\n')
    assert names(found) == ["prod-eu", "qa"] and found.unread == ()


def test_a_place_that_refuses_is_named(tmp_path: Path) -> None:
    """The tables remain; an environment that was not found may be there."""
    file = write_toml(tmp_path, f'{BY_NAME}[environments.qa]\naccount_id = "999999999999"\n')
    with between(Wire({"ListSecrets": "AccessDeniedException"})):
        found = find_environments(file)
        assert names(found) == ["qa"]
        (sentence,) = found.unread
        assert f"account {ACCOUNT}, {REGION}" in sentence and "secretsmanager:ListSecrets is missing" in sentence
        with pytest.raises(CouldNotLook, match='"dev" was not found'):
            find_environment("dev", file)
        with pytest.raises(CouldNotLook, match=r"No environment was found\. .*ListSecrets is missing"):
            find_several("", "staging", write_toml(tmp_path, BY_NAME))
        with pytest.raises(CouldNotLook, match=r'"dev" was not found\. .*ListSecrets is missing'):
            find_several("dev", "staging", write_toml(tmp_path, BY_NAME))
        file = write_toml(tmp_path, f'{BY_NAME}[environments.qa]\naccount_id = "999999999999"\n')
        found = find_several("qa,dev", "staging", file)
        assert names(found) == ["qa"] and found.unread == (f'Environment "dev" was not found. {sentence}',)
        assert find_several("qa", "staging", file).unread == ()
    file = write_toml(tmp_path, f'{BY_NAME}[environments.qa]\naccount_id = "999999999999"\n')
    assert find_environment("qa", file).names.account_id == "999999999999"


def test_one_environment_is_found_by_its_name(tmp_path: Path) -> None:
    """An unknown one gets the nearest; the guide's names stay known, since they may have no secret yet."""
    create("ohmycoins-preview-app-secrets")
    file = write_toml(tmp_path, BY_NAME)
    assert find_environment("preview", file).names.account_id == ACCOUNT
    assert find_environment("production", file).names.secret == "ohmycoins-production-app-secrets"
    with pytest.raises(UsageError, match='"previw" is unknown: did you mean preview'):
        find_environment("previw", file)


@pytest.mark.parametrize(
    ("environments", "toml", "expected"),
    [
        ("", "", ["staging"]),
        ("", "[environments.local]\n[environments.blue]\n[environments.green]\n", ["blue", "green"]),
        (" green , production", "[environments.blue]\n[environments.green]\n", ["green", "production"]),
    ],
)
def test_several_environments_are_those_named_or_all_of_the_file(
    environments: str, toml: str, expected: list[str], tmp_path: Path
) -> None:
    """Where there is no list, all of the file; where the file names none, one."""
    file = write_toml(tmp_path, toml)
    assert names(find_several(environments, "staging", file)) == expected


@pytest.mark.parametrize(
    ("environments", "sentence"),
    [
        ("stagin", 'Environment "stagin" is unknown: did you mean staging?'),
        ("staging,local", "local has nothing in AWS: name other environments, or run local_setup for your .env."),
        ("staging,staging", "environments names staging twice: name it once."),
    ],
)
def test_a_list_with_a_wrong_name_is_rejected(environments: str, sentence: str, tmp_path: Path) -> None:
    """In one sentence."""
    file = write_toml(tmp_path, "")
    with pytest.raises(UsageError) as caught:
        find_several(environments, "staging", file)
    assert str(caught.value) == sentence


def test_a_list_in_the_place_of_one_name_is_rejected(tmp_path: Path) -> None:
    """Not all of the file are meant then."""
    with pytest.raises(UsageError, match=r"omc-runbook fleet staging qa\."):
        find_several(
            "", "staging,qa", write_toml(tmp_path, "[environments.staging]\n[environments.qa]\n[environments.dev]\n")
        )


def test_several_that_discovery_finds(tmp_path: Path) -> None:
    """All of them, or those named; what it does not find is one sentence."""
    file = write_toml(tmp_path, f"{BY_NAME}[environments.staging]\n")
    assert names(find_several("", "staging", file)) == ["staging"]
    for word in ("qa", "dev"):
        create(f"ohmycoins-{word}-app-secrets")
    assert names(find_several("", "staging", file)) == ["staging", "dev", "qa"]
    assert names(find_several("qa,staging", "staging", file)) == ["qa", "staging"]
    with pytest.raises(UsageError, match=r'Environment "qaa" is unknown: did you mean qa\?'):
        find_several("qaa", "staging", file)
    for environments in ("", "qa"):
        with pytest.raises(UsageError, match="No environment was found"):
            find_several(environments, "staging", write_toml(tmp_path, '[discovery]\nsecrets = "shop-*"\n'))
