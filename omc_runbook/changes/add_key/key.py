"""The key to add: its name, what it is, and its type in Settings."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from omc_runbook.masking.value import Masked
from omc_runbook.model.catalogue import Form, Key
from omc_runbook.repository.python_syntax import last_name, parse_expression, union_members

TEXTS = frozenset({"str", "SecretStr", "EmailStr"})
"""Types that accept any text, and thus a placeholder."""
FORMS: dict[str, Form] = {"EmailStr": "email", "HttpUrl": "url", "AnyUrl": "url", "AnyHttpUrl": "url"}
FORMS |= dict.fromkeys(("int", "float"), "number")
PLAIN = {
    "int": re.compile(r"\A\s*[+-]?\d+(\.0*)?\s*\Z"),
    "float": re.compile(r"\A\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*\Z"),
    "bool": re.compile(r"(?i)\A(true|false|yes|no|on|off|t|f|y|n|1|0)\Z"),
    **dict.fromkeys(("HttpUrl", "AnyHttpUrl"), re.compile(r"(?i)\A\s*https?://\S")),
}
"""What pydantic accepts as such a type."""
_BEGINS = r"[\[{\"\d-]|true|false|null"
JSON = {
    "dict": re.compile(r"\A\s*\{\s*(\}|\"[\s\S]*\})\s*\Z"),
    **dict.fromkeys(("list", "tuple", "set", "frozenset"), re.compile(rf"\A\s*\[\s*(\]|({_BEGINS})[\s\S]*\])\s*\Z")),
}
"""How a value of such a type begins and ends, where Settings reads it as JSON."""


@dataclass(frozen=True)
class NewKey:
    """A key to add: what it is, where to get it, its type in Settings, and the containers that get it."""

    name: str
    description: str
    obtain_from: str
    required: bool
    type: str
    containers: tuple[str, ...]

    def entry(self, catalogue: Mapping[str, Key]) -> Key:
        """The catalogue's entry, updated with this key's fields."""
        key = catalogue.get(self.name, Key())
        fields = {"description": self.description, "obtain_from": self.obtain_from, "required": self.required}
        forms = {FORMS.get(each, key.form) for each in self._alternatives - {"None"}}
        form = forms.pop() if len(forms) == 1 else key.form
        return key.model_copy(update={name: value for name, value in fields.items() if value} | {"form": form})

    @property
    def is_text(self) -> bool:
        """Whether its type accepts any text."""
        # An optional key without a value is empty, which is not an e-mail address.
        return bool(self._alternatives & (TEXTS if self.required else TEXTS - {"EmailStr"}))

    def takes(self, value: Masked, from_json: bool = False) -> bool:
        """Whether a value fits the key's type; True for types that are not known here.

        `from_json` says whether Settings reads lists and the like as JSON.
        """
        known = PLAIN | (JSON if from_json else {})
        types = {each if each in PLAIN else _container(each) for each in self._alternatives - {"None"}}
        return not types <= known.keys() or any(value.matches(known[each]) for each in types)

    @property
    def _alternatives(self) -> frozenset[str]:
        node = parse_expression(self.type)
        # The constraints of an Annotated may refuse values that the type itself accepts.
        if node is None or "Annotated" in self.type:
            return frozenset({self.type})
        return frozenset(last_name(each) or ast.unparse(each) for each in union_members(node))


def _container(type: str) -> str:
    """The type itself of a list or the like, without what is in it: list for typing.List[str]."""
    return type.partition("[")[0].rpartition(".")[2].lower()
