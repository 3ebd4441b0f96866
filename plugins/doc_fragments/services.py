# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option that describes services, for every module that takes it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  services:
    description:
      - The services, each a mapping. Wrong descriptions are refused with the name of the service and of the key.
      - 'V(name) (required): what the service is called here, such as V(caddy).'
      - 'V(ports) (required): a list of V(N), V(N-M), V(N/tcp) or V(N/udp).'
      - 'V(unit): the systemd service unit that runs it, where systemd does.'
      - 'V(executable): the absolute path of its program. By default that of the unit''s C(ExecStart=).'
      - 'V(user): the user that it runs as. By default that of the unit''s C(User=).'
      - 'V(strategy): V(auto) (default), or the name of the strategy that it must get.'
      - 'V(socket_activation): V(true) when it accepts C(LISTEN_FDS). V(false) by default.'
      - 'V(socket): what systemd sets on its socket, a mapping of V(backlog), V(no_delay), V(reuse_port),
        V(address_allow) and V(address_deny).'
      - 'V(backend_ports): a mapping of low ports to the high ports that it listens on instead.'
      - 'V(forward_with): what takes connections to V(backend_ports), of V(proxyd), V(socat), V(haproxy) and V(nginx).
        By default V(proxyd), and V(socat) where systemd does not run the host.'
      - 'V(families): a list of V(ipv4) and V(ipv6), those that it must be reached by. By default any will do.'
      - 'V(state): V(present) (default) or V(absent).'
    type: list
    elements: dict
    default: []
"""
