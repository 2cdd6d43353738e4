"""Checks of references: each with a healthy snapshot and a faulty one, and look-alikes told apart."""

import secrets
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from support.check_assertions import assert_clear, by_id, found_by
from support.faults.reference import (
    FAULTS,
    OTHER,
    beside,
    named,
    refers,
    shared,
)
from support.files import write_files
from support.snapshots import (
    ARN,
    CURRENT,
    NAME,
    PREVIOUS,
    checkout_reading,
    document,
    healthy,
    stuck,
    with_container,
    with_definition,
    with_keys,
    with_reference,
    with_secret,
    with_service,
    with_text,
    with_values,
)

from omc_runbook.aws.definitions import Container, Injection
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.checks import content, reference
from omc_runbook.checks.check import checks_of, run_check
from omc_runbook.checks.definition_source import GUIDE_FILE
from omc_runbook.diagnosis.root_causes import diagnose
from omc_runbook.model.catalogue import Key
from omc_runbook.model.value_from import parse
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.repository.environment_reads import EnvironmentRead
from omc_runbook.snapshot.state import Snapshot

CHECKS = by_id(checks_of(reference))
found_in = partial(found_by, CHECKS.values())
KEY_MISSPELT = by_id(checks_of(content))["key-misspelt"]


@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_is_not_taken_for_another(id: str) -> None:
    """Of the family's checks one alone speaks of one fault."""
    assert found_in(FAULTS[id].make(healthy())) == {id}


@pytest.mark.parametrize(
    "value_from",
    [
        f"{ARN}:SECRET_KEY::",
        f"{ARN}:SECRET_KEY:AWSCURRENT:",
    ],
)
def test_a_good_reference_is_none_of_them(value_from: str) -> None:
    """A full ARN with its key is right, whether or not it spells the current stage out."""
    assert found_in(refers(value_from)(healthy())) == set()


def test_one_arn_for_all_environments_is_no_other_ones() -> None:
    """As OMC_SECRET sets it, for this environment and for production alike."""
    snapshot = healthy()
    names = snapshot.environment.names.model_copy(update={"secret": ARN})
    environment = replace(snapshot.environment, names=names, others={"production": names})
    assert not found_in(replace(snapshot, environment=environment))


def test_a_short_version_is_not_pinned_as_well() -> None:
    """A text that cannot be a version's id pins nothing."""
    assert found_in(refers(f"{ARN}:SECRET_KEY::abc")(healthy())) == {"version-short"}


@pytest.mark.parametrize(
    ("fields", "severity", "fact"),
    [
        (f"AWSCURRENT:{CURRENT}", "warning", "a new value never reaches this variable"),
        (f"AWSCURRENT:{PREVIOUS}", "error", "does not have the label AWSCURRENT"),
        (f"stable:{CURRENT}", "error", "does not have the label stable"),
        (f":{'0' * 32}", "error", "has no such version"),
        (f"stable:{'0' * 32}", "error", "has no such version"),
    ],
    ids=["its version", "another version", "no version of the label", "no version", "neither"],
)
def test_a_pin_that_cannot_be_read_is_an_error(fields: str, severity: str, fact: str) -> None:
    """Secrets Manager refuses a label and a version's id that do not belong together, and so tasks do not start."""
    snapshot = refers(f"{ARN}:SECRET_KEY:{fields}")(healthy())
    [found] = run_check(CHECKS["version-pinned"], snapshot)
    assert (found.severity, fact in found.evidence[1]) == (severity, True)
    assert found_in(snapshot) == {"version-pinned"}, "once, by what pins it"
    refused = stuck(snapshot, "worker", "ResourceInitializationError: unable to pull secrets or registry auth: a")
    causes = [each.check for each in diagnose(refused) if each.is_root_cause]
    assert causes[0] == ("version-pinned" if severity == "error" else "pull-failed")


