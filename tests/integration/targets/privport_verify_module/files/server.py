# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that listens as it is told: see its options."""

from __future__ import annotations

import argparse
import ctypes
import socket
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("port", type=int)
parser.add_argument("--udp", action="store_true")
parser.add_argument("--protocol", type=int, default=0)
parser.add_argument("--address", default="0.0.0.0")
parser.add_argument("--v6only", type=int, default=0)
parser.add_argument("--device")
parser.add_argument("--delay", type=float, default=0)
parser.add_argument("--name")
parser.add_argument("--thread", type=lambda mask: int(mask, 16), help="capabilities that a second thread keeps, as hex")
options = parser.parse_args()


def keep(capabilities: int) -> None:
    """Give up all other capabilities in this thread alone: capset(2), version 3 of linux/capability.h."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)(capabilities, capabilities, capabilities, 0, 0, 0)
    if ctypes.CDLL(None, use_errno=True).capset(header, data):
        raise OSError(ctypes.get_errno(), "capset")


def live_with(capabilities: int) -> None:
    keep(capabilities)
    time.sleep(9999)


if options.name:
    with open("/proc/self/comm", "w") as comm:
        comm.write(options.name)
time.sleep(options.delay)
family = socket.AF_INET6 if ":" in options.address else socket.AF_INET
kind = socket.SOCK_DGRAM if options.udp else socket.SOCK_STREAM
with socket.socket(family, kind, options.protocol) as server:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, options.v6only)
    if options.device:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, options.device.encode())
    server.bind((options.address, options.port))
    if options.thread is not None:
        threading.Thread(target=live_with, args=(options.thread,), daemon=True).start()
    if options.udp:
        while True:
            server.recv(1)
    server.listen()
    while True:
        server.accept()[0].close()
