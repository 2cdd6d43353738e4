"""add_key with Terraform, at its edge: a stand-in for terraform that reads the modules, the real sandbox behind it."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.add_key_runs import Adder, digest, signed_in
from support.paths import SUPPORT
from support.platform_terraform import GUIDE

from omc_runbook.model.errors import ConflictError, CouldNotLook, UsageError
from omc_runbook.report import add_key as report
from omc_runbook.repository.checkout import read_checkout
from omc_runbook.runbooks import add_key, key_addition
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds.staging import CLUSTER, STAGING
from omc_runbook.terraform.command import preview
from omc_runbook.terraform.task_definitions_edit import add_reference
from omc_runbook.textfile.file import Edit

STANDIN = SUPPORT / "standin_ecs_terraform.py"
FOLDER = "infrastructure/terraform/environments/{environment}"
PLANNED = [
    ("module.ecs.aws_ecs_task_definition.backend", "replace"),
    ("module.ecs.aws_ecs_service.backend", "update"),
]


class Terraformer(Adder):
    """A desk with the stand-in on PATH, which knows of the guide's references."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        super().__init__(root, sandbox)
        program = root / "bin" / "terraform"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {STANDIN} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.log, self.state = root / "log", root / "state"
        self.state.write_text(json.dumps({"serial": 1, "references": GUIDE}))
        self.variables_of_standin = {
            "PATH": f"{program.parent}:/usr/bin:/bin",
            "STANDIN_LOG": str(self.log),
            "STANDIN_STATE": str(self.state),
        }

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Where and with which verb it was called."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(json.loads(line)[0], json.loads(line)[1]) for line in lines]


@pytest.fixture
def here(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, own_registry: None
) -> Iterator[Terraformer]:
    """The desk, with the references of the guide in force again afterwards."""
    desk = Terraformer(tmp_path, sandbox)
    with signed_in(sandbox, monkeypatch, desk.work):
        for name, value in {**desk.variables_of_standin, "NEW_VALUE": desk.value}.items():
            monkeypatch.setenv(name, value)
        yield desk
    first = f"{STAGING}-backend:1"
    if not desk.service()["taskDefinition"].endswith(first):
        desk.world.ecs.update_service(cluster=CLUSTER, service="backend", taskDefinition=first)
        desk.world.settle()


def edits(desk: Terraformer) -> list[Edit]:
    declared = read_checkout(desk.platform.root).task_definitions
    edit = add_reference(declared, "backend", desk.key, desk.key) if declared else None
    assert edit
    return [edit]


def test_a_dry_run_plans_on_a_copy_and_exactly_that_is_applied(here: Terraformer) -> None:
    """By the real command: nothing of Terraform's is in the checkout before, and new tasks are proved after."""
    before, aws = here.tree(), here.aws()
    words = ("-p", "key", here.key, "-p", "values_from", "env:NEW_VALUE", "-p", "terraform_dir", FOLDER)
    dry = here.add(*words, NEW_VALUE=here.value, **here.variables_of_standin)
    assert (dry.returncode, dry.stderr) == (0, "") and here.tree() == before and here.aws() == aws
    assert [verb for _, verb in here.calls] == ["init", "plan", "show"]
    assert not [folder for folder, _ in here.calls if Path(folder).is_relative_to(here.platform.root)]

    run = here.begun()
    plan = here.planned(run, values_from="env:NEW_VALUE", terraform_dir=FOLDER)
    assert [*(plan.environments[0].terraform or ())] == PLANNED and plan.environments[0].corrections == ()
    text = report.steps(plan).to_text()
    assert all(f"Terraform: {address} ({action})." in " ".join(text.split()) for address, action in PLANNED)
    result = key_addition.apply(run, plan, True)
    assert result and result.is_proved and here.digests() == [digest(here.value)] * 2
    actions = [change.action for change in result.changes]
    assert actions == ["added", *["edited"] * 3, *["applied"] * 2, "redeployed"]
    assert here.calls[-1][1] == "output" and here.calls[-1][0].endswith("environments/staging")
    new_files = {name for name in here.tree() if name not in before and not name.startswith(".git/")}
    assert new_files == {"infrastructure/terraform/environments/staging/.terraform.lock.hcl"}

    again = here.planned(run, values_from="env:NEW_VALUE", terraform_dir=FOLDER)
    assert again.is_empty and again.environments[0].terraform == ()
    nothing = key_addition.apply(run, again, True)
    assert nothing and nothing.changes == ()
    assert "apply Terraform again" in report.undo(plan, result, run.environment).to_text()


