"""How an object is encrypted is said with its content."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from omc_runbook.aws import s3

BY_KEY = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/records"}


@pytest.mark.parametrize(("kms_key", "encryption"), [("", {}), ("alias/records", BY_KEY)])
def test_an_object_is_encrypted_by_the_key_that_is_named(kms_key: str, encryption: dict[str, str]) -> None:
    """Without one by the bucket's own encryption; only `put_new` leaves an object that is there already."""
    client = Mock()
    s3.put(client, "records", "index.html", b"", "text/html", kms_key)
    assert s3.put_new(client, "records", "index.html", b"", "text/html", kms_key)
    digest = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    content: dict[str, Any] = {"Body": b"", "ContentType": "text/html", "ChecksumSHA256": digest, **encryption}
    sent = [call.kwargs for call in client.put_object.mock_calls]
    object = {"Bucket": "records", "Key": "index.html", **content}
    assert sent == [object, {**object, "IfNoneMatch": "*"}]
