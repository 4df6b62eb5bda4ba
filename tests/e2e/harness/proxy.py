"""PROXY protocol headers (versions 1 and 2), written and read independently of the gateway."""

import ipaddress
import struct

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v1(source: str, source_port: int, target: str, target_port: int) -> bytes:
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {target} {source_port} {target_port}\r\n".encode()


def v2(source=None, source_port=0, target=None, target_port=0, command=1, tlvs=b"") -> bytes:
    """Without addresses: UNSPEC. `command` 0 is LOCAL."""
    family, block = 0x00, b""
    if source:
        ip, to = ipaddress.ip_address(source), ipaddress.ip_address(target)
        family = 0x21 if ip.version == 6 else 0x11
        block = ip.packed + to.packed + struct.pack("!HH", source_port, target_port)
    return SIGNATURE + bytes([0x20 | command, family]) + struct.pack("!H", len(block) + len(tlvs)) + block + tlvs


def tlv(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def split(text: str):
    """"1.2.3.4:80" or "[::1]:80" as (address, port)."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def read(peer) -> dict:
    """The header at the beginning of what a peer sends: version, command, source, target, raw."""
    start = peer.recv(1)
    return _read_v1(peer, start) if start == b"P" else _read_v2(peer, start)


def _read_v1(peer, start):
    line = start + peer.recv_until(b"\r\n")
    words = line[:-2].decode().split(" ")
    assert words[0] == "PROXY" and len(line) <= 107, line
    if words[1] == "UNKNOWN":
        return {"version": 1, "command": "PROXY", "source": None, "target": None, "raw": line}
    _, _, source, target, source_port, target_port = words
    return {"version": 1, "command": "PROXY", "source": (source, int(source_port)),
            "target": (target, int(target_port)), "raw": line}


def _read_v2(peer, start):
    head = start + peer.recv(15)
    assert head[:12] == SIGNATURE, f"no PROXY header: {head!r}"
    command, family, length = head[12], head[13], struct.unpack("!H", head[14:16])[0]
    block = peer.recv(length) if length else b""
    result = {"version": 2, "command": {0x20: "LOCAL", 0x21: "PROXY"}[command], "source": None, "target": None,
              "raw": head + block}
    size = {0x11: 4, 0x21: 16}.get(family)
    if size:
        ports = struct.unpack("!HH", block[2 * size:2 * size + 4])
        result["source"] = (str(ipaddress.ip_address(block[:size])), ports[0])
        result["target"] = (str(ipaddress.ip_address(block[size:2 * size])), ports[1])
    return result
