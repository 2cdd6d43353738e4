"""What the fork server of `forked_command` imports before it forks: the package, and libraries that take long."""

import contextlib
import functools
import gc
import importlib
import importlib.metadata
import os
import pkgutil
import tempfile
from pathlib import Path
from unittest import mock

from support import first_use, garbage, records, shared_models
from support.files import write_files
from support.outcomes import an_outcome

import omc_runbook
from omc_runbook.headless import overview
from omc_runbook.headless.run import skip_formats
from omc_runbook.masking import registry
from omc_runbook.report.archive import notebook_page
from omc_runbook.runbooks import local_setup
from omc_runbook.sandbox.worlds import example

LIBRARIES = (
    *("boto3", "click", "dotenv", "hcl2", "pydantic_settings", "tenacity", "websockets.sync.client", "yaml", "zxcvbn"),
    *("pandas", "ansicolors", "tqdm.auto"),
    *("ipykernel.debugger", "ipykernel.ipkernel", "ipykernel.kernelapp", "ipywidgets"),
    *("IPython.core.logger", "bdb"),
    *("jupyter_client.provisioning", "nbclient", "papermill.__main__"),
    *("jupyterlab.labapp", "jupyter_scheduler", "jupyter_lsp", "voila.server_extension"),
)


def use_notebooks() -> None:
    """Let libraries make what they make at the first notebook: templates, patterns and schemas."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells = [
        new_markdown_cell("# A title &mdash; &nbsp;\n\n```python\nx = 1\n```\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"),
        new_code_cell("x"),
    ]
    nbformat.validate(new_notebook(cells=cells))
    notebook_page.to_html(new_notebook(cells=cells))


def use_package() -> None:
    """Let the package make what it makes at its first record, and at its first look at a checkout's usual texts."""
    # Of what the caller has set, nothing counts.
    variables = {name: text for name, text in os.environ.items() if not name.startswith("OMC_")}
    empty = {"_values": {}, "_announced": set(), "_index": None, "_public": set(registry._public)}
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, variables, clear=True),
        mock.patch.multiple(registry, **empty),
    ):
        records.keep(Path(folder, "records"), an_outcome())
        overview.after_run(Path(folder, "records"))
        checkout = write_files(Path(folder, "checkout"), example.files())
        local_setup.diagnose(local_setup.look(local_setup.begin("local", "", str(checkout), "")))


skip_formats()
# JupyterLab asks for them for each format that nbconvert knows, and each time all distributions' files are read.
importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)
for name in LIBRARIES:
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)
for module in pkgutil.walk_packages(omc_runbook.__path__, "omc_runbook."):
    if not module.name.startswith("omc_runbook.sandbox."):
        importlib.import_module(module.name)
# Sessions of a fork find the services' models read.
shared_models.share(setattr)
first_use.use_libraries()
use_notebooks()
use_package()
gc.collect()
gc.freeze()
gc.set_threshold(garbage.MANY)
