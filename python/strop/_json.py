"""JSON from files: read strictly, with limits."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

MAX_BYTES = 16 << 20
MAX_DEPTH = 64
MAX_DIGITS = 40

#: A whole string; possessive, so that a long one is scanned once.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1
_BLOCK = 1 << 16


def read_json(text: str | bytes, op: str, *, max_values: int | None = None) -> Any:
    """The value of a JSON text of at most 16 MiB and 64 levels, without duplicate keys, NaN or Infinity.

    Args:
        text: bytes must be UTF-8.
        op: the function that messages begin with.
        max_values: about how many values, keys and containers there may be: each takes up to 64 bytes of memory
            where it stands in 3 bytes of text.

    Raises:
        ValueError: the text is not that.

    Example:
        >>> read_json('{"a": [1, 2]}', "load")
        {'a': [1, 2]}
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"{op}: JSON must be at most {MAX_BYTES} bytes; got {len(text)}")
    try:
        text = text if isinstance(text, str) else str(text, "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{op}: JSON must be UTF-8; got {error.reason}") from None
    _check_size(text, op, max_values)
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_int, parse_float=_float
        )
    except RecursionError:
        raise ValueError(f"{op}: JSON must be at most {MAX_DEPTH} levels deep; got more") from None
    except ValueError as error:
        raise ValueError(f"{op}: JSON must be well formed; got {error}") from None


def _check_size(text: str, op: str, max_values: int | None) -> None:
    """Depth and number of values, before anything is made of them."""
    limit = len(text) if max_values is None else max_values
    too_many = f"{op}: JSON must hold at most {limit} values; got more"
    # Quotes that are surely not escaped, two to a string: spares the scan below where strings alone are too many.
    if (text.count('"') - text.count('\\"')) // 2 > limit + 1:
        raise ValueError(too_many)
    bare = _STRING.sub("", text)
    if sum(map(bare.count, ",:[{")) > limit:
        raise ValueError(too_many)
    if _depth(bare.encode("ascii", "replace").translate(None, _NO_BRACKETS)) > MAX_DEPTH:
        raise ValueError(f"{op}: JSON must be at most {MAX_DEPTH} levels deep; got more")


def _depth(brackets: bytes) -> int:
    depth = deepest = 0
    for begin in range(0, len(brackets), _BLOCK):
        steps = _STEP[np.frombuffer(brackets[begin : begin + _BLOCK], np.uint8)]
        levels = depth + np.cumsum(steps, dtype=np.int64)
        depth, deepest = int(levels[-1]), max(deepest, int(levels.max()))
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a duplicate key")
    return result


def _refuse(constant: str) -> Any:
    raise ValueError(f"the constant {constant}")


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:  # int() takes time with the square of the digits
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number beyond float64")
    return value
