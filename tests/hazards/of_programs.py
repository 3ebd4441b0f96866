# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hazards of the program's file, and the files."""

from __future__ import annotations

from typing import Dict, Tuple

from .hazard import Hazard, Program

NET_RAW = "0100000200200000000000000000000000000000"
BIND = "0100000200040000000000000000000000000000"
BIND_PERMITTED = "0000000200040000000000000000000000000000"
BIND_FOREIGN = "0100000300040000000000000000000000000000e8030000"
NET_RAW_PERMITTED = "0000000200200000000000000000000000000000"
NET_RAW_INHERITABLE = "0000000200000000002000000000000000000000"
NOTHING = "00000002" + 16 * "00"

PROGRAMS: Dict[str, Program] = {
    "plain": Program(),
    "python3": Program(mode=0o750, group="www-data"),
    "script": Program(kind="script"),
    "static": Program(kind="static"),
    "go": Program(kind="caddy"),
    "env": Program(kind="env"),
    "nosuid": Program(mount="tmpfs nosuid"),
    "tmpfs": Program(mount="tmpfs rw"),
    "read-only": Program(mount="tmpfs ro"),
    "ramfs": Program(mount="ramfs rw"),
    "immutable": Program(immutable=True),
    "baked": Program(mount="tmpfs ro", xattr=BIND),
    "setuid-root": Program(mode=0o4755),
    "setuid-other": Program(mode=0o4755, owner="daemon"),
    "setgid-other": Program(mode=0o2755, group="daemon"),
    "setuid-own": Program(mode=0o6755, owner="www-data", group="www-data"),
    "net_raw": Program(xattr=NET_RAW),
    "net_raw-p": Program(xattr=NET_RAW_PERMITTED),
    "net_raw-i": Program(xattr=NET_RAW_INHERITABLE),
    "empty": Program(xattr=NOTHING),
    "own": Program(xattr=BIND),
    "permitted": Program(xattr=BIND_PERMITTED),
    "foreign": Program(xattr=BIND_FOREIGN),
    "interpreter-net_raw": Program(xattr=NET_RAW),
    "script-net_raw": Program(kind="script", interpreter="interpreter-net_raw"),
    "interpreter-empty": Program(xattr=NOTHING),
    "script-empty": Program(kind="script", interpreter="interpreter-empty"),
    "interpreter-own": Program(xattr=BIND),
    "script-own": Program(kind="script", interpreter="interpreter-own"),
    "interpreter-setuid": Program(mode=0o4755),
    "script-setuid": Program(kind="script", interpreter="interpreter-setuid"),
    "script-env": Program(kind="script", interpreter="/usr/bin/env python3"),
    "script-env-lost": Program(kind="script", interpreter="/usr/bin/env no-such-program"),
    "wrapper": Program(kind="wrapper"),
    "baked-empty": Program(mount="tmpfs ro", xattr=NOTHING),
    "immutable-own": Program(immutable=True, xattr=BIND),
    "writable": Program(mode=0o777),
    "writable-folder": Program(folder_mode=0o777),
    "shared": Program(kind="python"),
    "behind-sh": Program(),
    "behind-env": Program(),
    "behind-shell": Program(),
    "behind-true": Program(),
    "static-sh": Program(kind="static"),
    "noexec": Program(mount="tmpfs noexec"),
    "noexec-script": Program(kind="script", mount="tmpfs noexec"),
    "script-noexec": Program(kind="script", interpreter="noexec"),
    "closed-folder": Program(folder_mode=0o700),
    "closed-file": Program(mode=0o700),
    "no-x": Program(mode=0o644),
    "group-file": Program(mode=0o710, group="www-data"),
    "daemon-file": Program(mode=0o710, group="daemon"),
    "home": Program(place="/home"),
    "tmp": Program(place="/tmp"),
    "script-lost": Program(kind="script", interpreter="/nowhere/python3"),
    **{
        f"script-{depth}": Program(kind="script", interpreter=f"script-{depth - 1}" if depth > 2 else "script")
        for depth in range(2, 7)
    },
    "text": Program(kind="text"),
    "foreign-machine": Program(kind="foreign machine"),
    "lost-loader": Program(kind="lost loader"),
    "origin": Program(kind="origin"),
    "root": Program(kind="static"),
    "covering": Program(),
    "covered": Program(),
}

