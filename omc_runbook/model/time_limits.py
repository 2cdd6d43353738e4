"""How long a run may take, which `omc-runbook show` says beforehand."""

from __future__ import annotations

LOOK_SECONDS = 150.0
"""Seconds after which a look at an environment begins no call to AWS any more, nor repeats one.

Without a person at the notebook, all that a run reads of an environment has so many in all, beginning with its sign-in,
and once more after a change.
"""
CALL_SECONDS = 25.0
"""Seconds after which a call without an answer has failed, until it is repeated: to connect, and to read."""
TRIES = 4
"""How often a call is sent at most, as long as there is no answer."""
PROGRAM_SECONDS = 60.0
"""Seconds after which a profile's credential_process is ended, as by AWS's SDK for Go: it may ask a person."""
ROLLOUT_SECONDS = 900.0
"""Seconds, and the bake time, after which an unfinished roll-out counts as failed, unless it goes well."""

_MINUTES = round((LOOK_SECONDS + CALL_SECONDS) / 60 + 0.5)
_PAUSES_SECONDS = 2.0 ** (TRIES - 1)
"""Between these, botocore's standard mode waits for less than 1, 2, 4 … seconds."""
_CALL_MINUTES = round((TRIES * CALL_SECONDS + _PAUSES_SECONDS) / 60 + 0.5)


def sentences(can_change: bool, changes_aws: bool, deploys: bool) -> tuple[str, ...]:
    """How long a runbook takes at most, which may start new tasks, and what becomes of what was not read by then."""
    again = ", and again after a change" if can_change else ""
    looks = (
        f"AWS is read for {_MINUTES} minutes at most at a time, and for each environment, whatever the network does:"
        f" once a run{again}. What was not read by then is reported as unknown. In a notebook whose cells a person"
        " runs, and can interrupt, each look at an environment has as long."
    )
    calls = f"A call of a change is repeated for {_CALL_MINUTES} minutes at most while it has no answer."
    changes = (
        f"A change waits {ROLLOUT_SECONDS / 60:.0f} minutes at most, and the bake time, for the new tasks of its"
        " services, and as long again where it is taken back."
    )
    return (looks, *((calls,) if changes_aws else ()), *((changes,) if deploys else ()))
