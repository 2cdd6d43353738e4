"""What a long .env costs: each variable is judged by itself, and names are compared letter by letter where they may be
alike."""

from __future__ import annotations

import itertools
import random
import secrets
from functools import partial
from pathlib import Path

import pytest
from support.call_counts import count_calls
from support.local_setup_runs import bench, small_platform

from omc_runbook.changes.dotenv.plan import plan_dotenv
from omc_runbook.checks import key_demand, local
from omc_runbook.diagnosis import root_causes
from omc_runbook.runbooks import local_setup
from omc_runbook.snapshot.state import Snapshot

__all__ = ["bench"]

WORDS = ("CACHE", "QUEUE", "STRIPE", "SEARCH", "UPLOAD", "LEDGER", "INVOICE", "TOPIC", "STREAM", "WEBHOOK")
NAMES = tuple(map("_".join, itertools.islice(itertools.permutations(WORDS, 3), 0, 720, 9)))


def _exchange(name: str) -> str:
    """The name with two letters next to each other exchanged."""
    return f"{name[:2]}{name[3]}{name[2]}{name[4:]}"


@pytest.fixture
def snapshot(tmp_path: Path, bench: pytest.MonkeyPatch) -> Snapshot:
    """A checkout whose template has many variables, of which the .env has each misspelt, beside a secret for each."""
    platform = small_platform(tmp_path / "omc")
    platform.write_dotenv(
        **{_exchange(name): secrets.token_hex(12) for name in NAMES},
        **{f"{name}_PASSWORD": secrets.token_hex(12) for name in NAMES},
    )
    with platform.template.open("a") as template:
        template.writelines(f"{name}=\n" for name in NAMES)
        template.writelines(f"{name}_PASSWORD=\n" for name in NAMES)
    return local_setup.look(local_setup.begin("local", "", str(platform.root)))


def test_names_are_compared_once_and_only_where_they_may_be_alike(snapshot: Snapshot) -> None:
    """The misspelt lines of a .env are found once for its checks and its plan, mostly without difflib."""
    workstation = snapshot.workstation
    assert workstation
    assert count_calls(partial(local.misspellings.__wrapped__, workstation), "ratio") < 4 * len(NAMES)

    def diagnose_and_plan() -> None:
        root_causes.diagnose(snapshot)
        plan_dotenv(workstation, "")

    assert count_calls(diagnose_and_plan, "misspellings") == 1
    assert {binding.name for binding, _ in local.misspellings(workstation)} == {*map(_exchange, NAMES)}


def test_words_of_other_values_are_split_once(snapshot: Snapshot) -> None:
    """Each secret is judged by the words of all that is in the file, which are not found anew for each."""
    assert count_calls(partial(root_causes.diagnose, snapshot), "_words_of") < 5


def test_comparing_letters_first_changes_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of names that share words, letters, both or nothing."""
    chosen = random.Random(7)
    pool = [*NAMES[:30], *WORDS, "", "_", "A", "SMTP_HOST", "SMTP_PORT", "NEW_RELIC_KEY_NEW", "KEY_OLD", "SETTING_1"]
    for name in (*pool,):
        letters = [*name]
        chosen.shuffle(letters)
        pool += ["".join(letters), _exchange(f"{name}0123"), name[: len(name) // 2], name.replace("_", ""), f"{name}_2"]
    pairs = [(chosen.choice(pool), chosen.choice(pool)) for _ in range(3000)]
    pairs += [(name, _exchange(name)) for name in NAMES]
    quick = [(key_demand.is_misspelling(*pair), local.is_slip(*pair)) for pair in pairs]
    monkeypatch.setattr(key_demand, "_may_be_near", lambda *words: True)
    monkeypatch.setattr(local, "may_be_like", lambda *texts: True)
    assert quick == [(key_demand.is_misspelling(*pair), local.is_slip(*pair)) for pair in pairs]
    assert any(misspelt for misspelt, _ in quick) and any(slip for _, slip in quick)
