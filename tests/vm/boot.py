# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role granted is there after a reboot, and after a power cut at the moment that the role says done."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

from .machine import Machine, succeeded

USER = "web"
SERVER = """\
import os, socket, sys
handed = os.environ.get("LISTEN_PID") == str(os.getpid())
with socket.socket(fileno=3) if handed else socket.create_server(("", int(sys.argv[1]))) as server:
    while True:
        server.accept()[0].close()
"""
# A privileged port for each strategy; that of sysctl opens all above it, too.
PORTS = {"ambient": 80, "setcap": 81, "authbind": 82, "socket": 83, "redirect": 84, "forward": 85, "sysctl": 86}
BACKENDS = {"redirect": 8084, "forward": 8085}


def service(strategy: str, *, state: str = "present") -> Dict[str, Any]:
    return {
        "name": strategy,
        "ports": [PORTS[strategy]],
        "unit": f"boot-{strategy}.service",
        "strategy": strategy,
        "socket_activation": strategy == "socket",
        "backend_ports": {PORTS[strategy]: BACKENDS[strategy]} if strategy in BACKENDS else {},
        "state": state,
    }


def run(image: Path) -> List[str]:
    """A line for each thing that was proven. Raises RuntimeError at the first that does not hold."""
    proven = []
    with Machine(image=image, append="security=apparmor apparmor=1") as machine:
        prepare(machine)
        for strategy in PORTS:
            succeeded(machine.play("rollout", privport_services=[service(strategy)]))
            machine.cut_power()
            machine.power_on()
            prove(machine, [strategy])
            proven.append(f"{strategy}: the proof passes after a power cut right after the role")
        machine.reboot()
        prove(machine, list(PORTS))
        proven += [f"{strategy}: the proof passes after a reboot" for strategy in PORTS]
        before = tree(machine)
        succeeded(machine.play("rollout", privport_services=[service(name, state="absent") for name in PORTS]))
        gone = tree(machine)
        machine.cut_power()
        machine.power_on()
        if tree(machine) != gone or gone == before:
            raise RuntimeError(f"what the role removed is back after a power cut:\n{gone}\nbecame\n{tree(machine)}")
        proven.append("all: what the role removed stays removed after a power cut")
    return proven


def prepare(machine: Machine) -> None:
    """A server for each strategy that starts at every boot, and fails for want of its port."""
    machine.shell(f"useradd --system {USER}; mkdir /srv/boot")
    machine.put("/srv/boot/server.py", SERVER)
    for strategy, port in PORTS.items():
        # A file of its own: a shared interpreter gets no file capability.
        machine.shell(f"cp /usr/bin/python3 /srv/boot/{strategy}")
        command = f"/srv/boot/{strategy} /srv/boot/server.py {BACKENDS.get(strategy, port)}"
        unit = f"[Service]\nUser={USER}\nExecStart={command}\n[Install]\nWantedBy=multi-user.target\n"
        machine.put(f"/etc/systemd/system/boot-{strategy}.service", unit)
    units = " ".join(f"boot-{strategy}.service" for strategy in PORTS)
    machine.shell(f"systemctl daemon-reload; systemctl enable {units}; systemctl start {units}")
    # From here on nothing but the collection's own care brings what it writes to the disk.
    machine.shell("sync")


def prove(machine: Machine, strategies: List[str]) -> None:
    succeeded(machine.play("verify", privport_services=[service(strategy) for strategy in strategies]))


def tree(machine: Machine) -> str:
    """Every file where a grant can be, and the capabilities of the programs."""
    return machine.shell(
        "find /etc/systemd/system /etc/authbind /etc/netbind.privport /etc/sysctl.d /srv/boot | sort; "
        "python3 -c 'import os; "
        '[print(name, os.listxattr("/srv/boot/" + name)) for name in sorted(os.listdir("/srv/boot"))]\''
    )
