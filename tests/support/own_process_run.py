"""A process that runs the notebook `GIVEN` without a kernel, saves it as `SAVED`, and says that it ends."""

import sys
from contextlib import suppress

import papermill
from papermill.exceptions import PapermillExecutionError

from omc_runbook.headless.run import OWN_PROCESS
from omc_runbook.masking import cell_threads
from omc_runbook.masking.own_process import OwnProcessEngine

papermill.engines.papermill_engines.register(OWN_PROCESS, OwnProcessEngine)
with suppress(PapermillExecutionError):
    papermill.execute_notebook(*sys.argv[1:], engine_name=OWN_PROCESS, progress_bar=False)
print("end")  # noqa: T201
cell_threads.end(0)
