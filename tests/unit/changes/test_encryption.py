"""Keys that encrypt data: what is refused, what is warned of, and what passes."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
from support.snapshots import PREVIOUS, healthy, with_keys, with_text

from omc_runbook.changes.deploy.executor import replaced_plan
from omc_runbook.changes.secret import new_values
from omc_runbook.changes.secret.new_values import NewValues, UnfinishedChange
from omc_runbook.changes.secret.plan import SecretPlan, plan_update
from omc_runbook.changes.secret.restore import plan_restore
from omc_runbook.changes.values.source_file import NewValue
from omc_runbook.checks import age
from omc_runbook.checks.age import Age
from omc_runbook.masking import kernel
from omc_runbook.masking.document import parse
from omc_runbook.masking.value import Masked, reveal
from omc_runbook.model.catalogue import Key, catalogue, effect_of
from omc_runbook.model.errors import UsageError
from omc_runbook.runbooks import secret_change
from omc_runbook.runbooks.run import Run
from omc_runbook.snapshot.state import Snapshot
from omc_runbook.snapshot.version_history import VersionEntry, VersionHistory

KEY = "ENCRYPTION_KEY"


def fernet() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def pem() -> str:
    return f"-----BEGIN PRIVATE KEY-----\n{fernet()}\n-----END PRIVATE KEY-----\n"


def holding(value: str, **entry: object) -> Snapshot:
    """An environment whose secret has such a key, with this entry in the catalogue."""
    snapshot = with_keys(healthy(), **{KEY: value})
    keys = {**snapshot.environment.keys, KEY: Key.model_validate({"generate": "base64-32", **entry})}
    return replace(snapshot, environment=replace(snapshot.environment, keys=keys))


def new(value: str) -> dict[str, Masked]:
    return {KEY: Masked(value, KEY)}


def plan_of(snapshot: Snapshot, value: str) -> SecretPlan:
    return plan_update(snapshot, {KEY: NewValue(Masked(value, KEY), "a test")})


def notes(snapshot: Snapshot, value: str) -> tuple[str, ...]:
    return about_the_key(plan_of(snapshot, value))


def about_the_key(plan: SecretPlan) -> tuple[str, ...]:
    return tuple(note for note in plan.notes if note.startswith(KEY))


def test_the_effect_is_known_by_name_where_nobody_says_another() -> None:
    """The table in runbook.toml decides; without an effect in it the name does."""
    assert (
        effect_of("FERNET_KEY", {}) == effect_of("DB_ENCRYPTION_KEY", {"DB_ENCRYPTION_KEY": Key()}) == "encrypts-data"
    )
    assert (
        effect_of("ENCRYPTION_KEY", catalogue({"ENCRYPTION_KEY": {"effect": "next-deployment"}})) == "next-deployment"
    )
    assert effect_of("ANY", catalogue({"ANY": {"effect": "encrypts-data"}})) == "encrypts-data"
    for name in catalogue({}):
        assert effect_of(name, catalogue({})) == catalogue({})[name].effect


def test_a_new_value_alone_is_refused_with_the_way_that_is_open() -> None:
    """A generated one as well as one that is given; no value is in the sentence."""
    former, value = fernet(), fernet()
    with pytest.raises(UsageError, match=r"ENCRYPTION_KEY encrypts data: .*Nothing was written.*MultiFernet") as error:
        new_values.refuse_loss(holding(former), new(value))
    assert former not in str(error.value) and value not in str(error.value)
    [note] = notes(holding(former), value)
    assert "what was encrypted with the present value cannot be read" in note


@pytest.mark.parametrize(("source", "due"), [("generate", None), ("generate", ()), ("env:NEW", ())])
def test_rotate_and_a_generator_refuse_it(
    source: str, due: Sequence[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """update, which has no keys that are due, still takes a value that somebody brings, with the note."""
    monkeypatch.setenv("NEW", fernet())
    run = cast(Run, SimpleNamespace(target=SimpleNamespace(clients=None)))
    with pytest.raises(UsageError, match="ENCRYPTION_KEY encrypts data"):
        secret_change.gather(run, holding(fernet()), source, KEY, due=due)
    assert secret_change.gather(run, holding(fernet()), "env:NEW", KEY).values
    assert secret_change.gather(run, holding(""), source, KEY, due=due).values


def test_keys_that_are_due_stand_alone() -> None:
    """With a name beside it the word is no key, and which keys are meant would be a guess."""
    run = cast(Run, SimpleNamespace(target=SimpleNamespace(clients=None)))
    with pytest.raises(UsageError, match="keys has due and names: write due alone, or the names"):
        secret_change.gather(run, holding(fernet()), "renew", f"due,{KEY}", due=(KEY,))
    with pytest.raises(UsageError, match="keys has due and names"):
        secret_change.gather(run, holding(fernet()), "renew", f"{KEY},Due", due=(KEY,))
    with pytest.raises(UsageError, match="keys has due and names: write due alone"):
        secret_change.gather(run, holding(fernet()), "renew", "due,", due=(KEY,))
    with pytest.raises(UsageError, match="keys is DUE: write due, in small letters"):
        secret_change.gather(run, holding(fernet()), "renew", "DUE", due=(KEY,))


def test_what_is_due_and_gets_no_value_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run without a person that renews the others says so when it has applied that, too."""
    run = cast(Run, SimpleNamespace(target=SimpleNamespace(clients=None)))
    monkeypatch.setattr(kernel, "allows_prompt", lambda: False)
    snapshot = holding("former", generate="", effect="next-deployment")
    new = secret_change.gather(run, snapshot, "renew", "due", due=(KEY,))
    assert new.left_out == (f"{KEY} cannot be generated, and this session has no prompt: still due.",)


