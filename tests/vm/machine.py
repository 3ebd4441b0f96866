# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole machine in the emulator: it has a kernel of its own, reboots, and loses its power."""

from __future__ import annotations

import json
import shlex
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, Optional, Sequence, Type

ROOT = Path(__file__).resolve().parents[2]
BOOT_SECONDS = 600


class Machine:
    """A fresh copy of the disk, booted; nothing of it is left after the with block."""

    def __init__(self, *, image: Path, append: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="privport-vm-")
        self.folder = Path(self._folder.name)
        self._image = image
        self._append = append
        self._port = _free_port()
        self._emulator: Optional[subprocess.Popen[bytes]] = None
        backing = ["-b", str(image / "disk.qcow2"), "-F", "qcow2"]
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(self.folder / "disk")], check=True)
        self.inventory = self.folder / "inventory.json"
        self.inventory.write_text(json.dumps({"all": {"hosts": {"vm": self._variables()}}}))

    def __enter__(self) -> Machine:
        try:
            self.power_on()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        self.cut_power()
        self._folder.cleanup()

    def power_on(self) -> None:
        """Start the emulator, and return when the machine answers."""
        # The guest's flushes reach the disk's file, and what it did not flush may be lost, as with a real disk.
        disk = f"file={self.folder}/disk,if=virtio,format=qcow2,cache=writeback"
        network = f"user,model=virtio-net-pci,restrict=on,hostfwd=tcp:127.0.0.1:{self._port}-:22"
        # Nothing but an fsync writes the file system's journal to the disk within ten minutes.
        kernel = "root=/dev/vda rw rootflags=commit=600 console=ttyS0 quiet systemd.default_timeout_start_sec=900"
        with (self.folder / "console").open("ab") as console:
            self._emulator = subprocess.Popen(
                [
                    *["qemu-system-x86_64", "-M", "q35", "-cpu", "max", "-accel", "tcg,thread=multi", "-smp", "2"],
                    *["-m", "1500", "-kernel", str(self._image / "vmlinuz"), "-initrd", str(self._image / "initrd")],
                    *["-append", f"{kernel} {self._append}", "-drive", disk, "-nic", network, "-nographic"],
                ],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        self._wait(not_boot="")

    def reboot(self) -> None:
        """systemctl reboot; returns when the machine answers again."""
        before = self.shell("cat /proc/sys/kernel/random/boot_id")
        self.shell("systemctl reboot", check=False)
        self._forget_connection()
        self._wait(not_boot=before)

    def cut_power(self) -> None:
        """End the emulator at once, whatever the machine is doing."""
        self._forget_connection()
        if self._emulator is not None:
            self._emulator.kill()
            self._emulator.wait()
            self._emulator = None

    def shell(self, script: str, *, check: bool = True, given: str = "") -> str:
        """What a shell script prints, run by root; given is its standard input."""
        argv = [*self._ssh(), "sudo", "sh", "-c", shlex.quote(script)]
        done = subprocess.run(argv, input=given, capture_output=True, text=True, check=False, timeout=BOOT_SECONDS)
        if check and done.returncode:
            raise RuntimeError(f"{script!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def put(self, path: str, content: str, *, mode: str = "644") -> None:
        self.shell(f"mkdir -p $(dirname {path}) && cat >{path} && chmod {mode} {path}", given=content)

    def play(self, playbook: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection on the machine; its outcome is the caller's to judge."""
        argv = ["ansible-playbook", f"netbind.privport.{playbook}", "-i", str(self.inventory)]
        argv += ["-e", json.dumps(variables)]
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)

    def module(self, name: str, **options: Any) -> Dict[str, Any]:
        """What a module of the collection returns."""
        argv = ["ansible", "vm", "-i", str(self.inventory), "--one-line", "-m", f"netbind.privport.{name}"]
        argv += ["-a", json.dumps(options)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
        try:
            # vm | SUCCESS => {...}
            result: Dict[str, Any] = json.loads(done.stdout.partition(" => ")[2])
        except ValueError as unlike:
            raise RuntimeError(f"{name} answered {done.stdout!r} {done.stderr!r}") from unlike
        return result

    def _wait(self, *, not_boot: str) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        # A login before the end of the boot is refused by pam_nologin.
        ready = "systemctl is-system-running --wait >/dev/null; cat /proc/sys/kernel/random/boot_id"
        while True:
            try:
                boot = self.shell(ready)
                if boot != not_boot:
                    return
            except (RuntimeError, subprocess.TimeoutExpired):
                pass
            if time.monotonic() > deadline or (self._emulator is not None and self._emulator.poll() is not None):
                console = (self.folder / "console").read_text(errors="replace")
                raise RuntimeError(f"the machine does not answer; its console ends with:\n{console[-3000:]}")
            self._forget_connection()
            time.sleep(1)

    def _options(self) -> Sequence[str]:
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "ControlMaster": "auto",
            "ControlPersist": "300",
            "ControlPath": f"{self.folder}/ssh",
        }
        return ["-F", "none", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]

    def _ssh(self) -> Sequence[str]:
        key = str(self._image.parent / "id_ed25519")
        return ["ssh", *self._options(), "-i", key, "-p", str(self._port), "admin@127.0.0.1"]

    def _forget_connection(self) -> None:
        """End the shared connection, which a machine that is gone would let hang."""
        subprocess.run([*self._ssh()[:-1], "-O", "exit", "vm"], capture_output=True, check=False)

    def _variables(self) -> Dict[str, Any]:
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self._port,
            "ansible_user": "admin",
            "ansible_become": True,
            "ansible_pipelining": True,
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self._image.parent / "id_ed25519"),
            "ansible_ssh_common_args": shlex.join(self._options()),
        }


def succeeded(play: subprocess.CompletedProcess[str]) -> str:
    """What the play printed; RuntimeError where it failed."""
    if play.returncode:
        raise RuntimeError(f"{' '.join(play.args)} failed:\n{play.stdout}{play.stderr}")
    return play.stdout


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
