# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What units say of how their program starts, and of what it is given."""

from row import Row

ONE = {"name": "one", "ports": [84], "unit": "case.service"}
START = "systemctl daemon-reload\nsystemctl start case"
# What a boot forgets is made anew by the unit's own commands, as root.
MAKES_FOLDERS = """
unit case.service "ExecStartPre=/usr/bin/mkdir -p /run/case" "ExecStartPre=/usr/bin/chown casey /run/case" \\
  "ExecStart=$(server 84)" "ExecStopPost=/usr/bin/touch /run/case-stopped"
"""
AFTER_A_BOOT = """
systemctl stop case
[[ $(stat -c %U /run/case-stopped) == root ]]
rm -rf /run/case /run/case-stopped
systemctl start case
sleep 0.3
serves 84
[[ $(stat -c %U /run/case) == casey ]]
rm -rf /run/case-stopped
"""
SETCAP_AT_START = """
unit case.service User=casey "ExecStartPre=+/usr/sbin/setcap cap_net_bind_service=ep $bin/server" \\
  "ExecStart=$(server 84)"
"""
ESCAPES = r"""
mkdir "$bin/my äpp"
cp /usr/bin/socat "$bin/my äpp/server"
unit case.service User=casey "ExecStart=$bin/my\x20\xc3\244pp/server TCP-LISTEN:84,fork,reuseaddr 'EXEC:/bin/cat'"
"""
# systemctl ends with an error where it comes to a unit of which a setting holds bytes that are no UTF-8.
UNSHOWN = rf"""
unit case.service User=casey "ExecStart=$(server 84)"
unit case-unshown.service User=casez "ExecStart=/usr/bin/env A=\xe4 $(server 8084)"
{START} case-unshown
! systemctl show '*.service' >/dev/null 2>&1
"""
# As on hosts with libpam-systemd: what the login starts gets a control group of its own (pam_systemd(8)).
LOGIN = f"""
echo 'session optional pam_systemd.so' >>/etc/pam.d/su-l
unit case.service "ExecStart=/bin/su - casey -c 'exec $(server 84)'"
{START}
"""
LATER = """
unit case.service User=casey "ExecStart=$(server 84)"
mkdir -p "$units/case.service.d"
unit case.service.d/zz.conf AmbientCapabilities=~CAP_NET_BIND_SERVICE
"""
INTERPRETER = f"""
install --mode 755 "$(readlink -f /usr/bin/python3)" "$bin/python3"
setcap cap_net_bind_service=ep "$bin/python3"
unit case.service User=casey "ExecStart=$bin/python3 -m http.server 84"
{START}
"""
SUPERVISOR = """
cp /usr/bin/socat "$bin/supervisord"
unit case.service "ExecStart=$bin/supervisord TCP-LISTEN:8084,fork,reuseaddr EXEC:/bin/cat"
systemctl daemon-reload
systemctl start case
"""

ROWS = (
    Row(
        "a login in a unit, which gets a session",
        LOGIN,
        [{**ONE, "user": "casey"}],
        "pass",
        {"one": "setcap"},
        holds="serves 84 && ! grep -q case.service /proc/$(pgrep -u casey socat)/cgroup",
        removal_says=["restarted case.service"],
        removed="! pgrep -u casey socat",
    ),
    Row(
        "a unit of root's that makes its folders before it starts, with a user",
        MAKES_FOLDERS,
        [{**ONE, "user": "casey"}],
        "pass",
        {"one": "ambient"},
        holds=AFTER_A_BOOT,
        since="rm -rf /run/case /run/case-stopped",
    ),
    Row(
        "a unit that gives its program the capability at each start",
        SETCAP_AT_START,
        [ONE],
        "pass",
        {"one": "setcap"},
        # What the unit does is not undone.
        since="true",
        removal_says=["gives the program a file capability again"],
    ),
    Row("a program in a folder whose name is written in escapes", ESCAPES, [ONE], "pass", {"one": "ambient"}),
    Row(
        "somebody else's unit that systemd cannot show",
        UNSHOWN,
        [{**ONE, "strategy": "setcap"}],
        "pass",
        {"one": "setcap"},
        holds="serves 84",
    ),
    Row(
        "a unit that systemd cannot show, beside another",
        UNSHOWN,
        [ONE, {"name": "two", "ports": [85], "unit": "case-unshown.service"}],
        "refused",
        {"one": "ambient", "two": ""},
        says=["'case-unshown.service' cannot be shown by systemd"],
    ),
    Row("a later drop-in that takes the ambient capability away", LATER, [ONE], "pass", {"one": "setcap"}),
    Row(
        "an interpreter that somebody gave the capability",
        INTERPRETER,
        [ONE],
        "pass",
        {"one": "setcap"},
        says=["did not grant", "name another strategy, such as ambient"],
        removal_says=["did not grant"],
    ),
    Row(
        "the same, and another strategy is named",
        INTERPRETER,
        [{**ONE, "strategy": "ambient"}],
        "pass",
        {"one": "ambient"},
        says=["so it is taken away"],
        since="true",
    ),
    Row(
        "a supervisor of root's, with the user of what it starts",
        SUPERVISOR,
        [{**ONE, "user": "casey", "strategy": "ambient"}],
        "refused",
        {"one": ""},
        says=["starts other programs too"],
    ),
    Row(
        "a network of its own, and the unit does not run",
        'unit case.service User=casey PrivateNetwork=yes "ExecStart=$(server 84)"',
        [ONE],
        "refused",
        {"one": ""},
        says=["a network of its own with loopback alone"],
    ),
    Row(
        "the manager of a user",
        "true",
        [{"name": "one", "ports": [84], "unit": "user@2001.service"}],
        "refused",
        {"one": ""},
        says=["is the manager of all that its user runs"],
    ),
)
