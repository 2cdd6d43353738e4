"""What `omc-runbook init` does: find an environment's names in Terraform's files and in AWS, and write runbook.toml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from omc_runbook.aws.session import Clients, configured_region
from omc_runbook.changes.configuration import file, names
from omc_runbook.changes.configuration.file import ConfigurationPlan, write
from omc_runbook.changes.configuration.names import AwsAnswer, EnvironmentNames
from omc_runbook.model import environment as environments
from omc_runbook.model.environment import LOCAL, PRODUCTION, Environment
from omc_runbook.model.environment_names import STAGING, canonical, numbered_environment_in
from omc_runbook.model.errors import CouldNotLook, RunbookError, UsageError
from omc_runbook.model.runbook_file import FILE_NAME, find_file
from omc_runbook.model.suggestions import did_you_mean, exists, expand
from omc_runbook.model.time_limits import LOOK_SECONDS
from omc_runbook.report import init as report
from omc_runbook.repository.checkout import find_root
from omc_runbook.repository.code_files import CheckoutFiles
from omc_runbook.repository.infrastructure import other_tools
from omc_runbook.snapshot.discovery import Discovery, configured, discover, find_policy
from omc_runbook.snapshot.reading import identify
from omc_runbook.terraform.declared import DeclaredEnvironment, read_environments
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.stacks import unknown_units, unreadable_files

__all__ = ["find", "plan", "text", "write"]


def find(environment: str = "", repository: str = "", runbook_toml: str = "") -> tuple[EnvironmentNames, ...]:
    """Find the names of an environment, or of each that Terraform's files show, else of staging and production.

    `repository` is a checkout, "" for that of runbook.toml, if any. Nothing is written, and no value is read. Raises
    UsageError for a wrong environment, folder or runbook.toml, also for a project without names in use where several
    may be meant, CouldNotLook where neither files nor AWS were read.
    """
    if environment == LOCAL:
        raise UsageError(f"{LOCAL} has no names in AWS: choose staging or production.")
    name = canonical(environment)
    if name and not re.fullmatch(environments.TABLE_NAME, name):
        raise UsageError("environment must have letters, digits and . _ - alone. Nothing was written.")
    toml = runbook_toml if runbook_toml and exists(expand(runbook_toml)) else ""
    base = environments.load(name or STAGING, toml, may_be_new=True)
    path = repository or base.repository
    root = find_root(path) if path else None
    declared = {each.environment: each for each in read_environments(root, name)} if root else {}
    unreadable = _unreadable(root) if root else ()
    unreadable += (*_other_names(root, name), *other_tools(CheckoutFiles(root))) if root and not declared else ()
    environment_names = (name,) if name else tuple(declared) or (STAGING, PRODUCTION)
    answers: dict[tuple[str, ...], AwsAnswer] = {}
    all_names = [_find(each, declared.get(each), toml, answers) for each in environment_names]
    found = tuple(replace(each, remarks=(*each.remarks, *unreadable)) for each in all_names)
    if all(each.is_empty for each in found):
        problems = dict.fromkeys(problem for each in found for problem in each.problems)
        remarks = dict.fromkeys(remark for each in found for remark in each.remarks)
        # AWS's answer is among the reasons why a name is not known.
        others = (remark for remark in remarks if not any(remark in problem for problem in problems))
        name_it = " Name a checkout with --repository PATH, whose Terraform files have the names."
        name_it = f" {root} and its folders were searched for Terraform's files." if root else name_it
        existing = {STAGING, PRODUCTION, *(each.environment for each in (read_environments(root, "") if root else ()))}
        end = did_you_mean(name, existing - {name}) or "."
        raise CouldNotLook(
            f"No name of {', '.join(environment_names)} was found{end} {' '.join((*problems, *others))}{name_it}"
            f" You can also write {FILE_NAME} by hand, as the README shows."
        )
    return found


def _unreadable(root: Path) -> tuple[str, ...]:
    """A sentence on each of Terraform's files, and each unit of Terragrunt, whose names are not known."""
    files = TerraformFiles(root)
    return (*unreadable_files(files), *unknown_units(files))


def _other_names(root: Path, environment: str) -> tuple[str, ...]:
    """A sentence on the environments of the same word that Terraform's files have instead of one, if any."""
    names = [each.environment for each in read_environments(root)] if environment else []
    own = [each for each in names if numbered_environment_in(each) == environment]
    return (f"Terraform's files have no {environment}, but {', '.join(own)}: name one of these.",) if own else ()


def plan(found: Sequence[EnvironmentNames], runbook_toml: str = "") -> ConfigurationPlan:
    """Plan runbook.toml: the one in force, else a new one in the working folder; raises as `file.plan` does."""
    path = expand(runbook_toml) if runbook_toml else find_file() or Path.cwd() / FILE_NAME
    return file.plan(path, [each for each in found if not each.is_empty])


def text(found: Sequence[EnvironmentNames], plan: ConfigurationPlan) -> str:
    """What was found, what was not and why, and what runbook.toml would become."""
    parts = []
    for each in found:
        if each.is_empty:
            parts.append(f"Nothing was found of {each.environment}: {' '.join(each.problems)}")
            continue
        parts += [report.names(each).to_text()]
        parts += [report.missing(each).to_text()] if each.missing else []
        parts += [report.accepted(each).to_text()] if each.accepted else []
    return "\n\n".join((*parts, report.change(plan)))


def _find(
    environment: str, declared: DeclaredEnvironment | None, runbook_toml: str, answers: dict[tuple[str, ...], AwsAnswer]
) -> EnvironmentNames:
    settings = environments.load(environment, runbook_toml, may_be_new=True)
    region = _region(settings, declared)
    key = (region, settings.names.profile, settings.names.role_arn)
    if key not in answers:
        answers[key] = _ask(settings, region)
    answer = answers[key]
    account = declared.names.get("account_id") if declared else None
    if account and answer.caller and answer.caller.account != account.value:
        why = f"AWS was not asked: these credentials are for account {answer.caller.account}, not {account.value}."
        answer = AwsAnswer(why_not=why)
    if answer.discovery:
        in_files = {field: name.value for field, name in declared.names.items()} if declared else {}
        discovery = answer.discovery.expecting(environment, in_files, configured(settings.names))
        names.refuse_other_projects(settings, discovery)
        answer = replace(answer, discovery=discovery, policy=_policy(settings, region, discovery))
    return names.combine(environment, declared, answer, region, datetime.now(UTC).date())


def _region(settings: Environment, declared: DeclaredEnvironment | None) -> str:
    """The region to look in: Terraform's, runbook.toml's, that of the caller's AWS configuration, or the guide's."""
    if declared and "region" in declared.names:
        return declared.names["region"].value
    if "region" in settings.chosen:
        return settings.names.region
    return configured_region(settings.names.profile) or settings.names.region


def _ask(settings: Environment, region: str) -> AwsAnswer:
    try:
        clients = Clients.of(settings, region)
        clients.calls.time.limit(LOOK_SECONDS)
        # A wrong account is told where names are used.
        anywhere = replace(settings, names=settings.names.model_copy(update={"account_id": ""}))
        caller = identify(clients, anywhere)
        return AwsAnswer(caller=caller, discovery=discover(clients, settings, caller))
    except RunbookError as error:
        return AwsAnswer(why_not=f"AWS was not read: {error}")


def _policy(settings: Environment, region: str, discovery: Discovery) -> str:
    main = discovery.main
    arn = main.definition.execution_role_arn if main and main.definition else ""
    return find_policy(Clients.of(settings, region), arn.rpartition("/")[2]) if arn else ""
