"""Recurrent layers: whole training steps of an LSTM and a GRU, and their passes, against torch and Keras on JAX.

A training step is forward, backward and Adam's update of a model of the layer and Dense(1) on the last output. At 32
sequences of 200 steps of 64 numbers and 64 units an LSTM's passes are 1.05 GFLOP, without the gradient by the inputs,
of which nobody knows before the first layer.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

import strop
from common import Report, main, peer, shapes
from strop import ops, reference
from strop.layers import GRU, LSTM, Dense

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

NAMES = {"lstm": LSTM, "gru": GRU}


def flops(cell: str, batch: int, steps: int, inputs: int, units: int, passes: int) -> float:
    """Of products with W and U: 1 pass is forward, 3 forward and backward."""
    return 2.0 * passes * batch * steps * (inputs + units) * ops.CELLS[cell] * units


def torch_step(cell: str, x: np.ndarray, y: np.ndarray, units: int) -> Callable[[], object] | None:
    torch = peer("torch")
    if not torch:
        return None
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](x.shape[-1], units, batch_first=True)
    head = torch.nn.Linear(units, 1)
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()])
    inputs, aims = torch.from_numpy(x), torch.from_numpy(y)

    def step() -> object:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(head(layer(inputs)[0][:, -1])[:, 0], aims)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def keras_step(cell: str, x: np.ndarray, y: np.ndarray, units: int) -> Callable[[], object] | None:
    if not peer("jax"):
        return None
    keras: Any = peer("keras")
    layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](units)
    model = keras.Sequential([keras.Input(x.shape[1:]), layer, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return lambda: model.train_on_batch(x, y)


def training(report: Report, cell: str, batch: int, steps: int, inputs: int, units: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, steps, inputs)).astype(np.float32)
    y = rng.normal(size=batch).astype(np.float32)
    model = strop.Sequential([strop.Input((steps, inputs)), NAMES[cell](units), Dense(1)])
    model.compile("adam", "mse")
    calls: dict[str, Any] = {"strop": lambda: model.train_on_batch(x, y)}
    calls |= {"torch": torch_step(cell, x, y, units), "jax": keras_step(cell, x, y, units)}
    calls = {name: call for name, call in calls.items() if call}
    losses = {name: [float(np.ravel(call())[0]) for _ in range(30)] for name, call in calls.items()}
    assert all(found[-1] < found[0] for found in losses.values()), losses
    work = (
        flops(cell, batch, steps, inputs, units, 3) - 2.0 * batch * steps * inputs * ops.CELLS[cell] * units
    )
    report.compare(f"{cell} step {batch} x {steps} x {inputs}, {units} units", calls, flops=work)


def passes(report: Report, cell: str, batch: int, steps: int, inputs: int, units: int) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, steps, inputs)).astype(np.float32)
    width = ops.CELLS[cell] * units
    bound = 1 / units**0.5
    weights = [rng.uniform(-bound, bound, (rows, width)).astype(np.float32) for rows in (inputs, units)]
    grad = rng.normal(size=(batch, steps, units)).astype(np.float32)
    run = ops.recurrent(x, *weights, cell=cell)
    assert run.output is not None
    small = reference.recurrent(x[:1, :20], *weights, cell=cell)[0]
    assert np.abs(run.output[:1, :20] - small).max() < 1e-4
    forward: dict[str, Any] = {"strop": lambda: ops.recurrent(x, *weights, cell=cell, save=False)}
    both: dict[str, Any] = {
        "strop": lambda: ops.recurrent_backward(grad, ops.recurrent(x, *weights, cell=cell))
    }
    torch = peer("torch")
    if torch:
        layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](
            inputs, units, batch_first=True, bias=False
        )
        tensor, upstream = torch.from_numpy(x), torch.from_numpy(grad)
        leaf = torch.from_numpy(x).requires_grad_()

        def torch_forward() -> object:
            with torch.no_grad():
                return layer(tensor)

        def torch_both() -> object:
            leaf.grad = None
            layer.zero_grad()
            layer(leaf)[0].backward(upstream)
            return leaf.grad

        forward["torch"], both["torch"] = torch_forward, torch_both
    name = f"{cell} {batch} x {steps} x {inputs}, {units}"
    report.compare(f"{name} forward", forward, flops=flops(cell, batch, steps, inputs, units, 1))
    report.compare(f"{name} both", both, flops=flops(cell, batch, steps, inputs, units, 3))


def run(report: Report) -> None:
    from cases.recurrent import BENCH_SHAPES

    for cell in report.cases(list(NAMES), 2):
        for shape in report.cases(BENCH_SHAPES):
            training(report, cell, *shape)
    public = {
        (s["cell"], s["batch"], s["steps"], s["input"], s["hidden"])
        for s in shapes("rnn")
        # Beyond, a case takes long.
        if s["batch"] * s["steps"] * s["hidden"] ** 2 <= 1 << 25
    }
    for kind, *shape in sorted(public):
        for cell in ("lstm", "gru") if kind == "any" else (kind,) if kind in NAMES else ():
            passes(report, cell, *shape)


if __name__ == "__main__":
    main(run, __file__)
