"""The full data sets, 70,000 images each: taken from the cache, from Debian's package, or fetched once and verified.

Files are the four IDX files of MNIST's authors, gzipped. Whatever the source, a file counts only if its hash is right.
"""

import gzip
import hashlib
import io
import os
import struct
import textwrap
import warnings
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

FILES = (
    "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"
)  # fmt: skip
DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the Debian package dataset-fashion-mnist


class Source(NamedTuple):
    """Where a data set comes from: addresses tried in turn, SHA-256 of each of FILES as gzipped there, their bytes."""

    addresses: tuple[str, ...]
    sha256: tuple[str, ...]
    bytes: int
    debian: Path | None = None
    sha256_unpacked: tuple[str, ...] = ()  # Debian gzips anew, so there the hash is of what is inside


SOURCES = {
    "mnist70k": Source(
        ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
        11_594_722,
    ),
    "fashion70k": Source(
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        ),
        (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
        30_878_645,
        DEBIAN,
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


def cache_folder() -> Path:
    """Where downloads are kept: the folder in the environment variable GANEDU_CACHE, or the system's place for it."""
    import pooch

    return Path(os.environ.get("GANEDU_CACHE") or pooch.os_cache("ganedu"))


def where(name: str) -> Path | None:
    """The folder that holds all four files of data set `name` now, or None."""
    places = (cache_folder() / name, SOURCES[name].debian)
    return next((p for p in places if p and all((p / file).is_file() for file in FILES)), None)


def arrays(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(images (60000, 28, 28), labels (60000,), held-out images (10000, 28, 28), their labels), all uint8.

    Raises ConnectionError when a file is neither here nor reachable, ValueError when what comes is not the file meant.
    """
    source, parts = SOURCES[name], None
    if source.debian and where(name) == source.debian:
        parts = _debian(source)
    if parts is None:
        paths = [_fetch(name, file, sha256) for file, sha256 in zip(FILES, source.sha256, strict=True)]
        parts = [gzip.decompress(path.read_bytes()) for path in paths]
    return tuple(read_idx(io.BytesIO(part)) for part in parts)


def _debian(source: Source) -> list[bytes] | None:
    parts = []
    for file, sha256 in zip(FILES, source.sha256_unpacked, strict=True):
        try:
            parts.append(gzip.decompress((source.debian / file).read_bytes()))
        except (OSError, EOFError):
            parts.append(b"")
        if hashlib.sha256(parts[-1]).hexdigest() != sha256:
            warnings.warn(f"{source.debian / file} is not the file we know; it is passed over.", stacklevel=5)
            return None
    return parts


def _fetch(name: str, file: str, sha256: str) -> Path:
    return retrieve(name, file, sha256, SOURCES[name].addresses, "'digits' and 'fashion' need no network.")


def retrieve(name: str, file: str, sha256: str, addresses: tuple[str, ...], without: str) -> Path:
    """The verified file in folder `name` of the cache; downloaded to a temporary file first, so an interruption leaves
    nothing. `without`, the end of the error's text, says what works without it.

    Raises ConnectionError when it is neither here nor reachable, ValueError when what comes is not the file meant.
    """
    import pooch

    folder, failures, damaged = cache_folder() / name, [], False
    for address in addresses:
        try:
            return Path(pooch.retrieve(address + file, f"sha256:{sha256}", fname=file, path=folder, progressbar=True))
        except (OSError, ValueError) as e:  # requests' errors are OSErrors; a wrong hash is pooch's ValueError
            tampered = not isinstance(e, OSError)
            damaged |= tampered
            why = "not the file we know (its hash differs)" if tampered else textwrap.shorten(str(e), 120)
            failures.append(f"\n  {address}{file}: {why}")
    raise (ValueError if damaged else ConnectionError)(
        f"cannot fetch {file} of {name}; nothing of it was kept.{''.join(failures)}\n"
        f"Try again with a network, or put the file into {folder} yourself. {without}"
    )


# ------------------------------------------------------------------------------------------------ the IDX format


def read_idx(f: BinaryIO) -> np.ndarray:
    """Read one uint8 array in IDX format: two zero bytes, 8, the number of axes; each length in 4 bytes; the values.

    Raises ValueError when the stream holds something else, or ends early.
    Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "File formats".
    """
    head = f.read(4)
    if len(head) < 4 or head[:3] != b"\0\0\x08":
        raise ValueError(f"this is no IDX file of bytes: it begins with {head!r}.")
    shape = struct.unpack(f">{head[3]}I", f.read(4 * head[3]))
    values = f.read(int(np.prod(shape)))
    if len(values) < np.prod(shape):
        raise ValueError(f"the IDX file ends early: {len(values)} of {np.prod(shape)} bytes for shape {shape}.")
    return np.frombuffer(values, np.uint8).reshape(shape)


def write_idx(array: np.ndarray) -> bytes:
    """The bytes that `read_idx` reads back to `array` (uint8)."""
    if array.dtype != np.uint8:
        raise ValueError(f"IDX is written here for uint8 only, got {array.dtype}.")
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
