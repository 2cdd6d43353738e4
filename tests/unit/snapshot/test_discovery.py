"""What an account has for an environment: told from names, tags and references, and never another environment's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.snapshots import ACCOUNT, ARN, NAME, NAMES, REGION, service, task_definition

from omc_runbook.aws.definitions import Container, Injection
from omc_runbook.aws.ecs import Cluster
from omc_runbook.aws.secretsmanager import ListedSecret
from omc_runbook.model import value_from
from omc_runbook.model.environment_names import (
    canonical,
    common_prefix,
    environment_in,
    environment_of,
    without_environment,
)
from omc_runbook.snapshot.discovery import Discovery, FoundService, configured


def arn(secret: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret}-AbC123"


def found(name: str, cluster: str, **variables: str) -> FoundService:
    """A service; `variables` has by its variables "SECRET:KEY"."""
    injections = tuple(
        Injection(variable, value_from.parse(f"{arn(text.partition('|')[0])}:{text.partition('|')[2]}::"))
        for variable, text in variables.items()
    )
    container = Container(name=name, secrets=injections, environment=())
    definition = replace(task_definition("backend", ()), family=name, containers=(container,))
    return FoundService(cluster, replace(service("backend"), name=name), definition)


def account(environment: str, *services: FoundService, tags: dict[str, dict[str, str]] | None = None) -> Discovery:
    """An account with these services, their clusters and secrets."""
    labels = tags or {}
    clusters = dict.fromkeys(each.cluster for each in services)
    secrets = dict.fromkeys(name for each in services for name in each.keys_by_secret)
    return Discovery(
        environment=environment,
        clusters=tuple(Cluster(name, labels.get(name, {})) for name in clusters),
        services=services,
        secrets=tuple(ListedSecret(name=name, arn=arn(name), tags=labels.get(name, {})) for name in secrets),
    )


TWO = (
    found("api", "coins-stg", A="coins-stg/app|A", B="coins-stg/app|B", C="coins-stg/mail|C"),
    found("worker", "coins-stg", A="coins-stg/app|A"),
    found("api", "coins-prod", A="coins-prod/app|A"),
)


@pytest.mark.parametrize(
    ("environment", "cluster", "secret", "consumers"),
    [
        ("staging", "coins-stg", "coins-stg/app", ["api", "worker"]),
        ("production", "coins-prod", "coins-prod/app", ["api"]),
    ],
)
def test_environments_are_told_apart_by_names(
    environment: str, cluster: str, secret: str, consumers: list[str]
) -> None:
    """Aliases count: stg is staging, and prod production."""
    discovery = account(environment, *TWO)
    assert (discovery.cluster, discovery.secret) == (cluster, secret)
    assert [each.name for each in discovery.consumers] == consumers


def test_a_service_whose_definition_was_not_read_gets_nothing() -> None:
    """It is still one of the environment's."""
    unread = replace(found("jobs", "coins-stg"), definition=None)
    assert account("staging", *TWO, unread).cluster == "coins-stg" and not unread.keys_by_secret


@pytest.mark.parametrize("environment", ["prod-eu", "qa1", "Prod.EU"])
def test_an_environment_of_any_name_is_found_by_its_words(environment: str) -> None:
    """Also where one of them means another environment; what has fewer words is not its own."""
    word = environment.replace(".", "-").lower()
    discovery = account(environment, *TWO, found("api", f"coins-{word}", A=f"coins-{word}/app|A"))
    assert (discovery.cluster, discovery.secret) == (f"coins-{word}", f"coins-{word}/app")
    assert [each.cluster for each in discovery.own_services] == [f"coins-{word}"]


def test_an_environment_that_is_not_there_gets_nothing() -> None:
    """Not the next best."""
    discovery = account("qa", *TWO)
    assert (discovery.cluster, discovery.secret, discovery.main, discovery.own_services) == ("", "", None, ())
    only = account("staging", found("api", "coins-prod", A="coins-prod/app|A"))
    assert (only.cluster, only.secret) == ("", "")


