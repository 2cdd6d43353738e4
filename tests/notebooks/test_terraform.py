"""The Terraform path of the create runbook, at its edge: a stand-in for terraform, the real sandbox behind it."""

from __future__ import annotations

import json
import os
import secrets
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import SUPPORT
from support.runs import COMMAND, Desk, assert_nothing_leaked, client

from omc_runbook.changes.secret.create_plan import CreatePlan
from omc_runbook.masking import kernel
from omc_runbook.model.errors import CouldNotLook, RunbookError, UsageError
from omc_runbook.runbooks import create
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks.button import Button
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.terraform import command as terraform_command
from omc_runbook.terraform.plan_json import ResourceChange, find_harm
from omc_runbook.terraform.secret_versions import SECRET, VERSION, find_unprotected

STANDIN = SUPPORT / "standin_terraform.py"

MAIN = """
variable "password" { sensitive = true }
resource "aws_secretsmanager_secret" "app" {
  name = "app"
}
module "secrets" {
  source    = "../../modules/secrets"
  secret_id = aws_secretsmanager_secret.app.id
}
module "elsewhere" {
  source = "terraform-aws-modules/vpc/aws"
}
"""
MODULE = """
variable "secret_id" {}
resource "aws_secretsmanager_secret_version" "app" {
  secret_id     = var.secret_id
  secret_string = jsonencode({ SECRET_KEY = "temporary-secret-key-please-update" })
  %s
}
"""
GUARD = "lifecycle {\n    ignore_changes = [secret_string]\n  }"


