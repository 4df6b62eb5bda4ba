"""What an authority says of its certificates, offline and as a responder: all by `openssl ocsp`."""

import os
import re
import signal
import subprocess

from . import cleanup, net


def _run(*args):
    done = subprocess.run([str(arg) for arg in args], capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{' '.join(map(str, args))}: {done.stderr.decode()}"
    return done.stdout.decode()


class Register:
    """openssl's index file of one authority; `folder` is for its papers."""

    def __init__(self, folder, authority):
        self.file, self.authority, self.folder = folder / "index.txt", authority, folder

    def say(self, pair, status="V"):
        """This certificate is valid ("V") or revoked ("R"); of no other anything is known."""
        serial = _run("openssl", "x509", "-noout", "-serial", "-in", pair.cert).strip().partition("=")[2]
        revoked = "260101000000Z" if status == "R" else ""
        temporary = self.file.with_suffix(".new")
        temporary.write_text(f"{status}\t491231235959Z\t{revoked}\t{serial}\tunknown\t/CN=x\n")
        temporary.rename(self.file)

    def response(self, pair, status="V", days=7, signer=None, clock=None):
        """A response in DER. `clock` is when it is made, as faketime has it ("-30 days")."""
        self.say(pair, status)
        signer = signer or self.authority
        request, answer = self.folder / "request.der", self.folder / "answer.der"
        _run("openssl", "ocsp", "-issuer", self.authority.cert, "-cert", pair.cert, "-no_nonce", "-reqout", request)
        _run(*(["faketime", clock] if clock else []), "openssl", "ocsp", "-index", self.file, "-CA",
             self.authority.cert, "-rsigner", signer.cert, "-rkey", signer.key, "-reqin", request, "-respout", answer,
             "-ndays", days)
        return answer.read_bytes()


class Responder:
    """`openssl ocsp` on a port. `clock`: it lives at another time."""

    def __init__(self, register, port=None, lasts=("-ndays", "1"), clock=None):
        self.port = port or net.free_port()
        authority = register.authority
        self.process = subprocess.Popen(
            [*(["faketime", "-f", clock] if clock else []), "openssl", "ocsp", "-port", str(self.port), "-index",
             str(register.file), "-CA", str(authority.cert), "-rsigner", str(authority.cert), "-rkey",
             str(authority.key), *lasts], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        cleanup.remember(self)

    def close(self):
        """With the whole group: faketime waits for a child of its own."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def stapled(command, gate, name, *args):
    """What openssl s_client says of the response: ("good", when it is to be renewed) or ("none", None)."""
    _, out, err = command("openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", "-servername", name, "-status",
                          *args)
    assert b"BEGIN CERTIFICATE" in out, err
    if b"OCSP response: no response sent" in out:
        return "none", None
    update = re.search(rb"Next Update: (.*)", out)
    return re.search(rb"Cert Status: (\w+)", out).group(1).decode(), update.group(1).decode() if update else None
