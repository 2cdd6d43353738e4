"""What fleet.ipynb does: run verify on every environment at once, and say which are not all right."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

from omc_runbook.aws import endpoint as endpoints
from omc_runbook.aws.session import Clients
from omc_runbook.headless import places, workers
from omc_runbook.headless.places import SCHEME
from omc_runbook.headless.workers import WorkerEnd
from omc_runbook.masking import fingerprint
from omc_runbook.model.aws_names import Names
from omc_runbook.model.environment import Environment
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import FLEET, NO_OUTCOME, Outcome
from omc_runbook.model.grouping import grouped
from omc_runbook.model.handover import ENDPOINT_VARIABLE, PLACE_VARIABLE, STATE_VARIABLE, is_on_this_machine
from omc_runbook.model.letters import as_sentence, listed
from omc_runbook.report import fleet as report
from omc_runbook.report.answer import Answer
from omc_runbook.report.display import reading
from omc_runbook.report.display.banner import Banner
from omc_runbook.report.display.listing import Listing
from omc_runbook.report.display.progress import pass_on
from omc_runbook.report.display.reading import FleetProgress
from omc_runbook.report.display.rich_display import RichDisplay
from omc_runbook.report.display.table import Table
from omc_runbook.report.fleet import EnvironmentRun, Runs, ages, keys, revisions, values
from omc_runbook.report.fleet import problems as findings
from omc_runbook.runbooks import conclude as run_end
from omc_runbook.runbooks import fleet_worker, own_record
from omc_runbook.runbooks import pickers as choices
from omc_runbook.runbooks.actions import BY_DISCOVERY, MORE_TO_READ, READ_WITH_ACCESS, Actions
from omc_runbook.runbooks.final_answer import FinalAnswer
from omc_runbook.runbooks.fleet_worker import Job
from omc_runbook.runbooks.form import form
from omc_runbook.runbooks.own_parameters import takes_parameters
from omc_runbook.runbooks.pickers import Picker
from omc_runbook.runbooks.run import now
from omc_runbook.snapshot.environments import find_several

LONGEST = 86_400
"""Seconds that an environment may take at most."""

__all__ = [
    "form",
    "begin",
    "look",
    "pickers",
    "matrix",
    "keys",
    "values",
    "revisions",
    "ages",
    "findings",
    "conclude",
    "by_hand",
    "answer",
]
"""All that the notebook calls, in its order."""

ACTIONS = Actions(plan=READ_WITH_ACCESS, sometimes=(*MORE_TO_READ, BY_DISCOVERY))


@dataclass(frozen=True, kw_only=True)
class Fleet(RichDisplay):
    """Environments that are looked at side by side; a notebook displays it as a banner."""

    started: datetime
    environment: str
    """The run's parameter, by which its record and its last run are found."""
    environments: tuple[Environment, ...]
    seconds: int
    """How long each may take."""
    runbook_toml: str = ""
    """The run's parameter."""
    unread: tuple[str, ...] = ()
    """Where environments could not be searched for, in sentences."""

    @property
    def banner(self) -> Banner:
        """Which environments, in which accounts and regions."""
        endpoint = os.environ.get(ENDPOINT_VARIABLE, "")
        notes = (f"Each has {self.seconds} s to answer. Nothing has been read yet.", *self.unread)
        foreign = (each for environment in self.environments for each in _endpoint_warnings(environment))
        warnings = (*foreign, *self.shared_secrets)
        return report.where(self.environments, endpoint, is_on_this_machine(endpoint), notes, warnings)

    @property
    def shared_secrets(self) -> tuple[str, ...]:
        """A sentence on each secret that several environments have by their names, so that one is not looked at."""
        by_secret = grouped((_secret_of(each.names), each) for each in self.environments)
        return tuple(
            f"{listed([each.name for each in environments])} have the same secret, {environments[0].names.secret}: what"
            f" changes it for one changes it for all. Correct secret in {environments[0].source_of('secret')}."
            for environments in by_secret.values()
            if len(environments) > 1
        )

    def to_html(self) -> str:
        """Render the banner as HTML."""
        return self.banner.to_html()

    def to_text(self) -> str:
        """Render the banner as plain text."""
        return self.banner.to_text()

    def outcome(self, runs: Runs) -> Outcome:
        """How the run ended on all environments."""
        count = len(self.environments)
        targets = report.targets(self.environments, runs)
        return Outcome(
            runbook=FLEET,
            environment=self.environment,
            account=targets[0].account,
            region=targets[0].region,
            endpoint=targets[0].endpoint,
            started=self.started,
            finished=now(),
            findings=report.findings(runs, self.unread),
            failure=report.failure(runs, self.unread),
            where=f"{count} environments" if count > 1 else self.environments[0].name,
            targets=targets,
        )


