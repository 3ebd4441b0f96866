# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hazards in how the unit starts its program: the user, the command line and other drop-ins."""

from __future__ import annotations

from typing import Tuple

from .hazard import FOLDER, NEXT_COMMAND, Hazard, setting

HAZARDS: Tuple[Hazard, ...] = (
    setting("User=", user=""),
    Hazard(name="User= unset, www-data declared", user="", declared_user="www-data"),
    Hazard(name="User=root", user="root"),
    Hazard(name="User=www-data, daemon declared", declared_user="daemon"),
    Hazard(name="User=33", user="33"),
    *(Hazard(name=f"ExecStart={prefix}…", prefix=prefix) for prefix in ("+", "!", "!!", "-", ":", "@")),
    Hazard(name="AmbientCapabilities= in a later drop-in", later=("AmbientCapabilities=",)),
    Hazard(name="AmbientCapabilities=CAP_CHOWN in a later drop-in", later=("AmbientCapabilities=CAP_CHOWN",)),
    Hazard(
        name="AmbientCapabilities=~CAP_NET_BIND_SERVICE in a later drop-in",
        later=("AmbientCapabilities=~CAP_NET_BIND_SERVICE",),
    ),
    Hazard(
        name="AmbientCapabilities=~CAP_CHOWN in a later drop-in",
        later=("AmbientCapabilities=~CAP_CHOWN",),
    ),
    Hazard(
        name="User= unset, www-data declared, User= in a later drop-in",
        user="",
        declared_user="www-data",
        later=("User=",),
    ),
    Hazard(name="ExecStart= and ExecStart=… in a later drop-in", later=("ExecStart=", "ExecStart={command}")),
    Hazard(name="ExecStart=/bin/sh -c 'cd / && …'", program="behind-shell", wrapper="/bin/sh -c 'cd / && {command}'"),
    Hazard(name="ExecStart=/bin/sh -c '… & wait'", program="behind-shell", wrapper="/bin/sh -c '{command} & wait'"),
    Hazard(name="ExecStart=/bin/bash -lc 'exec …'", wrapper="/bin/bash -lc 'exec {command}'"),
    Hazard(name="ExecStart=/bin/sh -c '…' of a static ELF", program="static-sh", wrapper="/bin/sh -c '{command}'"),
    Hazard(name="ExecStart=nice -n 5 …", wrapper="nice -n 5 {command}"),
    Hazard(name="ExecStart=nice -n5 …", program="behind-env", wrapper="nice -n5 {command}"),
    Hazard(name="ExecStart=taskset -c 0 …", wrapper="taskset -c 0 {command}"),
    Hazard(name="ExecStart=flock -n FILE …", wrapper="flock -n /tmp {command}"),
    Hazard(name="ExecStart=systemd-cat -t … …", wrapper="systemd-cat -t hazard {command}"),
    Hazard(name="ExecStart=chrt -o 0 …", wrapper="chrt -o 0 {command}"),
    Hazard(name="ExecStart=prlimit --nofile=64 …", wrapper="prlimit --nofile=64 {command}"),
    *(
        Hazard(name=f"ExecStart={wrapper} …", wrapper=wrapper + " {command}")
        for wrapper in (
            "ionice -c 3",
            "nice --adjustment 5",
            "chrt -i 0",
            "dbus-run-session --",
            "setpriv --no-new-privs",
        )
    ),
    # ip-netns(8): nobody but root may enter one.
    Hazard(
        name="User= unset, www-data declared, ExecStart=ip netns exec …",
        user="",
        declared_user="www-data",
        wrapper="ip netns exec hazards {command}",
    ),
    *(
        Hazard(name=f"ExecStart={wrapper} '…'", wrapper=f"{wrapper} 'exec {{command}}'")
        for wrapper in ("/bin/sh -l -c", "/bin/bash -xc", "/bin/bash -euo pipefail -c", "/usr/sbin/capsh -- -c")
    ),
    Hazard(name="ExecStart=unshare --user …", wrapper="unshare --user {command}"),
    Hazard(name="ExecStart=unshare -Ur …", wrapper="unshare -Ur {command}"),
    Hazard(name="ExecStart=env A=$$B …", wrapper="env A=$$B {command}"),
    Hazard(name="ExecStart=env A=${B} …", settings=("Environment=B=c",), wrapper="env A=${{B}} {command}"),
    Hazard(name="ExecStart=env 'A=b c' …", wrapper="env 'A=b c' {command}"),
    Hazard(name="ExecStart=sh -c \"exec 'server' …\"", program="behind-sh", wrapper='sh -c "exec {command}"'),
    Hazard(name="ExecStart=… in a folder with a blank in its name (\\x20)", program="with blank"),
    Hazard(
        name="ExecStart=… in a folder with a blank in its name (\\x20), behind env",
        program="with blank",
        wrapper="env {command}",
    ),
    Hazard(
        name="ExecStart=/bin/true ; … of a oneshot",
        program="behind-true",
        settings=("Type=oneshot",),
        wrapper="/bin/true ; {command}",
    ),
    Hazard(name="ExecStart=env -S …", wrapper="/usr/bin/env -S {command}"),
    Hazard(name="ExecStart=env -i …", wrapper="/usr/bin/env -i {command}"),
    Hazard(name="ExecStart=env …, to a program with cap_net_raw=ep", program="net_raw", wrapper="env A=b {command}"),
    Hazard(
        name="ExecStart=server …, by ExecSearchPath=",
        settings=(f"ExecSearchPath={FOLDER}/plain",),
        root=f"{FOLDER}/plain/",
        since=252,
    ),
    Hazard(name="ExecStart=%T/… (a specifier)", program="tmp", root="/tmp", wrapper="%T{command}"),
    Hazard(
        name="ExecStart=/bin/true and ExecStart=… of a oneshot",
        program="behind-true",
        settings=("Type=oneshot",),
        wrapper="/bin/true" + NEXT_COMMAND + "{command}",
    ),
    Hazard(
        name="Type=forking",
        program="behind-shell",
        settings=("Type=forking",),
        wrapper="/bin/sh -c '{command} & sleep 0.2'",
    ),
    *(
        Hazard(
            name=f"User= unset, ExecStart={wrapper} …",
            user="",
            declared_user="www-data",
            wrapper=wrapper + " {command}",
        )
        for wrapper in (
            "runuser -u www-data --",
            "setpriv --reuid www-data --regid www-data --clear-groups",
            "sudo -u www-data",
        )
    ),
    Hazard(
        name="User= unset, ExecStart=su … -c '…'",
        user="",
        declared_user="www-data",
        wrapper="su -s /bin/sh www-data -c 'exec {command}'",
    ),
    Hazard(
        name="User= unset, ExecStart=runuser - … -c '…'",
        user="",
        declared_user="www-data",
        wrapper="runuser -s /bin/sh - www-data -c 'exec {command}'",
    ),
    Hazard(
        name="somebody else's 50-privport.conf",
        files=(("{unit}.d/50-privport.conf", "[Service]\n"),),
        unsafe=("socket", "ambient", "authbind"),
    ),
    Hazard(
        name="50-privport.conf linked to /dev/null",
        files=(("{unit}.d/50-privport.conf", "->/dev/null"),),
        unsafe=("socket", "ambient", "authbind"),
    ),
    Hazard(
        name="somebody else's 50-privport.conf in /run, which sets User=",
        user="",
        declared_user="www-data",
        files=(("/run/systemd/system/{unit}.d/50-privport.conf", "[Service]\nUser=www-data\n"),),
    ),
    Hazard(name="instance of a template", instance="a"),
    Hazard(
        name="instance of a template that has a 50-privport.conf",
        instance="a",
        files=(("{template}.d/50-privport.conf", "[Service]\n"),),
        unsafe=("socket", "ambient", "authbind"),
    ),
    Hazard(
        name="AmbientCapabilities= in a later drop-in of the template",
        instance="a",
        files=(("{template}.d/zz.conf", "[Service]\nAmbientCapabilities=\n"),),
    ),
    Hazard(name="named by its alias", alias="alias-{unit}", files=(("alias-{unit}", "->{unit}"),)),
    Hazard(
        name="AmbientCapabilities= in a later drop-in of its alias",
        files=(("alias-{unit}", "->{unit}"), ("alias-{unit}.d/zz.conf", "[Service]\nAmbientCapabilities=\n")),
    ),
    Hazard(name="a UDP port", family="udp"),
    Hazard(name="port 600", port=600),
    Hazard(name="ExecStart=/bin/sh -c 'exec …'", program="behind-sh", wrapper="/bin/sh -c 'exec {command}'"),
    Hazard(name="ExecStart=env …", program="behind-env", wrapper=FOLDER + "/env/env A=b {command}"),
)
