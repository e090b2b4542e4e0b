"""Pictures of pages, made small: a picture with a palette has a third of the bytes, and looks the same."""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = 256
"""Most colours of a palette. The edges of letters have more, and take the nearest."""


def small(picture: bytes) -> bytes:
    """The same picture with a palette. It must be as Chromium makes them: 8 bits, three or four channels."""
    chunks = list(_chunks(picture))
    width, height, depth, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    assert (depth, kind) in ((8, 2), (8, 6)), "another kind of PNG"
    lines = _lines(
        zlib.decompress(b"".join(data for name, data in chunks if name == b"IDAT")), width, 3 if kind == 2 else 4
    )
    pixels = [[line[at : at + 3] for at in range(0, len(line), 3 if kind == 2 else 4)] for line in lines]
    counted = Counter(pixel for line in pixels for pixel in line)
    palette = [colour for colour, _ in counted.most_common(COLOURS)]
    places = {colour: number for number, colour in enumerate(palette)}
    for colour in counted.keys() - places.keys():
        places[colour] = min(range(len(palette)), key=lambda number: _distance(colour, palette[number]))
    content = b"".join(b"\0" + bytes(places[pixel] for pixel in line) for line in pixels)
    return SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(content, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunks(picture: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(picture):
        length, name = struct.unpack(">I4s", picture[at : at + 8])
        yield name, picture[at + 8 : at + 8 + length]
        at += 12 + length


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _lines(raw: bytes, width: int, size: int) -> Iterator[bytes]:
    """The lines without their filters (PNG section 9)."""
    before, stride = bytearray(width * size), width * size + 1
    for at in range(0, len(raw), stride):
        kind, line = raw[at], bytearray(raw[at + 1 : at + stride])
        for number in range(len(line)):
            left = line[number - size] if number >= size else 0
            corner = before[number - size] if number >= size else 0
            match kind:
                case 1:
                    added = left
                case 2:
                    added = before[number]
                case 3:
                    added = (left + before[number]) // 2
                case 4:
                    added = _nearest(left, before[number], corner)
                case _:
                    break
            line[number] = (line[number] + added) & 0xFF
        yield bytes(line)
        before = line


def _nearest(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _distance(one: bytes, other: bytes) -> int:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))
