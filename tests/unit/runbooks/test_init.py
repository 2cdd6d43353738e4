"""`omc-runbook init`: names from Terraform's files and from AWS, and runs that find nothing under the guide's names."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import moto_platform
from support.files import write_files
from support.moto_environment import ACCOUNT, Wire, between, client, mock_aws
from support.moto_platform import PLATFORM, PREFIX, SECRET
from support.terminal import Terminal, ended_with
from support.unseen_stacks import STACKS

from omc_runbook.checks import remedies
from omc_runbook.checks.other_names import correct
from omc_runbook.cli import cli
from omc_runbook.model.environment import load
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.findings import Finding, status_of
from omc_runbook.runbooks import create, init, update
from omc_runbook.runbooks.run import diagnose, reach
from omc_runbook.sandbox.worlds.staging import KEYS

NAMES = moto_platform.NAMES | {"account_id": ACCOUNT}


@pytest.fixture(autouse=True)
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """An empty account, and an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    wire = Wire()
    with mock_aws(), between(wire):
        yield wire


def problems() -> dict[str, Finding]:
    """What verify finds wrong with staging, by check."""
    return {each.check: each for each in diagnose(reach("verify", "staging").look()) if each.is_problem}


@pytest.mark.long
def test_with_what_it_writes_the_platform_is_healthy(tmp_path: Path) -> None:
    """Under its own names, with 23 keys: seven reach nobody and eight are plain, and no task runs on purpose."""
    moto_platform.build()
    assert "wrong-names" in problems()
    found = init.find("staging", str(PLATFORM))
    plan = init.plan(found)
    init.write(plan, has_consent=False)
    (names,) = found
    assert {name.field: name.value for name in names.names} == NAMES
    assert {name.state for name in names.names} == {"exists"} and names.missing == ()
    findings = diagnose(reach("verify", "staging").look())
    assert [each for each in findings if each.is_problem] == [] and status_of(findings) == "ok"
    assert not [each for each in findings if each.check == "accepted-unused"]
    remarks = {each.subject for each in findings if each.check == "key-unreferenced" and each.severity == "info"}
    assert remarks == {*moto_platform.PLAIN}
    assert {each.subject for each in findings if each.accepted} == {*moto_platform.UNREACHED, f"{PREFIX}-backend"}


@pytest.mark.parametrize("name", ["a b", "staging,production", "staging\n", "*"])
def test_a_name_that_no_table_can_have_is_refused(name: str, wire: Wire) -> None:
    """Else each later run would refuse the file."""
    with pytest.raises(UsageError, match="environment must have letters, digits and"):
        init.find(name)
    assert not wire.operations


def test_a_name_that_aws_cannot_have_is_not_written(tmp_path: Path) -> None:
    """Each later run would refuse the file for it."""
    files = {
        "infra/main.tf": 'resource "aws_ecs_cluster" "main" {\n  name = "coins staging"\n}\n'
        'resource "aws_secretsmanager_secret" "app" {\n  name = "/coins/staging/app"\n}\n'
    }
    found = init.find("staging", str(write_files(tmp_path / "checkout", files)))
    (names,) = found
    assert (names.find("cluster"), names.find("secret")) == ("", "/coins/staging/app")
    (why,) = (each.why for each in names.missing if each.field == "cluster")
    assert why.startswith('"coins staging" (main.tf:2) is no name that AWS takes: it must be of letters, digits and _-')
    init.write(init.plan(found), has_consent=False)
    assert load("staging").names.secret == "/coins/staging/app"


