"""What python-hcl2's grammar lacks of HCL, replaced by text of the same length that it has."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"(?P<heredoc><<-?(?P<mark>[^\W\d][\w-]*)\r?\n(?:.*?\n)??[ \t]*(?P=mark)[ \t\r]*(?:\n|\Z))"
    r"|(?P<comment>(?:#|//)[^\n]*|/\*.*?\*/)"
    r"|(?P<name>[^\W\d][\w-]*)"
    r"""|(?P<bracket>[][(){}"])""",
    re.DOTALL,
)
"""What counts outside of a text."""
_SEQUENCE = re.compile(r'\\.|\$\$\{|%%\{|(?P<open>[$%]\{)(?P<strip>~?)|(?P<end>")', re.DOTALL)
"""What counts in a text: escapes, ${ and %{, and its end."""
_OPENING = "([{"


def plain(text: str) -> str:
    """A file's text, or an expression's, in the grammar of python-hcl2, with every position kept.

    Comments within a line and in interpolations, the ~ of an interpolation, line ends in it and two negations become
    blanks, and letters beyond ASCII in names another letter.
    """
    pieces, at = list(text), 0
    # What is open: quotes, brackets, and interpolations as $ and %.
    stack: list[str] = []

    def blank(start: int, end: int) -> None:
        pieces[start:end] = [each if each == "\n" and "$" not in stack else " " for each in text[start:end]]

    while at < len(text):
        if stack[-1:] == ['"']:
            found = _SEQUENCE.search(text, at)
            if found is None:
                break
            at = found.end()
            if found["end"]:
                stack.pop()
            elif found["open"]:
                stack.append(found["open"][0])
                if found["strip"] and found["open"] == "${":
                    blank(found.start("strip"), found.end("strip"))
            continue
        found = _TOKEN.match(text, at)
        at = found.end() if found else at + 1
        if found is None:
            if stack[-1:] == ["$"] and (text[at - 1] == "\n" or text.startswith("~}", at - 1)):
                blank(at - 1, at)
            elif text.startswith("!!", at - 1):
                at += 1
                blank(at - 2, at)
        elif found["comment"]:
            is_line_end = found["comment"][:2] != "/*" or "\n" in found["comment"]
            if not is_line_end or "$" in stack:
                blank(*found.span())
        elif found["name"]:
            pieces[slice(*found.span())] = [each if each.isascii() else "x" for each in found["name"]]
        elif found["bracket"] == '"' or (found["bracket"] or " ") in _OPENING:
            stack.append(found["bracket"])
        elif found["bracket"] and stack:
            stack.pop()
    return "".join(pieces)
