"""add_key on checkouts of other shapes: each edit is the right one, or a person is told how to go on."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import terraform_shapes
from support.moto_environment import Wire, between, build, mock_aws
from support.platform_checkout import Platform, make_platform

from omc_runbook.changes.add_key.plan import AddKeyPlan
from omc_runbook.model.errors import CannotFollow, UsageError
from omc_runbook.report import add_key as report
from omc_runbook.runbooks import add_key

KEY = "OAUTH2_CLIENT_SECRET"


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Staging in moto; production has no secret."""
    with mock_aws(), between(Wire()):
        build(("backend",))
        yield


def plan(platform: Platform, key: str = KEY, **parameters: Any) -> AddKeyPlan:
    run = add_key.begin("staging", "", "", str(platform.root))
    key_plan = add_key.plan(run, add_key.look(run), key, **{"description": "Sign in", **parameters})
    assert key_plan
    return key_plan


def lines_added(key_plan: AddKeyPlan) -> dict[str, list[str]]:
    """By Terraform file the lines that are added."""
    return {
        edit.file.name: [line[1:].strip() for line in edit.diff.split("\n")[2:] if line.startswith("+")]
        for edit in key_plan.edits
        if edit.file.name not in ("backend/app/core/config.py", ".env.template")
    }


def text_of(key_plan: AddKeyPlan) -> str:
    """The plan as a person reads it, with each blank as one."""
    listings = (report.diffs(key_plan), report.steps(key_plan), report.commit(key_plan))
    return " ".join(" ".join(each.to_text() for each in listings).split())


def test_live_folders(tmp_path: Path) -> None:
    """Staging's own call gets the reference; the module's initial value, a Compose file and CI are named."""
    key_plan = plan(terraform_shapes.live_folders(tmp_path))
    assert lines_added(key_plan) == {
        "terraform/live/staging/main.tf": [f'{KEY}     = "${{module.secrets.arn}}:{KEY}::"'],
    }
    assert [edit.file.name for edit in key_plan.edits][:2] == ["backend/app/core/config.py", ".env.template"]
    assert key_plan.surroundings.shared == ()
    text = text_of(key_plan)
    assert ".github/workflows/infrastructure.yml, line 11: a push to main that touches terraform/** runs" in text
    assert "terraform apply -auto-approve in terraform/live/staging." in text
    assert [(each.file, each.addition) for each in key_plan.surroundings.locations] == [
        ("terraform/modules/secrets/main.tf", f'"{KEY}" = ""'),
        ("docker-compose.deploy.yml", f"- {KEY}=${{{KEY}}}"),
    ]
    assert f"Add - {KEY}=${{{KEY}}}" in text and "…" not in text.partition("Planned steps")[2]


def test_one_root(tmp_path: Path) -> None:
    """The environment's .tfvars gets the key, and GitLab's pipeline is named."""
    key_plan = plan(terraform_shapes.one_root(tmp_path))
    assert lines_added(key_plan) == {"infra/vars/staging.tfvars": [f'"{KEY}",']}
    assert key_plan.surroundings.shared == ()
    assert ".gitlab-ci.yml, line 3: a push runs terraform apply in infra." in text_of(key_plan)


