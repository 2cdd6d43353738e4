"""runbook.toml made from names: what it says, and what of an existing file stays, which is changed by consent only."""

from __future__ import annotations

import tomllib
from codecs import BOM_UTF8
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from support.files import write_files
from support.moto_platform import CHECKOUTS
from support.snapshots import ACCOUNT, NAMES, REGION, service, task_definition

from omc_runbook.aws.definitions import Container, Injection, TaskDefinition
from omc_runbook.aws.ecs import Cluster
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.aws.secretsmanager import ListedSecret
from omc_runbook.changes.configuration import file
from omc_runbook.changes.configuration.names import AwsAnswer, EnvironmentNames, combine, refuse_other_projects
from omc_runbook.model import value_from
from omc_runbook.model.environment import load
from omc_runbook.model.errors import UsageError
from omc_runbook.report.init import change
from omc_runbook.snapshot.discovery import Discovery, FoundService
from omc_runbook.terraform.declared import DeclaredEnvironment, read_environments
from omc_runbook.terraform.resources import DeclaredName

TODAY = date(2026, 7, 1)
SECRET = "api/staging"


def definition_of(name: str) -> TaskDefinition:
    """A revision that gets one variable from a service's own secret."""
    reference = value_from.parse(f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}/staging-AbC123:KEY::")
    container = Container(name=name, secrets=(Injection("KEY", reference),), environment=())
    return replace(task_definition(name, ()), containers=(container,))


@pytest.fixture(scope="module")
def found() -> dict[str, EnvironmentNames]:
    """The names of the platform's environments, from its files alone."""
    read = read_environments(CHECKOUTS / "folders")
    return {
        each.environment: combine(each.environment, each, AwsAnswer(why_not="It was off."), "", TODAY) for each in read
    }


def test_a_new_file_has_every_name_with_where_it_comes_from(found: dict[str, EnvironmentNames], tmp_path: Path) -> None:
    """It is valid, is read as written, and production has a prefix of its own."""
    path = tmp_path / "runbook.toml"
    planned = file.plan(path, [*found.values()])
    assert planned.is_new and not planned.is_empty
    file.write(planned, has_consent=False)
    text = path.read_text()
    assert 'cluster = "ohmycoins-prod-cluster"  # modules/ecs/main.tf:14, environments/production/main.tf:20' in text
    production, staging = load("production", str(path)), load("staging", str(path))
    assert production.names.prefix == "ohmycoins-prod" and production.names.secret == "ohmycoins-prod-app-secrets"
    assert production.project == "ohmycoins" and production.names.rotation_days == 90
    assert staging.names.service == "ohmycoins-staging-backend"
    assert staging.keys["omc-CryptoPanic-testkey"].variable == "CRYPTOPANIC_API_KEY"
    assert {entry.subject for entry in staging.accepted if entry.check == "desired-zero"} == {
        "ohmycoins-staging-backend"
    }
    assert not [entry for entry in production.accepted if entry.check == "desired-zero"]


def test_a_second_plan_is_empty(found: dict[str, EnvironmentNames], tmp_path: Path) -> None:
    """Running it twice changes nothing more."""
    path = tmp_path / "runbook.toml"
    file.write(file.plan(path, [*found.values()]), has_consent=False)
    assert file.plan(path, [*found.values()]).is_empty


FORMER = """\
# by hand
project = "coins"
rotation_days = 30

[environments.staging]
cluster = "old"
secret_tags = { Team = "a \\"b\\"" }

[keys.SECRET_KEY]
weak_below = 64

[keys.omc-CryptoPanic-testkey]
obtain_from = "Ask Kim"

[[accepted]]
check = "desired-zero"
subject = "ohmycoins-staging-backend"
reason = "By hand"
"""


def test_an_existing_file_is_changed_by_consent_only(found: dict[str, EnvironmentNames], tmp_path: Path) -> None:
    """Without it the file stays; with it everything else in it stays, and the former text is kept."""
    path = tmp_path / "runbook.toml"
    path.write_text(FORMER)
    planned = file.plan(path, [found["staging"]])
    assert '-cluster = "old"' in planned.diff and "+cluster = " in planned.diff
    with pytest.raises(UsageError, match="was not changed: add --yes"):
        file.write(planned, has_consent=False)
    assert path.read_text() == FORMER
    file.write(planned, has_consent=True)
    after = tomllib.loads(path.read_text())
    assert (after["project"], after["rotation_days"]) == ("coins", 30)
    assert after["environments"]["staging"]["cluster"] == "ohmycoins-staging-cluster"
    assert after["environments"]["staging"]["secret_tags"] == {"Team": 'a "b"'}
    assert after["keys"]["SECRET_KEY"] == {"weak_below": 64}
    own = after["keys"]["omc-CryptoPanic-testkey"]
    assert (own["obtain_from"], own["variable"]) == ("Ask Kim", "CRYPTOPANIC_API_KEY")
    assert [entry["reason"] for entry in after["accepted"] if entry["check"] == "desired-zero"] == ["By hand"]
    assert (tmp_path / "runbook.toml.former").read_text() == FORMER
    assert load("staging", str(path)).names.rotation_days == 30


