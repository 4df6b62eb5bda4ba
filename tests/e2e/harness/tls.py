"""TLS over a Peer, with a hand on every record: the engine is Python's ssl on memory BIOs, so that
the test decides how its bytes are cut and when which end is said."""

import ssl
import struct
import warnings

from .net import Peer

warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*TLSVersion.*")


def _strict(protocol) -> ssl.SSLContext:
    """One that tells an end without close_notify from a clean one (Python hides the difference)."""
    context = ssl.SSLContext(protocol)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


def client_context(ca=None, version=None, alpn=None, ciphers=None) -> ssl.SSLContext:
    context = _strict(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if ca:
        context.load_verify_locations(str(ca))
        context.verify_mode = ssl.CERT_REQUIRED
    if version:
        context.minimum_version = context.maximum_version = version
    if alpn:
        context.set_alpn_protocols(alpn)
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def server_context(pair, alpn=None) -> ssl.SSLContext:
    context = _strict(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(pair.cert), str(pair.key))
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


class TlsPeer:
    """The same words as Peer, for what is inside the TLS connection."""

    def __init__(self, peer: Peer, context=None, name=None, server_side=False, session=None,
                 cut=None, handshake=True):
        self.peer, self.sock, self.timeout = peer, peer.sock, peer.timeout
        self.name = peer.name
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = context or client_context()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server_side,
                                    server_hostname=name, session=session)
        self.cut = cut  # how the first flight is cut: bytes → list of segments
        self.truncated = False
        self.buffer, self.unsent = b"", b""
        self.at_end = False
        if handshake:
            self.handshake()

    def _flush(self):
        data = self.outgoing.read()
        if self.cut and data:
            pieces, self.cut = self.cut(data), None
            for piece in pieces:
                self.peer.send(piece)
        elif data:
            self.peer.send(data)

    def _feed(self):
        data = self.peer.recv_some()
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def _run(self, step):
        while True:
            try:
                result = step()
                self._flush()
                return result
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
            except ssl.SSLError:
                self._flush()  # the alert
                raise

    def handshake(self, flush=True):
        if flush:
            self._run(self.tls.do_handshake)
            return
        # Leaves the last flight in `outgoing`, to go out together with the first message.
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()

    # --- facts ---------------------------------------------------------------------------------

    def version(self):
        return self.tls.version()

    def alpn(self):
        return self.tls.selected_alpn_protocol()

    def certificate(self) -> bytes:
        """The other side's, DER."""
        return self.tls.getpeercert(binary_form=True)

    # --- bytes ---------------------------------------------------------------------------------

    def send(self, data: bytes) -> "TlsPeer":
        view = memoryview(data)
        while len(view):
            view = view[self._run(lambda: self.tls.write(view)):]
        return self

    def finish(self) -> "TlsPeer":
        """close_notify, nothing more from this side; the TCP connection stays."""
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        data = self.outgoing.read()
        if self.sock.gettimeout() == 0.0:
            self.unsent += data
            self._push()
        else:
            self.peer.send(data)
        return self

    def _read_engine(self):
        """Bytes, b"" at the end, None when the engine wants more."""
        if self.at_end:
            return b""
        try:
            data = self.tls.read(262144)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            data = b""
        except ssl.SSLEOFError:
            self.truncated, data = True, b""
        except ssl.SSLError as error:
            if "EOF" not in str(error).upper():
                raise
            self.truncated, data = True, b""
        self.at_end = not data
        return data

    def recv_some(self) -> bytes:
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        while (data := self._read_engine()) is None:
            self._feed()
        return data

    recv = Peer.recv
    recv_until = Peer.recv_until
    recv_all = Peer.recv_all
    echo = Peer.echo
    expect_eof = Peer.expect_eof
    expect_reset = Peer.expect_reset
    expect_closed = Peer.expect_closed

    def expect_silence(self, seconds=0.3):
        assert self._read_engine() is None
        self.peer.expect_silence(seconds)

    def expect_close_notify(self):
        self.expect_eof()
        assert not self.truncated, "a FIN without close_notify"

    def reset(self):
        self.peer.reset()

    def close(self):
        self.peer.close()

    # --- for exchange() ------------------------------------------------------------------------

    def fileno(self):
        return self.sock.fileno()

    def wants_write(self):
        return bool(self.unsent)

    def _push(self):
        try:
            sent = self.sock.send(self.unsent)
        except (BlockingIOError, TimeoutError):
            return
        self.unsent = self.unsent[sent:]

    def try_read(self):
        data = self._read_engine()
        if data is not None:
            return data
        raw = self.peer.try_read()
        if raw is None:
            return None
        if raw:
            self.incoming.write(raw)
        else:
            self.incoming.write_eof()
        return self._read_engine()

    def try_write(self, view) -> int:
        if self.unsent:
            self._push()
        if self.unsent or not len(view):
            return 0
        sent = self.tls.write(view[:131072])
        self.unsent = self.outgoing.read()
        self._push()
        return sent


