"""Values in git's history of a checkout: of its .env, and of tracked tfvars, plans, states and outputs."""

from __future__ import annotations

import codecs
import io
import json
import lzma
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from dotenv.parser import parse_stream

from omc_runbook.masking.fingerprint import fingerprint, login_fingerprint, new_key, text_fingerprint
from omc_runbook.masking.value import Masked
from omc_runbook.model import regular_file
from omc_runbook.model.letters import FILES_NAMED, counted, listed
from omc_runbook.model.placeholders import ENCRYPTED
from omc_runbook.model.secretive import is_secret
from omc_runbook.repository import git

MOST_BLOBS, LARGEST_BLOB = 500, 1_048_576
"""How many versions of files are read, and the largest one, in bytes."""
GIT_CRYPT = b"\0GITCRYPT\0"
"""What a file begins with that git-crypt has encrypted."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
"""What a file begins with that git has as a pointer alone, and Git LFS keeps."""
SHORTEST = 8
"""Minimum characters of a value that is looked for: a shorter one stands in many a file by chance."""

_HOLDS_VALUES = re.compile(
    r"""(?ix) (?:^|/) (?:
        \.env (?:rc)? (?:\.[\w.-]+)? | [^/]+\.env | [^/]*\.(?: auto\.)? tfvars (?:\.json)? | [^/]*\.tfstate (?:\.[^/]*)?
        | [^/]*tfplan[^/]* | [^/]*plan [^/]*\.(?: out | bin | json | txt | log | plan )
        | [^/]*outputs? [^/]*\.(?: json | txt | out | log )
    ) $"""
)
"""Names of files that hold values, direnv's .envrc too, apart from a template's."""
# A quote that nothing closes, as in a file that is cut off, is read to its line's end, once.
_QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*+)"?|\'([^\'\n]*)\'')
_MOST_LEVELS = 4
"""How many texts within texts are read: a state has a container's JSON in JSON."""
_ASSIGNED = re.compile(r"[=:][ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_WORD = re.compile(r"[\x21-\x7e]{8,4096}")
_GOES_ON = re.compile(
    r"""(?mx) = [^\S\n]* (?: "(?: [^"\\\n] | \\. )* | '(?: [^'\\\n] | \\. )* ) \\? $
    | ^ [^\S\n]* (?: export [^\S\n]+ )? '[^'\n]* $"""
)
"""A line of a .env with a quote that is not closed in it: its value, or its key, may end on another line."""
LOGIN = re.compile(r"://[^\s:@/]*:([^\s@]+)@")
"""The password in a URL."""


@dataclass(frozen=True)
class Location:
    """A version of a file that holds a value: its path within the checkout, and a commit, "" for the index."""

    path: str
    commit: str
    is_untracked: bool = False
    """Whether it is the file itself, which git neither has nor ignores."""

    @property
    def text(self) -> str:
        """The location in words."""
        if self.is_untracked:
            return f"{self.path}, which git does not ignore"
        return f"{self.path} in commit {self.commit}" if self.commit else f"{self.path}, staged for the next commit"


@dataclass(frozen=True, kw_only=True)
class GitHistory:
    """What git holds, by keyed fingerprint: no value is kept. `obstacle` says what was not read, "" for nothing."""

    key: bytes = field(repr=False)
    locations: dict[str, dict[str, Location]] = field(repr=False)
    """By fingerprint and path."""
    commits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By path of a named file the short ids of some commits that touch it, the newest first."""
    tracked: frozenset[str] = frozenset()
    """The paths of the named files that the index has."""
    encrypted: frozenset[str] = frozenset()
    """The paths of the named files of which every version is encrypted, by git-crypt, dotenvx or sops."""
    encrypted_by_git: frozenset[str] = frozenset()
    """Those of them that git-crypt encrypts as git adds them."""
    obstacle: str = ""

    @property
    def published(self) -> frozenset[str]:
        """The paths of the named files that git has, in the index or in a commit."""
        return self.tracked | self.commits.keys()

    def find(self, value: Masked) -> tuple[Location, ...]:
        """Where a value stands, or the password of a URL: one place of each file."""
        login, own = login_fingerprint(value, self.key), self.locations.get(fingerprint(value, self.key), {})
        return tuple((self.locations.get(login, {}) | own).values())


def _passwords(text: str) -> set[str]:
    """The passwords in a text's URLs, as they stand there and decoded."""
    return {each for login in LOGIN.findall(text) for each in (login, unquote(login))}


def holds_values(path: str) -> bool:
    """Whether a file's name says that it holds values: a .env, tfvars, a state, a saved plan or outputs."""
    return bool(_HOLDS_VALUES.search(path))


def read_history(root: Path, names: Sequence[str], without: Collection[str] = ()) -> GitHistory:
    """Read every version of some files, by their paths within a checkout, and of tracked files that hold values.

    Of others that hold values and that git does not ignore, but for the first of the names, what is in them now.

    `without` are paths to leave out, such as the template's.
    """
    key, locations = new_key(), defaultdict[str, dict[str, Location]](dict)
    versions = git.find_versions(root, names, lambda path: holds_values(path) and path not in without)
    prints: dict[str, str] = {}
    paths, plain, others = set[str](), set[str](), set[str]()
    problems: list[str] = []
    in_lfs = set[str]()
    # One version has most lines of the next: those of a file that were read are not read again.
    read = defaultdict[str, set[str]](set)
    for blob, raw in git.stream_blobs(root, versions.blobs[:MOST_BLOBS], LARGEST_BLOB, problems):
        if blob.path in names:
            paths.add(blob.path)
            if blob.path not in plain and not _is_encrypted(raw):
                plain.add(blob.path)
            if not raw.startswith(GIT_CRYPT):
                others.add(blob.path)
        if raw.startswith(LFS_POINTER):
            in_lfs.add(blob.path)
        for text in _texts(raw, read[blob.path]):
            print_ = prints.get(text) or prints.setdefault(text, text_fingerprint(text, key))
            locations[print_].setdefault(blob.path, Location(blob.path, blob.commit))
    untracked, unread = [path for path in versions.untracked if path not in {*names[:1], *without}], list[str]()
    for path, raw in _contents(root, untracked, unread):
        for text in _texts(raw, set()):
            locations[text_fingerprint(text, key)].setdefault(path, Location(path, "", is_untracked=True))
    left_out = len(versions.blobs) - MOST_BLOBS
    older = counted(left_out, "older version")
    many = f"{older} of files that hold values {'was' if left_out == 1 else 'were'} not read." if left_out > 0 else ""
    kept = listed(sorted(in_lfs), FILES_NAMED)
    elsewhere = f"Git LFS keeps versions of {kept}, which were not read: look there for your values." if kept else ""
    # The beginning of one that is too large was read.
    large = f"git does not ignore {listed(unread, FILES_NAMED)}, which could not be read, or not to its end."
    problem = " ".join(filter(None, (versions.obstacle, *problems, many, elsewhere, large if unread else "")))
    # Where git-crypt was not unlocked, git adds a file as it is.
    by_git = (path for path in paths - others if git.find_filter(root, path).startswith("git-crypt"))
    return GitHistory(
        key=key,
        locations=dict(locations),
        commits=versions.commits,
        tracked=versions.tracked,
        encrypted=frozenset() if problem else frozenset(paths - plain),
        encrypted_by_git=frozenset() if problem else frozenset(by_git),
        obstacle=" ".join(dict.fromkeys(filter(None, (problem, versions.unlisted)))),
    )


def _contents(root: Path, untracked: Iterable[str], unread: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the files that the next `git add` would take and whose names say that they hold values, as .env.local.

    The names of those that cannot be read, or not to their end, are added to `unread`.
    """
    for path in untracked:
        file = root / path
        # Of a link git has the target's name alone.
        if holds_values(path.rstrip("~")) and not file.is_symlink():
            try:
                raw = regular_file.read(file, LARGEST_BLOB)
            except FileNotFoundError:
                continue
            except OSError:
                unread.append(path)
                continue
            if len(raw) > LARGEST_BLOB:
                unread.append(path)
            yield path, raw


def _is_encrypted(raw: bytes) -> bool:
    """Whether a version of a .env has secrets, and each of them encrypted."""
    if raw.startswith(GIT_CRYPT):
        return True
    bindings = parse_stream(io.StringIO(raw.decode("utf-8", "replace")))
    values = [(each.key, each.value) for each in bindings if each.key and each.value]
    secrets = [value for name, value in values if is_secret(name) or LOGIN.search(value)]
    return bool(secrets) and all(map(ENCRYPTED.match, secrets))


def _texts(raw: bytes, read: set[str]) -> set[str]:
    """All that may be a value in a file: .env, HCL, JSON, a saved plan or the text of an output.

    Without what stands in lines that were `read`, which its own are added to.
    """
    texts: set[str] = set()
    for part in parts(raw):
        plain = part.decode("utf-8", "replace")
        if not _GOES_ON.search(plain):
            lines = [line for line in dict.fromkeys(plain.split("\n")) if line not in read]
            read.update(lines)
            plain = "\n".join(lines)
        texts.update(binding.value for binding in parse_stream(io.StringIO(plain)) if binding.value)
        for double, single in _QUOTED.findall(plain):
            texts.update((double, single, *_unescaped(double)))
        texts.update(text.strip("\"',") for text in _ASSIGNED.findall(plain))
        texts.update(_words(plain))
    texts |= {password for text in [*texts] for password in _passwords(text)}
    return {text for text in texts if len(text) >= SHORTEST}


def _unescaped(quoted: str, levels: int = _MOST_LEVELS) -> Iterator[str]:
    """Yield what a quoted text means, as a shell, JSON and HCL read it, and what is quoted in it.

    A state has a secret's document, and a task definition's containers, as one text of JSON.
    """
    if "\\" not in quoted or not levels:
        return
    yield quoted.replace('\\"', '"').replace("\\\\", "\\")
    try:
        text = json.loads(f'"{quoted}"', strict=False)
    except ValueError:
        return
    yield text
    for inner, _ in _QUOTED.findall(text):
        yield from (inner, *_unescaped(inner, levels - 1))


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        # In a saved plan the length of a text stands before it, and may be a letter.
        yield from (word, word[1:], word.strip("\"',;"))


_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError),
    *(NotImplementedError, RuntimeError, OSError),
)
"""What zipfile raises of an archive that is cut off, damaged, encrypted, or compressed in a way that it lacks."""


def parts(raw: bytes) -> Iterator[bytes]:
    """A file in UTF-8, or the beginning of each in it: a saved plan is a ZIP archive."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        # Windows PowerShell redirects output so.
        yield raw.decode("utf-16", "replace").encode()
    elif not raw.startswith(b"PK\x03\x04"):
        yield raw
    else:
        try:
            with zipfile.ZipFile(io.BytesIO(raw)) as archive:
                for each in archive.infolist():
                    with archive.open(each) as file:
                        yield file.read(LARGEST_BLOB)
        except _DAMAGED:
            yield raw
