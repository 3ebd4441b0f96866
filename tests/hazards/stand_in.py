# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that does what real ones do with their ports and privileges. It runs on a host.

Usage: stand_in.py OPTIONS, which are JSON: listen, a list of [address, port], and what else its rows in of_proofs.py
say. To each client it says "here" and its user ids. Only the standard library of Python 3.9.
"""

import ctypes
import errno
import json
import os
import pwd
import socket
import sys
import time

IP_FREEBIND = 15  # linux/in.h
SO_BINDTODEVICE = 25
PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4  # linux/prctl.h
CAP_NET_BIND_SERVICE = 10
SYS_CAPSET = 126  # of x86-64
CAPABILITY_VERSION_3 = 0x20080522
libc = ctypes.CDLL(None, use_errno=True)


def main():
    options = json.loads(sys.argv[1])
    if options.get("forks"):
        # As Type=forking asks it: what systemd started ends.
        if os.fork():
            os._exit(0)
        os.setsid()
        if options["forks"] == "two" and os.fork():
            time.sleep(86400)
    time.sleep(options.get("sleeps", 0))
    servers = [server for server in (bound(options, *where) for where in options["listen"]) if server]
    if not servers and options.get("stays"):
        time.sleep(86400)
    if options.get("master") and os.fork():
        time.sleep(86400)
    give_up(options.get("drops", ""))
    if options.get("becomes"):
        become(options["becomes"])
    serve(servers)


def bound(options, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = socket.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if options.get("freebind"):
        server.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    try:
        if options.get("device"):
            server.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, options["device"].encode())
        server.bind((address, port))
    except OSError as error:
        print(f"bind to port {port}: {error.strerror}", file=sys.stderr, flush=True)
        if options.get("stays"):
            return None
        sys.exit(error.errno if error.errno != errno.EACCES else 13)
    server.listen()
    return server


def give_up(what):
    if what == "bounding":
        require(libc.prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE, 0, 0, 0))
    if what == "ambient":
        require(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    if what in ("all", "bounding"):
        header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
        require(libc.syscall(SYS_CAPSET, header, (ctypes.c_uint32 * 6)()))


def require(outcome):
    if outcome:
        sys.exit(f"cannot give it up: {os.strerror(ctypes.get_errno())}")


def become(user):
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(*[entry.pw_gid] * 3)
    os.setresuid(*[entry.pw_uid] * 3)


def serve(servers):
    for server in servers[1:]:
        if not os.fork():
            servers = [server]
            break
    while True:
        client = servers[0].accept()[0]
        client.sendall(f"here {' '.join(map(str, os.getresuid()))}\n".encode())
        client.close()


if __name__ == "__main__":
    main()
