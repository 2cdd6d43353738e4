"""What IAM policies decide for one action on one resource, without asking AWS.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from omc_runbook.iam.conditions import Keys, Truth, all_of, any_of, invert, judge, matches, texts

Context = Mapping[str, str | Sequence[str]]

_TWINS = {name for twin in ("Action", "Resource", "Principal") for name in (twin, f"Not{twin}")}
_ELEMENTS = frozenset(_TWINS | {"Sid", "Effect", "Condition"})


@dataclass(frozen=True)
class PolicyDocument:
    """One policy, named as a reader knows it, with its parsed JSON."""

    name: str
    kind: Literal["inline", "managed", "boundary", "resource", "trust", "scp"]
    document: Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """A decision, the statements that made it ("NAME statement 2 (Sid)") and one sentence that says why."""

    decision: Literal["allowed", "explicit-deny", "implicit-deny", "unknown"]
    statements: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class _Request:
    action: str
    resource: str
    context: Context | None
    principals: Collection[str]


@dataclass(frozen=True)
class _Statement:
    """A statement as it bears on one request: an unreadable effect counts as either, never as sure."""

    label: str
    effect: Literal["Allow", "Deny"] | None
    applies: Truth
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class _Layer:
    """Policies of which one has to allow, and what to say when none does."""

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
    """Decide what a role's own policies say, within its boundary and one level of SCPs where given.

    `context` maps condition keys to their value or values. A key left out is unknown, and so is a verdict
    that turns on it; a key mapped to no values is known to be absent from the request.
    """
    layers = [_Layer("no statement allows", policies)]
    if boundary is not None:
        layers.append(_Layer(f"permissions boundary {boundary.name} does not allow", [boundary]))
    if scps:
        layers.append(_Layer("no service control policy allows", scps))
    return _decide(layers, _Request(action, resource, context, ()))


def evaluate_resource(
    policy: PolicyDocument,
    principals: Collection[str],
    action: str,
    resource: str,
    context: Context | None = None,
) -> Verdict:
    """Decide what a resource's policy says to a caller, by all the names the caller goes by.

    `principals` holds ARNs of a role, of its session or of an account's root, account ids, or services.
    A Deny to the account of any of them counts. An Allow to an account only delegates to that account's own
    policies: it counts where `principals` names the account, so leave it out to ask for a direct grant.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    layer = _Layer(f"no statement of {policy.name} allows", [policy])
    return _decide([layer], _Request(action, resource, context, frozenset(principals)))


def trusts(policy: PolicyDocument, service: str, context: Context | None = None) -> Verdict:
    """Decide whether a role's trust policy lets a service ("ecs-tasks.amazonaws.com") assume the role."""
    layer = _Layer(f"no statement of {policy.name} lets {service} call", [policy])
    return _decide([layer], _Request("sts:AssumeRole", "the role", context, (service,)))


def _decide(layers: Sequence[_Layer], request: _Request) -> Verdict:
    judged = [[found for policy in layer.policies for found in _read(policy, request)] for layer in layers]
    everything = [statement for layer in judged for statement in layer]
    what = f"{request.action} on {request.resource}"

    denials = [statement for statement in everything if statement.effect != "Allow"]
    deciding = [statement.label for statement in denials if statement.applies]
    if deciding:
        return Verdict("explicit-deny", tuple(deciding), f"{what} is denied by {_join(deciding)}")

    undecided = [statement for statement in denials if statement.applies is None]
    for layer, statements in zip(layers, judged, strict=True):
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
        doubts = dict.fromkeys(doubt for statement in undecided for doubt in statement.doubts)
        reason = f"{what} depends on {_join(list(doubts))} in {_join(labels)}, which cannot be judged here"
        return Verdict("unknown", labels, reason)
    return Verdict("allowed", tuple(deciding), f"{what} is allowed by {_join(deciding)}")


def _join(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]


