# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the documentation site in build/site, without any network: python -m docs_site.build

The reference is made of the plugins by antsibull-docs, the guides are docs/*.md. A warning is an error.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from .guides import GALAXY, LIST, ROOT, front_page

BUILT = ROOT / "build/site"
COLLECTION = "netbind.privport"
REPOSITORY = GALAXY["repository"]
# What Ansible's own documentation has, which is not at hand.
_OF_ANSIBLE = re.compile(
    r":ref:`(?:(?P<text>[^`<]+) <)?(?:action_plugins|ansible_configuration_settings|common_return_values"
    r"|ansible_collections\.ansible\.builtin\.\w+)>?`"
)
# From a page of docs to what stands beside docs.
_OUTSIDE = re.compile(r"\]\(\.\./([^)]+)\)")


def sources(folder: Path) -> None:
    """Puts there what Sphinx reads."""
    reference = folder / "collection"
    reference.mkdir(mode=0o700)
    command = ["antsibull-docs", "collection", "--use-current", "--squash-hierarchy", "--fail-on-error"]
    run([*command, "--dest-dir", str(reference), COLLECTION])
    for path in reference.glob("*.rst"):
        path.write_text(_OF_ANSIBLE.sub(_as_text, path.read_text("utf-8")), "utf-8")
    (folder / "index.rst").write_text(front_page(LIST.read_text("utf-8")), "utf-8")
    # The hub shows this list instead of the first page, and there is one of them here.
    (reference / "docsite/guides.rst").write_text(
        "Guides\n******\n\nThey are on :doc:`the first page </index>`.\n", "utf-8"
    )
    for path in (ROOT / "docs").iterdir():
        if path.suffix == ".md":
            (folder / path.name).write_text(_OUTSIDE.sub(rf"]({REPOSITORY}/\1)", path.read_text("utf-8")), "utf-8")
        elif path.is_file():
            shutil.copy(path, folder)
    shutil.copytree(ROOT / "docs/images", folder / "images")


def _as_text(reference: re.Match[str]) -> str:
    return f"*{reference['text'] or 'configuration of Ansible'}*"


def run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {command[0]} failed:\n{done.stdout}{done.stderr}")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources(folder)
        shutil.rmtree(BUILT, ignore_errors=True)
        options = ["--quiet", "--fail-on-warning", "--keep-going", "--jobs=auto", f"--conf-dir={Path(__file__).parent}"]
        run(["sphinx-build", *options, f"--doctree-dir={folder}/doctrees", name, str(BUILT)])
    print(f"the site is in {(BUILT / 'index.html').relative_to(ROOT)}")


if __name__ == "__main__":
    main()
