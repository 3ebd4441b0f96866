# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of the machine as a file capability needs: files, accounts and processes, and the lock on grants."""

from __future__ import annotations

from ansible_collections.netbind.privport.plugins.module_utils._host.lock import Locks
from ansible_collections.netbind.privport.plugins.module_utils._host.processes import Processes


class FileHost(Locks, Processes):
    """This machine, for a module that changes one file."""
