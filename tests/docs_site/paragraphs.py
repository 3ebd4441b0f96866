# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the messages of the collection mean, and the one command that shows whether they are right.

The messages themselves, and most ways out, are those of the collection's own code: messages.py finds them.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple


class Paragraph(NamedTuple):
    """meaning is told to a person, look is a command, way is the way out where the code knows none."""

    meaning: str
    look: str
    way: str = ""


_SHOW = "systemctl show UNIT --property="

# By the code of a Reason.
REFUSALS: Mapping[str, Paragraph] = {
    "address_allow": Paragraph(
        "The description lists who may connect, by `socket: {address_allow: …}`, and denies nobody. systemd allows "
        "whom no list denies, so that the list would have no effect.",
        "systemctl show UNIT.socket --property=IPAddressAllow,IPAddressDeny",
    ),
    "address_families": Paragraph(
        "`RestrictAddressFamilies=` of the unit leaves out both `AF_INET` and `AF_INET6`. The program cannot open "
        "any socket of the Internet, on whatever port, and no grant changes that.",
        _SHOW + "RestrictAddressFamilies",
    ),
    "addresses": Paragraph(
        "A redirect or a forwarder takes a port on every address of the host. This service names `addresses:`, so "
        "that the port is not its own on the others.",
        "ss -lntup",
    ),
    "apparmor": Paragraph(
        "An AppArmor profile confines the program. A bind that was tried in that profile was refused, or the "
        "profile that the unit names is not loaded. A capability does not help: AppArmor asks for one of its own "
        "rules.",
        "journalctl --dmesg --grep=apparmor",
    ),
    "authbind_closed": Paragraph(
        "authbind is installed, but the unit cannot use it: the service's user cannot execute the helper, or the "
        "unit's sandbox hides it.",
        "systemctl cat UNIT",
    ),
    "authbind_helper": Paragraph(
        "authbind works by a helper that is set-user-ID root. Here it lacks that bit, or it lies on a mount with "
        "`nosuid`, where the kernel ignores the bit.",
        "stat /usr/lib/authbind/helper && findmnt --target /usr/lib/authbind/helper",
    ),
    "backend_address": Paragraph(
        "The service listens on single addresses. nft before 1.0.6 and iptables change the port alone: a client may"
        " be led to an address on which nobody listens.",
        "ss -lntup",
    ),
    "backend_held": Paragraph(
        "Another process listens on the port that `backend_ports` names. It would get the connections of this service.",
        "ss -lntup",
    ),
    "backend_interface": Paragraph(
        "The service listens on one network interface (`BindNetworkInterface=`). A forwarder connects over loopback"
        " and does not reach it.",
        _SHOW + "BindNetworkInterface",
    ),
    "backend_loopback": Paragraph(
        "The service listens on 127.0.0.1 or ::1 alone. The kernel delivers no redirected packet of another host "
        "there.",
        "ss -lntup",
    ),
    "backend_silent": Paragraph(
        "The service runs and does not listen on the port that `backend_ports` names. Perhaps its configuration was"
        " just changed, so that it does after the restart. The strategy is tried last, and the proof decides.",
        "ss -lntup",
        "Set that port in the service's own configuration.",
    ),
    "bounding_set": Paragraph(
        "The bounding set is what the processes of a unit may hold at most (capabilities(7)). It lacks the "
        "capability that binds privileged ports. With a file capability the program would not even start (status "
        "203). Where the evidence names process 1, the engine of the container took the capability from the whole "
        "host.",
        _SHOW + "CapabilityBoundingSet",
    ),
    "capability_at_start": Paragraph(
        "A line of the unit, such as `ExecStartPre=+setcap …`, changes the program's file capability at each start."
        " It undoes what a strategy grants, or voids it.",
        "systemctl cat UNIT",
    ),
    "command_prefix": Paragraph(
        "`ExecStart=@program name …` chooses what the program sees as its own name. authbind cannot hand that on.",
        _SHOW + "ExecStart",
    ),
    "confinement": Paragraph(
        "SELinux or AppArmor confines the program, and the policy could not be asked. The strategy is tried last, "
        "and the proof decides.",
        "id -Z; cat /sys/kernel/security/lsm",
        "Run the plan as root (`become: true`): only root may ask the policy.",
    ),
    "drops_privileges": Paragraph(
        "The unit starts as root, and a wrapper (su, runuser, setpriv, start-stop-daemon, …) changes to the user. "
        "The kernel clears ambient capabilities when root becomes another user.",
        "systemctl cat UNIT",
    ),
    "environment_lost": Paragraph(
        "The unit starts the program by a wrapper that starts with a fresh environment (sudo, su -). LD_PRELOAD of "
        "authbind, or LISTEN_FDS of systemd, does not reach the program.",
        "systemctl cat UNIT",
    ),
    "foreign_dropin": Paragraph(
        "Somebody has a drop-in called `50-privport.conf`. systemd reads one file of each name, so that the "
        "collection's would hide it, or be hidden. It never writes over a file that is not its own.",
        "systemctl cat UNIT",
    ),
    "foreign_socket": Paragraph(
        "Another socket unit hands sockets to the service already, or has the name that the collection's would "
        "have. A service that gets sockets from two units does not know which is which.",
        "systemctl list-sockets --all",
    ),
    "high_port": Paragraph(
        "authbind helps with the ports up to 1023. This host keeps higher ones for privileged processes, too "
        "(`net.ipv4.ip_unprivileged_port_start`).",
        "sysctl net.ipv4.ip_unprivileged_port_start",
        "Let `strategy: auto` choose another strategy.",
    ),
    "image": Paragraph(
        "`RootImage=`, `RootDirectory=` or the like gives the unit another file system. The program in there is not"
        " the file that the host sees at this path.",
        _SHOW + "RootImage,RootDirectory,MountImages,ExtensionImages",
        "Use `ambient`, which does not look at the file, or grant the capability where the image is built.",
    ),
    "implied_no_new_privs": Paragraph(
        "The unit does not say `NoNewPrivileges=yes`, but a setting of its sandbox makes systemd set it. systemd "
        "before 257 does so for `SystemCallFilter=`, `PrivateDevices=`, `RestrictNamespaces=` and a dozen others "
        "when the unit runs as a user; newer ones only for a filter without `capset` or `prctl`. The kernel then "
        "ignores file capabilities and set-user-ID bits. `ambient` does not mind.",
        "grep NoNewPrivs /proc/$(systemctl show UNIT --property=MainPID --value)/status",
    ),
    "implied_private_users": Paragraph(
        "A user's own systemd has no right to mount anything. For a setting such as `PrivateTmp=` or "
        "`ProtectSystem=` it makes a user namespace, and capabilities in it do not reach the host's network.",
        "systemctl --user --machine=USER@ cat UNIT",
    ),
    "inexpressible": Paragraph(
        "The super-server has no setting for what `superserver_options` or the ports ask of it.",
        "ansible-doc netbind.privport.privport_superserver",
    ),
    "input_drops": Paragraph(
        "A rule of the host's own firewall drops what comes for the high port, and with it every redirected "
        "connection.",
        "nft list ruleset; iptables-save",
    ),
    "input_rules": Paragraph(
        "The host has input rules of a kind that nobody can judge from their text, and they may drop what is "
        "redirected. The strategy is tried last, and the proof decides.",
        "nft list ruleset; iptables-save",
        "Let redirected connections in by a rule of your own: `ct status dnat accept`.",
    ),
    "later_dropin": Paragraph(
        "systemd reads drop-ins in the order of their names, and those of `service.d` as well. One that comes after"
        " `50-privport.conf` sets the same setting again, so that the grant never comes into force.",
        "systemctl cat UNIT",
    ),
    "launcher": Paragraph(
        "The program only starts another one. A file capability works for the file that the kernel executes, and is"
        " lost with the next execve(2).",
        "systemctl status UNIT",
    ),
    "loader_environment": Paragraph(
        "The unit sets LD_LIBRARY_PATH. The loader ignores it for a program with file capabilities (ld.so(8)), so "
        "that the program may not find its libraries. The strategy is tried last, and the proof decides.",
        _SHOW + "Environment",
        "Use `ambient`, or link the program with a RUNPATH.",
    ),
    "no_account": Paragraph(
        "The unit or the description names a user that the host does not have. systemd would end with status 217.",
        "getent passwd USER",
    ),
    "no_authbind": Paragraph(
        "The program authbind is not on the host.",
        "command -v authbind",
    ),
    "no_backend": Paragraph(
        "A redirect or a forwarder leads a low port to a high one. The description does not say which high port the"
        " service listens on.",
        "ss -lntup",
    ),
    "no_command": Paragraph(
        "systemd shows no `ExecStart=` for the unit, or one of an unknown form. authbind has to be written in front"
        " of it.",
        _SHOW + "ExecStart",
        "Name another strategy, or correct the unit.",
    ),
    "no_firewall_tool": Paragraph(
        "A redirect is a rule of nftables or iptables, and the host has neither tool.",
        "command -v nft",
    ),
    "no_forwarder": Paragraph(
        "The program that `forward_with` names is not on the host.",
        "command -v socat haproxy nginx",
    ),
    "no_ipv6": Paragraph(
        "The description asks for IPv6, and the kernel runs without it.",
        "cat /proc/net/if_inet6",
    ),
    "no_new_privs": Paragraph(
        "`NoNewPrivileges=yes`, which `DynamicUser=yes` brings along, has the kernel ignore file capabilities and "
        "set-user-ID bits (execve(2)). setcap and authbind are in vain; `ambient` works.",
        _SHOW + "NoNewPrivileges,DynamicUser",
    ),
    "no_openrc_capabilities": Paragraph(
        "OpenRC gives capabilities to a service from version 0.56 on, and only where its script names a "
        "`command_user`.",
        "rc-service --version; rc-service NAME describe",
    ),
    "no_program": Paragraph(
        "No unit says what the service executes, and the description does not either. A file capability needs a file.",
        _SHOW + "ExecStart",
    ),
    "no_server": Paragraph(
        "The super-server that the description names is not on the host.",
        "command -v xinetd inetd tcpserver tcpsvd",
    ),
    "no_setting": Paragraph(
        "The kernel is older than Linux 4.11, or /proc/sys is not readable here.",
        "sysctl net.ipv4.ip_unprivileged_port_start",
        "Use another strategy.",
    ),
    "no_systemd": Paragraph(
        "systemd is not process 1 of this host, and the strategy is made of systemd's units or settings.",
        "ls -d /run/systemd/system",
        "Describe the supervisor by `manager:`; `setcap` works everywhere, and redirects where init scripts run.",
    ),
    "no_unit": Paragraph(
        "The strategy changes how systemd starts the service, and the description names no `unit:`, or one of a "
        "supervisor.",
        "systemctl status PID",
    ),
    "no_user": Paragraph(
        "authbind's rules are for a user, and nobody says which one runs the service.",
        "ps -C PROGRAM -o user=",
    ),
    "not_executable": Paragraph(
        "The service's user cannot execute the program in the unit: a folder above it is closed, the mount says "
        "`noexec`, or `NoExecPaths=`, `InaccessiblePaths=` or the like hides it. It was tried, not guessed.",
        "namei --long PROGRAM",
    ),
    "not_kept": Paragraph(
        "`privport_keep` has the host give a file capability back after an upgrade. That is allowed only where root"
        " alone can write the program and every folder above it, and needs systemd.",
        "namei --long PROGRAM",
    ),
    "not_through_authbind": Paragraph(
        "A supervisor starts the service, and the collection changes no file of the supervisor's.",
        "cat /etc/sv/NAME/run",
    ),
    "old_systemd": Paragraph(
        "The running systemd is older than what the strategy needs: 229 for `AmbientCapabilities=`, 235 for "
        "`DynamicUser=`.",
        "systemctl --version",
        "Let `strategy: auto` choose another strategy.",
    ),
    "only_when_declared": Paragraph(
        "Nothing on the host tells whether a program takes sockets from systemd, or serves one connection on its "
        "standard input. You know it: say so in the description, or ignore this line.",
        "strings PROGRAM | grep LISTEN_FDS",
    ),
    "only_when_named": Paragraph(
        "The sysctl opens the port, and all above it, to every user of the host. `auto` never does that by itself.",
        "sysctl net.ipv4.ip_unprivileged_port_start",
    ),
    "other_capability": Paragraph(
        "The program's file has other capabilities, or an empty attribute, which some tools leave when they remove "
        "one. The kernel clears the ambient set when it executes such a file, and the loader ignores LD_PRELOAD.",
        "getcap PROGRAM; getfattr --name=security.capability PROGRAM",
    ),
    "other_namespace": Paragraph(
        "The file capability has a `rootid`: it works in one user namespace alone, most likely that of a rootless "
        "container. The host itself cannot use it, and to replace it could break that container.",
        "getcap -n PROGRAM",
    ),
    "other_network": Paragraph(
        "The service runs in a network namespace of its own (`NetworkNamespacePath=`, `JoinsNamespaceOf=`). What is"
        " set up in the host's network does not concern it.",
        _SHOW + "NetworkNamespacePath,JoinsNamespaceOf,PrivateNetwork",
        "Use `ambient` or `setcap`, which go with the process into every network.",
    ),
    "other_user": Paragraph(
        "The unit runs as one user, and the description says `user:` with another one.",
        _SHOW + "User",
    ),
    "own_backend": Paragraph(
        "`backend_ports` leads a port to itself, or to another one that the forwarder holds.",
        "ss -lntup",
    ),
    "policy": Paragraph(
        "A rule of your own site, in `privport_policy`, forbids the strategy or requires another one. The message "
        "is the rule's own reason.",
        "ansible-playbook netbind.privport.plan -i hosts -e @services.yml -e privport_plan_details=true",
    ),
    "preload_in_vain": Paragraph(
        "authbind puts a library in front of bind() by LD_PRELOAD. A static program has no loader that heeds it, "
        "and a Go program calls the kernel directly.",
        "file PROGRAM",
        "Use `ambient` or `setcap`, which work with both.",
    ),
    "private_network": Paragraph(
        "`PrivateNetwork=yes` gives the unit a network with loopback alone. It may bind any port there, and nobody "
        "can reach it.",
        _SHOW + "PrivateNetwork",
    ),
    "private_users": Paragraph(
        "`PrivateUsers=` (or `DelegateNamespaces=`, `UserNamespacePath=`) puts the unit into a user namespace of "
        "its own. Its processes show the capability, and the kernel refuses the port all the same with EACCES: the "
        "network belongs to the host's namespace.",
        _SHOW + "PrivateUsers,PrivateUsersEx,DelegateNamespaces,UserNamespacePath",
    ),
    "privileged": Paragraph(
        "This is the usual case, and no fault: the port is below `net.ipv4.ip_unprivileged_port_start`, so that a "
        "grant is needed. It stands against the strategy `unneeded` alone.",
        "sysctl net.ipv4.ip_unprivileged_port_start",
        "Nothing: one of the other strategies grants the port.",
    ),
    "privileged_backend": Paragraph(
        "The backend port is below `net.ipv4.ip_unprivileged_port_start` as well, so that the service may not bind "
        "it either.",
        "sysctl net.ipv4.ip_unprivileged_port_start",
    ),
    "process_no_new_privs": Paragraph(
        "The running process has no_new_privs, which whoever started it set: the supervisor's own unit, or a "
        "wrapper such as `setpriv --no-new-privs`.",
        "grep NoNewPrivs /proc/PID/status",
    ),
    "program_refused": Paragraph(
        "The file cannot carry a capability, or should not: the kernel ignores one on a script and on a `nosuid` "
        "mount, the loader refuses `$ORIGIN`, everybody would get that of a shared interpreter, and whoever can "
        "write the file or a folder above it could run code with it.",
        "file PROGRAM; namei --long PROGRAM",
    ),
    "refused": Paragraph(
        "The kernel or the host does not take the value of `net.ipv4.ip_unprivileged_port_start`, for it meets "
        "`net.ipv4.ip_local_port_range`, or a file that is read later says otherwise.",
        "sysctl net.ipv4.ip_local_port_range; grep -r unprivileged_port /etc/sysctl.d /usr/lib/sysctl.d",
    ),
    "rules": Paragraph(
        "No rule that the collection may write would let the user bind: a file of somebody else's in /etc/authbind "
        "decides first, and that one is final.",
        "ls -l /etc/authbind/byport /etc/authbind/byaddr /etc/authbind/byuid",
    ),
    "runs_as_root": Paragraph(
        "The service starts as root and binds the port itself; a grant would give it nothing. It may run as a user "
        "only where it can write its pid file, logs and sockets as that one.",
        _SHOW + "User,ExecStart",
    ),
    "secure_bits": Paragraph(
        "`SecureBits=noroot` takes what set-user-ID root gives, and with it what authbind's helper needs.",
        _SHOW + "SecureBits",
    ),
    "selinux_authbind": Paragraph(
        "SELinux does not let the domain of the service run authbind's helper. The policy that is in force was asked.",
        "ausearch -m AVC -ts recent",
    ),
    "selinux_capability": Paragraph(
        "SELinux does not let the domain of the service use the capability, whoever grants it. The policy that is "
        "in force was asked.",
        "ausearch -m AVC -ts recent",
    ),
    "selinux_node": Paragraph(
        "SELinux does not let the domain of the service bind the address. The policy that is in force was asked.",
        "ausearch -m AVC -ts recent",
    ),
    "selinux_port": Paragraph(
        "SELinux gives each port a type, and the domain of the service may bind ports of other types only. The "
        "policy that is in force was asked.",
        "semanage port -l | grep -w PORT",
    ),
    "server_configuration": Paragraph(
        "The configuration of the super-server is not there, or its `enabled` and `disabled` leave this service out.",
        "cat /etc/xinetd.conf /etc/inetd.conf",
    ),
    "server_off": Paragraph(
        "The super-server does not run, is not started by a boot, or cannot read its files again without a restart."
        " To start it would start what others configured, so the collection leaves that to you.",
        "systemctl status xinetd inetd",
    ),
    "server_unsupported": Paragraph(
        "Debian ships neither s6-networking nor nosh, so that nothing here was tried with them.",
        "command -v s6-tcpserver tcp-socket-listen",
    ),
    "setuid_program": Paragraph(
        "The program is set-user-ID or set-group-ID: it does not run as the service's user, and the kernel and the "
        "loader take ambient capabilities and LD_PRELOAD from it.",
        "stat --format='%A %U %G' PROGRAM",
    ),
    "socket_activation": Paragraph(
        "systemd holds the port by a socket unit that starts this service, and whether the service takes the socket"
        " has not been seen yet. The strategy is tried last, and the proof decides.",
        "systemctl list-sockets --all",
        "Say `socket_activation: true`, if it takes it.",
    ),
    "socket_bind_deny": Paragraph(
        "`SocketBindDeny=` of the unit forbids the port. systemd enforces it by a BPF program, below every capability.",
        _SHOW + "SocketBindDeny,SocketBindAllow",
    ),
    "supervisor": Paragraph(
        "The unit runs a supervisor as root, and the description gives `user:`. The drop-in would make the "
        "supervisor, and all that it starts, that user's.",
        "systemctl status UNIT",
    ),
    "system_calls": Paragraph(
        "`SystemCallFilter=` forbids a call that the strategy needs: socket(), bind() and listen() for the service "
        "itself, accept() for a socket that is handed over, clone() and execve() for authbind's helper.",
        _SHOW + "SystemCallFilter",
    ),
    "takes_no_sockets": Paragraph(
        "The program is known to ignore the sockets that systemd hands over, as caddy before 2.9 does.",
        "PROGRAM version",
    ),
    "tcp_only": Paragraph(
        "A forwarder takes TCP connections. Datagrams have none.",
        "ss -lnu",
        "Say `strategy: redirect`.",
    ),
    "template": Paragraph(
        "The unit is a template, and the strategy makes units or rules of its own for each service.",
        "systemctl list-units 'NAME@*'",
    ),
    "tls_port": Paragraph(
        "Port 443 and `forward_with: nginx`: nginx would have to end TLS to write its headers, and has no certificate.",
        "ss -lnt 'sport = :443'",
    ),
    "unbound_address": Paragraph(
        "systemd cannot bind the address as it is written: an IPv4 address has no interface, and a link-local "
        "address of IPv6 needs one (`fe80::1%eth0`).",
        "ip address",
    ),
    "unchangeable": Paragraph(
        "The attribute cannot be written: the file system is read-only, or knows no extended attributes.",
        "findmnt --target PROGRAM",
        "Use `ambient`, or grant the capability where the image or package is built.",
    ),
    "unread_program": Paragraph(
        "The program could not be read, so that nobody knows whether it is a script, static, or written in Go. The "
        "strategy is tried last, and the proof decides.",
        "ls -l PROGRAM",
        "Run the plan as root (`become: true`).",
    ),
    "unsupported": Paragraph(
        "The kernel or the tool refused the rules when they were checked, mostly because a module of nat is "
        "missing, as in some containers.",
        "nft --check --file /etc/nftables.conf",
        "Load the modules nft_redir, nft_fib_inet and nft_nat, or use `forward`.",
    ),
    "user_manager": Paragraph(
        "A user's own systemd holds no capability and can hand none on.",
        "systemctl --user --machine=USER@ show UNIT --property=AmbientCapabilities",
    ),
    "user_namespace": Paragraph(
        "The command of the unit makes a user namespace before it starts the program (unshare, bwrap, rootless "
        "podman). Capabilities in there do not reach the host's network.",
        "readlink /proc/PID/ns/user /proc/1/ns/user",
    ),
    "wrapped": Paragraph(
        "A shell script starts the program, and what it comes to execute cannot be told from its text. The strategy"
        " is tried last, and the proof decides.",
        "systemctl status UNIT",
        "Name the program: `executable: PATH`.",
    ),
}

