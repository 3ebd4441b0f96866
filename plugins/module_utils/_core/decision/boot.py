# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a boot of the host forgets."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Case
from ansible_collections.netbind.privport.plugins.module_utils._core.sysctl.setting import KERNEL_DEFAULT, boot_start


def forgets(path: str) -> bool:
    """Whether a boot forgets the file. What generators write below /run they write again at each boot."""
    return path.startswith(("/run/", "/dev/")) and not path.startswith("/run/systemd/generator")


def closes(case: Case) -> str:
    """Which port is for everybody now and not after a boot, as a sentence; '' for none."""
    network, after_boot = case.facts.network, boot_start(case.host)
    first = KERNEL_DEFAULT if after_boot is None else after_boot
    closed = [port for port in case.service.ports if port.number < first and not case.handed_by(port)]
    # Who makes a container or a network namespace sets the value anew each time.
    if not closed or case.host.container or not network.is_host:
        return ""
    return (
        f"ip_unprivileged_port_start is {network.unprivileged_port_start} now and {first} after a boot, "
        f"when port {closed[0]} is privileged again; no file in sysctl.d keeps it"
    )