@pytest.mark.parametrize(
    ("stage", "version", "severity", "fact"),
    [
        ("AWSPREVIOUS", PREVIOUS, "warning", "a new value never reaches this variable"),
        ("stable", PREVIOUS, "warning", "a new value reaches this variable only once somebody moves that label"),
        ("stable", CURRENT, "info", "a new value reaches this variable only once somebody moves that label"),
        ("stable", "", "error", "has no such version"),
    ],
)
def test_a_label_that_somebody_moves_is_no_fault_while_it_is_on_the_current_version(
    stage: str, version: str, severity: str, fact: str
) -> None:
    """AWSPREVIOUS, which moves by itself, never is."""
    stages = {PREVIOUS: ("AWSPREVIOUS",), CURRENT: ("AWSCURRENT",)}
    if version and stage not in stages[version]:
        stages[version] += (stage,)
    snapshot = with_secret(refers(f"{ARN}:SECRET_KEY:{stage}:")(healthy()), stages=stages)
    [found] = run_check(CHECKS["previous-pinned"], snapshot)
    assert (found.severity, fact in found.evidence[1]) == (severity, True)


SHARED = f"{ARN.rpartition(':')[0]}:shared/db-AbC123"


REFUSED = "ResourceInitializationError: unable to pull secrets or registry auth: unexpected ARN format with parameters"


@pytest.mark.parametrize(
    ("value_from", "remedy"),
    [
        (f"{SHARED}:password:", f'"{SHARED}:password::"'),
        (f"{SHARED}:password", f'"{SHARED}:password::"'),
        (f"{SHARED}:password:AWSCURRENT", f'"{SHARED}:password:AWSCURRENT:"'),
        (f"{SHARED}:password::::", f'"{SHARED}:password::"'),
        (f"{SHARED}:password::word:", "the whole ARN of its secret, with :KEY:: after it for one key"),
        (SHARED.replace("shared", "sh$red"), "the whole ARN of its secret, with :KEY:: after it for one key"),
        (SHARED.replace("arn:aws:", "aws:"), "the whole ARN of its secret, with :KEY:: after it for one key"),
        (SHARED.replace("ap-", "1ap-"), "the whole ARN of its secret, with :KEY:: after it for one key"),
        ("arn:aws:ssm:ap-southeast-2:parameter/omc/level", "the name of its parameter, or the whole ARN"),
        ("arn:aws:ssm:ap-southeast-2:123456789012:parameter/omc/level:", "the name of its parameter, or the whole ARN"),
        (f"{ARN.replace('staging', 'stagging')}:SECRET_KEY:", '"${var.secrets_arn}:SECRET_KEY::"'),
    ],
)
@pytest.mark.parametrize("desired", [0, 1])
def test_a_malformed_reference_to_another_secret_is_the_cause(value_from: str, remedy: str, desired: int) -> None:
    """With how it is meant, where its text shows that; also before a task fails of it."""
    snapshot = with_service(refers(value_from)(healthy()), "worker", desired=desired, running=desired)
    [cause] = [each for each in diagnose(snapshot) if each.is_root_cause and each.check != "desired-zero"]
    assert (cause.check, cause.severity, cause.services) == ("arn-malformed", "error", {"worker"})
    assert remedy in cause.remedy.command
    refused = stuck(snapshot, "worker", REFUSED)
    assert next(each.check for each in diagnose(refused) if each.is_root_cause) == "arn-malformed"
    assert not [each for each in diagnose(refused) if each.check == "pull-failed" and each.is_unexplained]


def test_the_malformed_reference_to_a_registrys_login_is_the_cause() -> None:
    """It has no key, and no variable."""
    login = Injection("repositoryCredentials", parse(SHARED.replace(":secret:", ":secrets:")))
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, registry_secrets=(login,)))
    [cause] = [each for each in diagnose(snapshot) if each.is_root_cause]
    assert cause.check == "arn-malformed" and "set repositoryCredentials to" in cause.remedy.command


def test_a_label_of_ones_own_is_a_fault_where_the_secret_could_not_be_read() -> None:
    """Nothing then shows that it is on the current version."""
    refused = ReadFailure("the secret", "secretsmanager:DescribeSecret", "AccessDeniedException", "denied")
    snapshot = refers(f"{ARN}:SECRET_KEY:stable:")(healthy())
    snapshot = replace(snapshot, secret=None, versions=(), gaps={"secret": (refused,), "versions": (refused,)})
    assert [each.severity for each in run_check(CHECKS["previous-pinned"], snapshot)] == ["warning"]


