# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a unit sees of the host's files: its mount namespace as its settings make it (systemd.exec(5), Sandboxing)."""

from __future__ import annotations

from typing import Callable, Iterator, Mapping, NamedTuple

from ansible_collections.netbind.privport.plugins.module_utils._core.model.errors import UnknownFormat
from ansible_collections.netbind.privport.plugins.module_utils._core.systemd.unit import split_paths

# Images bring files that the host does not show.
_IMAGES = ("RootImage", "RootMStack", "MountImages", "ExtensionImages", "ExtensionDirectories")
_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108
_MOST_LINKS = 40


class Mount(NamedTuple):
    """A folder or file of the unit's: source is the host's path of it, '' where nothing of the host is there."""

    target: str
    source: str
    setting: str

    def holds(self, path: str) -> bool:
        return self.target in ("/", path) or path.startswith(self.target + "/")


class Place(NamedTuple):
    """Where the host has what the unit has at path.

    outer is the host's path, links resolved as the unit sees them, '' where the unit has nothing of the host's there;
    base is what was mounted to reach it, and setting says by which setting, '' where none has a part in it.
    """

    path: str
    outer: str
    base: str
    setting: str
    noexec: str


class Namespace(NamedTuple):
    """mounts in no order; closed are those below which nothing can be mounted."""

    mounts: tuple[Mount, ...]
    closed: tuple[Mount, ...]
    # Paths that forbid or allow to execute, with the setting: the longest that holds a path decides.
    execution: tuple[tuple[Mount, bool], ...]
    # The setting that brings files from an image, '' for none: what is where cannot be told then.
    image: str

    def place(self, path: str, *, link_target: Callable[[str], str | None]) -> Place:
        """Follows the links of path as the unit sees them; link_target reads one of the host's, None for no link."""
        rest = [name for name in path.split("/") if name]
        inner = ""
        links = 0
        while rest:
            step = rest.pop(0)
            if step in (".", ".."):
                inner = inner.rpartition("/")[0] if step == ".." else inner
                continue
            mount = self._mount(f"{inner}/{step}")
            target = link_target(_outer(mount, f"{inner}/{step}")) if mount.source else None
            links += target is not None
            if target is None or links > _MOST_LINKS:
                inner = f"{inner}/{step}"
                continue
            rest = [name for name in target.split("/") if name] + rest
            inner = "" if target.startswith("/") else inner
        return self._place(path, inner or "/")

    def _place(self, path: str, inner: str) -> Place:
        mount = self._mount(inner)
        outer = _outer(mount, inner) if mount.source else ""
        return Place(path=path, outer=outer, base=mount.source, setting=mount.setting, noexec=self._noexec(inner))

    def _mount(self, inner: str) -> Mount:
        closed = [mount for mount in self.closed if mount.holds(inner)]
        return max(closed or [mount for mount in self.mounts if mount.holds(inner)], key=lambda it: len(it.target))

    def _noexec(self, inner: str) -> str:
        holding = [(mount, allows) for mount, allows in self.execution if mount.holds(inner)]
        if not holding:
            return ""
        mount, allows = max(holding, key=lambda it: len(it[0].target))
        return "" if allows else mount.setting


def _outer(mount: Mount, inner: str) -> str:
    below = inner if mount.target == "/" else inner[len(mount.target) :]
    return mount.source.rstrip("/") + below or "/"


# A unit without such settings sees the host's files.
HOSTS_OWN = Namespace(mounts=(Mount(target="/", source="/", setting=""),), closed=(), execution=(), image="")


class Files(NamedTuple):
    """How the host is asked for its files: resolve follows the links of a path, which need not exist (realpath(3))."""

    exists: Callable[[str], bool]
    resolve: Callable[[str], str]


def namespace(properties: Mapping[str, str], *, files: Files) -> Namespace:
    """The namespace of a unit with these properties; without settings it is the host's own.

    systemd follows the links in the paths of its settings before it mounts anything there.
    """
    root = files.resolve(properties.get("RootDirectory", "")) if properties.get("RootDirectory") else ""
    base = Mount(target="/", source=root or "/", setting=f"RootDirectory={root}" if root else "")
    return Namespace(
        mounts=(base, *_temporary(properties, root, files=files), *_bound(properties, root, files=files)),
        closed=tuple(_closed(properties, root, files=files)),
        execution=tuple(_execution(properties, root, files=files)),
        image=image_setting(properties),
    )


def image_setting(properties: Mapping[str, str]) -> str:
    """The setting that brings files from an image, '' for none."""
    name = next((name for name in _IMAGES if properties.get(name)), "")
    return f"{name}={properties[name]}" if name else ""


def _temporary(properties: Mapping[str, str], root: str, *, files: Files) -> list[Mount]:
    found = [
        Mount(
            target=_inside(word.partition(":")[0], root, files=files), source="", setting=f"TemporaryFileSystem={word}"
        )
        for word in _words(properties.get("TemporaryFileSystem", ""))
    ]
    if properties.get("PrivateTmp", "no") != "no" or properties.get("PrivateTmpEx", "no") != "no":
        found += [Mount(target=folder, source="", setting="PrivateTmp=yes") for folder in _TEMPORARY]
    if properties.get("ProtectHome") == "tmpfs":
        found += [Mount(target=folder, source="", setting="ProtectHome=tmpfs") for folder in _HOMES]
    return found


def _bound(properties: Mapping[str, str], root: str, *, files: Files) -> list[Mount]:
    found = []
    for name in ("BindPaths", "BindReadOnlyPaths"):
        for word in _words(properties.get(name, "")):
            source, _colon, rest = word.lstrip("-").partition(":")
            # A leading '-' leaves out what is not there.
            if source.startswith("/") and (files.exists(source) or not word.startswith("-")):
                target = _inside(rest.partition(":")[0] or source, root, files=files)
                found.append(Mount(target=target, source=files.resolve(source), setting=f"{name}={word}"))
    return found


def _closed(properties: Mapping[str, str], root: str, *, files: Files) -> list[Mount]:
    found = list(_access("InaccessiblePaths", properties, root, files=files))
    if properties.get("ProtectHome") == "yes":
        found += [Mount(target=folder, source="", setting="ProtectHome=yes") for folder in _HOMES]
    return found


def _execution(properties: Mapping[str, str], root: str, *, files: Files) -> list[tuple[Mount, bool]]:
    return [
        (mount, allows)
        for name, allows in (("NoExecPaths", False), ("ExecPaths", True))
        for mount in _access(name, properties, root, files=files)
    ]


def _access(name: str, properties: Mapping[str, str], root: str, *, files: Files) -> Iterator[Mount]:
    """The paths of a setting that opens or closes them: the host's own, or behind '+' those of RootDirectory=."""
    for word in _words(properties.get(name, "")):
        path = word.lstrip("-+")
        if "+" in word[: len(word) - len(path)] or not root:
            yield Mount(target=_inside(path, root, files=files), source="", setting=f"{name}={word}")
            continue
        target = files.resolve(path)
        if target == root or target.startswith(f"{root}/"):
            yield Mount(target=target[len(root) :] or "/", source="", setting=f"{name}={word}")


def _words(value: str) -> tuple[str, ...]:
    try:
        return split_paths(value)
    except UnknownFormat:
        return tuple(value.split())


def _inside(path: str, root: str, *, files: Files) -> str:
    """A path of the unit's with its links followed, as far as they stay below its root."""
    inner = "/" + path.strip("/")
    outer = files.resolve(root + inner)
    if not root:
        return outer
    return outer[len(root) :] if outer.startswith(f"{root}/") else inner