class Terraformer(Desk):
    """A desk with a Terraform configuration, a stand-in on PATH, and a secret's name of its own."""

    def __init__(self, root: Path, sandbox: Sandbox, program: str = "terraform") -> None:
        super().__init__(root, sandbox)
        self.name, self.password = f"own-{secrets.token_hex(4)}", secrets.token_hex(16)
        self.folder = root / "infra" / "environments" / "staging"
        self.folder.mkdir(parents=True)
        (root / "infra" / "modules" / "secrets").mkdir(parents=True)
        self.module = root / "infra" / "modules" / "secrets" / "main.tf"
        (self.folder / "main.tf").write_text(MAIN)
        self.module.write_text(MODULE % GUARD)
        self.log = root / "calls"
        self.secretsmanager = client(sandbox, "secretsmanager")
        bin = root / "bin"
        bin.mkdir()
        standin = bin / program
        standin.write_text(f"#!{sys.executable}\n{STANDIN.read_text()}")
        standin.chmod(0o755)
        self.own = {
            "PATH": f"{bin}{os.pathsep}/usr/bin{os.pathsep}/bin",
            "STANDIN_SECRET": self.name,
            "STANDIN_LOG": str(self.log),
            "TF_VAR_password": self.password,
            "OMC_SECRET": self.name,
            "OMC_CLUSTER": "ohmycoins-staging",
        }
        self.variables |= self.own

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [str(COMMAND), "run", "create", "--record", str(self.record)]
        return self.call([*command, "-p", "terraform_dir", str(self.folder), *arguments], **variables)

    def calls(self) -> list[list[str]]:
        """What the stand-in was called with."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def tree(self) -> dict[str, bytes]:
        """All files of the configuration."""
        folder = self.root / "infra"
        return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def names(self) -> list[str]:
        entries = self.secretsmanager.list_secrets(IncludePlannedDeletion=True)["SecretList"]
        return sorted(secret["Name"] for secret in entries)

    def create(self) -> str:
        response = self.secretsmanager.create_secret(Name=self.name, SecretString='{"SECRET_KEY": "0"}')
        return str(response["ARN"])


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox) -> Terraformer:
    return Terraformer(tmp_path, sandbox)


@pytest.fixture
def here(desk: Terraformer, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Terraformer:
    """The desk for what is called in this process."""
    for name, value in (desk.sandbox.variables | desk.own | {"TMPDIR": str(desk.root / "tmp")}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("tempfile.tempdir", str(desk.root / "tmp"))
    return desk


def plan_of(desk: Terraformer) -> CreatePlan:
    run = runbooks_run.begin("create", "staging")
    return create.plan(run, run.look(), str(desk.folder))


def test_a_dry_run_leaves_no_trace_an_apply_creates_and_a_second_one_finds_it(desk: Terraformer) -> None:
    """The whole notebook: init, plan, its JSON; then exactly that plan file applied, and the output compared."""
    tree, names = desk.tree(), desk.names()
    dry = desk.run()
    assert (dry.returncode, dry.stderr) == (1, "")
    assert "PLAN: nothing was changed (secret-missing)" in dry.stdout
    assert (desk.tree(), desk.names(), desk.outcome()["changes"]) == (tree, names, [])
    assert [call[1] for call in desk.calls()] == ["init", "plan", "show"]

    desk.log.unlink()
    process = desk.run("-p", "apply", "true")
    assert (process.returncode, process.stdout, process.stderr) == (0, "", "")
    (change,) = desk.outcome()["changes"]
    assert (change["action"], change["secret"], change["by"]) == ("created", desk.name, "terraform")
    assert desk.name in desk.names() and desk.outcome()["status"] == "ok"
    init, plan, show, apply, output = desk.calls()
    (file,) = [word.partition("=")[2] for word in plan if word.startswith("-out=")]
    assert file == show[-1] == apply[-1] and not Path(file).exists()
    assert output[1:] == ["output", "-no-color", "-json"] and "-input=false" in init
    page = next(desk.record.glob("*.ipynb")).read_text() + "".join(p.read_text() for p in desk.record.glob("*-*.html"))
    assert "app_secrets_arn" in page and "keys without a value yet" not in page.replace("1 key without", "")

    again = desk.run("-p", "apply", "true")
    assert (again.returncode, desk.outcome()["changes"]) == (0, [])
    files = {name: text for name, text in desk.tree().items() if not name.endswith((".tfstate", ".lock.hcl"))}
    assert files == tree and not [*desk.folder.glob(".terraform/*")]
    # The stand-in gets the password as a variable, and keeps it nowhere but in the plan and in the secret.
    assert_nothing_leaked(desk, [desk.password], *(each.stdout + each.stderr for each in (dry, process, again)))


def test_opentofu_serves_where_there_is_no_terraform(tmp_path: Path, sandbox: Sandbox) -> None:
    """It takes the same commands."""
    desk = Terraformer(tmp_path, sandbox, "tofu")
    assert desk.run("-p", "apply", "true").returncode == 0
    assert desk.outcome()["changes"][0]["by"] == "tofu"


def test_without_either_program_nothing_is_known(desk: Terraformer) -> None:
    """Exit 2 with what to install; the API is not used instead."""
    process = desk.run("-p", "apply", "true", PATH="/nowhere")
    assert process.returncode == 2 and "install one" in process.stderr and desk.name not in desk.names()


FAILURES = {
    "init:provider": ("terraform init", "Failed to query available provider packages", "check the network"),
    "init:credentials": ("terraform init", "No valid credential sources found", "AWS_PROFILE"),
    "init:migration": ("terraform init", "Backend configuration changed", "-migrate-state"),
    "plan:syntax": ("terraform plan", "Unclosed configuration block (main.tf:12)"),
    "plan:variable": ("terraform plan", "No value for required variable (main.tf:1)", "TF_VAR_NAME"),
    "apply:denied": ("terraform apply", "AccessDeniedException", "(main.tf:5)", "A permission is missing"),
    "apply:locked": ("ada@laptop", "3d20d141-88c4-bb14-d677-88c5c9ec329a", "2026-11-24", "force-unlock"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_each_failure_is_told_in_a_sentence_without_a_value(
    here: Terraformer, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    """With the command, the folder, the place and what to do; the plan file is gone, and no secret was made."""
    monkeypatch.setenv("STANDIN_FAILS", failure)
    run = runbooks_run.begin("create", "staging")
    with pytest.raises(CouldNotLook) as error:
        create.apply(run, create.plan(run, run.look(), str(here.folder)), True)
    message = str(error.value)
    assert all(words in message for words in (*FAILURES[failure], str(here.folder)))
    assert here.password not in message and "\n" not in message and "│" not in message
    assert [*(here.root / "tmp").glob("omc-terraform-*")] == [] and here.name not in here.names()


def test_a_plan_whose_state_changed_since_is_refused_by_terraform(here: Terraformer) -> None:
    """The sentence says to plan on top."""
    plan = plan_of(here)
    (here.folder / "terraform.tfstate").write_text('{"serial": 7, "arn": ""}')
    with pytest.raises(CouldNotLook, match=r"Saved plan is stale.*plan on top"):
        create.apply(runbooks_run.begin("create", "staging"), plan, True)


def test_a_plan_is_applied_once(here: Terraformer) -> None:
    """Its file is private while it waits, and gone afterwards; a second try says so."""
    plan, run = plan_of(here), runbooks_run.begin("create", "staging")
    assert plan.draft
    home = plan.draft.file.parent
    assert stat.S_IMODE(home.stat().st_mode) == 0o700 and plan.draft.file.exists()
    create.apply(run, plan, True)
    assert not home.exists()
    with pytest.raises(UsageError, match="applied or dropped already"):
        create.apply(run, plan, True)


def test_where_somebody_can_press_a_button_the_plan_waits_for_it(
    here: Terraformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run drops its plan file elsewhere, and keeps it in JupyterLab: the button applies that very plan."""
    run = runbooks_run.begin("create", "staging")
    dropped = plan_of(here)
    assert create.apply(run, dropped, False) is None and dropped.draft and not dropped.draft.file.exists()
    monkeypatch.setattr(kernel, "allows_input", lambda: True)
    monkeypatch.setenv("JPY_SESSION_NAME", "create.ipynb")
    plan = plan_of(here)
    assert create.apply(run, plan, False) is None
    offered = create.closing(run, plan, False, "").button()
    assert isinstance(offered, Button)
    headlines = [str(getattr(each, "headline", "")) for each in offered._choices[0].act("")]
    assert "was created by terraform" in headlines[0] and here.name in here.names()
    assert plan.draft and not plan.draft.file.exists()