@pytest.mark.parametrize(("stack", "environment"), [(name, "staging") for name in STACKS] + [("layers", "production")])
@pytest.mark.long
def test_with_the_names_of_any_checkout_verify_finds_nothing(stack: str, environment: str, tmp_path: Path) -> None:
    """Five shapes of Terraform, and what no file says from AWS: without a line written by hand."""
    checkout, names = STACKS[stack], STACKS[stack].names[environment]
    own = {"secret": "security/coins", "execution_role": f"{names['prefix']}-exec-20260101", **names}
    variables = {key: key for key in KEYS} | checkout.keys
    document = {
        key: moto_platform.document().get(variable) or secrets.token_hex(16) for variable, key in variables.items()
    }
    moto_platform.build_named(own, document, variables, desired=1, tags=False)
    root = checkout.write(tmp_path / "checkout", {names.get("account_id", ACCOUNT): ACCOUNT})
    found = init.find(environment, str(root))
    init.write(init.plan(found), has_consent=False)
    assert {name.field: name.value for name in found[0].names} == {
        key: value for key, value in {**own, "account_id": ACCOUNT}.items() if key != "prefix"
    }
    assert [each for each in diagnose(reach("verify", environment).look()) if each.is_problem] == []


@pytest.mark.parametrize("tags", [True, False])
def test_aws_alone_shows_every_name(tags: bool) -> None:
    """By references to the secret, with tags or by names."""
    moto_platform.build(desired=1, tags=tags)
    staging, production = init.find()
    assert {name.field: name.value for name in staging.names} == NAMES
    assert set(staging.keys) == {"omc-CryptoPanic-testkey", "omc-NewsCatcher-testkey", "omc-Nansen-testkey"}
    assert production.is_empty
    assert "Nothing was found of production" in init.text((staging, production), init.plan((staging, production)))


def test_of_two_projects_the_configured_one_is_found(tmp_path: Path) -> None:
    """Another project's staging has more variables: its names are not written, and it is named."""
    moto_platform.build(desired=1)
    other = client("secretsmanager").create_secret(Name="shop-staging", SecretString="{}")["ARN"]
    ecs, keys = client("ecs"), [f"K{number}" for number in range(99)]
    entries = [{"name": key, "valueFrom": f"{other}:{key}::"} for key in keys]
    container = {"name": "api", "image": "shop", "memory": 128, "secrets": entries}
    ecs.create_cluster(clusterName="shop-staging")
    ecs.register_task_definition(family="shop-staging", containerDefinitions=[container])
    ecs.create_service(cluster="shop-staging", serviceName="api", taskDefinition="shop-staging", desiredCount=0)
    (names,) = init.find("staging")
    assert (names.find("secret"), names.find("cluster")) == (SECRET, f"{PREFIX}-cluster")
    assert any("staging may also be shop-staging" in each for each in names.remarks)
    (tmp_path / "runbook.toml").write_text('[environments.staging]\nsecret = "shop-staging"\n')
    (names,) = init.find("staging", runbook_toml="runbook.toml")
    assert (names.find("secret"), names.find("cluster")) == ("shop-staging", "shop-staging")
    assert any(f"staging may also be {PREFIX}-cluster" in each for each in names.remarks)
    (tmp_path / "runbook.toml").write_text('project = "acme"\n')
    with pytest.raises(UsageError, match="No configured name of project acme is in use"):
        init.find("staging", runbook_toml="runbook.toml")


def test_what_runs_in_aws_counts_where_terraform_says_otherwise(tmp_path: Path) -> None:
    """A secret that Terraform's files name and no service refers to gives way, and both are named."""
    moto_platform.build(desired=1)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "main.tf").write_text(
        'locals { environment = "staging" }\n'
        'resource "aws_secretsmanager_secret" "s" { name = "former-secret" }\n'
        'resource "aws_ecs_cluster" "c" { name = "former-cluster" }\n'
    )
    (names,) = init.find("staging", str(checkout))
    assert (names.find("secret"), names.find("cluster")) == (SECRET, f"{PREFIX}-cluster")
    sources = {name.field: " ".join(name.sources) for name in names.names}
    assert f"AWS: {PREFIX}-backend refers to it" in sources["secret"]
    assert "Terraform's files have former-secret (main.tf:2)" in sources["secret"]


