"""The runbooks that findings offer: which one mends what, with which parameters, and that it takes them."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from support.snapshots import (
    ARN,
    PREVIOUS,
    TRUST,
    healthy,
    service,
    simulated,
    task_definition,
    with_container,
    with_keys,
    with_permissions,
    with_reference,
    with_secret,
    with_service,
    with_text,
    without_key,
)

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.deployments import DeploymentConfiguration
from omc_runbook.checks import remedies
from omc_runbook.diagnosis import root_causes
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.model import parameters
from omc_runbook.model.aws_names import Names
from omc_runbook.model.findings import Finding, Remedy
from omc_runbook.model.value_from import parse
from omc_runbook.report import verify
from omc_runbook.sandbox.worlds.staging import KEYS
from omc_runbook.snapshot.roles import DECRYPT
from omc_runbook.snapshot.state import Snapshot

FORMER = str(uuid.uuid4())


def broken(snapshot: Snapshot) -> Snapshot:
    """No JSON, after a version with the id that Secrets Manager gives."""
    found = with_text(snapshot, "no JSON")
    assert found.secret
    stages = {FORMER if version == PREVIOUS else version: labels for version, labels in found.secret.stages.items()}
    return replace(found, secret=replace(found.secret, stages=stages))


def without_secret(snapshot: Snapshot) -> Snapshot:
    return replace(snapshot, secret=None, contents={})


def without_version(snapshot: Snapshot) -> Snapshot:
    assert snapshot.secret
    return replace(snapshot, secret=replace(snapshot.secret, stages={}), contents={})


def deleted(snapshot: Snapshot) -> Snapshot:
    assert snapshot.secret
    return replace(snapshot, secret=replace(snapshot.secret, deleted=snapshot.taken), contents={})


def stale(snapshot: Snapshot) -> Snapshot:
    changed = tuple(replace(version, created=snapshot.taken) for version in snapshot.versions)
    return replace(snapshot, versions=(snapshot.versions[0], changed[1]))


OFFERED: dict[str, tuple[str, Callable[[Snapshot], Snapshot], str, dict[str, str]]] = {
    "a key that is made": (
        "placeholder",
        lambda found: with_keys(found, SECRET_KEY="please-update-me"),
        "update",
        {"keys": "SECRET_KEY", "values_from": "generate"},
    ),
    "a key that is got": (
        "white-space",
        lambda found: with_keys(found, SMTP_PASSWORD="with white space "),
        "update",
        {"keys": "SMTP_PASSWORD", "values_from": "file:PATH"},
    ),
    "a key that the database has too": (
        "changethis",
        lambda found: with_keys(found, POSTGRES_PASSWORD="changethis"),
        "update",
        {"keys": "POSTGRES_PASSWORD", "values_from": "file:PATH"},
    ),
    "an empty key": (
        "empty",
        lambda found: with_keys(found, SECRET_KEY=""),
        "update",
        {"keys": "SECRET_KEY", "values_from": "generate"},
    ),
    "a missing key": (
        "key-missing",
        lambda found: without_key(found, "OPENAI_API_KEY"),
        "update",
        {"keys": "OPENAI_API_KEY", "values_from": "file:PATH"},
    ),
    "a key in another case": (
        "key-case",
        lambda found: without_key(found, "OPENAI_API_KEY", "openai_api_key"),
        "update",
        {"keys": "OPENAI_API_KEY", "values_from": "file:PATH", "remove": "openai_api_key"},
    ),
    "no JSON": ("not-json", broken, "restore", {"version": FORMER}),
    "no version": ("no-current-version", without_version, "update", {"values_from": "file:PATH"}),
    "no secret": ("secret-missing", without_secret, "create", {}),
    "a deleted secret": ("scheduled-deletion", deleted, "create", {}),
    "old tasks": ("not-forced", stale, "rotate", {"values_from": "keep"}),
    "a pinned version": (
        "previous-pinned",
        lambda found: with_reference(found, "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY:AWSPREVIOUS:"),
        "troubleshoot",
        {},
    ),
    "a role that may not read": (
        "no-permission",
        lambda found: with_permissions(found, simulated("implicitDeny")),
        "troubleshoot",
        {},
    ),
}


def finding(check: str, snapshot: Snapshot) -> Finding:
    return next(each for each in root_causes.diagnose(snapshot) if each.check == check and each.status == "found")


@pytest.mark.parametrize("case", OFFERED)
def test_a_finding_offers_a_runbook_that_takes_what_it_is_given(case: str) -> None:
    """The runbook is there, has the parameters, and stands before the command by hand in the view."""
    check, make, runbook, arguments = OFFERED[case]
    found = finding(check, make(healthy()))
    assert (found.remedy.runbook, found.remedy.parameters) == (runbook, {"environment": "staging", **arguments})
    words = shlex.split(found.remedy.invocation)
    assert words[:3] == ["omc-runbook", "run", runbook] and words[3::3] == ["-p"] * (len(arguments) + 1)
    pairs = list(zip(words[4::3], words[5::3], strict=True))
    assert parameters.check(notebooks() / f"{runbook}.ipynb", pairs) == found.remedy.parameters
    display = verify.findings([found])
    assert display.to_text().index(found.remedy.invocation) < display.to_text().index(found.remedy.command)
    assert "or by hand" in display.to_html()


def test_a_key_that_nobody_knows_is_not_offered_to_update() -> None:
    """It takes such a key for a slip of the pen; the command by hand stays."""
    snapshot = without_key(healthy(), "OPENAI_API_KEY")
    keys = {name: key for name, key in snapshot.environment.keys.items() if name != "OPENAI_API_KEY"}
    found = finding("key-missing", replace(snapshot, environment=replace(snapshot.environment, keys=keys)))
    assert found.remedy.runbook == "" == found.remedy.invocation
    assert found.remedy.ways == (found.remedy.command,) and "put-secret-value" in found.remedy.command


def test_names_of_a_file_go_along() -> None:
    """A runbook.toml that the finding was made with is named in the command, quoted for the shell."""
    snapshot = with_keys(healthy(), SECRET_KEY="changethis")
    environment = replace(snapshot.environment, source="/srv/my names/runbook.toml")
    remedy = finding("changethis", replace(snapshot, environment=environment)).remedy
    assert remedy.parameters["runbook_toml"] == "/srv/my names/runbook.toml"
    assert "-p runbook_toml '/srv/my names/runbook.toml'" in remedy.invocation


def test_what_a_cause_shows_is_not_repeated() -> None:
    """A consequence with the same remedy shows neither way again; without a runbook the command stands alone."""
    remedy = Remedy("aws do", "update", {"keys": "A"})
    cause = Finding(check="a", family="content", title="A", status="found", remedy=remedy, cause_of=("b",))
    effect = Finding(check="b", family="content", title="B", status="found", remedy=remedy, because_of=("a",))
    text = verify.findings([cause, effect]).to_text()
    assert text.count("omc-runbook run update -p keys A") == 1 == text.count("aws do")
    alone = verify.findings([replace(cause, remedy=Remedy("aws do"))])
    assert "→ aws do" in alone.to_text() and "or by hand" not in alone.to_text() + alone.to_html()


def renamed(variable: str, key: str) -> Callable[[Snapshot], Snapshot]:
    """Let backend get a key under another variable's name."""
    entry = Injection(variable, parse(f"{ARN}:{key}::"))

    def change(snapshot: Snapshot) -> Snapshot:
        return with_container(
            snapshot,
            "backend",
            lambda old: replace(old, secrets=tuple(entry if each.variable == key else each for each in old.secrets)),
        )

    return change


