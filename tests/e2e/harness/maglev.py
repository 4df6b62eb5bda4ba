"""Where `balance: hash` sends a key, computed anew from what src/pool/maglev.h says."""

import struct

MASK = (1 << 64) - 1
SLOTS = 65537


def siphash(k0: int, data: bytes) -> int:
    """SipHash-2-4 under the key (k0, 0)."""
    v = [k0 ^ 0x736F6D6570736575, 0x646F72616E646F6D, k0 ^ 0x6C7967656E657261, 0x7465646279746573]

    def rotate(x, bits):
        return (x << bits | x >> (64 - bits)) & MASK

    def rounds(count):
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    tail = data[len(data) // 8 * 8:]
    padded = data + bytes(7 - len(tail)) + bytes([len(data) & 255])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def mix(x: int) -> int:
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


class Table:
    """`weights` by server name."""

    def __init__(self, weights: dict):
        names = sorted((name for name in weights if weights[name] > 0), key=str.encode)
        most = max(weights.values())
        position = {name: siphash(1, name.encode()) % SLOTS for name in names}
        step = {name: 1 + siphash(2, name.encode()) % (SLOTS - 1) for name in names}
        has = dict.fromkeys(names, 0)
        self.slots, taken, turn = [None] * SLOTS, 0, 0
        while taken < SLOTS:
            turn += 1
            for name in names:
                if taken == SLOTS or turn * weights[name] < most * has[name]:
                    continue
                at = position[name]
                while self.slots[at] is not None:
                    at = (at + step[name]) % SLOTS
                self.slots[at], position[name] = name, at
                has[name] += 1
                taken += 1

    def find(self, key: bytes, gone=()) -> str:
        """The server for `key` when those in `gone` take no sessions."""
        number, nth = siphash(3, key), 0
        while True:
            name = self.slots[mix((number + nth * 0x9E3779B97F4A7C15) & MASK) % SLOTS]
            if name not in gone:
                return name
            nth += 1
