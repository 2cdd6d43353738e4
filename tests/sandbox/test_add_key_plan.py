"""The plan of a new key: refused in one sentence, made for checkouts as they are in the wild, and only for the rest."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from support import terraform_shapes
from support.add_key_runs import EDITED, Adder, signed_in
from support.platform_checkout import Platform, make_platform

from omc_runbook.aws.definitions import Injection
from omc_runbook.aws.failures import ReadFailure
from omc_runbook.changes.add_key.environment_plan import NOTHING, containers_for
from omc_runbook.changes.add_key.plan import AddKeyPlan, KeyEdits, describe
from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import Masked
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.parameters import check
from omc_runbook.model.value_from import parse as reference
from omc_runbook.report import add_key as report
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.runbooks import add_key, key_addition
from omc_runbook.runbooks.run import Run
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.textfile.redaction import redact

pytestmark = pytest.mark.usefixtures("own_registry")

KEY = "NEWS_API_KEY"


@pytest.fixture(scope="module")
def desk(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adder]:
    """A desk with desiredCount 0 for backend, so that its deployments take no time."""
    with pytest.MonkeyPatch.context() as patch:
        adder = Adder(tmp_path_factory.mktemp("desk"), sandbox)
        with signed_in(sandbox, patch, adder.work):
            adder.scale(0)
            yield adder


@pytest.fixture(scope="module")
def run(desk: Adder) -> Run:
    return desk.begun()


@pytest.fixture(scope="module")
def snapshots(run: Run) -> dict[str, Snapshot]:
    return add_key.look(run)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """A checkout of the test's own."""
    (tmp_path / "own").mkdir()
    return make_platform(tmp_path / "own")


def at(run: Run, snapshots: dict[str, Snapshot], root: Path) -> tuple[Run, dict[str, Snapshot]]:
    """The same run and its snapshots, on another checkout."""
    checkout = read_checkout(root)
    return replace(run, checkout=checkout), {
        name: replace(snapshot, checkout=checkout) for name, snapshot in snapshots.items()
    }


def plan_for(run: Run, snapshots: dict[str, Snapshot], root: Path, **arguments: Any) -> AddKeyPlan:
    there, snapshots_there = at(run, snapshots, root)
    plan = add_key.plan(there, snapshots_there, **({"key": KEY, "description": "Headlines"} | arguments))
    assert plan
    return plan


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


