"""What the fork server of `forked_command` imports before it forks: the package, and libraries that take long."""

import contextlib
import gc
import importlib
import pkgutil

import botocore.session
from support import shared_models

import omc_runbook
from omc_runbook.headless.run import skip_formats
from omc_runbook.masking import common
from omc_runbook.report.archive import notebook_page
from omc_runbook.sandbox.account import REGION

LIBRARIES = (
    *("boto3", "click", "dotenv", "hcl2", "pydantic_settings", "tenacity", "websockets.sync.client", "yaml", "zxcvbn"),
    *("pandas", "ansicolors", "tqdm.auto"),
    *("ipykernel.debugger", "ipykernel.ipkernel", "ipykernel.kernelapp", "ipywidgets"),
    *("jupyter_client.provisioning", "nbclient", "papermill.__main__"),
)
SERVICES = ("secretsmanager", "ecs", "iam", "logs", "cloudtrail", "sts", "kms", "ec2")


def use_once() -> None:
    """Let libraries make what they make at their first use: templates, patterns and schemas."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells = [
        new_markdown_cell("# A title &mdash; &nbsp;\n\n```python\nx = 1\n```\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"),
        new_code_cell("x"),
    ]
    nbformat.validate(new_notebook(cells=cells))
    notebook_page.to_html(new_notebook(cells=cells))
    common.is_common("a word")
    # Without AWS_PROFILE, which may name a profile that does not exist.
    session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    for service in SERVICES:
        session.create_client(service, REGION, aws_access_key_id="id", aws_secret_access_key="key")


skip_formats()
for name in LIBRARIES:
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)
for module in pkgutil.walk_packages(omc_runbook.__path__, "omc_runbook."):
    if not module.name.startswith("omc_runbook.sandbox."):
        importlib.import_module(module.name)
# Sessions of a fork find the services' models read.
shared_models.share(setattr)
use_once()
gc.collect()
gc.freeze()
