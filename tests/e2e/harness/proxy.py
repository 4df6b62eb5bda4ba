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


def tlvs_of(block: bytes) -> list:
    """All (type, value) of a block; every byte must belong to one."""
    found = []
    while block:
        kind, length = struct.unpack("!BH", block[:3])
        assert len(block) >= 3 + length, f"an overrun: {block!r}"
        found.append((kind, block[3:3 + length]))
        block = block[3 + length:]
    return found


def crc32c(data: bytes) -> int:
    """Bit by bit (RFC 4960, appendix B)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def with_crc(header: bytes) -> bytes:
    """The header with a checksum behind its other TLVs."""
    whole = header[:14] + struct.pack("!H", len(header) - 16 + 7) + header[16:] + tlv(0x03, bytes(4))
    return whole[:-4] + struct.pack("!I", crc32c(whole))


def check_crc(header: dict):
    for kind, value in header["tlvs"]:
        if kind == 0x03:
            assert header["raw"].count(value) == 1, "cannot tell where the checksum is"
            assert value == struct.pack("!I", crc32c(header["raw"].replace(value, bytes(4)))), "a wrong checksum"


def ssl_of(value: bytes) -> dict:
    """The inside of an SSL TLV (0x20)."""
    names = {0x21: "version", 0x22: "cn", 0x23: "cipher", 0x24: "sig_alg", 0x25: "key_alg"}
    client, verify = struct.unpack("!BI", value[:5])
    return {"client": client, "verify": verify, **{names[kind]: text.decode() for kind, text in tlvs_of(value[5:])}}


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
    result["tlvs"] = tlvs_of(block[2 * size + 4 if size else 0:])
    check_crc(result)
    if size:
        ports = struct.unpack("!HH", block[2 * size:2 * size + 4])
        result["source"] = (str(ipaddress.ip_address(block[:size])), ports[0])
        result["target"] = (str(ipaddress.ip_address(block[size:2 * size])), ports[1])
    return result
