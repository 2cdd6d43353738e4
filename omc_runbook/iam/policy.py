"""Evaluation of IAM policies for one action on one resource, without a call to AWS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Literal

from omc_runbook.iam.conditions import (
    UNKNOWN_END,
    ConditionKeys,
    evaluate_condition,
    keys_in,
    matches,
    none_matches,
    texts,
    variables_in,
)
from omc_runbook.model.truth import Truth, any_of

Context = Mapping[str, str | Sequence[str]]

ALLOW_EVERYTHING: Mapping[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
"""The policy of an administrator."""
_TWINS = {name for twin in ("Action", "Resource", "Principal") for name in (twin, f"Not{twin}")}
_RESOURCES = ("Resource", "NotResource")
_NAMED = 3
"""How many of a statement's resources are named at most."""
_ELEMENTS = frozenset(_TWINS | {"Sid", "Effect", "Condition"})


@dataclass(frozen=True)
class PolicyDocument:
    """A policy: its name for messages, its kind, and its parsed JSON.

    `origin` is the ARN of a managed policy, where it is known, and `group` that of the group by which a user has it.
    """

    name: str
    kind: Literal["inline", "managed", "boundary", "resource", "trust", "scp", "rcp"]
    document: Mapping[str, Any]
    origin: str = ""
    group: str = ""
    _on_action: dict[str, tuple[tuple[str, Any], ...]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @cached_property
    def statements(self) -> tuple[tuple[str, Any], ...]:
        """Each statement after its label, such as "NAME statement 2 (Sid)"."""
        return tuple(
            (_label(self, number, statement), statement) for number, statement in enumerate(_statements(self), start=1)
        )

    @cached_property
    def allow_statements(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """The statements whose Effect is Allow, each after its label."""
        readable = ((label, each) for label, each in self.statements if isinstance(each, Mapping))
        return tuple((label, each) for label, each in readable if each.get("Effect") == "Allow")

    @property
    def text(self) -> str:
        """Its JSON, as a command takes it."""
        return json.dumps(self.document, separators=(",", ":"))

    def with_statements(self, statements: Iterable[Any]) -> "PolicyDocument":
        """The policy with these statements in the place of its own."""
        return replace(self, document={**self.document, "Statement": list(statements)})

    def statements_on(self, action: str) -> tuple[tuple[str, Any], ...]:
        """The statements that may concern an action, whatever else the request has: the others decide nothing of it."""
        found = self._on_action.get(action)
        if found is None:
            found = tuple(entry for entry in self.statements if _may_concern(entry[1], action))
            self._on_action[action] = found
        return found


@dataclass(frozen=True)
class Verdict:
    """A decision, the statements that made it ("NAME statement 2 (Sid)"), and the reason in one sentence.

    `doubt` says which others may deny what is denied, also without those that certainly do; the reason ends with it.
    """

    decision: Literal["allowed", "explicit-deny", "implicit-deny", "unknown"]
    statements: tuple[str, ...]
    reason: str
    doubt: str = ""


@dataclass(frozen=True)
class RefusingCondition:
    """A Condition that keeps its statement from allowing a call; `values` are the call's for the keys in it."""

    statement: str
    condition: object
    values: Mapping[str, tuple[str, ...]]

    @property
    def sentence(self) -> str:
        """The Condition, and what the call has instead."""
        texts_of = {name: ", ".join(values).replace(UNKNOWN_END, "…") for name, values in self.values.items()}
        has = ", ".join(f"{name} {text or '(absent)'}" for name, text in texts_of.items())
        refuses = _refuses(self.statement, f"Condition {json.dumps(self.condition)}")
        return f"{refuses}: the call has {has}." if has else f"{refuses}."


@dataclass(frozen=True)
class PolicyRequest:
    """One call as policies see it; `principals` are all names of the caller, as `evaluate_resource` takes them."""

    action: str
    resource: str
    context: Context | ConditionKeys | None
    principals: Collection[str] = ()

    @cached_property
    def keys(self) -> ConditionKeys:
        """The condition keys, for a policy whose version substitutes variables."""
        return self.context if isinstance(self.context, ConditionKeys) else ConditionKeys.of(self.context)


@dataclass(frozen=True)
class AppliedStatement:
    """A statement applied to one request; an Effect that is neither Allow nor Deny is None and leaves it unknown.

    `unknowns` names the condition keys and elements that leave it undecided.
    """

    label: str
    effect: Literal["Allow", "Deny"] | None
    applies: Truth
    unknowns: tuple[str, ...]


@dataclass(frozen=True)
class _Layer:
    """Policies of which at least one must allow, and the reason to report when none does."""

    refusal: str
    policies: Sequence[PolicyDocument]


def evaluate(
    policies: Sequence[PolicyDocument],
    action: str,
    resource: str,
    context: Context | None = None,
    boundary: PolicyDocument | None = None,
    scps: Sequence[PolicyDocument] | None = None,
) -> Verdict:
    """Evaluate a role's identity policies, within its permissions boundary and one level of SCPs.

    `context` maps condition keys to a value or a sequence of values. A key that is left out is unknown, and so is
    a verdict that depends on it; a key with no values is absent from the request.
    """
    layers = [_Layer("no statement allows", policies)]
    if boundary is not None:
        layers.append(_Layer(f"permissions boundary {boundary.name} does not allow", [boundary]))
    if scps:
        layers.append(_Layer("no service control policy allows", scps))
    return _decide(layers, PolicyRequest(action, resource, context))


def evaluate_resource(
    policy: PolicyDocument,
    principals: Collection[str],
    action: str,
    resource: str,
    context: Context | None = None,
    beside: Sequence[PolicyDocument] = (),
) -> Verdict:
    """Evaluate a resource policy for a caller, together with the resource's others.

    `principals` are all names of the caller: ARNs of a role, of its session or of an account's root, account ids, or
    services. A Deny to the account of any of them applies. An Allow to an account only delegates to that account's
    identity policies: it applies if `principals` has the account, so leave it out to evaluate a direct grant.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    layer = _Layer(f"no statement of {policy.name} allows", [policy, *beside])
    return _decide([layer], PolicyRequest(action, resource, context, frozenset(principals)))


def leaves_open(policies: Iterable[PolicyDocument], action: str, resource: str | None = None) -> bool:
    """Whether a statement may allow an action, on this resource or on any, and under whatever condition."""

    def may_name(statement: Mapping[str, Any]) -> bool:
        return resource is None or _either(statement, "Resource", resource, ConditionKeys({})) is not False

    return any(
        not isinstance(statement, Mapping) or (statement.get("Effect") != "Deny" and may_name(statement))
        for policy in policies
        for _, statement in policy.statements_on(action)
    )


def depends_on_variables(policies: Iterable[PolicyDocument], action: str) -> bool:
    """Whether statements on an action have a policy variable in their Resource or NotResource, such as a role's tag."""
    elements = (
        statement.get(name)
        for policy in policies
        if _substitutes(policy)
        for _, statement in policy.statements_on(action)
        if isinstance(statement, Mapping)
        for name in ("Resource", "NotResource")
    )
    return any(True for element in elements for _ in variables_in(element))


def denies_everywhere(policies: Iterable[PolicyDocument], action: str) -> bool:
    """Whether an identity's policy, a boundary or an SCP denies an action on everything, without a condition."""
    return any(
        isinstance(statement, Mapping)
        and statement.get("Effect") == "Deny"
        and set(statement) <= {"Sid", "Effect", "Action", "Resource"}
        and "*" in (texts(statement.get("Resource", [])) or ())
        and _either(statement, "Action", action, ConditionKeys({}), fold=True) is True
        for policy in policies
        for _, statement in policy.statements_on(action)
    )


def is_controlled(action: str) -> bool:
    """Whether resource control policies have a say in an action, of the services whose calls are judged here.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html#rcp-supported-services
    """
    return action.partition(":")[0] in ("kms", "secretsmanager", "sts")


def trusts(policy: PolicyDocument, service: str, context: Context | None = None) -> Verdict:
    """Evaluate whether a role's trust policy lets a service ("ecs-tasks.amazonaws.com") assume the role."""
    layer = _Layer(f"no statement of {policy.name} lets {service} call", [policy])
    return _decide([layer], PolicyRequest("sts:AssumeRole", "the role", context, (service,)))


def conditions_of(policies: Sequence[PolicyDocument], labels: Collection[str]) -> list[str]:
    """The Conditions of the statements with these labels, a sentence each."""
    sentences = []
    for policy in policies:
        for label, statement in policy.statements:
            if label in labels and isinstance(statement, Mapping) and "Condition" in statement:
                sentences.append(f"The Condition of {label} is {json.dumps(statement['Condition'])}.")
    return sentences


def refusing_conditions(
    policies: Sequence[PolicyDocument], decide: Callable[[PolicyDocument], Verdict], context: Context | None = None
) -> list[RefusingCondition]:
    """What keeps each statement that would allow a call without its Condition from doing so.

    `decide` evaluates the call by one policy.
    """
    keys, refusing = ConditionKeys.of(context), []
    for policy in policies:
        for label, statement in policy.allow_statements:
            if "Condition" in statement:
                bare = {name: element for name, element in statement.items() if name != "Condition"}
                if decide(policy.with_statements([bare])).decision == "allowed":
                    all_values = {name: keys.get(name) for name in keys_in(statement["Condition"])}
                    values = {name: actual for name, actual in all_values.items() if actual is not None}
                    refusing.append(RefusingCondition(label, statement["Condition"], values))
    return refusing


def refusing_resources(
    policies: Iterable[PolicyDocument], decide: Callable[[PolicyDocument], Verdict], service: str
) -> list[str]:
    """What each statement that would allow a call on all resources allows it on instead, a sentence each.

    `decide` evaluates the call by one policy. Resources of another service than the call's are left out.
    """
    sentences = []
    for policy in policies:
        for label, statement in policy.allow_statements:
            everywhere = {name: element for name, element in statement.items() if name not in _RESOURCES}
            tried = ({**everywhere, "Resource": "*"}, statement)
            decisions = [decide(policy.with_statements([each])).decision for each in tried]
            if decisions != ["allowed", "implicit-deny"]:
                continue
            name = next(name for name in _RESOURCES if name in statement)
            patterns = [each for each in texts(statement[name]) or () if f":{service}:" in each]
            if patterns:
                more = f" and {len(patterns) - _NAMED} more" if len(patterns) > _NAMED else ""
                sentences.append(f"{_refuses(label, name)} {', '.join(patterns[:_NAMED])}{more}.")
    return sentences


def _refuses(label: str, element: str) -> str:
    """The beginning of a sentence; a label begins with a policy's name, or with "the"."""
    name = f"The {label[4:]}" if label.startswith("the ") else label
    return f"{name} would allow it, but for its {element}"


def extend(policy: PolicyDocument, **statement: object) -> str:
    """A policy's JSON with one statement more, as a command takes it."""
    own = _statements(policy) if "Statement" in policy.document else ()
    return policy.with_statements((*own, statement)).text


def _decide(layers: Sequence[_Layer], request: PolicyRequest) -> Verdict:
    evaluated = [apply(layer.policies, request) for layer in layers]
    everything = [statement for layer in evaluated for statement in layer]
    what = f"{request.action} on {request.resource}"

    denials = [statement for statement in everything if statement.effect != "Allow"]
    deciding = [statement.label for statement in denials if statement.applies]
    undecided = [statement for statement in denials if statement.applies is None]
    if deciding:
        doubt = "{1} may deny it too, by {0}".format(*_unknowns(undecided)) if undecided else ""
        reason = "; ".join(filter(None, (f"{what} is denied by {_join(deciding)}", doubt)))
        return Verdict("explicit-deny", tuple(deciding), reason, doubt)

    for layer, statements in zip(layers, evaluated, strict=True):
        allowing = [statement for statement in statements if statement.effect != "Deny"]
        allowed = any_of(statement.applies for statement in allowing)
        if allowed is False:
            return Verdict("implicit-deny", (), f"{layer.refusal} {what}")
        if allowed is None:
            undecided += [statement for statement in allowing if statement.applies is None]
        else:
            deciding += [statement.label for statement in allowing if statement.applies]

    if undecided:
        labels = tuple(dict.fromkeys(statement.label for statement in undecided))
        reason = "{} depends on {} in {}, which cannot be judged here".format(what, *_unknowns(undecided))
        return Verdict("unknown", labels, reason)
    return Verdict("allowed", tuple(deciding), f"{what} is allowed by {_join(deciding)}")


def _unknowns(undecided: Sequence[AppliedStatement]) -> tuple[str, str]:
    """What leaves statements undecided, and their labels, in words."""
    labels = dict.fromkeys(statement.label for statement in undecided)
    unknowns = dict.fromkeys(element for statement in undecided for element in statement.unknowns)
    return _join(list(unknowns)), _join(list(labels))


def _join(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def apply(policies: Iterable[PolicyDocument], request: PolicyRequest) -> list[AppliedStatement]:
    """Apply the statements of policies that may concern a request's action."""
    return [statement for policy in policies for statement in _apply(policy, request)]


def _apply(policy: PolicyDocument, request: PolicyRequest) -> Iterator[AppliedStatement]:
    keys = request.keys if _substitutes(policy) else replace(request.keys, variables=False)
    for label, statement in policy.statements_on(request.action):
        if not isinstance(statement, Mapping):
            yield AppliedStatement(label, None, None, ("its form",))
            continue
        effect = statement.get("Effect")
        effect = effect if effect in ("Allow", "Deny") else None
        applies, unknowns = _all_elements(_elements(policy.kind, statement, effect, request, keys))
        yield AppliedStatement(label, effect, applies, unknowns)


def _substitutes(policy: PolicyDocument) -> bool:
    # Only this version substitutes variables; an older one takes "${" literally.
    return policy.document.get("Version") == "2012-10-17"


def _all_elements(elements: Iterable[tuple[str, Truth]]) -> tuple[Truth, tuple[str, ...]]:
    """Whether all match, and the names of those that leave it unknown; one that does not match decides alone."""
    unknowns = []
    for name, truth in elements:
        if truth is False:
            return False, ()
        if truth is None:
            unknowns.append(name)
    return (None if unknowns else True), tuple(unknowns)


def _may_concern(statement: Any, action: str) -> bool:
    """Whether a statement's Action or NotAction leaves it open that it applies, whatever keys the request has."""
    is_read = isinstance(statement, Mapping)
    return not is_read or _either(statement, "Action", action, ConditionKeys({}), fold=True) is not False


def _statements(policy: PolicyDocument) -> list[Any]:
    body = policy.document.get("Statement")
    return body if isinstance(body, list) else [body]


def _label(policy: PolicyDocument, number: int, statement: object) -> str:
    sid = statement.get("Sid") if isinstance(statement, Mapping) else None
    return f"{policy.name} statement {number}" + (f" ({sid})" if sid else "")


def _elements(
    kind: str, statement: Mapping[str, Any], effect: str | None, request: PolicyRequest, keys: ConditionKeys
) -> Iterator[tuple[str, Truth]]:
    """Yield each element of a statement as (name, whether it matches the request); all must match."""
    if effect is None:
        yield "Effect", None
    for name in sorted(set(statement) - _ELEMENTS):
        yield name, None

    yield "Action", _either(statement, "Action", request.action, keys, fold=True)
    if kind != "trust":
        yield "Resource", _either(statement, "Resource", request.resource, keys)
    if kind in ("resource", "trust", "rcp"):
        yield "Principal", _principal(statement, effect, request.principals)
    elif "Principal" in statement or "NotPrincipal" in statement:
        yield "Principal", None
    if "Condition" in statement:
        yield from evaluate_condition(statement["Condition"], keys)


def _either(statement: Mapping[str, Any], name: str, text: str, keys: ConditionKeys, *, fold: bool = False) -> Truth:
    """Whether the element matches, or its Not… counterpart does not; None for both or neither, which is malformed."""
    positive, negative = name in statement, f"Not{name}" in statement
    patterns = texts(statement.get(name if positive else f"Not{name}"))
    if positive == negative or patterns is None:
        return None
    compare = partial(matches, fold=fold)
    if negative:
        return none_matches(patterns, text, keys, compare)
    return any_of(compare(pattern, text, keys) for pattern in patterns)


def _principal(statement: Mapping[str, Any], effect: str | None, principals: Collection[str]) -> Truth:
    if ("Principal" in statement) == ("NotPrincipal" in statement):
        return None
    accounts = frozenset(filter(None, map(account_of, principals)))
    if "Principal" in statement:
        callers = frozenset(principals) if effect == "Allow" else accounts.union(principals)
        return any_of(_names(statement["Principal"], caller, principals) for caller in callers)
    # NotPrincipal exempts a caller only if its account, role and session are all listed: the account alone exempts
    # nobody else in it. Which of role and session AWS requires depends on the session, so a partial list is unknown.
    own = {caller: _names(statement["NotPrincipal"], caller, principals) for caller in accounts.union(principals)}
    if {truth for caller, truth in own.items() if not _is_account(caller)} == {False}:
        return True
    listed = set(own.values())
    return False if listed == {True} else True if listed == {False} else None


def _names(element: Any, caller: str, principals: Collection[str]) -> Truth:
    """Whether a Principal element names this one caller."""
    if element == "*":
        return True
    if not isinstance(element, Mapping):
        return None
    truths: list[Truth] = []
    for kind, members in element.items():
        names = texts(members)
        if names is None:
            truths.append(None)
        elif kind == "AWS":
            truths += [name == "*" or _same(name, caller, principals) for name in names]
        else:
            truths.append(caller in names)
    return any_of(truths)


def _same(name: str, caller: str, principals: Collection[str]) -> Truth:
    """Whether an AWS principal is the caller: an account by id or root, a role by its ARN or a session."""
    if name == caller:
        return True
    if _is_account(name) or _is_account(caller):
        return _is_account(name) and _is_account(caller) and account_of(name) == account_of(caller)
    if _role(name) is None or _role(name) != _role(caller):
        return False
    if ":assumed-role/" not in name:
        return True
    # The policy names one session of the caller's role: unknown unless `principals` has the caller's session.
    return False if any(":assumed-role/" in principal for principal in principals) else None


def is_limited_by_boundary(allows: Callable[[Collection[str]], bool], account_prefix: str, role: str) -> bool:
    """Whether resource policies allow a role's sessions only by the role's ARN, so that its boundary limits that.

    `allows` tells whether they allow one of some principals; `account_prefix` is "arn:PARTITION:sts::ACCOUNT". What
    names a session, or everybody, is not limited.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
    """
    sessions = (f"{account_prefix}:assumed-role/{name}/any-other-session" for name in (role, f"not-{role}"))
    by_role, by_everybody = (allows({session}) for session in sessions)
    return by_role and not by_everybody


def session_grants(policy: PolicyDocument, session: str) -> PolicyDocument:
    """What a resource policy allows to sessions by ARNs that begin with this one: no boundary limits that."""
    readable = ((each, each.get("Principal")) for _, each in policy.allow_statements)
    named = ((each, texts(names.get("AWS", [])) or ()) for each, names in readable if isinstance(names, Mapping))
    sessions = ((each, [name for name in names if name.startswith(session)]) for each, names in named)
    return policy.with_statements({**each, "Principal": {"AWS": names}} for each, names in sessions if names)


def _is_account(principal: str) -> bool:
    return principal.isdecimal() or principal.endswith(":root")


def account_of(principal: str) -> str:
    """The account that a policy's AWS principal is or belongs to; "" of "*" and of an id that IAM left of a deleted."""
    if principal.isdecimal():
        return principal
    fields = principal.split(":", 5)
    return fields[4] if len(fields) == 6 else ""


def _role(principal: str) -> tuple[str, str] | None:
    """(account, role name) of a role or a session of it; a session's ARN leaves out the role's path."""
    kind, _, path = principal.rpartition(":")[2].partition("/")
    if kind == "role":
        return account_of(principal), path.rpartition("/")[2]
    return (account_of(principal), path.partition("/")[0]) if kind == "assumed-role" else None
