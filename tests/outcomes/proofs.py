# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that work, and are hard to prove; and some that do not, and have to say why."""

from row import Row

ONE = {"name": "one", "ports": [84], "unit": "case.service"}
SERVED = 'User=casey "ExecStart=$(python 84)"'
NO_DROPIN = "[[ ! -e $units/case.service.d ]]"
RESTORED = f"{NO_DROPIN} && [[ ! -e /var/lib/netbind.privport ]]"

ROWS = (
    # --- Where clients are, and where this host itself is not
    Row(
        "what comes over the loopback is dropped",
        f"""
        unit case.service {SERVED}
        nft add table inet case
        nft add chain inet case input '{{ type filter hook input priority 0; }}'
        nft add rule inet case input iif lo tcp dport 84 drop
        """,
        [ONE],
        "unknown",
        {"one": "ambient"},
    ),
    Row(
        "an address that another host has now, and one of this host",
        'unit case.service User=casey "ExecStart=$(python 192.0.2.7:84 127.0.0.1:84)"',
        [ONE],
        "unknown",
        {"one": "ambient"},
        holds="serves 84",
    ),
    Row(
        "an address that another host has now, alone",
        'unit case.service User=casey "ExecStart=$(python 192.0.2.7:84)"',
        [ONE],
        "unknown",
        {"one": "ambient"},
    ),
    # --- Whose process it is
    Row(
        "a unit whose control group is escaped for its underscore",
        f"unit _case.service {SERVED}",
        [{**ONE, "unit": "_case.service"}],
        "pass",
        {"one": "ambient"},
    ),
    Row(
        "a unit whose control group is escaped for being a controller's name",
        f"unit cpu.service {SERVED}",
        [{**ONE, "unit": "cpu.service"}],
        "pass",
        {"one": "ambient"},
    ),
    Row(
        "a service that goes into the background",
        'unit case.service User=casey Type=forking "ExecStart=$(python --fork 84)"',
        [ONE],
        "pass",
        {"one": "ambient"},
    ),
    Row(
        "a service that runs without its port, and of which systemd knows no main process",
        """
        unit case.service User=casey Type=forking RemainAfterExit=yes GuessMainPID=no \
          "ExecStart=/bin/sh -c '$(python 84) & exit 0'"
        systemctl daemon-reload
        systemctl start case
        """,
        [ONE],
        "pass",
        {"one": "ambient"},
        holds="serves 84",
    ),
    Row(
        "the same in two processes",
        """
        unit case.service User=casey Type=forking GuessMainPID=no \
          "ExecStart=/bin/sh -c 'sleep 600 & $(python 84 8084) & exit 0'"
        systemctl daemon-reload
        systemctl start case
        """,
        [ONE],
        "pass",
        {"one": "ambient"},
        holds="serves 84",
    ),
    Row(
        "a root unit whose process listens as its own user, behind a forwarder",
        """
        unit case.service "ExecStart=$(python --become casey 127.0.0.1:8084)"
        systemctl daemon-reload
        systemctl start case
        """,
        [{**ONE, "backend_ports": {84: 8084}}],
        "pass",
        {"one": "forward"},
        holds="serves 84",
    ),
    Row(
        "a service that listens on a high port, and says so",
        'unit case.service User=casey "ExecStart=$(python 0.0.0.0:8084)"',
        [{**ONE, "backend_ports": {84: 8084}}],
        "pass",
        {"one": "redirect"},
    ),
    # --- Who started as root
    Row(
        "it starts as root and becomes a user for good",
        """
        unit case.service "ExecStart=$(python --become casey 84)"
        systemctl daemon-reload
        systemctl start case
        """,
        [ONE],
        "refused",
        {"one": ""},
        says=["casey"],
        never=["raise privport_timeout"],
    ),
    # --- Why it fails
    Row(
        "it ends within a second, and says why",
        """unit case.service User=casey "ExecStart=/bin/sh -c 'echo no certificate in /etc/case >&2; exit 3'" """,
        [ONE],
        "fail",
        {"one": "ambient"},
        says=["no certificate in /etc/case"],
        never=["raise privport_timeout"],
        holds=RESTORED,
    ),
    Row(
        "it may be started once",
        f"unit case.service {SERVED} && printf '[Unit]\\nStartLimitBurst=1\\n' >>$units/case.service",
        [ONE],
        "pass",
        {"one": "ambient"},
    ),
    Row(
        "it may not be started by hand",
        f"unit case.service {SERVED} && printf '[Unit]\\nRefuseManualStart=yes\\n' >>$units/case.service",
        [ONE],
        "refused",
        {"one": ""},
        says=["RefuseManualStart=yes, so nobody can start it"],
    ),
    Row(
        "it takes its socket, and ends and is started again and again",
        """
unit case.service User=casey "ExecStart=/usr/bin/timeout 2 $(python --handed 84)" Restart=always RestartSec=1
systemctl daemon-reload
""",
        [{**ONE, "strategy": "socket", "timeout": 6}],
        "fail",
        {"one": "socket"},
        ["case.service does not stay up: systemd started it again"],
        holds="[[ ! -e $units/case.socket && ! -e /var/lib/netbind.privport ]]",
    ),
    Row(
        "it is said to take sockets from systemd, and does not",
        # It ends after a while, and until then looks as if it served.
        "unit case.service User=casey \"ExecStart=/bin/sh -c 'sleep 2; exec $(server 84)'\"",
        [{**ONE, "strategy": "socket"}],
        "fail",
        {"one": "socket"},
        never=["raise privport_timeout"],
        holds="[[ ! -e $units/case.socket && ! -e /var/lib/netbind.privport ]]",
    ),
    Row(
        "it listens on one interface, by both families",
        'unit case.service User=casey "ExecStart=$(python ::@eth0:84)"',
        [ONE],
        "pass",
        {"one": "ambient"},
        holds="serves 84 $(own)",
    ),
    # --- What takes the traffic before the service gets it
    Row(
        "an old redirect of its port",
        f"""
        unit case.service {SERVED}
        nft add table ip case
        nft add chain ip case prerouting '{{ type nat hook prerouting priority -100; }}'
        nft add rule ip case prerouting tcp dport 84 redirect to :9999
        """,
        [ONE],
        "fail",
        {"one": "ambient"},
        says=["elsewhere, so the service never gets it"],
    ),
)
