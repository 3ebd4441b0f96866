# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases to judge: a plain server of user web on Debian 12, of which a test says only what differs."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.registry import STRATEGIES
from ansible_collections.netbind.privport.plugins.module_utils._core.model.observation import (
    FORMAT,
    Account,
    Authbind,
    AuthbindPort,
    Listener,
    Network,
    Observation,
    Process,
    Program,
    ServiceFacts,
    SocketUnit,
    Thread,
    Unit,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import Service, parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import FORWARDERS
from ansible_collections.netbind.privport.plugins.module_utils._core.process.status import ProcessStatus
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.command_line import Command, commands_of
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import render_ambient

CAP = "cap_net_bind_service"
SERVER = "/usr/sbin/server"
AUTHBIND = "/usr/bin/authbind"
WEB = Account(name="web", uid=990, gid=990, groups=(990,))
AMBIENT_DROPIN = render_ambient(capabilities=[CAP])
# What systemctl shows of a unit that sets nothing but User=.
PROPERTIES = {
    "Id": "web.service",
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "Result": "success",
    "FragmentPath": "/etc/systemd/system/web.service",
    "UnitFileState": "enabled",
    "NRestarts": "0",
    "ExecStart": f"{{ path={SERVER} ; argv[]={SERVER} ; status=0/0 }}",
    "User": "web",
    "DynamicUser": "no",
    "AmbientCapabilities": "",
    "CapabilityBoundingSet": f"cap_chown {CAP} cap_net_raw",
    "NoNewPrivileges": "no",
    "PrivateUsers": "no",
    "PrivateNetwork": "no",
    "PrivateDevices": "no",
    "RestrictAddressFamilies": "~",
    "RestrictNamespaces": "no",
    "SystemCallFilter": "~",
    "SystemCallLog": "~",
    "SystemCallArchitectures": "",
}
# The attribute of cap_net_bind_service=ep.
BIND = "0100000200040000000000000000000000000000"
BINDS = {"capability": f"{CAP}=ep", "binds": True}


def status(**fields: Any) -> ProcessStatus:
    uid = fields.get("uid", 990)
    names = {
        "name": "server",
        "parent": 1,
        "uid": uid,
        "uids": (uid,) * 4,
        "effective": (),
        "permitted": (),
        "ambient": (),
        "bounding": (CAP,),
        "no_new_privs": False,
    }
    return ProcessStatus(**{**names, **fields})


def process(
    *,
    pid: int = 42,
    unit: str = "web.service",
    executable: str = SERVER,
    authbind: Optional[bool] = False,
    replaced: Optional[bool] = False,
    unlike: Sequence[Mapping[str, Any]] = (),
    user: str = "",
    user_unit: str = "",
    ancestors: Tuple[int, ...] = (),
    **fields: Any,
) -> Process:
    """A process of the server; other fields are those of its status, unlike those of its other threads' that differ."""
    return Process(
        pid=pid,
        status=status(**fields),
        threads=4,
        unlike=tuple(
            Thread(tid=pid + number, status=status(**{**fields, **other})) for number, other in enumerate(unlike, 1)
        ),
        unit=unit,
        executable=executable,
        replaced=replaced,
        authbind=authbind,
        user=user,
        user_unit=user_unit,
        ancestors=ancestors,
    )


def ambient_process(**fields: Any) -> Process:
    return process(**{"effective": (CAP,), "permitted": (CAP,), "ambient": (CAP,), **fields})


def setcap_process(**fields: Any) -> Process:
    return process(**{"effective": (CAP,), "permitted": (CAP,), **fields})


def unit(*, properties: Optional[Mapping[str, str]] = None, **fields: Any) -> Unit:
    shown = {**PROPERTIES, **(properties or {})}
    plain = {
        "name": shown["Id"],
        "template": "",
        "commands": (Command(prefix="", line=SERVER),),
        "other_commands": {},
        "dropin_strategy": "",
        "dropin_user": "",
        "dropin_text": "",
        "overriding": {},
        "interrupted": False,
        "leftovers": (),
        "foreign_dropin": "",
        "capability_files": (),
        "narrow": (),
        "process": None,
    }
    return Unit(properties=shown, **{**plain, **fields})


def program(**fields: Any) -> Program:
    path = fields.get("path", SERVER)
    plain = {
        "path": path,
        "real_path": path,
        "form": "elf-dynamic",
        "interpreter": (),
        "mode": 0o755,
        "uid": 0,
        "gid": 0,
        "nosuid": False,
        "capability": None,
        "attribute": None,
        "binds": False,
        "obstacle": "",
        "refusals": (),
        "warnings": (),
        "takes_sockets": None,
        "executed_by": (),
        "kept": "no",
        "unkept": "",
    }
    return Program(**{**plain, **fields})


def listener(*owners: Process, known: bool = True, **fields: Any) -> Listener:
    plain = {"protocol": "tcp", "address": "0.0.0.0", "port": 80, "v6only": False}
    return Listener(**{**plain, **fields}, owners=tuple(owners), owners_known=known)


def authbind_port(port: int = 80, **fields: Any) -> AuthbindPort:
    return AuthbindPort(**{"port": port, "allowed": False, "refusal": "", "warnings": (), "own_rules": (), **fields})


def network(**fields: Any) -> Network:
    plain = {"is_host": True, "path": "", "unprivileged_port_start": 1024, "local_port_range": (32768, 60999)}
    return Network(**{**plain, **fields})


def socket_unit(*ports: str, **fields: Any) -> SocketUnit:
    """web.socket, which hands its sockets to web.service."""
    plain = {"name": "web.socket", "active": True, "enabled": True, "accept": False, "triggers": ("web.service",)}
    return SocketUnit(ports=ports, **{**plain, **fields})


def service(**description: Any) -> Service:
    return parse_services([{"name": "web", "ports": [80], "unit": "web.service", **description}])[0]


def sets_at_boot(start: int) -> Dict[str, Any]:
    """A host's field: a file that sets the first unprivileged port."""
    return {"sysctl_files": {"/etc/sysctl.d/a.conf": f"net.ipv4.ip_unprivileged_port_start = {start}\n"}}


def host(*services: ServiceFacts, **fields: Any) -> Observation:
    plain = {
        "format": FORMAT,
        "kernel": "6.1.0",
        "effective_uid": 0,
        "unprivileged_port_start": 1024,
        "local_port_range": (32768, 60999),
        "sysctl_files": {},
        "sysctl_leftovers": (),
        "container": False,
        "init": process(pid=1, uid=0).status,
        "systemd": 252,
        "systemd_features": ("+PAM", "+BPF_FRAMEWORK"),
        "authbind": Authbind(program=AUTHBIND, helper_setuid=True, helper_nosuid=False),
        "records": (),
        "authbind_rules": (),
        "python": "/usr/bin/python3",
        "init_scripts": False,
        "forwarders": {name: f"/usr/bin/{name}" for name in FORWARDERS},
        "ipv6": True,
        "instances": {},
        "socket_source": "ss",
    }
    return Observation(services=tuple(services), **{**plain, **fields})


def facts(
    *,
    name: str = "web",
    properties: Optional[Mapping[str, str]] = None,
    unit_fields: Optional[Mapping[str, Any]] = None,
    program_fields: Optional[Mapping[str, Any]] = None,
    **fields: Any,
) -> ServiceFacts:
    plain = {
        "unit": unit(properties=properties, **(unit_fields or {})),
        "program": program(**(program_fields or {})),
        "interpreter": None,
        "account": WEB,
        "user_unit": "",
        "authbind_ports": (authbind_port(),),
        "network": network(),
        "sockets": (),
        "listeners": (),
        "unread": {},
        "not_executable": "",
        "authbind_closed": "",
        "confinement": None,
        "installed": {},
        "redirect": None,
    }
    return ServiceFacts(name=name, **{**plain, **fields})


def case(
    *,
    description: Optional[Mapping[str, Any]] = None,
    host_fields: Optional[Mapping[str, Any]] = None,
    **fields: Any,
) -> Case:
    """One service on one host: description is the service's, host_fields the host's, the rest goes to facts()."""
    declared = dict(description or {})
    if "unit" in fields and fields["unit"] is None:
        declared.setdefault("unit", None)
    if "unprivileged_port_start" in (host_fields or {}):
        fields.setdefault("network", network(unprivileged_port_start=(host_fields or {})["unprivileged_port_start"]))
    found = facts(**fields)
    return Case(host=host(found, **(host_fields or {})), service=service(**declared), facts=found)


def together(cases: Sequence[Case], **host_fields: Any) -> Tuple[Observation, Tuple[Service, ...]]:
    """Several services on one host."""
    return host(*(it.facts for it in cases), **host_fields), tuple(it.service for it in cases)


def codes(name: str, **fields: Any) -> Tuple[str, ...]:
    """The codes of what stands in a strategy's way in such a case."""
    return tuple(reason.code for reason in STRATEGIES[name].blockers(case(**fields)))


def doubts(name: str, **fields: Any) -> Tuple[str, ...]:
    """The codes of what may stand in its way, and nobody knows."""
    return tuple(reason.code for reason in STRATEGIES[name].unknowns(case(**fields)))


def prefixed(prefix: str) -> Dict[str, Any]:
    return {"unit_fields": {"commands": (Command(prefix=prefix, line=SERVER),)}}


def beside(line: str) -> Dict[str, Any]:
    """A unit with this command before its own."""
    return {"unit_fields": {"other_commands": {"ExecStartPre": commands_of(line)}}}


def started(line: str, *, user: str = "web") -> Dict[str, Any]:
    """A unit with this command line."""
    return {"properties": {"User": user}, "unit_fields": {"commands": (Command(prefix="", line=line),)}}
