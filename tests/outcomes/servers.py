# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that a server starts for each connection."""

from row import Row

# It tells who it is, and then repeats what it is told.
WHO = """
cat >"$bin/who" <<'SCRIPT'
#!/bin/sh
echo "$(id -un) $(id -Gn) $# $2"
grep -E '^Cap(Prm|Eff|Amb)' /proc/self/status
cat
SCRIPT
chmod 755 "$bin/who"
groupadd --force --system case-more
usermod --append --groups case-more casey
"""
# A client that keeps a connection to another service of the same server, and ends when it is lost.
HELD = """
unit case-held.service 'ExecStart=/bin/bash -c "exec 9<>/dev/tcp/127.0.0.1/90; while echo x >&9; do \\
  read -t 3 -u 9 line || exit 3; sleep 0.1; done"'
systemctl daemon-reload
systemctl start case-held
sleep 0.3
"""
STILL_HELD = "sleep 0.3; [[ $(systemctl show --property=ActiveState --value case-held) == active ]]"
XINETD = f"""
{WHO}
update-rc.d -f xinetd remove
update-rc.d xinetd defaults
cat >/etc/xinetd.d/case <<'CONF'
service case
{{
	type = UNLISTED
	port = 90
	socket_type = stream
	protocol = tcp
	wait = no
	user = casez
	server = /bin/cat
}}
CONF
systemctl daemon-reload
systemctl restart xinetd
sleep 0.3
{HELD}
"""
INETD = f"""
{WHO}
[[ -e /root/case-inetd.conf ]] || cp /etc/inetd.conf /root/case-inetd.conf
cp /root/case-inetd.conf /etc/inetd.conf
printf '127.0.0.1:90 stream tcp4 nowait.0 casez /bin/cat cat\\n# no end' >>/etc/inetd.conf
systemctl enable inetd
systemctl restart inetd
sleep 0.3
{HELD}
"""


def one(server, *, words=("a", "$HOME%n"), **more):
    command = ["/opt/faults/bin/who", *words]
    return {"name": "one.a", "ports": [84], "command": command, "user": "casey", "superserver": server, **more}


def answers(text, address="127.0.0.1"):
    ask = f"{{ echo hello; sleep 0.3; }} | timeout 5 socat -t 2 - 'TCP:{address}:84'"
    none = "grep -c '0000000000000000$'"
    return f"""
    said=$({ask})
    grep -qxF '{text}' <<<"$said" && [[ $({none} <<<"$said") == 3 ]] && grep -qx hello <<<"$said"
    """.strip()


ALL = "casey casey case-more 2 $HOME%n"
BOTH_FAMILIES = f"{answers(ALL)} && {answers(ALL, '[::1]')}"
ROWS = (
    Row(
        "systemd starts it",
        WHO,
        [
            one(
                "systemd",
                words=("a b", '"$HOME" 100% \\'),
                superserver_options={"only_from": ["127.0.0.0/8", "::1"], "instances": 5, "per_source": 3},
            )
        ],
        "pass",
        {"one.a": "superserver"},
        says=["of the groups"],
        holds=f"""
        {answers('casey casey case-more 2 "$HOME" 100% ' + chr(92))}
        own=$(hostname -I | cut -d' ' -f1)
        ! timeout 2 socat -u "TCP:$own:84,connect-timeout=1" -
        """,
    ),
    Row(
        "systemd starts it for a datagram",
        WHO,
        [one("systemd", ports=["84/udp"], command="/usr/bin/socat - EXEC:'/bin/cat'")],
        "pass",
        {"one.a": "superserver"},
    ),
    Row(
        "xinetd starts it, and another service of its has a client",
        XINETD,
        [
            one(
                "xinetd",
                superserver_options={
                    "only_from": ["127.0.0.1", "::1"],
                    "instances": 5,
                    "per_source": 3,
                    "cps": 20,
                    "log": True,
                },
            )
        ],
        "pass",
        {"one.a": "superserver"},
        holds=f"{BOTH_FAMILIES}\n{STILL_HELD}",
        removed=STILL_HELD,
        host="bookworm",
    ),
    Row(
        "inetd starts it, and another service of its has a client",
        INETD,
        [one("inetd", superserver_options={"cps": 20})],
        "pass",
        {"one.a": "superserver"},
        holds=f"{BOTH_FAMILIES}\n{STILL_HELD}",
        removed=f"{STILL_HELD}; [[ $(tail -c 6 /etc/inetd.conf) == 'no end' ]]",
        host="trixie",
    ),
    Row(
        "xinetd, which does not run",
        WHO,
        [one("xinetd")],
        "refused",
        {"one.a": ""},
        says=["systemctl enable --now xinetd"],
        host="bookworm",
    ),
    Row(
        "inetd, of which more is asked than it can do",
        INETD,
        [one("inetd", superserver_options={"per_source": 3})],
        "refused",
        {"one.a": ""},
        says=["say superserver: systemd or xinetd or tcpsvd"],
        holds=STILL_HELD,
        host="trixie",
    ),
    *(
        Row(
            f"{server} starts it",
            WHO,
            [one(server, superserver_options={"only_from": ["127.0.0.1"], "instances": 5, "log": True})],
            "pass",
            {"one.a": "superserver"},
            says=["takes from its programs all groups"],
            holds=answers("casey casey 2 $HOME%n"),
        )
        for server in ("tcpserver", "tcpsvd")
    ),
)
