"""Taking back what another process made."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from omc_runbook.changes.engine.context import ChangeContext
from omc_runbook.changes.engine.step import Journal, execute
from omc_runbook.changes.take_back import Reversal, Undo
from omc_runbook.model.errors import CouldNotLook
from omc_runbook.textfile.file import SourceFile

ARN = "arn:aws:secretsmanager:ap-southeast-2:123456789012:secret:app-AbCdEf"


class Secret:
    """Secrets Manager with one secret, where AWSCURRENT is moved and the answer is this error."""

    def __init__(self, theirs: str = "", code: str = "InvalidParameterException") -> None:
        self.current, self.theirs, self.code = "new", theirs, code

    def describe_secret(self, **_: str) -> dict[str, Any]:
        return {"ARN": ARN, "Name": "app", "VersionIdsToStages": {self.current: ["AWSCURRENT"]}}

    def update_secret_version_stage(self, **parameters: str) -> None:
        self.current = self.theirs or parameters["MoveToVersionId"]
        answer = {"Error": {"Code": self.code}, "ResponseMetadata": {"RetryAttempts": 1}}
        raise ClientError(answer, "UpdateSecretVersionStage")  # type: ignore[arg-type]


def taken_back(secret: Secret) -> Reversal:
    context = ChangeContext(
        clients=cast("Any", lambda name: secret),
        cluster="app",
        look=cast("Any", None),
        show=lambda rollouts, lines: None,
        announce=lambda name: None,
        clock=cast("Any", None),
    )
    reversal = Reversal({"": context}, [Undo(kind="version", subject="app", former="old", new="new")])
    execute(reversal.steps(), context.announce, Journal())
    return reversal


def test_a_version_that_is_back_without_an_answer_is_back() -> None:
    """A repeated call is refused then; only where another version is current has somebody changed it."""
    done, overtaken = taken_back(Secret()), taken_back(Secret(theirs="other"))
    assert done.is_complete and "Version old of app is current again" in done.sentence
    assert not overtaken.is_complete and "somebody else has changed it" in overtaken.sentence


def test_a_version_that_is_back_in_spite_of_an_error_is_back() -> None:
    """AWS has moved AWSCURRENT, and says that it could not; where it has not, that is an error."""
    assert taken_back(Secret(code="InternalServiceError")).is_complete
    with pytest.raises(CouldNotLook, match="InternalServiceError"):
        taken_back(Secret(theirs="other", code="InternalServiceError"))


def test_a_file_that_is_back_has_its_mode(tmp_path: Path) -> None:
    """git writes it anew, readable by everybody."""
    file, patch = tmp_path / "app" / ".env", tmp_path / "its.patch"
    file.parent.mkdir()
    subprocess.run(["git", "init", "--quiet", file.parent], check=True)
    edit = SourceFile(file, file.name, b"A=1\n").with_text("A=1\nB=2\n", "B")
    file.write_bytes(edit.after)
    file.chmod(0o600)
    patch.write_text(edit.patch(file.parent))
    undo = Undo(kind="patch", subject=file.name, former=str(file.parent), new=str(patch))
    reversal = Reversal({}, [undo])
    execute(reversal.steps(), lambda name: None, Journal())
    assert (file.read_bytes(), file.stat().st_mode & 0o777, reversal.is_complete) == (b"A=1\n", 0o600, True)