@pytest.mark.parametrize(
    ("line", "is_lost"),
    [
        ("# by contract", True),
        ('project = "a \\"#\\" b"  # never change', True),
        ("project = 'a # b'", False),
        ("# The names of this platform's environments, found by omc-runbook init.", False),
        ("# The names of this platform's environments, found by omc-runbook init.\r", False),
        ('project = """\n# no \\"""comment"""', False),
        ("project = '''\n# it's none'''", False),
        ('project = """\na""" # by contract', True),
        ('project = """\na # b"""', False),
        ("project = '''it's'''  # never change", True),
    ],
)
def test_comments_that_are_not_taken_over_are_told(
    line: str, is_lost: bool, found: dict[str, EnvironmentNames], tmp_path: Path
) -> None:
    """Where they stay is said with the change, before anybody agrees to it."""
    path = tmp_path / "runbook.toml"
    path.write_text(f"{line}\n")
    note = "\nIts own comments are not taken over: runbook.toml.former keeps them."
    assert change(file.plan(path, [found["staging"]])).endswith(note) is is_lost


def test_every_former_file_is_kept(found: dict[str, EnvironmentNames], tmp_path: Path) -> None:
    """A second change does not replace what the first one kept; the same text again needs no further file."""
    path = tmp_path / "runbook.toml"
    for text, former in ((FORMER, ""), (f"{FORMER}# again\n", "-2"), (FORMER, ""), (f"{FORMER}# third\n", "-3")):
        path.write_text(text)
        planned = file.plan(path, [found["staging"]])
        file.write(planned, has_consent=True)
        assert planned.former == tmp_path / f"runbook.toml.former{former}" and planned.former.read_text() == text
    assert (tmp_path / "runbook.toml.former").read_text() == FORMER


def test_a_folder_that_does_not_exist_is_told(found: dict[str, EnvironmentNames], tmp_path: Path) -> None:
    """The message speaks of a link only where there is one."""
    planned = file.plan(tmp_path / "nowhere" / "runbook.toml", [found["staging"]])
    with pytest.raises(UsageError, match=r"nowhere is not a directory: create it, or name another file\."):
        file.write(planned, has_consent=False)


def test_an_invalid_file_is_not_touched(tmp_path: Path) -> None:
    """A sentence says what to do."""
    path = tmp_path / "runbook.toml"
    path.write_text("[[[")
    with pytest.raises(UsageError, match="is not valid TOML"):
        file.plan(path, ())


def test_a_byte_order_mark_is_no_part_of_the_file(found: dict[str, EnvironmentNames], tmp_path: Path) -> None:
    """A file that the runbooks read can be changed as well."""
    path = tmp_path / "runbook.toml"
    path.write_text('[environments.qa]\nprefix = "x"\n', encoding="utf-8-sig")
    after = file.plan(path, [found["staging"]]).after
    assert not after.startswith(BOM_UTF8) and {*tomllib.loads(after.decode())["environments"]} == {"qa", "staging"}


def test_a_key_that_stands_for_a_known_one_takes_over_what_is_known_of_it() -> None:
    """A database password under another name is still one that the database has too."""
    (read,) = read_environments(CHECKOUTS / "tfvars", "production")
    names = combine("production", read, AwsAnswer(), "eu-central-1", TODAY)
    password = names.keys["db_password"]
    assert (password.variable, password.effect, password.required) == ("POSTGRES_PASSWORD", "database-too", True)
    assert names.prefix == "ledger-prod" or names.prefix == ""


@pytest.mark.parametrize("is_unread", [True, False])
def test_aws_is_not_said_to_lack_what_was_not_read(is_unread: bool) -> None:
    """The sentence of the failed call follows."""
    failure = ReadFailure("the region's clusters", "ecs:ListClusters", "It was closed.", "incomplete")
    discovery = Discovery(environment="staging", unread=(failure,) if is_unread else ())
    remarks = combine("staging", None, AwsAnswer(discovery=discovery), "", TODAY).remarks
    begin = "Read in AWS:" if is_unread else "AWS has"
    assert remarks[0] == f"{begin} 0 clusters, 0 services, 0 secrets; no secret's value was read."
    assert remarks[1:] == ((failure.sentence,) if is_unread else ())


