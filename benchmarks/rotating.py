"""A process that rotates one key with the runbook's functions, and prints when a person would have read what."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from unittest import mock

from omc_runbook.changes.deploy.rollout import Rollout
from omc_runbook.runbooks import live_change, secret_change
from omc_runbook.runbooks import run as runbooks_run


class Moments:
    """Replaces a notebook's progress, and records when it showed the failure, its reason and the end."""

    reported: float | None = None
    explained: float | None = None
    message: str = ""

    def __call__(self, rollouts: Sequence[Rollout], lines: Sequence[str]) -> None:
        """Take a progress's arguments."""
        if self.reported is None and any(rollout.has_failed for rollout in rollouts):
            self.reported = time.time()
        for line in lines:
            if "Root cause" in line:
                self.explained, self.message = time.time(), line.partition("Root cause: ")[2]


def main(key: str, values_from: str) -> None:
    """Rotate, and print the moments as JSON."""
    moments, run = Moments(), runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    new = secret_change.gather(run, snapshot, values_from, key)
    with mock.patch.object(live_change, "Progress", return_value=moments):
        result = secret_change.apply(run, secret_change.plan(run, snapshot, new), True, new=new)
    if result and result.is_proved:
        moments.reported, moments.message = time.time(), "done and proved"
    sys.stdout.write(json.dumps(vars(moments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
