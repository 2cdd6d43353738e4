"""Which keys of the secret tasks reference, and which services do."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from omc_runbook.aws.definitions import Container, Injection, TaskDefinition
from omc_runbook.aws.ecs import PROXY, Service
from omc_runbook.checks.stopped_tasks import fresh_stops
from omc_runbook.masking.document import Document
from omc_runbook.model import letters
from omc_runbook.model.catalogue import variable_of
from omc_runbook.model.grouping import grouped
from omc_runbook.model.suggestions import closest, occurrences
from omc_runbook.model.value_from import Reference
from omc_runbook.snapshot.content import Content
from omc_runbook.snapshot.once import once
from omc_runbook.snapshot.state import Snapshot

AFFIXES = frozenset({"app", "env", "dev", "development", "stg", "staging", "prod", "prd", "production", "vite"})
"""Words of a key's name that say where it is used, beside the environment's name and the project's."""
_OF_ANOTHER_VALUE = frozenset(
    ("old", "new", "former", "previous", "prev", "next", "backup", "bak", "copy", "fallback", "fallbacks", "file")
)
"""Words of a key's name that say that it holds another value: one before or after, or where it is."""
_LIKE = 0.6
"""Least likeness, of 1, of what two keys that differ in spelling only have beside the words of both."""
_OF_A_PRODUCT = re.compile(r"\Anext_public(?=_)(?!_key\Z)|(?<![a-z\d])new_relic(?=_)")
"""The beginnings of names that Next.js and New Relic read, in which such a word means nothing of the kind.

NEXT_PUBLIC_KEY may be the public key that comes next.
"""

_WHOLE = re.compile(r"(?i)(?:\A|_)(?:secrets|config|configuration|settings)(?:_json)?\Z")
"""How variables are named that are to have all of a secret's keys."""

_WITHOUT_VALUES = frozenset({"secrets", "image", "log", "volume", "file", "memory", "capacity", "start"})
"""The kinds of stops that no variable can cause."""


@dataclass(frozen=True)
class KeyDemand:
    """One reference of a service's container, as a rule to the environment's secret."""

    service: Service
    definition: TaskDefinition
    container: Container
    injection: Injection

    @property
    def reference(self) -> Reference:
        """What the container's definition refers to."""
        return self.injection.reference

    @property
    def variable(self) -> str:
        """The variable that the container gets it as, or its log driver's option."""
        return self.injection.variable

    @property
    def in_force(self) -> bool:
        """Whether it is the service's own revision, not one that failed."""
        return self.definition.arn == self.service.task_definition_arn

    @property
    def is_variable(self) -> bool:
        """Whether the container gets it as a variable; else its log driver does."""
        return self.injection not in (*self.container.log_secrets, *self.container.whole_secrets)

    @property
    def is_of_proxy(self) -> bool:
        """Whether the service's serviceConnectConfiguration has it, and not its task definition."""
        return self.container.name == PROXY

    @property
    def subject(self) -> str:
        """The reference: family:revision, container, variable."""
        return f"{self.definition.label} {self.container.name} {self.injection.variable}"


@dataclass(frozen=True)
class Succession:
    """A revision whose tasks fail, and the one still in service."""

    service: Service
    failing: TaskDefinition
    serving: TaskDefinition


def successions(snapshot: Snapshot) -> Iterator[Succession]:
    """The revisions of consumers that fail or were rolled back, each with one still in service.

    Where all its tasks are known to have stopped for another reason, what such a revision lost explains nothing.
    """
    stops = fresh_stops(snapshot)
    in_doubt = {stop.task.task_definition_arn for stop in stops if stop.kind not in _WITHOUT_VALUES}
    explained = {stop.task.task_definition_arn for stop in stops} - in_doubt
    for service in snapshot.consumers:
        primary, failing, serving = service.primary, snapshot.failed_arns(service), [service.task_definition_arn]
        if primary and primary.failed and primary.rollout in ("IN_PROGRESS", "FAILED"):
            failing = (primary.task_definition_arn,)
            serving = [entry.task_definition_arn for entry in service.deployments]
        known = snapshot.task_definitions
        for bad, good in ((known.get(bad), known.get(good)) for bad in failing for good in serving):
            if bad and good and bad != good and bad.arn not in explained:
                yield Succession(service, bad, good)


