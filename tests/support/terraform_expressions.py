"""Random expressions of Terraform's language, each of a type that it knows, to compare evaluators by."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

WORDS = ("api", "worker", "Staging", "a-b_c", "", "10", "9", "true", "x y", "é", "a,b", "/p/q.txt", "tab\there", 'q"q')
KEYS = ("a", "b", "Key", "z-1")


class TerraformExpressions:
    """Makes expressions; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def make(self, depth: int = 3) -> str:
        """An expression of any type."""
        if self._random.random() < 0.9:
            return f"({self._any()(depth)})"
        line = self._random.choice(("a", "b\\n", "$${c}", '\\"'))
        return f"<<-EOT\n    {line} ${{{self._text(depth)}}}\n\n      deeper\n  EOT"

    def _any(self) -> Callable[[int], str]:
        return self._random.choice((self._text, self._text, self._number, self._bool, self._list, self._object))

    def _one_of(self, depth: int, leaves: tuple[str, ...], branches: tuple[Callable[[], str], ...]) -> str:
        return self._random.choice(branches)() if depth > 0 else self._random.choice(leaves)

    def _text(self, depth: int) -> str:
        text, number, either, listed = self._text, self._number, self._bool, self._list
        d = depth - 1
        return self._one_of(
            depth,
            tuple(map(json.dumps, WORDS)),
            (
                lambda: f'"${{{text(d)}}}-${{{number(d)}}}"',
                lambda: f'"%{{ if {either(d)} }}${{{text(d)}}}%{{ else }}no%{{ endif }}"',
                lambda: f'"%{{ for i, x in {listed(d)} ~}} ${{i}}=${{x}};%{{ endfor }}"',
                lambda: f"upper({text(d)})",
                lambda: f"title(lower({text(d)}))",
                lambda: f"join({text(0)}, {listed(d)})",
                lambda: f'replace({text(d)}, {text(0)}, "+")',
                lambda: f'replace({text(d)}, "/[a-m]+/", "<$0>")',
                lambda: f'format("%s|%5s|%-4d|%v", {text(d)}, {text(d)}, {number(0)}, {either(d)})',
                lambda: f"substr({text(d)}, {self._random.randint(-3, 3)}, {self._random.choice((-1, 1, 4))})",
                lambda: f"trimprefix({text(d)}, {text(0)})",
                lambda: f"trimsuffix({text(d)}, {text(0)})",
                lambda: f"trim({text(d)}, {text(0)})",
                lambda: f"dirname({text(d)})",
                lambda: f"basename({text(d)})",
                lambda: f"coalesce({text(d)}, null, {text(d)})",
                lambda: f"tostring({number(d)})",
                lambda: f'element(concat({listed(d)}, ["z"]), {number(0)})',
                lambda: f'try({listed(0)}[1], "none")',
                lambda: f'lookup({self._object(d)}, {json.dumps(self._random.choice(KEYS))}, "none")',
                lambda: f'try({self._object(0)}.{self._random.choice(("a", "b"))}, "fallback")',
                lambda: f"({either(d)} ? {text(d)} : {text(d)})",
            ),
        )

    def _number(self, depth: int) -> str:
        number = self._number
        d = depth - 1
        return self._one_of(
            depth,
            ("0", "1", "2", "-3", "10", "0.5", "1e2", '"7"'),
            (
                lambda: f"({number(d)} {self._random.choice('+-')} {number(d)})",
                lambda: f"({number(d)} {self._random.choice(('* 3', '/ 4', '/ 0.5', '% 3'))})",
                lambda: f"(0 - {number(d)})",
                lambda: f"{self._random.choice(('max', 'min'))}({number(d)}, {number(d)})",
                lambda: f"{self._random.choice(('abs', 'ceil', 'floor', 'tonumber'))}({number(d)})",
                lambda: f"length({self._list(d)})",
                lambda: f"length({self._object(d)})",
                lambda: f"sum([{number(d)}, {number(d)}])",
            ),
        )

    def _bool(self, depth: int) -> str:
        text, number, either = self._text, self._number, self._bool
        d = depth - 1
        return self._one_of(
            depth,
            ("true", "false", '"true"', '"false"'),
            (
                lambda: f"({text(d)} {self._random.choice(('==', '!='))} {self._any()(d)})",
                lambda: f"({number(d)} {self._random.choice(('<', '>', '<=', '>=', '==', '!='))} {number(d)})",
                lambda: f"({either(d)} {self._random.choice(('&&', '||'))} {either(d)})",
                lambda: f"!({either(d)})",
                lambda: f"contains({self._list(d)}, {self._any()(0)})",
                lambda: f"{self._random.choice(('startswith', 'endswith', 'strcontains'))}({text(d)}, {text(0)})",
                lambda: f"{self._random.choice(('alltrue', 'anytrue'))}([{either(d)}, {either(d)}])",
                lambda: f"tobool({either(d)})",
            ),
        )

    def _list(self, depth: int) -> str:
        text, listed = self._text, self._list
        d = depth - 1
        return self._one_of(
            depth,
            ("[]", '["b", "a", "b"]', '["only"]', '["10", "9"]'),
            (
                lambda: f"[{text(d)}, {text(d)}]",
                lambda: f"concat({listed(d)}, {listed(d)})",
                lambda: f"distinct({listed(d)})",
                lambda: f"toset({listed(d)})",
                lambda: f"sort({listed(d)})",
                lambda: f"reverse({listed(d)})",
                lambda: f"compact({listed(d)})",
                lambda: f"flatten([{listed(d)}, [{text(d)}]])",
                lambda: f"slice({listed(d)}, 0, {self._random.randint(0, 2)})",
                lambda: f"split({text(0)}, {text(d)})",
                lambda: f"keys({self._object(d)})",
                lambda: f"[for v in values({self._object(d)}) : tostring(v)]",
                lambda: f'[for i, x in {listed(d)} : "${{i}}${{x}}" if x != {text(0)}]',
                lambda: f"[for x in [{self._object(d)}] : x][*].a",
                lambda: (
                    f"{self._random.choice(('setunion', 'setsubtract', 'setintersection'))}({listed(d)}, {listed(d)})"
                ),
                lambda: f'[for pair in setproduct({listed(d)}, {listed(d)}) : join("+", pair)]',
                lambda: f'formatlist("%s-%s", {listed(d)}, {text(d)})',
                lambda: f'regexall("[a-z]+", {text(d)})',
                lambda: f"[for n in range({self._random.randint(0, 4)}) : tostring(n)]",
            ),
        )

    def _object(self, depth: int) -> str:
        text, table = self._text, self._object
        d = depth - 1
        return self._one_of(
            depth,
            ("{}", '{ b = "2", a = "1" }', '{ "Key" = "v", (upper("k")) = "w" }', '{ 1 = "one" }'),
            (
                lambda: f"{{ a = {text(d)}, {json.dumps(self._random.choice(KEYS))} = {text(d)} }}",
                lambda: f"merge({table(d)}, {table(d)})",
                lambda: f'{{ for k, v in {table(d)} : "${{k}}!" => v if k != "b" }}',
                lambda: f"{{ for x in toset({self._list(d)}) : x => upper(x) }}",
                lambda: f'zipmap(["a", "b"], [{text(d)}, {text(d)}])',
                lambda: f"jsondecode(jsonencode({table(d)}))",
                lambda: f"({self._bool(d)} ? {table(d)} : {table(d)})",
            ),
        )
