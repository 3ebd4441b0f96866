# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers of podman that a user runs: which strategies are refused, and those that work, after a reboot as well."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List

from .machine import Machine, succeeded

USER, UID = "pod", 1500
ADDRESS = "10.0.2.15"
# As process 1 of a container it has no signal handler but its own (pid_namespaces(7)).
SERVER = """\
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
handed = "LISTEN_FDS" in os.environ
with socket.socket(fileno=3) if handed else socket.create_server(("", int(sys.argv[1]))) as server:
    while True:
        client, peer = server.accept()
        client.sendall(peer[0].removeprefix("::ffff:").encode())
        client.close()
"""
RUN = "/usr/bin/podman run --rm --replace --name {name} --volume /usr:/usr:ro --volume /srv/pod:/srv/pod:ro"
# A system unit's user has no session, and its container's control group is to be a part of the unit's.
OF_SYSTEM = f"""\
[Unit]
Wants=user@{UID}.service
After=user@{UID}.service
[Service]
User={USER}
Type=notify
NotifyAccess=all
Delegate=yes
Environment=XDG_RUNTIME_DIR=/run/user/{UID}
ExecStart={RUN} --cgroups=split --sdnotify=conmon {{options}} own python3 /srv/pod/server.py {{port}}
[Install]
WantedBy=multi-user.target
"""
OF_USER = f"""\
[Service]
Type=notify
NotifyAccess=all
ExecStart={RUN} --cgroups=no-conmon --sdnotify=conmon {{options}} own python3 /srv/pod/server.py {{port}}
[Install]
WantedBy=default.target
"""
UNITS = {
    "handed": ("--network none", 82),
    "led": ("--publish 8083:83", 83),
    "behind": ("--publish 8084:84", 84),
    "open": ("--publish 1010:1010", 1010),
    "low": ("--publish 86:86", 86),
}
SERVICES: List[Dict[str, Any]] = [
    {"name": "handed", "ports": [82], "unit": "pod-handed.service", "socket_activation": True},
    {"name": "led", "ports": [83], "unit": "pod-led.service", "backend_ports": {83: 8083}},
    {
        "name": "behind",
        "ports": [84],
        "unit": "pod-behind.service",
        "backend_ports": {84: 8084},
        "strategy": "forward",
    },
    {"name": "open", "ports": [1010], "unit": "pod-open.service", "strategy": "sysctl"},
    {
        "name": "users",
        "ports": [85],
        "unit": "pod-users.service",
        "scope": "user",
        "user": USER,
        "backend_ports": {85: 8085},
    },
]
EXPECTED = {"handed": "socket", "led": "redirect", "behind": "forward", "open": "sysctl", "users": "redirect"}
REFUSED = ("ambient", "setcap", "authbind")


def run(image: Path) -> List[str]:
    """A line for each thing that was proven. Raises RuntimeError at the first that does not hold."""
    proven = []
    with Machine(image=image, append="security=apparmor apparmor=1") as machine:
        prepare(machine)
        proven += refused(machine)
        before = tree(machine)
        done = apply(machine, SERVICES)
        chosen = {it["name"]: it["strategy"] for it in done["plan"]}
        must(chosen == EXPECTED and done["verdict"] == "pass", done)
        proven += [f"{name}: {strategy} is chosen, and the proof passes" for name, strategy in chosen.items()]
        again = apply(machine, SERVICES)
        must(not again["changed"] and not again["steps"], again)
        proven.append("all: a second run changes and restarts nothing")
        seen = machine.shell(f"socat -u TCP:{ADDRESS}:82 -")
        must(seen == ADDRESS, seen)
        proven.append("handed: it sees the client's own address")
        machine.reboot()
        succeeded(machine.play("verify", privport_services=SERVICES, privport_timeout=120))
        proven.append("all: the proof passes after a reboot")
        apply(machine, [{**it, "state": "absent"} for it in SERVICES])
        must(tree(machine) == before, tree(machine))
        proven.append("all: nothing is left once they are absent")
    return proven


def must(holds: bool, shown: object) -> None:
    if not holds:
        raise RuntimeError(f"not so: {shown}")


def prepare(machine: Machine) -> None:
    """A user with an image that has nothing but links, and a unit for each container."""
    machine.put("/srv/pod/server.py", SERVER)
    machine.shell(
        f"useradd --create-home --uid {UID} --shell /bin/bash {USER}; loginctl enable-linger {USER}; "
        "mkdir -p /srv/image/usr /srv/image/tmp; cd /srv/image; "
        "for name in bin sbin lib lib64; do ln -s usr/$name $name; done; tar -cf /srv/image.tar ."
    )
    as_user(machine, "podman import /srv/image.tar own")
    for name, (options, port) in UNITS.items():
        text = OF_SYSTEM.format(name=f"pod-{name}", options=options, port=port)
        machine.put(f"/etc/systemd/system/pod-{name}.service", text)
    text = OF_USER.format(name="pod-users", options="--publish 8085:85", port=85)
    machine.put(f"/home/{USER}/.config/systemd/user/pod-users.service", text)
    machine.shell(f"chown -R {USER}: /home/{USER}")
    as_user(machine, "systemctl --user daemon-reload && systemctl --user enable --now pod-users.service")
    machine.shell("systemctl daemon-reload; systemctl enable pod-handed pod-led pod-behind pod-open")


def as_user(machine: Machine, command: str) -> str:
    return machine.shell(f"cd /; runuser -u {USER} -- env XDG_RUNTIME_DIR=/run/user/{UID} sh -c '{command}'")


def refused(machine: Machine) -> List[str]:
    """That what cannot work is refused, and does not work when it is granted by hand."""
    described = {"name": "low", "ports": [86], "unit": "pod-low.service"}
    for strategy in REFUSED:
        done = machine.module("privport", services=[{**described, "strategy": strategy}])
        codes = [reason["code"] for reason in done["plan"][0]["rejected"][strategy]]
        must(bool(done["plan"][0]["error"]) and not done["changed"] and "user_namespace" in codes, done)
    machine.put(
        "/etc/systemd/system/pod-low.service.d/by-hand.conf",
        "[Service]\nAmbientCapabilities=CAP_NET_BIND_SERVICE\n",
    )
    state = machine.shell("systemctl daemon-reload; systemctl start pod-low; systemctl is-active pod-low", check=False)
    must(state == "failed", state)
    machine.shell("rm -r /etc/systemd/system/pod-low.service*; systemctl daemon-reload; systemctl reset-failed")
    return ["low: ambient, setcap and authbind are refused, and an ambient capability by hand is in vain"]


def apply(machine: Machine, services: List[Dict[str, Any]]) -> Dict[str, Any]:
    """What the module privport says."""
    return machine.module("privport", services=services, timeout=120, restart_absent=True)


def tree(machine: Machine) -> str:
    """Every file where a grant can be."""
    return machine.shell("find /etc /var/lib/netbind.privport -xdev -type f -o -type l 2>/dev/null | sort")
