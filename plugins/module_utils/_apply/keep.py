# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units that keep a program's file capability through upgrades: observed, written and removed."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

from ansible_collections.netbind.privport.plugins.module_utils._core.capability import keep as core
from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import (
    HostError,
    PrivportError,
    Refused,
)
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import UNIT_FOLDER
from ansible_collections.netbind.privport.plugins.module_utils._host.host import Host
from ansible_collections.netbind.privport.plugins.module_utils._observe import units


class Keeping(NamedTuple):
    """The units as they are, '' for none, as they are when they work, and whether they are wanted."""

    units: core.KeepUnits
    service: str
    watch: str
    link: str
    active: bool
    leftovers: Tuple[str, ...]
    wanted: bool

    @property
    def nothing(self) -> bool:
        return not (self.service or self.watch or self.link or self.leftovers)

    @property
    def complete(self) -> bool:
        files = (self.service, self.watch, self.link)
        works = files == (self.units.service, self.units.watch, self.units.watch_path) and self.active
        return works and not self.leftovers

    @property
    def changed(self) -> bool:
        return not (self.complete if self.wanted else self.nothing)

    @property
    def diffs(self) -> Tuple[dict[str, str], ...]:
        """As diff mode shows them, of the files that change."""
        files = (
            (self.units.service_path, self.service, self.units.service),
            (self.units.watch_path, self.watch, self.units.watch),
            (self.units.link_path, self.link, self.units.watch_path),
        )
        return tuple(
            {"before_header": path, "after_header": path, "before": before, "after": wanted if self.wanted else ""}
            for path, before, wanted in files
            if before != (wanted if self.wanted else "")
        )


def observe(host: Host, path: str) -> str:
    """NOT_KEPT, KEPT or KEPT_IN_PART: whether the host gives the program at path its capability back by itself."""
    try:
        name = core.base_name(path)
    except Refused:
        return core.NOT_KEPT
    text = host.read(f"{UNIT_FOLDER}/{name}.service") or ""
    found = _look(host, path, value=core.kept_value(text) or b"", wanted=True)
    if found.nothing:
        return core.NOT_KEPT
    return core.KEPT if found.complete and core.kept_value(text) else core.KEPT_IN_PART


def plan(host: Host, path: str, *, value: Optional[bytes]) -> Optional[Keeping]:
    """What is to become of the units for the program at path; value is what they give back, None for no units.

    None where there is nothing to think about. Raises PrivportError for what cannot be kept.
    """
    wanted = value is not None
    if wanted and units.systemd_version(host) is None:
        raise Refused("keep is true, but systemd does not run this host; run this again after each upgrade instead")
    try:
        found = _look(host, path, value=value or b"", wanted=wanted)
    except Refused:
        if wanted:
            raise
        return None
    refused = refusal(host, path) if wanted else ""
    if refused:
        raise Refused(refused)
    return found


def refusal(host: Host, path: str) -> str:
    """Why there can be no units for the program at path, a sentence; '' where there can."""
    try:
        name = core.base_name(path)
    except Refused as refused:
        return str(refused)
    texts = {it: host.read(it) for it in (f"{UNIT_FOLDER}/{name}.service", f"{UNIT_FOLDER}/{name}.path")}
    foreign = [it for it, text in texts.items() if text and not text.startswith(core.MARK)]
    return f"keep is true, but {foreign[0]} was not written by this collection; remove it first" if foreign else ""


def _look(host: Host, path: str, *, value: bytes, wanted: bool) -> Keeping:
    rendered = core.render(path=path, value=value, python=host.python())
    paths = (rendered.service_path, rendered.watch_path, rendered.link_path)
    service, watch = (host.read(it) or "" for it in paths[:2])
    link = host.link_target(rendered.link_path) or ""
    return Keeping(
        units=rendered,
        service=service,
        watch=watch,
        link=link,
        active=bool(service and watch) and _is_active(host, rendered.watch_name),
        leftovers=tuple(left for it in paths for left in host.leftovers(it)),
        wanted=wanted,
    )


def _is_active(host: Host, name: str) -> bool:
    argv = ["systemctl", "show", "--property=ActiveState,NeedDaemonReload", "--", name]
    said = host.query(argv).checked().stdout.split()
    return sorted(said) == ["ActiveState=active", "NeedDaemonReload=no"]


def install(host: Host, keeping: Keeping) -> None:
    """Write and start the units. HostError where that fails; they are then what they were before."""
    wanted = keeping.units
    try:
        # The service first, for it does nothing by itself: while it is there, there is something to go on with.
        host.write(wanted.service_path, content=wanted.service)
        host.write(wanted.watch_path, content=wanted.watch)
        host.make_folder(wanted.link_path.rpartition("/")[0])
        host.link(wanted.link_path, target=wanted.watch_path)
        host.discard(keeping.leftovers)
        _reload(host)
        host.run(["systemctl", "restart", "--", wanted.watch_name]).checked()
        if not _is_active(host, wanted.watch_name):
            raise HostError(f"{wanted.watch_name} does not watch; see systemctl status {wanted.watch_name}")
    except PrivportError as failure:
        try:
            _put_back(host, keeping)
        except PrivportError as second:
            raise HostError(f"{failure}; what was written could not be taken back: {second}") from failure
        raise


def remove(host: Host, keeping: Keeping) -> None:
    """Stop and remove the units. Raises HostError."""
    found = keeping.units
    if _is_loaded(host, found.watch_name):
        stop(host, found.watch_name)
    host.remove(found.link_path, with_folder=True)
    host.remove(found.watch_path)
    _reload(host)
    # Last, see install().
    host.remove(found.service_path)


def stop(host: Host, watch_name: str) -> None:
    """Stop what watches, and then what it may just have started: neither gives anything back any more."""
    for name in (watch_name, watch_name[: -len(".path")] + ".service"):
        host.run(["systemctl", "stop", "--", name]).checked()


def _is_loaded(host: Host, name: str) -> bool:
    shown = host.query(["systemctl", "show", "--property=LoadState", "--", name]).checked().stdout
    return "not-found" not in shown


def _put_back(host: Host, keeping: Keeping) -> None:
    if not keeping.service:
        remove(host, keeping)
        return
    host.write(keeping.units.service_path, content=keeping.service)
    if keeping.watch:
        host.write(keeping.units.watch_path, content=keeping.watch)
    _reload(host)


def _reload(host: Host) -> None:
    host.run(["systemctl", "daemon-reload"]).checked()
