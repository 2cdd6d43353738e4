"""The names of one environment, from Terraform's files and from AWS: where each comes from, or why it is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Literal

from omc_runbook.aws import iam
from omc_runbook.aws.sts import Caller
from omc_runbook.model.accepted import Accepted
from omc_runbook.model.aws_names import form_of
from omc_runbook.model.catalogue import Key, default_keys, variable_of
from omc_runbook.model.environment import Environment
from omc_runbook.model.environment_names import PROJECT, common_prefix, without_environment
from omc_runbook.model.errors import UsageError
from omc_runbook.model.grouping import grouped
from omc_runbook.model.letters import FILES_NAMED, counted, listed, refer_to
from omc_runbook.model.runbook_file import FILE_NAME
from omc_runbook.snapshot.discovery import Discovery, is_of_service
from omc_runbook.terraform.declared import DeclaredEnvironment
from omc_runbook.terraform.resources import DeclaredName

FIELDS = (
    *("region", "account_id", "secret", "cluster", "service"),
    *("task_family", "execution_role", "task_role", "execution_policy"),
)
"""The names that are searched for, as runbook.toml calls them."""

NEEDED = frozenset({"secret", "cluster", "service"})
"""The names without which no runbook finds anything."""

ACCEPTED_DAYS = 180
"""For how long what Terraform's files mean is accepted."""

State = Literal["exists", "does not exist", "not checked"]


@dataclass(frozen=True, kw_only=True)
class FoundName:
    """One name: its value, where it comes from in words, and whether AWS has it."""

    field: str
    value: str
    sources: tuple[str, ...]
    state: State = "not checked"


@dataclass(frozen=True)
class MissingName:
    """A name that was not found, and why, in a sentence."""

    field: str
    why: str


@dataclass(frozen=True, kw_only=True)
class EnvironmentNames:
    """All that was found out about one environment."""

    environment: str
    project: str
    prefix: str
    names: tuple[FoundName, ...]
    missing: tuple[MissingName, ...]
    keys: Mapping[str, Key]
    """Keys whose variable has another name, with what the catalogue knows of that variable."""
    key_source: str
    """Where these keys and variables were read."""
    accepted: tuple[Accepted, ...]
    remarks: tuple[str, ...]

    def find(self, field: str) -> str:
        """A name's value; "" where it was not found."""
        return next((name.value for name in self.names if name.field == field), "")

    @property
    def is_empty(self) -> bool:
        """Whether none of the names was found that a runbook cannot do without."""
        return not any(self.find(field) for field in NEEDED)

    @property
    def problems(self) -> tuple[str, ...]:
        """What a runbook would stumble over: a name that it needs and that is not known, or that AWS does not have."""
        unknown = grouped((each.why, each.field) for each in self.missing if each.field in NEEDED)
        absent = (each for each in self.names if each.field in NEEDED and each.state == "does not exist")
        reasons = (f"{', '.join(fields)}: {why}" for why, fields in unknown.items())
        return (*reasons, *(f"{each.field}: {each.value} does not exist in AWS." for each in absent))


@dataclass(frozen=True, kw_only=True)
class AwsAnswer:
    """What AWS has for an environment, or why it was not asked."""

    caller: Caller | None = None
    discovery: Discovery | None = None
    policy: str = ""
    """The policy that lets the main service's execution role read secrets."""
    why_not: str = ""


def combine(
    environment: str, declared: DeclaredEnvironment | None, aws: AwsAnswer, region: str, today: date
) -> EnvironmentNames:
    """Put together what Terraform's files and AWS say; where they differ, what runs in AWS counts.

    `region` is the one in which AWS was asked.
    """
    found: list[FoundName] = []
    missing: list[MissingName] = []
    for field in FIELDS:
        cluster = next((each.value for each in found if each.field == "cluster"), "")
        name = _decide(field, declared.names.get(field) if declared else None, aws, region, cluster)
        if name and (form := form_of(field, name.value)):
            why = f'"{name.value}" ({"; ".join(name.sources)}) is no name that AWS takes: it must be {form}.'
            missing.append(MissingName(field, why))
        elif name:
            found.append(name)
        else:
            missing.append(MissingName(field, _why_missing(field, declared, aws)))
    values = {name.field: name.value for name in found}
    prefix = common_prefix(
        [values.get(field, "") for field in ("cluster", "secret", "task_family", "execution_role") if values.get(field)]
    )
    if declared and "prefix" in declared.names:
        own = declared.names["prefix"].value
        prefix = own if any(value.startswith(own) for value in values.values()) else prefix
    project = declared.names["project"].value if declared and "project" in declared.names else prefix
    return EnvironmentNames(
        environment=environment,
        project=without_environment(project.removesuffix(f"-{environment}")),
        prefix=prefix,
        names=tuple(found),
        missing=tuple(missing),
        keys=_keys(declared, aws.discovery),
        key_source=_key_source(declared, aws.discovery),
        # Two regions may have the same service.
        accepted=tuple({(each.check, each.subject): each for each in _accepted(declared, today)}.values()),
        remarks=tuple(_remarks(declared, aws)),
    )


