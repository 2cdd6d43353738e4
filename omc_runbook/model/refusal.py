"""What AWS's message about a refused call names: the action, and the resource.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import re

_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_RESOURCE = re.compile(r'on resource: (?:\\?"([^"\\]+)|([^\s"\\]+))')
"""S3 puts quotes around the ARN of an object, whose key may have blanks; a log in JSON escapes them."""


def refused_action(message: str) -> str:
    """The action that a refusal names, "" for none: a call may need others too, such as iam:PassRole or a key's."""
    match = _ACTION.search(message)
    return match[1] if match else ""


def refused_resources(message: str) -> list[str]:
    """The ARNs, names or "*" that refusals are about, each without the stop of a sentence that ends there."""
    return [in_quotes or word.rstrip(".,:;!'") for in_quotes, word in _RESOURCE.findall(message)]
