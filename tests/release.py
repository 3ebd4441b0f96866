# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says, line by line, what is missing for a release of what is checked out; ends with 1 where something is.

MAINTAINING.md has the steps. The artifact is judged by tests/publish.sh, which says its own words.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

import yaml

ROOT = Path(__file__).parents[1]
# What stands for the addresses of whoever publishes it; all but those who tell of it give it up.
PLACEHOLDER = "privport.example"
TELLS_OF_IT = ("MAINTAINING.md:", "tests/release.py:")
# What the certification of Ansible Automation Platform and the community package ask a README for.
SECTIONS = (
    "Requirements",
    "Installation",
    "Use cases",
    "Tested with",
    "Support",
    "Communication",
    "Release notes",
    "Licence",
)
DOCUMENTS = ("COPYING", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "MAINTAINING.md", "SECURITY.md", "meta/runtime.yml")


def read(path: str) -> str:
    """The text of a file; '' where there is none."""
    found = ROOT / path
    return found.read_text("utf-8") if found.is_file() else ""


def git(*arguments: str) -> list[str]:
    """The lines that git prints; of grep, which ends with 1 where it finds none, none."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    return done.stdout.splitlines()


def placeholders() -> list[str]:
    """The files that still hold one, each as FILE:HOW OFTEN."""
    found = git("grep", "--untracked", "--count", "--fixed-strings", PLACEHOLDER)
    return [it for it in found if not it.startswith(TELLS_OF_IT)]


def missing_sections(readme: str) -> list[str]:
    """Of SECTIONS those that no heading of a README names."""
    headings = "\n".join(re.findall("^## (.+)$", readme, flags=re.MULTILINE)).lower()
    return [it for it in SECTIONS if it.lower() not in headings]


def newest_release(changelog: Any) -> str:
    """The version of the newest release of changelogs/changelog.yaml; '' where nothing was released."""
    versions = [str(it) for it in (changelog or {}).get("releases") or {}]
    return max(versions, key=lambda it: [int(part) for part in re.findall(r"\d+", it)], default="")


def checks() -> Iterator[tuple[str, list[str]]]:
    """What must hold, as a sentence, and what is against it, a line each."""
    version = str(yaml.safe_load(read("galaxy.yml"))["version"])
    fragments = sorted(path.name for path in (ROOT / "changelogs/fragments").glob("*.y*ml"))
    newest = newest_release(yaml.safe_load(read("changelogs/changelog.yaml")))
    tags = git("tag", "--points-at", "HEAD")
    yield "addresses are those of the publisher", [f"{PLACEHOLDER} in {it}" for it in placeholders()]
    numbered = re.fullmatch(r"[1-9]\d*\.\d+\.\d+", version)
    yield f"galaxy.yml has a version, {version}", [] if numbered else ["give MAJOR.MINOR.PATCH, from 1.0.0 on"]
    known = f'"{version}"' in read("plugins/plugin_utils/version.py")
    yield "the plugins have the same one", [] if known else [f"plugins/plugin_utils/version.py has not {version}"]
    yield "fragments are released", [f"changelogs/fragments/{it}: antsibull-changelog release" for it in fragments]
    said = [] if newest == version else [f"its newest release is {newest or 'none'}: antsibull-changelog release"]
    yield f"changelogs/changelog.yaml has {version}", said
    # Markdown has a backslash before the dots.
    untold = [it for it in ("CHANGELOG.md", "CHANGELOG.rst") if f"v{version}" not in read(it).replace("\\", "")]
    yield f"the changelogs have {version}", [f"{it} has not: antsibull-changelog release" for it in untold]
    yield "README.md has every section", [f"no heading says '{it}'" for it in missing_sections(read("README.md"))]
    yield "documents are there", [f"{it} is missing or empty" for it in DOCUMENTS if not read(it).strip()]
    yield "everything is committed", git("status", "--porcelain")
    yield f"the tag {version} is here", [] if version in tags else [f"git tag {version}"]


def judged_artifact(environment: str) -> list[str]:
    """What galaxy-importer and ansible-builder, which lie in an environment, have against the artifact."""
    command = [str(ROOT / "tests/publish.sh"), environment, "--lint"]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.splitlines() if done.returncode else []


def main() -> None:
    (environment,) = sys.argv[1:]
    missing = 0
    for sentence, against in (*checks(), ("the artifact is one that Galaxy takes", judged_artifact(environment))):
        print(f"{'missing' if against else 'ok':8} {sentence}", flush=True)
        for line in against:
            print(f"         {line}")
        missing += bool(against)
    print(f"{missing} of these are missing" if missing else "ready to be released")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