def _decide(field: str, declared: DeclaredName | None, aws: AwsAnswer, region: str, cluster: str) -> FoundName | None:
    running, how = _in_aws(field, aws, region)
    from_files = tuple(filter(None, (_listed(declared.sources), declared.note))) if declared else ()
    if declared and (not running or running == declared.value):
        sources = (*from_files, *((how,) if running else ()))
        state = "exists" if running else _state(field, declared.value, aws, cluster)
        return FoundName(field=field, value=declared.value, sources=sources, state=state)
    if declared and _state(field, declared.value, aws, cluster) == "exists" and not _is_running_truth(field, aws):
        return FoundName(field=field, value=declared.value, sources=from_files, state="exists")
    if running:
        other = f"Terraform's files have {declared.value} ({_listed(declared.sources)})." if declared else ""
        return FoundName(field=field, value=running, sources=tuple(filter(None, (how, other))), state="exists")
    return None


def _in_aws(field: str, aws: AwsAnswer, region: str) -> tuple[str, str]:
    """A name as AWS has it, "" for none, and how that was found."""
    found, by_tags = aws.discovery, "AWS: by its name or its tags"
    if found is None or not (found.cluster or found.secret):
        return "", ""
    main, users = found.main, [service.name for service in found.consumers]
    names = {
        "region": (region, "AWS: the environment's resources are there"),
        "account_id": (aws.caller.account if aws.caller else "", "AWS: GetCallerIdentity"),
        "secret": (found.secret, f"AWS: {refer_to(users)} it" if users else by_tags),
        "cluster": (found.cluster, f"AWS: {main.name} is in it" if main else by_tags),
        "service": (main.name if main else "", "AWS: it gets most of the secret's variables" if users else by_tags),
        "execution_policy": (aws.policy, "AWS: it lets the execution role read the secret"),
    }
    if main and main.definition:
        definition, how = main.definition, f"AWS: {main.definition.label} of {main.name} has it"
        names["task_family"] = definition.family, how
        names["execution_role"] = iam.role_name(definition.execution_role_arn), how
        names["task_role"] = iam.role_name(definition.task_role_arn), how
    return names.get(field, ("", ""))


def _state(field: str, value: str, aws: AwsAnswer, cluster: str) -> State:
    """Whether AWS has a name, as far as the lists tell; a service's only in its own cluster, where that exists."""
    found = aws.discovery
    if found is None or found.unread:
        return "not checked"
    names = {
        "cluster": {cluster.name for cluster in found.clusters},
        "service": {service.name for service in found.services if service.cluster == cluster},
        "secret": {secret.name for secret in found.secrets},
    }
    is_elsewhere = field == "service" and cluster not in names["cluster"]
    if field not in names or found.not_searched or is_elsewhere:
        return "not checked"
    return "exists" if value in names[field] else "does not exist"


def _is_running_truth(field: str, aws: AwsAnswer) -> bool:
    """Whether AWS's answer comes from what services refer to, and not from a name alone."""
    return bool(aws.discovery and aws.discovery.consumers) and field not in ("region", "service")


def _why_missing(field: str, declared: DeclaredEnvironment | None, aws: AwsAnswer) -> str:
    if field == "account_id":
        return aws.why_not or "Neither Terraform's files nor what runs in AWS shows that it is this account."
    reasons = [declared.reasons[field]] if declared and field in declared.reasons else []
    if declared is None:
        reasons.append("No Terraform files of this environment were read.")
    reasons.append(aws.why_not or _why_not_in_aws(field, aws))
    return " ".join(filter(None, reasons))


def _why_not_in_aws(field: str, aws: AwsAnswer) -> str:
    found = aws.discovery
    if found is None:
        return ""
    if found.unread:
        return found.unread[0].sentence
    if not found.own_services:
        return _why_not_by_name(field, found)
    if field in ("execution_role", "task_role"):
        return f"The task definition of {found.main.name if found.main else 'the service'} in AWS has none."
    if field == "execution_policy":
        return "No policy of the execution role in AWS names secretsmanager:GetSecretValue."
    return "AWS shows none that is certain."


def _why_not_by_name(field: str, found: Discovery) -> str:
    """Why names and tags show none, where no service is the environment's."""
    named = {"cluster": found.named_clusters, "secret": found.named_secrets}
    if several := named.get(field):
        return (
            f"In AWS {len(several)} {field}s have {found.environment}, or another word for it, in their names or tags,"
            f" and no service tells which is meant: {listed(several, FILES_NAMED)}."
        )
    *others, last = ("service", *(kind for kind, names in named.items() if not names))
    kinds = f"{', '.join(others)} or {last}" if others else last
    return f"No {kinds} in AWS has {found.environment} in its name or tags."


