"""One runbook after the other in a fresh world, by plain papermill, with verify in between."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

from support.administrator import Staging
from support.runs import PAPERMILL, Desk, assert_nothing_leaked, values

from omc_runbook.headless.notebooks import folder as notebooks
from omc_runbook.sandbox.lifecycle import Sandbox
from omc_runbook.sandbox.worlds import build


class Chain(Desk):
    """A desk at which papermill runs one notebook after the other."""

    def papermill(self, name: str, *parameters: str, plans_against: str = "") -> None:
        """Run a notebook; a plan against an error ends as a failure that says so."""
        words = [word for pair in parameters for word in ("-p", *pair.split("="))]
        ended = self.call([str(PAPERMILL), str(notebooks() / f"{name}.ipynb"), f"{name}.ipynb", *words])
        if plans_against:
            assert ended.returncode == 1
            assert re.search(f"PLAN: nothing was changed.*{plans_against}", ended.stderr), ended.stderr
        else:
            assert ended.returncode == 0, ended.stderr

    def source(self, new: dict[str, str]) -> Path:
        path = self.work / "secrets.json"
        path.touch(0o600)
        path.write_text(json.dumps(new))
        return path


def test_every_runbook_dry_then_applied_then_again(fresh_sandbox: Sandbox, tmp_path: Path) -> None:
    """A dry run changes nothing, an apply reaches every process, the same again changes nothing; verify agrees."""
    desk, staging = Chain(tmp_path, fresh_sandbox), Staging(fresh_sandbox)

    def thrice(name: str, *parameters: str, source: dict[str, str] | None = None, **dry: str) -> None:
        """Dry, applied, and again, with the secret's stages looked at each time."""
        before = staging.stages
        if source:
            desk.source(source)
        desk.papermill(name, *parameters, **dry)
        assert staging.stages == before
        desk.papermill(name, *parameters, "apply=True")
        after, current = staging.stages, staging.current
        if source:
            assert not (desk.work / "secrets.json").exists()
            desk.source(source)
        desk.papermill(name, *parameters, "apply=True")
        assert (staging.stages, staging.current, staging.labels()) == (after, current, [])

    def verified(key: str, value: str) -> None:
        assert staging.members[key] == value
        values_of_service = staging.process_values(key)
        assert (values_of_service["backend"], values_of_service["worker"]) == ({value}, {value})
        desk.papermill("verify")

    thrice("create")
    assert staging.members == build.FRESH_DOCUMENT
    new = build.healthy_document()
    thrice("update", "values_from=file:secrets.json", source=new, plans_against="placeholder")
    verified("SECRET_KEY", new["SECRET_KEY"])
    rotated = secrets.token_hex(32)
    thrice("rotate", "keys=SECRET_KEY", "values_from=file:secrets.json", source={"SECRET_KEY": rotated})
    verified("SECRET_KEY", rotated)
    thrice("restore", "version=AWSPREVIOUS")
    verified("SECRET_KEY", new["SECRET_KEY"])
    assert len(staging.versions) == 3
    assert_nothing_leaked(desk, [*values(fresh_sandbox), rotated])