def test_names_of_terraform_alone_are_not_said_to_exist() -> None:
    """An account without the platform: the names are written, the account is not, and the exit code says so."""
    ended = CliRunner().invoke(cli, ["init", "--repository", str(PLATFORM), "-p", "environment", "production"])
    assert ended.exit_code == 1
    assert "cluster: ohmycoins-prod-cluster does not exist in AWS." in ended.stderr
    production = load("production")
    assert (production.names.cluster, production.names.account_id) == ("ohmycoins-prod-cluster", "")


@pytest.mark.parametrize(
    ("clusters", "state"), [(("staging", "production"), "does not exist"), (("staging",), "not checked")]
)
def test_a_service_of_another_environments_cluster_is_not_this_ones(
    clusters: tuple[str, ...], state: str, tmp_path: Path
) -> None:
    """Both are called backend; where its own cluster is not there, the message says so."""
    ecs = client("ecs")
    container = {"name": "backend", "image": "i", "memory": 8}
    ecs.register_task_definition(family="other", containerDefinitions=[container])
    for name in clusters:
        ecs.create_cluster(clusterName=name)
    ecs.create_service(cluster="staging", serviceName="backend", taskDefinition="other", desiredCount=0)
    (tmp_path / "main.tf").write_text(
        'locals { environment = "production" }\n'
        'resource "aws_ecs_cluster" "c" { name = "production" }\n'
        'resource "aws_ecs_service" "s" {\n  name = "backend"\n  cluster = aws_ecs_cluster.c.id\n}\n'
    )
    (names,) = init.find("production", str(tmp_path))
    states = {name.field: name.state for name in names.names}
    assert (states["cluster"], states["service"]) == ("exists" if "production" in clusters else "does not exist", state)
    assert [each for each in names.problems if each.startswith("service: ")] == (
        ["service: backend does not exist in AWS."] if state == "does not exist" else []
    )


def test_a_denied_list_leaves_names_unchecked_and_is_named(wire: Wire) -> None:
    """Nothing passes for confirmed that was not seen."""
    moto_platform.build()
    wire.refused |= {"ListClusters": "AccessDeniedException", "ListSecrets": "AccessDeniedException"}
    (names,) = init.find("staging", str(PLATFORM))
    assert {name.state for name in names.names} == {"not checked"}
    assert any("ecs:ListClusters is missing" in remark for remark in names.remarks)
    assert any("secretsmanager:ListSecrets is missing" in remark for remark in names.remarks)


def test_another_account_than_terraforms_is_not_asked() -> None:
    """Its clusters are not the environment's, whatever they are called."""
    moto_platform.build()
    (names,) = init.find("production", str(moto_platform.CHECKOUTS / "tfvars"))
    assert names.find("account_id") == "444455556666"
    assert any(f"these credentials are for account {ACCOUNT}, not 444455556666" in each for each in names.remarks)


def test_a_file_that_is_not_valid_is_told(tmp_path: Path) -> None:
    """Its names are not known, and why."""
    moto_platform.build(desired=1)
    (tmp_path / "main.tf").write_text('resource "aws_ecs_cluster" {{{\n')
    (names,) = init.find("staging", str(tmp_path))
    assert any(each.startswith("main.tf, line 1 cannot be read as HCL: correct it") for each in names.remarks)
    assert names.find("cluster") == f"{PREFIX}-cluster"


def test_a_name_that_no_file_can_have_is_refused() -> None:
    """As for every other runbook, as wrong usage."""
    found = init.find("staging", str(PLATFORM), "x" * 400)
    with pytest.raises(UsageError, match="x cannot be read: File name too long"):
        init.plan(found, "x" * 400)


