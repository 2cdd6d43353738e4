"""What stands in the secret and in the variables beside it: cases from AWS's documentation."""

from cases.case import Case

CASES: tuple[Case, ...] = ()
