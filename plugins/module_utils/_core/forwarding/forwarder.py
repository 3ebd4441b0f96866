# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forwarders as text: the units that take connections to a low port and hand them to where a service listens.

systemd binds the port and hands the socket to the forwarder (systemd.socket(5)), which then needs no privilege at all
and loses no port when it is restarted. socat(1) could not take over a socket before version 1.8: it binds by itself,
with the one capability for that, and from an init script where systemd does not run the host.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.authbind.rules import WILDCARDS
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding import init_script as forward_script
from ansible_collections.netbind.privport.plugins.module_utils._core.forwarding.configuration import (
    CONFIGURATIONS,
    Front,
    descriptors,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import (
    OWN_FOLDER,
    File,
    Installation,
    Installed,
    Trial,
    heading,
    plain_name,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.state import (
    Desired,
    merged,
    of_file,
    without,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import InvalidInput, Refused
from ansible_collections.netbind.privport.plugins.module_utils._core.model.reason import Reason
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import FAMILIES, Port
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER

LOOPBACK = "127.0.0.1"
# Where the programs are; what is no path is looked for in PATH.
PROGRAMS: Mapping[str, Tuple[str, ...]] = {
    "proxyd": ("/usr/lib/systemd/systemd-socket-proxyd", "/lib/systemd/systemd-socket-proxyd"),
    "socat": ("socat",),
    "haproxy": ("haproxy",),
    "nginx": ("nginx",),
}
_PACKAGES = {"proxyd": "systemd", "socat": "socat", "haproxy": "haproxy", "nginx": "nginx"}
# Only root writes below /run.
TRIAL_FOLDER = "/run/netbind.privport/trial"
_JUDGE = {"haproxy": ("-c", "-q", "-f"), "nginx": ("-t", "-q", "-c")}
# systemd.exec(5), DynamicUser=: complete from here on.
_FIRST_SYSTEMD = 235
_HTTPS = 443
_AT_BOOT = "multi-user.target"

_SANDBOX = """\
DynamicUser=yes
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectControlGroups=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
UMask=0077
Restart=on-failure
"""
# Of a connection proxyd holds two sockets and two pipes; its own limit of connections is 256.
_CONNECTIONS = 2048
_FILES = 6 * _CONNECTIONS + 256


class Backend(NamedTuple):
    """Where somebody listens."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class Request(NamedTuple):
    """What is asked for: name is the service's, unit its own unit, '' for none; forwarder '' for what suits the host.

    backends are by port; families () stands for those that the host has.
    """

    name: str
    ports: Tuple[Port, ...]
    backends: Dict[Port, Backend]
    families: Tuple[str, ...] = ()
    forwarder: str = ""
    unit: str = ""


class Ground(NamedTuple):
    """What a host has for forwarding: systemd's version, None for no systemd, and the forwarders' paths.

    init_scripts: whether a boot runs those of sysv-rc.
    """

    systemd: Optional[int]
    ipv6: bool
    programs: Dict[str, str]
    init_scripts: bool = False


def parse_backends(values: Any, *, where: str) -> Dict[int, Backend]:
    """What backend_ports of the module names: low port to a high port or to ADDRESS:PORT. Raises InvalidInput."""
    if not isinstance(values, Mapping):
        raise InvalidInput(f"{where} is {values!r}; write a mapping such as {{80: 8080}}")
    return {_number(low, where=where): _backend(high, where=where) for low, high in values.items()}


def _number(value: Any, *, where: str) -> int:
    text = "" if isinstance(value, bool) else str(value)
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise InvalidInput(f"{where} holds {value!r}; write ports, such as {{80: 8080}} or {{80: '[::1]:8080'}}")
    return int(text)


def _backend(value: Any, *, where: str) -> Backend:
    match = re.fullmatch(r"(?:\[(?P<ipv6>[^\]]+)\]|(?P<ipv4>[^:]+)):(?P<port>[0-9]+)", str(value))
    if match is None:
        return Backend(LOOPBACK, _number(value, where=where))
    try:
        kind = ipaddress.IPv6Address if match["ipv6"] else ipaddress.IPv4Address
        address = str(kind(match["ipv6"] or match["ipv4"]))
    except ValueError:
        raise InvalidInput(f"{where} holds {value!r}; write an address as 127.0.0.1:8080 or [::1]:8080") from None
    return Backend(address, _number(match["port"], where=where))


def forwarder(request: Request, ground: Ground) -> str:
    """The one that is asked for, or that needs nothing to be installed."""
    return request.forwarder or ("socat" if _by_script(ground) else "proxyd")


def _by_script(ground: Ground) -> bool:
    return ground.systemd is None and ground.init_scripts


def families(request: Request, ground: Ground) -> Tuple[str, ...]:
    """Those that it is reached by."""
    return request.families or (FAMILIES if ground.ipv6 else ("ipv4",))


def obstacles(request: Request, ground: Ground) -> Tuple[Reason, ...]:
    """Everything that keeps the host from forwarding so."""
    of_ports = (_of_port(request, port) for port in request.ports)
    found = (_host(request, ground), *of_ports, *_of_program(request, ground))
    return tuple(it for it in found if it is not None)


def _host(request: Request, ground: Ground) -> Optional[Reason]:
    if _by_script(ground) and forwarder(request, ground) != "socat":
        text = f"{request.forwarder} takes its port from systemd, which does not run this host; use forward_with: socat"
        return Reason("no_systemd", text, "no /run/systemd/system")
    if ground.systemd is None and not ground.init_scripts:
        text = "neither systemd nor sysv-rc runs this host, and nothing else would start a forwarder at boot"
        return Reason("no_systemd", text, "no /run/systemd/system, no /etc/init.d/rc")
    if ground.systemd is not None and ground.systemd < _FIRST_SYSTEMD:
        text = f"forwarders run as users of their own, which came with systemd {_FIRST_SYSTEMD}"
        return Reason("old_systemd", text, f"systemd {ground.systemd}")
    return None


def _of_port(request: Request, port: Port) -> Optional[Reason]:
    backend = request.backends.get(port)
    if port.protocol != "tcp":
        return Reason("tcp_only", "forwarders take TCP alone; strategy redirect takes UDP too", f"port {port}")
    if backend is None:
        text = "a forwarder must know where the service listens instead"
        return Reason("no_backend", text, f"backend_ports names no port for {port}")
    if backend.port in [it.number for it in request.ports]:
        text = "a forwarder would hand the connection to a port that it holds itself; name another backend port"
        return Reason("own_backend", text, f"backend_ports sends {port} to {backend.port}")
    return None


def _of_program(request: Request, ground: Ground) -> Tuple[Optional[Reason], ...]:
    name, no_family, tls = forwarder(request, ground), None, None
    missing = None
    if name not in ground.programs:
        text = f"{name} is not installed; install the package {_PACKAGES[name]}, or choose another forward_with"
        missing = Reason("no_forwarder", text, f"no {PROGRAMS[name][0]}")
    if "ipv6" in request.families and not ground.ipv6:
        no_family = Reason("no_ipv6", "the kernel has no IPv6; declare the family ipv4 alone", "no /proc/net/if_inet6")
    if name == "nginx" and any(port.number == _HTTPS for port in request.ports):
        text = "nginx would have to end TLS, and has no certificate; haproxy hands it on as it is"
        tls = Reason("tls_port", text, f"port {_HTTPS} with forward_with: nginx")
    return (missing, no_family, tls)


def stem(service: str, port: int) -> str:
    """The name of a port's units, less its ending."""
    return f"privport-forward-{plain_name(service)}-{port}"


def configuration_path(service: str, port: int, *, program: str) -> str:
    ending = {"haproxy": "haproxy.cfg", "nginx": "nginx.conf"}[program]
    return f"{OWN_FOLDER}/{plain_name(service)}-{port}.{ending}"


def paths(service: str, port: int, *, unit: str) -> Tuple[str, ...]:
    """Every path that may be written for a port of a service whose own unit this is."""
    name = stem(service, port)
    return (
        f"{UNIT_FOLDER}/{name}.service",
        f"{UNIT_FOLDER}/{name}.socket",
        *(configuration_path(service, port, program=program) for program in CONFIGURATIONS),
        *(wants(it, stem=name) for it in dict.fromkeys((unit or _AT_BOOT, _AT_BOOT))),
    )


def wants(starter: str, *, stem: str) -> str:
    """The link by which a unit starts a forwarder."""
    return f"{UNIT_FOLDER}/{starter}.wants/{stem}.service"


def port_of(name: str, *, service: str) -> Optional[int]:
    """The port of a unit's file or of a link of the service's; None for what is another's."""
    match = re.fullmatch(re.escape(stem(service, 0)[:-1]) + r"([0-9]{1,5})\.(?:service|socket)", name)
    return int(match[1]) if match else None


def units(service: str, port: int) -> Tuple[str, ...]:
    """The units of a port, in the order of their start."""
    name = stem(service, port)
    return (f"{name}.socket", f"{name}.service")


def forwarded_to(text: str) -> Optional[Backend]:
    """Where a unit's file of ours says that it forwards to; None for another text."""
    match = re.search(r"^(?:Description=|# Short-Description: )Port [0-9]+ forwarded to (\S+)$", text, re.MULTILINE)
    return _backend(match[1], where="Description") if match else None


def installation(request: Request, ground: Ground, *, later: Tuple[int, ...] = ()) -> Installation:
    """What is to be there; the units of the ports later are to start later. Raises Refused."""
    in_the_way = obstacles(request, ground)
    if in_the_way:
        raise Refused(str(in_the_way[0]))
    now = [port.number for port in request.ports if port.number not in later]
    if _by_script(ground):
        scripts = tuple(_script(request, ground, port=port) for port in request.ports)
        return Installation(files=scripts, units=tuple(forward_script.name(request.name, number) for number in now))
    files = [file for port in request.ports for file in _files(request, ground, port=port)]
    names = [name for number in now for name in units(request.name, number)]
    written = {file.path for file in files}
    return Installation(files=tuple(files), units=tuple(name for name in names if f"{UNIT_FOLDER}/{name}" in written))


def desired(request: Request, ground: Ground, *, found: Installed, later: Tuple[int, ...]) -> Desired:
    """All of it in the place of what was found; the units of the ports later are to start later. Raises Refused."""
    wanted, now = installation(request, ground), installation(request, ground, later=later).units
    configurations = (it for it in wanted.files if it.path.startswith(f"{OWN_FOLDER}/"))
    new = Desired(
        entries=tuple(map(of_file, wanted.files)),
        running=now,
        with_service=tuple(name for name in wanted.units if name not in now),
        trials=tuple(trial for trial, it in zip(trials(request, ground), configurations) if it not in found.files),
    )
    return merged(without(found), new)


def _script(request: Request, ground: Ground, *, port: Port) -> File:
    program, *arguments = _command(request, ground, port=port).split()
    text = forward_script.script(
        request.name,
        port.number,
        backend=str(request.backends[port]),
        program=program,
        arguments=shlex.join(arguments),
    )
    return File(path=forward_script.path(request.name, port.number), text=text, mode=0o755)


def _files(request: Request, ground: Ground, *, port: Port) -> Tuple[File, ...]:
    name, program = stem(request.name, port.number), forwarder(request, ground)
    service = f"{UNIT_FOLDER}/{name}.service"
    link = File(path=wants(request.unit or _AT_BOOT, stem=name), target=service)
    socket = File(path=f"{UNIT_FOLDER}/{name}.socket", text=_socket(request, ground, port=port))
    sockets = () if program == "socat" else (socket,)
    text = configured(request, ground, port=port)
    own = (File(path=configuration_path(request.name, port.number, program=program), text=text),) if text else ()
    return (File(path=service, text=_service(request, ground, port=port)), *sockets, *own, link)


def configured(request: Request, ground: Ground, *, port: Port, trial: str = "") -> str:
    """The text of the forwarder's own configuration file, '' where it has none.

    trial is a folder for a configuration that is to be judged alone: without the sockets that systemd hands over.
    """
    render = CONFIGURATIONS.get(forwarder(request, ground))
    if render is None:
        return ""
    front = Front(
        port=port.number, families=families(request, ground), backend=str(request.backends[port]), trial=trial
    )
    return f"{heading('forward')}\n{render(front)}"


def trials(request: Request, ground: Ground) -> Tuple[Trial, ...]:
    """What the forwarder is to judge before it gets it, for each of its configurations."""
    name = forwarder(request, ground)
    argv = (ground.programs[name], *_JUDGE.get(name, ()), f"{TRIAL_FOLDER}/{name}")
    texts = (configured(request, ground, port=port, trial=TRIAL_FOLDER) for port in request.ports)
    return tuple(Trial(argv=argv, path=argv[-1], content=text) for text in texts if text)


def _socket(request: Request, ground: Ground, *, port: Port) -> str:
    """A socket for each family: a single one for both would show clients of IPv4 by mapped addresses."""
    addresses = dict(zip(FAMILIES, WILDCARDS))
    listening = [f"ListenStream={Backend(addresses[it], port.number)}" for it in families(request, ground)]
    lines = [
        heading("forward"),
        *_unit_section(request, port=port, before=True),
        "",
        "[Socket]",
        *listening,
        "BindIPv6Only=ipv6-only",
        "NoDelay=yes",
    ]
    return "\n".join(lines) + "\n"


def _unit_section(request: Request, *, port: Port, before: bool) -> Tuple[str, ...]:
    # A restart of the service, which may hold the port, then frees it first, and takes it here, before it goes on.
    order = (f"Before={request.unit}",) if before and request.unit else ()
    return ("[Unit]", f"Description=Port {port.number} forwarded to {request.backends[port]}", *order)


def _service(request: Request, ground: Ground, *, port: Port) -> str:
    name, program = stem(request.name, port.number), forwarder(request, ground)
    binds = program == "socat"
    needs = () if binds else (f"Requires={name}.socket", f"After={name}.socket")
    capability = ("CAP_NET_BIND_SERVICE",) if binds else ()
    lines = [
        heading("forward"),
        *_unit_section(request, port=port, before=binds),
        *needs,
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={_command(request, ground, port=port)}",
        *_settings(program, sockets=descriptors(families(request, ground))),
        *(f"AmbientCapabilities={it}" for it in capability),
        f"CapabilityBoundingSet={' '.join(capability)}",
    ]
    return "\n".join(lines) + "\n" + _SANDBOX


def _settings(program: str, *, sockets: Tuple[int, ...]) -> Tuple[str, ...]:
    if program == "nginx":
        # nginx takes the sockets that this names for those of an older nginx, by their addresses.
        return (f"Environment=NGINX={''.join(f'{it}:' for it in sockets)}",)
    # It ends with 128 and the signal's number.
    return {"socat": ("SuccessExitStatus=143",), "proxyd": (f"LimitNOFILE={_FILES}",)}.get(program, ())


def _command(request: Request, ground: Ground, *, port: Port) -> str:
    program, backend = forwarder(request, ground), request.backends[port]
    path = ground.programs[program]
    if program == "proxyd":
        # It cuts at the last colon, and looks up the rest as it is: in brackets, IPv6 is no address to it.
        return f"{path} --connections-max={_CONNECTIONS} {backend.address}:{backend.port}"
    if program == "socat":
        return f"{path} {_listening(families(request, ground), port=port)} {_connecting(backend)}"
    # systemd.service(5), "Command lines": backslashes escape.
    file = configuration_path(request.name, port.number, program=program).replace("\\", "\\\\")
    return f"{path} -db -f {file}" if program == "haproxy" else f"{path} -c {file}"


def _listening(wanted: Tuple[str, ...], *, port: Port) -> str:
    """socat(1), TCP4-LISTEN and TCP6-LISTEN."""
    kind = "TCP4-LISTEN" if wanted == ("ipv4",) else "TCP6-LISTEN"
    both = "" if wanted == ("ipv4",) else f",ipv6only={0 if 'ipv4' in wanted else 1}"
    return f"{kind}:{port.number}{both},reuseaddr,backlog=4096,fork"


def _connecting(backend: Backend) -> str:
    return f"TCP{6 if ':' in backend.address else 4}:{backend}"
