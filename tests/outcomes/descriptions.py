# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of which their description says more than ports and a unit."""

from row import Row

ONE = {"name": "one", "ports": [84], "unit": "case.service"}
SERVED = 'User=casey "ExecStart=$(python 84)"'
GRANTED = "[[ -e $units/case.service.d/50-privport.conf ]]"
IDLE = "[[ $(systemctl show --property=ActiveState --value case) == inactive ]]"
TIMER = """
unit case.service User=casey Type=oneshot "ExecStart=$(python 84)"
printf '%s\\n' '[Timer]' OnActiveSec=1d >$units/case.timer
systemctl daemon-reload
systemctl start case.timer
"""

ROWS = (
    # --- addresses
    Row(
        "two services on one port, at addresses of their own",
        """
        unit case-a.service User=casey "ExecStart=$(python 127.0.0.2:84)"
        unit case-b.service User=casez "ExecStart=$(python 127.0.0.3:84)"
        """,
        [
            {"name": "a", "ports": [84], "unit": "case-a.service", "addresses": ["127.0.0.2"]},
            {"name": "b", "ports": [84], "unit": "case-b.service", "addresses": ["127.0.0.3"]},
        ],
        "pass",
        {"a": "ambient", "b": "ambient"},
        holds="serves 84 127.0.0.2 && serves 84 127.0.0.3",
    ),
    Row(
        "somebody else has the port on another address, and it wants one",
        """
        unit case-other.service "ExecStart=$(python 127.0.0.5:84)"
        unit case.service User=casey "ExecStart=$(python 127.0.0.2:84)"
        systemctl daemon-reload
        systemctl start case-other
        """,
        [{**ONE, "addresses": ["127.0.0.2"]}],
        "pass",
        {"one": "ambient"},
        holds="serves 84 127.0.0.2 && serves 84 127.0.0.5",
    ),
    Row(
        "systemd binds a link-local address for it",
        """
        ip address replace fe80::84/64 dev eth0 nodad
        unit case.service User=casey "ExecStart=$(python --handed)"
        """,
        [{**ONE, "strategy": "socket", "addresses": ["fe80::84%eth0"]}],
        "pass",
        {"one": "socket"},
        holds="serves 84 '[fe80::84%eth0]'",
    ),
    Row(
        "systemd binds its port on the one interface that its unit is bound to",
        """
        unit case.service User=casey "ExecStart=$(python --handed)" BindNetworkInterface=eth0
        """,
        [{**ONE, "strategy": "socket"}],
        "pass",
        {"one": "socket"},
        # Up to systemd 257 there is no such setting.
        holds="[[ $(systemctl --version) < 'systemd 262' ]] || ss -Htln 'sport = :84' | grep -q '%eth0'",
    ),
    Row(
        "systemd cannot bind a link-local address without its interface",
        f"unit case.service {SERVED}",
        [{**ONE, "strategy": "socket", "addresses": ["fe80::84"]}],
        "refused",
        {"one": ""},
        says=["write fe80::84%INTERFACE in addresses"],
    ),
    # --- a template and its instances
    Row(
        "a template of which two instances run",
        """
        unit case@.service User=casey "ExecStart=$(python --share 84)"
        systemctl daemon-reload
        systemctl start case@a case@privport || true
        """,
        [{**ONE, "unit": "case@.service", "instances": ["a", "privport"]}],
        "pass",
        {"one[a]": "ambient", "one[privport]": "ambient"},
        holds="serves 84 && [[ -e $units/case@.service.d/50-privport.conf && ! -e $units/case@a.service.d ]]",
    ),
    # --- listens: on_demand
    Row(
        "a oneshot of a timer, which listens when its time comes",
        TIMER,
        [{**ONE, "listens": "on_demand"}],
        "unknown",
        {"one": "ambient"},
        holds=f"{GRANTED} && {IDLE}",
    ),
    Row(
        "a server that binds when it is told to",
        """
        unit case.service User=casey "ExecStart=$(python --signal 84)"
        systemctl daemon-reload
        systemctl start case
        """,
        [{**ONE, "listens": "on_demand"}],
        "unknown",
        {"one": "ambient"},
        holds=f"{GRANTED} && systemctl kill --signal=USR1 case && sleep 0.5 && serves 84",
    ),
    Row(
        "a standby node's unit, which does not run",
        f"unit case.service {SERVED}",
        [{**ONE, "listens": "on_demand"}],
        "unknown",
        {"one": "ambient"},
        holds=f"{GRANTED} && {IDLE}",
    ),
    # --- widen
    Row(
        "an empty bounding set that may be widened",
        f"unit case.service {SERVED} CapabilityBoundingSet=",
        [{**ONE, "widen": ["bounding_set"]}],
        "pass",
        {"one": "ambient"},
        holds="serves 84",
    ),
    Row(
        "a user namespace that may be taken away",
        f"unit case.service {SERVED} PrivateUsers=yes",
        [{**ONE, "widen": ["private_users"]}],
        "pass",
        {"one": "ambient"},
        holds="serves 84",
    ),
    Row(
        "a unit that was mended after its drop-in widened it",
        f"""
        unit case.service {SERVED}
        dropin case.service 50-privport AmbientCapabilities=CAP_NET_BIND_SERVICE PrivateUsers=no \\
          CapabilityBoundingSet=CAP_NET_BIND_SERVICE
        sed -i '1i # Managed by netbind.privport (ambient); state=absent removes this file.' \\
          $units/case.service.d/50-privport.conf
        """,
        [ONE],
        "pass",
        {"one": "ambient"},
        holds=f"{GRANTED} && ! grep -E 'Users|Bounding' $units/case.service.d/50-privport.conf && serves 84",
        since="true",
    ),
    # --- ports
    Row(
        "a range of ten thousand ports of which a few are in use, beside one",
        """
        unit case.service User=casey \\
          "ExecStart=/bin/sh -c '$(python 84) & exec $(python --range 10000-10019)'"
        """,
        [{**ONE, "ports": [84, "10000-20000/udp"]}],
        "pass",
        {"one": "ambient"},
        holds="serves 84",
    ),
    # --- timeout
    Row(
        "a slow starter that says so",
        "unit case.service User=casey \"ExecStart=/bin/sh -c 'sleep 2.5; exec $(python 84)'\"",
        [{**ONE, "timeout": 20}],
        "pass",
        {"one": "ambient"},
        options={"timeout": 1},
        holds="serves 84",
    ),
)
