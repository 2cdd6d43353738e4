"""Airflow: verify each environment of runbook.toml in a mapped task of its own, with its record in S3.

Airflow's variables `omc_runbook_toml` (a path on the workers) and `omc_runbook_records` (s3://BUCKET/PREFIX) configure
it, and the pool `omc_runbook` says how many environments are verified at a time.
"""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.papermill.operators.papermill import PapermillOperator
from airflow.sdk import Param, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import papermill_io

from omc_runbook.headless import notebooks
from omc_runbook.model.environment import read_configured
from omc_runbook.model.errors import UsageError
from omc_runbook.model.findings import Outcome
from omc_runbook.model.handover import OUTCOME_VARIABLE


class RunbookOperator(PapermillOperator):
    """Runs a runbook that only looks, and makes its outcome the task's state.

    Findings fail the task at once; what could not be read fails this try. The log has the root causes, and problems
    whose cause is unknown; the XCom `outcome` has the root causes' ids alone.
    """

    def execute(self, context: Any) -> None:
        """Run the notebook, keep outcome.json beside it, and fail unless nothing is wrong."""
        # PapermillOperator names no engine, so the one that masks whatever is saved becomes papermill's default.
        papermill_engines.register(None, papermill_engines.get_engine("omc-runbook"))
        outcome = self._run(context)
        context["ti"].xcom_push("outcome", {"status": outcome.status, "root_causes": list(outcome.root_causes)})
        for finding in outcome.findings:
            if finding.is_unexplained:
                self.log.error("%s: %s (%s)", finding.check, finding.title, finding.subject)
            elif finding.status == "unknown":
                self.log.warning("%s is unknown: %s", finding.check, " ".join(finding.evidence))
        if outcome.status != "ok":
            kind = AirflowFailException if outcome.status == "findings" else AirflowException
            raise kind(": ".join(filter(None, (outcome.status, outcome.causes_in_words))))

    def _run(self, context: Any) -> Outcome:
        """Run the notebook, which hands over its outcome instead of raising it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "outcome.json"
            os.environ[OUTCOME_VARIABLE] = str(path)
            try:
                super().execute(context)
            except PapermillExecutionError as error:
                context["ti"].xcom_push("outcome", {"status": "failed", "root_causes": []})
                kind = AirflowFailException if error.ename == UsageError.__name__ else AirflowException
                raise kind(f"{error.ename}: {error.evalue}") from None
            finally:
                del os.environ[OUTCOME_VARIABLE]
            text = path.read_text(encoding="utf-8")
        papermill_io.write(text, f"{self.output_nb.url.rpartition('/')[0]}/outcome.json")
        return Outcome.from_json(text)


# Airflow refuses a run whose parameter is another: a text would be mapped over letter by letter.
ENVIRONMENTS = Param([], type="array", items={"type": "string", "minLength": 1}, uniqueItems=True)


@dag(schedule="@hourly", catchup=False, max_active_runs=1, params={"environments": ENVIRONMENTS}, tags=["omc-runbook"])
def omc_runbook_verify() -> None:
    """Verify the environments that the parameter names, or all of runbook.toml."""

    @task
    def runs(runbook_toml: str, records: str) -> list[dict[str, Any]]:
        """The arguments of each mapped task: the notebook's parameters, and where the executed one goes."""
        context = get_current_context()
        names = context["params"]["environments"] or read_configured(runbook_toml).environments
        if not names:
            # Airflow skips a task that is mapped over nothing, and calls the run a success.
            raise AirflowFailException(
                f"{runbook_toml} has no table [environments.NAME]: add one for each environment, or name environments"
                " in the run's parameter."
            )
        folder = f"{context['dag_run'].run_after:%Y%m%dT%H%M%SZ}"
        return [
            {
                "parameters": {"environment": name, "runbook_toml": runbook_toml},
                "output_nb": f"{records}/{name}/{folder}/verify.ipynb",
            }
            for name in names
        ]

    RunbookOperator.partial(
        task_id="verify",
        input_nb=str(notebooks.find("verify")),
        kernel_name="python3",
        pool="omc_runbook",
        retries=2,
        retry_delay=timedelta(minutes=2),
        execution_timeout=timedelta(minutes=10),
        map_index_template="{{ task.parameters['environment'] }}",
    ).expand_kwargs(runs("{{ var.value.omc_runbook_toml }}", "{{ var.value.omc_runbook_records }}"))


verify_all = omc_runbook_verify()
