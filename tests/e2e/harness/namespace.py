"""Network namespaces: hosts of their own for a test, joined by cables (veth). Only root can make them."""

import ctypes
import os
import subprocess
from pathlib import Path

from . import cleanup, wait

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _enter(path: str):
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {path}")
    finally:
        os.close(descriptor)


class Namespace:
    """A host with nothing but loopback. `with host:` makes the sockets of this thread its own."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self.path = f"/proc/{self.holder.pid}/ns/net"
        self.home = f"/proc/self/task/{os.getpid()}/ns/net"
        self.wrapper = ["nsenter", f"--net={self.path}"]
        cleanup.remember(self)
        home = os.readlink(self.home)
        wait.until(lambda: Path(f"/proc/{self.holder.pid}/comm").read_text().strip() == "sleep", "the namespace is there")
        assert os.readlink(self.path) != home
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        """Runs ip(8) there."""
        subprocess.run([*self.wrapper, "ip", *map(str, words)], check=True, stdin=subprocess.DEVNULL)

    def __enter__(self):
        self._back = os.open(self.home, os.O_RDONLY | os.O_CLOEXEC)
        _enter(self.path)
        return self

    def __exit__(self, *_):
        assert _libc.setns(self._back, CLONE_NEWNET) == 0
        os.close(self._back)

    def close(self):
        if self.holder.poll() is None:
            self.holder.kill()
        self.holder.wait()


def join(one: Namespace, name: str, one_addresses, other: Namespace, other_name: str, other_addresses):
    """A cable between two hosts, with addresses ("10.0.0.1/24") at both ends."""
    one.ip("link", "add", name, "type", "veth", "peer", "name", other_name, "netns", other.holder.pid)
    for host, link, addresses in ((one, name, one_addresses), (other, other_name, other_addresses)):
        for address in addresses:
            host.ip("address", "add", address, "dev", link, *(["nodad"] if ":" in address else []))
        host.ip("link", "set", link, "up")
