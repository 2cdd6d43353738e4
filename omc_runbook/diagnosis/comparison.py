"""What environments have in common and what they have not, from facts without values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from omc_runbook.masking import registry
from omc_runbook.masking.fingerprint import fingerprint
from omc_runbook.model.grouping import grouped
from omc_runbook.snapshot import freshness
from omc_runbook.snapshot.other_environments import may_be_secret
from omc_runbook.snapshot.state import Snapshot

NOT_COMPARED = ""
"""Stands for the fingerprint of a value that is empty or a mere setting."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What can be compared of an environment; it has no value, and fingerprints under a key that is not kept."""

    keys: Mapping[str, str] | None
    """The fingerprint of each key's value; None where the secret could not be read."""
    revisions: Mapping[str, tuple[str, str]] | None
    """By service, its task definition's revision, and the images without registry and the environment's prefix.

    None where not every service could be read with its task definition.
    """
    age: timedelta | None
    """For how long the current version has been current, at least; None where that is not known."""
    rotation_days: int
    secret_age: timedelta | None = None
    """For how long the secret has existed; None where that is not known."""

    @property
    def rotation(self) -> Literal["due", "not due", "unknown"]:
        """Whether the rotation of a value is due: a value may be older than the version, and not than the secret."""
        limit = timedelta(days=self.rotation_days)
        if self.age is not None and self.age > limit:
            return "due"
        return "not due" if self.secret_age is not None and self.secret_age <= limit else "unknown"


@dataclass(frozen=True)
class KeyDifference:
    """A key that some environments have and others lack."""

    key: str
    has: tuple[str, ...]
    lacks: tuple[str, ...]


@dataclass(frozen=True)
class SharedValue:
    """Keys whose values are the same in several environments; of two names, where they differ, both."""

    keys: tuple[str, ...]
    environments: tuple[str, ...]


@dataclass(frozen=True)
class RevisionDifference:
    """A service with some images, the revision that has them in each environment; "" for no such service."""

    service: str
    images: str
    revisions: Mapping[str, str]


def facts(snapshot: Snapshot, key: bytes) -> Facts:
    """The facts of a snapshot, with fingerprints under `key`."""
    document, catalogue = snapshot.document, snapshot.environment.keys
    since = freshness.current_since(snapshot)
    prefix = f"{snapshot.environment.names.prefix}-"
    definitions = {each.name: snapshot.definition(each) for each in snapshot.consumers}
    return Facts(
        keys={
            registry.mask(each.key): fingerprint(each.injected, key)
            if may_be_secret(each.injected, catalogue.get(each.key))
            else NOT_COMPARED
            for each in document.members
        }
        if document
        else None,
        revisions={
            name.removeprefix(prefix): (
                str(definition.revision),
                registry.mask(", ".join(_image(each.image, prefix) for each in definition.containers)),
            )
            for name, definition in definitions.items()
            if definition
        }
        if not snapshot.unread("services", "task_definitions")
        else None,
        age=snapshot.taken - since[0] if since else None,
        rotation_days=snapshot.environment.names.rotation_days,
        secret_age=snapshot.taken - snapshot.secret.created if snapshot.secret and snapshot.secret.created else None,
    )


def _image(image: str, prefix: str) -> str:
    return image.rpartition("/")[2].removeprefix(prefix)


def key_differences(facts: Mapping[str, Facts]) -> tuple[KeyDifference, ...]:
    """The keys that not every environment has whose secret was read; those that most have come first."""
    keys = {name: each.keys for name, each in facts.items() if each.keys is not None}
    differences = []
    for key in dict.fromkeys(key for each in keys.values() for key in each):
        has = tuple(name for name in keys if key in keys[name])
        differences.append(KeyDifference(key, has, tuple(name for name in keys if name not in has)))
    return tuple(sorted((each for each in differences if each.lacks), key=lambda each: (len(each.lacks), each.key)))


def shared_values(facts: Mapping[str, Facts]) -> tuple[SharedValue, ...]:
    """The values that several environments have; those of the same environments are one entry."""
    prints = ((print_, (name, key)) for name, each in facts.items() for key, print_ in (each.keys or {}).items())
    shared = (pairs for print_, pairs in grouped(prints).items() if print_ != NOT_COMPARED)
    keys = grouped(
        (tuple(dict.fromkeys(name for name, _ in pairs)), " = ".join(dict.fromkeys(key for _, key in pairs)))
        for pairs in shared
    )
    return tuple(SharedValue(tuple(sorted(own)), names) for names, own in keys.items() if len(names) > 1)


def revision_differences(facts: Mapping[str, Facts]) -> tuple[RevisionDifference, ...]:
    """The services that differ in their images between environments whose services were read, once for each of them."""
    revisions = {name: each.revisions for name, each in facts.items() if each.revisions is not None}
    differences = list[RevisionDifference]()
    for service in dict.fromkeys(service for own in revisions.values() for service in own):
        by_images: dict[str, dict[str, str]] = {}
        for name, own in revisions.items():
            label, images = own.get(service, ("", ""))
            by_images.setdefault(images, {})[name] = label
        if len(by_images) > 1:
            differences += (RevisionDifference(service, images, labels) for images, labels in by_images.items())
    return tuple(differences)
