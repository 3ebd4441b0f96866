# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A unit that binds another unit's ports in its stead, for a moment: what that one would meet when it starts."""

from __future__ import annotations

import errno
import re
from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import parse_unit_file

# What decides about bind(2) in systemd.exec(5) and systemd.resource-control(5). What a unit sees of the file system
# decides about its program alone, and some of it is made by the start of the unit itself.
_DECIDING = re.compile(
    "User|Group|SupplementaryGroups|DynamicUser|AmbientCapabilities|CapabilityBoundingSet|SecureBits|NoNewPrivileges"
    "|Private(Users|UsersEx|Devices|Network)|NetworkNamespacePath|UserNamespacePath|DelegateNamespaces"
    "|Protect(KernelTunables|KernelModules|KernelLogs|Clock|Hostname|ControlGroups)"
    "|Restrict(AddressFamilies|Namespaces|Realtime|SUIDSGID)|SystemCall(Filter|Architectures|ErrorNumber|Log)"
    "|MemoryDenyWriteExecute|LockPersonality|SocketBind(Allow|Deny)|AppArmorProfile|SELinuxContext"
)
# The exit status is this and the errno, so that it is none of Python's own.
FIRST_STATUS = 10
# From here on they are those of shells and of systemd (systemd.exec(5), "Process Exit Codes").
_NO_ERRNO = 126
# On all addresses, for the unit may be started where the host has its own: bind(2) looks for the address first.
_BINDS = f"""
import errno, socket, sys
def bind(port, kind):
 for family, address in ((socket.AF_INET6, '::'), (socket.AF_INET, '0.0.0.0')):
  try:
   with socket.socket(family, kind) as one: one.bind((address, port))
  except OSError as failure:
   if failure.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL): continue
   if failure.errno != errno.EADDRINUSE: sys.exit({FIRST_STATUS} + failure.errno)
  return
 sys.exit({FIRST_STATUS} + errno.EAFNOSUPPORT)
for word in sys.argv[1:]:
 numbers, _, protocol = word.partition('/')
 first, _, last = numbers.partition('-')
 for port in range(int(first), int(last or first) + 1):
  bind(port, socket.SOCK_DGRAM if protocol == 'udp' else socket.SOCK_STREAM)
"""


def outcome_of(result: str, status: int) -> str:
    """What Result= and ExecMainStatus= of the unit mean: '' for success, else the name of an errno.

    Where the program ended otherwise, as by a signal, whose number is no status, it is a text that is no errno's name.
    """
    if result == "success":
        return ""
    if result != "exit-code":
        return f"{result}, status {status}"
    told = f"status {status}"
    return errno.errorcode.get(status - FIRST_STATUS, told) if status < _NO_ERRNO else told


def trial_unit(files: Sequence[str], *, command: Sequence[str], ports: Sequence[str]) -> str:
    """The text of the unit: files are the other's, in systemd's order, and command starts a Python there.

    ports: as a description writes them, such as '443/udp' and '5000-6000'.
    """
    settings = [
        f"{it.key}={it.value}"
        for text in files
        for it in parse_unit_file(text)
        if it.section == "Service" and _DECIDING.fullmatch(it.key)
    ]
    script = _BINDS.strip().replace("\n", "\\n")
    lines = [
        "[Unit]",
        "Description=Whether a service of netbind.privport may bind its ports",
        "[Service]",
        *settings,
        "Type=oneshot",
        "TimeoutStartSec=20",
        f'ExecStart={" ".join(command)} -I -S -c "{script}" {" ".join(ports)}',
    ]
    return "\n".join(lines) + "\n"