def crossed(snapshot: Snapshot) -> Snapshot:
    """Let two variables of backend come from each other's key."""
    one = with_reference(snapshot, "backend", "SMTP_USER", f"{ARN}:SMTP_PASSWORD::")
    return with_reference(one, "backend", "SMTP_PASSWORD", f"{ARN}:SMTP_USER::")


CONDITION = {"StringEquals": {"aws:SourceAccount": "111122223333"}}


def refusing(snapshot: Snapshot) -> Snapshot:
    """Let the trust policy name ECS, with a condition that ECS's call does not meet."""
    [statement] = TRUST["Statement"]
    trust = {**TRUST, "Statement": [{**statement, "Condition": CONDITION}]}
    permissions = simulated("allowed")
    role = replace(permissions.role, trust=PolicyDocument("trust policy", "trust", trust)) if permissions.role else None
    return with_permissions(snapshot, replace(permissions, role=role))


def unroomy(snapshot: Snapshot) -> Snapshot:
    """Let the percentages of a stale service permit no deployment."""
    return with_service(stale(snapshot), "backend", minimum_healthy_percent=100, maximum_percent=100)


FITTING: dict[str, tuple[str, Callable[[Snapshot], Snapshot], str, str]] = {
    "a name with a blank": ("name-mismatch", renamed("SMTP_HOST ", "SMTP_HOST"), 'set name = "SMTP_HOST"', "valueFrom"),
    "a name in another case": ("name-mismatch", renamed("smtp_host", "SMTP_HOST"), 'name = "SMTP_HOST"', "valueFrom"),
    "a prefix": ("name-mismatch", renamed("APP_SMTP_HOST", "SMTP_HOST"), 'set name = "SMTP_HOST"', "valueFrom"),
    "two references exchanged": (
        "name-mismatch",
        crossed,
        'of SMTP_USER to "${var.secrets_arn}:SMTP_USER::"',
        'of SMTP_PASSWORD to "${var.secrets_arn}:SMTP_USER::"',
    ),
    "a variable twice": (
        "duplicate-name",
        lambda found: with_container(found, "worker", lambda old: replace(old, environment=("SECRET_KEY",))),
        "Remove SECRET_KEY from environment",
        "valueFrom",
    ),
    "a key with a blank in the reference": (
        "key-misspelt",
        lambda found: with_reference(found, "worker", "SECRET_KEY", f"{ARN}:SECRET_KEY ::"),
        'valueFrom of SECRET_KEY to "${var.secrets_arn}:SECRET_KEY::"',
        "put-secret-value",
    ),
    "a look-alike in the reference": (
        "key-misspelt",
        lambda found: with_reference(found, "worker", "SECRET_KEY", f"{ARN}:SECRET_\u041aEY::"),
        'valueFrom of SECRET_KEY to "${var.secrets_arn}:SECRET_KEY::"',
        "put-secret-value",
    ),
    "another suffix": (
        "suffix-stale",
        lambda found: with_secret(found, arn=f"{ARN[:-6]}XyZ789"),
        f"where var.secrets_arn is {ARN[:-6]}XyZ789",
        "AbC123",
    ),
    "a condition of the trust policy": (
        "role-untrusted",
        refusing,
        "Correct the Condition of trust policy statement 1",
        "update-assume-role-policy",
    ),
    "CodeDeploy": (
        "not-forced",
        lambda found: with_service(stale(found), "backend", controller="CODE_DEPLOY"),
        "aws deploy create-deployment",
        "force-new-deployment",
    ),
    "percentages that permit nothing": (
        "not-forced",
        unroomy,
        "--deployment-configuration minimumHealthyPercent=100,maximumPercent=200 --force-new-deployment",
        "values_from",
    ),
    "percentages of a daemon": (
        "not-forced",
        lambda found: with_service(unroomy(found), "backend", is_daemon=True),
        "--deployment-configuration minimumHealthyPercent=0,maximumPercent=100 --force-new-deployment",
        "maximumPercent=200",
    ),
    "a daemon without an instance": (
        "desired-zero",
        lambda found: with_service(found, "backend", desired=0, running=0, is_daemon=True),
        "aws ecs describe-clusters",
        "--desired-count",
    ),
}
"""The check, the case, what its remedy says, and what it must not say."""


