"""The script that is run inside a container, and its output: digests of variables, never a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from omc_runbook.aws.execute import ExecFailure, FailureKind
from omc_runbook.masking import registry
from omc_runbook.masking.strength import STRONG

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
"""Valid names of shell variables, the only ones that appear in a command."""

NO_SHELL = re.compile(r"no such file or directory|not found|unable to start", re.IGNORECASE)

# It must not contain a quote ', because ECS splits the command and the script is one argument. A newline within a value
# becomes \001, so that each variable is one line. What the process has as it was injected is not digested again: `=`
# stands for it. A session may be logged, and a weak value can be guessed from its digest: so each digest is keyed by
# another variable's strong value, which no log has; without one, `-` stands for each. A process's id is read from
# its stat file. Without SYS_PTRACE, root can read another user's initial environment only as that user. Of a .env file
# only names are read. All is printed at once, because each piece is a message that has to be acknowledged. Where a
# task's containers share their processes (pidMode), number 1 is ECS's own, and those of this container are in the
# cgroups of the script, all of them: a hierarchy that is not split has one for everybody.
_SCRIPT = r"""
m=@MARK; s=@SALT; w=" PATH @NAMES "; v=@KEY
exec 2>/dev/null
t() { command -v "$1" >/dev/null; }
if t sha256sum; then h() { exec sha256sum; }
elif t openssl; then h() { exec openssl dgst -sha256; }
elif t shasum; then h() { exec shasum -a 256; }
elif t python3; then h() {
exec python3 -c "import hashlib,sys;print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"; }
elif t perl; then h() { exec perl -MDigest::SHA=sha256_hex -e "undef \$/;print sha256_hex(<STDIN>),\"\n\""; }
fi
z() {
if ! t h || ! t tr || ! t cat; then echo n; return; fi
y=$({ cat; echo; } </proc/self/environ | tr "\n\000" "\001\n" | while IFS= read -r l; do
[ "${l%%=*}" = "$v" ] && printf %s "$l"; done)
[ ${#y} -gt $((${#v}+@SHORTEST)) ] || y=-
d() { k=i; tr "\n\000" "\001\n" | while IFS= read -r l || [ -n "$l" ]; do n=${l%%=*}
[ "$l" = "=$m" ] && k=q
case "$w" in *" $n "*) ;; *) continue;; esac
if [ $k = i ]; then eval "_$m$n=\$l"; elif eval "[ \"\$l\" = \"\$_$m$n\" ]"; then echo "q $n ="; continue; fi
[ "$y" = - ] && echo "$k $n -" && continue
x=$y; [ "$n" = "$v" ] && x=
printf "$k %s " "$n"; printf %s "$s$x$l" | h || echo; done; }
p=1; k=4; e=$(cat /proc/self/cgroup); [ "$(cat /proc/1/cgroup)" != "$e" ] || e=-
while [ $k -gt 0 ]; do k=$((k-1)); c=; read -r c </proc/$p/comm
case "$c" in *init|tini|catatonit|s6-svscan|pause|sh|ash|bash|dash) ;; *) break;; esac
read -r x </proc/$p/stat; o=${x%% *}; q=; a=$c
for f in /proc/[0-9]*; do n=${f##*/}; { read -r x <$f/stat && read -r c <$f/comm; } || continue
set -- ${x##*) }; [ $n != $$ ] && [ $n != $p ] || continue
if [ "$a" = pause ]; then [ $2 -le 1 ] && [ "$(cat $f/cgroup)" = "$e" ]; else [ "$2" = $o ]; fi || continue
case "$c" in *ssm-*) continue;; esac
[ "${q:-$n}" -lt $n ] || q=$n; done
[ "$q" ] || break; p=$q; done
c=; read -r c </proc/$p/comm; echo "p $p $c"
read -r x </proc/$p/stat; set -- ${x##*) }; echo "t ${20} $(getconf CLK_TCK || echo 100)"
while read -r a b x; do [ "$a" = btime ] && echo "b $b"; done </proc/stat
u=; g=; while read -r a b x; do case $a in Uid:) u=$b;; Gid:) g=$b;; esac; done </proc/$p/status
r() { [ "$c" = pause ] && return; cat /proc/$p/environ && return; [ "$(id -u)" = 0 ] || return
chroot --userspec="$u:$g" / cat /proc/$p/environ && return
while IFS=: read -r a b x y; do [ "$x" = "$u" ] && su -s /bin/sh "$a" -c "cat /proc/$p/environ" && return
done </etc/passwd; }
{ cat; printf "=$m\000"; r; } </proc/self/environ | d
c=$(readlink /proc/$p/cwd || pwd); c=${c%/}
for f in "$c/.env" "${c%/*}/.env"; do [ -f "$f" ] && while read -r l || [ -n "$l" ]; do l=${l#export }; n=${l%%=*}
case "$w" in *" ${n%% *} "*) echo "f ${n%% *} $f";; esac; done <"$f"; done; }
o=$(z); printf "[$m\n%s\n$m]\n" "$o"
"""

WITHHELD = "-"
"""Begins what stands for a digest that was not sent."""
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_LONGEST_MESSAGE = 200


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The script's output: digests by variable, of the container's environment and of the application's process."""

    pid: str
    name: str
    started: datetime | None
    injected: Mapping[str, str]
    process: Mapping[str, str]
    is_readable: bool
    """Whether the process's environment could be read."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Paths of .env files that set a variable, by variable."""


