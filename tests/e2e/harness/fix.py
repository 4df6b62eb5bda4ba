"""FIX messages (tag=value encoding), enough for an acceptor and an initiator."""


def message(kind: str, sender: str, target: str, sequence: int = 1, begin: str = "FIX.4.4", *fields) -> bytes:
    """A whole message with a true BodyLength and CheckSum. `fields` are (tag, value)."""
    body = f"35={kind}\x0149={sender}\x0156={target}\x0134={sequence}\x0152=20260101-00:00:00.000\x01"
    body += "".join(f"{tag}={value}\x01" for tag, value in fields)
    head = f"8={begin}\x019={len(body)}\x01"
    total = sum((head + body).encode()) % 256
    return (head + body + f"10={total:03d}\x01").encode()


def logon(sender="CLIENT", target="VENUE", begin="FIX.4.4") -> bytes:
    return message("A", sender, target, 1, begin, (98, 0), (108, 30))


def fields(raw: bytes) -> dict:
    """tag → value, the first occurrence."""
    found = {}
    for part in raw.decode("latin-1").split("\x01"):
        tag, _, value = part.partition("=")
        found.setdefault(tag, value)
    return found


def read(peer) -> dict:
    """The next message from a peer, BodyLength and CheckSum checked."""
    head = peer.recv_until(b"\x01")
    length_field = peer.recv_until(b"\x01")
    assert head.startswith(b"8=FIX") and length_field.startswith(b"9="), (head, length_field)
    body = peer.recv(int(length_field[2:-1]))
    trailer = peer.recv(7)
    total = sum(head + length_field + body) % 256
    assert trailer == f"10={total:03d}\x01".encode(), f"CheckSum: {trailer!r}, expected {total:03d}"
    return fields(head + length_field + body)
