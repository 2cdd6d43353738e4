"""A process that updates a secret again and again: for each line of keys it plans, says "ready", waits, and applies.

It then prints what became of it as JSON: {"outcome": "written", "base", "version", "digests"} or {"outcome": "told"}.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

from omc_runbook.masking.value import reveal
from omc_runbook.model.errors import ConflictError, CouldNotLook
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change

sys.path.append(str(Path(__file__).parents[2] / "tests"))
update_process: Any = importlib.import_module("support.update_process")
digest = update_process.fingerprint


def main() -> None:
    """Take part in rounds until standard input ends."""
    run = runbooks_run.begin("update", "staging")
    snapshot = run.look()
    for line in iter(sys.stdin.readline, ""):
        snapshot = update_process.reread(run, snapshot)
        new = secret_change.gather(run, snapshot, "generate", line.strip())
        plan = secret_change.plan(run, snapshot, new)
        update_process.say("ready")
        sys.stdin.readline()
        try:
            result = secret_change.apply(run, plan, True)
        except (ConflictError, CouldNotLook):
            result = None
        answer: dict[str, Any] = {"outcome": "told"}
        if result and result.is_in_force:
            digests = {key: digest(reveal(entry.value)) for key, entry in new.values.items()}
            answer = {"outcome": "written", "base": plan.base, "version": plan.token, "digests": digests}
        update_process.say(json.dumps(answer))


if __name__ == "__main__":
    main()
