"""An outcome in formats that other programs read: JUnit XML, a Prometheus textfile, CloudWatch's embedded metrics."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omc_runbook.model import temporary
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import EXIT_CODES, Outcome
from omc_runbook.model.letters import printable
from omc_runbook.model.parameters import quoted
from omc_runbook.model.suggestions import is_folder, nearest
from omc_runbook.textfile import private_file

NAMESPACE = "OmcRunbook"


@dataclass(frozen=True)
class Export:
    """A format, and the file that an outcome is written to in it."""

    format: str
    path: Path


def parse(word: str) -> Export:
    """An export out of FORMAT=PATH; raises UsageError for another word, and where it cannot be written."""
    name, _, path = word.partition("=")
    if name not in FORMATS:
        raise UsageError(f"--export knows no format {quoted(name)}{nearest(name, FORMATS)}")
    if not path:
        raise UsageError(f"--export {name} has no path: write {name}=PATH.")
    module = LIBRARIES.get(name)
    if module and find_spec(module) is None:
        raise UsageError(f"--export {name} needs {module}: pip install 'omc-runbook[notify]'.")
    if is_folder(Path(path)):
        raise UsageError(f"--export {name}: {path} is a folder: name a file.")
    if not os.access(Path(path).parent, os.W_OK):
        raise UsageError(f"--export {name}: {path} is in no folder that can be written.")
    if why := _why_unusable(Path(path)):
        raise UsageError(f"--export {name}: {path} cannot be written: {why}.")
    return Export(name, Path(path))


def _why_unusable(path: Path) -> str:
    """Why the system takes no file of this path, such as one with too long a name; "" where it does."""
    try:
        path.lstat()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return os.strerror(error.errno or 0)
    return ""


def write(outcome: Outcome, export: Export) -> None:
    """Write an outcome to a file; raises OSError."""
    FORMATS[export.format](outcome, export.path)


def _junit(outcome: Outcome, path: Path) -> None:
    """Each check is a test case: failed where it found a problem, an error where it is unknown."""
    import junitparser

    suite = junitparser.TestSuite(printable(f"{outcome.runbook} {outcome.environment}"))
    suite.timestamp = outcome.started.isoformat(timespec="seconds")
    kinds = {"unknown": junitparser.Error, "skipped": junitparser.Skipped}
    for finding in outcome.findings:
        case = junitparser.TestCase(
            printable(f"{finding.check} {finding.subject}".strip()), f"{outcome.runbook}.{finding.family}"
        )
        kind = junitparser.Failure if finding.is_problem else kinds.get(finding.status)
        if kind:
            result = kind(printable(finding.title), finding.severity)
            lines = () if finding.status == "skipped" else (*finding.evidence, *finding.remedy.ways)
            result.text = printable("\n".join(lines))
            case.result = [result]
        suite.add_testcase(case)
    if outcome.failure:
        case = junitparser.TestCase("run", outcome.runbook)
        case.result = [junitparser.Error(printable(outcome.failure))]
        suite.add_testcase(case)
    suite.time = _seconds(outcome)
    report = junitparser.JUnitXml()
    report.add_testsuite(suite)
    with temporary.folder("export") as folder:
        # The library's older versions write to a path alone.
        draft = Path(folder) / "junit.xml"
        report.write(str(draft), pretty=True)
        _replace(path, draft.read_bytes())


def _prometheus(outcome: Outcome, path: Path) -> None:
    """A file for node_exporter's textfile collector."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    names = {"runbook": outcome.runbook, "environment": outcome.environment}
    metrics = {
        "omc_runbook_exit_code": ("0 no problem, 1 findings, 2 could not look or finish", outcome.exit_code),
        "omc_runbook_finished_timestamp_seconds": ("When the last run ended", outcome.finished.timestamp()),
        "omc_runbook_duration_seconds": ("How long it took", _seconds(outcome)),
    }
    for name, (text, value) in metrics.items():
        Gauge(name, text, tuple(names), registry=registry).labels(**names).set(value)
    counts = Gauge("omc_runbook_checks", "Checks by result", (*names, "result"), registry=registry)
    for result, number in _counts(outcome).items():
        counts.labels(**names, result=result).set(number)
    if by_environment := _exit_codes(outcome):
        text = "The exit code for each environment of a run on several"
        codes = Gauge("omc_runbook_environment_exit_code", text, tuple(names), registry=registry)
        for environment, code in by_environment.items():
            codes.labels(runbook=outcome.runbook, environment=environment).set(code)
    _replace(path, generate_latest(registry))


