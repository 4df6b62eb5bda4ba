"""Every error of a file is told, whatever else is wrong in it: each exactly as if it were the only one."""

import concurrent.futures
import json
import random
import re
from pathlib import Path

import pytest

from harness.gate import run

BAD = sorted(path for path in (Path(__file__).resolve().parents[1] / "data/config/bad").glob("*.json")
             if not path.name.startswith("syntax-") and not re.search("srv:|1e999", path.read_text(encoding="utf-8")))

# One key a line, so that a fault moves no other's place. "%" stands for the folder of the certificates.
GOOD = """{
  "defaults": { "listener": {
    "timeouts": {
      "idle": "1h",
      "handshake": "10s" },
    "tls": {
      "groups": "X25519",
      "alpn": ["fix"] } },
    "pool": {
      "connect_timeout": "2s",
      "health_check": {
        "interval": "2s",
        "fall": 3 } } },
  "listeners": {
    "one": {
      "bind": "127.0.0.1:9018",
      "inspect_delay": "2s",
      "allow": ["10.0.0.0/8"],
      "limits": {
        "max_sessions": 10,
        "accept_rate_per_source": "20/s" },
      "keepalive": {
        "idle": "60s" },
      "tls": {
        "certificates": [
          { "cert": "%/good.crt",
            "key": "%/good.key" },
          { "pem": "%/good.pem" } ],
        "ocsp_staple": "%/staple.der",
        "min_version": "1.2",
        "max_version": "1.3",
        "ciphers": "ECDHE+AESGCM",
        "ciphersuites": "TLS_AES_256_GCM_SHA384",
        "client_auth": {
          "mode": "require",
          "ca": "%/ca.crt",
          "crl": "%/ca.crl",
          "depth": 2 },
        "session_tickets": {
          "lifetime": "1h",
          "rotate": "1h",
          "count": 1 } },
      "rules": [
        { "name": "outer",
          "match": {
            "sni": "a.example.com",
            "alpn": "fix",
            "ja4": "t13d*",
            "source": "10.1.0.0/16" },
          "tls": "terminate",
          "policy": {
            "ciphers": "ECDHE+AESGCM",
            "client_auth": {
              "mode": "require",
              "ca": "%/ca.crt" } },
          "rules": [
            { "match": {
                "client_cert": {
                  "cn": "*.example.com",
                  "san": "10.0.0.1" },
                "regex": "^a" },
              "pool": "first" },
            { "pool": "second" } ] },
        { "match": {
            "sni": "b.example.com" },
          "tls": "passthrough",
          "pool": "second" },
        { "match": {
            "protocol": ["fix",
              "http"],
            "regex": ["^8",
              "^G"],
            "prefix_hex": "0d0a",
            "fix": {
              "SenderCompID": "A",
              "valid": true },
            "not": {
              "protocol": "ssh",
              "regex": "^S" } },
          "from": "2026-01-01T00:00:00Z",
          "until": "9999-01-01T00:00:00Z",
          "pool": "first" },
        { "match": {
            "protocol": "http" },
          "redirect": "https" } ] },
    "two": {
      "bind": ["127.0.0.1:9019",
        "127.0.0.1:9020"],
      "rules": [
        { "pool": "third" } ] } },
  "pools": {
    "first": {
      "servers": [
        "127.0.0.1:9001",
        { "address": "127.0.0.1:9002",
          "name": "b",
          "weight": 2,
          "state": "ready" } ],
      "balance": "least_conn",
      "proxy_protocol": "v2",
      "pass_tlvs": ["authority"],
      "source": "127.0.0.1",
      "tls": {
        "ca": "%/ca.crt",
        "cert": "%/good.crt",
        "key": "%/good.key" },
      "health_check": {
        "type": "script",
        "send": "a",
        "expect": "b" } },
    "second": {
      "servers": ["127.0.0.1:9003"],
      "connect_retries": 2,
      "resolve": { "servers": ["127.0.0.1:1"] },
      "drain_timeout": "1m" },
    "third": {
      "servers": ["127.0.0.1:9004"],
      "resolve": {
        "interval": "1s" } } },
  "log": {
    "access": "%/access.log",
    "format": "text",
    "template": "$time $client",
    "level": "info" },
  "admin": {
    "http": "127.0.0.1:9021",
    "token_file": "%/token",
    "socket_mode": "0600" },
  "limits": {
    "max_sessions": 20 },
  "drain_timeout": "1m",
  "workers": 1 }
"""