@pytest.mark.parametrize(("in_files", "is_told"), [("", True), ("former", True), (SECRET, False)])
def test_another_projects_names_are_told_unless_the_files_name_the_secret(in_files: str, is_told: bool) -> None:
    """A secret of Terraform's files that nothing uses does not tell which project is meant."""
    services = tuple(FoundService(f"{name}-staging", service(name), definition_of(name)) for name in ("api", "shop"))
    discovery = Discovery(
        environment="staging",
        clusters=tuple(Cluster(each.cluster, {}) for each in services),
        services=services,
        secrets=tuple(ListedSecret(name=f"{name}/staging", arn="", tags={}) for name in ("api", "shop")),
    )
    names = {"secret": DeclaredName(in_files, ())} if in_files else {}
    declared = DeclaredEnvironment(environment="staging", base="", folders=(".",), names=names, reasons={}, services=())
    *_, last = combine("staging", declared, AwsAnswer(discovery=discovery), "", TODAY).remarks
    sentence = "staging may also be shop-staging, with services that refer to shop/staging"
    assert last.startswith(sentence) is is_told
    assert last.endswith("and run init again, which finds the other names.") is is_told


@pytest.mark.parametrize(
    ("references", "expected", "is_told"),
    [
        ("", {}, True),
        ("shop", {}, False),
        ("", {"secret": "shop/staging"}, False),
        ("deleted", {}, False),
    ],
    ids=["none", "the secret", "none of a project in two clusters", "a rival"],
)
def test_another_projects_names_are_told_where_the_own_services_get_no_variable_by_a_key(
    references: str, expected: dict[str, str], is_told: bool
) -> None:
    """As where they get the whole secret, or read it themselves: the configured cluster is in use all the same."""
    services = (
        FoundService("api-staging", service("api"), definition_of(references) if references else None),
        FoundService("shop-staging", service("shop"), definition_of("shop")),
    )
    discovery = Discovery(
        environment="",
        clusters=tuple(Cluster(each.cluster, {}) for each in services),
        services=services,
        secrets=(ListedSecret(name="shop/staging", arn="", tags={}),),
    ).expecting("staging", {"cluster": "api-staging", **expected})
    names = combine("staging", None, AwsAnswer(discovery=discovery), "", TODAY)
    start = "Cluster api-staging is in use, but no service of it gets a variable by a JSON key of shop/staging: what is"
    assert [each.startswith(start) for each in names.remarks[1:] if "may also be" not in each] == [True] * is_told
    assert names.find("cluster") == ("api-staging" if references == "shop" else "shop-staging")


@pytest.mark.parametrize(
    ("project", "configured", "is_refused"),
    [
        ("acme", {"secret": "acme-staging-app-secrets", "cluster": "acme-staging"}, True),
        ("acme", {"secret": SECRET}, False),
        ("acme", {"cluster": "shop-staging"}, False),
        ("api", {"secret": "gone"}, False),
        ("shop", {"secret": "gone"}, True),
        ("ohmycoins", {}, False),
    ],
)
def test_a_project_without_names_in_use_is_refused_where_two_may_be_meant(
    project: str, configured: dict[str, str], is_refused: bool
) -> None:
    """Not the one with most variables; without a project in runbook.toml, the other is named alone."""
    services = tuple(FoundService(f"{name}-staging", service(name), definition_of(name)) for name in ("api", "shop"))
    found = Discovery(
        environment="",
        clusters=tuple(Cluster(each.cluster, {}) for each in services),
        services=services,
        secrets=tuple(ListedSecret(name=f"{name}/staging", arn="", tags={}) for name in ("api", "shop")),
    ).expecting("staging", configured)
    settings = replace(
        load("staging"), project=project, names=NAMES.model_copy(update={"prefix": f"{project}-staging"})
    )
    if not is_refused:
        refuse_other_projects(settings, found)
        return
    with pytest.raises(UsageError) as error:
        refuse_other_projects(settings, found)
    ways = (
        "api-staging, with services that refer to api/staging",
        "or shop-staging, with services that refer to shop/",
    )
    assert str(error.value).startswith(f"No configured name of project {project} is in use")
    assert all(way in str(error.value) for way in ways) and "run init again" in str(error.value)
    refuse_other_projects(settings, Discovery(environment="staging", services=services[:1], secrets=found.secrets))


