# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The init script that loads a redirect's rules at boot where systemd does not run the host.

sysv-rc, OpenRC and Debian's runit start it. What loads the host's own rules and takes all others away by that has no
way to call it: the next run of the collection loads them again.
"""

from __future__ import annotations

import shlex
from typing import Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    REDIRECT_SCRIPTS,
    SCRIPT_FOLDER,
    script_word,
)

_SCRIPT = """\
#!/bin/sh
{heading}
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $local_fs
# Required-Stop:     $local_fs
# Should-Start:      $network netfilter-persistent nftables ferm shorewall ufw
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: Redirect of the ports of {service}
### END INIT INFO

PATH=/usr/sbin:/usr/bin:/sbin:/bin

start() {{
{load}
}}

stop() {{
{unload}
}}

case "$1" in
    start) start ;;
    stop) stop ;;
    restart | force-reload) start ;;
    *)
        echo "usage: $0 start|stop|restart|force-reload" >&2
        exit 3
        ;;
esac
"""


def name(service: str) -> str:
    return f"{REDIRECT_SCRIPTS}{script_word(service)}"


def path(service: str) -> str:
    return f"{SCRIPT_FOLDER}/{name(service)}"


def script(service: str, *, heading: str, load: Sequence[Sequence[str]], unload: Sequence[Sequence[str]]) -> str:
    """The text that runs these commands; a '-' before the first word of one lets it fail."""
    return _SCRIPT.format(
        heading=heading,
        name=name(service),
        service=script_word(service),
        load="\n".join(_command(argv, failing="return 1") for argv in load),
        unload="\n".join(_command(argv, failing="true") for argv in unload),
    )


def _command(argv: Sequence[str], *, failing: str) -> str:
    line = " ".join(map(shlex.quote, (argv[0].lstrip("-"), *argv[1:])))
    tolerated = argv[0].startswith("-") or failing == "true"
    return f"    {line} 2>/dev/null || true" if tolerated else f"    {line} || {failing}"
