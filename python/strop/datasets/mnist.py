"""MNIST (LeCun, Cortes and Burges 1998): 60,000 handwritten digits to train, 10,000 to test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._find import find
from ._npz import read_npz

Array = NDArray[Any]
Split = tuple[Array, Array]

_ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
_SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def load_data(path: str | os.PathLike[str] = "mnist.npz") -> tuple[Split, Split]:
    """Load the digits: pictures of 28 x 28 grey levels from 0 to 255, and which digit each shows.

    Looked for in this order: path; `$STROP_DATA`; the cache and `~/.keras/datasets`; the published address, whose file
    must have the published SHA-256. A line says which it was.

    Args:
        path: an mnist.npz (`x_train`, `y_train`, `x_test`, `y_test`), or a folder with it.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8, (60000, 28, 28) and (60000,), then 10,000 of both.

    Raises:
        FileNotFoundError: path does not exist.
        ValueError: the file is damaged, has another hash, or holds other things than digits.
        OSError: nothing was found, and the download failed.
    """
    op = "mnist.load_data"
    found, where = find(op, path, "mnist.npz", _ADDRESS, _SHA256, 32 << 20)
    content = read_npz(found, op)
    train, test = (_split(op, found, content, name) for name in ("train", "test"))
    print(f"{op}: digits from {where}")
    return train, test


def _split(op: str, path: Path, content: dict[str, Any], name: str) -> Split:
    try:
        x, y = (np.array(content[f"{part}_{name}"]) for part in "xy")
    except KeyError as error:
        raise ValueError(f"{op}: {path} must hold the digits; got no {error}") from None
    except ValueError:  # lists of unequal length
        raise ValueError(f"{op}: {path} must hold arrays of numbers; got others of {name}") from None
    good = x.dtype == np.uint8 and x.ndim == 3 and x.shape[1:] == (28, 28)
    good = good and y.dtype.kind in "iu" and y.shape == x.shape[:1]
    if not good:
        got = f"{x.dtype} {x.shape} and {y.dtype} {y.shape}"
        raise ValueError(f"{op}: {path} must hold uint8 (N, 28, 28) and labels (N,); got {got} of {name}")
    if y.size and not 0 <= y.min() <= y.max() <= 9:
        raise ValueError(f"{op}: {path} must hold labels in [0, 10); got {y.min()} to {y.max()} of {name}")
    return x, y.astype(np.uint8, copy=False)
