"""Container images, which the sandbox never pulls, and ECS's error for one that its repository lacks.

https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_cannot_pull_image.html
"""

import re
from typing import Any

MISSING = "missing"
"""The beginning of the tag of an image that counts as missing."""
_IS_MISSING = re.compile(rf":{MISSING}\b[\w.-]*\Z")


def pull_error(container: dict[str, Any]) -> str:
    """The stoppedReason if a container's image cannot be pulled, or ""."""
    image = container.get("image") or ""
    if not _IS_MISSING.search(image):
        return ""
    return (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
        f"{image}: {image}: not found"
    )
