"""Terraform's override files, whose blocks replace parts of the blocks of the folder's other files.

https://developer.hashicorp.com/terraform/language/files/override
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from omc_runbook.terraform.hcl import Block

_OVERRIDE = re.compile(r"(?:\A|[/_])override\.(?:tf|tofu)(?:\.json)?\Z")


def is_override(name: str) -> bool:
    """Whether a file overrides others, by its name."""
    return _OVERRIDE.search(name) is not None


def override(blocks: Iterable[Block], overriding: Iterable[Block]) -> list[Block]:
    """The blocks as those of override files change them, in the order of these files."""
    changed = list(blocks)
    for new in overriding:
        if new.type == "locals":
            changed = [_without(each, new) if each.type == "locals" else each for each in changed]
        positions = [at for at, each in enumerate(changed) if _identity(each) == _identity(new)]
        if new.type == "locals" or not positions:
            changed.append(new)
        else:
            changed[positions[0]] = _merge(changed[positions[0]], new)
    return changed


def _identity(block: Block) -> tuple[str, ...]:
    """What two blocks of one object have in common; a provider's alias tells it from others."""
    alias = block.expression("alias") if block.type == "provider" else None
    return block.type, *block.labels, alias.name if alias else ""


def _without(block: Block, new: Block) -> Block:
    """A block without the attributes that another sets."""
    names = {attribute.name for attribute in new.attributes}
    return replace(block, attributes=tuple(each for each in block.attributes if each.name not in names))


def _merge(block: Block, new: Block) -> Block:
    """A block with another's attributes, and with its inner blocks in the place of those of their types."""
    types = {_inner_type(inner) for inner in new.blocks}
    others = tuple(inner for inner in block.blocks if _inner_type(inner) not in types)
    attributes = (*_without(block, new).attributes, *new.attributes)
    return replace(block, attributes=attributes, blocks=(*others, *new.blocks))


def _inner_type(block: Block) -> str:
    """The type that an inner block has, or makes."""
    return block.labels[0] if block.type == "dynamic" and block.labels else block.type