@pytest.mark.parametrize("names", [("prod-eu", "prod-us"), ("prod1", "prod2"), ("eu-prod", "us-prod")])
def test_environments_of_the_same_word_are_named(names: tuple[str, str], tmp_path: Path) -> None:
    """Where files tell two regions of production apart, neither is it."""
    main = 'variable "env" {}\nresource "aws_ecs_cluster" "c" { name = "tool-${var.env}" }\n'
    files = {f"{each}.tfvars": f'env = "{each}"\n' for each in names}
    write_files(tmp_path, {"main.tf": main, "staging.tfvars": 'env = "staging"\n'} | files)
    for name, is_named in (("production", True), ("qa", False)):
        with pytest.raises(CouldNotLook) as caught:
            init.find(name, str(tmp_path))
        assert (
            f"files have no production, but {', '.join(names)}: name one of these." in str(caught.value)
        ) is is_named


def test_an_account_with_nothing_says_what_was_searched() -> None:
    """Without files nothing is written."""
    with pytest.raises(CouldNotLook, match="has staging in its name or tags") as caught:
        init.find("staging")
    assert str(caught.value).count("has staging in its name or tags") == 1
    ended = CliRunner().invoke(cli, ["init", "-p", "environment", "staging"])
    assert not Path("runbook.toml").exists() and ended.exit_code != 0


def test_the_command_asks_before_it_changes_a_file(tmp_path: Path) -> None:
    """Without a terminal it refuses; with --yes it changes the file and keeps the former one."""
    moto_platform.build()
    Path("runbook.toml").write_text('[environments.staging]\ncluster = "old"\n')
    words = ["init", "-p", "environment", "staging"]
    refused = CliRunner().invoke(cli, words)
    assert isinstance(refused.exception, UsageError) and "add --yes" in str(refused.exception)
    assert "+cluster" in refused.stdout and 'cluster = "old"' in Path("runbook.toml").read_text()
    ended = CliRunner().invoke(cli, [*words, "--yes"])
    assert ended.exit_code == 0, ended.output
    assert load("staging").names.cluster == f"{PREFIX}-cluster"
    again = CliRunner().invoke(cli, words)
    assert again.exit_code == 0 and "has these names already" in again.stdout


