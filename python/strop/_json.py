"""JSON from files: read strictly, with limits."""

from __future__ import annotations

import json
from typing import Any

MAX_BYTES = 16 << 20
MAX_DEPTH = 64


def read_json(text: str | bytes, op: str) -> Any:
    """The value of a JSON text of at most 16 MiB and 64 levels, without duplicate keys, NaN or Infinity.

    Raises:
        ValueError: the text is not that.

    Example:
        >>> read_json('{"a": [1, 2]}', "load")
        {'a': [1, 2]}
    """
    if len(text) > MAX_BYTES:
        raise ValueError(f"{op}: JSON must be at most {MAX_BYTES} bytes; got {len(text)}")
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError(f"{op}: JSON must be at most {MAX_DEPTH} levels deep; got more") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{op}: JSON must be UTF-8; got {error.reason}") from None
    except ValueError as error:
        raise ValueError(f"{op}: JSON must be well formed; got {error}") from None
    if _too_deep(value):
        raise ValueError(f"{op}: JSON must be at most {MAX_DEPTH} levels deep; got more")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a duplicate key")
    return result


def _refuse(constant: str) -> Any:
    raise ValueError(f"the constant {constant}")


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            v for x in level if isinstance(x, dict | list) for v in (x.values() if isinstance(x, dict) else x)
        ]
        if not level:
            return False
    return True
