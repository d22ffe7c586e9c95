"""The MNIST images and labels, read from the four IDX files.

The files may be plain or gzipped (`.gz`). Images become floats in [0, 1] of shape
`[N, 28, 28, 1]`, labels integers of shape `[N]`.
"""

import gzip
from pathlib import Path

import numpy as np

FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def read_idx(folder: Path, name: str) -> np.ndarray:
    """Reads one IDX file of unsigned bytes.

    Header, big endian: two zero bytes, the type (8: unsigned byte), the number of axes,
    then the size of each axis as a u32.
    """
    plain, zipped = folder / name, folder / f"{name}.gz"
    if plain.exists():
        data = plain.read_bytes()
    elif zipped.exists():
        data = gzip.decompress(zipped.read_bytes())
    else:
        raise SystemExit(f"`{folder}` holds neither `{name}` nor `{name}.gz`")
    axes = data[3]
    if data[:3] != b"\0\0\x08":
        raise SystemExit(f"`{name}` is not an IDX file of unsigned bytes")
    shape = np.frombuffer(data, ">u4", count=axes, offset=4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def load(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of `part`: `train` (60,000) or `test` (10,000)."""
    images, labels = (read_idx(folder, name) for name in FILES[part])
    return images[..., np.newaxis].astype(np.float32) / 255, labels.astype(np.int64)
