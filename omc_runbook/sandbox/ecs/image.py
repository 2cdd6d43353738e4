"""A container's image, which the sandbox never pulls: what ECS says of one that its repository lacks.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
"""

import re
from typing import Any

MISSING = "missing"
"""How the tag of an image begins that is taken for one that is not there."""
_IS_MISSING = re.compile(rf":{MISSING}\b[\w.-]*\Z")


def refusal(container: dict[str, Any]) -> str:
    """Why a container's image cannot be pulled, as stoppedReason has it; empty text where it can."""
    image = container.get("image") or ""
    if not _IS_MISSING.search(image):
        return ""
    return (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
        f"{image}: {image}: not found"
    )
