# SPDX-License-Identifier: Apache-2.0
"""Image tiles on disk: a small header, then deflated rows, each less the row above it.

The same idea as PNG with its "up" filter, so that decoding a tile is real work for the CPU:
inflate, then a running sum down the columns.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WIDTH = 256
HEIGHT = 256
CHANNELS = 3
SHAPE = (HEIGHT, WIDTH, CHANNELS)
PIXEL_BYTES = HEIGHT * WIDTH * CHANNELS

_HEADER = struct.Struct("<4sHHB3x")
_MAGIC = b"TIL1"

#: More than a tile can take: deflate adds a few bytes to what it cannot shrink.
FILE_BYTES_MAX = _HEADER.size + PIXEL_BYTES + 4096


def tile_path(folder: Path, tile: int) -> Path:
    """The file of tile number `tile`."""
    return folder / f"{tile:05d}.tile"


def read_tile(path: Path, buffer: bytearray) -> int:
    """Reads a tile file into `buffer` and returns its size in bytes.

    Raises:
        OSError: the file cannot be read.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.preadv(fd, [buffer], 0)
    finally:
        os.close(fd)


def decode_tile(encoded: bytes | memoryview, pixels: NDArray[np.uint8]) -> None:
    """Decodes a tile into `pixels`, an array of `SHAPE`.

    Raises:
        ValueError: this is not a tile, or it is damaged.
    """
    view = memoryview(encoded)
    magic, width, height, channels = _HEADER.unpack_from(view)
    if magic != _MAGIC or (height, width, channels) != SHAPE:
        raise ValueError("not a tile of 256 x 256 pixels and 3 channels")
    try:
        rows = zlib.decompress(view[_HEADER.size :], bufsize=PIXEL_BYTES)
    except zlib.error as error:
        raise ValueError(f"damaged tile: {error}") from error
    if len(rows) != PIXEL_BYTES:
        raise ValueError(f"damaged tile: {len(rows)} bytes of pixels, not {PIXEL_BYTES}")
    differences = np.frombuffer(rows, np.uint8).reshape(SHAPE)
    np.cumsum(differences, axis=0, dtype=np.uint8, out=pixels)


def encode_tile(pixels: NDArray[np.uint8]) -> bytes:
    """The file of an image: the reverse of `decode_tile`."""
    differences = np.diff(pixels, axis=0, prepend=np.zeros_like(pixels[:1]))
    header = _HEADER.pack(_MAGIC, pixels.shape[1], pixels.shape[0], pixels.shape[2])
    return header + zlib.compress(differences.tobytes(), level=6)


def paint_tile(tile: int) -> NDArray[np.uint8]:
    """The picture of tile number `tile`: soft waves, an edge and sensor noise."""
    rng = np.random.default_rng((tile, 7))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32) / HEIGHT
    picture = np.empty(SHAPE, np.float32)
    for channel in range(CHANNELS):
        across, down, phase = rng.uniform(0.5, 24.0, 3)
        picture[:, :, channel] = 128 + rng.uniform(20, 90) * np.sin(across * x + down * y + phase)
    edge = np.cos(rng.uniform(0, 6.28)) * (x - 0.5) + np.sin(rng.uniform(0, 6.28)) * (y - 0.5)
    picture += np.where(edge > 0, rng.uniform(-60, 60), 0.0)[:, :, None]
    picture += rng.normal(0, 2.5, SHAPE).astype(np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def make_tiles(folder: Path, count: int) -> None:
    """Writes the tiles that `folder` lacks; safe to break off and to run again."""
    folder.mkdir(parents=True, exist_ok=True)
    for tile in range(count):
        path = tile_path(folder, tile)
        if path.exists():
            continue
        temporary = path.with_suffix(f".{os.getpid()}.part")
        temporary.write_bytes(encode_tile(paint_tile(tile)))
        temporary.replace(path)
