"""What an audit shows of calls and alarms: tables, pictures, and Terraform that can be parsed."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.faults.audit_accesses import CALLER, REPORTS, STRANGER, audited, call
from support.faults.audit_monitoring import FILTER, RULE, TRAIL, monitored
from support.snapshots import NAME, NOW, ROLE, healthy

from omc_runbook.report import audit_accesses, audit_monitoring, audit_plots
from omc_runbook.report.display.drawing import Picture
from omc_runbook.terraform.hcl import read_blocks
from omc_runbook.textfile.file import SourceFile

STRANGE = (
    call(1, STRANGER, address="198.51.100.9"),
    call(3, STRANGER, name="PutSecretValue", error="AccessDeniedException"),
    call(20, CALLER, name="PutSecretValue", with_mfa=True),
)


def test_who_used_the_secret() -> None:
    """A row for each principal, the busiest first, with what is unusual of it; usual ones are called that."""
    table = audit_accesses.accesses(audited(healthy(), *STRANGE))
    rows = {row[0]: row[1:] for row in table.rows}
    assert [*rows] == [
        "role/reports",
        "role/ohmycoins-staging-ecs-task-execution-role",
        "role/on-call",
        "role/contractor",
    ]
    assert rows["role/contractor"][:4] == ["role", "1", "0", "1"]
    assert rows["role/contractor"][-2:] == ["198.51.100.9, 203.0.113.7", "new-reader"]
    assert rows["role/on-call"][-1] == audit_accesses.OWN and rows[ROLE.rpartition(":")[2]][-1] == audit_accesses.ECS
    assert rows["role/reports"][-1] == ""
    assert table.notes == ("From CloudTrail's event history, since 2025-12-01 12:00 UTC.",)


def test_who_changed_the_secret() -> None:
    """Each change and each that was refused, newest first."""
    table = audit_accesses.changes_log(audited(healthy(), *STRANGE))
    assert [(row[1], row[2], row[-2], row[-1]) for row in table.rows] == [
        ("PutSecretValue", "role/contractor", "no", "AccessDeniedException"),
        ("PutSecretValue", "role/on-call", "yes", "done"),
    ]


def test_calls_that_are_not_counted_are_told() -> None:
    """Where CloudTrail has more than was read."""
    cut = audited(healthy(), cut={"GetSecretValue": NOW - timedelta(days=60)})
    assert "GetSecretValue before 2025-12-31" in audit_accesses.accesses(cut).notes[-1]
    # Nobody is known to have called it since then: that is said of these calls alone.
    nobody = replace(cut, audit=replace(cut.audit, accesses=replace(cut.audit.accesses, calls=())))
    for table in (audit_accesses.accesses(nobody), audit_accesses.changes_log(nobody)):
        assert not table.rows
        for text in (table.to_text(), table.to_html()):
            assert "Nobody" in text and "GetSecretValue before 2025-12-31" in " ".join(text.split())


def test_what_was_not_read_is_no_empty_answer() -> None:
    """The tables say so."""
    for table in (audit_accesses.accesses(healthy()), audit_accesses.changes_log(healthy())):
        assert "CloudTrail was not read." in table.to_text()
    for display in (audit_monitoring.monitoring(healthy()), audit_monitoring.missing(healthy())):
        assert "were not read" in display.to_text()


@pytest.mark.parametrize("draw", [audit_plots.HeatMap, audit_plots.AccessTimeline])
@pytest.mark.parametrize("principals", [0, 1, 60])
def test_pictures_of_calls(draw: type[Picture], principals: int) -> None:
    """They are whole, of a bounded size, have a title and an alternative text, and the same as text."""
    more = [call(each % 80 + 0.1, f"{REPORTS}{each}", address="") for each in range(principals)]
    picture = draw(audited(healthy(), *STRANGE, *more) if principals else healthy())
    data, metadata = picture._repr_mimebundle_()
    svg = ElementTree.fromstring(data["image/svg+xml"])
    [height] = [int(number) for number in svg.attrib["viewBox"].split()[3:]]
    assert height <= 30 + audit_plots.ROW * (audit_plots.MOST_ROWS + 1) + 50
    for shape in svg.iter():
        assert 0 <= float(shape.attrib.get("x", 0)) <= 640 and 0 <= float(shape.attrib.get("y", 0)) <= height
    assert metadata["image/svg+xml"]["alt"] == svg[0].text
    assert (STRANGER in data["text/plain"]) is (principals == 1) or principals == 60
    assert data["text/plain"].startswith("No calls") is (principals == 0)


@pytest.mark.parametrize("draw", [audit_plots.HeatMap, audit_plots.AccessTimeline])
def test_a_narrow_page_shows_names_and_newest_calls(draw: type[Picture], monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of 500 pixels scrolls neither, whatever a principal is called; names stand above what is drawn."""
    monkeypatch.setattr("omc_runbook.report.display.drawing.is_in_ipython", lambda: True)
    monkeypatch.setattr("omc_runbook.masking.kernel.allows_input", lambda: True)
    long = f"arn:aws:iam::123456789012:role/{'deployment-pipeline-' * 5}"
    picture = draw(audited(healthy(), call(0.01, long, address=""), *STRANGE))
    [narrowest] = re.findall(r"min-width: (\d+)px", picture._repr_mimebundle_()[0]["text/html"])
    assert int(narrowest) <= 500
    texts = ElementTree.fromstring(picture.to_svg()).findall(".//{*}text")
    names = {each.text or "": each for each in texts if "role/" in (each.text or "") or "…" in (each.text or "")}
    assert len(names) > 1 and all(each.attrib["text-anchor"] == "start" for each in names.values())
    for name, each in names.items():
        assert int(each.attrib["x"]) + 7 * len(name) <= 640


