"""Roles, policies, keys of KMS, and the secret's own state: cases from AWS's documentation."""

from cases.case import Case

CASES: tuple[Case, ...] = ()