@pytest.mark.parametrize("family", ["ohmycoins-staging-backend", "ohmycoins-production-backend"])
def test_terraform_plans_with_the_environment_s_values_or_nothing_is_done(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One folder serves all environments; a plan of another one's task definition is refused."""
    platform = terraform_shapes.one_root(tmp_path / "checkout")
    change = {"actions": ["delete", "create"], "after": {"family": family}}
    definition = {"address": "aws_ecs_task_definition.app", "type": "aws_ecs_task_definition", "change": change}
    shown = json.dumps({"format_version": "1.2", "resource_changes": [definition]})
    log, program = tmp_path / "log", tmp_path / "bin/terraform"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {log}\n[ "$1" != show ] || echo \'{shown}\'\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    if "production" in family:
        reason = f"would change {family} in .*/infra, and not ohmycoins-staging-backend, which staging runs: name its"
        with pytest.raises(UsageError, match=reason):
            plan(platform, terraform_dir="infra")
    else:
        (own,) = plan(platform, terraform_dir="infra").environments
        assert own.terraform == (("aws_ecs_task_definition.app", "replace"),)
        assert own.terraform_values == ("vars/staging.tfvars",)
        assert log.read_text().splitlines()[1].endswith(" -var-file=vars/staging.tfvars")
        monkeypatch.setenv("TF_CLI_ARGS_plan", "-var-file=vars/other.tfvars")
        plan(platform, terraform_dir="infra")
        assert "-var-file" not in log.read_text().splitlines()[-2]


def test_a_module_of_the_registry(tmp_path: Path) -> None:
    """Its container's own list gets the reference; workspaces share the file, and the workflow's env is named."""
    key_plan = plan(terraform_shapes.community_module(tmp_path))
    arn = "${data.aws_secretsmanager_secret.app.arn}"
    assert lines_added(key_plan) == {
        "infrastructure/main.tf": [f'{{ name = "{KEY}", valueFrom = "{arn}:{KEY}::" }},'],
    }
    (shared,) = key_plan.surroundings.shared
    assert (shared.environment, shared.folders, shared.has_key) == ("production", ("infrastructure",), None)
    assert "Makefile, line 3 (run by .github/workflows/release.yml, line 12)" in text_of(key_plan)
    assert [(each.file, each.line) for each in key_plan.surroundings.locations] == [
        (".github/workflows/release.yml", 5)
    ]


def test_a_definition_in_json_is_refused_with_a_way_on(tmp_path: Path) -> None:
    """File and line, and what to write; once that is there, the rest is done and it is left as it is."""
    platform = terraform_shapes.json_definition(tmp_path)
    with pytest.raises(CannotFollow) as raised:
        plan(platform)
    assert ".aws/task-definition.json, line 3 has containers" in str(raised.value)
    assert f'valueFrom = "ARN:{KEY}::", run again' in str(raised.value)
    path = platform.root / ".aws/task-definition.json"
    entry = f'"secrets": [\n        {{"name": "{KEY}", "valueFrom": "arn:aws:secretsmanager:::secret:app:{KEY}::"}},'
    path.write_text(path.read_text().replace('"secrets": [', entry))
    key_plan = plan(platform)
    assert lines_added(key_plan) == {}
    assert any(note.startswith(f".aws/task-definition.json, line 8 has {KEY} already.") for note in key_plan.notes)
    assert ".github/workflows/deploy.yml, line 8: a push to main runs aws-actions/" in text_of(key_plan)


def test_the_platform_s_own_module_is_shared(tmp_path: Path) -> None:
    """The plan names who shares the module, the secret, what the next apply would do, and the command."""
    key_plan = plan(make_platform(tmp_path), required=True, obtain_from="https://id.example.com")
    (shared,) = key_plan.surroundings.shared
    assert shared.environment == "production"
    assert shared.folders == ("infrastructure/terraform/environments/production",)
    assert shared.files == ("infrastructure/terraform/modules/ecs/main.tf",)
    assert "whether ohmycoins-production-app-secrets has the key is unknown (there is no secret" in shared.consequence
    assert "omc-runbook init -p environment production)" in shared.consequence
    command = shared.remedy.invocation
    assert command.startswith("omc-runbook run add_key -p environment production -p repository ")
    assert f"-p key {KEY}" in command and "-p required true" in command and "-p obtain_from https://" in command
    assert any(line.startswith("production is not changed, and shares infrastructure/") for line in key_plan.sentences)
    text = text_of(key_plan)
    assert "production, not asked for" in text and "-p environment production" in text
    assert [(each.file, each.addition) for each in key_plan.surroundings.locations] == [
        (
            "infrastructure/terraform/modules/secrets/main.tf",
            f'"{KEY}" = "temporary-oauth2-client-secret-please-update"',
        )
    ]


def test_an_initial_value_that_an_apply_writes_again(tmp_path: Path) -> None:
    """Without ignore_changes the key is taken away by the next apply, and the plan says so."""
    platform = make_platform(tmp_path)
    platform.edit(platform.secrets_tf, "ignore_changes = [secret_string]", "create_before_destroy = true")
    key_plan = plan(platform)
    assert f"the next apply removes {KEY} from the secret." in text_of(key_plan)
    # Its placeholders must not become the values.
    assert [each.addition for each in key_plan.surroundings.locations] == [
        "lifecycle { ignore_changes = [secret_string] }"
    ]


def test_the_file_that_opentofu_leaves_out_is_told(tmp_path: Path) -> None:
    """Of main.tofu and main.tf the first is edited; who still applies terraform needs the second too."""
    platform = make_platform(tmp_path)
    twin = platform.main_tf.with_suffix(".tofu")
    twin.write_text(platform.main_tf.read_text())
    key_plan = plan(platform)
    assert {*lines_added(key_plan)} == {"infrastructure/terraform/modules/ecs/main.tofu"}
    (location,) = (each for each in key_plan.surroundings.locations if each.file.endswith("ecs/main.tf"))
    assert "SENTRY_DSN" in platform.main_tf.read_text().split("\n")[location.line - 1]
    assert f"OpenTofu reads {twin.relative_to(platform.root)} in its place" in text_of(key_plan)
    platform.main_tf.write_text(key_plan.edits[-1].after.decode())
    assert "OpenTofu reads" not in text_of(plan(platform))


@pytest.mark.parametrize("key", ["PATH", "LD_PRELOAD", "PYTHONPATH", "AWS_SECRET_ACCESS_KEY", "ECS_AGENT_URI"])
def test_a_variable_that_a_container_lives_by_is_refused(key: str, tmp_path: Path) -> None:
    """A task with a secret in its place would find no program, or sign in as somebody else."""
    with pytest.raises(UsageError, match=f"{key} is a variable by which .* as in APP_{key}. Nothing was written"):
        plan(make_platform(tmp_path), key)


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("VITE_STRIPE_SECRET_KEY", "so a secret in it is public. Add STRIPE_SECRET_KEY to the backend"),
        ("NEXT_PUBLIC_API_URL", "and no field of the backend. Set it where the frontend is built"),
    ],
)
def test_a_variable_of_the_frontend_is_refused(key: str, reason: str, tmp_path: Path) -> None:
    """With the reason, and what to do instead."""
    with pytest.raises(UsageError) as raised:
        plan(make_platform(tmp_path), key)
    assert reason in str(raised.value)


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ('echo "OPENAI_API_KEY=${{ secrets.OPENAI_API_KEY }}" >> .env', 7),
        ("cat > .env <<EOF\n          A=1\n          SECRET_KEY=${{ secrets.APP_KEY }}\n          EOF", 9),
        ('echo "OPENAI_API_KEY=${{ secrets.OPENAI_API_KEY }}" >> "$GITHUB_ENV"', 0),
        (f'echo "OPENAI_API_KEY=${{{{ secrets.A }}}}" >> .env; echo "{KEY}=${{{{ secrets.B }}}}" >> .env', 0),
        ("cp .env.ci .env", 0),
    ],
)
def test_a_workflow_that_writes_a_dotenv_is_told(tmp_path: Path, script: str, line: int) -> None:
    """Where it gives it other secrets line by line; one that has the key already, or copies a file, is not."""
    platform = make_platform(tmp_path)
    path = platform.root / ".github" / "workflows" / "deploy.yml"
    path.parent.mkdir(parents=True)
    path.write_text(f"on: push\njobs:\n  deploy:\n    runs-on: x\n    steps:\n      - run: |\n          {script}\n")
    key_plan = plan(platform)
    locations = [each for each in key_plan.surroundings.locations if each.file.endswith("deploy.yml")]
    assert [(each.line, each.addition, each.command) for each in locations] == (
        [(line, f"{KEY}=${{{{ secrets.{KEY} }}}}", f"gh secret set {KEY}")] if line else []
    )


