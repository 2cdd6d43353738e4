"""Terragrunt's files: a unit's module, with the inputs that its own file and those that it includes give.

Nothing is run: the functions that ask AWS or the shell are not followed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from omc_runbook.terraform.evaluation import DEEPEST_MODULE, Module, Stack
from omc_runbook.terraform.expressions import Lookup, Result
from omc_runbook.terraform.files import TerraformFiles
from omc_runbook.terraform.hcl import read_valid_attributes
from omc_runbook.terraform.hcl_folder import Folder
from omc_runbook.terraform.marks import IN, failed, is_known, unknown
from omc_runbook.textfile.file import SourceFile

FILE_NAME = "terragrunt.hcl"

_PARENTS = (FILE_NAME, "root.hcl")
"""What a file that is included is called where no name is passed."""


class Configuration(Module):
    """A file of Terragrunt, as the unit in a directory reads it.

    See https://terragrunt.gruntwork.io/docs/reference/config-blocks-and-attributes/
    """

    def __init__(
        self, stack: Stack, directory: Path, file: SourceFile, units: Mapping[Path, Module], depth: int = 0
    ) -> None:
        super().__init__(stack, directory, Folder((file,)), {})
        self._configuration, self._units, self._nesting = file, units, depth
        self.objects = {"include": self._include, "dependency": self._dependency}
        above = Path(os.path.normpath(file.path.parent))
        self.functions = {
            "find_in_parent_folders": self._find_in_parents,
            "read_terragrunt_config": self._read,
            "get_terragrunt_dir": lambda: str(directory),
            "get_original_terragrunt_dir": lambda: str(directory),
            "get_parent_terragrunt_dir": lambda *include: str(self._including_folder(above, *include)),
            "path_relative_to_include": lambda *include: os.path.relpath(
                directory, self._including_folder(above, *include)
            ),
            "path_relative_from_include": lambda *include: os.path.relpath(
                self._including_folder(above, *include), directory
            ),
            "get_repo_root": lambda: str(stack.files.root),
            "get_path_to_repo_root": lambda: os.path.relpath(stack.files.root, directory),
            "get_path_from_repo_root": lambda: os.path.relpath(directory, stack.files.root),
            "get_env": lambda name, *default: default[0] if default else unknown(f"{name} is an environment variable"),
        }

    @cached_property
    def source(self) -> Path | None:
        """The folder of the checkout that the unit's module is in; None for none."""
        for configuration in (self, *self._included.values()):
            for block in configuration.folder.of_type("terraform"):
                value = configuration.value_in(block, "source")
                if isinstance(value, str) and is_known(value):
                    target = (self.directory / value.replace("//", "/")).resolve()
                    return target if self.stack.files.contains(target) and target.is_dir() else None
        return None

    @property
    def inputs(self) -> dict[str, Callable[[], Result]]:
        """What the module's variables get: from the files that are included, then from this one.

        What "" has is for every other variable: a file whose inputs are unknown may give any.
        """
        inputs = {name: value for each in self._included.values() for name, value in each.inputs.items()}
        settings = (member for member in read_valid_attributes(self._configuration) if member.name == "inputs")
        for member in settings:
            if member.value.kind == "object":
                inputs |= {part.name: partial(self.result, part.value) for part in member.value.parts if part.name}
                continue
            result = self.result(member.value)
            if result.value is None:
                continue
            everything = result.value if isinstance(result.value, str) else unknown("what inputs are is not followed")
            table = result.value if isinstance(result.value, Mapping) else {everything: everything}
            # `merge` keeps a part that is not known, which may have each name of those before it, as a key of its own.
            for name, value in table.items():
                if is_known(name):
                    inputs[name] = partial(Result, value, result.sources)
                else:
                    inputs = {"": partial(Result, name, result.sources)}
        return inputs

    @property
    def generated(self) -> Iterator[SourceFile]:
        """The files that Terragrunt writes beside the module's, such as its provider; on the lines where they are."""
        for each in self._included.values():
            yield from each.generated
        for block in self.folder.of_type("generate"):
            contents = block.expression("contents")
            text = self.value(contents) if contents else None
            if contents and isinstance(text, str):
                file = contents.file
                yield SourceFile(file.path, file.name, ("\n" * contents.line + text).encode())

    @cached_property
    def _included(self) -> dict[str, Configuration]:
        found = {}
        for block in self.folder.of_type("include"):
            if configuration := self._open(self.value_in(block, "path"), self.directory):
                found[block.labels[0] if block.labels else ""] = configuration
        return found

    def _open(self, path: Any, directory: Path | None = None) -> Configuration | None:
        """A file by its path, as a unit in a directory reads it, else as its own folder does."""
        is_file = isinstance(path, str) and is_known(path) and self._nesting < DEEPEST_MODULE
        file = self.stack.files.file(Path(os.path.normpath(self.directory / path))) if is_file else None
        if file is None:
            return None
        return Configuration(self.stack, directory or file.path.parent, file, self._units, self._nesting + 1)

    def _members(self, name: str) -> Any:
        """What another file sees of this one."""
        if name == "locals":
            values = ((member.name, self.local(member.name)) for member in self.folder.locals)
            return {key: result.value for key, result in values if result}
        if name == "inputs":
            inputs = ((key, value().value) for key, value in self.inputs.items())
            return {key or value: value for key, value in inputs}
        if name == "dependency":
            return self._dependency
        return unknown(f"{name} of {self._configuration.name} is not followed")

    def _include(self, name: str) -> Any:
        if name in self._included:
            return Lookup(self._included[name]._members)
        return self._included[""]._members(name) if "" in self._included else unknown(f"include.{name} is not there")

    def _dependency(self, name: str) -> Any:
        for block in self.folder.of_type("dependency", name):
            value = self.value_in(block, "config_path")
            if isinstance(value, str) and is_known(value):
                return {"outputs": Lookup(partial(self._output, Path(os.path.normpath(self.directory / value))))}
        return unknown(f"the config_path of dependency {name} is not known")

    def _output(self, unit: Path, name: str) -> Any:
        module = self._units.get(unit)
        result = module.output(name) if module else None
        return result.value if result else self.stack.output_of_another({}, name)

    def _including_folder(self, above: Path, include: str = "") -> Path:
        """The folder of the file that includes, or is included by, this one."""
        included = self._included.get(include) or next(iter(self._included.values()), None)
        return Path(os.path.normpath(included._configuration.path.parent)) if included else above

    def _find_in_parents(self, name: str = "", *fallback: Any) -> Any:
        for parent in self.directory.parents:
            for path in (parent / each for each in ((name,) if name else _PARENTS)):
                if self.stack.files.contains(path) and path.exists():
                    return str(path)
        missing = failed(f"{name or FILE_NAME} is in no folder above {self._configuration.name}")
        return fallback[0] if fallback else missing

    def _read(self, path: str, *default: Any) -> Any:
        configuration = self._open(path)
        if configuration:
            return Lookup(configuration._members)
        return default[0] if default else failed(f"{path.rpartition('/')[2]} is not in the checkout")


def read_units(files: TerraformFiles, folders: list[Path]) -> list[tuple[Configuration, Module]]:
    """The units of folders with a terragrunt.hcl, each with its module; none for one from elsewhere."""
    units: dict[Path, Module] = {}
    found = []
    for folder in folders:
        file = files.file(folder / FILE_NAME)
        configuration = Configuration(Stack(files, folder, ""), folder, file, units) if file else None
        if configuration is None or configuration.source is None:
            continue
        sources = Folder((*files.folder(configuration.source).files, *configuration.generated))
        address = f"{Path(os.path.relpath(folder, files.root / files.base)).as_posix()}{IN}"
        units[folder] = Module(configuration.stack, configuration.source, sources, configuration.inputs, address)
        found.append((configuration, units[folder]))
    return found
