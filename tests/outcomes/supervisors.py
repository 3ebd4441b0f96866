# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that a supervisor starts, and no unit of their own."""

from row import Row

BY_RUNIT = {"name": "one", "ports": [84], "manager": {"kind": "runit", "name": "case"}}
BY_S6 = {"name": "one", "ports": [84], "manager": {"kind": "s6", "name": "case"}}
BY_DAEMONTOOLS = {"name": "one", "ports": [84], "manager": {"kind": "daemontools", "name": "case"}}
BY_SUPERVISORD = {"name": "one", "ports": [84], "manager": {"kind": "supervisord", "name": "case"}}
RUNIT = 'supervised /etc/service "$(server 84)" exec chpst -u casey\nunder "/usr/bin/runsvdir -P /run/case-sv"\n'
DAEMONTOOLS = 'supervised /etc/service "$(server 84)" exec setuidgid casey\nunder "/usr/bin/svscan /run/case-sv"\n'
S6 = 'supervised /run/service "$(server 84)" exec s6-setuidgid casey\nunder "/usr/bin/s6-svscan /run/case-sv"\n'
SUPERVISORD = 'section "$(server 84)" user=casey\n'
OPAQUE = RUNIT.replace('"$(server 84)" exec', '"$(server 8084); fi" "if true; then exec').replace(
    " casey\n", ' casey"\n'
)
THROUGH_AUTHBIND = RUNIT.replace("chpst -u casey", "chpst -u casey authbind --deep")
# Who ends the child only has it started again, with what it was granted.
KILLED = """
pkill -u casey -f TCP-LISTEN:84
for _ in $(seq 40); do sleep 0.1; ! serves 84 2>/dev/null || exit 0; done
exit 1
"""

ROWS = (
    Row("a service of runit", RUNIT, [BY_RUNIT], "pass", {"one": "setcap"}, holds=KILLED),
    Row("a program of supervisord", SUPERVISORD, [BY_SUPERVISORD], "pass", {"one": "setcap"}, holds=KILLED),
    Row("a service of daemontools", DAEMONTOOLS, [BY_DAEMONTOOLS], "pass", {"one": "setcap"}, holds=KILLED),
    Row("a service of s6", S6, [BY_S6], "pass", {"one": "setcap"}, holds=KILLED),
    Row(
        "a service of runit that listens on a high port, by a script that nobody understands",
        OPAQUE,
        [{**BY_RUNIT, "backend_ports": {84: 8084}}],
        "pass",
        {"one": "redirect"},
        holds="serves 84",
    ),
    Row(
        "a service of runit whose script starts it through authbind",
        THROUGH_AUTHBIND,
        [{**BY_RUNIT, "strategy": "authbind"}],
        "pass",
        {"one": "authbind"},
        holds="serves 84",
    ),
    Row(
        "a program of supervisord, and every user may have the port",
        SUPERVISORD,
        [{**BY_SUPERVISORD, "strategy": "sysctl"}],
        "pass",
        {"one": "sysctl"},
        holds="serves 84",
    ),
    Row(
        "a service of s6 that is forwarded to",
        S6.replace("84", "8084"),
        [{**BY_S6, "backend_ports": {84: 8084}, "strategy": "forward"}],
        "pass",
        {"one": "forward"},
        holds="serves 84",
    ),
    Row(
        "a service of daemontools that listens on another port than it says",
        DAEMONTOOLS.replace("84", "8085"),
        [BY_DAEMONTOOLS],
        "fail",
        {"one": "setcap"},
        says=["see svstat /etc/service/case", "restarted daemontools/case"],
    ),
    Row(
        "a service of runit that stays root",
        RUNIT.replace(" chpst -u casey", ""),
        [BY_RUNIT],
        "refused",
        {"one": ""},
        says=["serves there as root", "have /etc/service/case/run start it so"],
    ),
    Row(
        "a name that supervisord does not know",
        SUPERVISORD,
        [{**BY_SUPERVISORD, "manager": {"kind": "supervisord", "name": "web"}}],
        "refused",
        {"one": ""},
        says=["supervisord tells of no service 'web'", "supervisorctl status"],
    ),
)
