"""Puts the mended services in moto's place, before moto answers its first request."""

import importlib

from moto.moto_api import state_manager
from moto.moto_server import werkzeug_app


def mend() -> None:
    """Swap in every mended service, and keep moto from moving a task's state by itself and from answering web pages."""
    from omc_runbook.sandbox.aws.cloudtrail import MendedCloudTrail
    from omc_runbook.sandbox.aws.ec2 import MendedEc2
    from omc_runbook.sandbox.aws.ecs import MendedEcs
    from omc_runbook.sandbox.aws.iam import MendedIam
    from omc_runbook.sandbox.aws.secretsmanager import MendedSecretsManager
    from omc_runbook.sandbox.aws.sts import MendedSts

    mended = {
        "cloudtrail": MendedCloudTrail,
        "ec2": MendedEc2,
        "ecs": MendedEcs,
        "iam": MendedIam,
        "secretsmanager": MendedSecretsManager,
        "sts": MendedSts,
    }
    for service, response in mended.items():
        paths = importlib.import_module(f"moto.{service}.urls").url_paths
        for path in paths:
            paths[path] = response.dispatch
    # Else flask-cors would let every web page read every answer.
    werkzeug_app.DISABLE_GLOBAL_CORS = True  # type: ignore[attr-defined]
    hold_tasks()


def hold_tasks() -> None:
    """Let nobody but the agent move a task; a reset of moto forgets it."""
    state_manager.set_transition("ecs::task", {"progression": "manual", "times": 10**9})