def test_another_accounts_secret_is_wrong_under_any_key() -> None:
    """A namesake elsewhere, under a key that can be shared, is still not the environment's secret."""
    assert found_in(shared("arn:aws:kms:ap-southeast-2:210987654321:key/1")(healthy())) == {"wrong-account"}


def test_a_plain_text_secret_may_be_injected_whole() -> None:
    """Where the secret is no JSON object, a reference without a key is the only one there is."""
    plain = with_text(refers(ARN)(healthy()), secrets.token_hex(24))
    assert_clear(CHECKS["whole-json"], plain)


def test_a_whole_secret_in_a_variable_without_a_key_has_no_key_to_name() -> None:
    """The variable's own name would be a reference to nothing, with which no task starts; troubleshoot knows no key."""
    [certain] = run_check(CHECKS["whole-json"], refers(ARN)(healthy()))
    assert certain.remedy.runbook == "troubleshoot" and ":SECRET_KEY::" in certain.remedy.command
    whole = Injection("ALL", parse(ARN))
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, whole)))
    [found] = run_check(CHECKS["whole-json"], snapshot)
    assert found.remedy.runbook == "" and ":ALL::" not in found.remedy.command
    assert found.remedy.command.startswith("Name the key that ALL needs in its valueFrom, or take ALL out of secrets")


@pytest.mark.parametrize(
    ("variable", "is_meant"),
    [("APP_SECRETS", True), ("config", True), ("SETTINGS_JSON", True), ("JWT_SECRET", False), ("CONFIG_URL", False)],
)
def test_a_variable_for_the_whole_secret_is_a_remark(variable: str, is_meant: bool) -> None:
    """Its name says that the program parses the JSON itself, so that each key reaches it."""
    whole = (Injection(variable, parse(ARN)),)
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, secrets=whole))
    snapshot = with_container(snapshot, "backend", lambda old: replace(old, secrets=whole if is_meant else old.secrets))
    found = [answer for answer in diagnose(snapshot) if answer.status == "found"]
    assert {(answer.check, answer.severity) for answer in found} == {("whole-json", "info" if is_meant else "error")}
    assert ("By its name it is meant to." in found[0].evidence) is is_meant
    assert found[0].remedy.command.startswith("Unless the program parses that, name") is is_meant


@pytest.mark.parametrize("key", ["FIREBASE_CONFIG", "firebase-config", "FIREBASE_CONFIG_STAGING"])
@pytest.mark.parametrize("is_there", [True, False])
def test_a_variable_that_has_about_a_keys_name_is_not_for_the_whole_secret(key: str, is_there: bool) -> None:
    """The reference lacks that key, whether the secret has it or the catalogue asks for it."""
    base = healthy()
    if is_there:
        base = with_values(base, {**document(base), key: "a-1"})
    else:
        keys = {**base.environment.keys, key: Key()}
        base = replace(base, environment=replace(base.environment, keys=keys))
    taken = Injection("FIREBASE_CONFIG", parse(ARN))
    snapshot = with_container(base, "backend", lambda old: replace(old, secrets=(*old.secrets, taken)))
    [found] = [answer for answer in diagnose(snapshot) if answer.check == "whole-json"]
    assert (found.status, found.severity) == ("found", "error")


def test_who_takes_the_whole_secret_hides_no_other_fault_of_its_keys() -> None:
    """A key in another spelling than the one that tasks read is none that the program may use."""
    taken = Injection("APP_SETTINGS", parse(ARN))
    base = with_values(healthy(), {**document(healthy()), "secret_key": "a-1", "SMTP_HOST": "a-2"})
    snapshot = with_container(base, "backend", lambda old: replace(old, secrets=(*old.secrets, taken)))
    assert [each.subject for each in diagnose(snapshot) if each.check == "key-unreferenced"] == ["secret_key"]


