"""Random faults on both sides of the gateway, and traffic whose every byte is checked.

A client and a server hold a conversation of turns: the client says how much it sends and how much it
wants, sends it, and gets that much and the digest of what arrived. Both streams come from the turn's
seed, so that a byte lost, doubled, swapped or of another session is seen."""

import hashlib
import random
import socket
import struct
import threading
import time

from . import cleanup, net, tls

TURN = struct.Struct("!8sQII")
MAGIC = b"8=STORM\x01"
NAME = "gateway.example.com"


def stream(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


class Broken(Exception):
    """The other side has said something wrong: never to be excused."""


# --- servers -----------------------------------------------------------------------------------------


class MoodyServer:
    """Serves turns, unless its mood says otherwise: it can hold its clients, reset them, or be dead.

    `breaks` has the times at which it cut connections on purpose: whoever was on it then is excused."""

    MOODS = ("well", "holding", "resetting", "dead")

    def __init__(self, host: str = net.HOST, port: int = 0):
        self.breaks, self.wrong = [], []
        self.lock, self.live = threading.Lock(), set()
        self.calm = threading.Event()
        self.calm.set()
        self.sock, self.host, self.port, self.mood = None, host, port or net.free_port(), "dead"
        self.set_mood("well")
        cleanup.remember(self)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def set_mood(self, mood: str):
        before, self.mood = self.mood, mood
        if mood == "dead" and before != "dead":
            self._die()
        elif mood != "dead" and before == "dead":
            self._listen()
        (self.calm.clear if mood == "holding" else self.calm.set)()

    def _listen(self):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind((self.host, self.port))
        self.sock.listen(512)
        threading.Thread(target=self._accept, args=(self.sock,), daemon=True).start()

    def _die(self):
        self._note_break()
        try:
            self.sock.shutdown(socket.SHUT_RDWR)  # accept() returns, and what waits is reset
        except OSError:
            pass
        self.sock.close()
        with self.lock:
            live = list(self.live)
        for conn in live:
            self._reset(conn)
        self._note_break()

    def _note_break(self):
        self.breaks.append(time.time())

    def _reset(self, conn):
        self._note_break()
        try:
            conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            conn.shutdown(socket.SHUT_RD)  # wakes the thread that reads
        except OSError:
            pass
        conn.close()

    def _accept(self, sock):
        while True:
            try:
                conn, _ = sock.accept()
            except OSError:
                return
            if self.mood == "resetting":
                self._reset(conn)
                continue
            with self.lock:
                self.live.add(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            conn.settimeout(60)
            while self.calm.wait(60) and self._turn(conn):
                pass
        except (OSError, EOFError):
            pass  # the other side has gone: whose fault that is, the clients judge
        except Broken as error:
            self.wrong.append(str(error))
        finally:
            with self.lock:
                self.live.discard(conn)
            conn.close()

    @staticmethod
    def _take(conn, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = conn.recv(min(262144, count - len(data)))
            if not piece:
                raise EOFError
            data += piece
        return bytes(data)

    def _turn(self, conn) -> bool:
        head = conn.recv(TURN.size)
        if not head:
            return False
        if head[:1] != MAGIC[:1]:
            return False  # a rude client's
        head += self._take(conn, TURN.size - len(head))
        magic, seed, up, down = TURN.unpack(head)
        if magic != MAGIC:
            raise Broken(f"a turn begins with {head!r}")
        data = self._take(conn, up)
        if data != stream(seed, up):
            raise Broken(f"turn {seed}: {up} other bytes than were sent")
        conn.sendall(stream(seed + 1, down) + hashlib.sha256(data).digest())
        return True

    def close(self):
        if self.mood != "dead":
            self.set_mood("dead")


# --- clients -----------------------------------------------------------------------------------------


class Crowd:
    """Clients that come one after another in some threads, until they are told to stop."""

    def __init__(self, gate, chance: random.Random, threads: int):
        self.gate, self.stopping = gate, threading.Event()
        self.done, self.rude = 0, 0
        self.lost = []  # (client's name, when it began, when it failed, how)
        self.wrong = []
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(random.Random(chance.random()),), daemon=True)
                        for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def stop(self, seconds: float):
        self.stopping.set()
        deadline = time.monotonic() + seconds
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self.threads), "clients hang"

    def _run(self, chance):
        while not self.stopping.is_set():
            if chance.random() < 0.25:
                self._be_rude(chance)
            else:
                self._talk(chance)
            time.sleep(chance.random() * 0.02)

    def _connect(self):
        peer = net.connect((net.HOST, self.gate.port), timeout=30)
        cleanup.forget(peer)
        return peer

    def _talk(self, chance):
        begin, peer = time.time(), None
        try:
            peer = self._connect()
            talker = tls.TlsPeer(peer, name=NAME) if chance.random() < 0.5 else peer
            for _ in range(chance.choice((1, 1, 3, 10))):
                self._turn(talker, chance)
            if chance.random() < 0.5:
                talker.finish()
                rest = talker.recv_all()
                if rest:
                    raise Broken(f"{len(rest)} bytes behind the end")
            with self.lock:
                self.done += 1
        except Broken as error:
            self.wrong.append(f"{peer.name}: {error}")
        except (OSError, EOFError) as error:
            self.lost.append((peer.name if peer else "?", begin, time.time(), repr(error)))
        finally:
            if peer:
                peer.close()

    @staticmethod
    def _turn(talker, chance):
        seed = chance.getrandbits(62)
        up, down = (chance.choice((0, 1, 100, 5000, 70000, 300000)) for _ in range(2))
        whole = TURN.pack(MAGIC, seed, up, down) + stream(seed, up)
        cut = chance.randrange(1, len(whole)) if chance.random() < 0.3 else 0
        if cut:
            talker.send(whole[:cut])
            time.sleep(chance.random() * 0.05)
        talker.send(whole[cut:])
        answer = talker.recv(down + 32)
        if answer[:down] != stream(seed + 1, down) or answer[down:] != hashlib.sha256(whole[TURN.size:]).digest():
            raise Broken(f"turn {seed}: a wrong answer of {down} bytes to {up}")

    def _be_rude(self, chance):
        """Resets, stalls, ends in the middle of everything; what becomes of it nobody asks."""
        peer = None
        try:
            peer = self._connect()
            kind = chance.randrange(6)
            hello = tls.hello(NAME, versions=())
            if kind == 1:
                peer.send(hello[:chance.randrange(1, len(hello))])
            elif kind == 2:
                peer.send(hello)
            elif kind == 3:
                peer.send(TURN.pack(MAGIC, 1, 1 << 20, 0) + bytes(1000))
            elif kind == 4:
                peer.send(TURN.pack(MAGIC, 1, 0, 1 << 20))
                peer.recv(1000)
            elif kind == 5:
                tls.TlsPeer(peer, name=NAME).send(b"x" * 100)
            if chance.random() < 0.3:
                time.sleep(chance.random())
            (peer.reset if chance.random() < 0.5 else peer.close)()
        except (OSError, EOFError):
            pass
        finally:
            if peer:
                peer.close()
            with self.lock:
                self.rude += 1
