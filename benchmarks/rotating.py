"""A process that rotates one key with the runbook's verbs, and prints when it would have shown what to a person."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from unittest import mock

from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change


class Shown:
    """Stands where a notebook's progress does, and keeps the moments at which something new was to be seen."""

    told: float | None = None
    why: float | None = None
    said: str = ""

    def __call__(self, rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        """Take what a progress takes."""
        if self.told is None and any(rollout.has_failed for rollout in rollouts):
            self.told = time.time()
        for line in lines:
            if "Root cause" in line:
                self.why, self.said = time.time(), line.rpartition("UTC: ")[2]


def main(key: str, values_from: str) -> None:
    """Rotate, and print the moments as JSON."""
    shown, run = Shown(), runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    new = secret_change.gather(run, snapshot, values_from, key)
    with mock.patch.object(runbooks_run, "Progress", return_value=shown):
        done = secret_change.apply(run, secret_change.plan(run, snapshot, new), True, new=new)
    if done and done.is_proved:
        shown.told, shown.said = time.time(), "done and proved"
    sys.stdout.write(json.dumps(vars(shown)))


if __name__ == "__main__":
    main(*sys.argv[1:])
