"""The Terraform files of a checkout: its folders, each read once, and which folder calls which as a module."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from omc_runbook.model.errors import UsageError
from omc_runbook.terraform.hcl_folder import OWN_PATH, SOURCES, VALUES, Folder
from omc_runbook.textfile.file import SourceFile, read_source
from omc_runbook.textfile.folders import FolderListing, FolderListings

SKIPPED = {".git", ".terraform", ".terragrunt-cache", "node_modules", ".venv"}

LOCAL = ("./", "../")
"""How the source of a module of the same checkout begins."""

TEMPLATES = (".json", ".tftpl", ".tpl", ".j2", ".hcl")
"""The endings of files that may be a task definition's template, or Terragrunt's inputs of one."""

_DATA = (".yaml", ".yml", ".csv", ".txt")
"""The endings of other files whose text expressions read, as yamldecode(), csvdecode() and split() do."""

_READS_FILE = re.compile(r'\b(?:template)?file\(\s*\\?"([^"\\]*)')
_LISTS_FILES = re.compile(r'\bfileset\(\s*(?:(path\.\w+)|\\?"([^"\\]*)\\?")\s*,\s*\\?"([^"\\]*)')
"""The base of fileset(), an expression or a text, and its pattern."""
_INTERPOLATION = re.compile(r"(?:\$\{[^}]*\})+")
_CALLED = re.compile(r'(?:^[ \t]*|[{,]\s*)"?source"?\s*[=:]\s*"(\.\.?/[^"]*)"', re.MULTILINE)
_SOURCE = re.compile(r'^[ \t]*"?source"?\s*[=:]\s*"(.*)"', re.MULTILINE)
_WITHIN = re.compile(r"//|\}/")
"""What stands before a path within a repository: in an address in git, or after Terragrunt's folder of it."""
COMMENT = re.compile(r"(?:^|\s)(?:#|//).*")
"""A comment to the end of a line."""
_COMMENTS = re.compile(rf"{COMMENT.pattern}|^[ \t]*/\*(?s:.*?)(?:\*/|\Z)", re.MULTILINE)