def _keys(declared: DeclaredEnvironment | None, found: Discovery | None) -> dict[str, Key]:
    """Keys with a variable of another name; one that stands for a catalogue's key takes over what is known of that.

    A catalogue's own key under another name is a fault, unless another variable has the same prefix.
    """
    renamed = {**(declared.renamed if declared else {}), **(found.renamed if found else {})}
    catalogue = default_keys()
    by_variable = {variable_of(name, catalogue): key for name, key in catalogue.items()}
    empty = Key()
    prefixes = Counter(variable.removesuffix(key) for key, variable in renamed.items() if variable.endswith(key))
    return {
        key: by_variable.get(variable, empty).model_copy(update={"variable": variable})
        for key, variable in renamed.items()
        if key not in catalogue or prefixes[variable.removesuffix(key)] > 1
    }


def _key_source(declared: DeclaredEnvironment | None, found: Discovery | None) -> str:
    """The task definitions in AWS, else Terraform's."""
    labels = [each.definition.label for each in found.consumers if each.definition] if found else []
    if labels:
        return f"AWS: secrets[] of {', '.join(labels)}"
    names = ", ".join(service.name for service in declared.consumers) if declared else ""
    return f"Terraform's task definitions of {names}" if names else ""


def _accepted(declared: DeclaredEnvironment | None, today: date) -> Iterator[Accepted]:
    """What Terraform's files mean, and a check would report."""
    if declared is None:
        return
    until = today + timedelta(days=ACCEPTED_DAYS)
    accepted = partial(Accepted, until=until, environment=declared.environment)
    main = declared.find(declared.names["service"].value) if "service" in declared.names else None
    judged = {service.name for service in declared.consumers} | ({main.name} if main else set())
    for service in declared.services:
        if service.name in judged and service.desired == 0:
            reason = f"Terraform sets desired_count = 0 ({service.desired_source})"
            yield accepted(check="desired-zero", subject=service.name, reason=reason)
    # A container that could not be read may get any key.
    if not all(service.is_whole for service in declared.services):
        return
    injected_keys = {variable.key for service in declared.services for variable in service.variables}
    plain = {name for service in declared.services for name in service.plain}
    for key, source in declared.keys.items():
        if key not in injected_keys | plain:
            reason = f"Terraform creates it and gives it to no container ({source})"
            yield accepted(check="key-unreferenced", subject=key, reason=reason)


def _remarks(declared: DeclaredEnvironment | None, aws: AwsAnswer) -> Iterator[str]:
    if declared:
        base = "" if declared.base == "." else declared.base
        folders = [base or "the checkout itself"] if declared.folders == (".",) else declared.folders
        below = f" below {base}" if base and folders is declared.folders else ""
        yield f"Terraform's files{below}: {', '.join(folders)}."
        yield from declared.assumptions
        if "keys" in declared.reasons:
            yield declared.reasons["keys"]
    if aws.why_not:
        yield aws.why_not
    elif aws.discovery:
        found = aws.discovery
        counts = {"cluster": len(found.clusters), "service": len(found.services), "secret": len(found.secrets)}
        listed = ", ".join(counted(count, what) for what, count in counts.items())
        begin = "Read in AWS:" if found.unread else "AWS has"
        yield f"{begin} {listed}; no secret's value was read."
        yield from (failure.sentence for failure in found.unread)
        in_files = declared.names.get("secret") if declared else None
        if found.rivals and not (in_files and in_files.value == found.secret):
            yield _on_rivals(found)
        if found.left_cluster:
            yield _on_left_cluster(found)


def refuse_other_projects(settings: Environment, found: Discovery) -> None:
    """Raise UsageError where a project is configured, none of its names is in use, and two others may be meant."""
    is_told = {"secret", "cluster"} & found.expected.keys() or found.has_name_of(
        settings.project, settings.names.prefix
    )
    if settings.project == PROJECT or is_told or not (found.secret and found.rivals):
        return
    raise UsageError(
        f"No configured name of project {settings.project} is in use, and {found.environment} may be {found.cluster},"
        f" with services that refer to {found.secret}, or {_rivals(found)}: write the secret of the one that is meant"
        f" as secret under [environments.{found.environment}] in {FILE_NAME}, and run init again. Nothing was written."
    )


def _on_rivals(found: Discovery) -> str:
    return (
        f"{found.environment} may also be {_rivals(found)}: if that is meant, write its secret into the file and run"
        " init again, which finds the other names."
    )


def _on_left_cluster(found: Discovery) -> str:
    return (
        f"Cluster {found.left_cluster} is in use, but no service of it gets a variable by a JSON key of {found.secret}:"
        f" what is read in AWS is of {found.cluster}. If that is another project's, correct the names in {FILE_NAME} by"
        " hand."
    )


def _rivals(found: Discovery) -> str:
    clusters = dict.fromkeys(each.cluster for each in found.rivals)
    names = dict.fromkeys(name for each in found.rivals for name in each.keys_by_secret)
    secrets = [name for name in names if not is_of_service(name)]
    return f"{listed([*clusters], FILES_NAMED)}, with services that refer to {listed(secrets, FILES_NAMED)}"


def _listed(sources: tuple[str, ...]) -> str:
    """The first positions of a name's parts: where it is put together, and the last, which its variables have."""
    shown = sources if len(sources) <= 3 else (sources[0], *sources[-2:])
    return ", ".join(shown)
