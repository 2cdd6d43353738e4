"""A process that rotates keys: `KEYS VALUES_FROM STEP` kills itself as a step begins, if one is named."""

from __future__ import annotations

import os
import signal
import sys

from omc_runbook.runbooks import run as runbooks_run
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.live_change import LiveChange


def main(keys: str, values_from: str, last: str, database_url_from: str = "") -> None:
    """Rotate, up to a step and no further; "" for all of them."""

    class KilledChange(LiveChange):
        def announce(self, step: str) -> None:
            if step == last:
                os.kill(os.getpid(), signal.SIGKILL)

    run = runbooks_run.begin("rotate", "staging")
    snapshot = run.look()
    new = secret_change.gather(run, snapshot, values_from, keys, database_url_from)
    plan = secret_change.plan(run, snapshot, new)
    result = secret_change.apply(run, plan, True, new=new, live=KilledChange())
    assert result
    sys.stdout.write("proved" if result.is_proved else "failed")


if __name__ == "__main__":
    main(*sys.argv[1:])
