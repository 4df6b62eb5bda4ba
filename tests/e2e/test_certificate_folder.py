"""A folder of certificates, and several key types side by side for one name."""

import re
import subprocess

import pytest

from harness import servers, tls, wait

RENEWED_WITHIN = 1.5


def served(gate, name):
    client = tls.TlsPeer(gate.connect(), name=name)
    try:
        return client.certificate()
    finally:
        client.close()


def put(folder, pair, name):
    """As certbot's hooks and copies do: written aside, renamed into place."""
    folder.mkdir(exist_ok=True)
    aside = folder / f".{name}.new"
    aside.write_bytes(pair.cert.read_bytes() + pair.key.read_bytes())
    aside.chmod(0o600)
    aside.rename(folder / name)


def wait_for(gate, name, pair):
    wait.until(lambda: served(gate, name) == pair.der(), f"the certificate of {name}", RENEWED_WITHIN, every=0.05)


@pytest.fixture
def sites(authority, tmp_path):
    """A folder with a.example.com (the default, by its name) and b.example.com."""
    folder = tmp_path / "sites"
    pairs = {name: authority.issue(name) for name in ("a.example.com", "b.example.com")}
    for name, pair in pairs.items():
        put(folder, pair, f"{name}.pem")
    return folder, pairs


def launch(start, folder, **more):
    return start(pools={"app": servers.EchoServer()}, tls={"certificates": [{"directory": str(folder)}], **more})


@pytest.mark.tsan
def test_files_come_go_and_change_within_a_second_and_the_session_goes_on(start, sites, authority):
    folder, pairs = sites
    gate = launch(start, folder)
    session = tls.TlsPeer(gate.connect(), name="b.example.com")
    session.echo(b"before")
    first = pairs["a.example.com"]
    assert served(gate, "b.example.com") == pairs["b.example.com"].der()
    assert served(gate, None) == served(gate, "c.example.com") == first.der()
    new, renewed = authority.issue("c.example.com"), authority.issue("b.example.com")
    put(folder, new, "c.pem")
    wait_for(gate, "c.example.com", new)
    put(folder, renewed, "b.example.com.pem")
    wait_for(gate, "b.example.com", renewed)
    (folder / "b.example.com.pem").rename(folder / "z.pem")
    gate.event("cert.load", seconds=3)
    assert served(gate, "b.example.com") == renewed.der()
    (folder / "z.pem").unlink()
    wait_for(gate, "b.example.com", first)
    gate.event("no longer b.example.com", seconds=3)
    session.echo(b"after")


def test_a_bad_file_is_told_once_and_the_others_are_served(start, sites, authority):
    folder, pairs = sites
    gate = launch(start, folder)
    quiet = gate.events.count()
    (folder / "bad.pem").write_text("hello\n")
    gate.event("bad.pem", seconds=3, start=quiet)
    late = authority.issue("late.example.com")
    put(folder, late, "late.pem")
    wait_for(gate, "late.example.com", late)
    assert len(gate.events_with("bad.pem", start=quiet)) == 1
    for name, pair in pairs.items():
        assert served(gate, name) == pair.der()


def test_a_bad_file_at_start_is_a_warning(start, sites):
    folder, pairs = sites
    (folder / "bad.pem").write_text("hello\n")
    gate = launch(start, folder)
    assert gate.events_with("bad.pem: no certificate in PEM form")
    assert served(gate, "b.example.com") == pairs["b.example.com"].der()


def test_a_folder_that_runs_empty_keeps_what_it_had(start, sites):
    folder, pairs = sites
    gate = launch(start, folder)
    quiet = gate.events.count()
    for file in folder.glob("*.pem"):
        file.unlink()
    gate.event("no certificate is left in the folder", seconds=3, start=quiet)
    assert served(gate, "b.example.com") == pairs["b.example.com"].der()


