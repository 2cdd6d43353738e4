"""Promises that are tried while things go wrong: one module a part, one row of the table a surface.

A part has one function `tries(profile, seed)`, which yields a `Try` as soon as it knows how it ended. It starts what it
needs, such as a sandbox, and leaves nothing behind. Parts run side by side, each in a process of its own.
"""
