# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds every grant for privileged ports on a host, whoever made it."""

from __future__ import annotations

from typing import Iterator, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._apply import authbind_files
from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import BYUID, FOLDERS
from ansible_collections.netbind.privport.plugins.module_utils._core.capability.text import (
    CAP_NET_BIND_SERVICE,
    format_text,
    parse_xattr,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import CAPABILITY
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_show
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import units
from ansible_collections.netbind.privport.plugins.module_utils._observe.network import unprivileged_port_start

_KERNEL_DEFAULT = 1024
# File systems without programs, or whose programs lie somewhere else (/proc/mounts, third field).
_VIRTUAL = (
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "devpts",
    "mqueue",
    "debugfs",
    "tracefs",
    "securityfs",
    "bpf",
    "autofs",
)
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "glusterfs", "afs")


class Grant(NamedTuple):
    """mechanism: setcap, ambient, authbind or sysctl; subject: the file, unit or setting; detail: what it holds."""

    mechanism: str
    subject: str
    detail: str


def scan(host: Host) -> tuple[Grant, ...]:
    """Every grant on the host, sorted. Network file systems are left out."""
    return tuple(
        sorted((*_files(host), *_units(host), *_rules(host), *_sysctl(host)), key=lambda it: (it.mechanism, it.subject))
    )


def _files(host: Host) -> Iterator[Grant]:
    skipped = {line.split()[1] for line in (host.read("/proc/mounts") or "").splitlines() if _skips(line.split()[2])}
    for path in host.regular_files(skipped=skipped):
        detail = _held(host.capability(path))
        if detail:
            # JSON has no bytes: what is no text in a name is shown escaped.
            yield Grant(mechanism="setcap", subject=path.encode("utf-8", "backslashreplace").decode(), detail=detail)


def _skips(kind: str) -> bool:
    return kind in _VIRTUAL or kind in _NETWORK


def _held(value: bytes | None) -> str:
    """A file's capabilities when they hold the one that binds ports, '' otherwise."""
    try:
        held = parse_xattr(value or b"")
    except UnknownFormat:
        return ""
    return format_text(held) if CAP_NET_BIND_SERVICE in held.named else ""


def _units(host: Host) -> Iterator[Grant]:
    if units.systemd_version(host) is None:
        return
    for properties in parse_show(host.show_units(["*.service"], ("Id", "AmbientCapabilities")).text):
        held = properties.get("AmbientCapabilities", "")
        if CAPABILITY in held.split():
            yield Grant(mechanism="ambient", subject=properties["Id"], detail=held)


def _rules(host: Host) -> Iterator[Grant]:
    for path, rule in authbind_files.read_rules(host).items():
        if path in (*FOLDERS, BYUID):
            continue
        owner = f"{host.user_name(rule.uid)}:{host.group_name(rule.gid)} {rule.mode:04o}"
        lines = " ".join(rule.content.split())
        yield Grant(mechanism="authbind", subject=path, detail=f"{owner} {lines}".strip())


def _sysctl(host: Host) -> Iterator[Grant]:
    start = unprivileged_port_start(host)
    if start is not None and start < _KERNEL_DEFAULT:
        yield Grant(
            mechanism="sysctl",
            subject="net.ipv4.ip_unprivileged_port_start",
            detail=f"{start}: open to every user from there",
        )