def test_a_secret_whose_name_ends_like_a_suffix_is_not_cut() -> None:
    """A partial ARN is recognised by the secret's own name, even where that name ends in six letters."""
    name = "ohmycoins-staging-app-abcdef"
    arn = ARN.replace(NAME, name)
    snapshot = healthy()
    names = snapshot.environment.names.model_copy(update={"secret": name})
    moved = replace(with_secret(snapshot, name=name, arn=arn), environment=replace(snapshot.environment, names=names))
    right = moved
    for service in ("backend", "worker"):
        for injection in moved.task_definitions[moved.services[0].task_definition_arn].injections:
            key = injection[1].variable
            right = with_reference(right, service, key, f"{arn}:{key}::")
    assert found_in(right) == set()
    assert found_in(with_reference(right, "worker", "SECRET_KEY", f"{arn[:-7]}:SECRET_KEY::")) == {"partial-arn"}


def test_a_partial_arn_of_the_environment_s_own_secret_is_not_another_s_with_a_suffix() -> None:
    """app-config without its suffix reads like production's app with one."""
    snapshot, arn = healthy(), ARN.replace(NAME, "app-config")
    environment = snapshot.environment
    names = environment.names.model_copy(update={"secret": "app-config"})
    others = {"production": environment.names.model_copy(update={"secret": "app"})}
    moved = replace(snapshot, environment=replace(environment, names=names, others=others))
    moved = with_secret(moved, name="app-config", arn=arn)
    for service in ("backend", "worker"):
        for variable in (
            each.variable for _, each in moved.task_definitions[moved.services[0].task_definition_arn].injections
        ):
            moved = with_reference(moved, service, variable, f"{arn}:{variable}::")
    partial_arn = with_reference(moved, "worker", "SECRET_KEY", f"{arn[:-7]}:SECRET_KEY::")
    assert {"partial-arn", "other-environment"} & found_in(partial_arn) == {"partial-arn"}
    theirs = with_reference(moved, "worker", "SECRET_KEY", f"{arn.replace('app-config', 'app')}:SECRET_KEY::")
    assert "other-environment" in found_in(theirs)


def test_an_arn_that_was_cut_off_is_partial() -> None:
    """With a part of its suffix it means this secret; with one character more it names another that is not there."""
    for characters in range(1, 7):
        cut = with_reference(healthy(), "worker", "SECRET_KEY", f"{ARN[:-characters]}:SECRET_KEY::")
        assert found_in(cut) == {"partial-arn"}
    longer = with_reference(healthy(), "worker", "SECRET_KEY", f"{ARN}x:SECRET_KEY::")
    assert found_in(longer) == set()


def test_a_variable_twice_in_secrets_is_found() -> None:
    """Two entries for one variable are found too."""
    twice = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, old.secrets[0])))
    found = run_check(CHECKS["duplicate-name"], twice)
    assert found[0].status == "found"
    assert "occurs twice" in found[0].evidence[1]


def test_settings_decide_which_name_the_application_reads() -> None:
    """Where Settings is known, a variable that it reads is right whatever the catalogue says."""
    renamed = named("MAIL_HOST")(healthy())
    reads = replace(renamed, checkout=checkout_reading("MAIL_HOST"))
    assert found_in(reads) == set()
    assert found_in(replace(renamed, checkout=checkout_reading("SMTP_HOST"))) == {"name-mismatch"}
    assert found_in(replace(renamed, checkout=checkout_reading("OTHER_HOST"))) == set()


def test_settings_may_read_a_name_in_another_case() -> None:
    """By default, pydantic-settings reads a variable in whatever case; code that asks the environment does not."""
    renamed, checkout = named("smtp_host")(healthy()), checkout_reading("SMTP_HOST")
    assert found_in(replace(renamed, checkout=checkout)) == set()
    exact = replace(checkout, settings=replace(checkout.settings, case_sensitive=True))
    environment_read = replace(
        checkout,
        environment_reads=(
            EnvironmentRead(variable="SMTP_HOST", file="backend/app/mail.py", line=3, has_default=False),
        ),
    )
    for other in (exact, environment_read):
        assert found_in(replace(renamed, checkout=other)) == {"name-mismatch"}
    # Another name is not read, whatever the case.
    assert found_in(replace(named("MAIL_HOST")(healthy()), checkout=checkout)) == {"name-mismatch"}


def test_another_service_may_use_other_names() -> None:
    """The catalogue's variables are the main service's; a worker of another make has its own."""
    other = Injection("WORKER_SIGNING_KEY", parse(f"{ARN}:SECRET_KEY::"))
    renamed = with_container(healthy(), "worker", lambda old: replace(old, secrets=(other, *old.secrets[1:])))
    assert found_in(renamed) == set()