# By the code of a check of the proof.
CHECKS: Mapping[str, Paragraph] = {
    "address": Paragraph(
        "The description names `addresses:`, and the service does not listen on one of them.",
        "ss -lntup",
    ),
    "boot": Paragraph(
        "The service has its port now and would lose it with the next boot: what grants it is in /run, or is a live"
        " value that no file of sysctl.d sets.",
        "systemctl cat UNIT; grep -r unprivileged_port /etc/sysctl.d",
    ),
    "connect": Paragraph(
        "A connection from the host itself was tried. It failed, or it is unknown: the host could not try it, "
        "because it lacks the address or a filter keeps it out while it may let clients in.",
        "curl --verbose http://ADDRESS:PORT/",
        "Connect from where clients are. If they are refused, look at the firewall (`nft list ruleset`).",
    ),
    "family": Paragraph(
        "The description names `families:`, and the service does not listen on one of them. A socket on `::` serves"
        " both, unless it is for IPv6 only.",
        "ss -lntup",
    ),
    "grant": Paragraph(
        "What the strategy writes is not there, or not as it should be: the drop-in, the attribute, the rules. "
        "`verify` only looks; it does not mend.",
        "ansible-playbook netbind.privport.plan -i hosts -e @services.yml",
    ),
    "groups": Paragraph(
        "A super-server started the program with a group that its user is not a member of.",
        "id USER",
        "Correct the group in the server's configuration, or let the collection write it (`superserver:`).",
    ),
    "held": Paragraph(
        "The process holds less than it was granted and does not serve by it, or more than anybody gave it: it was "
        "started before the grant, or has another source of capabilities.",
        "grep ^Cap /proc/PID/status; getcap PROGRAM",
    ),
    "listening": Paragraph(
        "Nothing listens on the port. Either the service does not run, or it could not bind, or its own "
        "configuration names another port. `granted, not listening` is unknown, not failed: nothing on the host "
        "starts the program.",
        "journalctl --unit=UNIT --lines=20; ss -lntup",
        "See the error of bind(2) or the exit status in the journal, and its paragraph below.",
    ),
    "owner": Paragraph(
        "A process that is not the service's holds the port, or it is hidden from the user who looked.",
        "ss -lntup",
    ),
    "restart": Paragraph(
        "The service works, and its next start would not: a setting of the unit was changed since, or a file that "
        "systemd has not read yet.",
        _SHOW + "NeedDaemonReload; systemctl cat UNIT",
    ),
    "root_parent": Paragraph(
        "A master process stays root, and workers of another user serve, as nginx and Apache do it as packaged. The"
        " port needs no grant then, and a fault of the master is a fault of root.",
        "ps -C NAME -o pid,user,args",
        "Leave it as it is and out of `privport_services`, or give the unit a user: the message says what that takes.",
    ),
    "stranger": Paragraph(
        "A user id that no account has tried to bind the port while the service runs, and was not refused. "
        "Everybody may have the port, so that no grant protects it. It is unknown where the user who looks is not "
        "root.",
        "sysctl net.ipv4.ip_unprivileged_port_start",
        "Set it to 1024 again, and take the line out of /etc/sysctl.d.",
    ),
    "strategy": Paragraph(
        "No strategy works here, so that there is nothing to prove.",
        "ansible-playbook netbind.privport.plan -i hosts -e @services.yml -e privport_plan_details=true",
    ),
    "taken": Paragraph(
        "A rule of the nat table (nft, iptables, or a container engine) leads connections of other hosts elsewhere "
        "before any socket gets them. From the host itself all seems well.",
        "nft list ruleset; iptables-save --table=nat",
    ),
    "trial": Paragraph(
        "The service need not listen now (`listens: on_demand`). A small program of the same user was started in "
        "the sandbox of its unit and could not bind the port.",
        "systemctl cat UNIT",
    ),
    "user": Paragraph(
        "A thread of the service runs as root, can become root again (its saved user id), or runs as another user "
        "than the one that the description names.",
        "grep ^Uid /proc/PID/task/*/status",
    ),
}

