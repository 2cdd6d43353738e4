"""Stands in for terraform: the same command line, exit codes, files and JSON, with one secret for a provider.

It is told by variables what to do: STANDIN_SECRET names the secret that the configuration has, STANDIN_FAILS is
"COMMAND:FAILURE", STANDIN_ACTIONS has the actions on secret and version, as in "no-op,create" or "delete+create,no-op",
STANDIN_LOG is the file for what it was called with. The configuration's one variable is TF_VAR_password.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

LOCK_FILE, STATE, LOCK_INFO = (Path(name) for name in (".terraform.lock.hcl", "terraform.tfstate", ".lock.info"))
SECRET, VERSION = "aws_secretsmanager_secret.app", "module.secrets.aws_secretsmanager_secret_version.app"
PASSWORD = os.environ.get("TF_VAR_password", "")  # noqa: SIM112

FAILURES = {
    "provider": (
        "Failed to query available provider packages",
        "",
        "Could not retrieve the list of available versions for provider hashicorp/aws: could not connect to\n"
        "registry.terraform.io",
    ),
    "credentials": ("No valid credential sources found", "", "Please see the S3 backend's documentation for more."),
    "migration": ("Backend configuration changed", "", "A change in the backend configuration has been detected."),
    "syntax": (
        "Unclosed configuration block",
        "  on main.tf line 12, in resource:\n  12: resource {",
        "It has no end.",
    ),
    "variable": ("No value for required variable", "  on main.tf line 1:\n   1: variable", "It is not set."),
    "denied": (
        f"creating Secrets Manager Secret: AccessDeniedException: not authorized to perform {PASSWORD}",
        f"  with {SECRET},\n  on main.tf line 5, in resource:\n   5: resource",
        "",
    ),
    "locked": (
        "Error acquiring the state lock",
        "",
        "Error message: resource temporarily unavailable\nLock Info:\n"
        "  ID:        3d20d141-88c4-bb14-d677-88c5c9ec329a\n  Path:      terraform.tfstate\n"
        "  Operation: OperationTypeApply\n  Who:       ada@laptop\n"
        "  Version:   1.12.2\n  Created:   2026-11-24 21:13:45.004096153 +0000 UTC\n  Info:      \n\n\n"
        "Terraform acquires a state lock to protect the state.",
    ),
}


def fail(summary: str, location: str, detail: str) -> NoReturn:
    """End as terraform does: a framed diagnostic on standard error, exit code 1."""
    parts = (f"Error: {summary}", location, detail)
    lines = "\n\n".join(filter(None, parts)).splitlines()
    sys.stderr.write("\n".join(["╷", *(f"│ {line}".rstrip() for line in lines), "╵", ""]))
    sys.exit(1)


def data() -> Path:
    return Path(os.environ.get("TF_DATA_DIR", ".terraform"))


def serial() -> int:
    return int(json.loads(STATE.read_text())["serial"]) if STATE.exists() else 0


def init(flags: list[str]) -> None:
    data().mkdir(exist_ok=True)
    if not LOCK_FILE.exists():
        if "-lockfile=readonly" in flags:
            fail("Provider dependency changes detected", "", "The lock file is read-only.")
        LOCK_FILE.write_text('provider "registry.terraform.io/hashicorp/aws" {}\n')
    (data() / "terraform.tfstate").touch()
    sys.stdout.write("Terraform has been successfully initialized!")


def plan(flags: list[str]) -> None:
    if not (data() / "terraform.tfstate").exists():
        fail("Backend initialization required", "", 'Please run "terraform init".')
    if "-lock=false" not in flags and LOCK_INFO.exists():
        fail(*FAILURES["locked"])
    (out,) = [flag.partition("=")[2] for flag in flags if flag.startswith("-out=")]
    default = "no-op,no-op" if STATE.exists() else "create,create"
    actions = [words.split("+") for words in os.environ.get("STANDIN_ACTIONS", default).split(",")]
    Path(out).write_text(json.dumps({"serial": serial(), "actions": actions, "password": PASSWORD}))
    sys.stdout.write(
        f"Plan: 2 to add, 0 to change, 0 to destroy.\n  password = (sensitive value)\nSaved the plan to: {out}"
    )


def show(flags: list[str]) -> None:
    saved = json.loads(Path(flags[-1]).read_text())
    name, document = os.environ["STANDIN_SECRET"], json.dumps({"SMTP_PASSWORD": PASSWORD})
    old = json.loads(STATE.read_text())["arn"] if STATE.exists() else None
    attributes: list[dict[str, Any]] = [{"name": name}, {"secret_id": old, "secret_string": document}]
    resources = []
    for address, values, actions in zip((SECRET, VERSION), attributes, saved["actions"], strict=True):
        kind = address.split(".")[-2]
        change = {"actions": actions, "before": None, "after": values, "after_sensitive": {"secret_string": True}}
        resources.append({"address": address, "type": kind, "name": "app", "change": change})
    values = [{"address": SECRET, "type": SECRET.split(".")[0], "values": attributes[0], "sensitive_values": {}}]
    inner = {"address": VERSION, "type": VERSION.split(".")[2], "values": attributes[1]}
    child = {"resources": [inner | {"sensitive_values": {"secret_string": True}}]}
    body = {
        "format_version": os.environ.get("STANDIN_FORMAT", "1.2"),
        "variables": {"password": {"value": PASSWORD}},
        "configuration": {"root_module": {"variables": {"password": {"sensitive": True}}}},
        "planned_values": {"root_module": {"resources": values, "child_modules": [child]}},
        "resource_changes": resources,
    }
    sys.stdout.write(json.dumps(body))


def apply(flags: list[str]) -> None:
    saved = json.loads(Path(flags[-1]).read_text())
    if LOCK_INFO.exists():
        fail(*FAILURES["locked"])
    if saved["serial"] != serial():
        fail("Saved plan is stale", "", "The given plan file can no longer be applied.")
    if not LOCK_FILE.exists():
        fail("Inconsistent dependency lock file", "", "The plan was made with other providers.")
    # Only this command takes the second that it costs.
    import boto3

    document = {"SECRET_KEY": "temporary-secret-key-please-update", "SMTP_PASSWORD": saved["password"]}
    region = os.environ.get("STANDIN_REGION", "ap-southeast-2")
    client = boto3.client("secretsmanager", region_name=region)
    arn = client.create_secret(Name=os.environ["STANDIN_SECRET"], SecretString=json.dumps(document))["ARN"]
    STATE.write_text(json.dumps({"serial": serial() + 1, "arn": arn}))
    sys.stdout.write("Apply complete! Resources: 2 added, 0 changed, 0 destroyed.")


def output(flags: list[str]) -> None:
    arn = json.loads(STATE.read_text())["arn"]
    outputs = {
        "app_secrets_arn": {"sensitive": False, "type": "string", "value": arn},
        "password": {"sensitive": True, "type": "string", "value": PASSWORD},
    }
    sys.stdout.write(json.dumps(outputs))


def interrupted(number: int, frame: object) -> NoReturn:
    Path(os.environ["STANDIN_LOG"]).with_name("interrupted").touch()
    sys.exit(1)


def main() -> None:
    verb, *flags = sys.argv[1:]
    with Path(os.environ["STANDIN_LOG"]).open("a") as log:
        log.write(json.dumps([Path(sys.argv[0]).name, verb, *flags]) + "\n")
    command, _, failure = os.environ.get("STANDIN_FAILS", "").partition(":")
    if command == verb:
        if failure == "hang":
            signal.signal(signal.SIGINT, interrupted)
            time.sleep(60)
        fail(*FAILURES[failure])
    {"init": init, "plan": plan, "show": show, "apply": apply, "output": output}[verb](flags)


if __name__ == "__main__":
    main()