PASTED = ("AKIA" + "IOSFODNN7" + "ABCDEFG", "sk-" + "a1B2" * 8, "Xy3" + "kPq9ZtW" * 4)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "lower case": ({"key": "news_api_key"}, "use capitals, digits and _, as in NEWS_API_KEY"),
    "a hyphen": ({"key": "NEWS-API-KEY"}, "as in NEWS_API_KEY"),
    "a digit first": ({"key": "3D_KEY"}, "key is not the name of a variable"),
    "a word of Python": ({"key": "class"}, "as in CLASS"),
    "an access key": ({"key": PASTED[0]}, "key is not the name of a variable"),
    "a pasted key": ({"key": PASTED[1]}, "key is not the name of a variable"),
    "a pasted value": ({"key": PASTED[2]}, "key is not the name of a variable"),
    "several keys": ({"key": "NEWS_API_KEY, NEWS_URL"}, "key takes one name: run add_key once for each key"),
    "too long": ({"key": "A" * 80}, "key is not the name of a variable"),
    "another type in Settings": ({"key": "SMTP_PASSWORD", "type": "int", "values_from": "env:NUMBER"}, "SMTP_PASSWORD"),
    "in the environment": ({"key": "LOG_LEVEL", "type": "str"}, "LOG_LEVEL"),
    "an unknown container": ({"containers": "backnd"}, "No service has a container backnd: did you mean backend?"),
    "one that Terraform lacks": ({"containers": "backend,worker"}, "Add its task definition to Terraform first"),
    "a container twice": ({"containers": "backend,backend"}, "containers names backend twice"),
    "an unknown type": ({"type": "Secrt"}, "defines no type Secrt"),
    "an odd type": ({"type": "__import__('os')"}, "may have only names, dots, brackets and | in it"),
    "a number without a value": (
        {"type": "int", "required": True},
        "which accepts no placeholder: set values_from",
    ),
    "a value of another type": ({"type": "int", "values_from": "env:NEW_VALUE"}, "is not a value of type int"),
    "no address": ({"type": "HttpUrl | None", "values_from": "env:NEW_VALUE"}, "from variable NEW_VALUE is"),
    "no JSON": ({"type": "list[str]", "values_from": "env:NEW_VALUE"}, "which Settings reads as JSON. Nothing was"),
    "no bool": ({"type": "bool", "values_from": "env:NUMBER"}, "is not a value of type bool"),
    "two lines": ({"description": "one\ntwo"}, "description has a line break"),
    "a value in a sentence": ({"description": f"The id is {PASTED[0]}."}, "description has what looks like a secret"),
    "two lines of where": ({"obtain_from": "https://x.test\r"}, "obtain_from has a line break"),
    "no source": ({"values_from": "nonsense"}, "values_from is not a source of values"),
    "no variable": ({"values_from": "env:NOT_SET"}, "is not set or empty"),
    "no file": ({"values_from": "file:/nowhere/values.json"}, "does not exist"),
    "nobody to ask": ({"values_from": "prompt"}, "A prompt needs an interactive session"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_added_is_refused_in_one_sentence(
    desk: Adder, run: Run, snapshots: dict[str, Snapshot], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """Exit code 3, nothing written, and nothing in the sentence that may be a value."""
    arguments, reason = BAD[case]
    monkeypatch.setenv("NUMBER", "12")
    before = tree(desk.platform.root)
    with pytest.raises(UsageError) as error:
        plan_for(run, snapshots, desk.platform.root, **arguments)
    message = str(error.value)
    assert reason in message and "\n" not in message and tree(desk.platform.root) == before
    assert not [value for value in (*PASTED, desk.value) if value[:8] in message]


@pytest.mark.parametrize("type", ["{} | None", "None | {}", "Optional[{}]", "Union[{}, None]", "types.{}", "{}"])
def test_a_type_is_the_same_however_it_is_written(type: str) -> None:
    """With None or without: what may wait for its value, which values it takes, and how its placeholder looks."""
    text, mail, number, address = (
        describe(KEY, "", "", True, type.format(each), ()) for each in ("str", "EmailStr", "int", "HttpUrl")
    )
    assert (text.is_text, mail.is_text, number.is_text, address.is_text) == (True, True, False, False)
    assert not replace(mail, required=False).is_text and replace(text, required=False).is_text
    assert [each.entry({}).form for each in (text, mail, number, address)] == ["text", "email", "number", "url"]
    assert number.takes(Masked("12", KEY)) and not number.takes(Masked("twelve", KEY))


@pytest.mark.parametrize("type", ["int", "bool", "HttpUrl"])
def test_an_optional_key_of_any_type_may_be_empty_where_settings_take_that_for_absent(
    type: str, run: Run, snapshots: dict[str, Snapshot], platform: Platform
) -> None:
    """With env_ignore_empty it waits for its value with nothing in it; without, only a value fits."""
    plan = plan_for(run, snapshots, platform.root, type=type)
    assert plan.environments[0].content == NOTHING and plan.environments[0].write
    platform.edit(platform.config, "        env_ignore_empty=True,\n", "")
    with pytest.raises(UsageError, match="which accepts no placeholder: set values_from"):
        plan_for(run, snapshots, platform.root, type=type)


@pytest.mark.parametrize("type", ["int", "bool", "HttpUrl", "list[str]", "str"])
def test_a_copy_of_the_template_starts_the_application_with_an_optional_key_of_any_type(
    type: str, run: Run, snapshots: dict[str, Snapshot], platform: Platform
) -> None:
    """The guide's `cp .env.template .env` gives the application no placeholder that it cannot read."""
    plan = plan_for(run, snapshots, platform.root, type=type)
    for edit in plan.edits:
        edit.file.path.write_bytes(edit.after)
    platform.dotenv.write_bytes(platform.template.read_bytes())
    process = platform.run_backend(f"from app.core.config import settings; print(settings.{KEY})")
    assert process.returncode == 0, process.stderr


def test_a_name_that_is_another_keys_variable_is_refused(desk: Adder, tmp_path: Path) -> None:
    """runbook.toml says which variable a key fills."""
    toml = tmp_path / "runbook.toml"
    toml.write_text('[keys.news-token]\nvariable = "NEWS_API_KEY"\n')
    run = add_key.begin("staging", "", str(toml), str(desk.platform.root))
    with pytest.raises(UsageError, match="is the variable of the key news-token already"):
        add_key.plan(run, add_key.look(run), KEY)


def test_a_name_that_a_container_has_from_elsewhere_is_refused(
    desk: Adder, run: Run, snapshots: dict[str, Snapshot]
) -> None:
    """From another key of the secret, though Terraform knows nothing of it."""
    snapshot = snapshots["staging"]
    arn = next(each.task_definition_arn for each in snapshot.services if each.name == "backend")
    definition = snapshot.task_definitions[arn]
    assert snapshot.secret
    other = Injection(KEY, reference(f"{snapshot.secret.arn}:SMTP_PASSWORD::"))
    container = replace(definition.containers[0], secrets=(*definition.containers[0].secrets, other))
    definitions = {**snapshot.task_definitions, arn: replace(definition, containers=(container,))}
    with pytest.raises(UsageError, match=rf"has {KEY} from another key or secret already"):
        plan_for(run, {"staging": replace(snapshot, task_definitions=definitions)}, desk.platform.root)


def broken(platform: Platform, case: str) -> None:
    """Make something of a checkout unfit."""
    match case:
        case "config":
            platform.config.write_text("class Settings(:\n")
        case "terraform":
            platform.edit(
                platform.main_tf, 'resource "aws_ecs_cluster" "main" {', 'resource "aws_ecs_cluster" "main" {{'
            )
        case "template":
            platform.template.unlink()
        case "settings":
            platform.config.write_text("import os\n")
        case "latin":
            platform.template.write_bytes(b"# caf\xe9\n")
        case "latin terraform":
            former = platform.root / "infrastructure/former/main.tf"
            former.parent.mkdir()
            former.write_bytes(platform.main_tf.read_bytes())
            platform.main_tf.write_bytes(platform.main_tf.read_bytes() + b"# caf\xe9\n")
        case "method":
            platform.edit(
                platform.config, "    # Redis\n", f"    def {KEY}(self) -> str:\n        return ''\n\n    # Redis\n"
            )
        case "environment":
            platform.edit(platform.main_tf, 'name  = "LOG_LEVEL"', f'name  = "{KEY}"')


BROKEN = {
    "config": "config.py, line 1",
    "terraform": "main.tf",
    "template": "has no .env.template",
    "settings": "Settings",
    "latin": "is not UTF-8 text",
    "latin terraform": "modules/ecs/main.tf is not UTF-8 text",
    "method": KEY,
    "environment": f"{KEY} is taken",
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_checkout_that_is_not_fit_is_told_in_one_sentence(
    platform: Platform, run: Run, snapshots: dict[str, Snapshot], case: str
) -> None:
    """What is wrong and where; nothing is written."""
    broken(platform, case)
    before = tree(platform.root)
    with pytest.raises(UsageError) as error:
        plan_for(run, snapshots, platform.root)
    assert BROKEN[case] in str(error.value) and "\n" not in str(error.value) and tree(platform.root) == before


def test_where_there_is_no_checkout_or_no_secret_nothing_is_begun(
    desk: Adder, run: Run, snapshots: dict[str, Snapshot], tmp_path: Path
) -> None:
    """A folder that is none, a file, an empty one; an environment that is none, and one without a secret."""
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    wrong = {"nowhere": "is not a folder", "file": "is not a folder", "empty": "has no backend/app/core/config.py"}
    for name, reason in wrong.items():
        with pytest.raises(UsageError, match=reason):
            add_key.begin("staging", "", "", str(tmp_path / name))
    with pytest.raises(UsageError, match="did you mean staging"):
        add_key.begin("stagin", "", "", str(desk.platform.root))
    with pytest.raises(UsageError, match="did you mean production"):
        add_key.begin("staging", "staging,prodution", "", str(desk.platform.root))
    both = add_key.begin("staging", "staging,production", "", str(desk.platform.root))
    with pytest.raises(UsageError, match="ohmycoins-production-app-secrets does not exist in production: run create"):
        add_key.plan(both, add_key.look(both), KEY)
    with pytest.raises(UsageError, match="key is empty"):
        key_addition.apply(run, add_key.plan(run, snapshots, " "), True)
    assert key_addition.apply(run, add_key.plan(run, snapshots, ""), False) is None


def test_the_command_ends_with_3_and_one_sentence(desk: Adder) -> None:
    """No record, no traceback; what looks like a value is not even taken as a parameter."""
    before = tree(desk.platform.root)
    ended = desk.add("-p", "apply", "true")
    assert (ended.returncode, ended.stdout) == (3, "") and ended.stderr.startswith("error: key is empty: name the key")
    assert ended.stderr.count("\n") == 1 and tree(desk.platform.root) == before and not desk.record.exists()
    with pytest.raises(UsageError, match='The value of "key" looks like a secret'):
        check(notebooks() / "add_key.ipynb", [("key", "sk-proj-" + "a1b2c3d4" * 4)])


def test_what_cannot_be_edited_ends_with_3_and_one_sentence(desk: Adder) -> None:
    """As any other wrong use, from a process that has not imported what edits files: no record, no class's name."""
    before = tree(desk.platform.root)
    for words, reason in (
        (("DATABASE_ECHO",), "by an alias"),
        (("NEWS_KEY", "-p", "type", "strr"), "did you mean str?"),
    ):
        ended = desk.add("-p", "key", *words, "-p", "apply", "true")
        assert (ended.returncode, ended.stdout) == (3, "") and reason in ended.stderr
        assert ended.stderr.startswith("error: backend/app/core/config.py") and ended.stderr.count("\n") == 1
    assert tree(desk.platform.root) == before and not desk.record.exists()


@pytest.mark.parametrize("name", [*EDITED])
def test_a_file_that_is_read_only_keeps_everything_from_being_begun(desk: Adder, run: Run, name: str) -> None:
    """The secret, too, is as it was: the sentence says nothing was written."""
    desk.anew()
    path = desk.platform.root / name
    path.chmod(0o444)
    plan, before, aws = desk.planned(run), desk.tree(), desk.aws()
    with pytest.raises(UsageError, match=r"is read-only: chmod u\+w .*Nothing was written"):
        key_addition.apply(run, plan, True)
    assert desk.tree() == before and desk.aws() == aws
    path.chmod(0o644)


def test_two_environments_never_share_a_value(run: Run, snapshots: dict[str, Snapshot], desk: Adder) -> None:
    """Typed in twice; from one file or variable it is not taken at all."""
    from omc_runbook.changes.add_key.environment_plan import refuse_same
    from omc_runbook.changes.values.source_file import NewValue

    one, same, other = (NewValue(Masked(text, KEY), "prompt") for text in ("one-value", "one-value", "other-value"))
    refuse_same({"staging": {KEY: one}, "production": {KEY: other}})
    with pytest.raises(UsageError, match=rf"{KEY} would be the same in staging and production"):
        refuse_same({"staging": {KEY: one}, "production": {KEY: same}})


def test_environments_with_one_secret_are_not_planned_together(
    desk: Adder, run: Run, snapshots: dict[str, Snapshot]
) -> None:
    """As by a `secret` in runbook.toml for all of them: the second write would find a change by somebody else."""
    staging = snapshots["staging"]
    other = replace(staging, environment=replace(staging.environment, name="eu"))
    with pytest.raises(UsageError, match=r"staging and eu have the same secret, .*Nothing was written"):
        add_key.plan(run, {"staging": staging, "eu": other}, KEY)


# --- what is planned --------------------------------------------------------------------------------------------------


def holding(snapshot: Snapshot, key: str) -> Snapshot:
    """A snapshot whose secret has the key."""
    current = snapshot.current
    assert current and current.document
    text = current.document.replace({key: Masked("a-value-of-its-own", key)}, ())
    content = Content(current.version_id, parse(text))
    return replace(snapshot, contents={**snapshot.contents, current.version_id: content})


def referring(snapshot: Snapshot, key: str) -> Snapshot:
    """A snapshot whose backend has the reference in force."""
    arn = next(each.task_definition_arn for each in snapshot.services if each.name == "backend")
    definition = snapshot.task_definitions[arn]
    assert snapshot.secret
    new = Injection(key, reference(f"{snapshot.secret.arn}:{key}::"))
    container = replace(definition.containers[0], secrets=(*definition.containers[0].secrets, new))
    return replace(
        snapshot, task_definitions={**snapshot.task_definitions, arn: replace(definition, containers=(container,))}
    )


def test_of_every_subset_that_is_done_the_rest_is_planned(
    run: Run, snapshots: dict[str, Snapshot], platform: Platform
) -> None:
    """All 32 of Settings, template, Terraform, secret and task definition."""
    edits = plan_for(run, snapshots, platform.root).edits
    assert [edit.file.name for edit in edits] == [*EDITED]
    for done in product((False, True), repeat=5):
        for edit, is_done in zip(edits, done, strict=False):
            edit.file.path.write_bytes(edit.after if is_done else edit.file.raw)
        snapshot = holding(snapshots["staging"], KEY) if done[3] else snapshots["staging"]
        snapshot = referring(snapshot, KEY) if done[4] else snapshot
        plan = plan_for(run, {"staging": snapshot}, platform.root)
        files_to_edit = [edit.file.name for edit, is_done in zip(edits, done, strict=False) if not is_done]
        assert [edit.file.name for edit in plan.edits] == files_to_edit
        (environment_plan,) = plan.environments
        assert (environment_plan.write is None, environment_plan.corrections == ()) == done[3:], done
        assert plan.is_empty == all(done)


HIDDEN = (
    'jsonencode([{ name = "backend", secrets = var.secrets }])',
    'jsonencode([{ name = "backend", secrets = [for k in var.keys : { name = k, valueFrom = "${var.arn}:${k}::" }] }])',
    'templatefile("${path.module}/backend.json", {})',
)


@pytest.mark.parametrize("containers", HIDDEN)
def test_a_reference_that_was_added_by_hand_where_it_cannot_be_read_leaves_the_rest(
    run: Run, snapshots: dict[str, Snapshot], platform: Platform, containers: str
) -> None:
    """It is refused until the tasks have it, and then the plan says why Terraform is left alone."""
    text = f'resource "aws_ecs_task_definition" "backend" {{\n  container_definitions = {containers}\n}}\n'
    platform.main_tf.write_text(text)
    with pytest.raises(UsageError, match=r"Add the reference yourself|which is not followed"):
        plan_for(run, snapshots, platform.root)
    plan = plan_for(run, {"staging": referring(holding(snapshots["staging"], KEY), KEY)}, platform.root)
    assert [edit.file.name for edit in plan.edits] == [*EDITED[:2]]
    note = f"The reference of backend to {KEY} is in force, and comes from Terraform that cannot be read"
    assert note in " ".join(report.diffs(plan).to_text().split())
    for edit in plan.edits:
        edit.file.path.write_bytes(edit.after)
    assert plan_for(run, {"staging": referring(holding(snapshots["staging"], KEY), KEY)}, platform.root).is_empty


def test_a_secret_that_cannot_be_read_is_told_of_first(
    run: Run, snapshots: dict[str, Snapshot], platform: Platform
) -> None:
    """Whether a reference in force is the secret's nobody knows then."""
    text = 'resource "aws_ecs_task_definition" "backend" {\n  container_definitions = file("backend.json")\n}\n'
    platform.main_tf.write_text(text)
    gap = ReadFailure("the secret", "secretsmanager:DescribeSecret", "AccessDeniedException", "denied")
    snapshot = replace(snapshots["staging"], secret=None, contents={}, gaps={"secret": (gap,), "contents": (gap,)})
    with pytest.raises(CouldNotLook, match="secretsmanager:DescribeSecret"):
        plan_for(run, {"staging": snapshot}, platform.root)


def test_what_several_containers_need_and_terraform_does_not_have(
    desk: Adder, run: Run, snapshots: dict[str, Snapshot], platform: Platform
) -> None:
    """Where no file has a task definition, each service gets its revision all the same, and the plan says so."""
    for path in (platform.root / "infrastructure").rglob("*.tf"):
        path.unlink()
    plan = plan_for(run, snapshots, platform.root, containers="backend,worker")
    assert [edit.file.name for edit in plan.edits] == [*EDITED[:2]]
    assert [correction.definition.family for correction in plan.environments[0].corrections] == [
        "ohmycoins-staging-backend",
        "ohmycoins-staging-worker",
    ]
    assert "no Terraform with a task definition" in report.diffs(plan).to_text()
    assert any("no Terraform with a task definition" in sentence for sentence in plan.surroundings.sentences)


def test_a_sidecar_that_reads_the_secret_gets_nothing_unasked(
    run: Run, snapshots: dict[str, Snapshot], platform: Platform
) -> None:
    """Only a container that gets what Settings reads is the application; another one can be named."""
    snapshot = snapshots["staging"]
    arn = next(each.task_definition_arn for each in snapshot.services if each.name == "backend")
    definition, secret = snapshot.task_definitions[arn], snapshot.secret
    assert secret
    own = Injection("DD_API_KEY", reference(f"{secret.arn}:SENTRY_DSN::"))
    sidecar = replace(definition.containers[0], name="datadog", secrets=(own,), environment=())
    both = replace(definition, containers=(sidecar, *definition.containers))
    with_sidecar = {"staging": replace(snapshot, task_definitions={**snapshot.task_definitions, arn: both})}
    (correction,) = plan_for(run, with_sidecar, platform.root).environments[0].corrections
    assert [edit.container for edit in correction.edits] == ["backend"]
    assert containers_for(replace(with_sidecar["staging"], checkout=None), describe(KEY, "", "", False, "", ())) == (
        "datadog",
        "backend",
    )
    for path in (platform.root / "infrastructure").rglob("*.tf"):
        path.unlink()
    (correction,) = plan_for(run, with_sidecar, platform.root, containers="datadog").environments[0].corrections
    assert [edit.container for edit in correction.edits] == ["datadog"]


def test_an_environments_own_folder_of_terraforms_is_edited_for_it_alone(
    run: Run, snapshots: dict[str, Snapshot], platform: Platform
) -> None:
    """Where each environment has its task definitions in a folder of its name, those of the run get the reference."""
    own = [platform.staging / "ecs.tf", platform.production / "ecs.tf"]
    for path in own:
        path.write_bytes(platform.main_tf.read_bytes())
    platform.main_tf.unlink()
    plan = plan_for(run, snapshots, platform.root)
    assert [edit.file.path for edit in plan.edits if edit.file.name.endswith(".tf")] == own[:1]
    everywhere = {"staging": ("backend",), "production": ("backend",)}
    edits = KeyEdits(read_checkout(platform.root), plan.key, everywhere).plan(everywhere)
    assert [edit.file.path for edit in edits if edit.file.name.endswith(".tf")] == own


# --- in the wild ------------------------------------------------------------------------------------------------------

PREFIXED = """\
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NEWS_", env_file="../.env", extra="ignore")

    limit: int = 3
"""
CONCAT = """\
locals {
  common = [
    { name = "SECRET_KEY", valueFrom = "${var.secrets_arn}:SECRET_KEY::" },
  ]
}

resource "aws_ecs_task_definition" "backend" {
  family = "backend"
  container_definitions = jsonencode([{
    name    = "backend"
    secrets = concat(local.common, [
      { name = "SMTP_PASSWORD", valueFrom = "${var.secrets_arn}:SMTP_PASSWORD::" },
    ])
  }])
}
"""
HEREDOC = """\
resource "aws_ecs_task_definition" "backend" {
  family = "backend"
  container_definitions = <<JSON
[
  {
    "name": "backend",
    "secrets": [
      {"name": "SECRET_KEY", "valueFrom": "${var.secrets_arn}:SECRET_KEY::"}
    ]
  }
]
JSON
}
"""


def in_crlf(platform: Platform) -> None:
    for name in EDITED:
        path = platform.root / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def without_final_newline(platform: Platform) -> None:
    for name in EDITED:
        path = platform.root / name
        path.write_bytes(path.read_bytes().rstrip(b"\n"))
    platform.template.write_bytes(platform.template.read_bytes().rstrip() + b"\nNEWS_LIMIT=3")


def linked(platform: Platform) -> None:
    """Settings lie elsewhere in the checkout, the template's file too."""
    for path in (platform.config, platform.template):
        target = platform.root / f"shared-{path.name.lstrip('.')}"
        path.rename(target)
        path.symlink_to(target)


def dirty(platform: Platform) -> None:
    platform.edit(platform.config, "class Settings(BaseSettings):", "class Settings(BaseSettings):  # mine")
    platform.template.write_bytes(b"# Mine, not committed.\n" + platform.template.read_bytes())


def prefixed(platform: Platform) -> None:
    platform.config.write_text(PREFIXED)


def concatenated(platform: Platform) -> None:
    platform.main_tf.write_text(CONCAT)


def in_a_heredoc(platform: Platform) -> None:
    platform.main_tf.write_text(HEREDOC)


def nothing(platform: Platform) -> None:
    """As it is."""


WILD = (nothing, in_crlf, without_final_newline, linked, dirty, prefixed, concatenated, in_a_heredoc)


@pytest.mark.parametrize("change", WILD, ids=lambda change: change.__name__)
def test_checkouts_as_they_are_in_the_wild(
    desk: Adder, run: Run, tmp_path: Path, change: Callable[[Platform], None]
) -> None:
    """The lines are found by those who read them, links and line ends stay, and undo gives back every byte."""
    (tmp_path / "own").mkdir()
    platform = make_platform(tmp_path / "own", references="wild")
    change(platform)
    if change not in (dirty, nothing):
        platform.commit()
    key, before = f"NEWS_K{secrets.token_hex(3).upper()}_KEY", tree(platform.root)
    there = replace(run, checkout=read_checkout(platform.root))
    plan = add_key.plan(there, add_key.look(there), key, "Headlines")
    assert plan and plan.dirty == (EDITED[:2] if change is dirty else ())
    result = key_addition.apply(there, plan, True)
    assert result and len(result.patches) == 3
    checkout = read_checkout(platform.root)
    assert checkout.settings.find(key) and dotenv_values(platform.template)[key]
    assert checkout.task_definitions and [
        ref.key for ref in checkout.task_definitions.containers[0].references if ref.variable == key
    ] == [key]
    assert platform.config.is_symlink() == (change is linked)
    for name in EDITED:
        text = (platform.root / name).read_bytes()
        assert b"\n" not in text.replace(b"\r\n", b"") if change is in_crlf else b"\r" not in text
    after = add_key.plan(there, add_key.look(there), key, "Headlines")
    assert after and after.is_empty

    take_files_back(desk, report.undo(plan, result, run.environment).to_text())
    files_after = {name: text for name, text in tree(platform.root).items() if not name.startswith(".git/")}
    assert files_after == {name: text for name, text in before.items() if not name.startswith(".git/")}
    displays = (report.diffs(plan), report.steps(plan), report.undo(plan, result, run.environment))
    assert_fits(*(each.to_text() for each in displays))


@pytest.mark.parametrize("shape", ["live_folders", "one_root", "community_module"])
def test_terraform_of_another_shape_is_edited_and_taken_back(desk: Adder, run: Run, tmp_path: Path, shape: str) -> None:
    """Through a module, a map, a .tfvars file; a second plan is empty, and undo restores each byte."""
    platform: Platform = getattr(terraform_shapes, shape)(tmp_path)
    before = tree(platform.root)
    key, there = f"NEWS2_K{secrets.token_hex(3).upper()}_KEY", replace(run, checkout=read_checkout(platform.root))
    plan = add_key.plan(there, add_key.look(there), key, "Headlines")
    assert plan and len(plan.edits) == 3
    result = key_addition.apply(there, plan, True)
    assert result and len(result.patches) == 3
    there = replace(run, checkout=read_checkout(platform.root))
    after = add_key.plan(there, add_key.look(there), key, "Headlines")
    assert after and after.is_empty
    platform.git("config", "core.autocrlf", "true")
    take_files_back(desk, report.undo(plan, result, run.environment).to_text())
    assert {name: text for name, text in tree(platform.root).items() if not name.startswith(".git/")} == {
        name: text for name, text in before.items() if not name.startswith(".git/")
    }
    assert_fits(report.diffs(plan).to_text(), report.steps(plan).to_text(), report.commit(plan).to_text())


def take_files_back(desk: Adder, undo: str) -> None:
    """Run the command that is shown for the files."""
    (command,) = [line.removeprefix("  → ") for line in undo.splitlines() if " apply --reverse " in line]
    ended = desk.call(command.split())
    assert ended.returncode == 0, ended.stderr


def assert_fits(*texts: str) -> None:
    wide = [line for text in texts for line in text.splitlines() if len(line) > 120 and not line.startswith("  → ")]
    assert wide == []


def test_lines_that_somebody_adds_afterwards_stay_when_it_is_undone(desk: Adder, run: Run, platform: Platform) -> None:
    """Above and below the new ones; and a checkout that is a folder of a larger work tree."""
    key, there = f"NEWS_K{secrets.token_hex(3).upper()}_KEY", replace(run, checkout=read_checkout(platform.root))
    plan = add_key.plan(there, add_key.look(there), key, "Headlines")
    result = key_addition.apply(there, plan, True)
    platform.edit(platform.config, "    # Redis\n", "    MINE: str | None = None\n    # Redis\n")
    platform.config.write_bytes(b"# First.\n" + platform.config.read_bytes())
    take_files_back(desk, report.undo(plan, result, run.environment).to_text())
    text = platform.config.read_text()
    assert "    MINE: str | None = None\n" in text and text.startswith("# First.\n") and key not in text

    larger = platform.root.with_name("larger")
    (larger / "inner").mkdir(parents=True)
    outer = make_platform(larger)
    within = make_platform(larger / "inner", git=False)
    files, there = tree(within.root), replace(run, checkout=read_checkout(within.root))
    plan = add_key.plan(there, add_key.look(there), key, "Headlines")
    result = key_addition.apply(there, plan, True)
    assert result and len(result.patches) == 3 and (outer.root / ".git/omc-runbook").is_dir()
    take_files_back(desk, report.undo(plan, result, run.environment).to_text())
    assert tree(within.root) == files


def test_without_git_it_is_done_all_the_same_and_told(run: Run, tmp_path: Path) -> None:
    """There is no patch, so that the record says what to take out."""
    (tmp_path / "own").mkdir()
    platform = make_platform(tmp_path / "own", git=False)
    key, there, names = (
        f"NEWS_K{secrets.token_hex(3).upper()}_KEY",
        replace(run, checkout=read_checkout(platform.root)),
        {*tree(platform.root)},
    )
    plan = add_key.plan(there, add_key.look(there), key)
    result = key_addition.apply(there, plan, True)
    assert result and result.patches == () and {*tree(platform.root)} == names
    notes = " ".join(report.diffs(plan).to_text().split())
    assert "in no git work tree" in notes and "set the parameter description" in notes
    undo = report.undo(plan, result, run.environment).to_text()
    assert "Remove the new lines shown above" in undo and "git " not in undo


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_where_git_distrusts_the_owner_it_says_so(
    run: Run, snapshots: dict[str, Snapshot], platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A work tree that git does not look into is not taken for none: the command that lets it is named."""
    # A developer's own configuration may trust every folder.
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for path in (platform.root, platform.root / ".git"):
        os.chown(path, 65_534, 65_534)
    (note,) = plan_for(run, snapshots, platform.root).notes
    assert "git config --global --add safe.directory" in note and "no git work tree" not in note


def test_settings_that_derive_from_another_file_are_told_of(
    run: Run, snapshots: dict[str, Snapshot], platform: Platform
) -> None:
    """A class that was not read may give variables a prefix."""
    platform.edit(platform.config, "class Settings(BaseSettings):", "class Settings(AppSettings):")
    (note,) = plan_for(run, snapshots, platform.root).notes
    assert note == f"Class Settings derives from AppSettings of another file: check that {KEY} is read accordingly."


# --- no value ---------------------------------------------------------------------------------------------------------


def test_values_beside_the_place_of_an_edit_are_shown_nowhere(
    desk: Adder, run: Run, platform: Platform, tmp_path: Path
) -> None:
    """In config.py, the template and main.tf, in the line before and the line after; not in a patch either."""
    canaries = [
        secrets.token_hex(16),
        f"a{secrets.token_hex(12)}",
        f"sk-{secrets.token_urlsafe(24)}",
        secrets.token_hex(24).upper(),
    ]
    for canary in canaries:
        name = f"NEWS_A{canaries.index(canary)}_KEY"
        platform.edit(platform.config, "    # Redis\n", f'    {name}: str = "{canary}"\n    # Redis\n')
        platform.edit(platform.template, "OPENAI_API_KEY=", f"{name}={canary}\nOPENAI_API_KEY=")
        element = f'        {{\n          name = "{name}"\n          valueFrom = "{canary}"\n        }},\n'
        platform.edit(platform.main_tf, "      secrets = [\n", f"      secrets = [\n{element}")
    key, there = f"NEWS_K{secrets.token_hex(3).upper()}_KEY", replace(run, checkout=read_checkout(platform.root))
    plan = add_key.plan(there, add_key.look(there), key, "Headlines")
    assert plan
    result = key_addition.apply(there, plan, True)
    displays = [
        report.diffs(plan),
        report.steps(plan),
        report.result(plan, result),
        report.undo(plan, result, run.environment),
    ]
    texts = [text for each in displays for text in each._repr_mimebundle_().values()]
    texts += [path.read_text() for path in (platform.root / ".git/omc-runbook").iterdir()]
    assert not [canary for canary in canaries for text in texts if canary in text or canary[:10] in text]
    assert any("…" in text for text in texts) and all(key in text for text in texts[:2])


def test_a_line_that_has_to_change_is_copied_nowhere_when_it_may_hold_a_value(run: Run, platform: Platform) -> None:
    """Last lines without a newline: no patch of them is kept, the plan says so, and undo says what to remove."""
    canaries = [secrets.token_hex(16) for _ in range(2)]
    head = "from pydantic_settings import BaseSettings\n\n\nclass Settings(BaseSettings):\n"
    platform.config.write_text(f'{head}    NEWS_TOKEN: str = "{canaries[0]}"')
    platform.template.write_text(f"{platform.template.read_text()}NEWS_TOKEN={canaries[1]}")
    key, there = f"NEWS_K{secrets.token_hex(3).upper()}_KEY", replace(run, checkout=read_checkout(platform.root))
    plan = add_key.plan(there, add_key.look(there), key, "Headlines")
    assert plan and {line for edit in plan.edits for line in edit.removed_lines if any(c in line for c in canaries)}
    result = key_addition.apply(there, plan, True)
    assert result and [path.name for path in result.patches] == [
        f"add-{key}-infrastructure-terraform-modules-ecs-main.tf.patch"
    ]
    undo = report.undo(plan, result, run.environment).to_text()
    assert "shown above: backend/app/core/config.py, .env.template." in " ".join(undo.split())
    diffs = report.diffs(plan).to_text()
    assert diffs.count("may contain a value in a changed line: there will be no patch of it") == 2
    texts = [undo, diffs, *(path.read_text() for path in (platform.root / ".git/omc-runbook").iterdir())]
    assert not [canary for canary in canaries for text in texts if canary in text]


VEILED = {
    'SECRET: str = "deadbeefdeadbeefdeadbeef"': 'SECRET: str = "…"',
    "    URL: str = 'postgresql://app:hunter2@db/app'": "    URL: str = '…'",
    '  valueFrom = "${var.secrets_arn}:SMTP_PASSWORD::"': '  valueFrom = "${var.secrets_arn}:SMTP_PASSWORD::"',
    '  { name = "SECRET_KEY", value = "s3cret" },': '  { name = "SECRET_KEY", value = "…" },',
    "    SMTP_PORT: int = 587": "    SMTP_PORT: int = 587",
    '    TOKEN: str = "unclosed': '    TOKEN: str = "…',
    '    A: str = "JBSWY3DPEHPK3PXP"': '    A: str = "…"',
    "    # the old one was f6c3c6f4a1b2c3d4e5f6": "    # the old one was …",
    "    # Exchanges, e.g. Binance's": "    # Exchanges, e.g. Binance's",
    "MIIEvQIBADANBgkqhkiG9w0BAQ": "…",
}
VEILED_TEMPLATE = {
    "SECRET_KEY=hunter2": "SECRET_KEY=…",
    "#SECRET_KEY = hunter2": "#SECRET_KEY = …",
    "export TOKEN='x y'": "export TOKEN=…",
    "API_KEY: hunter2": "API_KEY: …",
    "API_KEY=<your-api-key>": "API_KEY=<your-api-key>",
    "POSTGRES_PASSWORD=changethis": "POSTGRES_PASSWORD=changethis",
    "# Get from: https://platform.openai.com/api-keys": "# Get from: https://platform.openai.com/api-keys",
    "# https://a:b1c2d3e4f5a6b7c8@host.test/": "# https://a:…@host.test/",
    "# Note: keep it": "# Note: keep it",
}


def test_what_is_veiled_and_what_is_shown() -> None:
    """Names, references, numbers, prose and placeholders are shown; literals, values and random words are not."""
    assert {line: redact(line, True) for line in VEILED} == VEILED
    assert {line: redact(line, False) for line in VEILED_TEMPLATE} == VEILED_TEMPLATE
