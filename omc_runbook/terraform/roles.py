"""The roles that task definitions name, and the policy that lets an execution role read the secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omc_runbook.terraform.evaluation import Instance
from omc_runbook.terraform.expressions import Source
from omc_runbook.terraform.marks import because, decode, known_text, last_part
from omc_runbook.terraform.resources import DeclaredName, Resources, name_of, name_with_sources

_ROLES = ("aws_iam_role", "data.aws_iam_role")
_READS = re.compile(r"(secretsmanager:)?\*|secretsmanager:(GetSecretValue|Get\*|G\*)", re.IGNORECASE)


def identity(resources: Resources, text: str) -> str:
    """What tells a role from others: its name, as far as it is known, or its resource's address."""
    role = resources.target(text, *_ROLES)
    return (role.text("name") or role.address) if role else last_part(text) or text


def role_name(resources: Resources, value: Any, sources: tuple[Source, ...]) -> tuple[DeclaredName | None, str]:
    """The name of a role by its ARN or its name, or a sentence on why it is not known."""
    text = value if isinstance(value, str) else ""
    role = resources.target(text, *_ROLES)
    if role:
        name = name_of(role)
        return name, "" if name else role.why_unknown("name", "role")
    last = last_part(text)
    if last:
        return name_with_sources(last, sources), ""
    return None, f"Its ARN is not in the checkout{because(text)} ({sources[0]})." if text else ""


def reading_policy(resources: Resources, role: str, secret: str) -> DeclaredName | None:
    """The policy with a name that lets a role, by its `identity`, read the secret: one that names it first."""
    candidates = [
        (name, policy) for name, policy in _policies(resources, role) if name and _may_read(resources, policy)
    ]
    own = [name for name, policy in candidates if _names_secret(resources, policy, secret)]
    return next(iter((*own, *(name for name, _ in candidates))), None)


def _policies(resources: Resources, role: str) -> Iterator[tuple[DeclaredName | None, Any]]:
    """The policies of a role, each with its name and its document."""
    for each in resources.of("aws_iam_role_policy"):
        if identity(resources, each.text("role")) == role:
            yield name_of(each), each.value("policy")
    for each in resources.of("aws_iam_role_policy_attachment", "aws_iam_policy_attachment"):
        policy = resources.target(each.text("policy_arn"), "aws_iam_policy")
        roles = each.value("roles")
        several = roles if isinstance(roles, list) else []
        texts = [text for text in (each.text("role"), *several) if isinstance(text, str)]
        if policy and role in [identity(resources, text) for text in texts]:
            yield name_of(policy), policy.value("policy")
    for each in resources.of("aws_iam_role"):
        if role in (each.text("name"), each.address):
            yield from _inline(each)


def _inline(role: Instance) -> Iterator[tuple[DeclaredName | None, Any]]:
    for block, bindings in role.blocks("inline_policy"):
        document, name = block.find("policy"), block.find("name")
        if document and name:
            text = role.module.result(name.value, bindings)
            own = name_with_sources(text.value, (name.location, *text.sources)) if known_text(text.value) else None
            yield own, role.module.value(document.value, bindings)


def _statements(resources: Resources, policy: Any) -> Iterator[Mapping[str, Any]]:
    """The statements of a policy that allow something: as JSON, or as a data source's blocks."""
    document = resources.target(policy, "data.aws_iam_policy_document")
    if document:
        for block, bindings in document.blocks("statement"):
            table = {each.name: document.module.value(each.value, bindings) for each in block.attributes}
            if (table.get("effect") or "Allow") == "Allow":
                yield {"Action": table.get("actions"), "Resource": table.get("resources")}
        return
    decoded = decode(policy)
    statements = decoded.get("Statement") if isinstance(decoded, Mapping) else None
    for each in statements if isinstance(statements, list) else [statements]:
        if isinstance(each, Mapping) and each.get("Effect") == "Allow":
            yield each


def _may_read(resources: Resources, policy: Any) -> bool:
    actions = [action for each in _statements(resources, policy) for action in _texts(each.get("Action"))]
    return any(_READS.fullmatch(action) for action in actions)


def _names_secret(resources: Resources, policy: Any, secret: str) -> bool:
    """Whether a policy's statements have the secret's ARN among their resources."""
    for text in (text for each in _statements(resources, policy) for text in _texts(each.get("Resource"))):
        found = [name.value for each in resources.targets(text) if (name := name_of(each))]
        if secret and (secret in found or f":secret:{secret}" in text):
            return True
    return False


def _texts(value: Any) -> list[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
