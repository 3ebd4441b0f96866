# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The init script of socat(1) as a forwarder, for hosts whose sysv-rc starts such scripts and not systemd."""

from __future__ import annotations

import hashlib
import re
from typing import Optional

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    SCRIPT_FOLDER,
    heading,
    script_word,
)

# Users whom nobody else is: systemd takes those of DynamicUser= from here (UIDs-GIDs.md of systemd).
_FIRST_USER, _LAST_USER = 61184, 65519

# setpriv(1) binds nothing itself: what it leaves socat with is the capability alone. start-stop-daemon(8) looks for
# the program of --exec, and is back before that has bound its port. A connection is a child of socat's in its process
# group, which proc_pid_stat(5) has as the fifth field.
_SCRIPT = """\
#!/bin/sh
{heading}
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $network $remote_fs
# Required-Stop:     $network $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Port {port} forwarded to {backend}
### END INIT INFO

PATH=/usr/sbin:/usr/bin:/sbin:/bin
pid_file=/run/{name}.pid

runs() {{
    start-stop-daemon --status --pidfile "$pid_file" --exec {program}
}}

listens() {{
    grep -Eqs ': [0-9A-F]+:{port:04X} 0+:0000 0A ' /proc/net/tcp /proc/net/tcp6
}}

start() {{
    runs && return 0
    start-stop-daemon --start --quiet --background --make-pidfile --pidfile "$pid_file" \\
        --chdir / --umask 077 --exec {program} --startas /usr/bin/setpriv -- \\
        --reuid={user} --regid={user} --clear-groups --no-new-privs --bounding-set=-all,+net_bind_service \\
        --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \\
        {program} -ly {arguments} || return 1
    for _ in $(seq 20); do
        runs && listens && return 0
        sleep 0.1
    done
    echo "{name} did not start; see what socat wrote to the system log" >&2
    return 1
}}

stop() {{
    if runs; then
        kill -s TERM -- "-$(cut -d ' ' -f 5 "/proc/$(cat "$pid_file")/stat")"
        start-stop-daemon --stop --quiet --oknodo --retry TERM/5/KILL/5 \\
            --pidfile "$pid_file" --exec {program} || return 1
    fi
    rm -f "$pid_file"
}}

case "$1" in
    start) start ;;
    stop) stop ;;
    restart | force-reload) stop && start ;;
    status) runs ;;
    *)
        echo "usage: $0 start|stop|restart|force-reload|status" >&2
        exit 3
        ;;
esac
"""


def name(service: str, port: int) -> str:
    return f"privport-forward-{script_word(service)}-{port}"


def path(service: str, port: int) -> str:
    return f"{SCRIPT_FOLDER}/{name(service, port)}"


def port_of(entry: str, *, service: str) -> Optional[int]:
    """The port of a script of the service's; None for what is another's."""
    match = re.fullmatch(re.escape(name(service, 0)[:-1]) + r"([0-9]{1,5})", entry)
    return int(match[1]) if match else None


def script(service: str, port: int, *, backend: str, program: str, arguments: str) -> str:
    """The text for socat at this path, with arguments as a shell takes them."""
    called = name(service, port)
    digest = int.from_bytes(hashlib.sha256(called.encode()).digest()[:4], "big")
    return _SCRIPT.format(
        heading=heading("forward"),
        name=called,
        port=port,
        backend=backend,
        program=program,
        user=_FIRST_USER + digest % (_LAST_USER - _FIRST_USER + 1),
        arguments=arguments,
    )