@takes_parameters
def begin(environment: str, environments: str = "", runbook_toml: str = "", timeout: int = 120) -> Fleet:
    """Begin on the environments of a list, on all that are configured or found, or on one; raises as `find_several`."""
    if not 1 <= timeout <= LONGEST:
        raise UsageError(f"timeout must be between 1 and {LONGEST} seconds, which is a day. Nothing was read.")
    workers.prepare()
    started, found = now(), find_several(environments, environment, runbook_toml)
    fleet = Fleet(
        started=started,
        environment=environment,
        environments=found.environments,
        seconds=timeout,
        runbook_toml=runbook_toml,
        unread=found.unread,
    )
    run_end.announce(replace(fleet.outcome({}), failure=NO_OUTCOME))
    return fleet


def look(fleet: Fleet) -> Runs:
    """Run verify on each environment in a process of its own, the worst result first; each leaves its record.

    An environment that could not be looked at is among them, with the reason.
    """
    records, key = os.environ.get(PLACE_VARIABLE, "") or str(own_record.folder()), fingerprint.new_key()
    names = ",".join(each.name for each in fleet.environments)
    parameters = {"environment": fleet.environment, "environments": names, "runbook_toml": fleet.runbook_toml}
    main = places.signs_in(FLEET, parameters)
    jobs = {
        each.name: Job(
            environment=each,
            records=records,
            main=main,
            runbook_toml=fleet.runbook_toml,
            spare=tempfile.gettempdir(),
            key=key,
        )
        for each in fleet.environments
    }
    progress = FleetProgress(jobs)

    def tell(name: str, end: WorkerEnd[EnvironmentRun]) -> None:
        result = _run_of(end).result
        progress.note(name, result)
        pass_on([f"{name}: {result}"])

    with reading.follow(progress):
        ends = workers.run_each(fleet_worker.verify, jobs, fleet.seconds, tell)
    runs = {each.name: replace(_run_of(ends[each.name]), parameters=each.parameters) for each in fleet.environments}
    return report.sort(runs)


@takes_parameters
def pickers(fleet: Fleet, environments: str) -> tuple[Picker, ...]:
    """What the form offers: environments."""
    return (choices.environments(fleet.environments[0], environments),)


def matrix(runs: Runs) -> Table:
    """Environments by families of checks, each with a link to its record."""
    # The page of this run is in the folder of the records, but a notebook in JupyterLab is where it runs.
    start = own_record.folder() if STATE_VARIABLE in os.environ else Path.cwd()
    links = {name: quote(_link(run.page, start.absolute())) for name, run in runs.items() if run.page}
    return report.matrix(runs, links)


def conclude(fleet: Fleet, runs: Runs) -> Banner:
    """How the run ended; raises as `conclude.end` does."""
    run_end.end(fleet.outcome(runs))
    return report.headline(runs, fleet.unread)


def by_hand(fleet: Fleet) -> Listing:
    """The same without this notebook."""
    return report.by_hand(fleet.environments)


def answer(fleet: Fleet, runs: Runs) -> FinalAnswer:
    """How many environments are all right, and what to do in each other one."""
    summary = report.summary(runs, fleet.unread).with_lines(*fleet.shared_secrets)
    return FinalAnswer(Answer(summary, report.next_steps(runs), fleet.outcome(runs)))


def _secret_of(names: Names) -> tuple[str, ...]:
    """A secret by its name, its region, and what leads to its account."""
    return names.secret, names.region, names.account_id, names.profile, names.role_arn


def _link(page: str, start: Path) -> str:
    """The way to a page from that of this run; in S3 each record has a folder, beside the others."""
    return "/".join(("..", *page.rsplit("/", 2)[1:])) if page.startswith(SCHEME) else os.path.relpath(page, start)


def _endpoint_warnings(environment: Environment) -> tuple[str, ...]:
    """Sentences on where calls go, where that is neither AWS nor this machine."""
    try:
        return tuple(map(endpoints.sentence, Clients.of(environment).foreign_endpoints))
    except UsageError:
        # Without its profile nothing is called; its own run says so.
        return ()


def _run_of(end: WorkerEnd[EnvironmentRun]) -> EnvironmentRun:
    return end.value or EnvironmentRun(failure=as_sentence(end.failure))
