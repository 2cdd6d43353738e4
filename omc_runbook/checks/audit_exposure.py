"""Values of the secret that lie open: in task definitions, files, git's history, logs, and other environments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from omc_runbook.aws.definitions import COMMANDS
from omc_runbook.checks import remedies
from omc_runbook.checks.check import CHECKOUT, DOCUMENT, GIT, Evidence, Family, Uncertain
from omc_runbook.checks.reference import move_into_secret
from omc_runbook.checks.secret_owner import write_elsewhere
from omc_runbook.model.aws_names import Names
from omc_runbook.model.findings import Remedy, Severity
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import lower_first
from omc_runbook.model.shell import command
from omc_runbook.snapshot.audit.state import ExposedValue, Exposure, Search
from omc_runbook.snapshot.other_environments import elsewhere
from omc_runbook.snapshot.state import Snapshot

check = Family("audit", symptom="audit", looks_like=("lies-open",))

NEEDS = ("secret", "contents", DOCUMENT, "lives", "exposure")
_NOT_IN_SANDBOX = "It is a fault of the checkout's files, not of AWS"
_FIELDS = {
    "firelensConfiguration": "firelensConfiguration.options",
    "healthCheck": "healthCheck.command",
    "logConfiguration": "logConfiguration.options",
    "proxyConfiguration": "proxyConfiguration.properties",
    "volumes": "dockerVolumeConfiguration.driverOpts",
}
"""The paths of fields whose first part a location has."""
_TARGETS = {"environment": "secrets", "logConfiguration.options": "secretOptions"}
"""The setting by which ECS reads from a secret what a field has in plain text."""
_REVISION, _TASK = "DescribeTaskDefinition", "DescribeTasks"
_FILES = "In Terraform's files"
_STREAM = re.compile(r"log group (?P<group>\S+), stream (?P<stream>\S+)")


@check(
    "plain-in-definition",
    needs=(*NEEDS, "services", "task_definitions", "tasks"),
    ruled_out_by="DescribeTaskDefinition: environment, commands, options and labels have no value of a secret",
)
def plain_in_definition(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret value is in plain text in a task definition."""
    for location, found in _by_location(_exposure(snapshot).definitions):
        label, container, variable = location.split(" ", 2)
        field, entry = _field(variable)
        call, owner, container = _owner(label, container)
        inside, earlier = f" in {entry}" if entry else "", ", also in earlier revisions" if call == _REVISION else ""
        facts = (
            f"{call}: {owner}: {field} has {_describe(found)}{inside}.",
            f"Everybody who may call ecs:{call} can read it{earlier}.",
        )
        if call == _REVISION and field == "environment" and not any(each.is_known for each in found):
            move = move_into_secret(snapshot, container, variable)
        else:
            where = _FILES if call != _TASK else f"In what runs {label.partition('/')[2]}"
            move = _move_out(snapshot, found, container, variable, where)
        services = frozenset(each.service for each in found) - {""}
        yield Evidence(location, facts, move, services, _severity(found))


def _owner(label: str, container: str) -> tuple[str, str, str]:
    """Of a location's first two words, what is called to read it, whose container it is, and the container's name."""
    # The name of a service has neither a colon, as revisions have, nor a slash.
    if "/" in label:
        return _TASK, f"a task of {label.partition('/')[2]}, override of {container}", f"{container}'s override"
    if ":" in label:
        return _REVISION, f"{label}, container {container}", container
    return "DescribeServices", f"service {label}, {container}", f"{label}'s {container}"


def _field(variable: str) -> tuple[str, str]:
    """The field of a container, and the entry in it, that a location ends with; a variable is one of `environment`."""
    field, _, entry = variable.partition(" ")
    if entry or field in COMMANDS:
        return _FIELDS.get(field, field), entry
    return "environment", field


def _move_out(snapshot: Snapshot, found: list[ExposedValue], container: str, variable: str, where: str) -> Remedy:
    """Take a value out of a field of a container, and renew it where it is the secret's."""
    field, entry = _field(variable)
    known = tuple(dict.fromkeys(each.key for each in found if each.is_known))
    keys, is_whole = " and ".join(known), not any(each.is_part for each in found)
    target = _TARGETS.get(field)
    if target and is_whole:
        way = f"move {entry} from {field} of {container} to {target}" + (f", with the key {keys}" if known else "")
    elif target:
        way = f"move {entry} from {field} of {container} to {target}, with a key that has all of its new text"
    elif not entry:
        way = f"take it out of {field} of {container}, which gets a variable by secrets, and read that instead"
    else:
        way = f"take {entry} out of {field} of {container}"
    # An override can have no secrets.
    way += ", and deploy that" if where == _FILES else ", and add those secrets to its task definition"
    if not known:
        return Remedy(f"Keep a new value in a secret; {lower_first(where)}, {way}.")
    after = "Then have its issuer revoke the value, if that still works"
    if current := _current_keys(found):
        after = f"Then renew the value, which was open: {_renewal(snapshot, current)}"
    return Remedy(f"{where}, {way}. {after}.")


