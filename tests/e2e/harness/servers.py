"""The servers behind the gateway. A Listener is scripted by its test: accept() gives a Peer. The
others serve by themselves, one thread per connection."""

import socket
import threading

from . import cleanup, fix, settings
from .net import HOST, Peer
from .tls import TlsPeer, server_context


class Listener:
    """A listening socket; the test accepts."""

    def __init__(self, host: str = HOST, port: int = 0, path: str = None, backlog: int = 4096):
        if path:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.bind(path)
            self.address = f"unix:{path}"
        else:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self.sock = socket.socket(family, socket.SOCK_STREAM)
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((host, port))
            self.port = self.sock.getsockname()[1]
            self.address = f"[{host}]:{self.port}" if family == socket.AF_INET6 else f"{host}:{self.port}"
        self.sock.listen(backlog)
        cleanup.remember(self)

    def __str__(self):
        return self.address

    def accept(self, timeout: float = 5.0) -> Peer:
        self.sock.settimeout(settings.seconds(timeout))
        try:
            sock, _ = self.sock.accept()
        except TimeoutError:
            raise AssertionError(f"no connection reached the server {self.address}") from None
        return Peer(sock)

    def expect_nobody(self, seconds: float = 0.3):
        self.sock.settimeout(seconds)
        try:
            sock, _ = self.sock.accept()
        except TimeoutError:
            return
        sock.settimeout(1)
        try:
            first = sock.recv(200)
        except OSError as error:
            first = repr(error)
        sock.close()
        raise AssertionError(f"a connection reached the server; its first bytes: {first!r}")

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes a thread in accept()
        except OSError:
            pass
        self.sock.close()


class Server(Listener):
    """Serves each connection with handle(peer) in a thread of its own."""

    def __init__(self, **where):
        super().__init__(**where)
        self.peers = []
        self.stopping = self.killed = False
        self.errors = []
        threading.Thread(target=self._accept_loop, daemon=True).start()

    @property
    def count(self) -> int:
        """Connections so far."""
        return len(self.peers)

    def handle(self, peer):
        raise NotImplementedError

    def _accept_loop(self):
        while not self.stopping:
            try:
                sock, _ = self.sock.accept()
                peer = Peer(sock, timeout=120)
            except OSError:
                return
            peer.thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self.peers.append(peer)
            peer.thread.start()
            if self.killed:  # meanwhile
                self._reset(peer)

    def _serve(self, peer):
        try:
            self.handle(peer)
        except (OSError, EOFError):
            pass  # the client went away: its test knows
        except Exception as error:  # shown by the test that looks
            self.errors.append(error)
        finally:
            peer.close()

    def close(self):
        self.stopping = True
        super().close()

    def kill(self):
        """As when the process dies: nothing listens, every connection is reset."""
        self.killed = True
        self.close()
        for peer in list(self.peers):
            self._reset(peer)

    @staticmethod
    def _reset(peer):
        try:
            peer.reset()
        except OSError:
            pass  # its thread has closed it


class EchoServer(Server):
    """Sends back what comes, and its own end at the other's."""

    def handle(self, peer):
        while data := peer.recv_some():
            peer.send(data)
        peer.finish()


class NameServer(Server):
    """Answers every message with its own name, so that a client knows where it is."""

    def __init__(self, name: str, **where):
        self.name = name
        super().__init__(**where)

    def handle(self, peer):
        while peer.recv_some():
            peer.send(self.name.encode() + b"\n")


def who(gate, source: str = None) -> str:
    """The NameServer that a new client of the gate gets."""
    client = gate.connect(source=source).send(b"who")
    try:
        return client.recv_until(b"\n").decode().strip()
    finally:
        client.close()


class BannerServer(Server):
    """Speaks first, then echoes (as MySQL, SMTP, SSH do)."""

    def __init__(self, banner: bytes = b"220 ready\r\n", **where):
        self.banner = banner
        super().__init__(**where)

    def handle(self, peer):
        peer.send(self.banner)
        while data := peer.recv_some():
            peer.send(data)


class TlsEchoServer(Server):
    """Terminates TLS itself: what a passed-through client ends at."""

    def __init__(self, pair, alpn=None, **where):
        self.context = server_context(pair, alpn)
        super().__init__(**where)

    def handle(self, peer):
        inner = TlsPeer(peer, self.context, server_side=True)
        while data := inner.recv_some():
            inner.send(data)
        inner.finish()


class HttpServer(Server):
    """Answers one request of each connection with `body`; with a pair, behind TLS of its own."""

    def __init__(self, body: bytes = b"hello\n", pair=None, **where):
        self.answer = (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
                       b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.context = pair and server_context(pair)
        super().__init__(**where)

    def handle(self, peer):
        end = TlsPeer(peer, self.context, server_side=True) if self.context else peer
        if end.recv_until(b"\r\n\r\n"):
            end.send(self.answer)
            end.finish()


class FixServer(Server):
    """A small FIX acceptor: Logon, heartbeats, Logout; BodyLength and CheckSum are checked."""

    def __init__(self, name: str = "VENUE", **where):
        self.name = name
        self.logons = []
        super().__init__(**where)

    def handle(self, peer):
        logon = fix.read(peer)
        assert logon["35"] == "A", logon
        self.logons.append(logon)
        client, sequence = logon["49"], 1
        peer.send(fix.message("A", self.name, client, sequence, logon["8"], (98, 0), (108, logon["108"])))
        while True:
            got = fix.read(peer)
            sequence += 1
            if got["35"] == "5":
                peer.send(fix.message("5", self.name, client, sequence, logon["8"]))
                return
            extra = [(112, got["112"])] if "112" in got else []
            peer.send(fix.message("0", self.name, client, sequence, logon["8"], *extra))
