"""What ECS refuses in a service's deploymentConfiguration.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

_MOST_MINUTES = 1440
_PERCENTS = {
    "LINEAR": ("linearConfiguration", "stepPercent", "stepBakeTimeInMinutes", 3.0),
    "CANARY": ("canaryConfiguration", "canaryPercent", "canaryBakeTimeInMinutes", 0.1),
}


def find_error(changes: Mapping[str, Any], configuration: Mapping[str, Any], controller: str) -> str:
    """The message of ECS's error, or "": `changes` are a request's, `configuration` is what would come of them."""
    return next(_errors(changes, configuration, controller), "")


def _errors(changes: Mapping[str, Any], configuration: Mapping[str, Any], controller: str) -> Iterator[str]:
    strategy = configuration["strategy"]
    if strategy != "ROLLING" and controller != "ECS":
        yield f"The deployment strategy {strategy} needs the deployment controller ECS."
    if not 0 <= configuration.get("bakeTimeInMinutes", 0) <= _MOST_MINUTES:
        yield f"bakeTimeInMinutes must be between 0 and {_MOST_MINUTES}."
    for own, (member, percent, minutes, lowest) in _PERCENTS.items():
        step = changes.get(member)
        if step and strategy != own:
            yield f"{member} is only valid when the deployment strategy is {own}."
        if step and not lowest <= step.get(percent, lowest) <= 100:
            yield f"{percent} must be between {lowest} and 100.0."
        if step and not 0 <= step.get(minutes, 0) <= _MOST_MINUTES:
            yield f"{minutes} must be between 0 and {_MOST_MINUTES}."
    for hook in changes.get("lifecycleHooks") or []:
        if hook.get("targetType", "AWS_LAMBDA") == "AWS_LAMBDA" and not hook.get("hookTargetArn"):
            yield "A lifecycle hook of the type AWS_LAMBDA must have a hookTargetArn."
        if not hook.get("lifecycleStages"):
            yield "A lifecycle hook must have at least one lifecycle stage."
    criteria = configuration.get("earlySuccessCriteria") or {}
    if criteria.get("enable"):
        if strategy != "ROLLING":
            yield "earlySuccessCriteria can only be used with the deployment strategy ROLLING."
        if "healthyPercent" not in criteria or "sourceServiceRevisionCleanup" not in criteria:
            yield "earlySuccessCriteria must have healthyPercent and sourceServiceRevisionCleanup."
        elif not configuration["minimumHealthyPercent"] <= criteria["healthyPercent"] <= 100:
            yield "healthyPercent must be between minimumHealthyPercent and 100."
