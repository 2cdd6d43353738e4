"""A plan of edits that are not written yet, made in a private copy that is removed again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from omc_runbook.model import temporary
from omc_runbook.model.errors import UsageError
from omc_runbook.terraform import command
from omc_runbook.terraform.files import TEMPLATES
from omc_runbook.terraform.hcl_folder import SOURCES, VALUES
from omc_runbook.terraform.plan_json import ResourceChange
from omc_runbook.terraform.secret_versions import check_folder
from omc_runbook.textfile.file import Edit

IGNORED = shutil.ignore_patterns(".terraform", ".git", "node_modules", ".venv")


def preview(root: Path, folder: Path, edits: Sequence[Edit], profile: str = "") -> tuple[ResourceChange, ...]:
    """Run `terraform plan` in a copy of the folder and of the modules beside it, with the edits written there.

    `root` is the checkout, which must contain the folder. Raises UsageError for a folder or file that cannot be
    copied, and as `command.plan` does.
    """
    check_folder(folder)
    folder = folder.resolve()
    if not folder.is_relative_to(root):
        raise UsageError(
            f"terraform_dir {folder} is not within {root}: name the folder in this checkout. Nothing was written."
        )
    edited = [edit for edit in edits if edit.file.name.endswith((*SOURCES, *VALUES, *TEMPLATES))]
    for edit in edited:
        if not edit.file.path.resolve().is_relative_to(root):
            raise UsageError(
                f"{edit.file.name} is a link to a file outside {root}, so Terraform's plan cannot be shown before"
                " it is edited: leave terraform_dir empty. Nothing was written."
            )
    top = Path(os.path.commonpath([folder, *(edit.file.path.resolve().parent for edit in edited)]))
    # Local modules are in folders beside the environments.
    top = top if top != folder else folder.parent.parent if folder.parent.parent.is_relative_to(root) else folder
    with temporary.folder("preview") as directory:
        copy = Path(directory) / "tree"
        try:
            shutil.copytree(top, copy, symlinks=True, ignore=IGNORED)
        except OSError as error:
            # Of several files that cannot be copied the first is named.
            path = error.args[0][0][0] if isinstance(error, shutil.Error) else error.filename
            raise UsageError(
                f"{path} cannot be copied, so Terraform's plan cannot be shown: move it out of {top}, or leave"
                " terraform_dir empty. Nothing was written."
            ) from None
        for edit in edited:
            target = copy / edit.file.path.resolve().relative_to(top)
            target.unlink()
            target.write_bytes(edit.after)
        copied_folder = copy / folder.relative_to(top)
        data = folder / os.environ.get("TF_DATA_DIR", ".terraform")
        if data.is_dir() and not (copied_folder / data.name).exists():
            (copied_folder / data.name).symlink_to(data)
        saved = command.plan(copied_folder, profile, command.find_program(folder))
        saved.drop()
        return saved.changes