def test_another_plan_than_was_shown_is_not_applied(here: Terraformer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has changed the configuration meanwhile: the files have the key, tasks and state are as they were."""
    monkeypatch.setenv("STANDIN_LATER", "module.ecs.aws_ecs_cluster.main")
    run, references = here.begun(), here.references()
    plan = here.planned(run, values_from="env:NEW_VALUE", terraform_dir=FOLDER)
    with pytest.raises(
        ConflictError, match=r"would now make other changes than planned.*nothing was applied.*Done before: added"
    ) as error:
        key_addition.apply(run, plan, True)
    assert "apply" not in [verb for _, verb in here.calls] and here.references() == references
    assert here.value not in str(error.value)
    monkeypatch.delenv("STANDIN_LATER")
    result = here.added(values_from="env:NEW_VALUE", terraform_dir=FOLDER)
    assert result.is_proved and here.digests() == [digest(here.value)] * 2


@pytest.mark.parametrize("harm", ["delete+create", "create"])
def test_harm_to_the_secret_is_refused_before_anything_is_done(
    here: Terraformer, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    """The dry run finds it, an apply is refused, and all is as it was."""
    monkeypatch.setenv("STANDIN_HARM", harm)
    run, before, aws = here.begun(), here.tree(), here.aws()
    snapshots = add_key.look(run)
    plan = here.planned(run, snapshots, terraform_dir=FOLDER)
    assert "terraform-recreates" in {
        f.check for f in key_addition.merge(key_addition.judge(plan, snapshots, snapshots, None)) if f.is_problem
    }
    assert "Terraform will not be applied" in report.steps(plan).to_text()
    with pytest.raises(UsageError, match=r"^Terraform .*\. Nothing was done\."):
        key_addition.apply(run, plan, True)
    assert here.tree() == before and here.aws() == aws


def test_what_terraform_cannot_do_is_told(here: Terraformer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program, a failing plan, and a failing apply after which the rest is done by the next run."""
    run, before, aws = here.begun(), here.tree(), here.aws()
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        with pytest.raises(CouldNotLook, match="Neither terraform nor tofu is on PATH") as error:
            here.planned(run, terraform_dir=FOLDER)
        assert error.value.exit_code == 2
    (here.platform.root / ".opentofu-version").write_text("1.8.5\n")
    with pytest.raises(CouldNotLook, match=r"tofu is not on PATH, and .*version chooses a version of OpenTofu"):
        here.planned(run, terraform_dir=FOLDER)
    (here.platform.root / ".opentofu-version").unlink()
    with monkeypatch.context() as patch:
        patch.setenv("STANDIN_FAILS", "plan")
        with pytest.raises(CouldNotLook, match=r"terraform plan in .* failed"):
            here.planned(run, terraform_dir=FOLDER)
    assert here.tree() == before and here.aws() == aws
    with monkeypatch.context() as patch:
        patch.setenv("STANDIN_FAILS", "apply")
        with pytest.raises(
            CouldNotLook, match=r"terraform apply .*A permission is missing.*Done before: added"
        ) as error:
            here.added(terraform_dir=FOLDER)
    plan = here.planned(run, terraform_dir=FOLDER)
    assert not plan.edits and [*(plan.environments[0].terraform or ())] == PLANNED


def test_a_revision_that_terraform_leaves_to_others_is_told_of(
    here: Terraformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ignore_changes the service keeps its revision: that it lacks the variable is no success."""
    monkeypatch.setenv("STANDIN_IGNORES", "1")
    with pytest.raises(
        CouldNotLook, match=rf"backend in staging runs .*:\d+, which has no {here.key}.*Done before: .*applied"
    ):
        here.added(terraform_dir=FOLDER)


def test_a_folder_that_would_change_nothing_is_refused(here: Terraformer) -> None:
    """It is not the one that the task definition comes from; nothing is written."""
    here.state.write_text(json.dumps({"serial": 1, "references": GUIDE | {here.key: here.key}}))
    before = here.tree()
    with pytest.raises(UsageError, match=r"Terraform would change nothing in .* Nothing was written"):
        here.added(terraform_dir=FOLDER)
    assert here.tree() == before


BAD: dict[str, tuple[Any, str]] = {
    "no such folder": ("infrastructure/nowhere", "is not a folder"),
    "no configuration": ("backend", r"has no \*\.tf file"),
    "several environments": ("infrastructure/terraform/environments/staging", r"write \{environment\} in it"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_folder_is_told_in_one_sentence(here: Terraformer, case: str) -> None:
    """Nothing is written, and Terraform is not started."""
    folder, reason = BAD[case]
    run, before = here.begun(), here.tree()
    several = here.begun("staging,production") if case == "several environments" else run
    (staging,) = add_key.look(run).values()
    assert staging.secret
    production = replace(staging, secret=replace(staging.secret, arn=f"{staging.secret.arn[:-6]}Pr0dUc"))
    with pytest.raises(UsageError, match=reason):
        add_key.plan(several, {"staging": staging, "production": production}, here.key, terraform_dir=folder)
    assert here.tree() == before and here.calls == []


def test_a_copy_is_private_and_takes_along_what_an_earlier_init_chose(here: Terraformer, tmp_path: Path) -> None:
    """Modules beside the environments, edited and not; the folder's own data; and nothing from outside."""
    staging, root = here.platform.staging, here.platform.root
    (staging / ".terraform").mkdir()
    (staging / ".terraform/terraform.tfstate").write_text("{}")
    before = here.tree()
    changes = preview(root, staging, edits(here))
    assert [(change.address, change.action) for change in changes] == PLANNED
    assert preview(root, staging, []) == () and here.tree() == before
    with pytest.raises(UsageError, match="is not within"):
        preview(root, tmp_path / "bin", []) if [*(tmp_path / "bin").glob("*.tf")] else preview(
            root, outside(tmp_path), []
        )
    os.mkfifo(staging.parent / "pipe")
    with pytest.raises(UsageError, match="pipe cannot be copied, so Terraform's plan cannot be shown"):
        preview(root, staging, [])
    (staging.parent / "pipe").unlink()
    module = here.platform.main_tf
    elsewhere = tmp_path / "main.tf"
    module.rename(elsewhere)
    module.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="is a link to a file outside"):
        preview(root, staging, edits(here))


def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "main.tf").write_text("")
    return folder
