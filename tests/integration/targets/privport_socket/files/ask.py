"""Prints what answers to each of the words PROTOCOL/ADDRESS/PORT, or the error's name."""

import errno
import socket
import sys

for word in sys.argv[1:]:
    protocol, address, port = word.split("/")
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as client:
        client.settimeout(1)
        try:
            client.connect((address, int(port)))
            client.send(b"who?")
            print(client.recv(100).decode())
        except OSError as failure:
            print(errno.errorcode.get(failure.errno, "timeout"))