def test_tags_count_before_names() -> None:
    """A cluster whose name tells nothing, or something else."""
    discovery = account(
        "production",
        found("api", "blue", A="app|A"),
        found("api", "green", A="app2|A"),
        tags={"green": {"Env": "prod"}},
    )
    assert (discovery.cluster, discovery.secret) == ("green", "app2")


def test_a_single_cluster_without_an_environment_in_its_name_is_whichever_is_asked_for() -> None:
    """An account for each environment."""
    discovery = account("production", found("api", "apps", A="app|A"))
    assert (discovery.cluster, discovery.secret) == ("apps", "app")


def test_what_terraform_names_counts_where_it_is_in_use() -> None:
    """Among several clusters and secrets of an environment; a name that nothing uses does not."""
    services = (
        found("api", "coins-staging", A="coins-staging/a|A", B="coins-staging/a|B"),
        found("api", "coins-staging-new", A="coins-staging/b|A"),
    )
    names = {"secret": "coins-staging/b", "cluster": "coins-staging-new", "service": "api"}
    discovery = replace(account("staging", *services), expected=names)
    assert (discovery.secret, discovery.cluster) == ("coins-staging/b", "coins-staging-new")
    unused = replace(discovery, expected=dict.fromkeys(names, "gone"))
    assert (unused.secret, unused.cluster) == ("coins-staging/a", "coins-staging")


@pytest.mark.parametrize("configured", [{"secret": "coins-staging/app"}, {"cluster": "coins-staging"}])
def test_another_project_with_more_variables_is_not_taken_for_the_configured_one(configured: dict[str, str]) -> None:
    """One account has the staging of two projects: the names in force count where they are in use."""
    services = (
        found("api", "coins-staging", A="coins-staging/app|A"),
        found("api", "shop-staging", A="shop-staging/app|A", B="shop-staging/app|B"),
    )
    discovery = replace(account("staging", *services), expected=configured)
    assert (discovery.secret, discovery.cluster) == ("coins-staging/app", "coins-staging")
    assert [each.cluster for each in discovery.rivals] == ["shop-staging"]
    other = replace(discovery, expected={"secret": "gone", "cluster": "gone"})
    assert (other.secret, [each.cluster for each in other.rivals]) == ("shop-staging/app", ["coins-staging"])


def test_of_the_configured_clusters_secrets_that_with_most_variables_there_is_taken() -> None:
    """One that both projects share has most variables only with the other's."""
    services = (
        found("api", "coins-staging", A="coins-staging/app|A", B="coins-staging/app|B", C="shared|C"),
        found("api", "shop-staging", A="shop-staging/app|A", B="shared|B", C="shared|C"),
    )
    discovery = replace(account("staging", *services), expected={"cluster": "coins-staging"})
    assert discovery.secret == "coins-staging/app"


def test_a_configured_secret_in_use_counts_before_one_of_the_files_that_is_not() -> None:
    """What the files name counts first where services use it."""
    services = (
        found("api", "coins-staging", A="coins-staging/app|A"),
        found("api", "shop-staging", A="shop-staging/app|A", B="shop-staging/app|B"),
    )
    of_config = {"secret": "coins-staging/app", "service": "api"}
    for secret, expected in (("former", "coins-staging/app"), ("shop-staging/app", "shop-staging/app")):
        assert account("", *services).expecting("staging", {"secret": secret}, of_config).secret == expected


@pytest.mark.parametrize("in_files", ["app", "shop-staging", "shop/app"])
def test_a_name_of_the_files_counts_where_the_environment_uses_it_as_that(in_files: str) -> None:
    """Not where a service or a cluster is called like the secret, or where production alone refers to it."""
    services = (
        found("app", "coins-staging", A="coins-staging/app|A"),
        found("api", "shop-staging", A="shop-staging/app|A", B="shop-staging/app|B"),
        found("api", "shop-prod", A="shop/app|A"),
    )
    discovery = account("", *services).expecting("staging", {"secret": in_files}, {"secret": "coins-staging/app"})
    assert discovery.secret == "coins-staging/app"


def test_of_two_clusters_with_the_secret_the_expected_one_is_taken() -> None:
    """Also where its service has another name than is expected, and the other's gets more variables."""
    services = (
        found("api", "coins-staging", A="coins-staging/app|A"),
        found("api", "coins-staging-next", A="coins-staging/app|A", B="coins-staging/app|B"),
    )
    discovery = account("", *services).expecting("staging", {}, {"cluster": "coins-staging", "service": "backend"})
    assert discovery.cluster == "coins-staging"


