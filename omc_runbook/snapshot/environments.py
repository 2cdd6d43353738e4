"""The environments there are: those of runbook.toml, and those that `[discovery]` finds by their secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from omc_runbook.aws import secretsmanager
from omc_runbook.aws.calls import ReadingTime
from omc_runbook.aws.secretsmanager import ListedSecret
from omc_runbook.aws.session import Clients, require
from omc_runbook.model.arn import account_in, region_in
from omc_runbook.model.discovery_rule import DiscoveryRule
from omc_runbook.model.environment import (
    KNOWN,
    LOCAL,
    PRODUCTION,
    Environment,
    FoundEnvironment,
    load,
    read_configured,
    unknown_environment,
)
from omc_runbook.model.environment_names import STAGING, canonical, means_production
from omc_runbook.model.errors import CouldNotLook, UsageError
from omc_runbook.model.grouping import grouped
from omc_runbook.model.parameters import quoted, split_names
from omc_runbook.model.time_limits import LOOK_SECONDS
from omc_runbook.snapshot.reading import identify

PARALLEL = 8

_SIGN_IN = ("region", "profile", "role_arn", "external_id")
"""The names of an environment that say which account and region is searched, and as whom."""


@dataclass(frozen=True)
class Environments:
    """The environments there are; each sentence of `unread` says where discovery could not search."""

    environments: tuple[Environment, ...]
    unread: tuple[str, ...] = ()


def find_environments(runbook_toml: str, time: ReadingTime | None = None) -> Environments:
    """Every environment of runbook.toml, then those that its `[discovery]` finds, by name.

    Without tables and without discovery these are staging and production by the guide's names. Discovery lists secrets
    (secretsmanager:ListSecrets) in the caller's account, and in the accounts and regions of the environments with a
    table; it reads no value. The names of what it finds are filled in from the templates with the word that the
    secret's name or tag has; prod is then known as production, and where several have one name, each has its region or
    its account added. Its account_id is the account in which it was found, so that another is refused later.

    What could not be searched, such as an account that refuses, is in `unread`. `time` is that of the run which asks;
    without it, the search has its own. Raises UsageError for a runbook.toml
    that cannot be read. Makes no call without `[discovery]`.
    """
    configured = read_configured(runbook_toml)
    own = tuple(load(name, runbook_toml) for name in configured.environments)
    rule = configured.rule
    if rule is None:
        return Environments(own or (load(STAGING, runbook_toml), load(PRODUCTION, runbook_toml)))
    home = home_environment(runbook_toml)
    sign_ins = {_sign_in(each): each for each in reversed((home, *own))}
    if time is None:
        time = ReadingTime()
        time.limit(LOOK_SECONDS)
    search = partial(_search, rule=rule, time=time)
    with ThreadPoolExecutor(PARALLEL, "discover") as pool:
        answers = dict(zip(sign_ins, pool.map(search, sign_ins.values()), strict=True))
    unread = [answer for answer in answers.values() if isinstance(answer, str)]
    found: dict[str, FoundEnvironment] = {}
    known = {secret.arn for each in own for secret in _listed(answers[_sign_in(each)]) if _is_secret_of(secret, each)}
    for sign_in, answer in answers.items():
        unread += _unnamed(rule, home.project, _listed(answer), known)
        for word, secrets in _by_word(rule, home.project, _listed(answer), known).items():
            secret = _choose(secrets, load(word, runbook_toml, may_be_new=True).names.secret)
            if secret is None:
                names = ", ".join(sorted(each.name for each in secrets))
                unread.append(f"Several secrets have the tags of {word}: {names}. Set secret for it in runbook.toml.")
            elif canonical(word) != LOCAL:
                own_names = {} if sign_in == _sign_in(home) else dict(zip(_SIGN_IN, sign_in, strict=True))
                found[secret.arn] = _found_environment(word, secret, own_names)
    renamed = _with_unique_names([*found.values()], {each.name for each in own})
    others = sorted((load(each.name, runbook_toml, found=each) for each in renamed), key=lambda each: each.name)
    return Environments((*own, *others), tuple(dict.fromkeys(unread)))


def home_environment(runbook_toml: str) -> Environment:
    """Stands for what discovery searches without a table: the caller's account, or that of the role of all."""
    home = replace(load("*", runbook_toml, may_be_new=True), name="discovery")
    if "*" in home.names.role_arn:
        # Each environment has a role of its own: the caller's own account is searched as the caller.
        home = replace(home, names=home.names.model_copy(update={"role_arn": "", "external_id": ""}))
    return home


def searching_roles(runbook_toml: str) -> frozenset[str]:
    """The ARNs of the roles as which discovery searches, those of tables too; "" for the caller without one."""
    tables = (load(name, runbook_toml) for name in read_configured(runbook_toml).environments)
    return frozenset(each.names.role_arn for each in (home_environment(runbook_toml), *tables))


def is_searched_for(environment: str, runbook_toml: str = "") -> bool:
    """Whether discovery lists secrets to find an environment: one without a table, or any ("")."""
    configured = read_configured(runbook_toml)
    return configured.rule is not None and environment not in (LOCAL, *configured.environments)


def find_environment(environment: str, runbook_toml: str, time: ReadingTime | None = None) -> Environment:
    """The environment of this name, as `load` gives it; one without a table in runbook.toml is looked for first.

    `time` is as for `find_environments`.

    Raises UsageError as `load` does, with the nearest name that discovery has found, and CouldNotLook where it was not
    found and not everything could be searched.
    """
    if not is_searched_for(environment, runbook_toml):
        return load(environment, runbook_toml)
    found = find_environments(runbook_toml, time)
    names = {each.name: each for each in found.environments}
    if environment in names:
        return names[environment]
    if found.unread:
        raise CouldNotLook(f'Environment "{environment}" was not found. {" ".join(found.unread)}')
    if environment in KNOWN:
        # It may have no secret yet.
        return load(environment, runbook_toml)
    raise unknown_environment(environment, (*KNOWN, *names))


