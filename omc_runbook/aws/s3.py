"""S3: objects that are written once."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Any

from omc_runbook.aws.failures import on_error

_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


@on_error(*_TAKEN, gives=False)
def put_new(client: Any, bucket: str, key: str, body: bytes, content_type: str, kms_key: str) -> bool:
    """Write an object, unless there is one of its key already: False then.

    With `kms_key` it is encrypted by that key (an id, ARN or alias), without by the bucket's own encryption.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    """
    client.put_object(Bucket=bucket, Key=key, IfNoneMatch="*", **_content(body, content_type, kms_key))
    return True


def put(client: Any, bucket: str, key: str, body: bytes, content_type: str, kms_key: str = "") -> None:
    """Write an object, whether there is one of its key or not; encrypted as by `put_new`.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    """
    client.put_object(Bucket=bucket, Key=key, **_content(body, content_type, kms_key))


def get(client: Any, bucket: str, key: str) -> bytes:
    """An object's content.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
    """
    with client.get_object(Bucket=bucket, Key=key)["Body"] as body:
        content: bytes = body.read()
    return content


def _content(body: bytes, content_type: str, kms_key: str) -> dict[str, Any]:
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
    digest = b64encode(hashlib.sha256(body).digest()).decode()
    return {"Body": body, "ContentType": content_type, "ChecksumSHA256": digest, **encryption}


def list_keys(client: Any, bucket: str, prefix: str) -> tuple[str, ...]:
    """The keys of a bucket that begin with a prefix.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return tuple(each["Key"] for page in pages for each in page.get("Contents", ()))
