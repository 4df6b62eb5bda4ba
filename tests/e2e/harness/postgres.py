"""A real PostgreSQL: Debian's server, in a folder of its own, and psql."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from . import net, settings, wait

USER, PASSWORD = "tester", "secret of the tester"

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
GSSENC_REQUEST = bytes.fromhex("0000000804d21630")
CANCEL_REQUEST = bytes.fromhex("0000001004d2162e") + bytes(8)
_BODY = b"\x00\x03\x00\x00user\x00tester\x00\x00"
STARTUP = (4 + len(_BODY)).to_bytes(4, "big") + _BODY


def programs():
    """The newest version's folder; None where a part is missing."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if all((folder / name).exists() for name in ("initdb", "postgres", "psql")):
            return folder
    return None


def _servant() -> dict:
    """The server refuses to run as root: who it runs as then, for subprocess."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            who = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []}
    raise AssertionError("no unprivileged user to run PostgreSQL as")


class Postgres:
    """One server with TLS (`pair`) and without, on a port of its own; logging in takes a password."""

    def __init__(self, pair):
        self.bin = programs()
        self.servant = _servant()
        self.folder = Path(tempfile.mkdtemp(prefix="muxgate-postgres-", dir="/tmp"))
        self.data, self.log = self.folder / "data", self.folder / "log"
        self.process = None
        try:
            self._prepare(pair)
            self._start()
        except BaseException:
            self.close()
            raise

    def _own(self, path, mode):
        path.chmod(mode)
        if self.servant:
            os.chown(path, self.servant["user"], self.servant["group"])

    def _run(self, *args):
        done = subprocess.run([str(self.bin / args[0]), *map(str, args[1:])], capture_output=True, cwd=self.folder,
                              stdin=subprocess.DEVNULL, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, **self.servant)
        assert done.returncode == 0, f"{args[0]}: {done.stdout.decode()}{done.stderr.decode()}"

    def _prepare(self, pair):
        self._own(self.folder, 0o700)
        password = self.folder / "password"
        password.write_text(PASSWORD + "\n")
        self._own(password, 0o600)
        self._run("initdb", "-D", self.data, "-N", "-U", USER, "-E", "UTF8", "--locale=C", "-A", "scram-sha-256",
                  "--pwfile", password)
        for source, name in ((pair.cert, "server.crt"), (pair.key, "server.key")):
            shutil.copy(source, self.folder / name)
            self._own(self.folder / name, 0o600)

    def _start(self):
        for attempt in range(5):
            self.port = net.free_port()
            options = {"port": self.port, "listen_addresses": net.HOST, "unix_socket_directories": "", "fsync": "off",
                       "ssl": "on", "ssl_cert_file": self.folder / "server.crt",
                       "ssl_key_file": self.folder / "server.key", "shared_buffers": "16MB", "max_connections": 20}
            args = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
            with self.log.open("wb") as log:
                self.process = subprocess.Popen([str(self.bin / "postgres"), "-D", str(self.data), *args], cwd=self.folder,
                                                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                env={"LC_ALL": "C"}, **self.servant)
            ready = wait.until(lambda: self.process.poll() is not None or self._is_ready(), "PostgreSQL is ready", 30)
            if self.process.poll() is None:
                return ready
            if "Address already in use" not in self.log.read_text():
                break
        raise AssertionError("PostgreSQL ended: " + self.log.read_text())

    def _is_ready(self):
        return b"ready to accept connections" in self.log.read_bytes()

    @property
    def address(self) -> str:
        return f"{net.HOST}:{self.port}"

    def psql_command(self, port: int, query: str, **conninfo) -> list:
        """psql with one query to a port of this machine. `host` is the name it asks for."""
        words = {"host": "localhost", "hostaddr": net.HOST, "port": port, "user": USER, "dbname": "postgres",
                 "password": PASSWORD, "connect_timeout": int(settings.seconds(10)), **conninfo}
        text = " ".join(f"{key}='{value}'" for key, value in words.items())
        return [str(self.bin / "psql"), "-X", "-A", "-t", "-q", "-d", text, "-c", query]

    def psql(self, port: int, query: str, **conninfo):
        """(status, stdout, stderr)"""
        done = subprocess.run(self.psql_command(port, query, **conninfo), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=settings.seconds(20), env={"LC_ALL": "C", "HOME": "/nonexistent"})
        return done.returncode, done.stdout.strip(), done.stderr

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # at once: nothing here is worth keeping
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
