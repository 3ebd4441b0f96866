# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audits a host of the fleet by the playbook, with everything planted. Runs inside the fleet's namespaces.

A first audit finds everything that was planted and nothing of the harmless twins, a second one after restarts the same.
Neither changes anything. A third one is that of a user who is not root.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import jsonschema
import yaml
from faults.inject import HERE, push

from audit.rows import ADOPTED, BY_HAND, DECLARED, MECHANISMS, POLICY, PRELUDE, ROWS, WITHOUT_ROOT

ROOT = Path(__file__).parents[2]
HOST, AWAY = "bookworm", "away"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        wrong = wrong_in(Path(folder))
    for it in wrong:
        print(it)
    print(f"{len(ROWS) + 8 + len(WITHOUT_ROOT) + len(MECHANISMS)} outcomes, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)


def wrong_in(folder: Path) -> List[str]:
    """Sentences on what an audit says otherwise than the rows."""
    inventory = folder / "inventory.yml"
    inventory.write_text(yaml.safe_dump(hosts()), encoding="utf-8")
    push(HOST)
    shell("\n".join([*(f"{row.harmless}\n{row.plant}" for row in ROWS), BY_HAND]))
    before = state()
    first = audit(inventory, folder / "first")
    wrong = [] if before == state() else ["the audit changes something on the host"]
    wrong += [f"{row.rule}: {row.subject} is not found" for row in ROWS if not found(first, row.rule, row.subject)]
    wrong += [
        f"{row.rule}: {row.twin} is found, and is harmless"
        for row in ROWS
        if row.twin and found(first, row.rule, row.twin)
    ]
    strategies = {it["unit"]: it["strategy"] for host in first["hosts"] for it in host["listeners"]}
    wrong += [
        f"{unit} need not be root by {strategies.get(unit)!r}, not by {wanted!r}"
        for unit, wanted in WITHOUT_ROOT.items()
        if strategies.get(unit) != wanted
    ]
    mechanisms = {it["subject"]: it["mechanism"] for host in first["hosts"] for it in host["grants"]}
    wrong += [f"{name} is no {kind}" for name, kind in MECHANISMS.items() if mechanisms.get(name) != kind]
    wrong += adopted(inventory, folder)
    shell(
        "systemctl restart audit-web.service audit-root.service; "
        "nft list ruleset >/tmp/rules; nft flush ruleset; nft -f /tmp/rules; chmod o-x /etc/authbind/byport/81"
    )
    again = audit(inventory, folder / "again", baseline=folder / "first")
    mended = ("authbind-open-to-all", "/etc/authbind/byport/81")
    wrong += [
        f"after restarts {it['rule']} {it['subject']} is {it['state']}"
        for it in findings(again)
        if it["state"] != ("gone" if (it["rule"], it["subject"]) == mended else "unchanged")
    ]
    away = [it for it in first["hosts"] if it["name"] == AWAY]
    wrong += (
        [] if away and not away[0]["reachable"] and away[0]["message"] else ["the host that is away is not told of"]
    )
    wrong += [] if fails(inventory, fail_on="critical") else ["a host that is away does not fail who asks for that"]
    wrong += ["a host that is away fails who does not ask for that"] if fails(inventory, fail_on="never") else []
    return wrong + as_nobody(inventory, folder / "nobody")


def hosts() -> Dict[str, Any]:
    """The fleet's host, and one that cannot be reached."""
    fleet = yaml.safe_load((ROOT / "tests/fleet/inventory.yml").read_text(encoding="utf-8"))["fleet"]
    variables = {**fleet["vars"], "ansible_timeout": 5}
    return {"all": {"hosts": {HOST: fleet["hosts"][HOST], AWAY: {"ansible_host": "10.43.80.99"}}, "vars": variables}}


def fails(inventory: Path, *, fail_on: str) -> bool:
    """Whether the audit of nothing but the host that is away ends with a failure."""
    argv = ["ansible-playbook", "--inventory", str(inventory), "netbind.privport.audit", "--limit", AWAY]
    argv += ["--extra-vars", f"privport_audit_fail_on={fail_on}"]
    return subprocess.run(argv, check=False, capture_output=True, cwd=ROOT).returncode != 0


def adopted(inventory: Path, folder: Path) -> List[str]:
    """What is wrong with the description of grants made by hand: the role changes and restarts nothing of them."""
    services = yaml.safe_load((folder / "first.yml").read_text(encoding="utf-8"))["privport_services_of"][HOST]
    own = [it for it in services if it["name"].startswith("adopted")]
    names = tuple(it["name"] for it in own)
    starts = "systemctl show --property=Id,InvocationID 'adopted*.service'"
    before = shell(starts)
    argv = ["ansible", "--inventory", str(inventory), HOST, "--become", "--module-name", "netbind.privport.privport"]
    argv += ["--args", json.dumps({"services": own})]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT)
    wrong = [] if names == ADOPTED else [f"what was granted by hand is described as {names}"]
    same = done.returncode == 0 and '"changed": false' in done.stdout and before == shell(starts)
    return wrong + ([] if same else [f"the description does not keep what is there: {done.stdout[-2000:]}"])


