"""Worlds from AWS's documentation; but for `further`, their authors had not read the checks or the sandbox."""

from cases import access, content, ecs, further

CASES = (*ecs.CASES, *access.CASES, *content.CASES, *further.CASES)