# --- ClientHellos by hand ----------------------------------------------------------------------

def record(payload: bytes, kind: int = 22, version: int = 0x0301) -> bytes:
    return struct.pack("!BHH", kind, version, len(payload)) + payload


def split_records(flight: bytes, size: int) -> bytes:
    """The same handshake messages in records of `size` bytes (RFC 8446 §5.1 allows any)."""
    payload, at = b"", 0
    while at < len(flight):
        length = struct.unpack("!H", flight[at + 3:at + 5])[0]
        payload += flight[at + 5:at + 5 + length]
        at += 5 + length
    return b"".join(record(payload[i:i + size]) for i in range(0, len(payload), size))


def _extension(kind: int, body: bytes) -> bytes:
    return struct.pack("!HH", kind, len(body)) + body


def hello_message(sni=None, alpn=(), version=0x0303, versions=(0x0304, 0x0303), padding=0) -> bytes:
    """A ClientHello handshake message that names what a test wants, well formed."""
    body = struct.pack("!H", version) + bytes(range(32)) + b"\x00"
    ciphers = (0x1301, 0x1302, 0xC02B, 0xC02F, 0x002F)
    body += struct.pack("!H", 2 * len(ciphers)) + b"".join(struct.pack("!H", c) for c in ciphers)
    body += b"\x01\x00"
    extensions = b""
    if sni is not None:
        name = sni if isinstance(sni, bytes) else sni.encode()
        entry = b"\x00" + struct.pack("!H", len(name)) + name
        extensions += _extension(0, struct.pack("!H", len(entry)) + entry)
    extensions += _extension(10, struct.pack("!HH", 2, 23))
    extensions += _extension(13, struct.pack("!HHH", 4, 0x0403, 0x0804))
    if alpn:
        names = b"".join(bytes([len(a)]) + a.encode() for a in alpn)
        extensions += _extension(16, struct.pack("!H", len(names)) + names)
    if versions:
        extensions += _extension(43, bytes([2 * len(versions)]) + b"".join(struct.pack("!H", v) for v in versions))
    if padding:
        extensions += _extension(21, bytes(padding))
    body += struct.pack("!H", len(extensions)) + extensions
    return b"\x01" + struct.pack("!I", len(body))[1:] + body


def hello(sni=None, record_size=16384, **more) -> bytes:
    """The same as records on the wire."""
    message = hello_message(sni, **more)
    return b"".join(record(message[i:i + record_size]) for i in range(0, len(message), record_size))


def read_alert(peer: Peer) -> int:
    """The description of the fatal alert that the other side sends in the clear."""
    kind, _, length = struct.unpack("!BHH", peer.recv(5))
    assert (kind, length) == (21, 2), f"not an alert record: type {kind}, length {length}"
    level, description = peer.recv(2)
    assert level == 2, "the alert is not fatal"
    return description