HAZARDS: Tuple[Hazard, ...] = (
    Hazard(name="a private copy of python3", program="python3"),
    Hazard(name="script (#!)", program="script"),
    Hazard(name="script of an interpreter with cap_net_raw=ep", program="script-net_raw"),
    Hazard(name="script of an interpreter with an empty security.capability", program="script-empty"),
    Hazard(name="script of an interpreter with cap_net_bind_service=ep", program="script-own"),
    Hazard(name="script of a set-user-ID interpreter", program="script-setuid"),
    Hazard(name="script of /usr/bin/env", program="script-env"),
    Hazard(name="script of /usr/bin/env and a program that is not there", program="script-env-lost"),
    Hazard(name="shell script that starts the server", program="wrapper"),
    Hazard(name="static ELF", program="static"),
    Hazard(name="Go (caddy)", program="go", hosts=("bookworm", "trixie")),
    Hazard(name="on a tmpfs", program="tmpfs"),
    Hazard(name="on a nosuid mount", program="nosuid"),
    Hazard(name="on a read-only mount", program="read-only"),
    Hazard(name="on a read-only mount, has cap_net_bind_service=ep", program="baked"),
    Hazard(name="on a ramfs, which has no attributes", program="ramfs"),
    Hazard(name="on a read-only mount, has an empty security.capability", program="baked-empty"),
    Hazard(name="immutable file", program="immutable"),
    Hazard(name="immutable file, has cap_net_bind_service=ep", program="immutable-own"),
    Hazard(name="on a noexec mount", program="noexec"),
    Hazard(name="script (#!) on a noexec mount", program="noexec-script"),
    Hazard(name="script of an interpreter on a noexec mount", program="script-noexec"),
    Hazard(name="in a folder of mode 0700", program="closed-folder"),
    Hazard(name="of mode 0700", program="closed-file"),
    Hazard(name="of mode 0644", program="no-x"),
    Hazard(name="of mode 0710 and the user's group", program="group-file"),
    Hazard(name="of mode 0710 and another group", program="daemon-file"),
    Hazard(name="of mode 0710 and a group of Group=", program="daemon-file", settings=("Group=daemon",)),
    Hazard(
        name="of mode 0710 and the user's group, under another Group=", program="group-file", settings=("Group=daemon",)
    ),
    Hazard(
        name="of mode 0710 and a group of SupplementaryGroups=",
        program="daemon-file",
        settings=("SupplementaryGroups=daemon",),
    ),
    Hazard(name="script without its interpreter", program="script-lost"),
    Hazard(name="script of a script", program="script-2"),
    Hazard(name="script of a script, five deep", program="script-5"),
    Hazard(name="script of a script, six deep", program="script-6"),
    Hazard(name="text without #!", program="text"),
    Hazard(name="ELF of another machine", program="foreign-machine"),
    Hazard(name="ELF without its loader", program="lost-loader"),
    Hazard(name="ELF that finds a library beside itself ($ORIGIN)", program="origin"),
    Hazard(name="everyone may write the file", program="writable", unsafe=("setcap",)),
    Hazard(name="everyone may write in its folder", program="writable-folder", unsafe=("setcap",)),
    Hazard(name="python3 that everyone may execute", program="shared", unsafe=("setcap",)),
    Hazard(name="set-user-ID root", program="setuid-root"),
    Hazard(name="set-user-ID to another user", program="setuid-other"),
    Hazard(name="set-group-ID to another group", program="setgid-other"),
    Hazard(name="set-user-ID to the unit's own user", program="setuid-own"),
    Hazard(name="has cap_net_raw=ep", program="net_raw"),
    Hazard(name="has cap_net_raw=p", program="net_raw-p"),
    Hazard(name="has cap_net_raw=i", program="net_raw-i"),
    Hazard(name="has an empty security.capability", program="empty"),
    Hazard(name="has cap_net_bind_service=ep", program="own"),
    Hazard(name="has cap_net_bind_service=p", program="permitted"),
    Hazard(name="has cap_net_bind_service=ep of another root id", program="foreign", unsafe=("setcap",)),
)
