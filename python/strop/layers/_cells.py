"""Recurrent cells step by step, for activations that the kernel does not know: gelu, settings, the user's own.

Right for every activation with a gradient, and slower: some ten calls for each step of a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import ops

Array = NDArray[Any]


@dataclass(frozen=True)
class CellRun:
    """What `run_cell` returns: as `strop.ops.Recurrence`, and in `saved` a record of every step."""

    output: Array
    states: list[Array]
    saved: tuple[Any, ...]


def _blocks(array: Array, count: int) -> list[Array]:
    """Columns by gate, each an array of its own."""
    return [np.ascontiguousarray(part) for part in np.split(array, count, axis=-1)]


class Gate:
    """An activation with what its gradient needs."""

    def __init__(self, activation: Any, z: Array) -> None:
        self.activation, self.z = activation, z
        self.y = activation.forward(z)

    def backward(self, grad: Array) -> Array:
        """The gradient by what it was applied to."""
        result: Array = self.activation.backward(np.ascontiguousarray(grad), self.z, self.y)
        return result


def run_cell(
    x: Array,
    kernel: Array,
    recurrent_kernel: Array,
    bias: Array | None,
    activation: Any,
    recurrent_activation: Any,
    *,
    cell: str,
    initial_state: Sequence[Array] | None,
    mask: Array | None,
    factor: Array | None,
    backwards: bool,
    zeros: bool,
) -> CellRun:
    """What `strop.ops.recurrent` computes, with any activations."""
    batch, steps, inputs = x.shape
    units, gates = len(recurrent_kernel), ops.CELLS[cell]
    inner_bias = None
    if cell == "gru" and bias is not None:
        bias, inner_bias = bias
    wx = ops.matmul(x.reshape(batch * steps, inputs), kernel, bias=bias).reshape(batch, steps, gates * units)
    h, c = np.zeros((batch, units), x.dtype), np.zeros((batch, units), x.dtype)
    if initial_state is not None:
        h, c = initial_state[0], initial_state[1] if cell == "lstm" else c
    out = np.empty((batch, steps, units), x.dtype)
    tape: list[Any] = []
    for s in range(steps):
        t = steps - 1 - s if backwards else s
        met = h if factor is None else h * factor
        new_h, new_c, record = _step(
            cell, wx[:, t], h, c, met, recurrent_kernel, inner_bias, activation, recurrent_activation
        )
        kept = np.ones((batch, 1), bool) if mask is None else mask[:, t, None]
        h, c = np.where(kept, new_h, h), np.where(kept, new_c, c)
        out[:, s] = np.where(kept, h, 0) if zeros else h
        tape.append((t, kept, record))
    weights = (x, kernel, recurrent_kernel, bias is not None)
    return CellRun(out, [h, c] if cell == "lstm" else [h], (cell, weights, factor, zeros, tape))


def _step(
    cell: str, wx: Array, h: Array, c: Array, met: Array, kernel: Array, bias: Any, act: Any, rec: Any
) -> tuple[Array, Array, tuple[Any, ...]]:
    """h and c behind one step, and what its gradient needs."""
    count, units = ops.CELLS[cell], len(kernel)
    if cell == "gru_reset_before":
        x_part = _blocks(wx, 3)
        inner = _blocks(ops.matmul(met, np.ascontiguousarray(kernel[:, : 2 * units])), 2)
        z, r = (Gate(rec, x_part[k] + inner[k]) for k in (0, 1))
        reset = r.y * met
        value = Gate(act, x_part[2] + ops.matmul(reset, np.ascontiguousarray(kernel[:, 2 * units :])))
        return z.y * h + (1 - z.y) * value.y, c, (h, met, z, r, value, reset)
    parts, inner = _blocks(wx, count), _blocks(ops.matmul(met, kernel, bias=bias), count)
    if cell == "simple_rnn":
        gate = Gate(act, parts[0] + inner[0])
        return gate.y, c, (met, gate)
    if cell == "lstm":
        i, f, g, o = (Gate(act if k == 2 else rec, parts[k] + inner[k]) for k in range(4))
        new_c = f.y * c + i.y * g.y
        shown = Gate(act, new_c)
        return o.y * shown.y, new_c, (met, c, i, f, g, o, shown)
    z, r = (Gate(rec, parts[k] + inner[k]) for k in (0, 1))
    value = Gate(act, parts[2] + r.y * inner[2])
    return z.y * h + (1 - z.y) * value.y, c, (h, met, z, r, value, inner[2])


def _step_backward(
    cell: str, dh: Array, dc: Array, kernel: Array, record: tuple[Any, ...]
) -> tuple[Array, Array, Array, Array, Array]:
    """The gradients by x W, by h U, by what met U, by h directly, and by c."""
    none = np.zeros_like(dh)
    if cell == "simple_rnn":
        dz = record[1].backward(dh)
        return dz, dz, ops.matmul(dz, kernel, transpose_b=True), none, none
    if cell == "lstm":
        _, c, i, f, g, o, shown = record
        by_c = dc + shown.backward(dh * o.y)
        each = (
            i.backward(by_c * g.y),
            f.backward(by_c * c),
            g.backward(by_c * i.y),
            o.backward(dh * shown.y),
        )
        dz = np.concatenate(each, axis=-1)
        return dz, dz, ops.matmul(dz, kernel, transpose_b=True), none, by_c * f.y
    h, met, z, r, value, inner = record
    dv, dz = value.backward(dh * (1 - z.y)), z.backward(dh * (h - value.y))
    if cell == "gru":
        dr = r.backward(dv * inner)
        by_x, by_h = (np.concatenate((dz, dr, last), axis=-1) for last in (dv, dv * r.y))
        return by_x, by_h, ops.matmul(by_h, kernel, transpose_b=True), dh * z.y, none
    units = len(kernel)
    by_reset = ops.matmul(dv, np.ascontiguousarray(kernel[:, 2 * units :]), transpose_b=True)
    dr = r.backward(by_reset * met)
    by_gates = np.concatenate((dz, dr), axis=-1)
    by_met = ops.matmul(by_gates, np.ascontiguousarray(kernel[:, : 2 * units]), transpose_b=True)
    by_x = np.concatenate((by_gates, dv), axis=-1)
    return by_x, by_x, by_met + by_reset * r.y, dh * z.y, none


def run_cell_backward(
    grad: Array | None, run: CellRun, *, grad_states: Sequence[Array | None], need_x: bool
) -> tuple[Any, ...]:
    """What `strop.ops.recurrent_backward` computes."""
    cell, (x, kernel, recurrent_kernel, has_bias), factor, zeros, tape = run.saved
    batch, steps, inputs = x.shape
    units, width = len(recurrent_kernel), kernel.shape[1]
    dh, dc = (np.zeros((batch, units), x.dtype) for _ in range(2))
    dh = dh if grad_states[0] is None else grad_states[0]
    dc = dc if len(grad_states) < 2 or grad_states[1] is None else grad_states[1]
    by_wx = np.zeros((batch, steps, width), x.dtype)
    by_kernel = np.zeros_like(recurrent_kernel)
    by_inner_bias = np.zeros(width, x.dtype)
    for s in range(steps - 1, -1, -1):
        t, kept, record = tape[s]
        if grad is not None:
            dh = dh + (np.where(kept, grad[:, s], 0) if zeros else grad[:, s])
        by_x, by_h, by_met, by_old, by_c = _step_backward(cell, dh, dc, recurrent_kernel, record)
        by_x, by_h = np.where(kept, by_x, 0), np.where(kept, by_h, 0)
        by_wx[:, t] = by_x
        by_inner_bias += by_h.sum(axis=0)
        if cell == "gru_reset_before":
            met, reset = record[1], record[5]
            by_kernel[:, : 2 * units] += met.T @ by_h[:, : 2 * units]
            by_kernel[:, 2 * units :] += reset.T @ by_h[:, 2 * units :]
        else:
            by_kernel += ops.matmul(record[1 if cell == "gru" else 0], by_h, transpose_a=True)
        by_met = by_met if factor is None else by_met * factor
        dh, dc = np.where(kept, by_old + by_met, dh), np.where(kept, by_c, dc)
    by_input, by_weight, by_bias = ops.matmul_backward(
        by_wx.reshape(batch * steps, width),
        x.reshape(batch * steps, inputs),
        kernel,
        bias=has_bias,
        need_a=need_x,
    )
    if cell == "gru" and has_bias:
        by_bias = np.stack((by_bias, by_inner_bias))  # type: ignore[arg-type]
    by_input = None if by_input is None else by_input.reshape(x.shape)
    return by_input, by_weight, by_kernel, by_bias, [dh, dc] if cell == "lstm" else [dh]