class TerraformFiles:
    """The Terraform files of a checkout; outside of it nothing is read but what links of its own lead to.

    `folders` are the checkout's, where other questions are asked of them too.
    """

    def __init__(self, root: Path, folders: FolderListings | None = None) -> None:
        self.root = root.resolve()
        self._listings = folders or FolderListings()
        self.base = ""
        """The folder that the names of files are relative to, within the checkout."""
        self.errors: dict[Path, str] = {}
        """A sentence on each file that could not be read."""
        self._folders: dict[Path, Folder] = {}

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """The folders with Terraform's files, in order."""
        return tuple(each.path for each in self._walk() if any(name.endswith(SOURCES) for name in each.names))

    @cached_property
    def calls(self) -> Mapping[Path, set[Path]]:
        """Which folders each folder with *.tf files calls as modules."""
        return {folder: called_folders(self.folder(folder).files) for folder in self.folders}

    @cached_property
    def calls_by_file(self) -> Mapping[Path, set[Path]]:
        """Which folders each file calls as modules; those that a folder calls, by Terragrunt or by an address too.

        So for ${get_repo_root()}/modules/app, and for git::https://example.com/infra.git//modules/app?ref=v1.
        """
        files = [file for folder in self.folders for file in self.folder(folder).files]
        calls = {file.path: called_folders((file,)) for file in files}
        names = {Path(os.path.relpath(folder, self.root)): folder for folder in self.called_folders}
        units = [file for folder in self.walk() for file in self.files_ending(folder, (".hcl",))] if names else []
        for file in (*files, *units):
            called = calls.setdefault(file.path, called_folders((file,)) & {*names.values()})
            called |= {names[path] for path in _paths_within(file) if path in names}
        return calls

    @property
    def called_folders(self) -> set[Path]:
        """The folders that another one calls."""
        return {target for targets in self.calls.values() for target in targets}

    def walk(self, below: str = "") -> Iterator[Path]:
        """Yield a folder of the checkout and those below it, in order."""
        return (each.path for each in self._walk(below))

    def _walk(self, below: str = "") -> Iterator[FolderListing]:
        return self._listings.walk(self.root / below, SKIPPED)

    def paths_in(self, folder: Path) -> list[Path]:
        """The paths of what is in a folder, in order; none where it cannot be listed."""
        listing = self._listings.listing(folder)
        return [folder / name for name in listing.names] if listing else []

    def folder(self, directory: Path) -> Folder:
        """The files of a folder that Terraform reads as one module, those that can be read."""
        if directory not in self._folders:
            found = self.files_ending(directory, SOURCES)
            names = {file.name for file in found}
            self._folders[directory] = Folder(tuple(file for file in found if tofu_name(file.name) not in names))
        return self._folders[directory]

    def files_ending(self, directory: Path, endings: Collection[str]) -> tuple[SourceFile, ...]:
        """The files of a folder whose names end so, by their ending, those that can be read."""
        paths = self.paths_in(directory)
        return self._readable(path for end in endings for path in paths if path.name.endswith(end))

    def find(self, directory: Path, pattern: str) -> tuple[SourceFile, ...]:
        """The files of a folder whose names match a pattern, those that can be read."""
        return self._readable(path for path in self.paths_in(directory) if fnmatchcase(path.name, pattern))

    def _readable(self, paths: Iterable[Path]) -> tuple[SourceFile, ...]:
        return tuple(file for path in paths if (file := self._read(path)))

    def folders_with(self, pattern: re.Pattern[str]) -> tuple[Folder, ...]:
        """The folders that have a file in which a pattern is found."""
        folders = map(self.folder, self.folders)
        return tuple(folder for folder in folders if any(pattern.search(file.text) for file in folder.files))

    def templates(self, files: Collection[SourceFile]) -> tuple[SourceFile, ...]:
        """The templates and files of data whose text files may read; an interpolation in a path stands for any name."""
        found: dict[str, SourceFile] = {}
        for file in files:
            directory = file.path.parent
            listed = [f"{of and '${' + of + '}'}{own}/{name}" for of, own, name in _LISTS_FILES.findall(file.text)]
            for text in (*_READS_FILE.findall(file.text), *listed):
                own, pattern = OWN_PATH.match(text), Path(_INTERPOLATION.sub("*", OWN_PATH.sub("", text)))
                bases = {directory} if own and own[1] == "module" else with_callers(self.calls, {directory})
                paths = {Path(os.path.normpath(base / pattern.parent)) for base in bases}
                folders = (folder for path in paths for folder in self._like(path))
                for folder in folders if pattern.suffix in (*TEMPLATES, *_DATA) else ():
                    inside = self.find(folder, pattern.name) if self.contains(folder) else ()
                    found |= {each.name: each for each in inside if not is_terraform(each.name)}
        return tuple(found[name] for name in sorted(found))

    def _like(self, path: Path) -> Iterable[Path]:
        """The folders that a path may be, in which * stands for any name; none by a link that leads out of it.

        ** stands for any number of names, as in fileset().
        """
        if not path.is_relative_to(self.root):
            return ()
        folders = [self.root]
        for part in path.relative_to(self.root).parts:
            if part == "**":
                inside = (folder for folder in folders if self.contains(folder))
                folders = [*dict.fromkeys(each for folder in inside for each in self.walk(folder.as_posix()))]
            elif "*" in part:
                folders = [each for folder in folders for each in self._inside(folder) if fnmatchcase(each.name, part)]
            else:
                folders = [folder / part for folder in folders]
        return folders

    def _inside(self, folder: Path) -> list[Path]:
        """The folders in a folder of the checkout, in order, but those that are skipped; none where it has none."""
        found = self.paths_in(folder) if self.contains(folder) else []
        try:
            return [each for each in found if each.name not in SKIPPED and each.is_dir()]
        except OSError:
            return []

    def contains(self, path: Path) -> bool:
        """Whether a path is in the checkout; none with a null character is."""
        return "\0" not in str(path) and path.resolve().is_relative_to(self.root)

    def file(self, path: Path) -> SourceFile | None:
        """A text file by its path; None for one that is not there, not in the checkout or cannot be read."""
        return self._read(path) if self.contains(path) else None

    def _read(self, path: Path) -> SourceFile | None:
        base = self.root / self.base
        try:
            return read_source(base, Path(os.path.relpath(path, base)).as_posix())
        except UsageError as error:
            self.errors[path] = str(error)
            return None

    def roots_of(self, name: str) -> tuple[str, ...]:
        """The folders in which an apply uses a file: those that call its folder and that nobody calls.

        A .tfvars file belongs to the nearest folder above it that has *.tf files, a template to those that read it.
        """
        folder = Path(os.path.normpath((self.root / name).parent))
        folders = {folder}
        if name.endswith(VALUES):
            folders = {next((above for above in (folder, *folder.parents) if above in self.calls), folder)}
        elif not is_terraform(name):
            templates = {each: self.templates(self.folder(each).files) for each in self.folders}
            folders = {each for each, files in templates.items() if any(file.name == name for file in files)}
        tops = sorted(with_callers(self.calls, folders) - self.called_folders)
        return tuple(path.relative_to(self.root).as_posix() for path in tops)


def tofu_name(name: str) -> str:
    """The name of the file that OpenTofu reads in the place of one of Terraform's; "" for any other file.

    See https://opentofu.org/docs/language/files/
    """
    return re.sub(r"\.tf(\.json)?\Z", r".tofu\1", name) if name.endswith((".tf", ".tf.json")) else ""


def replaced_name(name: str) -> str:
    """The name of the file that OpenTofu leaves out for one of its own; "" for any other file."""
    return re.sub(r"\.tofu(\.json)?\Z", r".tf\1", name) if name.endswith((".tofu", ".tofu.json")) else ""


def is_terraform(name: str) -> bool:
    """Whether a file is one of Terraform's own, by its name."""
    return name.endswith((*SOURCES, *VALUES))


def called_folders(files: Collection[SourceFile]) -> set[Path]:
    """The folders whose modules the files call by their path; what is commented out calls none."""
    code = ((file.path, file.text if file.name.endswith(".json") else _COMMENTS.sub("", file.text)) for file in files)
    return {target(path.parent, source) for path, text in code for source in _CALLED.findall(text)}


def _paths_within(file: SourceFile) -> Iterator[Path]:
    """Yield what the sources in a file may name within the repository."""
    for source in _SOURCE.findall(_COMMENTS.sub("", file.text)):
        for match in _WITHIN.finditer(source):
            path = os.path.normpath(source[match.end() :].partition("?")[0].replace("//", "/"))
            yield Path(re.sub(r"\A(?:\.\./|/)+", "", path))


def target(folder: Path, source: str) -> Path:
    """The folder that a source names which begins with one of `LOCAL`."""
    return Path(os.path.normpath(folder / source.replace("//", "/")))


def with_callers(calls: Mapping[Path, set[Path]], folders: Collection[Path]) -> set[Path]:
    """The folders, and all that call them, directly or through others; `calls` has what each folder calls."""
    reached, callers = {*folders}, {*folders}
    while callers:
        callers = {path for path, targets in calls.items() if targets & reached} - reached
        reached |= callers
    return reached
