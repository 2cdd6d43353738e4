"""What Terraform would do with files that are not edited yet: planned in a private copy, and nothing kept of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform import command
from omc_runbook.terraform.configuration import check_folder
from omc_runbook.terraform.plan_json import ResourceChange
from omc_runbook.textfile.file import Edit

LEFT_OUT = shutil.ignore_patterns(".terraform", ".git", "node_modules", ".venv")


def preview(root: Path, folder: Path, edits: Sequence[Edit], profile: str = "") -> tuple[ResourceChange, ...]:
    """Plan in a copy of the folder and of the modules beside it, with the edits made there.

    `root` is the checkout, within which the folder has to be. Raises as `command.plan` does.
    """
    check_folder(folder)
    folder = folder.resolve()
    if not folder.is_relative_to(root):
        raise UsageError(
            f"terraform_dir {folder} is not within {root}: name the folder in this checkout. Nothing was written."
        )
    edited = [edit for edit in edits if edit.file.path.suffix in (".tf", ".tofu", ".json")]
    for edit in edited:
        if not edit.file.path.resolve().is_relative_to(root):
            raise UsageError(
                f"{edit.file.name} is a link that leads out of {root}, so that Terraform's plan cannot be shown before"
                " it is edited: leave terraform_dir empty. Nothing was written."
            )
    top = Path(os.path.commonpath([folder, *(edit.file.path.resolve().parent for edit in edited)]))
    # Modules that are taken by path lie beside the environments, whether or not they are edited.
    top = top if top != folder else folder.parent.parent if folder.parent.parent.is_relative_to(root) else folder
    with TemporaryDirectory(prefix="omc-preview-") as home:
        copy = Path(home) / "tree"
        try:
            shutil.copytree(top, copy, symlinks=True, ignore=LEFT_OUT)
        except OSError as error:
            # Of several that cannot be copied the first is told.
            path = error.args[0][0][0] if isinstance(error, shutil.Error) else error.filename
            raise UsageError(
                f"{path} cannot be copied, so that Terraform's plan cannot be shown: move it out of {top}, or leave"
                " terraform_dir empty. Nothing was written."
            ) from None
        for edit in edited:
            target = copy / edit.file.path.resolve().relative_to(top)
            target.unlink()
            target.write_bytes(edit.after)
        place = copy / folder.relative_to(top)
        data = folder / os.environ.get("TF_DATA_DIR", ".terraform")
        if data.is_dir() and not (place / data.name).exists():
            (place / data.name).symlink_to(data)
        draft = command.plan(place, profile)
        draft.drop()
        return draft.changes
