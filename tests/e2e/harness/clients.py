"""TLS clients that people use, each in its own words: `openssl`, `curl`, GnuTLS, NSS, Node.js, Java,
Chromium, Python. What they have in common is one HTTPS request for a name that leads to a port here."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import net, settings

REQUEST = "GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Target:
    """Where a request goes: the name it asks for, the port it is found at, and who vouches for it."""
    name: str
    port: int
    authority: Path  # the certificate of the CA
    folder: Path     # for what a client needs to have in files
    identity: object = None  # the client's own certs.Pair, for those that can show one (IDENTIFIED)

    def request(self) -> bytes:
        return REQUEST.format(name=self.name).encode()


_NODE = """
const [name, port, ca, cert, key] = process.argv.slice(1);
const read = file => file && require("fs").readFileSync(file);
require("https").get({host: "%s", port, servername: name, headers: {host: name},
                      ca: read(ca), cert: read(cert), key: read(key)},
                     answer => answer.pipe(process.stdout)).on("error", e => { throw e; });
"""

_JAVA = """
import java.io.FileInputStream;
import java.net.Socket;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

class Client {
    static KeyManager[] identity(String file) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (FileInputStream in = new FileInputStream(file)) {
            store.load(in, "secret".toCharArray());
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, "secret".toCharArray());
        return keys.getKeyManagers();
    }

    static SSLContext trusting(String file, KeyManager[] keys) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream in = new FileInputStream(file)) {
            store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys, trust.getTrustManagers(), null);
        return context;
    }

    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[1]);
        SSLSocketFactory factory = trusting(args[2], args.length > 3 ? identity(args[3]) : null).getSocketFactory();
        SSLSocket socket = (SSLSocket) factory.createSocket(new Socket("%s", port), args[0], port, true);
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        socket.setSSLParameters(parameters);
        String request = "GET / HTTP/1.1\\r\\nHost: " + args[0] + "\\r\\nConnection: close\\r\\n\\r\\n";
        socket.getOutputStream().write(request.getBytes());
        System.out.write(socket.getInputStream().readAllBytes());
        System.out.flush();
    }
}
"""

_PYTHON = """
import http.client, socket, ssl, sys
name, port, ca, *identity = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
if identity:
    context.load_cert_chain(*identity)
inner = context.wrap_socket(socket.create_connection(("%s", int(port))), server_hostname=name)
inner.sendall(("GET / HTTP/1.1\\r\\nHost: " + name + "\\r\\nConnection: close\\r\\n\\r\\n").encode())
while data := inner.recv(4096):
    sys.stdout.buffer.write(data)
"""


def _identity(to, cert="--cert", key="--key"):
    """The options, or with None for both the arguments, that name the client's certificate."""
    if not to.identity:
        return []
    files = [str(to.identity.cert), str(to.identity.key)]
    return files if cert is None else [cert, files[0], key, files[1]]


def _keystore(to):
    """As Java and NSS have it: PKCS #12."""
    if not to.identity:
        return []
    store = str(to.folder / "identity.p12")
    subprocess.run(["openssl", "pkcs12", "-export", "-in", to.identity.cert, "-inkey", to.identity.key, "-name", "own",
                    "-passout", "pass:secret", "-out", store], check=True, capture_output=True)
    return [store]


def _openssl(to):
    return ["openssl", "s_client", "-quiet", "-no_ign_eof", "-connect", f"{net.HOST}:{to.port}",
            "-servername", to.name, "-CAfile", to.authority, "-verify_return_error",
            "-verify_hostname", to.name, "-ign_eof", *_identity(to, "-cert", "-key")]


def _curl(to):
    return ["curl", "-sS", "--noproxy", "*", "--cacert", to.authority, *_identity(to),
            "--resolve", f"{to.name}:{to.port}:{net.HOST}", f"https://{to.name}:{to.port}/"]


def _gnutls(to):
    return ["gnutls-cli", "--x509cafile", to.authority, "--sni-hostname", to.name,
            "--verify-hostname", to.name, "-p", str(to.port),
            *_identity(to, "--x509certfile", "--x509keyfile"), net.HOST]


def _nss(to):
    store = f"sql:{to.folder}"
    for step in (["-N", "--empty-password"], ["-A", "-n", "ca", "-t", "C,,", "-i", str(to.authority)]):
        subprocess.run(["certutil", *step, "-d", store], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    for file in _keystore(to):
        subprocess.run(["pk12util", "-i", file, "-d", store, "-W", "secret", "-K", ""], check=True,
                       capture_output=True, stdin=subprocess.DEVNULL)
    return ["tstclnt", "-h", net.HOST, "-a", to.name, "-p", str(to.port), "-d", store, "-b",
            *(["-n", "own"] if to.identity else [])]


def _node(to):
    return ["node", "-e", _NODE % net.HOST, to.name, str(to.port), to.authority, *_identity(to, None)]


def _java(to):
    source = to.folder / "Client.java"
    source.write_text(_JAVA % net.HOST)
    return ["java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", source, to.name, str(to.port), to.authority,
            *_keystore(to)]


def _python(to):
    return ["/usr/bin/python3", "-c", _PYTHON % net.HOST, to.name, str(to.port), to.authority, *_identity(to, None)]


def _chromium(to):
    # A browser has a store of authorities of its own; which name and which bytes come is what counts.
    return ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-extensions",
            f"--user-data-dir={to.folder / 'profile'}", f"--host-resolver-rules=MAP {to.name} {net.HOST}",
            "--ignore-certificate-errors", "--dump-dom", f"https://{to.name}:{to.port}/"]


@dataclass(frozen=True)
class Client:
    program: str
    command: object  # Target → list
    speaks: bool     # it has no idea of HTTP: the request goes into it

    def ask(self, to: Target, seconds: float = 30.0) -> str:
        """What came back, then what the program said of it. Whatever a client starts is gone afterwards."""
        environment = {**os.environ, "HOME": str(to.folder)}
        command = list(map(str, self.command(to)))
        request = to.folder / "request"
        request.write_bytes(to.request() if self.speaks else b"")
        with request.open("rb") as given, subprocess.Popen(
                command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment,
                start_new_session=True) as process:
            try:
                output, errors = process.communicate(timeout=settings.seconds(seconds))
            except subprocess.TimeoutExpired:
                output, errors = b"", b"(no end)"
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        return (output + b"\n" + errors).decode(errors="replace")

    def is_installed(self) -> bool:
        return shutil.which(self.program) is not None


CLIENTS = {
    "openssl": Client("openssl", _openssl, True),
    "curl": Client("curl", _curl, False),
    "gnutls": Client("gnutls-cli", _gnutls, True),
    "nss": Client("tstclnt", _nss, True),
    "node": Client("node", _node, False),
    "java": Client("java", _java, False),
    "python": Client("/usr/bin/python3", _python, False),
    "chromium": Client("chromium", _chromium, False),
}

# Those that can show a certificate of their own without a person who clicks.
IDENTIFIED = {name: client for name, client in CLIENTS.items() if name != "chromium"}
