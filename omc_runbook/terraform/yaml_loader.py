"""YAML as Terraform's yamldecode() reads it."""

from __future__ import annotations

import re

import yaml

from omc_runbook.terraform.marks import unknown


class TerraformYaml(yaml.SafeLoader):
    """A loader to which 010 is ten, 12:30 a text, and yes is true; of members of one name, the last one counts."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what << merges where it stands: YAML lets a mapping's own members win, Terraform the later ones."""
        members, pairs = [], node.value
        # A mapping that merges itself would have no end.
        node.value = []
        for key, value in pairs:
            is_merge = key.tag == "tag:yaml.org,2002:merge"
            for each in (value.value if isinstance(value, yaml.SequenceNode) else [value]) if is_merge else ():
                if not isinstance(each, yaml.MappingNode):
                    raise yaml.constructor.ConstructorError(None, None, "<< merges mappings alone", each.start_mark)
                self.flatten_mapping(each)
                members += each.value
            members += [] if is_merge else [(key, value)]
        node.value = members


def whole(number: float) -> float:
    """A number as Terraform has it: 2.0 is 2."""
    return int(number) if number.is_integer() else number


TerraformYaml.yaml_implicit_resolvers = {}
_BASES = {"0x": 16, "0o": 8}
_TRUE, _FALSE = ("y", "yes", "on", "true"), ("n", "no", "off", "false")
for _tag, _form, _construct in (
    ("null", "~|null|Null|NULL|", None),
    ("merge", "<<", None),
    ("timestamp", r"\d{4}-\d\d?-\d\d?(?:[Tt \t].*)?", lambda *_: unknown("a date in YAML is not followed")),
    (
        "bool",
        "|".join(form for word in (*_TRUE, *_FALSE) for form in (word, word.title(), word.upper())),
        lambda _, node: node.value.lower() in _TRUE,
    ),
    ("int", r"[-+]?\d+|0x[\dA-Fa-f]+|0o[0-7]+", lambda _, node: int(node.value, _BASES.get(node.value[:2], 10))),
    ("float", r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?", lambda _, node: whole(float(node.value))),
):
    TerraformYaml.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_form})\\Z"), None)
    if _construct:
        TerraformYaml.add_constructor(f"tag:yaml.org,2002:{_tag}", _construct)