def test_who_says_no_keeps_the_file(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """That is no wrong use of the command."""
    moto_platform.build()
    Path("runbook.toml").write_text('[environments.staging]\ncluster = "old"\n')
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("click.confirm", lambda question: False)
    code, stdout, _ = ended_with(capsys, "init", "-p", "environment", "staging")
    assert code == 0 and "runbook.toml stays as it is." in stdout and "Wrote" not in stdout
    assert 'cluster = "old"' in Path("runbook.toml").read_text()


def test_an_unknown_parameter_is_refused_with_the_nearest() -> None:
    """As run does."""
    ended = CliRunner().invoke(cli, ["init", "-p", "enviroment", "staging"])
    assert "did you mean environment?" in str(ended.exception)


def test_a_run_that_finds_nothing_says_what_there_is_instead_and_the_command(wire: Wire) -> None:
    """The guide's names are wrong here: the run names the right ones."""
    moto_platform.build(desired=1)
    found = problems()["wrong-names"]
    assert "did you mean ohmycoins-staging-cluster?" in found.evidence[0]
    assert found.evidence[1] == (
        f"Found instead: cluster {PREFIX}-cluster with the services {PREFIX}-backend, {PREFIX}-frontend."
    )
    assert found.remedy.command == "omc-runbook init -p environment staging"
    wire.refused |= {"ListClusters": "AccessDeniedException"}
    assert "ecs:ListClusters is missing" in " ".join(problems()["wrong-names"].evidence)


def test_a_wrong_region_is_one_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is advised to create there what another region has, and the variable to correct is named."""
    monkeypatch.setenv("OMC_SECRET", SECRET)
    moto_platform.build(desired=1)
    monkeypatch.setenv("OMC_REGION", "eu-west-1")
    found = problems()
    assert found["secret-missing"].evidence[1] == "Found instead: a secret of that name in ap-southeast-2."
    assert found["secret-missing"].remedy.ways == ("Correct region in OMC_REGION.",)
    assert not found["secret-missing"].because_of
    assert found["wrong-names"].because_of == ("secret-missing",)
    with pytest.raises(CouldNotLook, match=r"in ap-southeast-2\. Correct region in OMC_REGION\.$"):
        plan_of_a_generated_key()


def test_create_makes_nothing_where_the_environment_is_in_another_region() -> None:
    """Its secret is there, or only its cluster: in a region that nothing names, too."""
    secret = moto_platform.client("secretsmanager", "eu-west-3").create_secret(Name=SECRET, SecretString="{}")["ARN"]
    run = create.begin("staging")
    with pytest.raises(
        UsageError, match=r"of that name in eu-west-3\. Correct region in runbook\.toml\. Nothing was wri"
    ):
        create.plan(run, run.look())
    assert problems()["secret-missing"].remedy.ways == ("Correct region in runbook.toml.",)
    moto_platform.client("secretsmanager", "eu-west-3").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    moto_platform.client("ecs", "eu-west-3").create_cluster(clusterName=PREFIX)
    with pytest.raises(UsageError, match=rf"Found instead: cluster {PREFIX} in eu-west-3\."):
        create.plan(run, run.look())


def test_create_asks_where_nothing_of_the_environment_is_here() -> None:
    """A new environment begins so, and a wrong region or account looks the same."""
    run = create.begin("staging")
    plan = create.plan(run, run.look())
    assert plan.intent == "create"
    assert f"has nothing of staging yet, neither cluster {PREFIX} nor a service" in create.steps(run, plan).to_text()


def test_create_names_another_regions_secret_where_the_services_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """They may want one of their own; the regions of the other environments are looked at."""
    client("ecs").create_cluster(clusterName=PREFIX)
    moto_platform.client("secretsmanager", "us-east-1").create_secret(Name=SECRET, SecretString="{}")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    run = create.begin("staging")
    plan = create.plan(run, run.look())
    assert plan.intent == "create"
    assert "us-east-1 has a secret of this name, which stays" in create.steps(run, plan).to_text()


def test_a_wrong_name_of_a_variable_is_corrected_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """runbook.toml, which the variable overrides, would not help, and nor would the guide."""
    moto_platform.build(desired=1)
    monkeypatch.setenv("OMC_CLUSTER", f"{PREFIX}-cluster")
    monkeypatch.setenv("OMC_SECRET", f"{SECRET}s")
    assert problems()["secret-missing"].remedy.ways == ("Correct secret in OMC_SECRET, or unset it.",)
    monkeypatch.setenv("OMC_SERVICE", "backnd")
    assert problems()["wrong-names"].remedy.ways == ("Correct service in OMC_SERVICE, or unset it.",)
    monkeypatch.setenv("OMC_CLUSTER", f"{PREFIX}-clusters")
    with pytest.raises(UsageError, match=r"did you mean .*-cluster\? Correct cluster in OMC_CLUSTER\."):
        problems()
    monkeypatch.setenv("OMC_ACCOUNT_ID", "999999999999")
    with pytest.raises(UsageError, match="correct account_id in OMC_ACCOUNT_ID"):
        problems()


def plan_of_a_generated_key() -> None:
    """Plan an update of staging's SECRET_KEY."""
    run = update.begin("staging")
    snapshot = update.look(run)
    update.plan(run, snapshot, update.gather(run, snapshot, "generate", "SECRET_KEY"))


def test_a_healthy_run_searches_for_nothing(wire: Wire) -> None:
    """No call more than before."""
    moto_platform.build(desired=1)
    init.write(init.plan(init.find("staging")), has_consent=False)
    wire.calls.clear()
    snapshot = reach("verify", "staging").look()
    assert snapshot.discovery is None and not wire.operations & {"ListSecrets", "ListClusters", "DescribeClusters"}


def test_no_change_is_planned_that_services_of_another_cluster_would_not_get(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secret has the guide's name here, and the cluster has not: a new value would reach nobody."""
    moto_platform.build(desired=1)
    monkeypatch.setenv("NEW_VALUE", "a-new-mail-server.ohmycoins.test")
    run = update.begin("staging")
    snapshot = run.look()
    new = update.gather(run, snapshot, "env:NEW_VALUE", "SMTP_HOST")
    with pytest.raises(UsageError, match=f"{PREFIX}-backend of cluster {PREFIX}-cluster would keep the old value"):
        update.plan(run, snapshot, new)
    init.write(init.plan(init.find("staging")), has_consent=False)
    run = update.begin("staging")
    snapshot = run.look()
    plan = update.plan(run, snapshot, update.gather(run, snapshot, "env:NEW_VALUE", "SMTP_HOST"))
    assert [service.name for service in plan.consumers] == [f"{PREFIX}-backend"]


def test_create_plans_no_orphan_beside_the_secret_that_services_refer_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names it, and how to go on."""
    monkeypatch.setattr(moto_platform, "SECRET", "staging/coins")
    moto_platform.build(desired=1)
    run = create.begin("staging")
    snapshot = run.look()
    with pytest.raises(UsageError, match=f"{PREFIX}-backend refers to staging/coins, which exists") as refused:
        create.plan(run, snapshot)
    assert "omc-runbook init -p environment staging" in str(refused.value)
    assert problems()["secret-missing"].remedy.command == "omc-runbook init -p environment staging"


@pytest.mark.parametrize(("project", "is_another"), [("acme", True), ("Oh-My-Coins", False)])
def test_another_projects_secret_in_the_account_is_not_the_one_in_use(
    project: str, is_another: bool, tmp_path: Path
) -> None:
    """A new project's secret can be created beside it, and nothing tells one to take over the other project's names."""
    moto_platform.build(desired=1)
    (tmp_path / "runbook.toml").write_text(f'project = "{project}"\n')
    run = create.begin("staging")
    snapshot = run.look()
    if not is_another:
        with pytest.raises(UsageError, match=f"refers to {SECRET}, which exists"):
            create.plan(run, snapshot)
        return
    plan = create.plan(run, snapshot)
    assert plan.doubts == (f"{PREFIX}-backend refers to {SECRET}, and not to this one.",) == plan.notes
    commands = [each.remedy.command for each in problems().values()]
    assert commands and not [command for command in commands if "init" in command]
    assert problems()["secret-missing"].remedy.runbook == "create"


def test_a_remedy_names_the_file_by_a_path_that_holds_in_any_folder(tmp_path: Path) -> None:
    """A runbook.toml may be named by its path from this folder, and a command is pasted in another one."""
    moto_platform.build(desired=1)
    path = tmp_path / "own.toml"
    path.write_text('region = "ap-southeast-2"\n')
    found = {each.check: each for each in diagnose(reach("verify", "staging", "own.toml").look()) if each.is_problem}
    assert found["wrong-names"].remedy.command == f"omc-runbook init -p environment staging -p runbook_toml {path}"
    assert remedies.create(load("staging", "own.toml")).parameters["runbook_toml"] == str(path)


def test_a_change_of_a_secret_that_is_called_otherwise_says_how_it_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """update, rotate and restore stop with what there is instead, and the command."""
    monkeypatch.setattr(moto_platform, "SECRET", "staging/coins")
    moto_platform.build(desired=1)
    monkeypatch.setenv("NEW_VALUE", "a-new-mail-server.ohmycoins.test")
    run = update.begin("staging")
    snapshot = run.look()
    with pytest.raises(CouldNotLook, match="Found instead: secret staging/coins") as refused:
        update.plan(run, snapshot, update.gather(run, snapshot, "env:NEW_VALUE", "SMTP_HOST"))
    assert str(refused.value).endswith("To take these names over: omc-runbook init -p environment staging")


def test_a_change_of_a_secret_that_is_gone_takes_no_names_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """All else has the names that runbook.toml says: another one would put nothing right."""
    moto_platform.build(desired=1)
    init.write(init.plan(init.find("staging")), has_consent=False)
    client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
    monkeypatch.setenv("NEW_VALUE", "a-new-mail-server.ohmycoins.test")
    run = update.begin("staging")
    snapshot = run.look()
    with pytest.raises(CouldNotLook, match=r" version: it does not exist\. Run `.*` for what to do\.$"):
        update.plan(run, snapshot, update.gather(run, snapshot, "env:NEW_VALUE", "SMTP_HOST"))
    assert snapshot.discovery
    partial = replace(snapshot, discovery=replace(snapshot.discovery, not_searched=("a-cluster",)))
    assert correct(partial, "secret") == remedies.find_names(partial.environment)


def test_create_warns_where_a_chosen_name_is_not_the_one_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a new secret means it: the plan says which one services refer to."""
    moto_platform.build(desired=1)
    monkeypatch.setenv("OMC_SECRET", "next-secrets")
    run = create.begin("staging")
    plan = create.plan(run, run.look())
    assert plan.intent == "create"
    assert f"{PREFIX}-backend refers to {SECRET}, and not to this one." in create.steps(run, plan).to_text()


@pytest.mark.parametrize("others", ["rds!db-1", "none"])
def test_create_goes_on_where_no_other_secret_is_the_applications(others: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """RDS's own secret is not, and services may wait for the one that is to be created."""
    monkeypatch.setattr(moto_platform, "SECRET", others)
    arn = moto_platform.build(desired=1)
    if others == "none":
        client("secretsmanager").delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    run = create.begin("staging")
    assert create.plan(run, run.look()).intent == "create"


def test_create_says_where_services_could_not_be_read(wire: Wire) -> None:
    """Whether they refer to another secret is then unknown."""
    wire.refused |= {"ListClusters": "AccessDeniedException"}
    run = create.begin("staging")
    plan = create.plan(run, run.look())
    assert [each.status for each in plan.unseen] == ["unknown"]
    assert "Whether services refer to another secret is unknown" in create.steps(run, plan).to_text()


def test_no_value_is_shown_or_written() -> None:
    """Names alone."""
    moto_platform.build()
    found = init.find("staging", str(PLATFORM))
    plan = init.plan(found)
    text = init.text(found, plan)
    sm = client("secretsmanager")
    for value in json.loads(sm.get_secret_value(SecretId=SECRET)["SecretString"]).values():
        assert len(str(value)) < 6 or str(value) not in text


@pytest.mark.parametrize(
    ("files", "sentences"),
    [
        (
            {"cdk.json": "{}", "infra/cdk.json": "{}"},
            ["cdk.json belongs to the AWS CDK: only Terraform's files are read."],
        ),
        ({"copilot/.workspace": "application: app"}, ["copilot/.workspace belongs to AWS Copilot: "]),
        (
            {"deploy/app.yaml": "Resources: {C: {Type: AWS::ECS::Cluster}}"},
            ["deploy/app.yaml belongs to CloudFormation: "],
        ),
        (
            {".aws/task-definition.json": '{"containerDefinitions": []}'},
            [".aws/task-definition.json belongs to a deployment without Terraform: "],
        ),
        ({"app.yaml": "kind: Deployment", "other/.workspace": ""}, []),
    ],
)
def test_a_checkout_of_another_tool_leads_on(tmp_path: Path, files: dict[str, str], sentences: list[str]) -> None:
    """Where there is nothing of Terraform, what is there is named, and that the names can be written by hand."""
    write_files(tmp_path / "checkout", files)
    with pytest.raises(CouldNotLook) as caught:
        init.find("", str(tmp_path / "checkout"))
    assert str(caught.value).count("belongs to") == len(sentences)
    assert all(sentence in str(caught.value) for sentence in sentences)
    assert "--repository" not in str(caught.value)
    assert f" {tmp_path}/checkout and its folders were searched for Terraform's files. You" in str(caught.value)
    assert str(caught.value).endswith("You can also write runbook.toml by hand, as the README shows.")


def test_without_a_checkout_it_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts it in the checkout may expect that to be read."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CouldNotLook, match=r" Name a checkout with --repository PATH, .* You can also write"):
        init.find()
