"""How long records are kept, and how they are encrypted in S3: `[records]` in runbook.toml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from omc_runbook.model.whole_number import WholeNumber


class RecordSettings(BaseModel):
    """What becomes of records; each limit is for a runbook on an environment, and without any all are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep_days: WholeNumber | None = Field(default=None, gt=0)
    """How many days a record is kept after its run."""
    keep_count: WholeNumber | None = Field(default=None, gt=0)
    """How many records are kept, the newest."""
    kms_key: str = Field(default="", pattern=r"^[^{}]*$")
    """Id, ARN or alias of the KMS key that encrypts records in S3; "" for the bucket's own encryption."""

    @property
    def keeps_all(self) -> bool:
        """Whether no record is ever removed."""
        return self.keep_days is None and self.keep_count is None
