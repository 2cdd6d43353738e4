"""How long an audit takes to say who may do what with a secret, in an account with thousands of roles.

Roles are generated: with shared and inline policies, within boundaries and two levels of service control policies, some
of which may assume others. Each is judged for every call that an audit asks about. Where Node.js and iam-simulate are
there, each verdict on GetSecretValue is compared with iam-simulate's. With --sandbox the roles are created in a sandbox
too, and read from it.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import click

from omc_runbook.checks import secret_access
from omc_runbook.iam.policy import PolicyDocument
from omc_runbook.iam.who_can import Identity
from omc_runbook.sandbox import lifecycle
from omc_runbook.sandbox.worlds.staging import World
from omc_runbook.snapshot.audit.state import Audit, Identities
from omc_runbook.snapshot.state import Snapshot

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
requests: Any = importlib.import_module("support.policy_requests")
snapshots: Any = importlib.import_module("support.snapshots")

MODULE = ROOT / ".venv/iam-simulate/node_modules/@cloud-copilot/iam-simulate/dist/esm/index.js"
MOST_SECONDS = 60.0
HOPPERS, OPEN = 0.03, 0.1
"""The shares of roles that may assume others, and of roles that leave it to the account who may assume them."""


def account(size: int, seed: int) -> Any:
    """A generated account, whose roles have trust policies too."""
    policy_account, random = requests.PolicyAccounts(seed).make_account(size), Random(seed)
    identities = tuple(_trusting(identity, random) for identity in policy_account.identities)
    return replace(policy_account, identities=identities)


def _trusting(identity: Identity, random: Random) -> Identity:
    if identity.kind == "user":
        return identity
    root = {"AWS": f"arn:aws:iam::{identity.account}:root"}
    principal = root if random.random() < OPEN else {"Service": "lambda.amazonaws.com"}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    trust = PolicyDocument(f"trust policy of {identity.name}", "trust", {"Statement": [statement]})
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/app/*"}
    hop = PolicyDocument("assumes", "inline", {"Version": "2012-10-17", "Statement": [assume]})
    policies = (*identity.policies, hop) if random.random() < HOPPERS else identity.policies
    return replace(identity, trust=trust, policies=policies)


def audited(policy_account: Any) -> Snapshot:
    """The snapshot of a healthy environment in such an account."""
    identities = Identities(
        identities=policy_account.identities,
        organization="o-abcdefghij",
        levels=policy_account.judge.levels,
        resource_controls=policy_account.judge.resource_controls,
    )
    return replace(
        snapshots.healthy(),
        resource_policy=policy_account.call.policies[0],
        audit=Audit(days=90, identities=identities),
    )


def compare(policy_account: Any) -> tuple[int, int]:
    """How many verdicts differ from iam-simulate's, and how many are unknown."""
    command = ["node", str(ROOT / "tests/support/iam_simulate.mjs"), str(MODULE)]
    ended = subprocess.run(
        command, input=json.dumps(policy_account.requests), capture_output=True, text=True, check=True
    )
    theirs = ["allowed" if each == "Allowed" else "denied" for each in json.loads(ended.stdout)]
    ours = [
        policy_account.judge.verdict(identity, policy_account.call).decision for identity in policy_account.identities
    ]
    differ = sum(mine not in (other, "unknown") for mine, other in zip(ours, theirs, strict=True))
    return differ, ours.count("unknown")


def read_from_sandbox(policy_account: Any) -> tuple[float, int]:
    """The seconds in which the roles are read from a sandbox, and how many identities that are."""
    started = lifecycle.up(None)
    try:
        lifecycle.renew(started)
        os.environ.update(started.variables)
        world = World(started.endpoint)
        for identity in policy_account.identities:
            if identity.kind == "role" and identity.trust:
                trust = json.dumps({"Version": "2012-10-17", **identity.trust.document})
                world.iam.create_role(RoleName=identity.name, AssumeRolePolicyDocument=trust)
                for policy in identity.policies:
                    document = json.dumps(policy.document)
                    world.iam.put_role_policy(RoleName=identity.name, PolicyName=policy.name, PolicyDocument=document)
        runs: Any = importlib.import_module("omc_runbook.runbooks.run")
        [target] = runs.begin("verify", "staging").targets
        start = time.perf_counter()
        snapshot = target.look(audit_days=90)
        seconds = time.perf_counter() - start
        return seconds, len(snapshot.audit.identities.identities)
    finally:
        lifecycle.down(started)


@click.command(help=__doc__)
@click.option("--roles", default=2_000, show_default=True, help="How many users and roles.")
@click.option("--seed", default=1, show_default=True, help="Which account.")
@click.option("--sandbox", is_flag=True, help="Read them from a sandbox too, which takes minutes to create them.")
def main(roles: int, seed: int, sandbox: bool) -> None:
    """Measure, and print a table; exits with 1 where it takes too long, or a verdict differs."""
    policy_account = account(roles, seed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    access = secret_access.of(audited(policy_account))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    reads = Counter(each.read.decision for each in access.principals)
    click.echo("| identities | readers | over a role | unknown | seconds | CPU seconds | more memory |")
    click.echo("|--:|--:|--:|--:|--:|--:|--:|")
    chains = sum(bool(each.chain) for each in access.principals)
    click.echo(
        f"| {roles} | {reads['allowed']} | {chains} | {reads['unknown']} | {seconds:.1f} | {cpu:.1f} | {more:.0f} MB |"
    )
    differ = 0
    if MODULE.exists():
        differ, unknown = compare(policy_account)
        click.echo(f"iam-simulate: {differ} of {roles} verdicts differ, {unknown} of ours are unknown.")
    if sandbox:
        took, count = read_from_sandbox(policy_account)
        click.echo(f"Read from a sandbox: {count} identities, and a whole look, in {took:.1f} s.")
    click.echo(f"{datetime.now(UTC):%Y-%m-%d}")
    sys.exit(1 if differ or cpu > MOST_SECONDS else 0)


if __name__ == "__main__":
    main()
