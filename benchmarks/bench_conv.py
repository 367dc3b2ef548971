"""Convolutions forward and backward against torch: the layers of an MNIST network, then public shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from common import Report, main, peer, shapes
from strop import ops

SECONDS = 60
MOST_FLOPS = 2e9

#: name, x (N, H, W, C), kernel (KH, KW, C, F): each with relu and bias; the first layer of a network needs no grad_x.
MNIST = [
    (f"mnist {layer}, batch {batch}", (batch, *image), kernel, need_x)
    for batch in (32, 256)
    for layer, image, kernel, need_x in (
        ("3x3x32", (28, 28, 1), (3, 3, 1, 32), False),
        ("5x5x32", (28, 28, 1), (5, 5, 1, 32), False),
        ("3x3x64 on 32", (13, 13, 32), (3, 3, 32, 64), True),
    )
]


def drawn(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def compare(
    report: Report,
    name: str,
    x_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    need_x: bool = True,
    **settings: Any,
) -> None:
    """relu(conv + bias) and its gradients; torch with either layout of its images."""
    rng = np.random.default_rng(0)
    x, kernel, bias = drawn(rng, x_shape), drawn(rng, kernel_shape), drawn(rng, kernel_shape[-1:])

    def forward() -> np.ndarray:
        return ops.conv(x, kernel, **settings, bias=bias, activation="relu")

    y = forward()
    grad = drawn(rng, y.shape)

    def backward() -> Any:
        return ops.conv_backward(
            grad, x, kernel, **settings, output=y, activation="relu", bias=True, need_x=need_x
        )

    calls: dict[str, Callable[[], object]] = {"strop": forward}
    back: dict[str, Callable[[], object]] = {"strop": backward}
    if torch := peer("torch"):
        pads = settings.get("padding", ((0, 0), (0, 0)))
        passed = {
            "stride": settings.get("strides", (1, 1)),
            "padding": (pads[0][0], pads[1][0]),
            "dilation": settings.get("dilation", (1, 1)),
            "groups": settings.get("groups", 1),
        }
        for layout in ("channels_last", "contiguous_format"):
            form = {"memory_format": getattr(torch, layout)}
            images = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(**form).requires_grad_(need_x)
            weight = torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous(**form).requires_grad_()
            leaves = [weight, torch.from_numpy(bias).requires_grad_(), *([images] if need_x else [])]

            def torch_forward(images=images, leaves=leaves):
                with torch.no_grad():
                    return torch.relu_(torch.nn.functional.conv2d(images, leaves[0], leaves[1], **passed))

            got = torch_forward().permute(0, 2, 3, 1).numpy()
            assert np.allclose(y, got, rtol=1e-3, atol=1e-3 * abs(got).max()), f"wrong numbers for {name}"
            out = torch.relu(torch.nn.functional.conv2d(images, leaves[0], leaves[1], **passed))
            upstream = torch.from_numpy(grad).permute(0, 3, 1, 2).contiguous(**form)
            calls[f"torch {layout}"] = torch_forward
            back[f"torch {layout}"] = lambda out=out, leaves=leaves, g=upstream: torch.autograd.grad(
                out, leaves, g, retain_graph=True
            )
    flops = 2.0 * y.size * np.prod(kernel_shape[:3])
    report.compare(name, calls, flops=flops)
    report.compare(f"{name} backward", back, flops=flops * (2 if need_x else 1))


def public(report: Report) -> None:
    """The distinct public shapes that are small enough to repeat, every fifth of them."""
    found = {}
    for s in shapes("conv2d") + shapes("conv1d"):
        height, rows = s.get("h", 1), s.get("r", 1)
        strides = (s.get("sh", 1), s["sw"])
        dilation = (1, s.get("dw", 1))
        pads = ((s.get("ph", 0),) * 2, (s["pw"],) * 2)
        x, kernel = (s["n"], height, s["w"], s["c"]), (rows, s["s"], s["c"] // s["groups"], s["k"])
        outputs = (height + 2 * pads[0][0] - rows) // strides[0] + 1
        outputs *= (s["w"] + 2 * pads[1][0] - (s["s"] - 1) * dilation[1] - 1) // strides[1] + 1
        flops = 2.0 * s["n"] * outputs * np.prod(kernel)
        if flops <= MOST_FLOPS and outputs > 0:
            found[x, kernel, strides, dilation, pads, s["groups"]] = None
    for x, kernel, strides, dilation, pads, groups in report.cases(list(found)[::5]):
        name = f"{'x'.join(map(str, x))} by {'x'.join(map(str, kernel))}, strides {strides[0]} {strides[1]}"
        settings = {"strides": strides, "dilation": dilation, "padding": pads, "groups": groups}
        compare(report, name + (f", groups {groups}" if groups > 1 else ""), x, kernel, **settings)


def run(report: Report) -> None:
    for name, x, kernel, need_x in report.cases(MNIST):
        compare(report, name, x, kernel, need_x)
    public(report)


if __name__ == "__main__":
    main(run, __file__)