@pytest.mark.parametrize("case", FITTING)
def test_a_remedy_fits_its_case(case: str) -> None:
    """Nothing is advised that stands already, that AWS refuses, or that would change nothing."""
    check, make, fits, does_not_fit = FITTING[case]
    snapshot = make(healthy())
    founds = [each for each in root_causes.diagnose(snapshot) if each.check == check and each.status == "found"]
    ways = [
        way for found in founds if not found.services.isdisjoint({"backend", "worker"}) for way in found.remedy.ways
    ]
    assert any(fits in way for way in ways), ways
    of_backend = [way for found in founds if fits in found.remedy.command for way in found.remedy.ways]
    assert not any(does_not_fit in way for way in of_backend), of_backend


def test_a_newer_revision_that_refers_to_a_key_is_named() -> None:
    """The reference is there, and only has to be deployed."""
    snapshot = with_keys(healthy(), STRIPE_KEY="rk-" + "0123456789abcdef" * 2)
    newest = task_definition("backend", (*KEYS, "STRIPE_KEY"), 8)
    found = finding("key-unreferenced", replace(snapshot, newest_revisions=(newest,)))
    assert found.evidence == ("ohmycoins-staging-backend:8 refers to STRIPE_KEY, and backend does not run it yet.",)
    assert "--task-definition ohmycoins-staging-backend:8" in found.remedy.command