def test_a_strangers_references_are_not_judged() -> None:
    """A service that refers to other secrets only is not this environment's matter."""
    stranger = Injection("TOKEN", parse(f"arn:aws:secretsmanager:eu-west-1:{OTHER}:secret:theirs-AbC123"))
    snapshot = with_container(healthy(), "frontend", lambda old: replace(old, secrets=(stranger,)))
    assert found_in(snapshot) == set()
    assert [service.name for service in snapshot.consumers] == ["backend", "worker"]


def test_a_consumers_other_secrets_are_not_judged() -> None:
    """An entry for another secret, or an SSM parameter, beside the environment's own is right as it is."""
    others = (
        Injection("TOKEN", parse(f"arn:aws:secretsmanager:eu-west-1:{OTHER}:secret:theirs-AbC123")),
        Injection("FLAG", parse("/ohmycoins/staging/flag")),
    )
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, *others)))
    assert found_in(snapshot) == set()


@pytest.mark.parametrize("version", ["", "LATEST", "1.4.0", "1.10.0"])
def test_a_platform_that_reads_keys(version: str) -> None:
    """The newest platform version and those from 1.4.0 on read one key of a secret."""
    assert_clear(CHECKS["platform-version"], with_service(healthy(), "worker", platform_version=version))


def test_a_sidecar_may_have_keys_of_its_own() -> None:
    """A key that the application has too, or none that it reads, is no fault in a sidecar."""
    key = Injection("OPENAI_API_KEY", parse(f"{ARN}:OPENAI_API_KEY::"))
    agent = Injection("DD_API_KEY", parse(f"{ARN}:DD_API_KEY::"))
    side = Container(name="metrics", secrets=(key, agent), environment=(), essential=False)
    both = with_definition(healthy(), "worker", lambda old: replace(old, containers=(side, *old.containers)))
    assert_clear(CHECKS["sidecar-only"], both)


def test_a_container_with_environment_files_may_have_more_variables_than_it_names() -> None:
    """What files in S3 set is not read: that a variable is not set is then not known."""
    for id in ("name-mismatch", "sidecar-only"):
        snapshot = FAULTS[id].make(healthy())
        service = next(iter(run_check(CHECKS[id], snapshot)[0].services))
        [definition] = (snapshot.definition(each) for each in snapshot.consumers if each.name == service)
        assert definition is not None
        containers = tuple(replace(each, has_environment_files=True) for each in definition.containers)
        filed = with_definition(snapshot, service, lambda old, new=containers: replace(old, containers=new))
        [doubt] = run_check(CHECKS[id], filed)
        assert doubt.status == "unknown" and "environmentFiles may set" in doubt.evidence[-1]


def test_an_application_may_have_the_databases_address_in_place_of_its_password() -> None:
    """A pooler beside it logs in with the password, unless the application's Settings read that as well."""
    password = Injection("POSTGRES_PASSWORD", parse(f"{ARN}:POSTGRES_PASSWORD::"))
    pooler = Container(name="pgbouncer", secrets=(password,), environment=())

    def pool(variable: str) -> Snapshot:
        address = Injection(variable, parse(f"{ARN}:DATABASE_URL::"))
        return with_definition(
            healthy(),
            "worker",
            lambda old: replace(old, containers=(replace(old.containers[0], secrets=(address,)), pooler)),
        )

    assert_clear(CHECKS["sidecar-only"], pool("DATABASE_URL"))
    for snapshot in (pool("REDIS_URL"), replace(pool("DATABASE_URL"), checkout=checkout_reading("POSTGRES_PASSWORD"))):
        [found] = run_check(CHECKS["sidecar-only"], snapshot)
        assert (found.is_problem, found.severity) == (True, "error")


@pytest.mark.parametrize(
    "image", ["worker", "a.test/worker:9", "a.test:5000/worker", f"a.test/worker@sha256:{'0' * 64}"]
)
def test_an_application_that_its_image_names(image: str) -> None:
    """With a tag, a digest, or a registry that has a port."""
    images = {"worker": image, "metrics": f"a.test/fluent@sha256:{'0' * 64}"}
    unnamed = with_definition(
        beside(healthy()),
        "worker",
        lambda old: replace(
            old,
            containers=tuple(
                replace(e, name=f"a{e.name}", essential=True, image=images.get(e.name, "other")) for e in old.containers
            ),
        ),
    )
    assert [each.is_problem for each in run_check(CHECKS["sidecar-only"], unnamed)] == [True]


