"""One end of a TCP connection, with the words a test needs and a deadline on every wait."""

import ctypes
import random
import select
import socket
import struct
import threading
import time

from . import cleanup, settings

HOST = "127.0.0.1"
_libc = ctypes.CDLL(None)


def is_free(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = HOST, count: int = 1) -> int:
    """A port nobody listens on, below the range that the kernel gives to outgoing connections; with
    `count` the first of so many in a row."""
    for _ in range(200):
        first = random.randrange(10240, 32000)
        if all(is_free(host, first + i) for i in range(count)):
            return first
    raise RuntimeError("no free port")


def text_of(address) -> str:
    """A socket address as the access log writes it."""
    if isinstance(address, tuple) and len(address) == 4:
        return f"[{address[0]}]:{address[1]}"
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return str(address)


class Peer:
    """A connected stream socket. Blocking calls raise TimeoutError at their deadline."""

    def __init__(self, sock: socket.socket, timeout: float = 10.0, refused: bool = False):
        self.sock = sock
        self.timeout = settings.seconds(timeout)
        self.refused = refused  # a reset has been met: before connect() returned, or in send()
        sock.settimeout(self.timeout)
        self.name = "unix"
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.name = text_of(sock.getsockname())
        self.buffer = b""
        self.thread = None  # the only one that closes it, where there is one: see _is_anothers()
        self.closing = threading.Lock()
        cleanup.remember(self)

    # --- sending -------------------------------------------------------------------------------

    def send(self, data: bytes) -> "Peer":
        """A reset that is there already shows in the next read (or send), as one that comes right
        behind the bytes does: which of them it is nobody can know beforehand."""
        if self.refused:
            raise ConnectionResetError("reset before the bytes were sent")
        try:
            self.sock.sendall(data)
        except ConnectionResetError:
            self.refused = True
        return self

    def drip(self, data: bytes, size: int = 1, pause: float = 0.0005) -> "Peer":
        """In segments of `size` bytes. The pause only spaces them; nothing relies on its length."""
        for at in range(0, len(data), size):
            self.sock.sendall(data[at:at + size])
            time.sleep(pause)
        return self

    def finish(self) -> "Peer":
        """FIN: no more from this side."""
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self):
        with self.closing:
            if self._is_anothers():
                self._dissolve()
                return
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.sock.close()

    def close(self):
        with self.closing:
            if self._is_anothers():
                self._shut()
            else:
                self.sock.close()

    def _is_anothers(self) -> bool:
        """A socket on which another thread waits is not closed by close(): the kernel keeps it, and
        the connection with it, until the wait is over, and that may never be, as the descriptor's
        number means another socket soon. Then the thread is woken, and closes."""
        return self.thread is not None and self.thread is not threading.current_thread() and self.thread.is_alive()

    def _dissolve(self):
        """RST at once: connect(2), "dissolve the association by connecting to an address with sa_family AF_UNSPEC"."""
        if self.sock.family == socket.AF_UNIX:
            self._shut()
        elif self.sock.fileno() >= 0:
            _libc.connect(self.sock.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16)

    def _shut(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself

    # --- receiving -----------------------------------------------------------------------------

    def recv_some(self) -> bytes:
        """What is there, at least a byte; empty at the end."""
        if self.buffer:
            data, self.buffer = self.buffer, b""
            return data
        data = self.sock.recv(262144)
        if not data and self.refused:
            raise ConnectionResetError("reset before this was read")
        return data

    def recv(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        data = bytearray()
        while len(data) < count:
            piece = self.recv_some()
            if not piece:
                raise EOFError(f"the end after {len(data)} of {count} bytes: {bytes(data[:200])!r}")
            data += piece
        self.buffer = bytes(data[count:]) + self.buffer
        return bytes(data[:count])

    def recv_until(self, marker: bytes) -> bytes:
        data = bytearray()
        while marker not in data:
            piece = self.recv_some()
            if not piece:
                raise EOFError(f"the end before {marker!r}: {bytes(data[:200])!r}")
            data += piece
        cut = data.index(marker) + len(marker)
        self.buffer = bytes(data[cut:])
        return bytes(data[:cut])

    def recv_all(self) -> bytes:
        """Everything up to a clean end; a reset raises."""
        data = bytearray()
        while piece := self.recv_some():
            data += piece
        return bytes(data)

    def echo(self, data: bytes):
        """Sends and expects the same back."""
        self.send(data)
        assert self.recv(len(data)) == data

    # --- the end -------------------------------------------------------------------------------

    def expect_eof(self):
        rest = self.recv_all()
        assert rest == b"", f"bytes instead of a clean end: {rest[:200]!r}"

    def expect_reset(self):
        try:
            rest = self.recv_all()
        except ConnectionResetError:
            return
        raise AssertionError(f"a clean end instead of a reset, after {rest[:200]!r}")

    def expect_closed(self) -> str:
        """Closed one way or the other: "eof" or "reset"; no bytes before it."""
        try:
            self.expect_eof()
        except ConnectionResetError:
            return "reset"
        return "eof"

    def expect_silence(self, seconds: float = 0.3):
        readable, _, _ = select.select([self.sock], [], [], seconds)
        if readable:
            raise AssertionError(f"expected silence, got {self.sock.recv(200, socket.MSG_PEEK)!r}")

    # --- for exchange() ------------------------------------------------------------------------

    def fileno(self) -> int:
        return self.sock.fileno()

    def wants_write(self) -> bool:
        return False

    def try_read(self):
        """Bytes; b"" at the end; None when nothing is there."""
        try:
            return self.sock.recv(262144)
        except (BlockingIOError, TimeoutError):
            return None

    def try_write(self, view) -> int:
        try:
            return self.sock.send(view[:262144])
        except (BlockingIOError, TimeoutError):
            return 0


def connect(address, source: str = None, timeout: float = 10.0, receive_buffer: int = 0) -> Peer:
    """To (host, port) or a path."""
    family = socket.AF_UNIX
    if isinstance(address, tuple):
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            sock.bind((source, 0))
        sock.settimeout(settings.seconds(timeout))
        try:
            sock.connect(address)
        except ConnectionResetError:
            return Peer(sock, timeout, refused=True)
        return Peer(sock, timeout)
    except BaseException:
        sock.close()
        raise


def exchange(end, data: bytes, seconds: float = 50.0, finish: bool = True) -> bytes:
    """Sends `data` (then a FIN) and receives at the same time, until the other side's end."""
    end.sock.setblocking(False)
    view, received = memoryview(data), bytearray(end.buffer)
    end.buffer = b""
    deadline = time.monotonic() + settings.seconds(seconds)
    sending, receiving = True, True
    while sending or receiving or end.wants_write():
        left = deadline - time.monotonic()
        assert left > 0, f"stuck: {len(view)} bytes unsent, {len(received)} received"
        writing = sending or end.wants_write()
        readable, writable, _ = select.select([end] if receiving else [], [end] if writing else [], [], left)
        if readable:
            while (piece := end.try_read()) is not None:
                received += piece
                receiving = bool(piece)
                if not piece:
                    break
        if writable:
            view = view[end.try_write(view):]
            if sending and not len(view) and not end.wants_write():
                sending = False
                if finish:
                    end.finish()
    end.sock.settimeout(end.timeout)
    return bytes(received)
