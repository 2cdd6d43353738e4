"""Whether two environments have the same secret: by its name, its region and whose account it is in."""

from __future__ import annotations

from omc_runbook.model.arn import account_in, region_in
from omc_runbook.model.aws_names import Names
from omc_runbook.model.environment_names import environment_of, means_production
from omc_runbook.model.value_from import split_suffix


def is_one_secret(one: Names, other: Names) -> bool:
    """Whether two environments surely have the same secret; where nothing names an account, each may be in its own."""
    is_one_account = bool(_account_id(one)) and _account_id(one) == _account_id(other)
    sign_in = _sign_in(one)
    return (is_one_account or (any(sign_in) and sign_in == _sign_in(other))) and may_be_one_secret(one, other)


def may_be_one_secret(one: Names, other: Names) -> bool:
    """Whether two environments have a secret of one name in one region, and nothing tells their accounts apart.

    Where both accounts are known, these decide: two profiles or roles may be of one account. With an ARN, the other
    environment names a secret wherever it signs in.
    """
    ids = (_account_id(one), _account_id(other))
    is_by_id = all(ids) or other.secret.startswith("arn:")
    pairs = [ids] if is_by_id else zip(_sign_in(one), _sign_in(other), strict=True)
    is_another = any(mine and theirs and mine != theirs for mine, theirs in pairs)
    return not is_another and region_of(one) == region_of(other) and bool(_secret_names(one) & _secret_names(other))


def is_named_after(production: str, names: Names) -> bool:
    """Whether the secret's name says that it is of production, or has the name of that environment, such as live."""
    return any(
        means_production(name) or environment_of(name, {}, production) == production for name in _secret_names(names)
    )


def _account_id(names: Names) -> str:
    """The number of the secret's account, by its ARN, or else that of the environment or its role; "" for none."""
    return account_in(names.secret) if names.secret.startswith("arn:") else names.account


def region_of(names: Names) -> str:
    """The region of the secret: by its ARN, or else that of the environment."""
    return region_in(names.secret) if names.secret.startswith("arn:") else names.region


def _secret_names(names: Names) -> set[str]:
    """The secret's name, or the two that an ARN may mean: its end may be the suffix that AWS gave it, or none."""
    last = names.secret.rpartition(":")[2]
    return {last, split_suffix(last)[0]} if names.secret.startswith("arn:") else {last}


def _sign_in(names: Names) -> tuple[str, str]:
    """How one signs in to the account of an environment: a profile, or a role in it."""
    return names.profile, names.role_arn
