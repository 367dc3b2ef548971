"""Random networks over all layers: beside torch in float64, and with the same bits on 1 and 3 threads."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import strop
from conftest import absent
from random_models import Drawing
from strop import config
from torch_formulas import torch

SEEDS = range(60)
pytestmark = pytest.mark.filterwarnings("ignore:build. the mask of")


@pytest.fixture(autouse=True)
def one_thread_of_torch():
    """A pool of threads costs more than these sizes."""
    before = torch and torch.get_num_threads()
    if torch:
        torch.set_num_threads(1)
    yield
    if torch:
        torch.set_num_threads(before)


def drawn(seed, dtype):
    before = config.floatx()
    config.set_floatx(dtype)
    try:
        return Drawing(seed)
    finally:
        config.set_floatx(before)


def trained(drawing, optimizer):
    """Predictions and losses of three steps, weights behind them."""
    model = drawing.model
    model.compile(optimizer=optimizer, loss=drawing.loss)
    first = model.predict(drawing.x, verbose=0)
    values = [model.train_on_batch(drawing.x, drawing.y) for _ in range(3)]
    return first, values, {layer.name: layer.get_weights() for layer in model.layers}


def torch_trained(drawing, weights, adam):
    """The same by torch's gradients: SGD(0.05), or Adam(0.01) with Keras' epsilon of 1e-3."""
    tensors = {name: [torch.tensor(a.astype("float64")) for a in arrays] for name, arrays in weights.items()}
    first, values = drawing.torch_output(tensors, False), []
    leaves = [
        a
        for layer in drawing.model.layers
        for a in tensors[layer.name][: 2 if layer.op == "BatchNormalization" else None]
    ]
    m, v = ([torch.zeros_like(a) for a in leaves] for _ in range(2))
    for a in leaves:
        a.requires_grad_()
    for t in range(1, 4):
        loss = drawing.by(drawing.torch_output(tensors, True), torch.tensor(drawing.y))
        values.append(loss.item())
        grads = torch.autograd.grad(loss, leaves, materialize_grads=True)
        with torch.no_grad():
            for a, g, m1, m2 in zip(leaves, grads, m, v, strict=True):
                m1.lerp_(g, 0.1), m2.lerp_(g * g, 0.001)
                rate = 0.01 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
                a -= rate * m1 / (m2.sqrt() + 1e-3) if adam else 0.05 * g
    return first, values, tensors


OPTIMIZERS = [lambda: strop.optimizers.SGD(0.05), lambda: strop.optimizers.Adam(0.01, epsilon=1e-3)]


@pytest.mark.parametrize("seed", SEEDS)
def test_torch_trains_it_to_the_same_weights(seed):
    if torch is None:
        absent("torch", "torch is not installed")
    for adam, dtype, tolerance in ((0, "float64", 1e-9), (1, "float64", 1e-8), (0, "float32", 2e-3)):
        drawing = drawn(seed, dtype)
        weights = {layer.name: layer.get_weights() for layer in drawing.model.layers}
        first, values, ends = trained(drawing, OPTIMIZERS[adam]())
        want, losses_want, tensors = torch_trained(drawing, weights, adam)
        close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
        near = 3e-5 if dtype == "float32" else 1e-11
        np.testing.assert_allclose(first, want.detach(), rtol=near, atol=near)
        close(values, losses_want)
        for name, arrays in ends.items():
            for i, (a, b) in enumerate(zip(arrays, tensors[name], strict=True)):
                close(a, b.detach(), err_msg=f"{name}[{i}]")


@pytest.mark.parametrize("seed", SEEDS)
def test_it_has_the_same_bits_on_any_thread_count(seed):
    before, runs = config.num_threads(), []
    try:
        for threads in (1, 3):
            config.set_num_threads(threads)
            first, values, ends = trained(drawn(seed, "float32"), OPTIMIZERS[1]())
            runs.append([first, np.array(values), *(a for arrays in ends.values() for a in arrays)])
    finally:
        config.set_num_threads(before)
    for one, three in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, three)
