"""A process that updates a secret again and again: for each line of keys it plans, says "ready", waits, and applies.

It then prints what became of it as JSON: {"outcome": "written", "base", "version", "digests"} or {"outcome": "told"}.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import replace

from omc_runbook.aws import secretsmanager
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import reveal
from omc_runbook.model.errors import ConflictError, CouldNotLook
from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.run import Run
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.state import Snapshot


def digest(text: str) -> str:
    """What tells values apart that are drawn at random here, and guessed by nobody."""
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    """Take part in rounds until standard input ends."""
    run = runbooks_run.begin("update", "staging")
    snapshot = run.look()
    for line in iter(sys.stdin.readline, ""):
        snapshot = _reread(run, snapshot)
        new = secret_change.gather(run, snapshot, "generate", line.strip())
        plan = secret_change.plan(run, snapshot, new)
        _say("ready")
        sys.stdin.readline()
        try:
            result = secret_change.apply(run, plan, True)
        except (ConflictError, CouldNotLook):
            _say(json.dumps({"outcome": "told"}))
            continue
        if result is None or not result.is_in_force:
            _say(json.dumps({"outcome": "told"}))
            continue
        digests = {key: digest(reveal(entry.value)) for key, entry in new.values.items()}
        _say(json.dumps({"outcome": "written", "base": plan.base, "version": plan.token, "digests": digests}))


def _reread(run: Run, snapshot: Snapshot) -> Snapshot:
    """The snapshot with the secret as it is now."""
    client, name = run.target.clients("secretsmanager"), run.environment.names.secret
    value = secretsmanager.get_value(client, name, secretsmanager.CURRENT)
    assert value and value.text, "the secret has a current text in each round"
    contents = {value.version_id: Content(value.version_id, parse(value.text))}
    return replace(snapshot, secret=secretsmanager.describe(client, name), contents=contents)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
