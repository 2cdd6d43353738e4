"""Imports all that a run of verify needs, and makes what can be made once: for a process that is only forked."""

from __future__ import annotations

import gc
from contextlib import suppress
from importlib import import_module

from omc_runbook.headless.run import skip_formats

skip_formats()

import nbformat  # noqa: E402

from omc_runbook.aws.session import load_models  # noqa: E402
from omc_runbook.headless import notebooks  # noqa: E402
from omc_runbook.masking import common  # noqa: E402
from omc_runbook.model.errors import RunbookError  # noqa: E402
from omc_runbook.model.findings import VERIFY  # noqa: E402
from omc_runbook.report.archive import notebook_page, sections  # noqa: E402

_IPYTHON = ("application", "completerlib", "magics", "oinspect")
_MODULES = ("papermill", "omc_runbook.masking.own_process", "omc_runbook.report.fleet")
for _name in (*_MODULES, *(f"IPython.core.{name}" for name in _IPYTHON)):
    import_module(_name)
# A worker says itself that its notebook is broken; what this process prints would stand before that.
with suppress(RunbookError):
    _notebook = nbformat.read(notebooks.find_usable(VERIFY), as_version=4)
    notebook_page.to_html(sections.without_empty(_notebook))
# A word that is in no dictionary is looked for in our own sources, which are read once.
common.is_common("ohmycoins")
load_models("sts", "secretsmanager", "ecs", "iam", "cloudtrail", "kms")
# What is there stays shared with the forks.
gc.collect()
gc.freeze()