@pytest.mark.long
@pytest.mark.parametrize("key", [KEY, "REDIS_PASSWORD"])
def test_a_pipeline_that_writes_a_dotenv_is_told(tmp_path: Path, key: str) -> None:
    """The line to add, unless the key is there already."""
    platform = make_platform(tmp_path)
    lines = "".join(f"    - echo {name}=${name} >> .env\n" for name in ("SECRET_KEY", "REDIS_PASSWORD"))
    (platform.root / ".gitlab-ci.yml").write_text(f"deploy:\n  script:\n{lines}")
    locations = [each for each in plan(platform, key).surroundings.locations if each.file == ".gitlab-ci.yml"]
    assert [(each.line, each.addition) for each in locations] == (
        [(4, f"echo {KEY}=${KEY} >> .env")] if key == KEY else []
    )


@pytest.mark.parametrize("key", [KEY, "SECRET_KEY"])
def test_a_step_that_renders_a_containers_secrets_is_told(tmp_path: Path, key: str) -> None:
    """The line to add, unless the key is there already."""
    platform = make_platform(tmp_path)
    step = "deploy:\n  script:\n    - render:\n        secrets: |\n          SECRET_KEY=${{ vars.ARN }}:SECRET_KEY::\n"
    (platform.root / ".gitlab-ci.yml").write_text(step)
    locations = [each for each in plan(platform, key).surroundings.locations if each.file == ".gitlab-ci.yml"]
    assert [(each.line, each.addition) for each in locations] == (
        [(5, f"{key}=${{{{ vars.ARN }}}}:{key}::")] if key == KEY else []
    )
    assert all(each.reason.startswith("This step renders the task definition") for each in locations)


