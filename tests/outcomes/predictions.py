# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of which it is hard to foretell what their sandbox, a wrapper or a neighbour makes of a grant."""

from row import Row

ONE = {"name": "one", "ports": [84], "unit": "case.service"}
BEHIND = {**ONE, "backend_ports": {84: 8084}}
START = "systemctl daemon-reload\nsystemctl start case"
SERVED = 'User=casey "ExecStart=$(python 84)"'

ROWS = (
    Row(
        "a user namespace of its own",
        'unit case.service User=casey "ExecStart=/usr/bin/unshare --user $(server 84)"',
        [ONE],
        "refused",
        {"one": ""},
    ),
    *(
        Row(
            f"setcap behind {wrapper.split()[0]}",
            f'unit case.service User=casey "ExecStart=/usr/bin/{wrapper} $(server 84)"',
            [{**ONE, "strategy": "setcap"}],
            "pass",
            {"one": "setcap"},
            holds='serves 84 && getcap "$bin/server" | grep -q bind',
        )
        for wrapper in ("nice -n 1", "env A=1", "setsid --wait", "taskset 1", "flock /tmp", "prlimit --nofile=1000")
    ),
    # --- where what leads to backend_ports arrives
    Row(
        "it listens on one interface behind its port",
        'unit case.service User=casey "ExecStart=$(python @eth0:8084)"\n' + START,
        [BEHIND],
        "pass",
        {"one": "redirect"},
        holds="serves 84 $(own)",
    ),
    Row(
        "it listens on one interface, where no forwarder comes",
        'unit case.service User=casey "ExecStart=$(python @eth0:8084)"\n' + START,
        [{**BEHIND, "strategy": "forward"}],
        "refused",
        {"one": ""},
        says=["redirect leads there"],
    ),
    Row(
        "it listens on each address of the host alone, as named does",
        'unit case.service User=casey "ExecStart=$(python 127.0.0.1:8084 $(own):8084 ::1:8084)"\n' + START,
        [BEHIND],
        "pass",
        {"one": "redirect"},
        holds="serves 84 && serves 84 $(own)",
    ),
    Row(
        "it listens on one address of the host",
        'unit case.service User=casey "ExecStart=$(python $(own):8084)"\n' + START,
        [BEHIND],
        "pass",
        {"one": "redirect"},
        says=["it is reached where it listens and nowhere else"],
        holds="serves 84 $(own)",
    ),
    Row(
        "an empty bounding set",
        f"unit case.service {SERVED} CapabilityBoundingSet=",
        [ONE],
        "refused",
        {"one": ""},
        says=["CapabilityBoundingSet="],
    ),
    Row(
        "paths that may be executed, by links",
        f"""
        ln -s /usr/bin "$bin/link"
        unit case.service {SERVED} NoExecPaths=/ "ExecPaths=$bin/link /usr/lib /lib /lib64"
        """,
        [ONE],
        "pass",
        {"one": "ambient"},
        holds="serves 84",
    ),
    Row(
        "somebody else has the port on one address, and it wants all",
        f"""
        unit case-other.service "ExecStart=$(python 127.0.0.5:84)"
        unit case.service {SERVED}
        systemctl daemon-reload
        systemctl start case-other
        """,
        [ONE],
        "fail",
        {"one": "ambient"},
        says=["127.0.0.5"],
        never=["raise privport_timeout"],
    ),
)
