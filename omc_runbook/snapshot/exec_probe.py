"""The script that a look runs inside a container, and its answer: digests of variables, and never a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from omc_runbook.aws.execute import Refused, Why
from omc_runbook.masking import registry

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
"""Names of variables that a shell can have, and the only ones that stand in a command."""

NO_SHELL = re.compile(r"executable file not found|no such file or directory|not found|unable to start", re.IGNORECASE)

# No quote ' may stand in it: ECS splits the command's words, and these are one of them. A line's end within a value
# becomes \001, so that a line is a variable. A process's number is taken from its stat, which knows it best. What a
# process of another user began with, root reads as that user only, unless its container has SYS_PTRACE. Names alone
# are taken from a .env file.
_SCRIPT = r"""
m=@MARK; s=@SALT; w=" PATH @NAMES "
exec 2>/dev/null; echo "[$m"
t() { command -v "$1" >/dev/null; }
if t sha256sum; then h() { sha256sum; }
elif t openssl; then h() { openssl dgst -sha256; }
elif t shasum; then h() { shasum -a 256; }
elif t python3; then h() { python3 -c "import hashlib,sys;print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"; }
elif t perl; then h() { perl -MDigest::SHA=sha256_hex -e "undef \$/;print sha256_hex(<STDIN>)"; }
fi
if ! t h || ! t tr || ! t cat; then echo n; echo "$m]"; exit; fi
d() { tr "\n\000" "\001\n" | while IFS= read -r l || [ -n "$l" ]; do case "$w" in
*" ${l%%=*} "*) printf "$1 %s %s\n" "${l%%=*}" "$(printf %s "$s$l" | h)";; esac; done; }
d i </proc/self/environ
p=1; k=4
while [ $k -gt 0 ]; do k=$((k-1)); c=; read -r c </proc/$p/comm
case "$c" in *init|tini|catatonit|s6-svscan|pause|sh|ash|bash|dash) ;; *) break;; esac
read -r x </proc/$p/stat; o=${x%% *}; q=
for f in /proc/[0-9]*; do n=${f##*/}; { read -r x <$f/stat && read -r c <$f/comm; } || continue
set -- ${x##*) }; [ "$2" = $o ] && [ $n != $$ ] || continue
case "$c" in *ssm-*) continue;; esac
[ "${q:-$n}" -lt $n ] || q=$n; done
[ "$q" ] || break; p=$q; done
c=; read -r c </proc/$p/comm; echo "p $p $c"
read -r x </proc/$p/stat; set -- ${x##*) }; echo "t ${20} $(getconf CLK_TCK || echo 100)"
while read -r a b x; do [ "$a" = btime ] && echo "b $b"; done </proc/stat
u=; g=; while read -r a b x; do case $a in Uid:) u=$b;; Gid:) g=$b;; esac; done </proc/$p/status
r() { cat /proc/$p/environ && return; [ "$(id -u)" = 0 ] || return
chroot --userspec="$u:$g" / cat /proc/$p/environ && return
while IFS=: read -r a b x y; do [ "$x" = "$u" ] && su -s /bin/sh "$a" -c "cat /proc/$p/environ" && return
done </etc/passwd; }
r | d q
c=$(readlink /proc/$p/cwd || pwd); c=${c%/}
for f in "$c/.env" "${c%/*}/.env"; do [ -f "$f" ] && while read -r l || [ -n "$l" ]; do l=${l#export }; n=${l%%=*}
case "$w" in *" ${n%% *} "*) echo "f ${n%% *} $f";; esac; done <"$f"; done
echo "$m]"
"""

_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_MOST_WORDS = 200


@dataclass(frozen=True)
class ProbeResult:
    """What a container answered: digests by variable, of its environment and of the application's process."""

    pid: str
    name: str
    started: datetime | None
    injected: Mapping[str, str]
    process: Mapping[str, str]
    is_readable: bool
    """Whether the process's environment could be read at all."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths of the .env files that name a variable."""


def command(names: Iterable[str], salt: str, mark: str) -> str:
    """One command line for ECS Exec, which asks for these variables; `salt` and `mark` are hexadecimal digits.

    Raises ValueError for a name that no shell can have.
    """
    wanted = tuple(names)
    if not all(NAME.match(name) for name in wanted):
        raise ValueError("a variable's name has letters, digits and underscores only")
    script = _SCRIPT.strip().replace("@MARK", mark).replace("@SALT", salt).replace("@NAMES", " ".join(wanted))
    return f"sh -c '{script}'"


def read(text: str, mark: str) -> ProbeResult | Refused:
    """Take a container's answer apart, whatever stands around it in the session."""
    _, begins, rest = text.replace("\r", "").partition(f"[{mark}\n")
    body, ends, _ = rest.partition(f"{mark}]")
    if not begins or not ends:
        words = " ".join(registry.mask(text).split())[-_MOST_WORDS:]
        why: Why = "no-shell" if not begins and NO_SHELL.search(text) else "session"
        return Refused(why, words or "The session ended without an answer.")
    lines = [line.split(" ", 2) for line in body.splitlines() if " " in line or line == "n"]
    told = {line[0]: line[1:] for line in lines}
    if "n" in told:
        return Refused("no-tool", "The container has a shell, and no program that makes a SHA-256 digest.")
    process = dict(_digests(lines, "q"))
    return ProbeResult(
        pid=told.get("p", ["?"])[0],
        name=" ".join(told.get("p", ["", ""])[1:]),
        started=_started(told.get("t", []), told.get("b", [])),
        injected=dict(_digests(lines, "i")),
        process=process,
        is_readable=bool(process),
        files={line[1]: line[2] for line in reversed(lines) if line[0] == "f" and len(line) == 3},
    )


def _digests(lines: Iterable[list[str]], kind: str) -> Iterator[tuple[str, str]]:
    for line in lines:
        found = _DIGEST.search(line[-1]) if line[0] == kind and len(line) == 3 else None
        if found:
            yield line[1], found.group()


def _started(ticks: list[str], booted: list[str]) -> datetime | None:
    """When a process began: the machine's boot, in seconds since 1970, and ticks of the clock since."""
    numbers = [*ticks, *booted]
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers) or not int(ticks[1]) or not int(booted[0]):
        return None
    return datetime.fromtimestamp(int(booted[0]) + int(ticks[0]) / int(ticks[1]), UTC)