def test_links_into_certbots_archive_renew(start, tmp_path, authority):
    """sites/site.pem → ../live/site/combined.pem → ../../archive/site/combinedN.pem."""
    old, new = authority.issue("site.example.com"), authority.issue("site.example.com")
    archive, live, sites = (tmp_path / "etc" / name for name in ("archive/site", "live/site", "sites"))
    for folder in (archive, live, sites):
        folder.mkdir(parents=True)
    put(archive, old, "combined1.pem")
    put(archive, new, "combined2.pem")
    (live / "combined.pem").symlink_to("../../archive/site/combined1.pem")
    (sites / "site.pem").symlink_to("../live/site/combined.pem")
    gate = launch(start, sites)
    assert served(gate, "site.example.com") == old.der()
    (live / "combined.new").symlink_to("../../archive/site/combined2.pem")
    (live / "combined.new").rename(live / "combined.pem")
    wait_for(gate, "site.example.com", new)


def test_a_mounted_secret_swaps_its_data_folder(start, tmp_path, authority):
    """Kubernetes: mount/site.pem → ..data/site.pem, ..data → ..N; a file comes with the swap."""
    old, new, more = (authority.issue(name) for name in ("site.example.com", "site.example.com", "more.example.com"))
    mount = tmp_path / "mount"
    mount.mkdir()
    put(mount / "..1", old, "site.pem")
    put(mount / "..2", new, "site.pem")
    put(mount / "..2", more, "more.pem")
    (mount / "..data").symlink_to("..1")
    (mount / "site.pem").symlink_to("..data/site.pem")
    gate = launch(start, mount)
    assert served(gate, "site.example.com") == old.der()
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").rename(mount / "..data")
    (mount / "more.pem").symlink_to("..data/more.pem")
    wait_for(gate, "site.example.com", new)
    wait_for(gate, "more.example.com", more)


# --- key types ------------------------------------------------------------------------------------

KINDS = {"rsa": "RSA", "ec": "ECDSA", "ed25519": "Ed25519"}
OPENSSL = {"rsa": "rsa_pss_rsae_sha256:RSA+SHA256", "ec": "ECDSA+SHA256", "ed25519": "ed25519"}
GNUTLS = {"rsa": "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256", "ec": "+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA256",
          "ed25519": "+SIGN-EDDSA-ED25519"}


@pytest.fixture
def three(start, tmp_path, authority):
    for kind in KINDS:
        put(tmp_path / "three", authority.known("site.example.com", kind=kind), f"{kind}.pem")
    return launch(start, tmp_path / "three")


def subject_key(pem):
    text = subprocess.run(["openssl", "x509", "-noout", "-text"], input=pem, capture_output=True, check=True).stdout
    return re.search(rb"Public Key Algorithm: (\S+)", text).group(1).decode()


ALGORITHMS = {"rsa": "rsaEncryption", "ec": "id-ecPublicKey", "ed25519": "ED25519"}


@pytest.mark.parametrize("version", ["1_2", "1_3"])
@pytest.mark.parametrize("kind", KINDS)
def test_openssl_gets_the_one_certificate_that_it_can_verify(three, need, command, kind, version):
    need("openssl")
    _, out, err = command("openssl", "s_client", "-connect", f"127.0.0.1:{three.port}", "-servername",
                          "site.example.com", f"-tls{version}", "-sigalgs", OPENSSL[kind])
    assert b"BEGIN CERTIFICATE" in out, err
    assert subject_key(out) == ALGORITHMS[kind]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("kind", KINDS)
def test_gnutls_gets_the_one_certificate_that_it_can_verify(three, need, command, kind, version):
    need("gnutls-cli")
    status, out, err = command("gnutls-cli", "--port", three.port, "--insecure", "--sni-hostname", "site.example.com", "--priority",
                               f"NORMAL:-VERS-ALL:+VERS-TLS{version}:-SIGN-ALL:{GNUTLS[kind]}",
                               "--print-cert", "127.0.0.1", seconds=20)
    assert b"Handshake was completed" in out, out + err
    assert subject_key(out) == ALGORITHMS[kind]
