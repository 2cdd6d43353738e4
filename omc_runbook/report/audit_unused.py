"""What nobody uses, in an audit: keys, versions and secrets, with what they cost."""

from __future__ import annotations

from omc_runbook.checks.audit_unused import PRICE, unused_keys, unused_secrets
from omc_runbook.report.display.table import Table
from omc_runbook.snapshot.state import Snapshot


def unused(snapshot: Snapshot) -> Table:
    """The keys, versions and secrets that nothing uses, as far as was read."""
    searched = "no task definition, no file" if snapshot.checkout else "no task definition; files were not searched"
    rows = [["key", key, f"{searched} refers to it", "—"] for key in unused_keys(snapshot)]
    kept = [version for version in snapshot.versions if not version.stages]
    if kept:
        oldest = min(version.created for version in kept)
        what = f"{len(kept)} versions without a label"
        rows.append(["version", what, f"the oldest of {oldest:%Y-%m-%d}; Secrets Manager removes them itself", "—"])
    for each in unused_secrets(snapshot):
        last = f"last read on {each.accessed:%Y-%m-%d}" if each.accessed else "never read"
        rows.append(["secret", each.name, last, f"{PRICE:.2f} USD"])
    return Table(
        f"What nobody uses of {snapshot.environment.name}",
        ["kind", "name", "why", "a month"],
        rows,
        empty="Every key and every secret of the environment is used.",
        notes=("Prices are AWS's list prices.",) if any(row[3] != "—" for row in rows) else (),
    )
