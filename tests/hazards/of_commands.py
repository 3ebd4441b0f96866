# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hazards in how the unit starts its program: the user, the command line and other drop-ins."""

from __future__ import annotations

from typing import Tuple

from .hazard import FOLDER, Hazard, setting

HAZARDS: Tuple[Hazard, ...] = (
    setting("User=", user=""),
    Hazard(name="User= unset, www-data declared", user="", declared_user="www-data"),
    Hazard(name="User=root", user="root"),
    Hazard(name="User=www-data, daemon declared", declared_user="daemon"),
    Hazard(name="User=33", user="33"),
    *(Hazard(name=f"ExecStart={prefix}…", prefix=prefix) for prefix in ("+", "!", "!!", "-", ":", "@")),
    Hazard(name="AmbientCapabilities= in a later drop-in", later=("AmbientCapabilities=",)),
    Hazard(name="AmbientCapabilities=CAP_CHOWN in a later drop-in", later=("AmbientCapabilities=CAP_CHOWN",)),
    Hazard(name="ExecStart= and ExecStart=… in a later drop-in", later=("ExecStart=", "ExecStart={command}")),
    Hazard(
        name="somebody else's 50-privport.conf",
        files=(("{unit}.d/50-privport.conf", "[Service]\n"),),
        unsafe=("ambient", "authbind"),
    ),
    Hazard(
        name="50-privport.conf linked to /dev/null",
        files=(("{unit}.d/50-privport.conf", "->/dev/null"),),
        unsafe=("ambient", "authbind"),
    ),
    Hazard(
        name="somebody else's 50-privport.conf in /run, which sets User=",
        user="",
        declared_user="www-data",
        files=(("/run/systemd/system/{unit}.d/50-privport.conf", "[Service]\nUser=www-data\n"),),
    ),
    Hazard(name="a UDP port", family="udp"),
    Hazard(name="port 600", port=600),
    Hazard(name="ExecStart=/bin/sh -c 'exec …'", program="behind-sh", wrapper="/bin/sh -c 'exec {command}'"),
    Hazard(name="ExecStart=env …", program="behind-env", wrapper=FOLDER + "/env/env A=b {command}"),
)