def test_each_step_that_renders_a_containers_secrets_is_told(tmp_path: Path) -> None:
    """Also where another one has the key."""
    platform = make_platform(tmp_path)
    step = "    - render:\n        secrets: |\n          SECRET_KEY=${{ vars.ARN }}:SECRET_KEY::\n"
    other = step + f"          {KEY}=${{{{ vars.ARN }}}}:{KEY}::\n"
    (platform.root / ".gitlab-ci.yml").write_text(f"deploy:\n  script:\n{other}{step}")
    locations = [each for each in plan(platform, KEY).surroundings.locations if each.file == ".gitlab-ci.yml"]
    assert [(each.line, each.addition) for each in locations] == [(9, f"{KEY}=${{{{ vars.ARN }}}}:{KEY}::")]


@pytest.mark.parametrize(("line", "lines"), [("    env_file: .env\n", [4]), ("", [])])
def test_what_a_workflow_passes_to_a_service_with_a_file_is_told(tmp_path: Path, line: str, lines: list[int]) -> None:
    """Of the workflow's env Compose gives it what its list names, else the file's; a list alone is edited."""
    platform = make_platform(tmp_path)
    platform.compose.write_text(
        f"services:\n  backend:\n    build: backend\n    environment:\n      - SECRET_KEY=${{SECRET_KEY}}\n{line}"
        "  db:\n    image: postgres\n    env_file: .env\n    environment: [POSTGRES_PASSWORD]\n"
    )
    platform.override.unlink()
    path = platform.root / ".github" / "workflows" / "deploy.yml"
    path.parent.mkdir(parents=True)
    path.write_text(
        "on: push\njobs:\n  deploy:\n    env:\n      SECRET_KEY: ${{ secrets.SECRET_KEY }}\n"
        "    steps:\n      - run: docker compose up -d\n"
    )
    key_plan = plan(platform)
    edited = {"docker-compose.yml", ".github/workflows/deploy.yml"} & {edit.file.name for edit in key_plan.edits}
    assert len(edited) == 2 - len(lines)
    locations = [each for each in key_plan.surroundings.locations if each.file == "docker-compose.yml"]
    assert [(each.line, each.addition) for each in locations] == [(at + 1, f"- {KEY}=${{{KEY}}}") for at in lines]