def test_an_application_that_nothing_names() -> None:
    """Of two essential containers neither of which has the service's name, none counts as the application's."""
    unnamed = with_definition(
        beside(healthy()),
        "worker",
        lambda old: replace(
            old, containers=tuple(replace(e, name=f"a{e.name}", essential=True) for e in old.containers)
        ),
    )
    assert_clear(CHECKS["sidecar-only"], unnamed)


@pytest.mark.parametrize(
    ("value_from", "id"),
    [
        (f"{ARN}:SECRET_KEY", "arn-malformed"),
        (f"{ARN[:-7]}:SECRET_KEY::", "partial-arn"),
        (f"{ARN}:SECRET_KEY:AWSPREVIOUS:", "previous-pinned"),
        (f"{ARN}:secret_key::", "key-case"),
        (f"{ARN}:SPLUNK_TOKEN::", "key-missing"),
        (f"{ARN}:SECRET_KEY::", ""),
    ],
)
@pytest.mark.parametrize("service", ["worker", "frontend"])
def test_what_service_connects_proxy_reads_is_judged_too(value_from: str, id: str, service: str) -> None:
    """ECS reads it for each task, and no task definition has it."""
    proxy = (Injection("logConfiguration splunk-token", parse(value_from)),)
    found = [each for each in diagnose(with_service(healthy(), service, proxy_secrets=proxy)) if each.is_problem]
    assert [each.check for each in found] == [id] * bool(id)
    for finding in found:
        assert finding.services == {service}
        is_of_value = finding.check == "key-missing"
        assert is_of_value or finding.remedy.command.endswith(f"to {ARN}:SECRET_KEY::, in {service}'s Service Connect.")


@pytest.mark.parametrize(("value_from", "id"), [(ARN, "whole-json"), (NAME, "bare-name")])
@pytest.mark.parametrize("is_of_proxy", [True, False])
def test_the_name_of_a_log_drivers_option_is_no_keys(value_from: str, id: str, is_of_proxy: bool) -> None:
    """Which key it needs, the reference alone would tell."""
    option = (Injection("logConfiguration splunk-token", parse(value_from)),)
    snapshot = with_container(healthy(), "worker", lambda old: replace(old, log_secrets=() if is_of_proxy else option))
    snapshot = with_service(snapshot, "worker", proxy_secrets=option if is_of_proxy else ())
    [found] = [each for each in diagnose(snapshot) if each.is_problem]
    assert found.check == id
    assert ":KEY::" in found.remedy.command and ":logConfiguration" not in found.remedy.command
    assert ("in worker's Service Connect" in found.remedy.command) is is_of_proxy
    assert "KEY stands for the key" in found.remedy.needs


def test_a_stack_of_cloudformation_is_corrected_where_it_is_made() -> None:
    """Its next deployment would undo what is done beside it, and it has no Terraform to apply."""
    wrong = with_reference(healthy(), "worker", "SECRET_KEY", NAME)
    of_stack = with_definition(wrong, "worker", lambda revision: replace(revision, stack="omc-worker"))
    for snapshot, text in ((wrong, GUIDE_FILE), (of_stack, "CloudFormation stack omc-worker")):
        (finding,) = run_check(CHECKS["bare-name"], snapshot)
        assert text in finding.remedy.command
        assert ("terraform" in finding.remedy.command) is (snapshot is wrong)
    (misspelt,) = run_check(KEY_MISSPELT, with_reference(of_stack, "worker", "SECRET_KEY", f"{ARN}:SECRET_KEYY::"))
    assert "CloudFormation stack omc-worker" in misspelt.remedy.command
    reference = 'set valueFrom of SECRET_KEY to "SECRET_ARN:SECRET_KEY::", where SECRET_ARN is'
    assert f"{reference} {ARN}, then deploy the stack" in finding.remedy.command