def rolled_back_revisions(snapshot: Snapshot, concerned: Iterable[tuple[Service, TaskDefinition]]) -> dict[str, str]:
    """Of services with the revisions that a fault concerns, those where ECS has rolled back the only such revision.

    By the service's name, the revision as family:revision: new tasks of the one in force would show nothing.
    """
    services = (*snapshot.consumers, *snapshot.express_readers)
    rolled_back = {service.name: service for service in services if service.rolled_back}
    revisions = grouped((service.name, revision) for service, revision in concerned if service.name in rolled_back)
    return {
        name: found[0].label
        for name, found in revisions.items()
        if {rolled_back[name].task_definition_arn, *rolled_back[name].task_sets}.isdisjoint(each.arn for each in found)
    }


@once
def secret_demands(snapshot: Snapshot) -> tuple[KeyDemand, ...]:
    """Every reference to the secret of a consumer's revision in force, or of one that has just failed."""
    return tuple(demand for demand in all_demands(snapshot) if snapshot.is_own(demand.reference))


@once
def all_demands(snapshot: Snapshot) -> tuple[KeyDemand, ...]:
    """The same, with the references to other secrets and to SSM parameters."""
    of_tasks = (
        KeyDemand(service, definition, container, injection)
        for service in snapshot.readers
        for definition in snapshot.revisions(service)
        for container in definition.containers
        for injection in (*container.secrets, *container.log_secrets)
    )
    of_proxies = (
        KeyDemand(service, definition, proxy, injection)
        for service in (*snapshot.services, *snapshot.services_elsewhere)
        if (definition := snapshot.definition(service))
        for proxy in service.proxy
        for injection in proxy.log_secrets
    )
    return (*of_tasks, *of_proxies)


@once
def other_demands(snapshot: Snapshot) -> tuple[KeyDemand, ...]:
    """Every reference of a reader to another secret or a parameter, also of what becomes no variable."""
    return tuple(
        KeyDemand(service, revision, container, injection)
        for service in snapshot.readers
        for revision, container, injection in snapshot.other_references_of(service)
    )


def is_near_own(snapshot: Snapshot, reference: Reference) -> bool:
    """Whether a reference to another secret may be a misspelt one to the environment's own."""
    own = snapshot.secret_name.casefold()
    return bool(closest(reference.secret_name.casefold(), [own]))


def services_reading(snapshot: Snapshot, key: str) -> frozenset[str]:
    """Names of the services that reference a key, or the whole secret."""
    return frozenset(service.name for service, ref in _references(snapshot) if key in (ref.key, ""))


def referring_services(snapshot: Snapshot) -> frozenset[str]:
    """Names of the services that refer to the secret at all."""
    return frozenset(service.name for service, _ in _references(snapshot))


def in_words(services: Iterable[str]) -> str:
    """The names of services, as a part of a sentence."""
    return ", ".join(sorted(services)) or "no service"


@once
def _references(snapshot: Snapshot) -> tuple[tuple[Service, Reference], ...]:
    """Every reference to the secret: of variables, and of what becomes none, as a log driver's token."""
    of_tasks = (
        (service, injection)
        for service in snapshot.readers
        for definition in snapshot.revisions(service)
        for _, injection in definition.references
    )
    services = (*snapshot.services, *snapshot.services_elsewhere)
    of_proxies = ((service, injection) for service in services for injection in service.proxy_secrets)
    pairs = (*of_tasks, *of_proxies)
    return tuple((service, each.reference) for service, each in pairs if snapshot.is_own(each.reference))


def plain_logins(snapshot: Snapshot) -> dict[str, str]:
    """The plain variables of the consumers' containers that say who logs in where, such as POSTGRES_USER."""
    containers = containers_in_force(snapshot)
    return dict(reversed([login for _, _, container in containers for login in container.logins]))


def containers_in_force(snapshot: Snapshot) -> Iterator[tuple[Service, TaskDefinition, Container]]:
    """The containers that have the secret, or should, in the revisions in force, as far as these were read."""
    for service in snapshot.container_consumers:
        definition = snapshot.definition(service)
        if definition:
            yield from ((service, definition, container) for container in definition.containers)


def content_for(snapshot: Snapshot, demand: KeyDemand) -> Content | None:
    """The content of the version that a reference names, else of the current one; None where it was not read."""
    ref = demand.reference
    if ref.version_id:
        return snapshot.contents.get(ref.version_id)
    if ref.stage not in ("", "AWSCURRENT"):
        return snapshot.content_at(ref.stage)
    return snapshot.current


def lacking_document(snapshot: Snapshot, demand: KeyDemand) -> Document | None:
    """The document of the version that a reference names, where it lacks its key; None where it has it or is unread."""
    content, key = content_for(snapshot, demand), demand.reference.key
    document = content.document if content else None
    return document if key and document and document.get(key) is None else None


