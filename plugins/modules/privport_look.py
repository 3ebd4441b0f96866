#!/usr/bin/python
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: privport_look
short_description: Answer the questions that an earlier look asked a host
version_added: 1.0.0
author:
  - The netbind.privport authors (@netbind)
description:
  - A look at a host asks the same questions as long as the host is what it was. Those of the last run are remembered
    on the host. This module answers them anew, and the controller judges the answers. What to judge with need not
    travel to the host then, which makes a run that has nothing to do fast.
  - The action plugin of M(netbind.privport.privport) uses it. There is little reason to call it otherwise.
  - Remembered are questions, and of the answers only a digest with what they meant. Where the answers are the same
    again for the same request, the host tells what they meant, and nobody has to judge them. Nothing is ever changed.
extends_documentation_fragment:
  - netbind.privport._attributes
  - netbind.privport._attributes.observes
options:
  key:
    description: Under which key the questions were remembered. It tells for which services they are.
    type: str
    required: true
  request:
    description:
      - What the answers are judged for, as the judge called it when he left his result. Without it, or where it is
        another one, the answers are there to be judged.
    type: str
    default: ""
  questions:
    description:
      - The file that holds the remembered questions. The module fails for a file that others than root could have
        written.
    type: path
    default: /run/netbind.privport/questions
notes:
  - Run it as root (C(become=true)), as the look that asked first.
seealso:
  - module: netbind.privport.privport_info
  - module: netbind.privport.privport_verify
"""

EXAMPLES = r"""
- name: Answer what the last run asked
  netbind.privport.privport_look:
    key: web
  register: look
"""

RETURN = r"""
known:
  description: Whether questions are remembered under O(key), and answered in RV(evidence) or RV(result).
  returned: always
  type: bool
evidence:
  description:
    - The questions with their answers, for this version of the collection to read. Empty without questions, and where
      RV(result) tells what they mean.
  returned: always
  type: str
  sample: ""
result:
  description: The result of M(netbind.privport.privport) that the same answers had before, packed. Empty for none.
  returned: always
  type: str
  sample: ""
"""

from typing import Any

from ansible_collections.netbind.privport.plugins.module_utils._host.looks import Looks
from ansible_collections.netbind.privport.plugins.module_utils._host.questions import PATH, evidence_of, load
from ansible_collections.netbind.privport.plugins.module_utils._module import run_module

UNKNOWN = {"changed": False, "known": False, "evidence": "", "result": ""}


def run(params: dict[str, Any], *, host: Looks, check_mode: bool) -> dict[str, Any]:
    """The module's result. Raises HostError for questions that others than root could have written."""
    remembered = load(params["questions"], key=params["key"])
    if remembered is None:
        return UNKNOWN
    evidence = evidence_of(host, remembered.questions)
    host.end()
    result = remembered.result(evidence, request=params["request"])
    return {"changed": False, "known": True, "evidence": "" if result else evidence, "result": result}


def main() -> None:
    run_module(
        run,
        host=Looks(),
        argument_spec={
            "key": {"type": "str", "required": True, "no_log": False},
            "request": {"type": "str", "default": ""},
            "questions": {"type": "path", "default": PATH},
        },
    )


if __name__ == "__main__":
    main()
