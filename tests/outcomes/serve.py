# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that does what real ones do. Only the standard library of Python 3.9.

Usage: serve.py [OPTION…] PORT…, each port also as [ADDRESS][@INTERFACE]:PORT. It answers each one with who it is.
  --drop SETS     give capabilities up once bound: 'all', 'ambient' or 'bounding' (capabilities(7))
  --become USER   be this user once bound, as a server does that is started as root
  --fork          go into the background once bound, as Type=forking wants
  --signal        bind on SIGUSR1
  --handed        take its sockets from systemd (sd_listen_fds(3))
  --share         set SO_REUSEPORT (socket(7))
  --range A-B     hold these UDP ports as well, and need none other
"""

import argparse
import contextlib
import ctypes
import os
import pwd
import select
import signal
import socket

# include/uapi/linux/prctl.h and capability.h
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _CLEAR_ALL, _VERSION_3 = 24, 47, 4, 0x20080522
_CAP_NET_BIND_SERVICE = 10
# include/uapi/linux/in.h
_IP_FREEBIND = 15
_LIBC = ctypes.CDLL(None, use_errno=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--drop", default="")
    parser.add_argument("--become", default="")
    for flag in ("fork", "handed", "signal", "share"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--range", default="")
    parser.add_argument("ports", nargs="*")
    options = parser.parse_args()
    first, _dash, last = options.range.partition("-")
    held = [datagrams(port) for port in range(int(first), int(last) + 1)] if last else []
    if options.signal:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        signal.sigwait([signal.SIGUSR1])
    listening = [listener(it, share=options.share) for it in options.ports]
    if options.handed:
        listening += [socket.socket(fileno=3 + it) for it in range(int(os.environ.get("LISTEN_FDS", "0")))]
    if options.become:
        become(options.become)
    if options.drop:
        drop(options.drop)
    if options.fork and os.fork():
        os._exit(0)
    while listening or held:
        for ready in select.select(listening, [], [])[0]:
            with ready.accept()[0] as connection:
                connection.settimeout(1)
                # What is not read by the end makes the kernel reset the connection.
                with contextlib.suppress(OSError):
                    connection.recv(100)
                    connection.sendall(f"uid {os.getuid()}\n".encode())


def listener(port, *, share):
    address, _colon, number = port.rpartition(":")
    address, _at, interface = address.partition("@")
    found = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(share))
    if ":" not in address:
        # An address that another host has now.
        found.setsockopt(socket.SOL_IP, _IP_FREEBIND, 1)
    if interface:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
    found.bind((address, int(number)))
    found.listen()
    return found


def datagrams(port):
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.bind(("", port))
    return found


def become(user):
    found = pwd.getpwnam(user)
    os.setgroups([])
    os.setresgid(found.pw_gid, found.pw_gid, found.pw_gid)
    os.setresuid(found.pw_uid, found.pw_uid, found.pw_uid)


def drop(sets):
    if sets == "ambient":
        done = _LIBC.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
    elif sets == "bounding":
        done = _LIBC.prctl(_PR_CAPBSET_DROP, _CAP_NET_BIND_SERVICE, 0, 0, 0)
    else:
        done = _LIBC.capset((ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)())
    # Who may not drop from the bounding set keeps it, as any server does.
    if done and sets != "bounding":
        raise OSError(ctypes.get_errno(), f"dropping {sets} capabilities")


if __name__ == "__main__":
    main()
