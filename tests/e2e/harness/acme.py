"""A certificate authority that speaks ACME: Debian's pebble, and dnsmasq for the names that it asks for."""

import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from pathlib import Path

from . import cleanup, net, wait

PROGRAMS = ("pebble", "dnsmasq")


def _program(name):
    return shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")


class _Process:
    def __init__(self, arguments, log: Path, env=None):
        self.log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(list(map(str, arguments)), stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT, env=env)
        cleanup.remember(self)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Pebble:
    """Validates every name at 127.0.0.1:PORT, by http-01 and by tls-alpn-01."""

    def __init__(self, folder: Path, authority, port: int):
        folder.mkdir(parents=True)
        self.authority = authority
        names, management, self.port = net.free_port(), net.free_port(), net.free_port()
        own = authority.known("localhost", "127.0.0.1")
        _Process([_program("dnsmasq"), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                  "--pid-file", f"--port={names}", "--listen-address=127.0.0.1", "--bind-interfaces",
                  "--address=/example.com/127.0.0.1"], folder / "dnsmasq.log")
        config = folder / "pebble.json"
        config.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(own.cert), "privateKey": str(own.key), "httpPort": port, "tlsPort": port,
            "ocspResponderURL": "", "externalAccountBindingRequired": False}}))
        self.server = _Process([_program("pebble"), "-config", config, "-dnsserver", f"127.0.0.1:{names}"],
                               folder / "pebble.log",
                               {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0",
                                "PEBBLE_AUTHZREUSE": "0"})
        self.directory = f"https://localhost:{self.port}/dir"
        wait.until(self._answers, "pebble answers", 15)

    def _answers(self):
        assert self.server.process.poll() is None, self.server.log.read_text()
        try:
            urllib.request.urlopen(self.directory, timeout=2,
                                   context=ssl.create_default_context(cafile=str(self.authority.cert))).close()
        except OSError:
            return False
        return True

    def environment(self):
        """For clients: whom to trust."""
        return {**os.environ, "LEGO_CA_CERTIFICATES": str(self.authority.cert),
                "REQUESTS_CA_BUNDLE": str(self.authority.cert)}