def command(names: Iterable[str], salt: str, mark: str, key: str) -> str:
    """The command line for ECS Exec that reads these variables; `salt` and `mark` are hexadecimal digits.

    `mark` delimits the script's output. `key` is the variable whose value the others' digests are keyed with, "" for
    none: then only whether they are there is read. Raises ValueError for an invalid name of a variable.
    """
    variables = tuple(names)
    if not all(NAME.match(name) for name in (*variables, *filter(None, (key,)))):
        raise ValueError("a variable's name has letters, digits and underscores only")
    script = _SCRIPT.strip().replace("@MARK", mark).replace("@SALT", salt).replace("@NAMES", " ".join(variables))
    script = script.replace("@KEY", key).replace("@SHORTEST", str(STRONG))
    return f"sh -c '{script}'"


def read(text: str, mark: str) -> ProbeResult | ExecFailure:
    """Parse the script's output, which is between two marks in the session's output."""
    _, begins, rest = text.replace("\r", "").partition(f"[{mark}\n")
    body, ends, _ = rest.partition(f"{mark}]")
    if not begins or not ends:
        message = " ".join(registry.mask(text).split())[-_LONGEST_MESSAGE:]
        kind: FailureKind = "no-shell" if not begins and NO_SHELL.search(text) else "session"
        return ExecFailure(kind, message or "The session ended without output.")
    lines = [line.split(" ", 2) for line in body.splitlines() if " " in line or line == "n"]
    fields = {line[0]: line[1:] for line in lines}
    if "n" in fields:
        return ExecFailure("no-tool", "The container has a shell, but no program that computes a SHA-256 digest.")
    injected = _digests(lines, "i", {})
    process = _digests(lines, "q", injected)
    return ProbeResult(
        pid=fields.get("p", ["?"])[0],
        name=" ".join(fields.get("p", ["", ""])[1:]),
        started=_started(fields.get("t", []), fields.get("b", [])),
        injected=injected,
        process=process,
        is_readable=bool(process),
        files={line[1]: line[2] for line in reversed(lines) if line[0] == "f" and len(line) == 3},
    )


def _digests(lines: Iterable[list[str]], kind: str, injected: Mapping[str, str]) -> dict[str, str]:
    digests: dict[str, str] = {}
    for line in lines:
        if line[0] != kind or len(line) != 3:
            continue
        name, found = line[1], _DIGEST.search(line[2])
        if found:
            digests[name] = found.group()
        elif line[2] == "=" and name in injected:
            digests[name] = injected[name]
        elif line[2] == WITHHELD:
            # What the process has is another value: that is known without a digest.
            digests[name] = f"{WITHHELD}{kind}"
    return digests


def _started(ticks: list[str], booted: list[str]) -> datetime | None:
    """When a process started: the boot time in seconds since 1970, plus clock ticks."""
    numbers = [*ticks, *booted]
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers) or not int(ticks[1]) or not int(booted[0]):
        return None
    return datetime.fromtimestamp(int(booted[0]) + int(ticks[0]) / int(ticks[1]), UTC)
