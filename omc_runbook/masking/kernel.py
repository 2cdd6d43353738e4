"""The hook in an IPython kernel that masks every message on its way out."""


def install() -> None:
    """Put the hook in place when this process is an IPython kernel; otherwise, or a second time, do nothing."""
