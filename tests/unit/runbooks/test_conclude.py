"""How a notebook gives its outcome to the command that runs it."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from omc_runbook.model.change import Change
from omc_runbook.model.findings import Outcome
from omc_runbook.model.handover import OUTCOME_VARIABLE, room_beside
from omc_runbook.runbooks import conclude
from omc_runbook.textfile import private_file


def test_what_was_changed_before_a_disk_became_full_takes_the_room_that_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the outcome of before the change would stay, as if nothing had been changed."""
    path, write, now = tmp_path / "outcome.json", private_file.write, datetime.now(UTC)
    room = room_beside(path)
    room.write_bytes(bytes(1))

    def write_on_full_disk(target: Path, content: bytes) -> None:
        if room.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(target, content)

    monkeypatch.setenv(OUTCOME_VARIABLE, str(path))
    monkeypatch.setattr(private_file, "write", write_on_full_disk)
    begun = Outcome.of_failure("rotate", "staging", now, "It broke off.")
    change = Change(action="changed", key="SECRET_KEY", version="a-version")
    path.write_text(begun.to_json())
    conclude.announce(replace(begun, applied=True, changes=(change,)))
    assert [each["key"] for each in json.loads(path.read_text())["changes"]] == ["SECRET_KEY"]
