# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd 262 knows of a service and 257 does not: what decides about executing or binding is a row."""

from __future__ import annotations

from typing import Mapping, Tuple

from .hazard import FOLDER, USER_NAMESPACE, Hazard, setting

HAZARDS: Tuple[Hazard, ...] = (
    setting("PrivateUsers=self", since=257),
    setting("PrivateUsers=full", since=262),
    # systemd refuses it beside User=.
    setting("PrivateUsers=managed", user="", since=262),
    setting("DelegateNamespaces=yes", since=262),
    setting("DelegateNamespaces=net", since=262),
    setting("DelegateNamespaces=mnt", "PrivateUsers=no", since=262),
    setting("DelegateNamespaces=no", since=262),
    setting(f"UserNamespacePath={USER_NAMESPACE}", since=262),
    # Nobody but the host itself comes there.
    setting("BindNetworkInterface=lo", unsafe=("redirect",), since=262),
    setting("ProtectControlGroups=private", since=257),
    setting("ProtectControlGroups=strict", since=257),
    setting("ProtectHostname=private:hazards", since=262),
    setting("PrivateTmp=disconnected", since=257),
    setting("PrivateBPF=yes", since=262),
    setting("PrivateBPF=yes", "BPFDelegateCommands=any", "PrivateUsers=self", since=262),
    setting("RootDirectory=/", since=257),
    Hazard(
        name="RootDirectory= and RootEphemeral=yes",
        settings=(
            f"RootDirectory={FOLDER}/root",
            "RootEphemeral=yes",
            "BindReadOnlyPaths=/usr /bin /sbin /lib /lib64 /etc /opt",
            "MountAPIVFS=yes",
        ),
        since=257,
    ),
)

# Each property of a service that `systemctl show` has there and 257's has not, and why it decides or does not. The run
# fails when there is another.
SINCE_257: Mapping[str, str] = {
    "BPFDelegateAttachments": "does not: what of bpf(2) the service may use in its own mount of bpffs (PrivateBPF=)",
    "BPFDelegateCommands": "does not: as BPFDelegateAttachments=",
    "BPFDelegateMaps": "does not: as BPFDelegateAttachments=",
    "BPFDelegatePrograms": "does not: as BPFDelegateAttachments=",
    "BindNetworkInterface": (
        "decides who reaches the port, not whether it may be bound: the service's sockets belong to this interface"
    ),
    "CPUPressureThresholdUSec": "does not: when the service is told of a lack of processor time",
    "CPUPressureWatch": "does not: as CPUPressureThresholdSec=",
    "CPUSetPartition": "does not: on which processors it runs",
    "CacheDirectoryAccounting": "does not: how much it may write below its own folders",
    "CacheDirectoryQuota": "does not: as CacheDirectoryAccounting=",
    "CacheDirectoryQuotaUsage": "does not: as CacheDirectoryAccounting=",
    "DelegateNamespaces": "decides: it puts the service into a user namespace of its own, as PrivateUsers=self does",
    "ExecReloadPost": "does not: another command of a reload, as ExecReload=",
    "ExecReloadPostEx": "does not: as ExecReloadPost=",
    "IOPressureThresholdUSec": "does not: when the service is told that it waits for disks",
    "IOPressureWatch": "does not: as IOPressureThresholdSec=",
    "LUOSession": "does not: what is kept while the kernel is replaced",
    "LogsDirectoryAccounting": "does not: as CacheDirectoryAccounting=",
    "LogsDirectoryQuota": "does not: as CacheDirectoryAccounting=",
    "LogsDirectoryQuotaUsage": "does not: as CacheDirectoryAccounting=",
    "ManagedOOMKills": "does not: a count of what was killed for lack of memory",
    "MemoryTHP": "does not: how large the service's pages of memory are",
    "OOMKills": "does not: as ManagedOOMKills",
    "OOMRules": "does not: when systemd-oomd kills it",
    "PrivateBPF": "does not: a mount of bpffs of its own at /sys/fs/bpf, where no program is",
    "ProtectHostnameEx": "does not: private[:NAME] is a host name of its own",
    "RefreshOnReload": "does not: what of its credentials and extensions is read anew with a reload",
    "ReloadCount": "does not: a count of reloads",
    "RestartRandomizedDelayUSec": "does not: how long systemd waits until it starts the service again",
    "RootMStack": "decides where its program is, as RootDirectory= and RootImage= do",
    "StateDirectoryAccounting": "does not: as CacheDirectoryAccounting=",
    "StateDirectoryQuota": "does not: as CacheDirectoryAccounting=",
    "StateDirectoryQuotaUsage": "does not: as CacheDirectoryAccounting=",
    "UserNamespacePath": "decides: capabilities in that user namespace do not reach the host's network",
}
