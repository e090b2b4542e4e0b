"""docs/console.md shows each page of the console, as `make screenshots` has taken it, in few bytes."""

import struct
import zlib
from pathlib import Path

import pytest

from scim_core.console.routes import ROUTES
from tests.browser import DESK, PHONE
from tests.console import small_png
from tests.console.shots import pictures, shown
from tests.console.world import some_customers
from tests.running import ROOT
from tests.screenshots import FOLDER

PAGE = (ROOT / "docs" / "console.md").read_text()
MAX_BYTES = 120_000


async def test_each_page_is_shown() -> None:
    world = await some_customers()
    pages = shown(world)
    files = {file.stem for file in FOLDER.glob("*.png") if not file.stem.startswith("setup-")}
    assert files == pictures(world)
    assert [name for name in files if f"(screenshots/{name}.png)" not in PAGE] == []
    looked_at = {route.handler for route in ROUTES if not route.acts}
    assert len(looked_at) <= len(pages)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.png")), ids=lambda file: str(file.stem))
def test_a_picture_is_small_and_as_wide_as_its_window(file: Path) -> None:
    content = file.read_bytes()
    width, _ = struct.unpack(">II", content[16:24])
    assert width == (PHONE if file.stem.endswith("phone") else DESK)["width"]
    assert len(content) <= MAX_BYTES


@pytest.mark.parametrize("filtered", range(5))
def test_a_small_picture_has_the_same_pixels(filtered: int) -> None:
    """Two lines of three pixels, written with each filter of PNG."""
    pixels = [[(250, 1, 2), (3, 250, 5), (6, 7, 8)], [(9, 10, 250), (250, 1, 2), (12, 13, 14)]]
    raw, before = bytearray(), [0] * 9
    for line in pixels:
        flat = [value for pixel in line for value in pixel]
        raw.append(filtered)
        for at, value in enumerate(flat):
            left, above = flat[at - 3] if at >= 3 else 0, before[at]
            corner = before[at - 3] if at >= 3 else 0
            guess = [0, left, above, (left + above) // 2, small_png._nearest(left, above, corner)][filtered]
            raw.append((value - guess) & 0xFF)
        before = flat
    made = small_png.small(
        small_png.SIGNATURE
        + small_png._chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0))
        + small_png._chunk(b"IDAT", zlib.compress(bytes(raw)))
        + small_png._chunk(b"IEND", b"")
    )
    chunks = dict(small_png._chunks(made))
    palette = [tuple(chunks[b"PLTE"][at : at + 3]) for at in range(0, len(chunks[b"PLTE"]), 3)]
    content = zlib.decompress(chunks[b"IDAT"])
    assert [[palette[place] for place in content[at + 1 : at + 4]] for at in (0, 4)] == pixels