@pytest.mark.parametrize(
    ("secrets", "clusters", "reasons"),
    [
        ((), (), {"secret": "No service, cluster or secret in AWS has production in its name or tags."}),
        (("shop/prod/app",), (), {"cluster": "No service or cluster in AWS has production in its name or tags."}),
        (("shop/prod/app",), ("prod",), {"service": "No service in AWS has production in its name or tags."}),
        (
            ("shop/prod/app", "shop/staging/app", "payments-prod"),
            ("prod-a", "prod-b"),
            {
                "secret": "no service tells which is meant: shop/prod/app, payments-prod.",
                "cluster": "no service tells which is meant: prod-a, prod-b.",
                "service": "No service in AWS has production in its name or tags.",
            },
        ),
    ],
)
def test_aws_is_not_said_to_lack_what_has_the_environments_name(
    secrets: tuple[str, ...], clusters: tuple[str, ...], reasons: dict[str, str]
) -> None:
    """Where several have it, they are named; where one kind has it, the others lack it."""
    found = Discovery(
        environment="production",
        clusters=tuple(Cluster(name, {}) for name in clusters),
        secrets=tuple(ListedSecret(name=name, arn=name, tags={}) for name in secrets),
    )
    combined = combine("production", None, AwsAnswer(discovery=found), "eu-west-1", TODAY)
    missing = {each.field: each.why for each in combined.missing}
    assert combined.find("secret") == (secrets[0] if len(secrets) == 1 else "")
    for field, reason in reasons.items():
        assert missing[field].endswith(reason), missing[field]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"NOVA_SECRET_KEY": "SECRET_KEY", "NOVA_DB_URL": "DB_URL"}, {"SECRET_KEY": "NOVA_SECRET_KEY"}),
        ({"SECRETKEY": "SECRET_KEY", "DB_URL": "DB_URL"}, {}),
    ],
)
def test_a_prefix_that_variables_share_is_meant(
    variables: dict[str, str], expected: dict[str, str], tmp_path: Path
) -> None:
    """A known key is injected with the prefix of the application's settings; one alone of another name is a fault."""
    entries = ", ".join(
        f'{{ name = "{name}", valueFrom = "${{aws_secretsmanager_secret.app.arn}}:{key}::" }}'
        for name, key in variables.items()
    )
    (tmp_path / "staging").mkdir()
    (tmp_path / "staging" / "main.tf").write_text(
        'resource "aws_secretsmanager_secret" "app" {\n  name = "nova-staging-app"\n}\n'
        'resource "aws_ecs_task_definition" "api" {\n  family = "nova-staging-api"\n'
        f'  container_definitions = jsonencode([{{ name = "api", secrets = [{entries}] }}])\n}}\n'
        'resource "aws_ecs_service" "api" {\n  name = "api"\n  task_definition = aws_ecs_task_definition.api.arn\n}\n'
    )
    (read,) = read_environments(tmp_path, "staging")
    keys = combine("staging", read, AwsAnswer(), "", TODAY).keys
    assert {key: entry.variable for key, entry in keys.items() if key == "SECRET_KEY"} == expected


def test_a_service_in_two_regions_is_accepted_once(tmp_path: Path) -> None:
    """And the project is what its environment's name leaves of the prefix, also where that has two words."""
    service = (
        'variable "region" {}\nresource "aws_ecs_cluster" "c" { name = "tool-prod-eu" }\n'
        'resource "aws_ecs_service" "api" {\n  name = "api"\n  cluster = aws_ecs_cluster.c.name\n'
        "  desired_count = 0\n}\n"
        'resource "aws_secretsmanager_secret" "s" { name = "tool-prod-eu-app" }\n'
    )
    files = {"app/main.tf": service}
    for region in ("eu-west-1", "eu-central-1"):
        call = f'module "app" {{\n  source = "../../app"\n  region = "{region}"\n}}\nlocals {{ env = "prod-eu" }}\n'
        files[f"live/{region}/main.tf"] = f'provider "aws" {{ region = "{region}" }}\n{call}'
    write_files(tmp_path, files)
    (declared,) = read_environments(tmp_path)
    combined = combine("prod-eu", declared, AwsAnswer(why_not="It was off."), "", TODAY)
    assert [(each.check, each.subject) for each in combined.accepted] == [("desired-zero", "api")]
    assert (combined.prefix, combined.project) == ("tool-prod-eu", "tool")