# By the name of an error that a program logs, or that a connection ends in.
ERRORS: Mapping[str, Paragraph] = {
    "EACCES": Paragraph(
        "'Permission denied'. The kernel asks for the capability in the process that calls bind(), at that moment. "
        "Nearly always the process was started before the grant, or something took the grant away: look at the "
        "refusals above.",
        "grep ^Cap /proc/PID/status",
        "Run the role again: it restarts what lacks its grant.",
    ),
    "EADDRINUSE": Paragraph(
        "'Address already in use'. The permission is there: the kernel asks for it first. Another socket has the "
        "port on this address, or on all of them.",
        "ss -lntup",
        "Stop the other one, or give each its own addresses and name them by `addresses:`.",
    ),
    "EADDRNOTAVAIL": Paragraph(
        "'Cannot assign requested address'. The service wants to bind an address that no interface has yet.",
        "ip address",
        "Start it after the network: `After=network-online.target` and `Wants=network-online.target` in the unit.",
    ),
    "EAFNOSUPPORT": Paragraph(
        "'Address family not supported by protocol'. The unit forbids the family, or the kernel has no IPv6.",
        _SHOW + "RestrictAddressFamilies",
        "Add to the unit: `RestrictAddressFamilies=AF_INET AF_INET6`.",
    ),
    "ECONNREFUSED": Paragraph(
        "The proof's own connection was refused.",
        "ss -lnt; nft list ruleset",
        "Look whether the service still accepts.",
    ),
    "ECONNRESET": Paragraph(
        "The service, or the forwarder in front of it, accepted the proof's connection and closed it at once.",
        "journalctl --unit=UNIT --lines=20",
        "Look whether the backend listens, and what it says in its log.",
    ),
    "ENOENT": Paragraph(
        "'No such file or directory' from bind(2) comes from authbind alone: the user has a `byuid` file, and no "
        "line of it matches the port and the address.",
        "cat /etc/authbind/byuid/$(id -u USER)",
        "Run the role again, which writes the line.",
    ),
    "EPERM": Paragraph(
        "'Operation not permitted'. Under authbind no rule matched the port. Otherwise it is no missing capability:"
        " something below the capability forbids the call.",
        _SHOW + "SocketBindDeny,SystemCallFilter",
        "Allow the port in that filter: `SocketBindAllow=` or `SystemCallFilter=` in the unit.",
    ),
}

