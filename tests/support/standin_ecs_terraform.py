"""Stands in for terraform with an ECS module: plans from the modules' files, and on apply registers and deploys.

The same command line, exit codes, files and JSON as terraform's, as far as they matter here. What it has applied last
is in STANDIN_STATE, a file outside of the checkout: the keys of container backend by variable, and a serial number.
STANDIN_HARM has the actions on the secret's version, as in "delete+create"; STANDIN_LATER is one more resource that
plans after the first would change; STANDIN_FAILS names a command that fails; STANDIN_IGNORES, where it is set, lets the
service keep its revision, as ignore_changes does; STANDIN_LOG is the file for what it was called with.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

LOCK_FILE = Path(".terraform.lock.hcl")
STATE = Path(os.environ["STANDIN_STATE"])
LOG = Path(os.environ["STANDIN_LOG"])
SOURCE = re.compile(r'^\s*source\s*=\s*"(\.[^"]*)"', re.MULTILINE)
REFERENCE = re.compile(r'name\s*=\s*"(\w+)",?\s*valueFrom\s*=\s*"\$\{var\.secrets_arn\}:([^:"]+)::"')
DEFINITION = "module.ecs.aws_ecs_task_definition.backend"
SERVICE = "module.ecs.aws_ecs_service.backend"
SECRET = "module.secrets.aws_secretsmanager_secret.app"
VERSION = "module.secrets.aws_secretsmanager_secret_version.app"


def fail(summary: str, detail: str = "") -> NoReturn:
    """End as terraform does: a framed diagnostic on standard error, exit code 1."""
    lines = "\n\n".join(filter(None, (f"Error: {summary}", detail))).splitlines()
    sys.stderr.write("\n".join(["╷", *(f"│ {line}".rstrip() for line in lines), "╵", ""]))
    sys.exit(1)


def data() -> Path:
    return Path(os.environ.get("TF_DATA_DIR", ".terraform"))


def configuration() -> str:
    return "".join(path.read_text() for path in sorted(Path().glob("*.tf")))


def environment() -> str:
    found = re.search(r'^\s*environment\s*=\s*"(\w+)"', configuration(), re.MULTILINE)
    assert found
    return found[1]


def declared() -> dict[str, str]:
    """The keys of the backend's variables, as the files of the modules have them."""
    texts = [
        path.read_text() for source in SOURCE.findall(configuration()) for path in sorted(Path(source).glob("*.tf"))
    ]
    definitions = [part for text in texts for part in text.split('resource "')]
    own = [part for part in definitions if part.startswith('aws_ecs_task_definition" "backend"')]
    if len(own) != 1:
        fail("Module not installed", "This module is not yet installed.")
    return dict(REFERENCE.findall(own[0]))


def state() -> dict[str, Any]:
    return json.loads(STATE.read_text())


def init(flags: list[str]) -> None:
    data().mkdir(exist_ok=True)
    if not LOCK_FILE.exists():
        LOCK_FILE.write_text('provider "registry.terraform.io/hashicorp/aws" {}\n')
    (data() / "terraform.tfstate").touch()


def plan(flags: list[str]) -> None:
    if not (data() / "terraform.tfstate").exists():
        fail("Backend initialization required", 'Please run "terraform init".')
    (out,) = [flag.partition("=")[2] for flag in flags if flag.startswith("-out=")]
    references, there = declared(), state()
    changes = [(DEFINITION, ["delete", "create"]), (SERVICE, ["update"])] if references != there["references"] else []
    if harm := os.environ.get("STANDIN_HARM", ""):
        changes.append((VERSION, harm.split("+")))
    before = [json.loads(line)[1] for line in LOG.read_text().splitlines()].count("plan")
    if before > 1 and (later := os.environ.get("STANDIN_LATER", "")):
        changes.append((later, ["update"]))
    saved = {"serial": there["serial"], "references": references, "changes": changes, "environment": environment()}
    Path(out).write_text(json.dumps(saved))


def show(flags: list[str]) -> None:
    saved = json.loads(Path(flags[-1]).read_text())
    name = f"ohmycoins-{saved['environment']}-app-secrets"
    resources = [{"address": SECRET, "type": SECRET.split(".")[-2], "change": {"actions": ["no-op"], "after": {}}}]
    for address, actions in saved["changes"]:
        after = {"secret_id": name} if address == VERSION else {}
        resources.append(
            {"address": address, "type": address.split(".")[-2], "change": {"actions": actions, "after": after}}
        )
    sys.stdout.write(json.dumps({"format_version": "1.2", "resource_changes": resources}))


def apply(flags: list[str]) -> None:
    saved = json.loads(Path(flags[-1]).read_text())
    if saved["serial"] != state()["serial"]:
        fail("Saved plan is stale", "The given plan file can no longer be applied.")
    # Only this command takes the second that it costs.
    import boto3

    prefix = f"ohmycoins-{saved['environment']}"
    ecs, secrets = (boto3.client(name, region_name="ap-southeast-2") for name in ("ecs", "secretsmanager"))
    arn = secrets.describe_secret(SecretId=f"{prefix}-app-secrets")["ARN"]
    found = ecs.describe_task_definition(taskDefinition=f"{prefix}-backend")["taskDefinition"]
    for container in found["containerDefinitions"]:
        if container["name"] == "backend":
            listed = saved["references"].items()
            container["secrets"] = [{"name": name, "valueFrom": f"{arn}:{key}::"} for name, key in listed]
    members = ("family", "containerDefinitions", "executionRoleArn", "taskRoleArn", "networkMode", "cpu", "memory")
    request: Any = {name: found[name] for name in (*members, "requiresCompatibilities")}  # type: ignore[literal-required]
    definition_arn = ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"]
    if "STANDIN_IGNORES" not in os.environ:
        ecs.update_service(cluster=prefix, service="backend", taskDefinition=definition_arn)
    STATE.write_text(json.dumps({"serial": saved["serial"] + 1, "references": saved["references"]}))


def output(flags: list[str]) -> None:
    sys.stdout.write("{}")


def main() -> None:
    verb, *flags = sys.argv[1:]
    with LOG.open("a") as log:
        log.write(json.dumps([str(Path.cwd()), verb, *flags]) + "\n")
    if os.environ.get("STANDIN_FAILS") == verb:
        fail(
            "creating ECS Task Definition: AccessDeniedException: not authorized to perform ecs:RegisterTaskDefinition"
        )
    {"init": init, "plan": plan, "show": show, "apply": apply, "output": output}[verb](flags)


if __name__ == "__main__":
    main()
