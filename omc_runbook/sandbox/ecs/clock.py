"""How long a minute of a deployment lasts in the sandbox: bake times and hooks may wait for a day on AWS."""

DEFAULT_MINUTE_SECONDS = 1.0


class DeploymentClock:
    """The length of a minute of `bakeTimeInMinutes` and its like, in seconds."""

    def __init__(self) -> None:
        """A clock with the default length."""
        self.minute_seconds = DEFAULT_MINUTE_SECONDS

    def seconds(self, minutes: float) -> float:
        """How many seconds this many minutes last."""
        return minutes * self.minute_seconds


CLOCK = DeploymentClock()
