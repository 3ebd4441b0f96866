#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_info
short_description: Observe what decides about privileged ports on a host
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Observes the host and the named services. The filter P(netbind.privport.privport_plan#filter) decides from it
    which strategy each service gets.
  - One run observes all services. Nothing is ever changed.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.observes
  - netbind.privport._services
options:
  scan:
    description:
      - Also look for every grant for privileged ports on the host, whoever made it, and for everyone who listens on
        such a port. This looks at every file of the local file systems.
    type: bool
    default: false
  scan_seconds:
    description:
      - How long O(scan=true) may look for files with capabilities, in seconds. What it did not get to is in
        RV(privport.skipped).
    type: int
    default: 300
notes:
  - Run it as root (C(become=true)). What other users cannot see, such as who holds a port, is returned as unknown.
seealso:
  - module: netbind.privport.privport_verify
  - plugin: netbind.privport.privport_plan
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Observe the host and a service
  netbind.privport.privport_info:
    services:
      - name: caddy
        ports: [80, 443]
        unit: caddy.service
  register: observed

- name: Show what would be chosen and why
  ansible.builtin.debug:
    msg: "{{ observed.privport | netbind.privport.privport_plan(services) }}"

- name: List every grant on the host
  netbind.privport.privport_info:
    scan: true
  register: observed
"""

RETURN = r"""
privport:
  description: The observation, a JSON document.
  returned: success
  type: dict
  contains:
    format:
      description: The version of this document.
      type: int
    kernel:
      description: The release of the running kernel.
      type: str
    effective_uid:
      description: The user id that observed; what only root can see is unknown to others.
      type: int
    unprivileged_port_start:
      description: The first port that every user may bind (net.ipv4.ip_unprivileged_port_start). V(null) for unknown.
      type: int
      sample: 1024
    local_port_range:
      description: The first and the last port of net.ipv4.ip_local_port_range. V(null) for unknown.
      type: list
      elements: int
      sample: [32768, 60999]
    sysctl_files:
      description: The files of C(sysctl.d) that speak of that first port, path to text, and those that hide them.
      type: dict
    sysctl_leftovers:
      description: What a killed run left of a change to the collection's own of them.
      type: list
      elements: str
    container:
      description: Whether a container's engine made the host.
      type: bool
    init:
      description: Process 1 as C(/proc/1/status) shows it, with its user ids and capabilities. V(null) for unknown.
      type: dict
    systemd:
      description: The version of the systemd that runs the host. V(null) where none does.
      type: int
      sample: 252
    systemd_features:
      description: What that systemd was built with and without.
      type: list
      elements: str
      sample: ["+SECCOMP", "-BPF_FRAMEWORK"]
    authbind:
      description: What authbind(1) needs. V(null) where it is not installed.
      type: dict
      contains:
        program:
          description: Its path.
          type: str
        helper_setuid:
          description: Whether its helper is set-user-ID root.
          type: bool
        helper_nosuid:
          description: Whether the helper is on a nosuid mount. V(null) for unknown.
          type: bool
    authbind_rules:
      description: The files below C(/etc/authbind), and the folders in which users look for them.
      type: list
      elements: dict
      contains:
        path:
          description: Its path.
          type: str
        uid:
          description: Its owner.
          type: int
        gid:
          description: Its group.
          type: int
        mode:
          description: Its permissions.
          type: int
        content:
          description: Its text.
          type: str
        acl:
          description: Its access control list. V(null) for none.
          type: dict
    records:
      description:
        - What the collection granted on this host and to which service (C(service), C(strategy), C(kind), C(path)),
          what was there before (C(before)), what it made of it (C(after)), and what is there now (C(now)).
      type: list
      elements: dict
    init_scripts:
      description: Whether a boot runs the scripts of sysv-rc.
      type: bool
    forwarders:
      description: The paths of the programs that can forward connections, by what O(services[].forward_with) calls
        them.
      type: dict
    ipv6:
      description: Whether the kernel has IPv6.
      type: bool
    python:
      description: The Python that units call which give a file capability back.
      type: str
    instances:
      description:
        - Of each template whose instances are not named, those that run, failed or are enabled, as names of units.
      type: dict
    socket_source:
      description: Where listening sockets were read from, V(ss) or V(/proc/net).
      type: str
    services:
      description: What was found for each service, in their order.
      type: list
      elements: dict
      contains:
        name:
          description: The service's name.
          type: str
        unit:
          description: The systemd unit. V(null) where none is declared, and where systemd does not run the host.
          type: dict
          contains:
            name:
              description: Its name, that of the unit itself where an alias was given.
              type: str
            properties:
              description: Its properties as C(systemctl show) prints them. One that this systemd lacks is left out.
              type: dict
            commands:
              description: Its C(ExecStart=) commands as its files write them, C(prefix) and C(line).
              type: list
              elements: dict
            other_commands:
              description: >-
                The commands of C(ExecStartPre=), C(ExecReload=) and their like, C(prefix) and C(line), by setting.
              type: dict
            template:
              description: The template whose drop-in grants to this instance. Empty for a unit with one of its own.
              type: str
            dropin_strategy:
              description: The strategy that the collection's drop-in is for. Empty for no such drop-in.
              type: str
            dropin_user:
              description: The C(User=) that this drop-in sets.
              type: str
            dropin_text:
              description: The text of this drop-in.
              type: str
            foreign_dropin:
              description: Somebody else's drop-in that the collection's would replace or hide. Empty for none.
              type: str
            capability_files:
              description: The unit's files that grant the capability to bind ports.
              type: list
              elements: str
            narrow:
              description: The settings that keep that capability from it, as its files are without this drop-in.
              type: list
              elements: str
            interrupted:
              description: Whether a run that was ended left a change of this drop-in half done.
              type: bool
            leftovers:
              description: The temporary files that it left.
              type: list
              elements: str
            overriding:
              description: The later drop-ins that take a setting of it back, by the setting.
              type: dict
            process:
              description: Its running main process. V(null) for none.
              type: dict
        program:
          description: The file that it executes. V(null) where that is not there or cannot be looked at.
          type: dict
          contains:
            path:
              description: Its path as it is declared or as the unit has it.
              type: str
            real_path:
              description: The same with all links resolved.
              type: str
            form:
              description: V(elf-dynamic), V(elf-static), V(go), V(script) or V(other).
              type: str
            interpreter:
              description: The words of a script's first line.
              type: list
              elements: str
            mode:
              description: Its permission bits as a number.
              type: int
            uid:
              description: Its owner.
              type: int
            gid:
              description: Its group.
              type: int
            nosuid:
              description: Whether its mount ignores file capabilities.
              type: bool
            capability:
              description: Its file capabilities. V(null) for none, empty for an empty attribute.
              type: str
            attribute:
              description: The attribute C(security.capability) itself, in hexadecimal. V(null) for none.
              type: str
            kept:
              description: Whether the host gives it back after an upgrade, V(no), V(yes) or V(in part).
              type: str
            unkept:
              description: Why the host may not be left to do so, a sentence. Empty where it may.
              type: str
            binds:
              description: Whether they let it bind privileged ports.
              type: bool
            obstacle:
              description: Why they cannot be changed. Empty where they can.
              type: str
            refusals:
              description: Why M(netbind.privport.privport_setcap) would refuse it.
              type: list
              elements: str
            warnings:
              description: What M(netbind.privport.privport_setcap) would warn of.
              type: list
              elements: str
            executed_by:
              description: The loaded units that execute it, where it has a file capability.
              type: list
              elements: str
            takes_sockets:
              description:
                - Whether it takes sockets that systemd hands to it, where the service says so. V(false) for a caddy
                  before 2.9. V(null) for what its file does not tell.
              type: bool
        interpreter:
          description: The program at the end of a script's first lines, as RV(privport.services[].program).
          type: dict
        account:
          description: The user that it runs as. V(null) where there is none.
          type: dict
          contains:
            name:
              description: The user's name.
              type: str
            uid:
              description: The user id.
              type: int
            gid:
              description: The id of the primary group.
              type: int
            groups:
              description: The ids of the other groups.
              type: list
              elements: int
        authbind_ports:
          description: What the rules of authbind say to this user, for each port that authbind handles.
          type: list
          elements: dict
          contains:
            port:
              description: The port.
              type: int
            allowed:
              description: Whether the rules let the user bind it.
              type: bool
            refusal:
              description: Why no rule of the collection could let it, empty where one could.
              type: str
            warnings:
              description: What to know of the rules.
              type: list
              elements: str
            own_rules:
              description: The files that hold a rule for this user.
              type: list
              elements: str
        network:
          description: The network namespace that it runs in, or would.
          type: dict
          contains:
            is_host:
              description: Whether it is that of the host.
              type: bool
            path:
              description: The file that leads to another one. Empty for the host's, and where nothing leads to it yet.
              type: str
            unprivileged_port_start:
              description: As RV(privport.unprivileged_port_start), in this namespace.
              type: int
            local_port_range:
              description: As RV(privport.local_port_range), in this namespace.
              type: list
              elements: int
        sockets:
          description: The socket units that start its unit or listen on one of its ports.
          type: list
          elements: dict
          contains:
            name:
              description: Its name.
              type: str
            active:
              description: Whether it holds its sockets now.
              type: bool
            enabled:
              description: Whether it is enabled for the next boot.
              type: bool
            accept:
              description: Whether it starts an instance of a service for each connection (C(Accept=yes)).
              type: bool
            ports:
              description: The ports that it listens on.
              type: list
              elements: str
              sample: ["80", "443/udp"]
            triggers:
              description: The units that it starts.
              type: list
              elements: str
        listeners:
          description: The sockets that listen on its ports in its network namespace.
          type: list
          elements: dict
          contains:
            protocol:
              description: V(tcp) or V(udp).
              type: str
            address:
              description: The address that it is bound to.
              type: str
            port:
              description: The port.
              type: int
            v6only:
              description: Whether a socket of IPv6 takes no IPv4. V(null) where that is not told.
              type: bool
            owners:
              description: The processes that hold it.
              type: list
              elements: dict
            owners_known:
              description: V(false) where some processes could not be asked.
              type: bool
        unread:
          description:
            - Why something is there but could not be read, by what it is. V(unit) for the files of the unit,
              V(program), V(interpreter), and V(capability) for the file capabilities of either.
          type: dict
        user_unit:
          description: The file of O(services[].unit) where only the manager of a user has it, otherwise empty.
          type: str
        not_executable:
          description: Why its user cannot execute the program in the unit, empty where it can.
          type: str
        authbind_closed:
          description: Why its user cannot use authbind in the unit, empty where it can.
          type: str
        redirect:
          description:
            - What the host offers to redirects, the C(tool) that makes them, why it does not take them (C(refused)) and
              what of the host's own rules keeps redirected connections out (C(barriers)). V(null) without
              O(services[].backend_ports).
          type: dict
        diversions:
          description: The rules of the host's network that lead connections away from its ports.
          type: list
          elements: dict
          contains:
            port:
              description: The port that they were made to.
              type: int
            protocol:
              description: V(tcp) or V(udp).
              type: str
            family:
              description: V(ipv4) or V(ipv6).
              type: str
            certain:
              description: V(false) where the rule may lead them away, under conditions that nobody can judge from here.
              type: bool
            rule:
              description: The rule, as the tool writes it.
              type: str
        superserver:
          description:
            - What the host has for starting a program for each connection, C(programs) by the name of the server,
              C(daemons) with their units, and the texts of C(inetd)'s and C(xinetd)'s configuration. V(null) for a
              service of another kind.
          type: dict
        installed:
          description:
            - What is there of the collection's own files and units for it, by strategy. C(paths) and C(units) are where
              was looked, C(files) what was found, each with C(path), C(text) and C(target), C(foreign) the paths where
              somebody else has something, C(leftovers) what a killed run left, C(active) the units that are active, and
              C(unread) those whose files systemd has not read.
          type: dict
        confinement:
          description:
            - How SELinux or AppArmor confines the service. V(null) where neither does.
            - For AppArmor the kernel is asked by trying it. A child in namespaces of its own enters the profile and
              binds the port there, as does another one through authbind. Nothing of it reaches the host but a line
              in the audit log, by a program of the name V(privport-trial), where the profile does not allow it.
          type: dict
          contains:
            module:
              description: V(SELinux) or V(AppArmor).
              type: str
            subject:
              description: The SELinux context or the AppArmor profile that the service runs in.
              type: str
            enforced:
              description: V(false) where what is not allowed is only written down.
              type: bool
            refusals:
              description:
                - What stands in the way of a process that binds by itself, each with a C(code), a C(text) with the
                  command that allows it, and the C(evidence).
              type: list
              elements: dict
            authbind:
              description: The same for authbind and its helper.
              type: list
              elements: dict
            unknown:
              description: What could not be read.
              type: list
              elements: str
    grants:
      description:
        - Every grant for privileged ports on the host, whoever made it. V(null) unless O(scan=true).
      type: list
      elements: dict
      contains:
        mechanism:
          description: >-
            V(setcap), V(ambient), V(authbind), V(socket), V(redirect), V(forwarder), V(superserver), V(sysctl),
            V(pam_cap) or V(openrc).
          type: str
        subject:
          description: The file, unit, rule or setting.
          type: str
        holders:
          description: Who can use it, as text.
          type: list
          elements: str
        ports:
          description: The privileged ports that it is for. Empty for any.
          type: list
          elements: str
        effective:
          description: Whether the kernel lets it work. V(null) for unknown.
          type: bool
        why_not:
          description: Why it does not work, or why nobody can tell. Empty where it works.
          type: str
        persistent:
          description: Whether the next boot has it. V(null) for unknown.
          type: bool
        live:
          description: Whether it is in force now. V(null) for unknown.
          type: bool
        file:
          description: The file that makes it. Empty where there is none.
          type: str
        package:
          description: The package that this file belongs to. Empty for none, and where no package manager tells.
          type: str
        evidence:
          description: What was found, as it is written there.
          type: str
        units:
          description: The units that get their ports by it.
          type: list
          elements: str
        remarks:
          description: The rules of the audit that it meets.
          type: list
          elements: dict
          contains:
            rule:
              description: The rule's name in the catalogue.
              type: str
            text:
              description: How the grant meets it, in a sentence.
              type: str
    listeners:
      description:
        - Every socket that listens on a port below 1024, in every network namespace. V(null) unless O(scan=true).
      type: list
      elements: dict
      contains:
        protocol:
          description: V(tcp) or V(udp).
          type: str
        address:
          description: The address that it is bound to.
          type: str
        port:
          description: The port.
          type: int
        network:
          description: The network namespace, by its name or by who is in it. Empty for the host's own.
          type: str
        unit:
          description: The unit of the process that holds it, or the one that systemd starts for it.
          type: str
        executable:
          description: The program of that process. Empty while nobody runs.
          type: str
        user:
          description: The user of that process, or the one that the unit names.
          type: str
        uid:
          description: The user id of that process. V(null) while nobody runs.
          type: int
        capabilities:
          description: The capabilities that it has in effect.
          type: list
          elements: str
        root:
          description: Whether one of those that hold it is root. V(null) where that is closed to the user who looks.
          type: bool
        set_user_id:
          description: Whether its program is set-user-ID.
          type: bool
        strategy:
          description:
            - The strategy by which a service that runs as root need not, before any rule of the site. Empty for none,
              and for all others.
          type: str
        why:
          description: Why that one, or why none.
          type: str
    skipped:
      description: What was not looked at. V(null) unless O(scan=true).
      type: list
      elements: dict
      contains:
        what:
          description: What it is, such as a folder.
          type: str
        why:
          description: Why it was not looked at.
          type: str
    without_root:
      description:
        - The units of root's listeners as services of another user, observed as O(services) are, by which
          RV(privport.listeners[].strategy) is decided. V(null) without any, and unless O(scan=true).
      type: dict
"""

from typing import Any

from ansible_collections.netbind.privport.plugins.module_utils._core.audit.grant import Scan
from ansible_collections.netbind.privport.plugins.module_utils._core.model.document import dump
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service_spec import SERVICES
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._host.recording import RecordingHost
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module
from ansible_collections.netbind.privport.plugins.module_utils._observe.audit.scan import scan
from ansible_collections.netbind.privport.plugins.module_utils._observe.observe import observe


def run(params: dict[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The observation as JSON data, with the grants of the whole host where they are asked for."""
    observation = dump(observe(host, parse_services(params["services"])))
    found = dump(scan(host, seconds=params["scan_seconds"])) if params["scan"] else dict.fromkeys(Scan._fields)
    return {"changed": False, "privport": {**observation, **found}}


def main() -> None:
    run_module(
        run,
        host=RecordingHost(),
        argument_spec={
            "services": SERVICES,
            "scan": {"type": "bool", "default": False},
            "scan_seconds": {"type": "int", "default": 300},
        },
    )


if __name__ == "__main__":
    main()
