"""The cards of the index: each leads to a runbook with parameters that it has."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support.histories import with_history
from support.records import ended, hour, keep
from support.snapshots import healthy

from omc_runbook.headless import notebooks
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Outcome
from omc_runbook.report import index
from omc_runbook.runbooks.index import SHOWN, purposes, records
from omc_runbook.snapshot.version_history import VersionHistory


@pytest.mark.parametrize("days", [2, 400])
def test_each_card_leads_to_a_runbook_that_takes_its_parameters(days: int) -> None:
    """Every runbook but the index has a card, and its environment is filled in."""
    cards = purposes(*with_history(days))
    assert {card.runbook for card in cards} == notebooks.paths().keys() - {"index"}
    for card in cards:
        declared = {each.name for each in notebooks.describe(card.runbook).parameters}
        assert card.parameters.keys() <= declared
        assert card.runbook == "onboarding" or card.parameters["environment"] == "staging"


def test_a_notebook_that_no_card_names_has_one_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """After the others, with what it says that it is for."""
    shutil.copytree(notebooks.folder(), tmp_path, dirs_exist_ok=True)
    shutil.copy(notebooks.find("verify"), tmp_path / "another.ipynb")
    monkeypatch.setattr(notebooks, "folder", lambda: tmp_path)
    parameters = {"environment": "staging", "runbook_toml": "named.toml"}
    card = index.Card("Do the secrets reach the tasks?", "", "another", parameters)
    cards = index.cards(*with_history(2), runbook_toml="named.toml")
    assert card in purposes(*with_history(2), runbook_toml="named.toml")[len(cards) :]


def test_what_is_due_is_counted_and_filled_in() -> None:
    """With the ages; where nothing is due, the keys are left to choose."""
    old = next(card for card in index.cards(*with_history(400)) if card.runbook == "rotate")
    assert old.purpose == "A value is old: 6 due" and "SECRET_KEY 400 days" in old.text
    assert (old.parameters["keys"], old.leads_to) == ("due", "answer")
    young = next(card for card in index.cards(*with_history(2)) if card.runbook == "rotate")
    assert "keys" not in young.parameters and young.leads_to == "form" and young.text == "No rotation is due."
    unknown = index.cards(replace(healthy(), contents={}), VersionHistory(()))
    unread = next(card for card in unknown if card.runbook == "rotate")
    assert unread.text == "No value was read, so that their ages are not known."


def test_as_text_each_card_is_a_command() -> None:
    """What a button does in JupyterLab, it does in a terminal."""
    text = index.listing(index.cards(*with_history(400))).to_text()
    assert "  → omc-runbook run rotate -p environment staging -p keys due" in text.splitlines()


def test_versions_are_counted_with_their_last_author() -> None:
    """Without any, the card says what it is for, and with the current one alone that there is none to go back to."""
    snapshot, history = with_history(2)
    current, former = history.versions
    for versions, start in (((current,), "There is no former version; "), ((former,), "1 version is kept; the last:")):
        (card,) = (each for each in index.cards(snapshot, VersionHistory(versions)) if each.runbook == "restore")
        assert card.text.startswith(start)
    (card,) = (card for card in index.cards(*with_history(2)) if card.runbook == "restore")
    assert card.text.startswith("2 versions are kept; the last:") and card.text.endswith("by ana.")
    (card,) = (card for card in index.cards(healthy(), VersionHistory(())) if card.runbook == "restore")
    assert card.text == "A former version becomes current again."


def test_parameters_are_set_in_their_cell() -> None:
    """As Python, with the comments kept; a value of the wrong type is refused."""
    source = 'name: str = "a"  # a name\nkeep: bool = False  # whether to keep it'
    changed = notebooks.with_parameters(source, {"name": 'b "c" \\ ü', "keep": "true"})
    assert changed == 'name: str = "b \\"c\\" \\\\ ü"  # a name\nkeep: bool = True  # whether to keep it'
    with pytest.raises(UsageError, match="must be true or false"):
        notebooks.with_parameters(source, {"keep": "perhaps"})


def test_of_many_records_only_those_are_read_that_can_be_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """So that a year of nights opens as quickly as a week."""
    for number in range(SHOWN + 3):
        keep(tmp_path, ended(number))
    read, parse = list[str](), Outcome.from_json
    monkeypatch.setattr(Outcome, "from_json", lambda text: read.append(text) or parse(text))
    table = records(str(tmp_path)).to_text()
    assert len(read) == SHOWN == table.count("verify on staging")
    assert f"{hour(SHOWN + 2):%Y-%m-%d %H:%M}" in table


def test_records_that_were_renamed_are_shown_and_those_that_were_cut_hide_no_others(tmp_path: Path) -> None:
    """However many of the newest nobody can read any more."""
    for number in range(SHOWN + 3):
        record = keep(tmp_path, ended(number))
        for path in (record.notebook, record.notebook.with_suffix(".json")) if number > 2 else ():
            path.write_text("{")
    first, *_ = sorted(tmp_path.glob("*.ipynb"))
    for path in [*tmp_path.glob(f"{first.stem}*")]:
        path.rename(tmp_path / f"renamed{path.suffix}")
    text, number, note = records(str(tmp_path)).to_text().partition(f"\n{SHOWN} more records are damaged, ")
    assert text.count("verify on staging") == 3 and "renamed.html" in text
    assert number and note.count("verify on staging") == 1


def test_records_that_cannot_be_shown_are_not_none(tmp_path: Path) -> None:
    """Where nothing else is left, too, it is told below."""
    record = keep(tmp_path, ended(1))
    for path in (record.notebook, record.notebook.with_suffix(".json")):
        path.write_text("{")
    text = records(str(tmp_path)).to_text()
    assert "None can be shown." in text and "is damaged" in text and "There is none yet" not in text


def test_a_record_of_the_future_is_not_shown_as_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told below, as on the page of all records."""
    for number in (1, 2, 48):
        keep(tmp_path, ended(number))
    monkeypatch.setattr("omc_runbook.runbooks.index.now", lambda: hour(3))
    text, _, note = records(str(tmp_path)).to_text().partition("1 record is of the future")
    assert text.count("verify on staging") == 2 and note.endswith("It is left out.")


def test_what_is_no_folder_is_not_told_as_one_without_a_record(tmp_path: Path) -> None:
    """Nobody would look for the mistake in the parameter; the verdict does not depend on it."""
    (tmp_path / "a-file").touch()
    assert f"{tmp_path}/a-file cannot be read: Not a directory." in records(f"{tmp_path}/a-file").to_text()
    assert "There is none yet" in records(f"{tmp_path}/nowhere").to_text()


def test_the_command_that_lists_records_in_s3_is_quoted() -> None:
    """A prefix may have what a shell would take apart or run."""
    assert "listed by `omc-runbook records 's3://logs/a b;c'`" in records("s3://logs/a b;c").to_text()
