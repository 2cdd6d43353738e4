"""What the form above the parameters offers, and that it shows nothing where nobody is."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import create_autospec

import pytest
from support.histories import FORMER_ID, with_history
from support.snapshots import NOW

from omc_runbook.aws.session import Clients
from omc_runbook.aws.sts import Caller
from omc_runbook.diagnosis import complaint
from omc_runbook.headless import notebooks
from omc_runbook.model.environment import load
from omc_runbook.runbooks import add_key, fleet, local_setup, pickers, restore, rotate, troubleshoot, update, verify
from omc_runbook.runbooks.fleet import Fleet
from omc_runbook.runbooks.form import IS_SECRET, _Control, form
from omc_runbook.runbooks.frontend import Frontend
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.run import Run, Target


@pytest.fixture
def run() -> Run:
    """A run that calls nothing."""
    target = Target(load("staging"), Clients("ap-southeast-2"), Caller("123456789012", "arn"))
    return Run(runbook="rotate", started=NOW, targets=(target,))


def test_keys_that_are_due_are_chosen(run: Run) -> None:
    """With their ages; names and addresses are not offered, and what was named stays chosen."""
    picker = pickers.keys_by_age(*with_history(201), "due")
    assert "SECRET_KEY" in picker.chosen and picker.options["SECRET_KEY"].endswith(", due")
    assert "SMTP_HOST" not in picker.options
    young = pickers.keys_by_age(*with_history(2), "OWN, SECRET_KEY")
    assert young.chosen == ("OWN", "SECRET_KEY")
    assert young.options["SECRET_KEY"] == "SECRET_KEY · 2 days" and young.options["OWN"] == "OWN"
    assert pickers.keys_by_age(*with_history(2), "due").chosen == ()


def test_versions_are_those_that_can_come_back(run: Run) -> None:
    """Not the current one; a label that was typed can be chosen too."""
    picker = pickers.version(*with_history(2), "AWSPREVIOUS")
    assert [*picker.options] == ["", FORMER_ID, "AWSPREVIOUS"]
    assert "AWSPREVIOUS" in picker.options[FORMER_ID]


def test_symptoms_are_those_that_troubleshoot_knows() -> None:
    """Each with words."""
    assert [*pickers.symptom("").options] == ["", *complaint.SYMPTOMS]


def test_environments_are_those_in_aws(run: Run) -> None:
    """Not this machine."""
    assert [*pickers.environment(run.environment).options] == ["production", "staging"]


def test_each_form_has_parameters_of_its_notebook(run: Run) -> None:
    """A picker that set what is no parameter would do nothing."""
    snapshot, history = with_history(2)
    some = Fleet(started=NOW, environment="staging", environments=(run.target.environment,), seconds=9)
    offered = {
        "rotate": rotate.pickers(run, snapshot, history, "", "renew", "restore"),
        "restore": restore.pickers(run, snapshot, history, ""),
        "update": update.pickers(run, snapshot, "", "file:values.env"),
        "troubleshoot": troubleshoot.pickers(run, snapshot, "", ""),
        "verify": verify.pickers(run, snapshot, ""),
        "fleet": fleet.pickers(some, "staging,production"),
        "add_key": add_key.pickers("staging", "", "", "", "", False, "SecretStr", "file:values.env"),
        "local_setup": local_setup.pickers("staging", "", "", "keep", "", True),
    }
    for name, found in offered.items():
        declared = {each.name for each in notebooks.describe(name).parameters}
        assert (name, {picker.parameter for picker in found} - declared) == (name, set())
        assert all(set(picker.chosen) <= picker.options.keys() for picker in found)
        # An error asks for a source by this word.
        sources = {
            value: label for each in found if each.parameter == "values_from" for value, label in each.labels.items()
        }
        assert all(label.startswith(f"{value}: ") for value, label in sources.items() if value)


def test_texts_and_boxes_are_as_the_parameters() -> None:
    """A text has no labels, a box a value that is true or false; no environment but those of AWS gets a new key."""
    offered = {each.parameter: each for each in add_key.pickers("staging", "", "", "~/x", "NEW", True, "int", "")}
    assert [name for name, each in offered.items() if not each.labels] == ["repository", "key", "required"]
    assert offered["required"].value is True and offered["repository"].value == "~/x"
    assert [*offered["environments"].options] == ["production", "staging"] and offered["environments"].chosen == ()
    compared = local_setup.pickers("local", "", "", "", "", False)[2]
    assert [*compared.options] == ["production", "staging", "local"] and compared.chosen == ("local",)


def test_a_key_for_others_needs_no_table_of_the_default_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environments that are named have theirs."""
    (tmp_path / "runbook.toml").write_text("[environments.stage]\n[environments.prod]\n")
    monkeypatch.chdir(tmp_path)
    offered = {
        each.parameter: each for each in add_key.pickers("staging", "stage,prod", "", "", "NEW", True, "int", "")
    }
    assert offered["environments"].chosen == ("stage", "prod")


def test_a_form_is_empty_where_nobody_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Outside Jupyter it shows nothing, filled or not."""
    empty_form = form()
    empty_form._ipython_display_()
    empty_form.show(Picker("environment", "staging", {"staging": "staging"}))
    empty_form._ipython_display_()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "text", ["pa ss[w]0rd!(x)&Zq2&Rt", "a,b3!$%^&*()_+{}|:<>?zz", "9b1d6f0c2e8a47539b1d6f0c2e8a4753"]
)
def test_what_the_command_line_refuses_the_form_does_not_set(text: str) -> None:
    """One rule for both: what is typed goes back, and a sentence says why."""
    frontend = create_autospec(Frontend, instance=True)
    control = _Control(Picker("repository", "", hint="a path"), frontend)
    control.widget.value = text
    assert control.widget.value == "" and not frontend.plan.called
    frontend.say.assert_called_once_with(f"repository {IS_SECRET}")
    control.widget.value = "/home/me/checkout"
    frontend.plan.assert_called_once_with({"repository": "/home/me/checkout"})
