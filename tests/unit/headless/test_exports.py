"""Outcomes in the formats of other programs, read back by their own libraries."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from support.outcomes import NOW, an_outcome

from omc_runbook.headless import exports, publishing
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Finding, Remedy, TargetOutcome


def _finding(check: str, status: str, **members: object) -> Finding:
    return Finding(check=check, family="access", title=f"Title of {check}", status=status, **members)  # type: ignore[arg-type]


OUTCOME = an_outcome(
    finished=NOW + timedelta(seconds=3),
    findings=(
        _finding("no-permission", "found", subject="backend", evidence=("Denied.",), remedy=Remedy(command="aws iam")),
        _finding("stale-tasks", "found", severity="warning"),
        _finding("key-unused", "found", severity="info"),
        _finding("kms-denied", "unknown", evidence=("The permission kms:DescribeKey is missing.",)),
        _finding("secret-missing", "clear"),
        _finding("env-quoting", "skipped"),
    ),
)


def test_junit_has_a_case_for_each_check(tmp_path: Path) -> None:
    """A problem is a failure, an unknown check an error, and a remark passes."""
    junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed")
    exports.write(OUTCOME, exports.parse(f"junit={tmp_path / 'verify.xml'}"))
    report = junitparser.JUnitXml.fromfile(str(tmp_path / "verify.xml"))
    (suite,) = report
    assert (suite.name, suite.tests, suite.failures, suite.errors, suite.skipped) == ("verify staging", 6, 2, 1, 1)
    results = {case.name: [(type(each).__name__, each.message, each.text) for each in case.result] for case in suite}
    assert results["no-permission backend"] == [("Failure", "Title of no-permission", "Denied.\naws iam")]
    assert results["kms-denied"] == [("Error", "Title of kms-denied", "The permission kms:DescribeKey is missing.")]
    assert results["key-unused"] == results["secret-missing"] == []


def test_junit_shows_a_run_that_failed(tmp_path: Path) -> None:
    """Without any check, it is no empty suite that passes."""
    junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed")
    exports.write(an_outcome(failure="The sign-in has expired."), exports.Export("junit", tmp_path / "verify.xml"))
    ((case,),) = junitparser.JUnitXml.fromfile(str(tmp_path / "verify.xml"))
    assert [each.message for each in case.result] == ["The sign-in has expired."]


def test_junit_contains_no_character_that_xml_cannot(tmp_path: Path) -> None:
    """A log line may be coloured, and contain anything."""
    junitparser = pytest.importorskip("junitparser", reason="junitparser is not installed")
    found = _finding("no-permission", "found", subject="a\x00b", evidence=("\x1b[31mDenied\x1b[0m <é>",))
    outcome = an_outcome(findings=(found,), failure="Broken: \x08.")
    exports.write(outcome, exports.Export("junit", tmp_path / "verify.xml"))
    (suite,) = junitparser.JUnitXml.fromfile(str(tmp_path / "verify.xml"))
    assert [(case.name, case.result[0].text or case.result[0].message) for case in suite] == [
        ("no-permission a‹U+0000›b", "‹U+001B›[31mDenied‹U+001B›[0m <é>"),
        ("run", "Broken: ‹U+0008›."),
    ]


@pytest.mark.parametrize(("name", "library"), [("junit", "junitparser"), ("prometheus", "prometheus_client")])
def test_a_file_is_replaced_whole_or_stays(tmp_path: Path, name: str, library: str) -> None:
    """A full disk leaves the former one; others may read it as the umask says; what is no file stays what it is."""
    pytest.importorskip(library, reason=f"{library} is not installed")
    (folder := tmp_path / "exports").mkdir()
    path = folder / "verify"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_bytes(former := b"former")
    (linked := tmp_path / "linked").symlink_to(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))
    try:
        for full in (path, linked):
            with pytest.raises(OSError, match="File too large"):
                exports.write(OUTCOME, exports.Export(name, full))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == former and [*folder.iterdir()] == [path]
    with publishing.umask(0o027):
        exports.write(OUTCOME, exports.Export(name, path))
    assert path.stat().st_mode & 0o777 == 0o640
    (link := folder / "link").symlink_to(tmp_path / "elsewhere")
    exports.write(OUTCOME, exports.Export(name, link))
    assert link.is_symlink() and (tmp_path / "elsewhere").read_bytes() == path.read_bytes()
    os.mkfifo(pipe := folder / "pipe")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    exports.write(OUTCOME, exports.Export(name, pipe))
    assert pipe.is_fifo() and os.read(reader, 1 << 16) == path.read_bytes()
    os.close(reader)


def test_a_file_that_a_link_leads_to_is_written_to_where_its_folder_takes_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that an administrator has made for this user."""
    (folder := tmp_path / "metrics").mkdir()
    (file := folder / "verify.xml").write_bytes(b"former")
    (link := tmp_path / "link").symlink_to(file)
    before = file.stat().st_ino
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder)
    exports.write(OUTCOME, exports.Export("junit", link))
    assert link.is_symlink() and file.stat().st_ino == before and b"<testsuite" in file.read_bytes()