def test_a_look_alike_is_shown_as_such() -> None:
    """The letter that the eye does not tell apart stands as its number."""
    found = finding("key-misspelt", FITTING["a look-alike in the reference"][1](healthy()))
    assert "U+041A (CYRILLIC CAPITAL LETTER KA)" in found.evidence[1] and "SECRET_‹U+041A›EY" in found.evidence[0]


def test_new_tasks_of_a_service_with_a_pause_wait_for_a_person() -> None:
    """The remedy says that the deployment waits for a person, who has to continue it."""
    plain = service("backend")
    waits = replace(plain, configuration=DeploymentConfiguration(strategy="CANARY", pauses=("POST_SCALE_UP",)))
    assert remedies.start_tasks(Names(), plain).needs == ""
    assert "will wait at POST_SCALE_UP for a person" in remedies.start_tasks(Names(), waits).needs


@pytest.mark.parametrize(
    ("controller", "begin"), [("ECS", "aws ecs update-service "), ("EXTERNAL", "Set enableExecuteCommand on worker.")]
)
def test_ecs_exec_is_enabled_as_the_services_controller_allows(controller: str, begin: str) -> None:
    """ECS refuses a forced deployment of another controller's service."""
    remedy = remedies.enable_execute(Names(), replace(service("worker"), controller=controller))
    assert remedy.command.startswith(begin)


def test_the_name_of_a_policy_is_as_long_as_iam_takes() -> None:
    """A secret's name may have 512 characters, a policy's 128."""
    assert len(remedies.grant_name(healthy().environment.names, DECRYPT, "x" * 512)) == 128


@pytest.mark.parametrize("controller", ["ECS", "CODE_DEPLOY"])
def test_a_setting_that_needs_new_tasks_is_deployed_as_the_service_permits(controller: str) -> None:
    """In one call, with percentages that leave room; CodeDeploy alone changes a platform version."""
    old = with_service(unroomy(healthy()), "backend", platform_version="1.3.0", controller=controller)
    [service] = [each for each in old.services if each.name == "backend"]
    [found] = [each for each in root_causes.diagnose(old) if each.check == "platform-version" and each.is_problem]
    sessions = remedies.enable_execute(old.environment.names, service)
    for remedy, option in ((found.remedy, "--platform-version LATEST"), (sessions, "--enable-execute-command")):
        if controller == "ECS":
            room = "--deployment-configuration minimumHealthyPercent=100,maximumPercent=200 --force-new-deployment"
            assert f"{option} {room}" in remedy.command and remedy.command.count("update-service") == 1
        else:
            assert "aws deploy create-deployment" in remedy.command and "update-service" not in remedy.command