# (a line's text, what stands there instead); "|" marks which of several equal lines is meant: "before | line". Faults of
# one group touch one thing, so that one of them would change what another says.
FAULTS = [
    ('"idle": "1h",', '"idle": "1w",'),
    ('"groups": "X25519",', '"groups": "X25519:NOPE",'),
    ('"alpn": ["fix"] } },', '"alpn": "fix" } },'),
    ('"connect_timeout": "2s",', '"connect_timeout": 2,'),
    ('"fall": 3 } } },', '"fall": 0 } } },'),
    ('"bind": "127.0.0.1:9018",', '"bind": "127.0.0.1",'),
    ('"inspect_delay": "2s",', '"inspect_dealy": "2s",'),
    ('"allow": ["10.0.0.0/8"],', '"allow": ["10.0.0.1/8"],'),
    ('"max_sessions": 10,', '"max_sessions": "10",'),
    ('"accept_rate_per_source": "20/s" },', '"accept_rate_per_source": 20 },'),
    ('"idle": "60s" },', '"idle": "0s" },'),
    ('{ "cert": "%/good.crt",', '{ "cert": "%/nowhere.crt",'),
    ('{ "cert": "%/good.crt",', '{ "cert": 5,'),
    ('"key": "%/good.key" },', '"key": "%/nowhere.key" },'),
    ('"key": "%/good.key" },', '"key": "%/ca.crt" },'),
    ('"key": "%/good.key" },', '"kay": "%/good.key" },'),
    ('"certificates": [', '"certifcates": [', '{ "cert": "%/good.crt",', '"key": "%/good.key" },', '{ "pem": "%/good.pem" } ],',
     '"ocsp_staple": "%/staple.der",'),
    ('"bind": "127.0.0.1:9018",', '"bnd": "127.0.0.1:9018",'),
    ('"bind": "127.0.0.1:9018",', '"bind": "127.0.0.1", "bind": "127.0.0.1:9018",'),
    ('{ "address": "127.0.0.1:9002",', '{ "adress": "127.0.0.1:9002",'),
    ('{ "pem": "%/good.pem" } ],', '{ "pem": "%/good.crt" } ],'),
    ('{ "pem": "%/good.pem" } ],', '{ "pam": "%/good.pem" } ],'),
    ('"ocsp_staple": "%/staple.der",', '"ocsp_staple": "%/nowhere.der",'),
    ('"ocsp_staple": "%/staple.der",', '"ocsp_staple": "%/good.crt",'),
    ('"min_version": "1.2",', '"min_version": 1.2,'),
    ('"max_version": "1.3",', '"max_version": "1.4",'),
    ('"max_version": "1.3",', '"max_version": "1.1",', '"min_version": "1.2",'),
    ('"ciphers": "ECDHE+AESGCM",', '"ciphers": "NOPE:ALSO",'),
    ('"ciphersuites": "TLS_AES_256_GCM_SHA384",', '"ciphersuites": "NOPE",'),
    ('"mode": "require",', '"mode": "demand",'),
    ('"ca": "%/ca.crt",', '"ca": "%/nowhere.crt",'),
    ('"ca": "%/ca.crt",', '"ca": false,'),
    ('"crl": "%/ca.crl",', '"crl": "%/good.key",'),
    ('"depth": 2 },', '"depth": 20 },'),
    ('"lifetime": "1h",', '"lifetime": "0s",'),
    ('"rotate": "1h",', '"rotate": "1s",', '"lifetime": "1h",'),
    ('"count": 1 } },', '"count": 1, "keys": "%/good.key" } },', '"rotate": "1h",'),
    ('{ "name": "outer",', '{ "name": "",'),
    ('"sni": "a.example.com",', '"sni": "a b",'),
    ('"ja4": "t13d*",', '"ja4": "*t",'),
    ('"source": "10.1.0.0/16" },', '"source": "here" },'),
    ('"tls": "terminate",', '"tls": "terminat",'),
    ('"policy": { | "ciphers": "ECDHE+AESGCM",', '"ciphers": "NOPE",'),
    ('"policy": { | "client_auth": { | "mode": "require",', '"mode": 1,'),
    ('"policy": { | "ca": "%/ca.crt" } },', '"ca": "%/good.key" } },'),
    ('"cn": "*.example.com",', '"cn": "*com",'),
    ('"san": "10.0.0.1" },', '"san": "" },'),
    ('"regex": "^a" },', '"regex": "(" },'),
    ('{ "pool": "second" } ] },', '{ "pool": "secnd" } ] },'),
    ('"sni": "b.example.com" },', '"sni": 5 },'),
    ('"tls": "passthrough",', '"policy": {}, "tls": "passthrough",'),
    ('"protocol": ["fix",', '"protocol": ["fixx",'),
    ('"http"],', '5],'),
    ('"regex": ["^8",', '"regex": ["[",'),
    ('"^G"],', '"*"],'),
    ('"prefix_hex": "0d0a",', '"prefix_hex": "0d0",'),
    ('"SenderCompID": "A",', '"SenderCompId": "A",'),
    ('"valid": true },', '"valid": "true" },'),
    ('"protocol": "ssh",', '"protocol": "sshh",'),
    ('"regex": "^S" } },', '"regex": 7 } },'),
    ('"from": "2026-01-01T00:00:00Z",', '"from": "today",'),
    ('"until": "9999-01-01T00:00:00Z",', '"until": "2025-01-01T00:00:00Z",', '"from": "2026-01-01T00:00:00Z",'),
    ('"pool": "first" },', '"pool": "frist" },'),
    ('"redirect": "https" } ] },', '"redirect": "http" } ] },'),
    ('"127.0.0.1:9020"],', '"127.0.0.1:9019"],'),
    ('{ "pool": "third" } ] } },', '{ } ] } },'),
    ('{ "pool": "third" } ] } },', '{ "pool": "third", "reject": true } ] } },'),
    ('"127.0.0.1:9001",', '"127.0.0.1",'),
    ('{ "address": "127.0.0.1:9002",', '{ "addres": "127.0.0.1:9002",'),
    ('"name": "b",', '"name": "127.0.0.1:9001",', '"127.0.0.1:9001",'),
    ('"weight": 2,', '"weight": 999,'),
    ('"state": "ready" } ],', '"state": "reddy" } ],'),
    ('"balance": "least_conn",', '"balance": "fair",'),
    ('"proxy_protocol": "v2",', '"proxy_protocol": "v3",'),
    ('"pass_tlvs": ["authority"],', '"pass_tlvs": ["author"],'),
    ('"source": "127.0.0.1",', '"source": "here",'),
    ('"ca": "%/ca.crt", | "cert": "%/good.crt",', '"cert": "%/nowhere.crt",'),
    ('"cert": "%/good.crt", | "key": "%/good.key" },', '"key": "%/ca.crt" },'),
    ('"type": "script",', '"type": "skript",'),
    ('"send": "a",', '"send": "a", "send_hex": "00",'),
    ('"expect": "b" } },', '"path": "b" } },', '"type": "script",'),
    ('"servers": ["127.0.0.1:9003"],', '"servers": [],'),
    ('"servers": ["127.0.0.1:9003"],', '"servers": ["name.invalid:9003"],'),
    ('"connect_retries": 2,', '"connect_retries": -2,'),
    ('"servers": ["127.0.0.1:9004"],', '"servers": "127.0.0.1:9004",'),
    ('"access": "%/access.log",', '"access": "%/nowhere/access.log",'),
    ('"format": "text",', '"format": "json",'),
    ('"format": "text",', '"format": "txt",'),
    ('"template": "$time $client",', '"template": "$time $klient",'),
    ('"level": "info" },', '"level": "loud" },'),
    ('"http": "127.0.0.1:9021",', '"http": 9021,'),
    ('"token_file": "%/token",', '"token_file": "%/nowhere",'),
    ('"socket_mode": "0600" },', '"socket_mode": "600x" },'),
    ('"max_sessions": 20 },', '"max_session": 20 },'),
    ('"drain_timeout": "1m",', '"drain_timeout": "soon",'),
    ('"drain_timeout": "1m",', '"drain_timeout": "1m", "user": "nobody-of-this-name",'),
    ('"workers": 1 }', '"workers": 1, "group": "nobody-of-this-name", "workers": 2 }'),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from harness import certs, ocsp
    where = tmp_path_factory.mktemp("faults")
    authority = certs.Authority(where)
    pair = authority.issue("a.example.com")
    chain = pair.cert.read_bytes() + authority.cert.read_bytes()
    (where / "good.crt").write_bytes(chain)
    (where / "staple.der").write_bytes(ocsp.Register(where, authority).response(pair))
    (where / "good.key").write_bytes(pair.key.read_bytes())
    (where / "good.pem").write_bytes(chain + pair.key.read_bytes())
    for name in ("good.key", "good.pem"):
        (where / name).chmod(0o600)
    authority.crl(where / "ca.crl")
    (where / "token").write_text("0123456789abcdef0123456789abcdef\n")
    (where / "token").chmod(0o600)
    return where


def line_of(lines, mark):
    """The number of the line that the mark names: of a way of lines the last, each looked for below the one before."""
    at = -1
    for step in mark.split(" | "):
        at = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == step)
    return at