def test_the_output_of_the_process_is_written_to(tmp_path: Path) -> None:
    """By a link too, and where it goes into a file: what is printed afterwards still reaches that."""
    (link := tmp_path / "link").symlink_to("/dev/stdout")
    lines = ("import sys", "from pathlib import Path", "from omc_runbook.headless import exports")
    act = "exports._replace(Path(sys.argv[1]), b'exported' * 9); print('printed')"
    with (tmp_path / "printed").open("ab") as file:
        subprocess.run([sys.executable, "-c", "; ".join((*lines, act)), str(link)], stdout=file, check=True)
    assert (tmp_path / "printed").read_bytes() == b"exported" * 9 + b"printed\n" and link.is_symlink()


def test_prometheus_reads_the_textfile(tmp_path: Path) -> None:
    """Whether it is well, when it was seen, and how many checks found what."""
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")
    exports.write(OUTCOME, exports.parse(f"prometheus={tmp_path / 'verify.prom'}"))
    text = (tmp_path / "verify.prom").read_text()
    samples = [sample for family in parser.text_string_to_metric_families(text) for sample in family.samples]
    assert all(sample.labels.items() >= {"runbook": "verify", "environment": "staging"}.items() for sample in samples)
    assert {(sample.name, sample.labels.get("result", "")): sample.value for sample in samples} == {
        ("omc_runbook_exit_code", ""): 1,
        ("omc_runbook_finished_timestamp_seconds", ""): OUTCOME.finished.timestamp(),
        ("omc_runbook_duration_seconds", ""): 3,
        ("omc_runbook_checks", "errors"): 1,
        ("omc_runbook_checks", "warnings"): 1,
        ("omc_runbook_checks", "unknown"): 1,
        ("omc_runbook_checks", "clear"): 1,
    }


def test_embedded_metrics_are_a_line_a_run(tmp_path: Path) -> None:
    """Each metric that the directive names stands in the line, as CloudWatch's specification wants it."""
    export = exports.parse(f"emf={tmp_path / 'verify.log'}")
    exports.write(OUTCOME, export)
    exports.write(an_outcome(), export)
    first, second = map(json.loads, (tmp_path / "verify.log").read_text().splitlines())
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert first["_aws"]["Timestamp"] == OUTCOME.finished.timestamp() * 1000
    assert {each["Name"]: first[each["Name"]] for each in directive["Metrics"]} == {
        "ExitCode": 1,
        "Duration": 3,
        "Errors": 1,
        "Warnings": 1,
        "Unknown": 1,
        "Clear": 1,
    }
    assert [[first[name] for name in names] for names in directive["Dimensions"]] == [["verify", "staging"]]
    assert second["ExitCode"] == 0


ONE = TargetOutcome(environment="staging", account="", region="", endpoint="", status="ok")
FLEET = replace(
    OUTCOME,
    runbook="fleet",
    targets=(ONE, replace(ONE, environment="qa", status="findings"), replace(ONE, environment="dev", status="failed")),
)


def test_prometheus_reads_which_environment_is_well(tmp_path: Path) -> None:
    """The run itself is filed under the environment of its parameter, which may be well."""
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus-client is not installed")
    exports.write(FLEET, exports.Export("prometheus", tmp_path / "fleet.prom"))
    families = parser.text_string_to_metric_families((tmp_path / "fleet.prom").read_text())
    (own,) = (family for family in families if family.name == "omc_runbook_environment_exit_code")
    assert {each.labels["environment"]: each.value for each in own.samples} == {"staging": 0, "qa": 1, "dev": 2}
    assert {each.labels["runbook"] for each in own.samples} == {"fleet"}


def test_embedded_metrics_have_a_line_for_each_environment_of_a_fleet(tmp_path: Path) -> None:
    """After that of the run, and in its own dimension."""
    exports.write(FLEET, exports.Export("emf", tmp_path / "fleet.log"))
    run, *lines = map(json.loads, (tmp_path / "fleet.log").read_text().splitlines())
    assert (run["ExitCode"], "EnvironmentExitCode" in run) == (1, False)
    assert {each["Environment"]: each["EnvironmentExitCode"] for each in lines} == {"staging": 0, "qa": 1, "dev": 2}
    assert all(
        each["_aws"]["CloudWatchMetrics"][0]["Metrics"] == [{"Name": "EnvironmentExitCode", "Unit": "Count"}]
        for each in lines
    )


LONG = "x" * 300
"""No name of a folder: the system answers with an error, as where it cannot be entered."""


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("junti=x.xml", '--export knows no format "junti": did you mean junit?'),
        ("junit", "--export junit has no path: write junit=PATH."),
        ("emf=/", "--export emf: / is a folder: name a file."),
        ("emf=/nowhere/x.log", "--export emf: /nowhere/x.log is in no folder that can be written."),
        (f"emf={LONG}/x.log", f"--export emf: {LONG}/x.log is in no folder that can be written."),
        (f"junit={LONG}", f"--export junit: {LONG} cannot be written: File name too long."),
    ],
)
def test_a_wrong_word_is_refused_before_the_run(word: str, sentence: str) -> None:
    """With what would be right."""
    with pytest.raises(UsageError) as raised:
        exports.parse(word)
    assert str(raised.value) == sentence