def find_several(environments: str, otherwise: str, runbook_toml: str) -> Environments:
    """The environments that a list names; where it is empty, all there are, or else the one `otherwise`.

    Discovery is asked for what has no table. Raises UsageError as `load` does, for a name that comes twice, for
    `local`, and where discovery finds nothing; CouldNotLook where that may be because not everything was searched. One
    of several that may not be found for that reason is in `unread`.
    """
    if split_names("environment", otherwise)[1:]:
        raise unknown_environment(otherwise, ())
    names, configured = split_names("environments", environments), read_configured(runbook_toml)
    if LOCAL in names:
        raise UsageError(f"{LOCAL} has nothing in AWS: name other environments, or run local_setup for your .env.")
    if configured.rule is None or (names and set(names) <= set(configured.environments)):
        chosen = names or configured.environments or (otherwise,)
        return Environments(tuple(load(name, runbook_toml) for name in chosen))
    found = find_environments(runbook_toml)
    by_name = {each.name: each for each in found.environments}
    missing = [name for name in names if name not in by_name]
    if missing and by_name and not found.unread:
        raise unknown_environment(missing[0], by_name)
    not_found = " ".join(f'Environment "{name}" was not found.' for name in missing) or "No environment was found."
    if found.unread and len(missing) == len(names or by_name):
        raise CouldNotLook(" ".join((not_found, *found.unread)))
    if not by_name:
        raise UsageError(
            "No environment was found: no secret matches [discovery] in runbook.toml. Correct that, or add a table"
            " [environments.NAME]."
        )
    # Where all that are named were found, no search that failed is missed.
    unread = (" ".join((not_found, *found.unread)),) if missing else ()
    return Environments(tuple(by_name[name] for name in names if name in by_name), unread) if names else found


def _sign_in(environment: Environment) -> tuple[str, ...]:
    return tuple(getattr(environment.names, name) for name in _SIGN_IN)


def _search(environment: Environment, rule: DiscoveryRule, time: ReadingTime) -> tuple[ListedSecret, ...] | str:
    """The secrets of an account and region that may be environments', or why they could not be listed."""
    names = environment.names
    try:
        clients = Clients.of(environment, time=time)
        account = identify(clients, environment).account
        return require(
            f"the list of secrets in account {account}, {names.region}",
            "secretsmanager:ListSecrets",
            lambda: secretsmanager.list_secrets(
                clients("secretsmanager"),
                rule.name_prefix(environment.project),
                rule.required_tags(environment.project),
            ),
        )
    except (CouldNotLook, UsageError) as error:
        return str(error)


def _listed(answer: tuple[ListedSecret, ...] | str) -> tuple[ListedSecret, ...]:
    return () if isinstance(answer, str) else answer


def _is_secret_of(secret: ListedSecret, environment: Environment) -> bool:
    return environment.names.secret in (secret.name, secret.arn)


def _by_word(
    rule: DiscoveryRule, project: str, secrets: Iterable[ListedSecret], known: set[str]
) -> dict[str, list[ListedSecret]]:
    """The secrets of environments without a table, by what the environments are called there."""
    words = ((rule.environment_of(project, each.name, each.tags), each) for each in secrets if each.arn not in known)
    return grouped((word, secret) for word, secret in words if word)


def _unnamed(rule: DiscoveryRule, project: str, secrets: Iterable[ListedSecret], known: set[str]) -> Iterator[str]:
    """Which secrets' environments are left out because the value of their tag cannot be an environment's name."""
    for text, own in grouped((rule.unusable_name(project, secret.tags), secret) for secret in secrets).items():
        if text and known.isdisjoint(each.arn for each in own):
            names = ", ".join(sorted(each.name for each in own))
            yield (
                f"The tag {rule.environment_tag} of {names} is {quoted(text)}: an environment's name has letters,"
                " digits and . _ - alone. Add a table [environments.NAME] with its secret to runbook.toml."
            )


def _choose(secrets: Sequence[ListedSecret], template: str) -> ListedSecret | None:
    """The application's secret among those of one environment: that with the usual name, or the only one."""
    usual = [each for each in secrets if each.name == template]
    return (usual or [*secrets])[0] if usual or len(secrets) == 1 else None


def _found_environment(word: str, secret: ListedSecret, sign_in: dict[str, str]) -> FoundEnvironment:
    region, account = region_in(secret.arn), account_in(secret.arn)
    name = canonical(word)
    return FoundEnvironment(
        name=name,
        word=word,
        names={**sign_in, "secret": secret.name, "region": region, "account_id": account},
        is_production=means_production(word),
    )


def _with_unique_names(found: Sequence[FoundEnvironment], used_names: set[str]) -> Iterator[FoundEnvironment]:
    """Tell apart those of one name: by their words, their regions or their accounts."""
    by_name = grouped((each.name, each) for each in found)
    for name, group in by_name.items():
        labels: tuple[Callable[[FoundEnvironment], str], ...] = (
            lambda each: each.name,
            lambda each: each.word,
            lambda each: f"{each.name}-{each.names['region']}",
            lambda each: f"{each.name}-{each.names['account_id']}",
            lambda each: f"{each.word}-{each.names['account_id']}-{each.names['region']}",
        )
        for label in labels:
            options = [label(each) for each in group]
            if len({*options} - used_names - (by_name.keys() - {name})) == len(group):
                break
        yield from (replace(each, name=option) for each, option in zip(group, options, strict=True))
