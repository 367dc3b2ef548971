"""Dense layers and their loss in one kernel, against the layers one by one in float64."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest

from strop import reference

LOSSES = ("mean_squared_error", "mean_absolute_error", "binary_cross_entropy")


def made(rng: Any, widths: list[int], dtype: Any, bias: bool = True) -> list[Any]:
    names = ["relu", "tanh", "sigmoid", "relu"]
    return [
        (
            rng.standard_normal((k, n)).astype(dtype),
            rng.standard_normal(n).astype(dtype) if bias else None,
            names[i] if i + 2 < len(widths) else "linear",
        )
        for i, (k, n) in enumerate(itertools.pairwise(widths))
    ]


def by_layers(x: Any, layers: Any, target: Any, weight: Any, loss: str) -> tuple[Any, ...]:
    """The value, the output, the gradients by kernels and biases, and by x."""
    outputs = [x.astype(np.float64)]
    for kernel, bias, name in layers:
        outputs.append(reference.matmul(outputs[-1], kernel, bias=bias, activation=name))
    value, grad = getattr(reference, loss)(outputs[-1], target, sample_weight=weight)
    grads: list[Any] = []
    for i in range(len(layers) - 1, -1, -1):
        kernel, bias, name = layers[i]
        grad, by_kernel, by_bias = reference.matmul_backward(
            grad, outputs[i], kernel, output=outputs[i + 1], activation=name
        )
        grads[:0] = [by_kernel] if bias is None else [by_kernel, by_bias]
    return value, outputs[-1], grads, grad


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rows", [1, 32, 33, 100])
def test_the_numbers_of_the_layers_one_by_one(gpu, rng, dtype, rows, loss):
    for widths, bias in (([16, 24, 1], True), ([5, 3], False), ([7, 6, 5, 4, 3], True)):
        x, layers = rng.standard_normal((rows, widths[0])).astype(dtype), made(rng, widths, dtype, bias)
        target = rng.random((rows, widths[-1])).astype(dtype)
        weight = rng.random(rows).astype(dtype) if bias else None
        want = by_layers(x, layers, target, weight, loss)
        mine = [tuple(gpu.asarray(a) if isinstance(a, np.ndarray) else a for a in layer) for layer in layers]
        given = None if weight is None else gpu.asarray(weight)
        got = gpu.module.dense_chain(gpu.asarray(x), mine, gpu.asarray(target), given, loss, True)
        unit = 2.0**-20 if dtype == np.float32 else 2.0**-46
        np.testing.assert_allclose(gpu.host(got[0]), want[0], rtol=32 * unit)
        np.testing.assert_allclose(gpu.host(got[1]), want[1], rtol=16 * unit, atol=64 * unit)
        for one, other in zip([*got[2], got[3]], [*want[2], want[3]], strict=True):
            np.testing.assert_allclose(gpu.host(one), other, rtol=64 * unit, atol=64 * unit)


def test_what_it_refuses(gpu):
    def call(
        widths: Any = (3, 2), rows: int = 4, loss: str = LOSSES[0], name: str = "linear", **other: Any
    ) -> Any:
        arrays = {
            "x": np.ones((rows, widths[0]), "float32"),
            "target": np.ones((rows, widths[-1]), "float32"),
            "weight": None,
        } | other
        x, target, weight = (None if a is None else gpu.asarray(a) for a in arrays.values())
        pairs = list(itertools.pairwise(widths))
        layers = [(gpu.asarray(np.ones(pair, "float32")), None, name) for pair in pairs]
        return gpu.module.dense_chain(x, layers, target, weight, loss, False)

    call()
    refused = {
        "layers must be 1 to 4; got 0": {"widths": (3,)},
        "layers must be 1 to 4; got 5": {"widths": (3,) * 6},
        "layers must have 1 to 256 inputs and outputs together; got 257": {"widths": (200, 57)},
        "x must have 1 to 1024 rows; got 1025": {"rows": 1025},
        "x must have 1 to 1024 rows; got 0": {"rows": 0},
        "loss must be 'mean_squared_error', 'mean_absolute_error' or 'binary_cross_entropy'; got 'hinge'": {
            "loss": "hinge"
        },
        "activation must be 'linear', 'relu', 'sigmoid' or 'tanh'; got 'elu'": {"name": "elu"},
        "target must have shape (4, 2); got (4, 3)": {"target": np.ones((4, 3), "float32")},
        "sample_weight must have shape (4,); got (3,)": {"weight": np.ones(3, "float32")},
    }
    for text, settings in refused.items():
        with pytest.raises(ValueError, match=f"^{re.escape('dense_chain: ' + text)}$"):
            call(**settings)
    with pytest.raises(TypeError, match=r"^dense_chain: target must be float32 like x; got a float64 array"):
        call(target=np.ones((4, 2)))


def test_arrays_end_to_end(gpu, rng):
    for count, shape, dtype in ((1, (), "float64"), (3, (5, 2), "float32"), (70, (1100,), "float32")):
        parts = [rng.standard_normal(shape).astype(dtype) for _ in range(count)]
        whole = gpu.asarray(np.zeros((count, *shape), dtype))
        gpu.module.collect([gpu.asarray(part) for part in parts], whole)
        assert np.array_equal(gpu.host(whole), np.stack(parts))
    short = gpu.asarray(np.zeros(5, "float32"))
    text = "collect: out must have the size of all parts; got a float32 array of shape (5,) for 2"
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        gpu.module.collect([gpu.asarray(np.zeros(2, "float32"))] * 2, short)
    with pytest.raises(TypeError, match=r"^collect: parts\[0\] must be float32"):
        gpu.module.collect([gpu.asarray(np.zeros(5))], short)