# By the status with which systemd itself ends a start (systemd.exec(5), "Process Exit Codes").
STATUSES: Mapping[str, Paragraph] = {
    "200": Paragraph(
        "`WorkingDirectory=` is not there, or closed to the user.",
        _SHOW + "WorkingDirectory",
    ),
    "203": Paragraph(
        "execve(2) failed. Of a program that ran before a grant: its file capability is outside of the unit's "
        "bounding set, so that the kernel refuses to execute it at all.",
        "getcap PROGRAM; systemctl show UNIT --property=CapabilityBoundingSet",
        "Add to the unit: `CapabilityBoundingSet=CAP_NET_BIND_SERVICE`, or say `widen: [bounding_set]`.",
    ),
    "216": Paragraph(
        "The group of `Group=` is not there.",
        "getent group GROUP",
    ),
    "217": Paragraph(
        "The user of `User=` is not there, or its name service does not answer yet.",
        "getent passwd USER",
    ),
    "218": Paragraph(
        "systemd could not give the process its capabilities. A user's own systemd has none to give, and neither "
        "has one in a container whose engine took the capability away.",
        "grep ^CapBnd /proc/1/status",
        "Make the unit one of the system with `User=`, or start the container with `--cap-add=NET_BIND_SERVICE`.",
    ),
    "226": Paragraph(
        "A path of `ReadWritePaths=`, `BindPaths=`, `InaccessiblePaths=` or the like is not there.",
        _SHOW + "ReadWritePaths,BindPaths,InaccessiblePaths",
        "Make the path, or write it with a `-` in front, which lets it be missing.",
    ),
    "228": Paragraph(
        "The kernel did not take the filter of system calls.",
        _SHOW + "SystemCallFilter",
    ),
    "233": Paragraph(
        "A folder below /run could not be made, or belongs to somebody else.",
        _SHOW + "RuntimeDirectory",
    ),
}

