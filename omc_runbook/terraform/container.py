"""A container of Terraform's task definitions, with the syntax nodes of its variables."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property

from omc_runbook.terraform.hcl import Node
from omc_runbook.terraform.hcl_folder import SOURCES, VALUES, Folder
from omc_runbook.terraform.hcl_template import is_literal, split_value_from


@dataclass(frozen=True, kw_only=True)
class ContainerVariable:
    """A container's variable: its name, its valueFrom, its element, and the list of that."""

    variable: str
    value_from: str
    """As in ${var.secrets_arn}:KEY::; "" for an expression that is not a string."""
    element: Node
    list: Node
    certain: bool
    """Whether it is unconditional."""
    origin: Node
    """The expression in whose folder its base means something: the for expression that writes it, else its element."""

    @cached_property
    def base(self) -> str:
        """The expression of the secret's ARN in the valueFrom; "" if it has no key."""
        return split_value_from(self.value_from)[0]

    @cached_property
    def key(self) -> str:
        """The key of the secret's JSON in the valueFrom; "" if it has none."""
        return split_value_from(self.value_from)[1]

    @property
    def is_member(self) -> bool:
        """Whether it is in a map, as NAME = "ARN:KEY::", and not in one of objects, or in a list."""
        is_named = self.element.kind == "member" and self.element.name == self.variable
        return is_named and self.element.value == self.origin and not self.names_secret(self.element.value)

    def names_secret(self, value: Node) -> bool:
        """Whether the value of a map's member is the secret's ARN alone, to which a for expression adds the key."""
        return bool(self.base) and self.base in (f"${{{value.source}}}", value.source.strip('"'))


@dataclass(frozen=True, kw_only=True)
class TerraformContainer:
    """A container of a task definition, with the syntax nodes of its variables."""

    folder: Folder = field(repr=False)
    definition: str
    """Its address in Terraform: aws_ecs_task_definition.backend."""
    name: str
    node: Node
    """Its object; the last one if it is merged from several."""
    json: bool
    references: tuple[ContainerVariable, ...] = ()
    plain_variables: tuple[ContainerVariable, ...] = ()
    """Those in its environment, of which only the names are used."""
    has_secrets: bool = False
    lists: tuple[Node, ...] = ()
    """The lists or maps that a reference can be added to, the best first; a for expression stands for its own."""
    other_sources: tuple[str, ...] = ()
    """Expressions that may add references and cannot be read, in words."""
    base: str = ""
    """The expression of the secret's ARN in its references."""
    obstacle: str = ""
    """Why `add_reference` cannot add a reference, as a clause; "" if it can."""
    shared_list: Node | None = None
    """The list that its definition shares with others, where only that keeps a reference from it."""
    sharers: frozenset[str] = frozenset()
    """The names of the others' containers that get whatever is added to that list."""
    family: str = ""
    """The family of its definition, with interpolations of what is not certain; "" where it is not written here."""
    block_folder: str = ""
    """The folder of its definition."""
    may_be_absent: bool = False
    """Whether its definition has a count, or a for_each, that is not known, so that there may be none of it."""
    is_deployed_apart: bool = False
    """Whether its services ignore new revisions (ignore_changes), so that an apply registers one and deploys none."""

    @property
    def root(self) -> str:
        """The name of a file of the folder in which Terraform is applied for it; its own file's where none calls it."""
        return self.folder.root.files[0].name if self.folder.call else self.file

    @property
    def file(self) -> str:
        """The name of its file."""
        return self.node.file.name

    @property
    def line(self) -> int:
        """The line of its object, counted from 1."""
        return self.node.line

    @property
    def environment(self) -> tuple[str, ...]:
        """The names of its plain variables."""
        return tuple(each.variable for each in self.plain_variables)

    @property
    def address(self) -> tuple[str, str]:
        """Its folder and definition, unique in a checkout but for the calls of a module."""
        return self.block_folder, self.definition

    def together(self, names: Collection[str]) -> TerraformContainer:
        """The container, with the list that it shares where all that share it are among these names."""
        if self.shared_list is None or not self.sharers <= {*names}:
            return self
        return replace(self, lists=(self.shared_list,), obstacle="", shared_list=None)

    @property
    def target(self) -> Node:
        """What a reference is added to: its best list, or its object."""
        return self.lists[0] if self.lists else self.node

    @property
    def is_template(self) -> bool:
        """Whether `target` is in a template, which has names of its own."""
        return not self.target.file.name.endswith((*SOURCES, *VALUES))

    @cached_property
    def scope(self) -> Folder:
        """The folder that `target` is in."""
        return self.folder.scope(self.target)

    def has_at_target(self, ref: ContainerVariable) -> bool:
        """Whether the expression by which a reference names the secret means the same where `target` is."""
        return ref.element.file.name == self.target.file.name if self.is_template else self.scope.has(ref.origin)

    def can_use(self, ref: ContainerVariable) -> bool:
        """Whether a new reference can name the secret by the expression of one of the container's own.

        An expression means something only in the folder that it is in; a for expression takes it from where it is.
        """
        is_kept = self.target.kind == "for" or not self.lists
        return (is_kept and not self.is_template) or is_literal(ref.base) or self.has_at_target(ref)

    @property
    def not_at_target(self) -> str:
        """Why no reference can be added where only another folder has an expression of the secret, as a clause."""
        elsewhere = [each for each in self.references if each.base and not self.can_use(each)]
        ref = next((each for each in elsewhere if each.base == self.base), elsewhere[0])
        file, target = ref.origin.file.name, self.target
        return (
            f"what {file} calls the secret, {ref.base}, does not mean the same in {target.file.name}, where the list on"
            f" line {target.line} needs the secret's ARN"
        )

    @property
    def is_clear(self) -> bool:
        """Whether it, its name and all that it gets are in its own folder, without variables."""
        return not (self.obstacle or self.other_sources or self.may_be_absent) and is_literal(self.name)