def is_only_pinned(snapshot: Snapshot, demand: KeyDemand) -> bool:
    """Whether the version that a reference names has its key, and the current one lacks it; no other misses it."""
    content, key = content_for(snapshot, demand), demand.reference.key
    has_it = bool(content and content.document and content.document.get(key))
    is_gone = snapshot.document is not None and snapshot.document.get(key) is None
    return bool(key) and has_it and is_gone and key not in missing_keys(snapshot)


def exchanged_key(snapshot: Snapshot, reference: Reference) -> str:
    """The key in a reference that has it in the place of the stage; "" in any other."""
    document = snapshot.document
    is_exchanged = document is not None and reference.stage in document.keys and reference.key not in document.keys
    return reference.stage if is_exchanged else ""


def named_key(snapshot: Snapshot, demand: KeyDemand) -> str:
    """The key that a part of a malformed reference is, or else the one of its variable; "" where none is certain."""
    catalogue, document = snapshot.environment.keys, snapshot.document
    keys = document.keys if document else tuple(catalogue)
    # The words of an ARN before the secret's name are no keys.
    text = demand.reference.text.rpartition(":secret:")[2]
    named_keys = [part for part in dict.fromkeys(text.split(":")) if part in keys]
    own_keys = [key for key in keys if variable_of(key, catalogue) == demand.variable]
    candidates = named_keys or own_keys
    return candidates[0] if len(candidates) == 1 else ""


def is_meant_whole(snapshot: Snapshot, demand: KeyDemand) -> bool:
    """Whether a variable is to have the whole secret, by its name: the program parses that itself.

    Not where a key has about that name, or should: the reference lacks it then.
    """
    is_named_so = demand.is_variable and not demand.reference.key and bool(_WHOLE.search(demand.variable))
    return is_named_so and not _spelled_alike(demand.variable, _known(snapshot))


@once
def _known(snapshot: Snapshot) -> Mapping[tuple[str, ...], list[str]]:
    """The variables of the secret's and the catalogue's keys, by their words."""
    catalogue = snapshot.environment.keys
    keys = dict.fromkeys((*catalogue, *(member.key for member in snapshot.members)))
    return _index([variable_of(key, catalogue) for key in keys], snapshot.environment.words)[1]


@once
def missing_keys(snapshot: Snapshot) -> Mapping[str, str]:
    """Keys that tasks reference and the version lacks, each with the key that is probably meant ("" for none)."""
    in_use = {demand.reference.key for demand in secret_demands(snapshot)} | set(snapshot.environment.keys)
    lacking: dict[str, tuple[str, tuple[str, ...]]] = {}
    for demand in secret_demands(snapshot):
        document, key = lacking_document(snapshot, demand), demand.reference.key
        # Where the current version has the key, the reference is at fault, which names another.
        current = snapshot.document or document
        if document and current and current.get(key) is None:
            lacking[key] = demand.variable, current.keys
    indexes = {keys: _index(keys, snapshot.environment.words) for keys in {keys for _, keys in lacking.values()}}
    similar = {}
    for key, (variable, keys) in lacking.items():
        alike, affixed = indexes[keys]
        spare = [other for other in keys if other not in in_use or other == variable]
        near = (other for other in _spelled_alike(key, affixed) if other in spare)
        similar[key] = alike.get(letters.fold(key), "") or next(near, "") or _similar(key, spare)
    return similar


def _spelled_alike(key: str, affixed: Mapping[tuple[str, ...], list[str]]) -> tuple[str, ...]:
    """The keys of an index that are a key but for their spelling, and for a word that says where they are used."""
    parts = _words(key)
    return (*affixed[parts], *affixed[("".join(parts),)])


@once
def keys_by_variable(snapshot: Snapshot) -> Mapping[str, str]:
    """The catalogue's keys by the variable that each is injected as."""
    keys = snapshot.environment.keys
    return {variable_of(key, keys): key for key in keys}


@once
def referenced_keys(snapshot: Snapshot) -> frozenset[str]:
    """Keys that references name, by key or by variable."""
    variables = keys_by_variable(snapshot)
    names = {ref.key for _, ref in _references(snapshot)}
    for demand in secret_demands(snapshot):
        names.add(variables.get(demand.variable, demand.variable))
    return frozenset(names - {""})


