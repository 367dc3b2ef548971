"""Sequences of unequal length as one rectangular array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _random
from .._backend import cpu

Array = NDArray[Any]

#: Of these the kernel copies rows that are lists of ints, or arrays of the same dtype.
COPIED = {np.dtype(name) for name in ("int32", "int64", "float32", "float64")}


def pad_sequences(
    sequences: Iterable[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> Array:
    """Make rows of one length: short ones are filled up, long ones cut, both at the front unless told otherwise.

    Args:
        sequences: lists or arrays, one per row.
        maxlen: length of the rows; None is that of the longest.
        dtype: of the result.
        padding: `"pre"` or `"post"`: where a short row is filled.
        truncating: `"pre"` or `"post"`: where a long row is cut.
        value: what it is filled with.

    Returns:
        (N, maxlen), or (N, maxlen, ...) for sequences of arrays.

    Raises:
        ValueError: maxlen is less than 1, a row is no sequence or is complex, rows have unequal inner shapes, or
            padding or truncating is unknown.
        OverflowError: a number does not fit the dtype; NaN and infinities fit no whole numbers.

    Example:
        >>> pad_sequences([[1, 2, 3], [4]], maxlen=2)
        array([[2, 3],
               [0, 4]], dtype=int32)
    """
    op = "pad_sequences"
    for name, side in (("padding", padding), ("truncating", truncating)):
        if side not in ("pre", "post"):
            raise ValueError(f"{op}: {name} must be 'pre' or 'post'; got {side!r}")
    if isinstance(sequences, str | bytes) or not hasattr(sequences, "__iter__"):
        raise ValueError(f"{op}: sequences must be a list of sequences; got {type(sequences).__name__}")
    rows = list(sequences)
    lengths = _lengths(op, rows)
    if maxlen is None:
        maxlen = max(lengths, default=0)
    elif maxlen < 1:
        raise ValueError(f"{op}: maxlen must be 1 or more; got {maxlen}")
    kind = np.dtype(dtype)
    if isinstance(value, str) and kind.kind not in "OUS":
        raise ValueError(f"{op}: value must be a number for dtype {kind}; got {value!r}")
    inner = next((np.shape(row)[1:] for row, length in zip(rows, lengths, strict=True) if length), ())
    cut_front, pad_front = truncating == "pre", padding == "pre"
    if kind not in COPIED or inner or np.ndim(value):
        out = np.full((len(rows), maxlen, *inner), value, kind)
        for i in range(len(rows)):
            _fill(op, out, i, rows[i], pad_front, cut_front)
        return out
    out = np.empty((len(rows), maxlen), kind)
    filler = np.full(1, value, kind)
    i = cpu.fill_rows(rows, out, filler, pad_front, cut_front, 0)
    while i < len(rows):
        out[i] = filler
        _fill(op, out, i, rows[i], pad_front, cut_front)
        i = cpu.fill_rows(rows, out, filler, pad_front, cut_front, i + 1)
    return out


def _lengths(op: str, rows: list[Any]) -> list[int]:
    lengths: list[int] = []
    try:
        lengths.extend(map(len, rows))
    except TypeError:
        i = len(lengths)
        raise ValueError(
            f"{op}: sequences must hold sequences; got {type(rows[i]).__name__} at {i}"
        ) from None
    return lengths


def _fill(op: str, out: Array, place: int, row: Any, pad_front: bool, cut_front: bool) -> None:
    """Copy a row of whatever kind into `out`, which holds the filler."""
    length, maxlen = len(row), out.shape[1]
    if length > maxlen:
        row = row[length - maxlen :] if cut_front else row[:maxlen]
        length = maxlen
    if length:
        first = maxlen - length if pad_front else 0
        out[place, first : first + length] = _row(op, place, row, out.dtype, out.shape[2:])


def _row(op: str, place: int, row: Any, kind: np.dtype[Any], inner: tuple[int, ...]) -> Array:
    if type(row) is np.ndarray and row.dtype == kind and row.shape[1:] == inner:
        return row
    if isinstance(row, np.ndarray) and kind.kind in "iu" and row.dtype.kind in "iu":
        limits = np.iinfo(kind)
        if row.dtype.itemsize >= kind.itemsize and (row.min() < limits.min or row.max() > limits.max):
            raise OverflowError(f"{op}: sequences must fit {kind}; got {row.max()} in row {place}")
    given = np.asarray(row)
    if given.dtype.kind == "c" and kind.kind != "c":
        raise ValueError(
            f"{op}: sequences must hold real numbers for {kind}; got {given.dtype} in row {place}"
        )
    if given.dtype.kind == "f" and kind.kind in "iu":
        limits = np.iinfo(kind)
        whole = np.trunc(given.astype(np.float64))
        fits = (whole >= float(limits.min)) & (
            whole < float(limits.max) + 1.0
        )  # of int64 2**63: it rounds up
        if not fits.all():
            raise OverflowError(f"{op}: sequences must fit {kind}; got {given[~fits].flat[0]} in row {place}")
    array = np.asarray(row, kind)
    if array.shape[1:] != inner:
        raise ValueError(
            f"{op}: rows must have inner shape {inner} like the first; got {array.shape[1:]} in row {place}"
        )
    return array


def token_dropout(
    sequences: Any, rate: float, *, value: Any = None, keep: Iterable[Any] = (0, 1), seed: int | None = None
) -> Any:
    """Texts that lack random tokens, so that a model does not lean on single words; new draws at every call.

    Args:
        sequences: padded ids (N, T), or one list of ids or words per text.
        rate: share of the tokens that go, in [0, 1].
        value: what stands in their place, such as the id of unknown words; None takes them out, which an array cannot.
        keep: tokens that never go: padding 0 and start mark 1.
        seed: None draws from strop's stream for augmentation.

    Returns:
        An array of an array, else a list of lists.

    Raises:
        ValueError: rate lies outside [0, 1], or value is None for an array.

    Example:
        >>> token_dropout([[1, 7, 8, 9, 10]], 0.5, seed=0)
        [[1, 7, 8]]
        >>> token_dropout(np.array([[0, 7, 8, 9]]), 1.0, value=2)
        array([[0, 2, 2, 2]])
    """
    op = "token_dropout"
    if not 0 <= rate <= 1:
        raise ValueError(f"{op}: rate must lie in [0, 1]; got {rate}")
    if seed is None:
        generator = _random.streams.generator("augmentation")
    else:
        generator = _random.generator(_random.check_seed(op, seed), "augmentation")
    kept = list(keep)
    if isinstance(sequences, np.ndarray):
        if value is None:
            raise ValueError(
                f"{op}: value must be a token for an array, whose rows have one length; got None"
            )
        gone = (generator.random(sequences.shape) < rate) & ~np.isin(sequences, kept)
        return np.where(gone, sequences.dtype.type(value), sequences)
    result = []
    for row in sequences:
        draws = (generator.random(len(row)) < rate).tolist()
        marked = [(token, drawn and token not in kept) for token, drawn in zip(row, draws, strict=True)]
        result.append([value if gone else token for token, gone in marked if value is not None or not gone])
    return result
