"""Shapes around the block of 512 and the chunk of 4,096 elements."""

import functools

SHAPES = [(0, 1), (1,), (7, 1), (32, 1), (511, 1), (513, 1), (3, 1365), (4097,), (100, 41), (5, 3, 2), (2, 0)]


def function(module, name):
    """The loss of a name in `ops` or `reference`."""
    if name == "binary_cross_entropy":
        return module.binary_cross_entropy
    return functools.partial(module.pointwise_loss, name=name)


BENCH_SIZES = [32, 1 << 14, 1 << 22]