def as_nobody(inventory: Path, folder: Path) -> List[str]:
    """What is wrong with the audit of a user who is not root: what he cannot see is unknown, and said."""
    seen = audit(inventory, folder, "--extra-vars", "ansible_become=false")["hosts"]
    host = next(it for it in seen if it["name"] == HOST)
    unknown = [it for it in host["findings"] if it["unknown"]]
    told = any("not root" in it["why"] for it in host["skipped"])
    return [] if unknown and told else ["the audit of a user who is not root does not tell what is unknown"]


def audit(inventory: Path, folder: Path, *options: str, baseline: Path | None = None) -> Any:
    given = {
        "privport_services": list(DECLARED),
        "privport_policy": list(POLICY),
        "privport_audit_dir": str(folder),
        "privport_audit_services_file": f"{folder}.yml",
        "privport_audit_baseline": f"{baseline}/audit.json" if baseline else "",
    }
    argv = ["ansible-playbook", "--inventory", str(inventory), "netbind.privport.audit"]
    argv += ["--extra-vars", json.dumps(given), *options]
    started = time.monotonic()
    done = subprocess.run(argv, check=False, capture_output=True, text=True, cwd=ROOT)
    # 4: a host was unreachable.
    if done.returncode not in (0, 4):
        sys.exit(f"the audit fails: {done.stdout[-3000:]}{done.stderr[-1000:]}")
    print(f"{folder.name}: {time.monotonic() - started:.1f} s", flush=True)
    report = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    schema = json.loads((ROOT / "docs/audit.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(report, schema)
    if os.environ.get("PRIVPORT_AUDIT_SHOW"):
        print(done.stdout)
    return report


def findings(report: Any) -> List[Dict[str, Any]]:
    return [it for host in report["hosts"] for it in host["findings"]]


def found(report: Any, rule: str, subject: str) -> bool:
    """Whether there is such a finding; subject is a part of its subject."""
    return any(it["rule"] == rule and subject in it["subject"] for it in findings(report))


def state() -> str:
    """Everything below /etc and /opt with its attributes, the rules of netfilter, and the units that run."""
    watched = "runs.WATCHED = ('/etc', '/opt/audit', '/usr/lib/systemd')"
    code = f"import json, runs; {watched}; print(json.dumps(runs.tree(), sort_keys=True))"
    python = ["podman", "exec", "--workdir", HERE, HOST, "python3", "-c", code]
    tree = subprocess.run(python, check=True, capture_output=True, text=True).stdout
    more = "nft list ruleset; systemctl list-units --all --plain --no-legend 'audit*'; ls /run/netns"
    return (
        tree
        + subprocess.run(
            ["podman", "exec", HOST, "bash", "-c", more], check=True, capture_output=True, text=True
        ).stdout
    )


def shell(script: str) -> str:
    done = subprocess.run(
        ["podman", "exec", "--interactive", HOST, "bash", "-s"],
        input=f"{PRELUDE}\n{script}\nsystemctl daemon-reload\n",
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"planting fails: {done.stderr[-1000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
