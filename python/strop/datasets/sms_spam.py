"""SMS Spam Collection (Almeida, Hidalgo and Yamakami 2011): 5,574 messages, 747 of them spam."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._text import parsing, read_text

_NAME = "SMSSpamCollection"
_SOURCE = "get it from https://archive.ics.uci.edu/dataset/228/sms+spam+collection"


def load_data(path: str | os.PathLike[str] = _NAME) -> tuple[list[str], NDArray[Any]]:
    """Load the messages in the order of the file; `train_test_split` with `stratify` divides them.

    A user gets the file from https://archive.ics.uci.edu/dataset/228/sms+spam+collection.

    Args:
        path: the file `SMSSpamCollection` or a folder with it; without one it is looked for in `$STROP_DATA`.

    Returns:
        Texts, and int64 labels, 1 for spam.

    Raises:
        FileNotFoundError: there is no such file; the message says where to get it.
        ValueError: the file holds other things.
    """
    op = "sms_spam.load_data"
    text, found = read_text(op, path, _NAME, _SOURCE)
    texts, labels = [], []
    with parsing(op, found, "lines of ham or spam, a tab and a text"):
        for i, line in enumerate(filter(None, text.split("\n"))):
            label, tab, message = line.rstrip("\r").partition("\t")
            if i == 0 and label == "Label":
                continue
            if not tab or label not in ("ham", "spam"):
                raise ValueError(f"{label[:20]!r} in line {i + 1}")
            texts.append(message)
            labels.append(label == "spam")
        if not texts:
            raise ValueError("no line")
    return texts, np.array(labels, np.int64)