# By Result= of a unit (systemd.service(5)).
RESULTS: Mapping[str, Paragraph] = {
    "oom-kill": Paragraph(
        "The kernel had no memory left for it.",
        "journalctl --dmesg --grep=oom",
    ),
    "protocol": Paragraph(
        "The program ended or wrote its pid file otherwise than `Type=` says.",
        _SHOW + "Type,PIDFile",
    ),
    "resources": Paragraph(
        "systemd could not even start it.",
        "systemd-analyze verify UNIT",
    ),
    "start-limit-hit": Paragraph(
        "It failed several times within seconds, and systemd starts it no more.",
        "journalctl --unit=UNIT --lines=40",
    ),
    "timeout": Paragraph(
        "`Type=notify` or `Type=forking` and no word of the program within `TimeoutStartSec=`.",
        _SHOW + "Type,TimeoutStartUSec",
    ),
    "watchdog": Paragraph(
        "It did not tell its watchdog that it lives.",
        _SHOW + "WatchdogUSec",
    ),
}

# Messages that have no code, by their words.
SENTENCES: Mapping[str, Paragraph] = {
    "port N is held by pid …; stop that first": Paragraph(
        "Another process listens where the service is to listen. Nothing was changed. The message names the "
        "process, its user, and the unit or the login that started it.",
        "ss -lntup",
        "Stop it (`systemctl disable --now OTHER`), or give both their own `addresses:`.",
    ),
    "UNIT starts as root and binds port N itself": Paragraph(
        "The service has what it needs, from root. This is no fault of the host, and nothing is granted.",
        _SHOW + "User",
        "Leave it out of `privport_services`, or say `user: NAME` where it can run as a user from its start.",
    ),
    "unit 'NAME' … does not exist / user 'NAME' does not exist / executable 'PATH' does not exist": Paragraph(
        "The description names what is not installed. In check mode the service is unknown until it is, and nothing"
        " fails.",
        "systemctl cat NAME",
        "Install it first, or correct the description.",
    ),
    "UNIT has RefuseManualStart=yes": Paragraph(
        "The grant counts from the next start on, and nobody may start the unit by hand.",
        _SHOW + "RefuseManualStart,RefuseManualStop",
        "Set it to `no` for as long as the run takes: `systemctl edit UNIT`.",
    ),
    "its unit is also that of service 'NAME', which gets …; give both the same strategy": Paragraph(
        "Two services share a unit or a program, and the strategies that they got exclude each other.",
        "ansible-playbook netbind.privport.plan -i hosts -e @services.yml",
        "Describe one service with all ports, or name the same `strategy:` in both.",
    ),
    "restored: …": Paragraph(
        "A proof failed, and the service has what it had before. The lines above it say why; the lines after it say"
        " what could not be taken back, if anything.",
        "journalctl --unit=UNIT --lines=40",
        "Mend the cause and run the role again.",
    ),
    "what would be done now is not what was planned": Paragraph(
        "A saved plan, or the plan that a rollout began with, no longer fits the host. Nothing was changed.",
        "ansible-playbook netbind.privport.plan -i hosts -e @services.yml",
        "Plan again, look at the difference, and roll that out.",
    ),
    "/var/lib/netbind.privport/journal.json … cannot be understood": Paragraph(
        "A run was killed, and the file that says how the host was before is damaged.",
        "cat /var/lib/netbind.privport/journal.json",
        "Put right what it names, then remove the file.",
    ),
    "… reads back otherwise than written; find out what else writes there": Paragraph(
        "Something else manages the same file or setting: another role, a package's script, a configuration agent.",
        "lsof PATH; auditctl -w PATH -p wa",
        "Let one of the two manage it.",
    ),
}