@pytest.mark.parametrize("end", [f"{ARN}", ":SECRET_KEY:", ":SECRET_KEY:::", ":Secret:"])
def test_a_malformed_reference_is_advised_to_name_a_key_of_the_secret(end: str) -> None:
    """What stands in the place of the key may be a piece of something else, as of the ARN written twice."""
    for snapshot in (healthy(), with_keys(healthy(), secret="a-word-of-each-arn")):
        [found] = run_check(CHECKS["arn-malformed"], refers(f"{ARN}{end}")(snapshot))
        assert 'of SECRET_KEY to "${var.secrets_arn}:SECRET_KEY::"' in found.remedy.command


def test_a_malformed_reference_to_another_secret_is_corrected_in_the_map_that_has_it(tmp_path: Path) -> None:
    """What a log driver or a registry gets is in no map of variables."""
    short = SHARED.removeprefix("arn:").replace("secretsmanager:", "secretsmanager::")
    table = f'{{ SECRET_KEY = "{short}:password::", API_KEY = "{SHARED}:api::" }}'
    secrets_of = f"secrets = [for name, from in {table} : {{ name = name, valueFrom = from }}]"
    container = f'container_definitions = jsonencode([{{ name = "worker", {secrets_of} }}])'
    (tmp_path / "main.tf").write_text(f'resource "aws_ecs_task_definition" "worker" {{\n  {container}\n}}\n')
    (tmp_path / "config.py").write_text(
        "from pydantic_settings import BaseSettings\n\n\nclass S(BaseSettings):\n    A: str\n"
    )
    checkout = read_checkout(tmp_path)
    (found,) = run_check(CHECKS["arn-malformed"], replace(refers(f"{short}:password::")(healthy()), checkout=checkout))
    assert found.remedy.command.startswith("In main.tf set SECRET_KEY in the map of secrets to the whole ARN")
    for field, name, set_ in (
        ("log_secrets", "logConfiguration token", "valueFrom of logConfiguration token"),
        ("registry_secrets", "repositoryCredentials", "repositoryCredentials"),
    ):
        other = {field: (Injection(name, parse(short)),)}
        snapshot = with_container(healthy(), "worker", lambda old, other=other: replace(old, **other))
        (found,) = run_check(CHECKS["arn-malformed"], replace(snapshot, checkout=checkout))
        assert found.remedy.command.startswith(f"In main.tf set {set_} to the whole ARN")


def test_the_file_that_a_checkout_has_is_named(tmp_path: Path) -> None:
    """The guide's is named where none was read; OpenTofu's users are not sent to terraform.

    No file is named of a family that none has.
    """
    container = 'container_definitions = jsonencode([{ name = "worker" }])'
    (tmp_path / "infra").mkdir()
    file = tmp_path / "infra/main.tofu"
    file.write_text(f'resource "aws_ecs_task_definition" "worker" {{\n  {container}\n}}\n')
    settings = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    A: str\n"
    (tmp_path / "config.py").write_text(settings)
    snapshot = replace(with_reference(healthy(), "worker", "SECRET_KEY", NAME), checkout=read_checkout(tmp_path))
    (finding,) = run_check(CHECKS["bare-name"], snapshot)
    assert finding.remedy.command.startswith("In infra/main.tofu set ")
    assert "then run tofu apply" in finding.remedy.command
    file.write_text(file.read_text().replace("  container", '  family = "omc-api"\n  container'))
    (finding,) = run_check(CHECKS["bare-name"], replace(snapshot, checkout=read_checkout(tmp_path)))
    assert finding.remedy.command.startswith("In what registers task definition ohmycoins-staging-worker set ")
    assert f'of SECRET_KEY to "SECRET_ARN:SECRET_KEY::", where SECRET_ARN is {ARN},' in finding.remedy.command
    assert "infra" not in finding.remedy.command and "apply" not in finding.remedy.command


