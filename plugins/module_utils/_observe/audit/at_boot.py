# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the next boot loads of netfilter's rules."""

from __future__ import annotations

import fnmatch
from typing import Dict, Iterator, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.at_boot import (
    AtBoot,
    files_of,
    included,
    makes_rules,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.audit.units import UnitSeen
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host

_STARTED_BY_BOOT = ("enabled", "enabled-runtime", "generated", "alias")
# What else runs commands at a boot (interfaces(5), systemd-rc-local-generator(8)).
_SCRIPTS = ("/etc/rc.local", "/etc/network/interfaces")
_FOLDERS = ("/etc/network/interfaces.d", "/etc/network/if-pre-up.d", "/etc/network/if-up.d")
_DEEPEST = 8


def look(host: Host, services: Sequence[UnitSeen]) -> AtBoot:
    """Of the units of this host, which are none where systemd does not run it."""
    if not services:
        return AtBoot(told=False)
    files: Dict[str, Tuple[str, str]] = {}
    opaque = []
    for it in services:
        command = it.properties.get("ExecStart", "")
        if it.properties.get("UnitFileState") in _STARTED_BY_BOOT:
            for path in files_of(it.name, command):
                files.update({found: (it.name, text) for found, text in _with_included(host, path, left=_DEEPEST)})
            opaque += [it.name] if makes_rules(it.name, command) else []
    return AtBoot(files, (*opaque, *_scripts(host)))


def _with_included(host: Host, path: str, *, left: int) -> Iterator[Tuple[str, str]]:
    """The file and what it includes, by path; of a pattern the files of its folder that match (nft(8))."""
    text = host.read(path)
    if text is None or not left:
        return
    yield path, text
    for pattern in included(text):
        folder, _slash, name = pattern.rpartition("/")
        folder = folder or path.rpartition("/")[0]
        for found in fnmatch.filter(host.names_in(folder), name):
            yield from _with_included(host, f"{folder}/{found}", left=left - 1)


def _scripts(host: Host) -> Iterator[str]:
    """The scripts of a boot that make rules."""
    texts = {path: host.read(path) or "" for path in _SCRIPTS}
    for folder in _FOLDERS:
        texts.update(host.texts_with(folder, ""))
    yield from (path for path, text in texts.items() if makes_rules(path, text))
