# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a glance at sockets tells between two looks."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.model.service import parse_services
from ansible_collections.netbind.privport.plugins.module_utils._observe import proof
from ansible_collections.netbind.privport.tests.unit.observed import SS, machine


def test_a_second_socket_at_the_same_address_is_something_new() -> None:
    services = parse_services([{"name": "web", "ports": [80], "unit": "plain.service"}])
    one = [it for it in SS.splitlines(keepends=True) if ":80 " in it][:1]
    assert one
    proofs = proof.prove_services(machine(sockets=one[0]), services)
    glances = [proof._glance(machine(sockets="".join(lines)), proofs) for lines in (one, one + one)]
    assert glances[0] == proof._seen(proofs)
    assert glances[0] != glances[1]
