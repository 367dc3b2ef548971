"""Tiny Shakespeare (Karpathy 2015): 1,115,394 characters of plays, for models that write."""

from __future__ import annotations

import os

from ._text import read_text

_NAME = "tinyshakespeare.txt"
_ADDRESS = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"


def load_data(path: str | os.PathLike[str] = _NAME) -> str:
    """Load the text.

    A user gets the file from https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt.

    Args:
        path: the file, or a folder with `tinyshakespeare.txt`; without one it is looked for in `$STROP_DATA`.

    Raises:
        FileNotFoundError: there is no such file; the message says where to get it.
        ValueError: it is empty or no UTF-8.
    """
    op = "tiny_shakespeare.load_data"
    text, found = read_text(op, path, _NAME, f"get it from {_ADDRESS}")
    if not text:
        raise ValueError(f"{op}: {found} must be a text; got an empty file")
    return text.replace("\r\n", "\n")