def test_the_heat_map_counts_by_hour() -> None:
    """In UTC, each principal in a row of its own."""
    unnamed = call(2, "AROAEXAMPLE:session")
    heat_map = audit_plots.HeatMap(audited(healthy(), *STRANGE, unnamed))
    counts = heat_map.counts
    assert counts[STRANGER] == {12: 2} and sum(counts[REPORTS].values()) == 26
    labels = [each.text for each in ElementTree.fromstring(heat_map.to_svg()).iter() if each.text]
    assert {"role/contractor", "AROAEXAMPLE:session"} <= {*labels}


def test_who_would_notice() -> None:
    """Trails and what tells somebody, with where it ends."""
    table = audit_monitoring.monitoring(monitored(healthy(), rules=(RULE,)))
    assert [row[:3] for row in table.rows] == [
        ["trail", "main", "yes"],
        ["alarm", "secret-reads", "yes"],
        ["rule", "secret-reads", "yes"],
    ]
    assert table.rows[0][3] == "all regions, files validated, records reads, log group /trail"
    assert "has confirmed subscriptions: email" in table.rows[1][3]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        ({"has_dimensions": True}, "Filter secret-reads: metric filter secret-reads counts by dimensions"),
        ({"criteria": '@aws.region = "us-east-1"'}, "Alarm secret-reads: whether metric filter secret-reads sees"),
        ({"pattern": "%Get%"}, "Alarm secret-reads: whether it matches is not known: %Get%"),
    ],
)
def test_an_alarm_of_which_it_is_not_known_whether_it_works_is_not_missing(edit: dict[str, Any], words: str) -> None:
    """Both displays say the same of it, and a rule that works makes up for it."""
    filters = (replace(FILTER, **edit),)
    [entry] = audit_monitoring.missing(monitored(healthy(), filters=filters)).entries
    assert (entry.name, entry.level) == ("unknown", "unknown") and entry.lines[0].startswith(words)
    assert not audit_monitoring.missing(monitored(healthy(), filters=filters, rules=(RULE,))).entries


@pytest.mark.parametrize("trail", [TRAIL, None])
def test_what_is_missing_is_offered_as_terraform(trail: object) -> None:
    """A trail where there is none, and an alarm, by a log group or by EventBridge; both name the secret."""
    snapshot = monitored(healthy(), TRAIL if trail else None, filters=(), alarms={})
    entries = audit_monitoring.missing(snapshot).entries
    terraform = [entry.command for entry in entries if entry.subject == "by Terraform"]
    by_hand = [entry.command for entry in entries if entry.subject == "by the AWS CLI"]
    assert len(terraform) == len(by_hand) == (1 if trail else 2)
    for text in terraform:
        assert read_blocks(SourceFile(Path("audit.tf"), "audit.tf", text.encode()))
    assert NAME in terraform[-1] and NAME in by_hand[-1] and ROLE in terraform[-1]
    assert ("aws_cloudwatch_log_metric_filter" in terraform[-1]) is bool(trail)
    assert "Nothing: somebody is notified" in audit_monitoring.missing(monitored(healthy())).to_text()
