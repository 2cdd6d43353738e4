"""The buttons below an answer: what leads on from it."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock, call

import pytest
from support.outcomes import an_outcome

from omc_runbook.model.findings import Finding, Remedy, as_before
from omc_runbook.report.answer import answer
from omc_runbook.runbooks.final_answer import links


@pytest.mark.parametrize(
    ("remedies", "labels"),
    [
        ([("create", {"environment": "dev"})], ["create.ipynb"]),
        (
            [("create", {"environment": "dev"}), ("create", {"environment": "eu"}), ("rotate", {"keys": "A"})],
            ["create.ipynb for dev", "create.ipynb for eu", "rotate.ipynb"],
        ),
        (
            [("update", {"environment": "dev", "keys": each}) for each in ("A", "B")],
            ["update.ipynb for A", "update.ipynb for B"],
        ),
        (
            [("update", {"keys": "A", "values_from": "generate"}), ("update", {"remove": "B"}), ("update", {})],
            ["update.ipynb for A", "update.ipynb with remove=B", "update.ipynb"],
        ),
        (
            [("rotate", {"keys": "A", "values_from": each}) for each in ("generate", "file:PATH")],
            ["rotate.ipynb with values_from=generate", "rotate.ipynb with values_from=file:PATH"],
        ),
        (
            [("add_key", {"key": "A", "required": "true"}), ("add_key", {"key": "A"}), ("add_key", {"key": "B"})],
            ["add_key.ipynb for A with required=true", "add_key.ipynb for A", "add_key.ipynb for B"],
        ),
    ],
)
def test_buttons_that_open_the_same_notebook_say_what_tells_them_apart(
    remedies: list[tuple[str, dict[str, str]]], labels: list[str]
) -> None:
    """The environments that lack a secret, or the keys that lack a value."""
    one = Finding(check="empty", family="content", title="A key is empty", status="found")
    findings = (
        replace(one, subject=str(number), remedy=Remedy(runbook=runbook, parameters=parameters))
        for number, (runbook, parameters) in enumerate(remedies)
    )
    found = links(answer(an_outcome(findings=tuple(findings))))
    assert [each.label for each in found if each.label.startswith("Open")] == [
        f"Open {each}, filled in" for each in labels
    ]


def test_what_was_wrong_before_leads_on() -> None:
    """Nothing new is wrong, so that the answer names troubleshoot: a button opens it."""
    remedy = Remedy(runbook="troubleshoot", parameters={"environment": "staging"})
    stopped = Finding(check="pull-failed", family="deployment", title="Tasks stop", status="found", remedy=remedy)
    before = replace(as_before(stopped), because_of=("no-permission",))
    labels = [each.label for each in links(answer(replace(an_outcome(findings=(before, before)), runbook="rotate")))]
    assert labels == ["Open troubleshoot.ipynb, filled in", "Copy the command"]


def test_what_is_new_leads_on_before_what_was_wrong_before() -> None:
    """Else the button beside the answer's own remedy copies the command of another fault."""
    finding = Finding(check="no-image", family="deployment", title="No image", status="found")
    before = as_before(replace(finding, remedy=Remedy(runbook="troubleshoot", parameters={"environment": "staging"})))
    new = replace(finding, check="empty", remedy=Remedy("aws do"))
    found = links(answer(an_outcome(findings=(before, new))))
    frontend = Mock()
    for each in found:
        each.act(frontend)
    assert frontend.mock_calls == [call.copy("aws do")]