def _embedded_metrics(outcome: Outcome, path: Path) -> None:
    """A log line in CloudWatch's embedded metric format, appended to the file; /dev/stdout is one.

    See https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    counts = {name.capitalize(): number for name, number in _counts(outcome).items()}
    values: Mapping[str, float] = {"ExitCode": outcome.exit_code, "Duration": _seconds(outcome), **counts}
    causes = {"RootCauses": list(outcome.root_causes)}
    lines = [_metrics(outcome, outcome.environment, values) | causes]
    lines += [
        _metrics(outcome, environment, {"EnvironmentExitCode": code})
        for environment, code in _exit_codes(outcome).items()
    ]
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{json.dumps(line)}\n" for line in lines)


def _replace(path: Path, content: bytes) -> None:
    """Replace a file as a whole, so that none is ever cut; raises OSError.

    A link stays what it is, and so does what is no file, which is written to, such as /dev/stdout; so is a file that
    a link leads to in a folder where no other can be made.
    """
    file = Path(os.path.realpath(path))
    is_fixed = path.is_symlink() and not os.access(file.parent, os.W_OK)
    if is_fixed or file.is_symlink() or (path.exists() and (not path.is_file() or _is_output(path))):
        path.write_bytes(content)
    else:
        private_file.write(file, content, 0o666 & ~read_umask())


def _is_output(path: Path) -> bool:
    """Whether a file has this process's output, which would go on into one that has no name any more."""
    with suppress(OSError):
        return any(os.path.samestat(path.stat(), os.fstat(descriptor)) for descriptor in (1, 2))
    return False


def read_umask() -> int:
    """The bits that the modes of new files lack."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _metrics(outcome: Outcome, environment: str, values: Mapping[str, float]) -> dict[str, Any]:
    """A line's metrics, with the directive that names them."""
    metrics = [{"Name": name, "Unit": "Seconds" if name == "Duration" else "Count"} for name in values]
    dimensions = {"Runbook": outcome.runbook, "Environment": environment}
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}
    timestamp = int(outcome.finished.timestamp() * 1000)
    return {"_aws": {"Timestamp": timestamp, "CloudWatchMetrics": [directive]}, **dimensions, **values}


def _exit_codes(outcome: Outcome) -> dict[str, int]:
    """The exit code for each environment of a run on several: that of the run is filed under its parameter's name."""
    if len(outcome.targets) < 2:
        return {}
    return {each.environment: EXIT_CODES[each.status] for each in outcome.targets}


def _counts(outcome: Outcome) -> dict[str, int]:
    """How many checks found an error, a warning, nothing, or are unknown."""
    problems = [finding.severity for finding in outcome.findings if finding.is_problem]
    statuses = [finding.status for finding in outcome.findings]
    by_severity = {f"{name}s": problems.count(name) for name in ("error", "warning")}
    return by_severity | {"unknown": statuses.count("unknown"), "clear": statuses.count("clear")}


def _seconds(outcome: Outcome) -> float:
    return (outcome.finished - outcome.started).total_seconds()


FORMATS: Mapping[str, Callable[[Outcome, Path], None]] = {
    "junit": _junit,
    "prometheus": _prometheus,
    "emf": _embedded_metrics,
}
LIBRARIES: Mapping[str, str] = {"junit": "junitparser", "prometheus": "prometheus_client"}
