# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What helps a service that gets no strategy: what takes the reasons away that stand against one."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import Any, Iterable, Mapping, NamedTuple, Sequence

from ansible_collections.netbind.privport.plugins.module_utils._core.capability.file_rules import (
    OF_INTERPRETER,
    OF_SCRIPT,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_ports
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import STRATEGY_NAMES

# What a step costs, from the least to the most: a word in the service's description, a command on the host, a setting
# of the unit, a change of the program, a change of what the site decided for more than this service, and last what
# opens the port to everybody.
_SAY, _RUN, _UNIT, _PROGRAM, _SITE, _LAST = 1, 2, 3, 4, 6, 20
_MOST = 4
# From a port to the one that is proposed behind it: 80 and 8080.
_ABOVE = 8000
_EDIT = "(systemctl edit {unit})"
# A drop-in as a person writes it: two lines.
_ADD = f"add to {{unit}} the lines '[Service]' and '%s' {_EDIT}"
_SETTING = re.compile(r"(?P<setting>[A-Z]\w+)=(?P<value>.*) in (?P<unit>\S+)")


class Step(NamedTuple):
    """What takes a reason of this code away; strategy, setting and advice limit it to some of the reasons.

    setting is that of a unit which the reason's evidence names, advice what its text says after the last semicolon.
    text is a template over _names(); where that comes to nothing there is no step.
    """

    code: str
    effort: int
    text: str
    strategy: str = ""
    setting: str = ""
    advice: str = ""


_WIDEN_USERS = f"say widen: [private_users], or {_ADD % 'PrivateUsers=no'}"
_WIDEN_SET = f"say widen: [bounding_set], or {_ADD % 'CapabilityBoundingSet=CAP_NET_BIND_SERVICE'}"
# The first that fits counts.
STEPS = (
    Step("only_when_declared", _SAY, "", strategy="superserver"),
    Step("only_when_declared", _SAY, "say socket_activation: true, if it takes sockets from systemd"),
    Step("other_user", _SAY, "say user: {value}, as which {unit} runs"),
    Step("no_user", _SAY, "say user: NAME, as which it runs"),
    Step("no_program", _SAY, "name its program: executable: PATH"),
    Step("launcher", _SAY, "name the program that {evidence} starts: executable: PATH"),
    Step("own_backend", _SAY, "name another port in backend_ports: {evidence}"),
    Step("backend_held", _SAY, "name another port in backend_ports, or stop who holds that one: {evidence}"),
    Step("privileged_backend", _SAY, "name a port that every user may bind in backend_ports, not {evidence}"),
    Step("no_ipv6", _SAY, "{advice}"),
    Step("addresses", _SAY, "{advice}"),
    Step("unbound_address", _SAY, "{advice}"),
    Step("template", _SAY, "{advice}"),
    Step("tls_port", _SAY, "say forward_with: haproxy, which hands TLS on as it is"),
    Step("no_systemd", _SAY, "{advice}", strategy="forward"),
    Step("address_allow", _SAY, "{advice}"),
    Step("no_backend", _RUN, "say backend_ports: {backends} and have it listen there"),
    Step("no_authbind", _RUN, "install authbind (apt-get install authbind)"),
    Step("no_forwarder", _RUN, "{advice}"),
    *(Step(code, _RUN, "{advice}") for code in ("no_server", "server_off", "server_configuration")),
    *(Step(code, _SAY, "{advice}") for code in ("inexpressible", "server_unsupported")),
    Step("runs_as_root", _SAY, "{advice}", strategy="superserver"),
    Step("no_firewall_tool", _RUN, "install nftables (apt-get install nftables)"),
    Step("no_account", _RUN, "make the user {value} (useradd --system {value})"),
    Step("authbind_helper", _RUN, "mend this: {text} ({evidence})"),
    Step("authbind_closed", _RUN, "mend this: {text}"),
    Step("not_executable", _RUN, "mend this: {text}"),
    Step("rules", _RUN, "{advice}"),
    Step("refused", _RUN, "{advice}"),
    Step("input_drops", _RUN, "{advice}"),
    Step("foreign_socket", _RUN, "{advice} ({evidence})"),
    Step("foreign_dropin", _RUN, "rename {evidence}, which has the name of the collection's drop-in"),
    Step("no_openrc_capabilities", _SITE, "have an OpenRC with capabilities run this host (Debian 13 has it): {text}"),
    Step(
        "implied_private_users",
        _UNIT,
        "take {setting}= out of {unit}, or make it a unit of the system with User={user}",
    ),
    Step("user_manager", _UNIT, "make it a unit of the system with User={user}, which may get this"),
    Step("not_through_authbind", _UNIT, "{advice}"),
    Step("no_unit", _UNIT, "say strategy: authbind, and start it by 'authbind --deep {program}'", strategy="authbind"),
    Step("no_unit", _UNIT, "have a systemd unit start it, and name that: unit: NAME.service"),
    Step("other_namespace", _RUN, "remove the file capability from the program: setcap -r {program}"),
    Step("not_kept", _SITE, "{advice}"),
    Step("later_dropin", _UNIT, "remove from {evidence} the line that takes the collection's setting back"),
    Step("private_users", _UNIT, f"take UserNamespacePath= out of {{unit}} {_EDIT}", setting="UserNamespacePath"),
    Step("private_users", _UNIT, f"take DelegateNamespaces= out of {{unit}} {_EDIT}", setting="DelegateNamespaces"),
    Step("user_namespace", _UNIT, f"have {{unit}} execute the program itself {_EDIT}"),
    Step("supervisor", _SAY, "{advice}"),
    Step("capability_at_start", _UNIT, "remove this line: {evidence}"),
    *(Step("private_users", _SAY, _WIDEN_USERS, strategy=it) for it in ("ambient", "authbind")),
    Step("private_users", _UNIT, _ADD % "PrivateUsers=no"),
    Step("private_network", _UNIT, _ADD % "PrivateNetwork=no"),
    Step("no_new_privs", _UNIT, _ADD % "NoNewPrivileges=no", setting="NoNewPrivileges"),
    Step("no_new_privs", _UNIT, f"say User= instead of DynamicUser= in {{unit}} {_EDIT}", setting="DynamicUser"),
    Step("no_new_privs", _SITE, "have the engine of this container start it without no-new-privileges"),
    Step("process_no_new_privs", _UNIT, "have what starts it leave no_new_privs out: {evidence}"),
    Step("implied_no_new_privs", _UNIT, f"drop what implies NoNewPrivileges= from {{unit}}: {{setting}}= {_EDIT}"),
    *(
        Step("bounding_set", _SAY, _WIDEN_SET, strategy=it, setting="CapabilityBoundingSet")
        for it in ("ambient", "authbind")
    ),
    Step(
        "bounding_set",
        _UNIT,
        _ADD % "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        setting="CapabilityBoundingSet",
    ),
    Step("bounding_set", _SITE, "have the engine of this container give it CAP_NET_BIND_SERVICE (--cap-add)"),
    Step("address_families", _UNIT, _ADD % "RestrictAddressFamilies=AF_INET AF_INET6"),
    Step("system_calls", _UNIT, f"ease SystemCallFilter= of {{unit}}, for {{text}} {_EDIT}"),
    Step("socket_bind_deny", _UNIT, f"add SocketBindAllow= to {{unit}} for port {{ports}} {_EDIT}"),
    Step("secure_bits", _UNIT, f"take noroot out of SecureBits= of {{unit}} {_EDIT}"),
    Step("command_prefix", _UNIT, f"write ExecStart= of {{unit}} without @ {_EDIT}"),
    Step("drops_privileges", _UNIT, "{advice}"),
    Step("environment_lost", _UNIT, f"have {{unit}} execute the program itself, with User= {_EDIT}"),
    Step(
        "runs_as_root",
        _UNIT,
        "{unit} starts as root and binds its port itself: if it can run as another user, {be_user}",
        setting="User",
    ),
    Step("runs_as_root", _UNIT, f"have {{unit}} execute the program itself, with User= {_EDIT}", setting="ExecStart"),
    Step(
        "runs_as_root", _UNIT, f"take the prefix {{evidence}} off ExecStart= of {{unit}}, if it can do without {_EDIT}"
    ),
    Step("program_refused", _PROGRAM, "", advice=OF_SCRIPT),
    Step("program_refused", _PROGRAM, "grant it to a private copy: {copy}", advice=OF_INTERPRETER),
    Step("program_refused", _PROGRAM, "{advice}"),
    Step("backend_loopback", _PROGRAM, "{advice}"),
    Step("backend_address", _PROGRAM, "{advice}"),
    Step("backend_interface", _SAY, "say strategy: redirect"),
    Step("setuid_program", _PROGRAM, "take the set-user-ID and set-group-ID bits away by chmod: {evidence}"),
    Step("other_capability", _PROGRAM, "take away by setcap -r what others gave it: {evidence}"),
    Step("takes_no_sockets", _PROGRAM, "upgrade it: {advice}"),
    Step("selinux_port", _SITE, "{advice}"),
    Step("selinux_node", _SITE, "{advice}"),
    Step("selinux_capability", _SITE, "{advice}"),
    Step("selinux_authbind", _SITE, "{advice}"),
    Step("apparmor", _SITE, "{advice}"),
    Step("policy", _SITE, "change the {evidence}: {text}"),
    Step("only_when_named", _LAST, "say strategy: sysctl, which opens port {lowest} and all above to every user"),
)


class Way(NamedTuple):
    """A strategy, and all that it takes to make it work."""

    strategy: str
    steps: tuple[str, ...]
    effort: int

    def __str__(self) -> str:
        return "; and ".join(self.steps) + (f" [{self.strategy}]" if self.strategy else "")


def ways_out(decision: Mapping[str, Any]) -> tuple[Way, ...]:
    """What helps a service that was refused, of a decision as the filter privport_plan returns it.

    At most 4, those of the least effort first. Each is enough by itself.
    """
    named, rejected = decision["service"]["strategy"], decision["rejected"]
    tried = STRATEGY_NAMES if named == "auto" else (named,)
    found = [_way(name, rejected[name], decision) for name in tried if name in rejected]
    if named != "auto":
        others = [name for name in STRATEGY_NAMES if name not in rejected]
        found.append(Way(strategy=(*others, "")[0], steps=("say strategy: auto",), effort=_SAY))
    return tuple(_least(way for way in found if way is not None)[:_MOST])


def _way(strategy: str, reasons: Sequence[Mapping[str, str]], decision: Mapping[str, Any]) -> Way | None:
    """None where a reason stays, whatever is done."""
    efforts: dict[str, int] = {}
    for reason in reasons:
        step = _step(reason, strategy=strategy)
        text = step.text.format_map(_names(reason, decision)) if step else ""
        if step is None or not text:
            return None
        efforts[text] = step.effort
    return Way(strategy=strategy, steps=tuple(efforts), effort=sum(efforts.values()))


def _step(reason: Mapping[str, str], *, strategy: str) -> Step | None:
    match = _SETTING.search(reason["evidence"])
    met = {"strategy": strategy, "setting": match["setting"] if match else "", "advice": advice_in(reason["text"])}
    fitting = (
        step
        for step in STEPS
        if step.code == reason["code"] and all(getattr(step, name) in ("", value) for name, value in met.items())
    )
    return next(fitting, None)


def advice_in(sentence: str) -> str:
    """What a sentence says to do, after its last semicolon; '' for nothing."""
    return sentence.rpartition("; ")[2] if "; " in sentence else ""


def _names(reason: Mapping[str, str], decision: Mapping[str, Any]) -> dict[str, str]:
    """What a step's text can hold."""
    match, service = _SETTING.search(reason["evidence"]), decision["service"]
    unit, user = decision["unit"], decision["user"]
    program = shlex.quote(decision["executable"] or "PROGRAM")
    copy = shlex.quote(f"/usr/local/bin/{service['name']}-{posixpath.basename(decision['executable'])}")
    numbers = [port.number for port in parse_ports(decision["ports"], where="ports")]
    backends = {**{str(number): number + _ABOVE for number in numbers}, **service.get("backend_ports", {})}
    edited = f"set User={user} in {unit} {_EDIT.format(unit=unit)}"
    return {
        **reason,
        "advice": advice_in(reason["text"]),
        "setting": match["setting"] if match else "",
        "value": match["value"] if match else "",
        # The one that says so, which may be that of a supervisor.
        "unit": match["unit"] if match else unit,
        "user": user or "NAME",
        "program": program,
        "ports": ", ".join(decision["ports"]),
        "lowest": str(min(numbers)),
        "backends": "{" + ", ".join(f"{low}: {high}" for low, high in backends.items()) + "}",
        "be_user": edited if service.get("user") else "say user: NAME",
        "copy": f"install -g $(id -gn {user or 'USER'}) -m 0750 {program} {copy}, and start that (executable: {copy})",
    }


def _least(ways: Iterable[Way]) -> list[Way]:
    """By effort, without those that ask for all that another one does and more."""
    kept: list[Way] = []
    for way in sorted(ways, key=lambda way: way.effort):
        if not any(set(other.steps) <= set(way.steps) for other in kept):
            kept.append(way)
    return kept
