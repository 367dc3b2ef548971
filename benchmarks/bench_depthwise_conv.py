"""Convolutions of each channel by its own kernel, forward and backward, against torch: MobileNet's shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from common import Report, main, peer
from strop import ops

SECONDS = 20

#: Howard et al. 2017, table 1, batch 8: (height and width, channels, stride), each 3 x 3 with pads of 1.
MOBILENET = [(112, 32, 1), (112, 64, 2), (56, 128, 1), (28, 256, 1), (14, 512, 1), (14, 512, 2), (7, 1024, 1)]


def run(report: Report) -> None:
    torch = peer("torch")
    rng = np.random.default_rng(0)
    for size, channels, stride in report.cases(MOBILENET):
        x = rng.standard_normal((8, size, size, channels), dtype=np.float32)
        kernel = rng.standard_normal((3, 3, channels, 1), dtype=np.float32)
        settings = {"strides": (stride, stride), "padding": ((1, 1), (1, 1))}
        y = ops.depthwise_conv(x, kernel, **settings)
        grad = rng.standard_normal(y.shape, dtype=np.float32)
        calls: dict[str, Callable[[], object]] = {
            "strop": lambda x=x, k=kernel, s=settings: ops.depthwise_conv(x, k, **s)
        }
        back: dict[str, Callable[[], object]] = {
            "strop": lambda g=grad, x=x, k=kernel, s=settings: ops.depthwise_conv_backward(g, x, k, **s)
        }
        if torch:
            form = {"memory_format": torch.channels_last}
            leaves = [
                torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(**form).requires_grad_(),
                torch.from_numpy(kernel).permute(2, 3, 0, 1).contiguous(**form).requires_grad_(),
            ]

            def forward(leaves=leaves, stride=stride, channels=channels):
                return torch.nn.functional.conv2d(*leaves, None, stride, 1, 1, channels)

            def without_tape(forward=forward):
                with torch.no_grad():
                    return forward()

            out = forward()
            got = out.detach().permute(0, 2, 3, 1).numpy()
            assert np.allclose(y, got, atol=1e-4), f"wrong numbers for {size} x {size} x {channels}"
            upstream = torch.from_numpy(grad).permute(0, 3, 1, 2).contiguous(**form)
            calls["torch"] = without_tape
            back["torch"] = lambda out=out, leaves=leaves, g=upstream: torch.autograd.grad(
                out, leaves, g, retain_graph=True
            )
        name = f"8x{size}x{size}x{channels}, stride {stride}"
        report.compare(name, calls, flops=18.0 * y.size, moved=4.0 * (x.size + y.size))
        report.compare(f"{name} backward", back, flops=36.0 * y.size, moved=8.0 * (x.size + y.size))


if __name__ == "__main__":
    main(run, __file__)