@pytest.mark.parametrize(
    "name", ["copilot/.workspace", "ecspresso/staging/ecspresso.jsonnet", ".aws/worker.json", "notes.txt"]
)
def test_without_terraform_nobody_is_sent_to_its_files(name: str, tmp_path: Path) -> None:
    """Where another tool may register the task definition, known or not, no apply corrects it."""
    settings = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n    A: str\n"
    write_files(tmp_path, {"config.py": settings, name: '{"containerDefinitions": [{"name": "worker"}]}\n'})
    snapshot = replace(with_reference(healthy(), "worker", "SECRET_KEY", NAME), checkout=read_checkout(tmp_path))
    (finding,) = run_check(CHECKS["bare-name"], snapshot)
    assert finding.remedy.command.startswith("In what registers task definition ohmycoins-staging-worker set ")
    assert "terraform" not in finding.remedy.command.lower()


def test_one_variable_of_two_references_is_one_finding() -> None:
    """Both are named in it, since a person has to choose."""
    other = Injection("SECRET_KEY", parse(f"{ARN}:OPENAI_API_KEY::"))
    twice = with_container(healthy(), "worker", lambda old: replace(old, secrets=(*old.secrets, other)))
    (found,) = run_check(CHECKS["duplicate-name"], twice)
    assert f"{ARN}:SECRET_KEY::, {ARN}:OPENAI_API_KEY::." in found.evidence[1]
    plain = with_container(twice, "worker", lambda old: replace(old, environment=("SECRET_KEY",)))
    (found,) = run_check(CHECKS["duplicate-name"], plain)
    assert found.remedy.command.startswith("Remove SECRET_KEY from environment")


def test_a_valuefrom_in_environment_is_an_error() -> None:
    """The program gets the reference's text as its key; the same variable in secrets is duplicate-name's business."""
    entry = Injection("NEWS_API_KEY", parse(f"{ARN}:NEWS_API_KEY::"))
    plain = with_container(healthy(), "worker", lambda old: replace(old, plain_references=(entry,)))
    (found,) = run_check(CHECKS["plain-secret"], plain)
    assert (found.severity, found.subject) == ("error", "ohmycoins-staging-worker:7 worker NEWS_API_KEY")
    assert f"{entry.reference.text}." in found.evidence[0] and ":NEWS_API_KEY::" in found.remedy.command
    # No task starts with a reference to a key that the secret lacks.
    lacks = "Before that, give NEWS_API_KEY a value in ohmycoins-staging-app-secrets, which lacks this key."
    assert found.remedy.needs == f"{lacks} Take NEWS_API_KEY out of environment in the same change."
    present = Injection("NEWS_TOKEN", parse(f"{ARN}:OPENAI_API_KEY::"))
    (found,) = run_check(
        CHECKS["plain-secret"], with_container(plain, "worker", lambda old: replace(old, plain_references=(present,)))
    )
    assert found.remedy.needs == "Take NEWS_TOKEN out of environment in the same change."
    other = Injection("NEWS_API_KEY", parse(f"{ARN.replace('app-secrets', 'payments')}:NEWS_API_KEY::"))
    (found,) = run_check(
        CHECKS["plain-secret"], with_container(plain, "worker", lambda old: replace(old, plain_references=(other,)))
    )
    assert found.remedy.command.startswith("Inject NEWS_API_KEY by secrets[]")
    own = Injection("SECRET_KEY", parse(f"{ARN}:SECRET_KEY::"))
    assert_clear(
        CHECKS["plain-secret"], with_container(plain, "worker", lambda old: replace(old, plain_references=(own,)))
    )


def test_a_plain_secret_whose_key_the_secret_has_is_only_injected() -> None:
    """Nothing is to be added to the secret."""
    plain = with_container(healthy(), "worker", lambda old: replace(old, plain_secrets=("SMTP_PASSWORD",)))
    (found,) = run_check(CHECKS["plain-secret"], plain)
    assert found.remedy.command.startswith("Inject SMTP_PASSWORD by secrets[], from the secret's key SMTP_PASSWORD")
    assert not found.remedy.runbook


def test_a_plain_secret_is_moved_without_a_word_of_terraforms_files() -> None:
    """The same sentence is for those whose task definition another tool registers."""
    plain = with_container(healthy(), "worker", lambda old: replace(old, plain_secrets=("STRIPE_API_KEY",)))
    (finding,) = run_check(CHECKS["plain-secret"], plain)
    assert finding.remedy.runbook == "add_key"
    assert finding.remedy.needs == "Take STRIPE_API_KEY out of environment in the same change."
