"""What the fork server of `forked_command` imports before it forks: the package, and libraries that take long."""

import contextlib
import gc
import importlib
import pkgutil
from functools import cache

import botocore.session

import omc_runbook
from omc_runbook.headless.run import skip_formats
from omc_runbook.masking import common

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
    from nbconvert import HTMLExporter
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells = [
        new_markdown_cell("# A title\n\n```python\nx = 1\n```\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"),
        new_code_cell("x"),
    ]
    nbformat.validate(new_notebook(cells=cells))
    HTMLExporter(template_name="basic", exclude_input=True).from_notebook_node(new_notebook(cells=cells))
    common.is_common("a word")


skip_formats()
for name in LIBRARIES:
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module(name)
for module in pkgutil.walk_packages(omc_runbook.__path__, "omc_runbook."):
    if not module.name.startswith("omc_runbook.sandbox."):
        importlib.import_module(module.name)
# Sessions of a fork find the services' models read.
botocore.session.create_loader = cache(botocore.session.create_loader)
for service in SERVICES:
    botocore.session.create_loader(None).load_service_model(service, "service-2")
use_once()
gc.collect()
gc.freeze()
