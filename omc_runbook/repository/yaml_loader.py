"""YAML as Docker Compose and GitHub read it, where PyYAML differs."""

from __future__ import annotations

from typing import Any

import yaml


class YamlLoader(yaml.SafeLoader):
    """A loader to which the last anchor of a name counts, and of a list after << the first mapping.

    PyYAML refuses an anchor that is there twice, and some versions take the last mapping.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose a node, whose anchor may have been another one's."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if not isinstance(event, yaml.AliasEvent):
            self.anchors.pop(event.anchor, None)
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: Any) -> None:
        """Write out what << has in a mapping."""
        for at, (key, value) in enumerate(node.value):
            merged = value.value if key.value == "<<" and isinstance(value, yaml.SequenceNode) else []
            if merged and all(isinstance(each, yaml.MappingNode) for each in merged):
                pairs: dict[Any, Any] = {}
                for each in reversed(merged):
                    self.flatten_mapping(each)
                    pairs |= {name.value if isinstance(name.value, str) else name: (name, v) for name, v in each.value}
                node.value[at] = key, yaml.MappingNode("tag:yaml.org,2002:map", [*pairs.values()])
        super().flatten_mapping(node)
