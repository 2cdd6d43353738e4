"""What AWS's message about a refused call names: the action, and the resource.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import re

_ACTION = r"not authorized to perform: ([\w-]+:\w+)"
_RESOURCE = r' on resource: (?:\\?"([^"\\]+)|([^\s"\\]+))'
"""S3 puts quotes around the ARN of an object, whose key may have blanks; a log in JSON escapes them."""
_REFUSAL = re.compile(f"(?:{_ACTION})?{_RESOURCE}|{_ACTION}")


def refused_action(message: str) -> str:
    """The action that a refusal names, "" for none: a call may need others too, such as iam:PassRole or a key's."""
    return next((action for action, _ in refusals(message) if action), "")


def refusals(message: str) -> list[tuple[str, str]]:
    """The action of each refusal, and the ARN, name or "*" that it is on, without a stop or bracket after it.

    Either is "" where the message does not name it.
    """
    found = _REFUSAL.findall(message)
    return [(action or alone, quoted or word.rstrip(".,:;!'`)]")) for action, quoted, word, alone in found]
