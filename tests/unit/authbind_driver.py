# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the real authbind-helper; run as root in mount and network namespaces of its own.

Each line of standard input is a case: {"rules": [[path, uid, gid, mode, content, acl]…], "uid", "gids", "port",
"address"}; content null makes a folder, acl is system.posix_acl_access in hexadecimal.
Each line of standard output is the helper's exit status, an errno.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
from typing import Any, Dict, List

ROOT = "/etc/authbind"
HELPER = "/usr/lib/authbind/helper"


def prepare() -> None:
    """Hide the machine's rules and make bind() to low ports a privilege, which a new network namespace does."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", ROOT], check=True)
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
        assert file.read().strip() == "1024"


def write_rules(rules: List[List[Any]]) -> None:
    os.chmod(ROOT, 0o755)
    for entry in os.listdir(ROOT):
        shutil.rmtree(os.path.join(ROOT, entry))
    for folder in ("byport", "byaddr", "byuid"):
        os.mkdir(os.path.join(ROOT, folder))
        os.chmod(os.path.join(ROOT, folder), 0o755)
    for path, uid, gid, mode, content, acl in rules:
        if content is not None:
            with open(path, "wb") as file:
                file.write(base64.b64decode(content))
        os.chown(path, uid, gid)
        os.chmod(path, mode)
        if acl:
            os.setxattr(path, "system.posix_acl_access", bytes.fromhex(acl))


def ask(case: Dict[str, Any]) -> int:
    version = socket.AF_INET6 if ":" in case["address"] else socket.AF_INET
    packed = socket.inet_pton(version, case["address"])
    if version == socket.AF_INET6:
        arguments = [packed.hex(), socket.htons(case["port"]).to_bytes(2, "big").hex(), "6"]
    else:
        # libauthbind prints the network-order words as host integers.
        number = int.from_bytes(packed, sys.byteorder)
        arguments = [f"{number:08x}", socket.htons(case["port"]).to_bytes(2, "big").hex()]
    with socket.socket(version, socket.SOCK_STREAM) as bound:
        return subprocess.run(
            [HELPER, *arguments],
            stdin=bound.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=lambda: become(case["uid"], case["gids"]),
            timeout=10,
            check=False,
        ).returncode


def become(uid: int, gids: List[int]) -> None:
    os.setgroups(gids)
    os.setresgid(gids[0], gids[0], gids[0])
    os.setresuid(uid, uid, uid)


def main() -> None:
    prepare()
    for line in sys.stdin:
        case = json.loads(line)
        write_rules(case["rules"])
        print(ask(case), flush=True)


if __name__ == "__main__":
    main()