def planted(faults):
    lines = GOOD.splitlines()
    places = [line_of(lines, fault[0]) for fault in faults]
    for place, fault in zip(places, faults):
        lines[place] = lines[place].replace(fault[0].split(" | ")[-1], fault[1])
    return "\n".join(lines) + "\n"


def touched(fault):
    """The lines that the fault changes, and those that it is about."""
    lines = GOOD.splitlines()
    return {line_of(lines, mark) for mark in (fault[0], *fault[2:])}


def errors_of(text, folder, name):
    path = folder / f"{name}.json"
    path.write_text(text.replace("%", str(folder)))
    done = run("-c", path, "-t")
    lines = [line[len(str(path)):] for line in done.stderr.splitlines() if ": warning: " not in line]
    path.unlink()
    assert done.returncode == (1 if lines else 0), done.stderr
    assert [place_of(line)[:2] for line in lines] == sorted(place_of(line)[:2] for line in lines)
    return sorted(lines, key=place_of)


def place_of(line):
    return (*map(int, re.match(r":(\d+):(\d+): ", line).groups()), line)


def sample(chance, alone):
    """Faults of different lines, and what they have to give together."""
    chosen, lines, count = [], set(), chance.choice((2, 3, 3, 6, 12))
    for fault in chance.sample(range(len(FAULTS)), len(FAULTS)):
        if len(chosen) < count and not touched(FAULTS[fault]) & lines:
            chosen.append(fault)
            lines |= touched(FAULTS[fault])
    return chosen, sorted((line for fault in chosen for line in alone[fault]), key=place_of)


