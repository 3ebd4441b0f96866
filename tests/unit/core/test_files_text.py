# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would write, as text: each kind of resource, and the commands that bring it into force."""

from __future__ import annotations

from typing import Any, Dict

import pytest
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.decide import decide_cases
from ansible_collections.netbind.privport.plugins.module_utils._core.report.files_text import files_text
from ansible_collections.netbind.privport.tests.unit.core.cases import AMBIENT_DROPIN, CAP, ambient_process, case

DROPIN = "/etc/systemd/system/web.service.d/50-privport.conf"
HEADING = "# Managed by netbind.privport ({}); state=absent removes this file."
DONE: Dict[str, Any] = {
    "properties": {"AmbientCapabilities": CAP},
    "unit_fields": {"dropin_strategy": "ambient", "dropin_text": AMBIENT_DROPIN, "process": ambient_process()},
}


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        pytest.param(
            {},
            [
                f"# {DROPIN} (mode 0644, owner 0:0)",
                HEADING.format("ambient"),
                "[Service]",
                "AmbientCapabilities=CAP_NET_BIND_SERVICE",
                "",
                "# then, as root:",
                "systemctl daemon-reload",
                "systemctl restart web.service",
            ],
            id="a drop-in",
        ),
        pytest.param(
            {"description": {"strategy": "authbind"}, "properties": {"ActiveState": "inactive"}},
            [
                "# /etc/authbind/byport/80 (mode 0500, owner 990:0)",
                "",
                f"# {DROPIN} (mode 0644, owner 0:0)",
                HEADING.format("authbind"),
                "[Service]",
                "ExecStart=",
                "ExecStart=/usr/bin/authbind /usr/sbin/server",
                "",
                "# then, as root:",
                "systemctl daemon-reload",
                "systemctl start web.service",
            ],
            id="rules",
        ),
        pytest.param(
            {"description": {"strategy": "setcap"}, "properties": {"ActiveState": "inactive"}},
            ["# then, as root:", f"setcap {CAP}=ep /usr/sbin/server", "systemctl start web.service"],
            id="an attribute",
        ),
        pytest.param(DONE, ["nothing is to be written"], id="nothing"),
        pytest.param({"properties": {"PrivateUsers": "yes"}}, ["nothing is to be written"], id="refused"),
    ],
)
def test_what_would_be_written(fields: Dict[str, Any], lines: Any) -> None:
    judged = case(**fields)
    assert files_text([judged], decide_cases([judged])).splitlines() == lines


def test_a_link_and_what_goes() -> None:
    told = files_text(
        [judged := case(description={"socket_activation": True}, program_fields={"capability": f"{CAP}=ep"})],
        decide_cases([judged]),
    )
    link = "/etc/systemd/system/sockets.target.wants/web.socket"
    assert f"# {link} is to be a link to /etc/systemd/system/web.socket" in told