@pytest.mark.parametrize("secret", [NAME, ARN, ARN.rpartition("-")[0]])
def test_a_secret_configured_by_its_arn_is_known_by_its_name(secret: str) -> None:
    """As references to it are."""
    assert configured(NAMES.model_copy(update={"secret": secret}))["secret"] == NAME


def test_another_cluster_with_the_same_secret_is_no_rival() -> None:
    """Nor is one without secrets, with one that all share or that RDS made, or of another environment."""
    jobs = (
        *(found("jobs", "coins-staging-jobs", A="coins-staging/app|A"), found("site", "coins-staging-web")),
        *(found("agent", "coins-staging-agents", A="shared|A"), found("etl", "coins-staging-etl", A="rds!db-1|A")),
    )
    api = found("api", "coins-staging", A="coins-staging/app|A", B="coins-staging/app|B", C="shared|C")
    discovery = account("staging", api, *jobs, *TWO[2:])
    assert (discovery.secret, discovery.rivals) == ("coins-staging/app", ())


def test_a_service_called_test_is_no_environment() -> None:
    """Words that may mean something else do not take it away from its cluster."""
    discovery = account("staging", found("load-test-api", "coins-staging", A="coins-staging/app|A"))
    assert [each.name for each in discovery.consumers] == ["load-test-api"]


def test_a_secret_that_a_service_of_aws_manages_is_not_the_applications() -> None:
    """RDS's master password, though most variables came from it."""
    discovery = account("staging", found("api", "staging", A="rds!db-1|A", B="rds!db-1|B", C="staging/app|C"))
    assert discovery.secret == "staging/app"


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("ohmycoins-prod-backend", "production"),
        ("live/staging/app", "staging"),
        ("prices-live", "production"),
        ("live-prices", ""),
        ("product-api", ""),
        ("environments/dev", "dev"),
        ("ohmycoins-non-prod-backend", "nonprod"),
        ("environments/pre_production", "preprod"),
        ("environments/nonproduct", ""),
        ("shop-pre-live", "preprod"),
        ("non-live-2", "nonprod"),
        ("non-live/app", ""),
        ("go-live", "production"),
        ("phenon-live", "production"),
    ],
)
def test_words_of_names_and_paths(text: str, environment: str) -> None:
    """Whole words alone."""
    assert environment_in(text) == environment


@pytest.mark.parametrize(
    ("name", "asked", "environment"),
    [
        ("ohmycoins-pre-live-app-secrets", "pre-live", "pre-live"),
        ("shop/non_live/app", "non-live", "non-live"),
        ("shop-prelive-app", "prelive", "prelive"),
        ("shop-preprod-app", "pre-live", "preprod"),
        ("shop-pre-live-app", "live", ""),
        ("shop-pre-live", "live", "preprod"),
        ("shop-live-app", "live", "live"),
    ],
)
def test_a_name_with_pre_live_is_that_environment_s(name: str, asked: str, environment: str) -> None:
    """Wherever it stands in the name: neither live's, nor that of preprod."""
    assert environment_of(name, {}, asked) == environment


@pytest.mark.parametrize(
    ("tags", "environment"),
    [({"Environment": "prod"}, "production"), ({"env": ""}, "staging"), ({"Team": "prod"}, "staging")],
)
def test_a_tag_says_more_than_a_name(tags: dict[str, str], environment: str) -> None:
    """Where it is one of those that hold an environment."""
    assert environment_of("coins-staging", tags) == environment


def test_prefixes() -> None:
    """Whole words that all names begin with, and a project without its environment."""
    assert common_prefix(["coins-prod-cluster", "coins-prod-app-secrets"]) == "coins-prod"
    assert common_prefix(["coins-prod", "coinsprod-x"]) == "" and common_prefix(["coins"]) == ""
    assert without_environment("coins-prod") == "coins" and without_environment("my-coins") == "my-coins"
    assert canonical("PRD") == "production" and canonical("qa") == "qa"
