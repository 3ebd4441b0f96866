# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else granted, and what the collection granted before the host changed."""

from row import Row

BY_HAND = 'setcap cap_net_bind_service=ep "$bin/server"'
FOREIGN = "did not grant"
TWO = f"""
unit case@.service User=casey "ExecStart=$(server 8%i)"
{BY_HAND}
systemctl daemon-reload
systemctl start case@4 case@5
"""
FOUR = {"name": "four", "ports": [84], "unit": "case@4.service"}
KEPT = 'getcap "$bin/server" | grep -q cap_net_bind_service=ep && systemctl restart case@5 && sleep 0.2 && serves 85'
ONE = 'unit case.service User=casey "ExecStart=$(server 84)"'
ONE_SERVICE = {"name": "one", "ports": [84], "unit": "case.service"}
# struct vfs_ns_cap_data (include/uapi/linux/capability.h): revision 3, permitted and effective, root of uid 1000.
ROOTID = """
python3 - "$bin/server" <<'PYTHON'
import os, struct, sys
os.setxattr(sys.argv[1], "security.capability", struct.pack("<IIIIII", 0x03000001, 1 << 10, 0, 0, 0, 1000))
PYTHON
"""
RELEASES = """
mkdir -p "$bin/r1" "$bin/r2"
cp /usr/bin/socat "$bin/r1/server"
cp /usr/bin/socat "$bin/r2/server"
ln -s r1 "$bin/current"
unit case.service User=casey "ExecStart=$bin/current/server TCP-LISTEN:84,fork,reuseaddr EXEC:/bin/cat"
"""
NO_ATTRIBUTE = '[[ -z $(getcap -r "$bin") ]]'
NO_RULES = "[[ -z $(find /etc/authbind -type f) && ! -e $units/case.service.d && ! -e /var/lib/netbind.privport ]]"

ROWS = (
    Row(
        "a file capability by hand, which another unit uses too",
        TWO,
        [FOUR],
        "pass",
        {"four": "setcap"},
        says=[FOREIGN, "case@5.service executes it too"],
        holds=KEPT,
        removal_says=[FOREIGN],
        removed=KEPT,
    ),
    Row(
        "the same, and a strategy is named",
        TWO,
        [{**FOUR, "strategy": "ambient"}],
        "pass",
        {"four": "ambient"},
        says=["so it is taken away; case@5.service executes it too"],
        # What was taken over is not given back.
        since="true",
        removed=NO_ATTRIBUTE,
    ),
    Row(
        "the same, and the proof fails",
        TWO,
        [{**FOUR, "strategy": "ambient", "ports": [84, 86]}],
        "fail",
        {"four": "ambient"},
        holds=KEPT,
        options={"timeout": 1},
    ),
    Row(
        "a file capability by hand, of a service that is removed without a grant",
        f"{ONE}\n{BY_HAND}",
        [{**ONE_SERVICE, "state": "absent"}],
        "",
        {"one": ""},
        says=[FOREIGN],
        holds='getcap "$bin/server" | grep -q cap_net_bind_service=ep',
        removed='getcap "$bin/server" | grep -q cap_net_bind_service=ep',
    ),
    Row(
        "a file capability of a container's user namespace",
        f"{ONE}\n{ROOTID}",
        [ONE_SERVICE],
        "refused",
        {"one": ""},
        says=["for another user namespace", FOREIGN],
        holds='getcap -n "$bin/server" | grep -q rootid=1000',
    ),
    Row(
        "authbind's rules, whose user is gone since",
        ONE,
        [{**ONE_SERVICE, "strategy": "authbind"}],
        "pass",
        {"one": "authbind"},
        holds="serves 84",
        since="systemctl stop case; userdel casey",
        removed=NO_RULES,
    ),
    Row(
        "authbind's rules, and User= is another one since",
        ONE,
        [{**ONE_SERVICE, "strategy": "authbind"}],
        "pass",
        {"one": "authbind"},
        since="sed -i s/casey/casez/ $units/case.service; systemctl daemon-reload",
        removed=NO_RULES,
    ),
    Row(
        "a file capability by a link that leads to the next release since",
        RELEASES,
        [{**ONE_SERVICE, "strategy": "setcap"}],
        "pass",
        {"one": "setcap"},
        holds='getcap "$bin/r1/server" | grep -q cap_net_bind_service',
        since='ln -sfn r2 "$bin/current"',
        removed=NO_ATTRIBUTE,
    ),
)