def test_a_list_that_a_service_merges_is_told(tmp_path: Path) -> None:
    """Its service gets a variable by <<, as others get it by its list; a database's own does not count."""
    platform = make_platform(tmp_path)
    platform.compose.write_text(
        "x-env: &env\n  SECRET_KEY: ${SECRET_KEY}\nservices:\n  backend:\n    build: backend\n    environment:\n"
        "      <<: [*env, {POSTGRES_PASSWORD: x}]\n      LOG_LEVEL: info\n  db:\n    image: postgres\n"
        "    environment:\n      <<: {POSTGRES_PASSWORD: x}\n"
    )
    platform.override.unlink()
    locations = [each for each in plan(platform).surroundings.locations if each.file == "docker-compose.yml"]
    assert [(each.line, each.addition) for each in locations] == [(7, f"{KEY}: ${{{KEY}}}")]


@pytest.mark.parametrize("is_in_git", [True, False])
def test_without_git_there_is_no_command_of_git(tmp_path: Path, is_in_git: bool) -> None:
    """A pasted one would fail."""
    key_plan = plan(make_platform(tmp_path, git=is_in_git))
    assert ("git commit" in report.commit(key_plan).to_text()) is is_in_git and key_plan.edits


@pytest.mark.long
def test_the_edits_in_a_submodule_are_committed_there(tmp_path: Path) -> None:
    """Git adds no file of a submodule from outside."""
    platform = make_platform(tmp_path)
    infrastructure = Platform(platform.root / "infrastructure")
    platform.git("rm", "-r", "--quiet", "--cached", "infrastructure")
    for words in (["init", "--quiet"], ["config", "user.name", "Ada"], ["config", "user.email", "ada@example.org"]):
        infrastructure.git(*words)
    infrastructure.commit("Infrastructure")
    platform.git("submodule", "add", "--quiet", "./infrastructure", "infrastructure")
    platform.commit("Infrastructure is a submodule")
    key_plan = plan(platform)
    for edit in key_plan.edits:
        edit.file.path.write_bytes(edit.after)
    for entry in report.commit(key_plan).entries:
        subprocess.run(entry.command, shell=True, check=True)
    assert not platform.git("status", "--porcelain", "--ignore-submodules").strip()
    assert not infrastructure.git("status", "--porcelain").strip()


def test_a_committed_dotenv_is_the_template(tmp_path: Path) -> None:
    """As local_setup takes it; not one with a secret's value, which a diff would show, and none that git has not."""
    platform = make_platform(tmp_path)
    platform.template.rename(platform.dotenv)
    platform.dotenv.write_text("DOMAIN=localhost\nSECRET_KEY=changethis\nSMTP_PASSWORD=\n")
    with pytest.raises(UsageError, match=r"has no \.env\.template: .* or a committed \.env without a secret's value"):
        plan(platform)
    platform.git("init", "-q")
    platform.git("add", "--force", ".env")
    platform.git("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "commit", "-qm", "x")
    edits = {edit.file.name: edit for edit in plan(platform).edits}
    assert f"\n{KEY}=" in edits[".env"].after.decode()
    platform.dotenv.write_bytes(edits[".env"].after)
    assert ".env" not in [edit.file.name for edit in plan(platform).edits]
    platform.edit(platform.dotenv, "SMTP_PASSWORD=", "SMTP_PASSWORD=hunter2")
    with pytest.raises(UsageError, match=r"has no \.env\.template"):
        plan(platform)