@check(
    "value-in-file",
    needs=(*NEEDS, CHECKOUT),
    ruled_out_by="git ls-files: no file that git has or would add has a value of the secret",
    not_in_sandbox=_NOT_IN_SANDBOX,
)
def value_in_file(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A secret value is in a file of the repository."""
    files = _exposure(snapshot).files or Search()
    for location, found in _by_location(files):
        path = location.rpartition(":")[0]
        fact = f"{location} has {_describe(found)}; git has the file, or would add it."
        yield Evidence(location, (fact,), _take_out(snapshot, path, found), severity=_severity(found))
    if files.limits:
        yield Uncertain("files", files.limits)


@check(
    "value-in-history",
    needs=(*NEEDS, GIT),
    ruled_out_by="git cat-file: no former version of a file has a value that the secret has now",
    not_in_sandbox=_NOT_IN_SANDBOX,
)
def value_in_history(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """A value that is in use is in git's history."""
    history = _exposure(snapshot).history or Search()
    for location, found in _by_location(history):
        keys = tuple(dict.fromkeys(each.key for each in found))
        fact = (
            f"{location} has the present value of {' and '.join(keys)}: everybody with a clone has it, and removing it"
            " from the history takes it from nobody."
        )
        yield Evidence(location, (fact,), remedies.rotate(snapshot.environment, *keys))
    if history.limits:
        yield Uncertain("history", history.limits)


@check(
    "value-in-log",
    needs=(*NEEDS, "services"),
    ruled_out_by="GetLogEvents: the last lines of the services' logs have no value of the secret",
)
def value_in_log(snapshot: Snapshot) -> Iterable[Evidence]:
    """A secret value is in a log."""
    for location, found in _by_location(_exposure(snapshot).logs):
        match = _STREAM.fullmatch(location)
        facts = (
            f"GetLogEvents: the {location} has {_describe(found)}.",
            "Everybody who may read the log can read it, and so can what copies the log elsewhere.",
        )
        region = snapshot.environment.names.region
        words = ("--log-group-name", match["group"], "--log-stream-name", match["stream"]) if match else ()
        delete = remedies.in_region(region, "logs", "delete-log-stream", *words).command
        remedy = Remedy(f"Stop the code from logging it; then, with its other lines, `{delete}`.")
        if keys := _current_keys(found):
            remedy = Remedy(
                f"Stop the code from logging it, and renew the value: {_renewal(snapshot, keys)}. To remove it with the"
                f" stream's other lines: `{delete}`."
            )
        yield Evidence(location, facts, remedy, frozenset(each.service for each in found), _severity(found))


@check(
    "value-shared",
    needs=NEEDS,
    severity="warning",
    ruled_out_by="GetSecretValue: no other environment's secret has one of its values, by keyed fingerprint",
)
def value_shared(snapshot: Snapshot) -> Iterable[Evidence | Uncertain]:
    """Two environments share a secret value."""
    environment, exposure = snapshot.environment, _exposure(snapshot)
    names = environment.names
    others = dict.fromkeys(each.environment for each in exposure.shared)
    same = [name for name in others if _is_same(snapshot, environment.others.get(name))]
    for name in same:
        fact = f"GetSecretValue: the secret of {name} is {names.secret} in {names.region}, too."
        # New values would be those of both.
        remedy = Remedy(f"Correct secret of {environment.name} or {name} in {environment.source_of('secret')}.")
        yield Evidence(f"{names.secret} = {name}'s secret", (fact,), remedy)
    for each in exposure.shared:
        if each.environment in same:
            continue
        other = f"{each.environment}'s {each.other_key}"
        fact = (
            f"GetSecretValue: {each.key} has the value of {other}, by keyed fingerprint: who can read the one can"
            " use the other."
        )
        yield Evidence(f"{each.key} = {other}", (fact,), remedies.rotate(environment, each.key))
    for name, reason in exposure.uncompared.items():
        yield Uncertain(name, (f"Values could not be compared with {name}: {reason}",))


def _is_same(snapshot: Snapshot, other: Names | None) -> bool:
    """Whether another environment's names lead to this one's secret; in another account, one has the same name."""
    own = snapshot.environment.names
    if other is None or elsewhere(snapshot.caller, own, other):
        return False
    return (other.secret, other.region) == (own.secret, own.region)


def _exposure(snapshot: Snapshot) -> Exposure:
    exposure = snapshot.audit.exposure
    return exposure or Exposure(definitions=Search(), logs=Search(), files=None, history=None)


def _by_location(search: Search) -> Iterable[tuple[str, list[ExposedValue]]]:
    return grouped((each.location, each) for each in search.found).items()


def _describe(found: list[ExposedValue]) -> str:
    """What was found, in words: never the values."""
    words = (
        f"the {'present' if each.is_current else 'former'} value of {each.key}"
        if each.is_known
        else f"what is a secret by its name or form ({each.key})"
        for each in found
    )
    return " and ".join(dict.fromkeys(words))


def _current_keys(found: list[ExposedValue]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.key for each in found if each.is_current))


def _severity(found: list[ExposedValue]) -> Severity:
    return "error" if any(each.is_current for each in found) else "warning"


def _renewal(snapshot: Snapshot, keys: Sequence[str]) -> str:
    """The command that renews keys, or who writes the secret instead, without a full stop."""
    owner = write_elsewhere(snapshot.secret) if snapshot.secret else ""
    return owner or remedies.rotate(snapshot.environment, *keys).invocation


def _take_out(snapshot: Snapshot, path: str, found: list[ExposedValue]) -> Remedy:
    untrack = command("git", "rm", "--cached", "--", path)
    take_out = f"take it out of {path}, or the file out of git: `{untrack}`, with a line in .gitignore"
    if keys := _current_keys(found):
        return Remedy(f"Renew the value: {_renewal(snapshot, keys)}. Then {take_out}.")
    return Remedy(f"Have its issuer revoke the value, if that still works; then {take_out}.")
