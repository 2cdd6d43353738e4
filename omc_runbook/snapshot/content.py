"""The content of one version of the secret."""

from __future__ import annotations

from dataclasses import dataclass

from omc_runbook.masking.document import Document, DocumentError


@dataclass(frozen=True)
class Content:
    """The content of one version of the secret: a document, or why there is none, and `size` in bytes."""

    version_id: str
    document: Document | None = None
    error: DocumentError | None = None
    binary: bool = False
    size: int = 0
