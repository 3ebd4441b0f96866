# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""bind.py tcp|udp ADDRESS PORT: prints 'bound' or the name of the error."""

from __future__ import annotations

import errno
import socket
import sys

protocol, address, port = sys.argv[1:]
kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}[protocol]
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as bound:
    try:
        bound.bind((address, int(port)))
        print("bound")
    except OSError as failure:
        print(errno.errorcode[failure.errno or 0])
