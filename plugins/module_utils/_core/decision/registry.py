# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of strategies, in order of preference.

The imports are plain because AnsiballZ sends to a host only what it sees imported.
"""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.ambient import Ambient
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.authbind import Authbind
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.forward import Forward
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.redirect import Redirect
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.setcap import Setcap
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.socket import Socket
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.superserver import Superserver
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.sysctl import Sysctl
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategies.unneeded import Unneeded
from ansible_collections.netbind.privport.plugins.module_utils._core.decision.strategy import Strategy

STRATEGIES: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Unneeded(),
        Socket(),
        Ambient(),
        Setcap(),
        Authbind(),
        Superserver(),
        Redirect(),
        Forward(),
        Sysctl(),
    )
}
