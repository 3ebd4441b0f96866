# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin that prints: what Ansible itself shows of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = 'A  "B"\n' + "-" * 200 + "\n    c"


@pytest.mark.parametrize(
    ("options", "shown"),
    [(["--check"], {"changed": False}), (["-v"], {"changed": False, "text": TEXT})],
    ids=["in check mode", "verbosely"],
)
def test_the_text_is_printed_as_it_stands(options: list[str], shown: dict[str, object]) -> None:
    ansible = Path(sys.executable).with_name("ansible")
    arguments = ["localhost", "-m", "netbind.privport.privport_print", "-a", json.dumps({"text": TEXT}), *options]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run([ansible, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    printed, said, result = done.stdout.partition("\nlocalhost | SUCCESS => ")
    assert said, done
    assert printed.endswith(TEXT)
    assert json.loads(result) == shown
