# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configurations that a program judges before it gets them."""

from __future__ import annotations

import posixpath

from ansible_collections.netbind.privport.plugins.module_utils._core.managed.installation import Trial
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import Refused
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host


def judge(host: Host, trial: Trial) -> None:
    """Have a program judge a configuration. Raises Refused with what it says of one that it does not take."""
    folder = posixpath.dirname(trial.path)
    host.make_folder(folder)
    try:
        host.write(trial.path, content=trial.content, mode=0o600)
        judged = host.run([*trial.argv])
    finally:
        for left in host.names_in(folder):
            host.remove_folder_if_empty(f"{folder}/{left}")
            if host.status_of_itself(f"{folder}/{left}") is not None:
                host.remove(f"{folder}/{left}")
        host.remove_folder_if_empty(folder)
        host.remove_folder_if_empty(posixpath.dirname(folder))
    if judged.rc != 0:
        said = (judged.stderr.strip() or judged.stdout.strip() or "nothing").splitlines()
        name = posixpath.basename(trial.path)
        raise Refused(f"{name} refuses the configuration that it would get: {said[0]}")