def _read(policy: PolicyDocument, request: _Request) -> Iterator[_Statement]:
    # Only this version substitutes variables; an older one takes "${" literally.
    keys = Keys.of(request.context, variables=policy.document.get("Version") == "2012-10-17")
    body = policy.document.get("Statement")
    for number, statement in enumerate(body if isinstance(body, list) else [body], start=1):
        label = f"{policy.name} statement {number}"
        if not isinstance(statement, Mapping):
            yield _Statement(label, None, None, ("its form",))
            continue
        effect = statement.get("Effect")
        effect = effect if effect in ("Allow", "Deny") else None
        parts = list(_parts(policy.kind, statement, effect, request, keys))
        doubts = tuple(name for name, truth in parts if truth is None)
        sid = f" ({statement['Sid']})" if statement.get("Sid") else ""
        yield _Statement(label + sid, effect, all_of(truth for _, truth in parts), doubts)


def _parts(
    kind: str, statement: Mapping[str, Any], effect: str | None, request: _Request, keys: Keys
) -> Iterator[tuple[str, Truth]]:
    """Each element of a statement as (its name, whether it covers the request); all must."""
    if effect is None:
        yield "Effect", None
    for name in sorted(set(statement) - _ELEMENTS):
        yield name, None

    def covers(name: str, text: str, fold: bool) -> Truth:
        patterns = texts(statement.get(name))
        return None if patterns is None else any_of(matches(p, text, keys, fold=fold) for p in patterns)

    yield "Action", _either(statement, "Action", lambda name: covers(name, request.action, True))
    if kind != "trust":
        yield "Resource", _either(statement, "Resource", lambda name: covers(name, request.resource, False))
    if kind in ("resource", "trust"):
        yield "Principal", _principal(statement, effect, request.principals)
    elif "Principal" in statement or "NotPrincipal" in statement:
        yield "Principal", None
    if "Condition" in statement:
        yield from judge(statement["Condition"], keys)


def _either(statement: Mapping[str, Any], name: str, covers: Callable[[str], Truth]) -> Truth:
    """The element, or its Not- twin inverted; having both or neither is malformed."""
    positive, negative = name in statement, f"Not{name}" in statement
    if positive == negative:
        return None
    return covers(name) if positive else invert(covers(f"Not{name}"))


def _principal(statement: Mapping[str, Any], effect: str | None, principals: Collection[str]) -> Truth:
    if ("Principal" in statement) == ("NotPrincipal" in statement):
        return None
    accounts = frozenset(filter(None, map(_account, principals)))
    if "Principal" in statement:
        callers = frozenset(principals) if effect == "Allow" else accounts.union(principals)
        return any_of(_names(statement["Principal"], caller, principals) for caller in callers)
    # A caller is spared only where its account, role and session are all listed; which of them AWS
    # demands depends on the session, so a partial list stays undecided.
    listed = {_names(statement["NotPrincipal"], caller, principals) for caller in accounts.union(principals)}
    return False if listed == {True} else True if listed == {False} else None


def _names(element: Any, caller: str, principals: Collection[str]) -> Truth:
    """Whether a Principal element names this one caller."""
    if element == "*":
        return True
    if not isinstance(element, Mapping):
        return None
    found: list[Truth] = []
    for kind, members in element.items():
        names = texts(members)
        if names is None:
            found.append(None)
        elif kind == "AWS":
            found += [name == "*" or _same(name, caller, principals) for name in names]
        else:
            found.append(caller in names)
    return any_of(found)


def _same(name: str, caller: str, principals: Collection[str]) -> Truth:
    """Whether an AWS principal is the caller: an account by id or root, a role by its ARN or a session."""
    if name == caller:
        return True
    if _is_account(name) or _is_account(caller):
        return _is_account(name) and _is_account(caller) and _account(name) == _account(caller)
    if _role(name) is None or _role(name) != _role(caller):
        return False
    if ":assumed-role/" not in name:
        return True
    # A policy names one session of the caller's role: undecided unless the caller told its session.
    return False if any(":assumed-role/" in principal for principal in principals) else None


def _is_account(principal: str) -> bool:
    return principal.isdecimal() or principal.endswith(":root")


def _account(principal: str) -> str | None:
    if principal.isdecimal():
        return principal
    fields = principal.split(":", 5)
    return fields[4] if len(fields) == 6 else None


def _role(principal: str) -> tuple[str | None, str] | None:
    """(account, role name) of a role or a session of it; a session's ARN leaves out the role's path."""
    kind, _, path = principal.rpartition(":")[2].partition("/")
    if kind == "role":
        return _account(principal), path.rpartition("/")[2]
    return (_account(principal), path.partition("/")[0]) if kind == "assumed-role" else None
