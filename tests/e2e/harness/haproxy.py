"""A real HAProxy, in the foreground, from a configuration of its own."""

import subprocess
from pathlib import Path

from . import cleanup, net, wait

_COMMON = """
global
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s
"""


class Haproxy:
    """`sections` is the configuration behind the defaults; "@port" in it is its port."""

    def __init__(self, program: str, folder: Path, sections: str):
        self.port = net.free_port()
        self.address = f"{net.HOST}:{self.port}"
        path = Path(folder) / "haproxy.cfg"
        path.write_text(_COMMON + sections.replace("@port", str(self.port)))
        self.process = subprocess.Popen([program, "-db", "-f", str(path)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        cleanup.remember(self)
        wait.until(self._answers, "HAProxy listens", 10)

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("HAProxy ended: " + self.process.stdout.read().decode(errors="replace"))
        try:
            net.connect((net.HOST, self.port)).close()
        except ConnectionRefusedError:
            return False
        return True

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
