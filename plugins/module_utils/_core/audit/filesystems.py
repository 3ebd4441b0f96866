# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file systems a scan walks, by /proc/self/mountinfo alone: a dead network mount blocks whoever touches it."""

from __future__ import annotations

import re
from typing import Iterator, NamedTuple, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Skipped

# Without a device, and yet with files of this machine's own.
_LOCAL = ("tmpfs", "overlay", "zfs", "btrfs", "bcachefs", "ubifs", "aufs", "fuse.fuse-overlayfs", "ramfs", "rootfs")
# What the kernel makes up holds no programs, and nobody misses it in a scan.
_MADE_UP = frozenset(
    (
        *("proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs", "mqueue", "debugfs", "tracefs", "securityfs"),
        *("bpf", "autofs", "configfs", "fusectl", "hugetlbfs", "pstore", "efivarfs", "binfmt_misc", "rpc_pipefs"),
        *("nsfs", "selinuxfs", "fuse.lxcfs", "fuse.portal", "fuse.gvfsd-fuse"),
    )
)


class Mount(NamedTuple):
    """A line of mountinfo: the device, the folder of it that is mounted, where, and the kind of file system."""

    device: str
    root: str
    path: str
    kind: str
    options: Tuple[str, ...]


class Walk(NamedTuple):
    """The folders at which a scan begins, the mounts at which it ends, and what it leaves out."""

    tops: Tuple[Mount, ...]
    ends: Tuple[str, ...]
    skipped: Tuple[Skipped, ...]


def parse_mountinfo(text: str) -> Tuple[Mount, ...]:
    """The mounts that can be reached, in the order in which they were made (proc_pid_mountinfo(5)).

    A line that is unlike the others is left out. Of two mounts at one path the later one hides the other.
    """
    found: dict[str, Mount] = {}
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if dash and len(fields) >= 6:
            mount = Mount(fields[2], _decoded(fields[3]), _decoded(fields[4]), kinds[0], tuple(fields[5].split(",")))
            found.pop(mount.path, None)
            found[mount.path] = mount
    return tuple(found.values())


def _decoded(field: str) -> str:
    """mountinfo has blanks, tabs, newlines and backslashes as octal numbers; bytes that are no text stay surrogates."""
    raw = field.encode(errors="surrogateescape")
    plain = re.sub(rb"\\([0-7]{3})", lambda it: bytes([int(it[1], 8) & 0xFF]), raw)
    return plain.decode(errors="surrogateescape")


def walk_of(mounts: Sequence[Mount], *, filesystems: str) -> Walk:
    """What to walk, each file system once; filesystems is the text of /proc/filesystems."""
    with_device = {line.strip() for line in filesystems.splitlines() if not line.startswith("nodev")}
    local = [it for it in mounts if it.kind in with_device or it.kind in _LOCAL]
    tops = tuple(it for it in local if not _is_seen_elsewhere(it, local))
    return Walk(tops=tops, ends=tuple(it.path for it in mounts), skipped=tuple(_skipped(mounts, local)))


def _is_seen_elsewhere(mount: Mount, others: Sequence[Mount]) -> bool:
    """Whether another mount shows the same files, and more: of equal ones the first is walked (bind mounts)."""
    for it in others:
        if it.device == mount.device and it.kind == mount.kind and it is not mount:
            wider = mount.root != it.root and f"{mount.root.rstrip('/')}/".startswith(f"{it.root.rstrip('/')}/")
            if wider or (mount.root == it.root and others.index(it) < others.index(mount)):
                return True
    return False


def _skipped(mounts: Sequence[Mount], local: Sequence[Mount]) -> Iterator[Skipped]:
    for it in mounts:
        if it not in local and it.kind not in _MADE_UP:
            yield Skipped(it.path, f"file system of type {it.kind}, whose files are not known to be of this host")
