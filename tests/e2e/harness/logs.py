"""Stand-ins for what listens on a machine for log lines: syslog's socket and the journal's."""

import os
import re
import socket
import struct
from pathlib import Path

from . import cleanup, settings


class Datagrams:
    """A socket of datagrams at `path`, of programs on this machine."""

    def __init__(self, path: Path):
        self.path = Path(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        cleanup.remember(self)

    def _receive(self, seconds: float) -> bytes:
        self.socket.settimeout(settings.seconds(seconds))
        data, passed, _, _ = socket.recv_fds(self.socket, 1 << 20, 1)
        if data or not passed:
            return data
        with os.fdopen(passed[0], "rb") as file:  # an entry that was too big for a datagram
            file.seek(0)
            return file.read()

    def close(self):
        self.socket.close()
        self.path.unlink(missing_ok=True)


class Journal(Datagrams):
    """systemd-journald, as https://systemd.io/JOURNAL_NATIVE_PROTOCOL says what it takes."""

    def entry(self, seconds: float = 5.0) -> dict:
        data, entry = self._receive(seconds), {}
        while data:
            line, _, data = data.partition(b"\n")
            name, equals, value = line.partition(b"=")
            if not equals:
                length, = struct.unpack("<Q", data[:8])
                value, data = data[8:8 + length], data[8 + length:]
                assert data[:1] == b"\n", "a counted value ends in a newline"
                data = data[1:]
            assert re.fullmatch(rb"[A-Z][A-Z0-9_]{0,63}", name) and name.decode() not in entry, name
            entry[name.decode()] = value
        return entry


    def entry_of(self, client: str) -> dict:
        """The entry of that client's session; others before it are passed over."""
        entry = self.entry()
        while entry["MUXGATE_CLIENT"].decode() != client:
            entry = self.entry()
        return entry


class Syslog(Datagrams):
    """A syslog's local socket: "<PRIORITY>Mmm dd hh:mm:ss NAME[PID]: TEXT" (RFC 3164)."""

    FORM = re.compile(rb"<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) ([a-z]+)\[(\d+)\]: ([^\n]*)")

    def entry(self, seconds: float = 5.0) -> dict:
        priority, time, name, pid, text = self.FORM.fullmatch(self._receive(seconds)).groups()
        return {"facility": int(priority) >> 3, "severity": int(priority) & 7, "time": time.decode(),
                "name": name.decode(), "pid": int(pid), "text": text.decode()}
