"""Worlds by authors who read AWS's documentation and the ids of the checks, but not the checks or the sandbox."""

from cases import access, content, ecs, further

CASES = (*ecs.CASES, *access.CASES, *content.CASES, *further.CASES)