@pytest.mark.parametrize("source", ["renew", "generate"])
def test_without_a_source_that_has_a_value_the_reason_comes_first(source: str) -> None:
    """Of a key that nothing generates, where nobody can be asked either: to ask for any new value would mislead."""
    run = cast(Run, SimpleNamespace(target=SimpleNamespace(clients=None)))
    with pytest.raises(UsageError, match="ENCRYPTION_KEY encrypts data"):
        secret_change.gather(run, holding(fernet(), generate=""), source, KEY)
    with pytest.raises(UsageError, match="prompt"):
        secret_change.gather(run, holding(fernet(), generate="", effect="next-deployment"), source, KEY)


@pytest.mark.parametrize("form", ["{new},{former}", '["{new}", "{former}"]', "{new} {former}", "{former};{new}"])
def test_a_list_that_keeps_the_former_value_passes(form: str) -> None:
    """However it is written; then the present one is the list, whose first encrypts."""
    former, value = fernet(), fernet()
    listed = form.format(new=value, former=former)
    new_values.refuse_loss(holding(former), new(listed))
    assert notes(holding(former), listed) == ()


def test_the_former_value_can_go_once_another_encrypts() -> None:
    """With a note: data that nobody encrypted again needs it."""
    former, value = fernet(), fernet()
    snapshot = holding(f"{value},{former}")
    with pytest.raises(UsageError, match="only the values that it no longer has"):
        new_values.refuse_loss(snapshot, new(value))
    [note] = notes(snapshot, value)
    assert "only the values that it no longer has can decrypt" in note
    with pytest.raises(UsageError, match="the present value"):
        new_values.refuse_loss(snapshot, new(former))


@pytest.mark.parametrize("former", ["", "changeme-please-update", "your_encryption_key_here"])
def test_what_encrypted_nothing_is_replaced(former: str) -> None:
    """An empty value and a placeholder."""
    new_values.refuse_loss(holding(former), new(fernet()))
    assert notes(holding(former), fernet()) == ()


def test_a_key_that_encrypts_nothing_is_renewed_where_the_catalogue_says_so() -> None:
    """The name alone would say otherwise."""
    new_values.refuse_loss(holding(fernet(), effect="next-deployment"), new(fernet()))


def test_a_pem_key_is_one_key() -> None:
    """Its first words are those of every other."""
    former = pem()
    assert notes(holding(former), pem()) != () == notes(holding(former), pem() + former)


def test_it_is_never_due_and_told_instead() -> None:
    """As old as another key that is."""
    snapshot = holding(fernet())
    old = snapshot.taken.replace(year=snapshot.taken.year - 2)
    ages = [Age(key, old, old) for key in (KEY, "SECRET_KEY", "SMTP_HOST")]
    assert age.due(snapshot, ages) == ("SECRET_KEY",)
    assert age.overdue_encryption(snapshot, ages) == (KEY,)


@pytest.mark.parametrize(
    ("before", "after", "entry", "is_lost"),
    [
        ("{former}", "{new},{former}", {}, True),
        ("", "{new}", {}, True),
        ("{former}", "{former},{new}", {}, False),
        ("{new},{former}", "{new}", {}, False),
        ("{former}", "{new}", {"effect": "next-deployment"}, False),
    ],
)
def test_what_a_return_makes_unreadable_is_told(
    before: str, after: str, entry: dict[str, object], is_lost: bool
) -> None:
    """Only what the new value encrypts first, and the former one lacks."""
    keys = {"former": fernet(), "new": fernet()}
    plan = plan_of(holding(before.format(**keys), **entry), after.format(**keys))
    warning = (
        f"What new tasks have encrypted with the new {KEY} can be read only with its value in version {plan.token[:8]}."
    )
    assert plan.lost_on_return == (warning if is_lost else "")


def test_what_is_unreadable_without_the_value_of_a_killed_run_is_told_too() -> None:
    """Where that is taken back: alone, or with the change of another key."""
    former, unfinished = fernet(), fernet()
    snapshot = holding(unfinished)
    assert snapshot.current and snapshot.current.document
    before = parse(snapshot.current.document.replace({KEY: Masked(former, KEY)}, ()))
    change = UnfinishedChange(snapshot.current_id, PREVIOUS, True, snapshot.current.document, before)
    found = NewValues({}, unfinished=change, encrypting=change.encrypting(snapshot.environment.keys))
    other = {"SECRET_KEY": NewValue(Masked(secrets.token_hex(32), "SECRET_KEY"), "a test")}
    for values in ({}, other):
        plan = replace(plan_update(snapshot, values), outdated_keys=frozenset({KEY}))
        back = replaced_plan(plan, found)
        assert back and back.base == PREVIOUS and f"encrypted with the new {KEY}" in back.lost_on_return


def test_restoring_a_version_with_another_value_comes_with_a_warning() -> None:
    """What was encrypted since cannot be read with it; a list that has the former one reads both ways."""
    former, value = fernet(), fernet()

    def restored(current: str) -> tuple[str, ...]:
        snapshot = holding(former)
        assert snapshot.current and snapshot.current.document
        text = reveal(snapshot.current.document.value)
        snapshot = with_text(with_keys(snapshot, **{KEY: current}), text, PREVIOUS)
        entries = [
            VersionEntry(version=version, content=snapshot.contents.get(version.id), promoted=True)
            for version in snapshot.versions
        ]
        return about_the_key(plan_restore(snapshot, VersionHistory(tuple(reversed(entries))), "AWSPREVIOUS"))

    [note] = restored(value)
    assert note.startswith("ENCRYPTION_KEY encrypts data") and "the present value cannot be read" in note
    [note] = restored(f"{value},{former}")
    assert "the present value cannot be read" in note
    [note] = restored(f"{former},{value}")
    assert "no longer has can decrypt" in note
