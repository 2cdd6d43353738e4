"""Our evaluation of policies beside another's, @cloud-copilot/iam-simulate, on thousands of random requests."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from support.paths import ROOT, SUPPORT
from support.policy_requests import ACCOUNT, CONDITIONS, ROLE, USER, PolicyAccounts, PolicyRequests

from omc_runbook.iam.policy import PolicyDocument, evaluate, evaluate_resource
from omc_runbook.sandbox.authorization import refusal
from omc_runbook.sandbox.principals import Principal

REQUESTS, IDENTITIES = 5_000, 200
PACKAGE = "@cloud-copilot/iam-simulate"
FOLDER = ROOT / ".venv" / "iam-simulate"
MODULE = FOLDER / "node_modules" / PACKAGE / "dist" / "esm" / "index.js"
ABSENT = {**dict.fromkeys(CONDITIONS, ()), "aws:PrincipalTag/*": (), "aws:ResourceTag/*": ()}


def decide(request: dict[str, Any]) -> str:
    """Our decision, in iam-simulate's words, or "unknown"."""
    call = request["request"]
    action, resource, context = call["action"], call["resource"]["resource"], {**ABSENT, **call["contextVariables"]}

    def read(kind: Any, entries: list[dict[str, Any]]) -> tuple[PolicyDocument, ...]:
        return tuple(PolicyDocument(entry["name"], kind, entry["policy"]) for entry in entries)

    identity, boundary = read("inline", request["identityPolicies"]), read("boundary", _boundaries(request))
    scps = read("scp", [entry for level in request["serviceControlPolicies"] for entry in level["policies"]])
    is_role = call["principal"] != USER
    principal = Principal(
        arn=call["principal"],
        identity_arn=ROLE if is_role else USER,
        account=ACCOUNT,
        kind="role" if is_role else "user",
        name="backend" if is_role else "alice",
        policies=identity,
        boundary=boundary[0] if boundary else None,
        scps=scps,
    )
    own = request.get("resourcePolicy")
    verdicts = [evaluate(each, action, resource, context) for each in (identity, boundary, scps) if each]
    if own:
        document = PolicyDocument("the resource's policy", "resource", own)
        verdicts.append(evaluate_resource(document, principal.names, action, resource, context))
    if "unknown" in {verdict.decision for verdict in verdicts}:
        return "unknown"
    message = refusal(principal, action, resource, context, json.dumps(own) if own else None)
    if message is None:
        return "Allowed"
    return "ExplicitlyDenied" if "explicit deny" in message else "ImplicitlyDenied"


def _boundaries(request: dict[str, Any]) -> list[dict[str, Any]]:
    return list(request.get("permissionBoundaryPolicies", []))


def simulate(requests: list[dict[str, Any]]) -> list[str]:
    """The decisions of iam-simulate."""
    command = ["node", str(SUPPORT / "iam_simulate.mjs"), str(MODULE)]
    ended = subprocess.run(command, input=json.dumps(requests), capture_output=True, text=True, check=True, timeout=120)
    decisions: list[str] = json.loads(ended.stdout)
    # It answers with an error where it does not accept a policy.
    assert {*decisions} <= {"Allowed", "ExplicitlyDenied", "ImplicitlyDenied"}, {*decisions}
    return decisions


pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js, to run iam-simulate"),
    pytest.mark.skipif(
        not MODULE.exists(), reason=f"needs `npm install --prefix {FOLDER.relative_to(ROOT)} {PACKAGE}`"
    ),
]


def test_decisions_are_another_evaluators() -> None:
    """Identity and resource policies, boundaries and SCPs, conditions and variables: no decision differs."""
    seed = 1 if os.environ.get("CI") else random.randrange(10**6)
    maker = PolicyRequests(seed)
    requests = [maker.make() for _ in range(REQUESTS)]
    pairs = [*zip(map(decide, requests), simulate(requests), requests, strict=True)]
    different = [(ours, theirs, request) for ours, theirs, request in pairs if ours not in ("unknown", theirs)]
    assert not different, f"seed {seed}: {json.dumps(different[0])}"
    counts = Counter(ours for ours, _, _ in pairs)
    assert counts["unknown"] < 0.02 * REQUESTS
    # Requests of which nearly all are refused would prove little.
    assert all(counts[decision] > 0.05 * REQUESTS for decision in ("Allowed", "ExplicitlyDenied", "ImplicitlyDenied"))


def test_who_can_is_another_evaluators() -> None:
    """Of every user and role of two accounts, the same may read: with the session's name, and as far as known without.

    Policies are shared and inline, of groups too, within boundaries, two levels of SCPs, RCPs and the secret's own
    policy.
    """
    seed = 1 if os.environ.get("CI") else random.randrange(10**6)
    maker = PolicyAccounts(seed)
    accounts = [maker.make_account(IDENTITIES // 4) for _ in range(4)]
    theirs = iter(simulate([request for account in accounts for request in account.requests]))
    counts = Counter[str]()
    for account in accounts:
        for identity, request in zip(account.identities, account.requests, strict=True):
            expected = "allowed" if next(theirs) == "Allowed" else "denied"
            ours = account.judge.verdict(identity, account.call).decision
            of_any = account.judge.verdict(replace(identity, session=""), account.call).decision
            counts[ours] += 1
            assert ours in (expected, "unknown"), f"seed {seed}: {json.dumps(request)}"
            assert of_any in (expected, "unknown"), f"seed {seed}, of any session: {json.dumps(request)}"
    assert counts["unknown"] < 0.05 * IDENTITIES
    assert counts["denied"] > 0.1 * IDENTITIES