def test_a_plan_that_was_not_confirmed_leaves_no_file(desk: Terraformer) -> None:
    """The run ends between plan and apply, and the plan file with the kernel."""
    process = desk.run("-p", "environment", "production", "-p", "apply", "true")
    assert process.returncode == 3 and 'confirm = "production"' in process.stderr
    assert [call[1] for call in desk.calls()] == ["init", "plan", "show"]
    assert [*(desk.root / "tmp").iterdir()] == []
    assert_nothing_leaked(desk, [desk.password], process.stdout, process.stderr)


def test_what_hangs_is_interrupted_and_may_end_by_itself(here: Terraformer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform gets the signal at which it writes its state."""
    monkeypatch.setenv("STANDIN_FAILS", "plan:hang")
    monkeypatch.setitem(terraform_command.SECONDS, "plan", 1)
    with pytest.raises(CouldNotLook, match="did not end within 1 s"):
        plan_of(here)
    assert (here.root / "interrupted").exists()


def test_a_plan_of_an_unknown_form_is_not_guessed_at(here: Terraformer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another major version of the JSON is refused."""
    monkeypatch.setenv("STANDIN_FORMAT", "2.0")
    with pytest.raises(CouldNotLook, match="unknown format"):
        plan_of(here)


def test_a_lock_file_that_is_there_is_not_written(here: Terraformer) -> None:
    """Terraform runs with -lockfile=readonly; a missing one is made for the apply and only then."""
    lock = here.folder / ".terraform.lock.hcl"
    plan_of(here).drop()
    assert "-lockfile=readonly" not in here.calls()[0] and not lock.exists()
    lock.write_text("mine")
    plan_of(here).drop()
    assert "-lockfile=readonly" in here.calls()[3] and lock.read_text() == "mine"


def test_what_an_earlier_init_chose_holds(here: Terraformer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workspace and backend go along, and providers are lent; Terraform's logs are off."""
    data = here.folder / ".terraform"
    package = data / "providers" / "registry.terraform.io" / "hashicorp" / "aws" / "6.0.0" / "linux_amd64"
    package.mkdir(parents=True)
    (data / "environment").write_text("blue")
    monkeypatch.setenv("TF_LOG", "trace")
    draft = plan_of(here).draft
    assert draft
    mine = Path(draft.variables["TF_DATA_DIR"])
    assert (mine / "environment").read_text() == "blue" and "TF_LOG" not in draft.variables
    assert (mine / package.relative_to(data)).resolve() == package.resolve()
    draft.drop()
    assert package.is_dir()


def test_terraform_in_another_region_is_noticed(here: Terraformer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its output is an ARN that AWS here does not have."""
    monkeypatch.setenv("STANDIN_REGION", "eu-west-1")
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("no read can become another one"))
    with pytest.raises(CouldNotLook, match=r"eu-west-1.*this account and region"):
        create.apply(runbooks_run.begin("create", "staging"), plan_of(here), True)


@pytest.mark.parametrize("text", ["no folder", "no file"])
def test_a_folder_without_a_configuration_is_refused(here: Terraformer, text: str) -> None:
    """Before Terraform runs."""
    (here.folder / "main.tf").unlink()
    here.folder = here.folder if text == "no file" else here.folder / "nothing"
    with pytest.raises(UsageError, match="terraform_dir"):
        plan_of(here)
    assert not here.log.exists()


HARM = {
    "delete,no-op": "terraform-destroys",
    "delete+create,create": "terraform-destroys",
    "no-op,no-op": "terraform-creates-none",
}


@pytest.mark.parametrize("actions", HARM)
def test_a_plan_that_does_harm_is_a_finding_and_is_not_applied(
    here: Terraformer, monkeypatch: pytest.MonkeyPatch, actions: str
) -> None:
    """A dry run names it; an apply refuses in one sentence, and the plan file is gone."""
    monkeypatch.setenv("STANDIN_ACTIONS", actions)
    plan, run = plan_of(here), runbooks_run.begin("create", "staging")
    assert plan.draft and plan.harm[0].check == HARM[actions]
    with pytest.raises(UsageError, match="terraform's plan was not applied") as error:
        create.apply(run, plan, True)
    assert "\n" not in str(error.value) and here.name not in here.names() and not plan.draft.file.exists()


def test_values_that_terraform_would_write_over_are_warned_of(desk: Terraformer) -> None:
    """The secret is there: nothing is applied, and a version that would be created anew is found, with the way out."""
    arn = desk.create()
    (desk.folder / "terraform.tfstate").write_text(json.dumps({"serial": 3, "arn": arn}))
    process = desk.run("-p", "apply", "true", STANDIN_ACTIONS="no-op,delete+create")
    (harm,) = [finding for finding in desk.outcome()["findings"] if finding["family"] == "terraform"]
    assert (process.returncode, harm["check"], harm["severity"]) == (1, "terraform-recreates", "error")
    remedy, terraform = harm["remedy"]["command"], f"terraform -chdir={desk.folder.resolve()}"
    assert f"{terraform} state rm" in remedy and f"&& {terraform} import" in remedy and f"{arn}|" in remedy
    assert "apply" not in [call[1] for call in desk.calls()] and desk.outcome()["changes"] == []


def test_a_secret_that_terraform_does_not_know_is_to_be_imported(here: Terraformer) -> None:
    """Its plan would create it and fail half way."""
    arn = here.create()
    plan = plan_of(here)
    assert [finding.check for finding in plan.warnings] == ["terraform-unaware"]
    assert plan.harm[0].remedy.command == (
        f"terraform -chdir={here.folder.resolve()} import aws_secretsmanager_secret.app {arn}"
    )
    assert create.apply(runbooks_run.begin("create", "staging"), plan, True) is None


def test_a_version_without_ignore_changes_is_a_remark(here: Terraformer) -> None:
    """The creation is done all the same, and the remark names the resource in its module."""
    here.module.write_text(MODULE % "")
    plan = plan_of(here)
    (finding,) = plan.warnings
    assert (finding.check, finding.severity) == ("terraform-unguarded", "info")
    assert finding.subject == "module.secrets.aws_secretsmanager_secret_version.app"
    assert create.apply(runbooks_run.begin("create", "staging"), plan, True) and here.name in here.names()


GUARDS = {
    GUARD: [],
    "lifecycle { ignore_changes = all }": [],
    "lifecycle {\n    ignore_changes = [version_stages, secret_string]\n  }": [],
    "lifecycle { prevent_destroy = true }": ["module.secrets.aws_secretsmanager_secret_version.app"],
    "lifecycle {\n    ignore_changes = [version_stages]\n  }": ["module.secrets.aws_secretsmanager_secret_version.app"],
    "": ["module.secrets.aws_secretsmanager_secret_version.app"],
}


@pytest.mark.parametrize("guard", GUARDS)
def test_the_files_tell_which_values_are_guarded(desk: Terraformer, guard: str) -> None:
    """In modules that are taken by their path as well."""
    desk.module.write_text(MODULE % guard)
    assert [each.address for each in find_unprotected(desk.folder)] == GUARDS[guard]


def test_files_that_are_not_valid_are_left_to_terraform(desk: Terraformer) -> None:
    """They are no error here, nor is a module that takes itself."""
    desk.module.write_text('resource "aws_secretsmanager_secret_version" {')
    (desk.folder / "loop.tf").write_text('module "again" { source = "./" }')
    assert find_unprotected(desk.folder) == ()


def change(kind: str, *actions: str, of: str = "") -> ResourceChange:
    return ResourceChange(f"{kind}.x", kind, actions, of)


def test_only_what_concerns_the_secret_is_judged(sandbox: Sandbox, here: Terraformer) -> None:
    """A version of another secret is not reported; a secret that would be destroyed always is."""
    here.create()
    existing = runbooks_run.begin("create", "staging").look().secret
    others = (change(VERSION, "create", of="other"), change(SECRET, "create", of="other"), change("aws_vpc", "delete"))
    assert find_harm(others, here.name, existing, here.folder) == ()
    (finding,) = find_harm((change(SECRET, "delete", of="other"),), here.name, existing, here.folder)
    assert finding.check == "terraform-destroys"


def test_errors_are_ours(here: Terraformer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that cannot be started is reported like any other failure."""
    monkeypatch.setattr(terraform_command, "find_program", lambda folder: str(here.folder))
    with pytest.raises(RunbookError, match="could not be started"):
        plan_of(here)