def test_each_of_several_faults_is_told_as_when_it_is_alone(folder):
    assert errors_of(GOOD, folder, "good") == []
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        alone = list(threads.map(lambda i: errors_of(planted([FAULTS[i]]), folder, f"alone-{i}"), range(len(FAULTS))))
    assert [FAULTS[i] for i in range(len(FAULTS)) if not alone[i]] == []
    chance = random.Random(2026)
    samples = [sample(chance, alone) for _ in range(60)]

    def together(i):
        return errors_of(planted([FAULTS[fault] for fault in samples[i][0]]), folder, f"together-{i}")
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        for i, told in enumerate(threads.map(together, range(len(samples)))):
            assert told == samples[i][1], [FAULTS[fault] for fault in samples[i][0]]


# --- what is planted into every bad file ---------------------------------------------------------------------------

PLANTS = ("planted: ", ".regex: no regular expression", ".ciphers: this OpenSSL has no", " user: there is no")


class Repeated(ValueError):
    """The file has a key twice, which a dictionary cannot hold."""


def once(pairs):
    if len(dict(pairs)) < len(pairs):
        raise Repeated
    return dict(pairs)


def plant(value, key=""):
    """The same with an unknown key in each object, and a fault of a later stage where one has its place."""
    if isinstance(value, list):
        return [plant(item, key) for item in value]
    if not isinstance(value, dict) or not value:
        return value
    grown = {name: plant(item, name) for name, item in value.items()}
    if key in ("match", "not"):
        grown.setdefault("regex", "(")
    if key == "policy" or (key == "tls" and "certificates" in value):
        grown.setdefault("ciphers", "NOPE")
    return grown | {"planted": 1}


def told_of(config, path):
    """The errors without their lines, but with what stands at their places."""
    text = json.dumps(config, indent=1, ensure_ascii=False)
    path.write_text(text, encoding="utf-8")
    done = run("-c", path, "-t")
    assert done.returncode == 1, done.stderr
    told = []
    for error in done.stderr.splitlines():
        line, column, words = re.match(re.escape(str(path)) + r":(\d+):(\d+): (.*)", error).groups()
        there = text.encode().splitlines()[int(line) - 1][int(column) - 1:].rstrip(b",")
        if not words.startswith("warning: "):
            told.append((" " + words, b"{" if there.startswith(b"{") else there))
    path.unlink()
    return told


def expected_beside(path):
    lines = path.with_suffix(".expected").read_text(encoding="utf-8").splitlines()
    return [re.sub(r"^.*?:\d+:\d+:", "", line) for line in lines if ": warning: " not in line]


def test_faults_planted_into_any_bad_file_hide_none_of_its_own(tmp_path):
    def look(path):
        text = re.sub(r'"[a-z.]+:(\d+)"', r'"10.9.9.9:\1"', path.read_text(encoding="utf-8"))  # nobody is to be asked
        try:
            config = json.loads(text, object_pairs_hook=once)
        except Repeated:
            return False
        grown = plant(config)
        if isinstance(grown, dict):
            grown.setdefault("user", "nobody-of-this-name")
        told = told_of(grown, tmp_path / path.name)
        own = [line for line in told if not any(end in line[0] for end in PLANTS)]
        if [words for words, _ in own] != expected_beside(path):  # later stages find more, or it is wrong
            assert own == told_of(config, tmp_path / path.name), path.stem
        return len(told) > len(own)
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        looked_at = sum(threads.map(look, BAD))
    assert looked_at > 200
