# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of strategies, in order of preference.

The imports are plain because AnsiballZ sends to a host only what it sees imported.
"""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.case import Strategy
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies import (
    ambient,
    authbind,
    forward,
    redirect,
    setcap,
    socket,
    sysctl,
    unneeded,
)

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        unneeded.STRATEGY,
        socket.STRATEGY,
        ambient.STRATEGY,
        setcap.STRATEGY,
        authbind.STRATEGY,
        redirect.STRATEGY,
        forward.STRATEGY,
        sysctl.STRATEGY,
    )
}
