"""What every file of strop's own has in common: its suffixes, and everything but tensors as JSON in the metadata."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ._json import read_json
from ._tensors import MAX_VALUES, write_tensors

Array = NDArray[Any]

FORMAT = 1
KEY = "strop"
SUFFIXES = ("", ".safetensors", ".strop")


def check_path(op: str, path: str | os.PathLike[str]) -> str:
    """The path as text, if its suffix does not lie; digits, as in `model-0.25`, are part of the name."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"{op}: filepath must be a text or a path; got {type(path).__name__}")
    text = os.fspath(path)
    suffix = Path(text).suffix.lower()
    if suffix not in SUFFIXES and not suffix[1:].isdigit():
        raise ValueError(f"{op}: filepath must end in .safetensors or .strop; got {text!r}")
    return text


def write_checkpoint(
    op: str, path: str, tensors: dict[str, Array], content: dict[str, Any], what: str, *, overwrite: bool
) -> None:
    """Write what `read_content` and `open_tensors` read back; what they would refuse is refused here.

    Args:
        op: the function that messages begin with.
        path: the file.
        tensors: arrays by name.
        content: everything else.
        what: the content's settings, as messages name them.
        overwrite: False refuses an existing file.
    """
    from . import __version__

    try:
        text = json.dumps({"format": FORMAT, "version": __version__, **content}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{op}: {what} must be what JSON holds; got {error}") from error
    read_json(text, op, max_values=MAX_VALUES)
    write_tensors(path, tensors, {KEY: text}, op, overwrite=overwrite)


def read_content(op: str, path: str, metadata: dict[str, str], what: str) -> dict[str, Any]:
    """The settings in a file's metadata; always ASCII, so that no letter takes more than a byte of memory.

    Raises:
        ValueError: strop did not write them.
    """
    if not metadata.get(KEY, "").isascii() or KEY not in metadata:
        raise ValueError(f"{op}: {path} must be {what}; got a file without {KEY!r} in its metadata")
    content = read_json(metadata[KEY], f"{op}: {path}", max_values=MAX_VALUES)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else content
        raise ValueError(f"{op}: {path} must have format {FORMAT}; got {str(found)[:40]}")
    return content
