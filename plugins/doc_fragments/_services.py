# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that describes services, for every module that takes it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  services:
    description: The services. Wrong descriptions are refused with the name of the service and of the key.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What the service is called here, such as V(caddy). No two services share a name.
        type: str
        required: true
      ports:
        description:
          - Its ports, each V(N), V(N-M), V(N/tcp) or V(N/udp). As text they are written with commas, V(80,443/udp).
          - No two services that are present share a port, unless their O(services[].addresses) differ, or their units
            are instances of one template, which bind it by SO_REUSEPORT.
        type: list
        elements: str
        required: true
      addresses:
        description:
          - The addresses that it listens on, such as V([192.0.2.10, '2001:db8::1']). By default any.
          - Two services may have a port in common when both name addresses, and none in common.
        type: list
        elements: str
      unit:
        description:
          - The systemd service unit that runs it, where systemd does. C(.service) may be left out.
          - A template, C(web@.service), stands for its O(services[].instances).
        type: str
      scope:
        description: >-
          Whose systemd has the O(services[].unit), the system's or that of the O(services[].user). A user's has no
          capability to give.
        type: str
        choices: [system, user]
        default: system
      manager:
        description: >-
          What starts it where systemd does not, in the place of O(services[].unit). Its state and its process are told
          by the supervisor, which also restarts it. What its run script or its section says is not changed.
        type: dict
        suboptions:
          kind:
            description:
              - "The supervisor. V(sysv) and V(openrc) are init scripts, on hosts that sysv-rc or OpenRC run."
            type: str
            choices: [runit, s6, daemontools, openrc, sysv, supervisord]
            required: true
          name:
            description:
              - The name that the supervisor knows it by, or the path of its service's folder. By default that of the
                service. Of supervisord a program of a group is V(group:name).
            type: str
      executable:
        description: The absolute path of its program. By default that of the unit's C(ExecStart=).
        type: str
      user:
        description: The user that it runs as. By default that of the unit's C(User=).
        type: str
      strategy:
        description: The strategy that it must get, which is refused where it cannot work. V(auto) chooses one.
        type: str
        choices: [auto, unneeded, socket, ambient, setcap, authbind, superserver, redirect, forward, sysctl]
        default: auto
      instances:
        description:
          - The instances of a O(services[].unit) that is a template, such as V([site-a, site-b]) of C(web@.service).
            They share one grant, and each is restarted and proven by itself.
          - By default those that run, failed or are enabled, but for those that another service names as its
            O(services[].unit).
        type: list
        elements: str
      listens:
        description:
          - V(on_demand) for what need not listen when the run ends, such as the job of a timer, a server that binds on
            a signal, or the stopped unit of a standby node. Nothing is started for it. Whether it may bind its ports is
            tried in the sandbox of its unit, and that it does not listen is unknown, not failed.
          - A unit that a timer or a path starts, and one of C(Type=oneshot), is never started either.
        type: str
        choices: [always, on_demand]
        default: always
      widen:
        description:
          - What the drop-in of the strategies V(ambient) and V(authbind) may add to the sandbox of the unit where the
            grant needs it. V(bounding_set) adds the one capability to C(CapabilityBoundingSet=), and V(private_users)
            sets C(PrivateUsers=no). It goes with the drop-in.
        type: list
        elements: str
      timeout:
        description:
          - How many seconds it may take until it listens. By default what the option of that name says for all
            services.
        type: int
      socket_activation:
        description: Whether it accepts C(LISTEN_FDS), so that systemd can bind its ports.
        type: bool
        default: false
      socket:
        description: What systemd sets on its socket. By default what systemd itself does.
        type: dict
        suboptions:
          backlog:
            description: How many connections may wait to be accepted (C(Backlog=)).
            type: int
          no_delay:
            description: Whether small packets are sent at once (C(NoDelay=)).
            type: bool
          reuse_port:
            description: Whether other sockets may be bound to the same ports (C(ReusePort=)).
            type: bool
          address_allow:
            description: Whom O(services[].socket.address_deny) does not concern, written in the same way.
            type: list
            elements: str
          address_deny:
            description:
              - From whom packets are dropped. Addresses, networks, V(any), V(localhost), V(link-local) or
                V(multicast).
            type: list
            elements: str
      backend_ports:
        description: "High ports that it listens on instead, by low port, such as V({80: 8080})."
        type: dict
      forward_with:
        description:
          - What takes connections to O(services[].backend_ports). By default V(proxyd), and V(socat) where systemd does
            not run the host.
        type: str
        choices: [proxyd, socat, haproxy, nginx]
      families:
        description: Those of V(ipv4) and V(ipv6) that it must be reached by. By default any will do.
        type: list
        elements: str
      superserver:
        description:
          - What starts its O(services[].command) for each connection, of a service that does not listen by itself.
          - V(systemd) is a socket unit with C(Accept=yes), V(xinetd) a file in C(/etc/xinetd.d), V(inetd) lines in
            C(/etc/inetd.conf), V(tcpserver) and V(tcpsvd) a unit that runs one of these. V(s6) and V(nosh) are refused,
            with the reason.
          - It asks for O(services[].command) and O(services[].user), and goes without O(services[].unit).
        type: str
        choices: [systemd, xinetd, inetd, tcpserver, tcpsvd, s6, nosh]
      superserver_options:
        description:
          - What the O(services[].superserver) heeds. What it cannot express is refused, with the name of one that can.
          - Its C(bind) is the same as O(services[].addresses). A proof tries a connection where C(only_from) holds an
            address of the host's own, such as V(127.0.0.1).
        type: dict
        suboptions:
          bind:
            description: The addresses that are bound. By default all.
            type: list
            elements: str
          only_from:
            description:
              - The addresses and networks whose clients are served, such as V([192.0.2.0/24, '2001:db8::/32']). By
                default all are.
            type: list
            elements: str
          instances:
            description: How many connections are served at a time. By default as many as the server says.
            type: int
          per_source:
            description: The same of each client's address.
            type: int
          cps:
            description: How many connections are taken in a second. V(inetd) counts them by the minute.
            type: int
          wait:
            description:
              - Whether the program gets the listening socket and takes what comes by itself, as it is with UDP.
            type: bool
          log:
            description: Whether the server writes the address of each client to the system's log.
            type: bool
      command:
        description:
          - The program that the O(services[].superserver) starts, with an absolute path, and its arguments. The
            connection is its standard input and output.
          - A list of words, or a text that is split into words as a shell does.
        type: raw
      state:
        description: Whether it has its ports. With V(absent) everything is taken back that belongs to it.
        type: str
        choices: [present, absent]
        default: present
"""
