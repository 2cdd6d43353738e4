"""What can be broken in the sandbox, one fault at a time, and how it is mended."""

from omc_runbook.sandbox.faults.collection import break_, catalogue, every, find, mend
from omc_runbook.sandbox.faults.fault import Fault

__all__ = ["Fault", "break_", "catalogue", "every", "find", "mend"]
