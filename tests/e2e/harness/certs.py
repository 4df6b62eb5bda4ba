"""Certificates made for this run by the openssl command, so that none can be past its date."""

import datetime
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    cert: Path
    key: Path

    def config(self) -> dict:
        return {"cert": str(self.cert), "key": str(self.key)}

    def der(self) -> bytes:
        """The leaf, as a client sees it."""
        pem = self.cert.read_text()
        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN"):pem.index(end) + len(end)])


def _openssl(*args, **kwargs):
    done = subprocess.run(["openssl", *map(str, args)], capture_output=True, stdin=subprocess.DEVNULL, **kwargs)
    assert done.returncode == 0, f"openssl {' '.join(map(str, args))}: {done.stderr.decode()}"
    return done.stdout


_KEYS = {"ec": ("EC", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
         "ed25519": ("ED25519",)}


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder: Path, name: str = "muxgate test authority"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self.cert, self.key = self.folder / "ca.crt", self.folder / "ca.key"
        self._known = {}
        self._make_key(self.key, "ec")
        _openssl("req", "-x509", "-new", "-key", self.key, "-out", self.cert, "-days", 30, "-subj",
                 f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    @staticmethod
    def _make_key(path, kind):
        _openssl("genpkey", "-algorithm", *_KEYS[kind], "-out", path)
        path.chmod(0o600)

    def issue(self, *names: str, kind: str = "ec", days: int = 90, folder: Path = None,
              extensions: str = "") -> Pair:
        """A new pair for these names; the first is the common name, too. `extensions` as openssl's files have them."""
        self.count += 1
        stem = f"{self.count:03d}-{names[0].replace('*', 'any')}-{kind}"
        base = Path(folder or self.folder) / stem
        key, request, extra, cert = (base.with_name(stem + end) for end in (".key", ".csr", ".ext", ".crt"))
        self._make_key(key, kind)
        _openssl("req", "-new", "-key", key, "-out", request, "-subj", f"/CN={names[0]}")
        listed = ",".join(("IP:" if name.replace(".", "").isdigit() else "DNS:") + name for name in names)
        extra.write_text(f"subjectAltName={listed}\nbasicConstraints=CA:FALSE\n{extensions}\n")
        _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-set_serial",
                 1000 + self.count, "-days", days, "-extfile", extra, "-out", cert)
        return Pair(cert, key)

    def crl(self, path: Path, revoked=(), days: int = 30) -> Path:
        """Writes a CRL; `days` may be negative: it has expired then."""
        index, config = self.folder / "index.txt", self.folder / "ca.cnf"
        serials = [_openssl("x509", "-in", pair.cert, "-noout", "-serial").decode().strip().split("=")[1]
                   for pair in revoked]
        index.write_text("".join(f"R\t491231235959Z\t250101000000Z\t{serial}\tunknown\t/CN=x\n" for serial in serials))
        config.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\ndefault_md=sha256\n")
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        temporary = path.with_suffix(".tmp")
        _openssl("ca", "-gencrl", "-config", config, "-cert", self.cert, "-keyfile", self.key, "-crl_lastupdate",
                 "250101000000Z", "-crl_nextupdate", until.strftime("%Y%m%d%H%M%SZ"), "-out", temporary)
        temporary.rename(path)
        return path

    def known(self, *names: str, kind: str = "ec") -> Pair:
        """A pair shared by all tests that do not change it."""
        where = (*names, kind)
        if where not in self._known:
            self._known[where] = self.issue(*names, kind=kind)
        return self._known[where]


def copy(pair: Pair, folder: Path, stem: str = "site") -> Pair:
    """A pair of files that a test may overwrite."""
    folder.mkdir(parents=True, exist_ok=True)
    target = Pair(folder / f"{stem}.crt", folder / f"{stem}.key")
    shutil.copy(pair.cert, target.cert)
    shutil.copy(pair.key, target.key)
    return target


def replace(target: Path, source: Path):
    """Puts the content of `source` in the place of `target`, whole, as renewals do."""
    temporary = target.with_name(target.name + ".new")
    shutil.copy(source, temporary)
    temporary.rename(target)
