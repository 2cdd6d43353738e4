"""Every remedy that is printed: a sentence, or a command that a shell, our own parser and AWS's models accept."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache

import pytest
from support import aws_commands
from support.every_fault import AUDIT, OTHERS, Make, worlds
from support.faults import execute, network
from support.snapshots import healthy, simulated, with_permissions

from omc_runbook.changes.fix import advice
from omc_runbook.diagnosis import root_causes
from omc_runbook.headless import notebooks
from omc_runbook.model import parameters
from omc_runbook.model.findings import Finding, Remedy, is_sentence, with_remedies_of_causes
from omc_runbook.network.reachability import Network
from omc_runbook.snapshot.state import Snapshot


def _in(blocked: Network) -> Make:
    """Put the worker's tasks into a network."""
    return lambda snapshot: execute.placed(with_permissions(snapshot, simulated("allowed")), blocked)


WORLDS = {f"network {id}": _in(blocked) for id, (blocked, *_) in network.FAULTS.items()} | worlds(*OTHERS)
AUDITS = worlds(*AUDIT)
BLANKS = {
    "file:PATH": "PATH is",
    "file://secrets.json": "secrets.json is",
    "file://task.json": "task.json is",
    "file://policy.json": "to policy.json",
    "file://PATH": "PATH",
    "env:NAME": "NAME is",
    "Value=VALUE": "VALUE is",
}
"""What is left open in a command, and what then says how to fill it in."""
COMMAND_IN_SENTENCE = re.compile(r"`([^`]+)`")


def words_of(line: str) -> Iterator[list[str]]:
    """The words of each command of a line."""
    call: list[str] = []
    for word in shlex.split(line):
        if word == "&&":
            yield call
            call = []
        else:
            call.append(word)
    yield call


@cache
def assert_runs(line: str) -> None:
    """A command line of our own program is accepted by its parser, and one of the AWS CLI by AWS's model."""
    for words in words_of(re.sub(r'"\$\([^)]*\)"', "KEY", line)):
        if words[0] == "aws":
            aws_commands.read(words)
            continue
        if words[0] == "git":
            assert words[1:4] == ["rm", "--cached", "--"] and len(words) == 5
            continue
        assert words[0] == "omc-runbook", words
        if words[1] == "init":
            assert words[2::3] == ["-p"] * (len(words[2:]) // 3)
            continue
        assert words[1] == "run" and words[3::3] == ["-p"] * (len(words[3:]) // 3)
        pairs = list(zip(words[4::3], words[5::3], strict=True))
        parameters.check(notebooks.paths()[words[2]], pairs)


def assert_printable(remedy: Remedy) -> None:
    """Each way runs or is a sentence, and names whatever it leaves open."""
    for way in remedy.ways:
        if is_sentence(way):
            for line in COMMAND_IN_SENTENCE.findall(way):
                assert_runs(line)
        else:
            assert_runs(way)
        for blank, explanation in BLANKS.items():
            if blank in way:
                assert explanation in (remedy.needs if not is_sentence(way) else way), (way, remedy.needs)
        assert "‹" not in way and not re.search(r"<[a-z]|\bYOUR_|\bXXX", way)


@cache
def diagnosed(world: str) -> tuple[Snapshot, tuple[Finding, ...]]:
    """A snapshot, and its findings."""
    snapshot = WORLDS[world](healthy())
    return snapshot, tuple(root_causes.diagnose(snapshot))


def problems(world: str) -> tuple[Finding, ...]:
    return tuple(finding for finding in diagnosed(world)[1] if finding.status == "found")


@pytest.mark.parametrize("world", WORLDS)
def test_every_printed_remedy_can_be_pasted(world: str) -> None:
    """Those of causes and of what looks like one, and a cause has one."""
    found = problems(world)
    for finding in found:
        assert_printable(finding.remedy)
        assert finding.remedy.ways or not finding.is_root_cause or finding.severity == "info", finding


@pytest.mark.parametrize("world", AUDITS)
def test_every_remedy_of_an_audit_can_be_pasted(world: str) -> None:
    """Each finding has one, remarks too."""
    found = [each for each in root_causes.audit(AUDITS[world](healthy())) if each.status == "found"]
    for finding in found:
        assert_printable(finding.remedy)
    assert found and all(finding.remedy.ways for finding in found)


@pytest.mark.parametrize("world", WORLDS)
def test_a_consequence_has_the_remedy_of_its_cause(world: str) -> None:
    """No remedy redeploys what cannot start."""
    found = with_remedies_of_causes(problems(world))
    remedies = [finding.remedy for finding in found if finding.is_root_cause]
    assert all(finding.remedy in remedies for finding in found if finding.is_problem and not finding.is_root_cause)


@pytest.mark.parametrize("world", WORLDS)
def test_what_verify_advises_can_be_pasted_too(world: str) -> None:
    """Where the former version may be the way back, that is troubleshoot, which reads it."""
    snapshot, findings = diagnosed(world)
    for finding in advice.refer(findings, snapshot):
        if finding.status == "found":
            assert_printable(finding.remedy)


@pytest.mark.parametrize(
    "line",
    [
        "aws ecs update-service --cluster a --servce b",
        "aws ecs force-deployment --cluster a",
        "aws secretsmanager put-secret-value --secret-string a",
        "aws ec2 modify-vpc-attribute --vpc-id a --enable-dns-support '{\"Value\":1}'",
        "aws ecs update-service --service a --deployment-configuration minimumPercent=100",
    ],
)
def test_a_wrong_command_is_refused(line: str) -> None:
    """A wrong option, operation, value or member, and one that is missing."""
    with pytest.raises(ValueError):
        assert_runs(line)
