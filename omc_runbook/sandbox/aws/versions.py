"""The versions of a secret and their staging labels, as Secrets Manager moves them.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html
"""

import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.secretsmanager.models import FakeSecret

MAX_VALUE_BYTES = 65_536
MAX_LABELS = 20
MAX_VERSIONS = 100
CURRENT, PREVIOUS, PENDING = "AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"


def check_value(text: str | None, binary: str | None) -> None:
    """Raise ValidationException for a value over the limit, without showing it."""
    size = max(len((text or "").encode()), len(binary or "") * 3 // 4)
    if size > MAX_VALUE_BYTES:
        field = "secretString" if text else "secretBinary"
        raise JsonRESTError(
            "ValidationException",
            f"1 validation error detected: Value at '{field}' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_VALUE_BYTES}",
        )


def add_version(
    secret: FakeSecret, token: str | None, text: str | None, binary: str | None, labels: Sequence[str]
) -> str:
    """Add a version with the labels, or find the same one by its token; returns its id."""
    check_value(text, binary)
    if token is not None and not 32 <= len(token) <= 64:
        raise JsonRESTError("InvalidParameterException", "ClientRequestToken must be 32-64 characters long.")
    version_id = token or str(uuid.uuid4())
    existing = secret.versions.get(version_id)
    if existing is not None:
        if (existing.get("secret_string"), existing.get("secret_binary")) == (text, binary):
            return version_id
        raise JsonRESTError(
            "ResourceExistsException",
            f"You can't use ClientRequestToken {version_id} because that value is already in use "
            f"for a version of secret {secret.arn}.",
        )
    _check_labels(secret, labels)
    version: dict[str, Any] = {"createdate": now(), "version_id": version_id, "version_stages": []}
    if text is not None:
        version["secret_string"] = text
    if binary is not None:
        version["secret_binary"] = binary
    is_first = holder_of(secret, CURRENT) is None
    secret.versions[version_id] = version
    for label in dict.fromkeys([*labels, CURRENT] if is_first else labels):
        _put_label(secret, label, version_id)
    _prune(secret)
    secret.last_changed_date = now()  # type: ignore[assignment]  # moto keeps whole seconds
    return version_id


def move_label(secret: FakeSecret, label: str, source: str | None, target: str | None) -> None:
    """Move, add or remove a staging label; checks everything before it moves anything (a compare-and-swap)."""
    for version_id in (source, target):
        if version_id and version_id not in secret.versions:
            raise JsonRESTError("InvalidParameterException", f"Not a valid version: {version_id}")
    holder = holder_of(secret, label)
    if source and holder != source:
        raise JsonRESTError(
            "InvalidParameterException",
            f"The parameter RemoveFromVersionId can't be {source}: staging label {label} is "
            + (f"currently attached to version {holder}." if holder else "not attached to any version."),
        )
    if holder and not source and target != holder:
        raise JsonRESTError(
            "InvalidParameterException",
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to "
            f"version {holder}, so you must explicitly reference that version in RemoveFromVersionId.",
        )
    if label == CURRENT and not target:
        raise JsonRESTError(
            "InvalidParameterException",
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.",
        )
    if target:
        _check_labels(secret, [label])
        _put_label(secret, label, target)
    elif source:
        secret.versions[source]["version_stages"].remove(label)
    secret.last_changed_date = now()  # type: ignore[assignment]  # moto keeps whole seconds


def date_back(secret: FakeSecret, created: Mapping[str, float]) -> None:
    """Set the creation times of versions, in seconds since the epoch, and that of the secret to the oldest."""
    for version_id, version in secret.versions.items():
        version.setdefault("written", version["createdate"])
        version["createdate"] = created.get(version_id, version["createdate"])
    _order(secret)


def forget_past(secret: FakeSecret) -> None:
    """Give every version its true time back, as if the secret had never been dated back or rotated.

    Of versions without a label, the newest ten stay.
    """
    for version in secret.versions.values():
        version["createdate"] = version.pop("written", version["createdate"])
    secret.last_rotation_date = None
    unlabelled = [id for id, version in secret.versions.items() if not version["version_stages"]]
    for version_id in unlabelled[:-10]:
        del secret.versions[version_id]
    if secret.versions:
        _order(secret)


def _order(secret: FakeSecret) -> None:
    """Sort the versions by their times, and date the secret with the oldest."""
    versions = sorted(secret.versions.items(), key=lambda item: float(item[1]["createdate"]))
    secret.created_date = int(versions[0][1]["createdate"])
    secret.versions.clear()
    secret.versions.update(versions)
    current = secret.versions.get(holder_of(secret, CURRENT) or "")
    if current:
        secret.last_changed_date = current["createdate"]


def holder_of(secret: FakeSecret, label: str) -> str | None:
    """The id of the version with the label, or None."""
    versions = secret.versions.items()
    return next((version_id for version_id, version in versions if label in version["version_stages"]), None)


def _put_label(secret: FakeSecret, label: str, version_id: str) -> None:
    holder = holder_of(secret, label)
    if holder == version_id:
        return
    if holder is not None:
        secret.versions[holder]["version_stages"].remove(label)
    secret.versions[version_id]["version_stages"].append(label)
    if label == CURRENT:
        secret.set_default_version_id(version_id)
        if PREVIOUS in secret.versions[version_id]["version_stages"]:
            secret.versions[version_id]["version_stages"].remove(PREVIOUS)
        if holder is not None:
            _put_label(secret, PREVIOUS, holder)


def _prune(secret: FakeSecret) -> None:
    unlabelled = [vid for vid, version in secret.versions.items() if not version["version_stages"]]
    for version_id in unlabelled[: max(0, len(secret.versions) - MAX_VERSIONS)]:
        del secret.versions[version_id]


def _check_labels(secret: FakeSecret, new: Sequence[str]) -> None:
    """Raise LimitExceededException where all versions together would have more than MAX_LABELS labels."""
    labels = {label for version in secret.versions.values() for label in version["version_stages"]}
    if len(labels.union(new)) > MAX_LABELS:
        message = f"The versions of a secret can have at most {MAX_LABELS} staging labels."
        raise JsonRESTError("LimitExceededException", message)


def now() -> float:
    """Seconds since the epoch, truncated to milliseconds as in ECS, so that the times can be compared."""
    return int(time.time() * 1000) / 1000
