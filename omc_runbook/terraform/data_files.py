"""Data that jsondecode() and yamldecode() read from a file, as the expressions that it would be."""

from __future__ import annotations

import json
from functools import lru_cache

import yaml

from omc_runbook.terraform.hcl import Kind, Node
from omc_runbook.terraform.yaml_loader import TerraformYaml
from omc_runbook.textfile.file import SourceFile

DECODERS = ("jsondecode", "yamldecode")

_TAGS = "tag:yaml.org,2002:"


class DataFile(SourceFile):
    """A file of data: what is in it is read, and no reference is added to it."""


@lru_cache(maxsize=128)
def read_data(file: SourceFile, decoder: str) -> Node | None:
    """A file's data; None where it is none, or has aliases."""
    data = DataFile(file.path, file.name, file.raw)
    try:
        text = file.text
        if decoder == "jsondecode":
            json.loads(text)
            # JSON has them between its tokens alone, and YAML nowhere there.
            text = text.replace("\t", " ")
        elif any(isinstance(each, yaml.AliasToken) for each in yaml.scan(text)):
            return None
        root = yaml.compose(text, Loader=TerraformYaml)
        return _node(root, data) if root else None
    except (ValueError, OverflowError, yaml.YAMLError, RecursionError):
        return None


def _node(raw: yaml.Node, file: DataFile) -> Node:
    kind: Kind
    parts: tuple[Node, ...] = ()
    if isinstance(raw, yaml.MappingNode) and raw.tag == f"{_TAGS}map":
        kind, name, parts = "object", "", tuple(_member(key, value, file) for key, value in raw.value)
    elif isinstance(raw, yaml.SequenceNode) and raw.tag == f"{_TAGS}seq":
        kind, name, parts = "tuple", "", tuple(_node(each, file) for each in raw.value)
    else:
        kind, name = _scalar(raw)
    return Node(kind=kind, file=file, start=raw.start_mark.index, end=raw.end_mark.index, name=name, parts=parts)


def _member(key: yaml.Node, value: yaml.Node, file: DataFile) -> Node:
    first, second = _node(key, file), _node(value, file)
    name = first.name if first.kind == "string" else ""
    return Node(kind="member", file=file, start=first.start, end=second.end, name=name, parts=(first, second))


def _scalar(raw: yaml.Node) -> tuple[Kind, str]:
    """The kind and the text of a scalar, as in an expression."""
    tag = raw.tag.removeprefix(_TAGS)
    if not isinstance(raw, yaml.ScalarNode) or tag not in ("str", "bool", "null", "int"):
        return "other", ""
    value = TerraformYaml("").construct_object(raw)
    if isinstance(value, str):
        # What is a text to Terraform would be an interpolation in an expression.
        return ("other", "") if "${" in value or "%{" in value else ("string", value)
    return ("number" if tag == "int" else "path"), json.dumps(value)
