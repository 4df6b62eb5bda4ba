"""A real name server: Debian's dnsmasq on loopback, for names below "test"."""

import signal
import socket
import struct
import subprocess
from pathlib import Path

from . import cleanup, net, wait


def question(name: str, kind: int = 1) -> bytes:
    """A query for one record."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 0x4d47, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


class NameServer:
    """`hosts` is {name: [addresses]}, `srv` a list of (service, target, port, priority, weight)."""

    outlives_gates = True  # a question that nobody answers is a socket that stays for seconds

    def __init__(self, program: str, folder: Path, hosts: dict = None, srv=(), ttl: int = 1):
        self.program, self.folder, self.ttl = program, Path(folder), ttl
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = net.free_port()
        self.address = f"{net.HOST}:{self.port}"
        self.serial = 0
        self.process = None
        cleanup.remember(self)
        self.start(hosts or {}, srv)

    def _write_hosts(self, hosts: dict):
        """With a record that tells which version of the file is being served."""
        self.serial += 1
        lines = [f"{address} {name}" for name, addresses in hosts.items() for address in addresses]
        (self.folder / "hosts").write_text("\n".join([*lines, f"127.9.9.9 serial{self.serial}.test"]) + "\n")

    def start(self, hosts: dict, srv=()):
        self._write_hosts(hosts)
        services = [f"--srv-host={','.join(map(str, record))}" for record in srv]
        self.process = subprocess.Popen(
            [self.program, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--local=/test/",
             f"--port={self.port}", f"--listen-address={net.HOST}", "--bind-interfaces", "--user=root", "--pid-file=",
             f"--local-ttl={self.ttl}", f"--addn-hosts={self.folder}/hosts", *services], stdin=subprocess.DEVNULL)
        self._wait()

    def _wait(self):
        wait.until(self._serves, "the name server has the records", 10, every=0.05)

    def _serves(self) -> bool:
        assert self.process.poll() is None, "dnsmasq ended"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            try:
                sock.connect((net.HOST, self.port))  # so that the kernel tells when nobody is there yet
                sock.send(question(f"serial{self.serial}.test"))
                return struct.unpack("!H", sock.recv(512)[6:8])[0] > 0
            except OSError:
                return False

    def change(self, hosts: dict):
        """Other addresses, without a moment in which nobody answers."""
        self._write_hosts(hosts)
        self.process.send_signal(signal.SIGHUP)
        self._wait()

    def restart(self, hosts: dict, srv=()):
        self.stop()
        self.start(hosts, srv)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    close = stop


class DeafNameServer:
    """Takes questions and never answers."""

    def __init__(self, port: int = 0):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((net.HOST, port))
        self.address = f"{net.HOST}:{self.sock.getsockname()[1]}"
        cleanup.remember(self)

    def wait_asked(self, seconds: float = 5.0):
        self.sock.settimeout(seconds)
        self.sock.recv(512)

    def close(self):
        self.sock.close()
