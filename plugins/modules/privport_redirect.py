#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_redirect
short_description: Lead low ports to high ones of the same host
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - Has the kernel lead connections and datagrams for O(ports) to O(backend_ports), on which a service listens without
    any privilege. What comes from other hosts and from the host itself is led, over IPv4 and IPv6. What is only
    forwarded, and what the host sends to others, is left alone. The service sees the client's own address.
  - With C(nft) the rules are a table of their own, C(privport_NAME) of the family C(inet). On a host that has
    C(iptables) alone they are chains of that name in the table C(nat).
  - A unit of their own loads them at boot. Drop-ins of the units that load the host's own rules, C(nftables.service),
    or with iptables C(netfilter-persistent.service), C(iptables.service) and C(ip6tables.service), load them again
    whenever these start, reload or stop, for that takes away all other rules.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.changes
options:
  name:
    description:
      - The service's name, by which its table, its unit and its files are named.
    type: str
    required: true
  ports:
    description:
      - The low ports, such as V(80), V(80-90) or V(443/udp).
      - Required with O(state=present).
    type: list
    elements: raw
    default: []
  backend_ports:
    description:
      - The port that the service listens on instead, for each of O(ports), as a mapping. It is of the same protocol.
      - The service must listen on all addresses. One that listens on V(127.0.0.1) alone is not reached from other
        hosts.
    type: dict
    default: {}
  families:
    description:
      - What is led, of V(ipv4) and V(ipv6). Both by default.
    type: list
    elements: str
    default: []
  state:
    description:
      - With V(absent) all that was written for O(name) is removed, and the rules with it.
    type: str
    choices: [present, absent]
    default: present
notes:
  - Needs root, nft or iptables, and systemd or init scripts that a boot starts (sysv-rc, OpenRC, Debian's runit). With
    an init script the rules come back at boot, and not when the host's own rules are loaded anew. A kernel before 5.2
    may lack nat for the family C(inet). The module says so before anything is changed.
  - Rules of the host's own that drop what comes in see the high port. Where they do not let it in, put
    C(ct status dnat tcp dport 8080 accept) before what drops, or with iptables
    C(-p tcp --dport 8080 -m conntrack --ctstate DNAT -j ACCEPT).
  - C(nft -f /etc/nftables.conf) and C(nft flush ruleset), run by hand, take the rules away. The next run of the module
    brings them back, as does a restart of their unit.
  - With nft 0.9, a datagram that the host sends to an address of its own other than loopback is led to loopback, and
    the answer of a server that listens on all addresses is not taken for one. Later versions and iptables keep the
    address.
  - While the service does not run, every user of the host may listen on a high port and get what is led there.
seealso:
  - module: netbind.privport.privport_ambient
  - module: netbind.privport.privport_verify
"""

EXAMPLES = r"""
- name: Lead port 80 to port 8080, on which the service listens
  netbind.privport.privport_redirect:
    name: web
    ports: [80]
    backend_ports:
      80: 8080

- name: Take it back
  netbind.privport.privport_redirect:
    name: web
    state: absent
"""

RETURN = r"""
path:
  description: The file that holds the rules.
  returned: success
  type: str
  sample: /etc/netbind.privport/web.nft
unit:
  description: The unit that loads them.
  returned: success
  type: str
  sample: privport-redirect-web.service
backend:
  description: What loads them, V(nftables) or V(iptables). Empty for a host that has neither, with O(state=absent).
  returned: success
  type: str
  sample: nftables
rules:
  description: The text of the file, empty with O(state=absent).
  returned: success
  type: str
  sample: |
    # Managed by netbind.privport (redirect); state=absent removes this file.
    table inet privport_web
    delete table inet privport_web
    table inet privport_web {
      chain prerouting {
        type nat hook prerouting priority -100; policy accept;
        fib daddr type local tcp dport 80 dnat to :8080
      }

      chain output {
        type nat hook output priority -100; policy accept;
        fib daddr type local tcp dport 80 dnat to :8080
      }
    }
"""

from typing import Any, Mapping

from ansible_collections.netbind.privport.plugins.module_utils._apply import redirect as _redirect
from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Installation
from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import (
    parse_backend_ports,
    parse_families,
    parse_ports,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.netfilter import redirect
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module


def run(params: Mapping[str, Any], *, host: Host, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises PrivportError; then files, unit and rules are what they were before."""
    name = redirect.parse_name(params["name"])
    wanted, rules, scripts = Installation(), "", _redirect.by_scripts(host)
    tool = _redirect.find_tool(host)
    if params["state"] == "present":
        tool = _redirect.require_tool(host)
        made = redirect.rules(name, _redirects(params), families=_families(params), tool=tool)
        _redirect.check(host, made, tool)
        wanted, rules = redirect.installation(name, made, tool=tool, scripts=scripts), made.text
    applied = _redirect.apply(host, name, wanted, check_mode=check_mode)
    return {
        "changed": applied.changed,
        "diff": applied.diffs,
        "path": redirect.rules_path(name, tool=tool.name if tool else redirect.NFTABLES),
        "unit": redirect.starting(name, scripts=scripts),
        "backend": tool.name if tool else "",
        "rules": rules,
    }


def _redirects(params: Mapping[str, Any]) -> tuple[redirect.Redirect, ...]:
    ports = parse_ports(params["ports"], where="ports")
    backends = parse_backend_ports(params["backend_ports"], where="backend_ports")
    return redirect.redirects(ports, backends, where="backend_ports")


def _families(params: Mapping[str, Any]) -> tuple[str, ...]:
    return parse_families(params["families"], where="families")


def main() -> None:
    run_module(
        run,
        host=Host(),
        locks=True,
        argument_spec={
            "name": {"type": "str", "required": True},
            "ports": {"type": "list", "elements": "raw", "default": []},
            "backend_ports": {"type": "dict", "default": {}},
            "families": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    )


if __name__ == "__main__":
    main()