def _index(keys: Sequence[str], words: Sequence[str]) -> tuple[Mapping[str, str], Mapping[tuple[str, ...], list[str]]]:
    """The first key of each spelling, whatever its case, and each by its words without one that says where it is used.

    Such a word is at an end, as in SENTRY_DSN_STAGING. Each is there as one word, too, as SecretKey is for SECRET_KEY.
    """
    affixes = {*AFFIXES, *(word.casefold() for word in words)}
    alike, affixed = dict[str, str](), defaultdict[tuple[str, ...], list[str]](list)
    for key in keys:
        alike.setdefault(letters.fold(key), key)
        parts = _words(key)
        affixed[("".join(parts),)].append(key)
        if parts[0] in affixes:
            affixed[parts[1:]].append(key)
        if parts[-1] in affixes:
            affixed[parts[:-1]].append(key)
    return alike, affixed


def _words(key: str) -> tuple[str, ...]:
    # A line of a shell's script that was taken for a key.
    return tuple(re.split(r"[-_. ]+", letters.fold(key).removeprefix("export ")))


def _similar(key: str, spare: list[str]) -> str:
    same = [other for other in spare if other.casefold().replace("-", "_") == key.casefold().replace("-", "_")]
    close = difflib.get_close_matches(key, spare, n=len(spare) or 1, cutoff=0.75)
    return next((other for other in (*same, *close) if is_misspelling(key, other)), "")


def is_misspelling(key: str, other: str) -> bool:
    """Whether words of two keys differ in spelling only: SMTP_HOST is near SMTP_PORT, and means something else."""
    words, other_words = _split(key), _split(other)
    if not _may_be_near(words, other_words):
        return False
    # A word may stand in one of them twice, as in NEW_RELIC_KEY_NEW.
    own, others = ([*(Counter(a) - Counter(b)).elements()] for a, b in ((words, other_words), (other_words, words)))
    of_another = _of_another_value(words) | _of_another_value(other_words)
    rest, their_rest = "".join(own), "".join(others)
    if not rest or not their_rest:
        return of_another.isdisjoint((*own, *others))
    # Such a word may be misspelt itself, or be written as one with the next.
    pairs = [(word, others) for word in own] + [(word, own) for word in others]
    is_of_another = any(word in of_another and not any(_is_near(word, e) for e in near) for word, near in pairs)
    return rest == their_rest or (not is_of_another and _is_near(rest, their_rest))


def _may_be_near(words: tuple[str, ...], other_words: tuple[str, ...]) -> bool:
    """Whether the letters of two keys, without the words that both have, allow that these words are near."""
    shared = sum(len(word) for word, _ in occurrences(words) & occurrences(other_words))
    own, others = occurrences("".join(words)), occurrences("".join(other_words))
    if shared in (len(own), len(others)):
        return True
    return 2.0 * (len(own & others) - shared) / (len(own) + len(others) - 2 * shared) >= _LIKE


@lru_cache(maxsize=8192)
def _split(key: str) -> tuple[str, ...]:
    return tuple(re.split(r"[-_. ]+", key.casefold()))


@lru_cache(maxsize=8192)
def _of_another_value(words: tuple[str, ...]) -> frozenset[str]:
    """Those words of a key's name that say that it holds another value."""
    return _OF_ANOTHER_VALUE.intersection(_OF_A_PRODUCT.sub("", "_".join(words)).split("_"))


def _is_near(word: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, word, other).ratio() >= _LIKE or _is_swapped(word, other)


def _is_swapped(word: str, other: str) -> bool:
    """Whether two letters next to each other are exchanged, of which difflib makes little where letters recur."""
    places = [at for at, (own, theirs) in enumerate(zip(word, other, strict=False)) if own != theirs]
    if len(word) != len(other) or len(word) < 4 or len(places) != 2 or places[1] - places[0] != 1:
        return False
    return all(word[at] == other[place] for at, place in zip(places, reversed(places), strict=True))


def services_of_others(snapshot: Snapshot) -> Iterator[tuple[Service, str]]:
    """Yield the services that run a task definition whose family is named after another service, with that one."""
    names = {service.name for service in snapshot.services}
    for service in snapshot.services:
        family = service.task_definition_arn.rpartition("/")[2].partition(":")[0]
        fitting = [name for name in names if family == name or family.endswith(f"-{name}")]
        owner = max(fitting, key=len, default="")
        # Variants of one service, such as worker and Worker-slow, may share a family.
        pair = owner.casefold(), service.name.casefold()
        if owner and pair[0] not in pair[1] and pair[1] not in pair[0]:
            yield service, owner
