"""Layers' formulas in torch's functions, channels last, on the weights that our layers have."""

from __future__ import annotations

import numpy as np

try:
    import torch
    from torch.nn import functional as F  # noqa: N812
except ImportError:  # the networks are drawn without it
    torch = F = None

CELLS = ("SimpleRNN", "LSTM", "GRU")
SIMPLE = [
    *("relu", "elu", "selu", "gelu", "silu", "softplus"),
    *("softsign", "tanh", "sigmoid", "mish", "leaky_relu", "relu6"),
]
NAMES = [*SIMPLE, "hard_sigmoid", "exponential", "linear", "softmax", "log_softmax"]
MERGES = {
    "Add": lambda a, b: a + b,
    "Subtract": lambda a, b: a - b,
    "Multiply": lambda a, b: a * b,
    "Average": lambda a, b: (a + b) / 2,
    "Maximum": lambda a, b: torch.maximum(a, b),
    "Minimum": lambda a, b: torch.minimum(a, b),
    "Concatenate": lambda a, b: torch.cat([a, b], -1),
}
NEUTRAL = {"Multiply": 1.0, "Maximum": -np.inf, "Minimum": np.inf}


def merged(name, a, b, masks):
    """Two tensors merged; a masked step of one counts as neutral, of both as 0."""
    if name not in NEUTRAL:
        return MERGES[name](a, b)
    kept = [m if m is None else m[..., None] for m in masks]
    a, b = (x if m is None else torch.where(m, x, NEUTRAL[name]) for x, m in zip((a, b), kept, strict=True))
    y = MERGES[name](a, b)
    return y if None in masks else torch.where(kept[0] | kept[1], y, 0.0)


def activated(x, name):
    """An activation; torch's own hardsigmoid has 1/6 in float32."""
    if name in SIMPLE:
        return F.leaky_relu(x, 0.2) if name == "leaky_relu" else getattr(F, name)(x)
    if name in ("softmax", "log_softmax"):
        return getattr(F, name)(x, dim=-1)
    return {"linear": x, "exponential": x.exp(), "hard_sigmoid": (x / 6 + 0.5).clamp(0, 1)}[name]


def padded(x, size, stride, dilation, padding, value=0.0):
    """Channels first, padded as Keras does it: an odd one goes behind."""
    both = []
    for n, k, s, d in zip(x.shape[1:-1], size, stride, dilation, strict=True):
        reach = (k - 1) * d
        total = max((-(-n // s) - 1) * s + reach + 1 - n, 0)
        front = {"valid": 0, "causal": reach, "same": total // 2}[padding]
        both = [front, total - front if padding == "same" else 0, *both]
    return F.pad(x.movedim(-1, 1), both, value=value)


def convolved(w, x, depthwise=False, *, size, stride, dilation, padding, groups=1):
    x = padded(x, size, stride, dilation, padding)
    w = w.movedim((-1, -2), (0, 1))
    if depthwise:
        groups, w = x.shape[1], w.transpose(0, 1).reshape(-1, 1, *size)
    f = F.conv1d if len(size) == 1 else F.conv2d
    return f(x, w, None, stride, 0, dilation, groups).movedim(1, -1)


def pooled(x, kind, size, stride, padding):
    one = (1,) * len(size)
    if kind == "Max":
        x = padded(x, size, stride, one, padding, -np.inf)
        return (F.max_pool1d if len(size) == 1 else F.max_pool2d)(x, size, stride).movedim(1, -1)
    f = F.avg_pool1d if len(size) == 1 else F.avg_pool2d
    sums, counts = (f(padded(a, size, stride, one, padding), size, stride) for a in (x, torch.ones_like(x)))
    return (sums / counts).movedim(1, -1)


def stepped(w, x, mask, cell, act="tanh", after=True, back=False, sequences=True, zeros=False):
    """A recurrent layer step by step; a masked step copies the state, and its output or 0."""
    h = c = x.new_zeros(len(x), w[1].shape[0])
    outputs = []
    for t in range(x.shape[1])[:: -1 if back else 1]:
        if cell == "GRU":
            xz, xr, xn = (x[:, t] @ w[0] + (w[2][0] if after else w[2])).chunk(3, -1)
            recurrent = w[1].chunk(3, -1)
            bias = w[2][1].chunk(3) if after else (0, 0, 0)
            z, r = (torch.sigmoid(a + h @ recurrent[i] + bias[i]) for i, a in enumerate((xz, xr)))
            inner = r * (h @ recurrent[2] + bias[2]) if after else (r * h) @ recurrent[2]
            new, cell_state = z * h + (1 - z) * activated(xn + inner, act), c
        else:
            gates = x[:, t] @ w[0] + h @ w[1] + w[2]
            new, cell_state = activated(gates, act), c
            if cell == "LSTM":
                i, f, g, o = gates.chunk(4, -1)
                cell_state = torch.sigmoid(f) * c + torch.sigmoid(i) * activated(g, act)
                new = torch.sigmoid(o) * activated(cell_state, act)
        kept = torch.ones_like(h, dtype=torch.bool) if mask is None else mask[:, t, None]
        h, c = torch.where(kept, new, h), torch.where(kept, cell_state, c)
        outputs.append(torch.where(kept, h, 0.0) if zeros else h)
    return torch.stack(outputs, 1) if sequences else h


def standardized(w, x, axes, epsilon, mask=None, moving=None):
    """(x - mean) / sqrt(variance + epsilon), scaled and shifted; moving: (mean, variance, momentum), moved."""
    part = torch.ones_like(x) if mask is None else mask[..., None].expand_as(x).to(x.dtype)
    mean = (x * part).sum(axes, True) / part.sum(axes, True)
    variance = ((x - mean) ** 2 * part).sum(axes, True) / part.sum(axes, True)
    for old, now in zip(moving[:2], (mean, variance), strict=True) if moving else ():
        old.mul_(moving[2]).add_(now.detach().flatten(), alpha=1 - moving[2])
    return (x - mean) / (variance + epsilon).sqrt() * w[0] + w[1]


def averaged(x, mask, axes):
    """The mean over steps or places, of those that a mask keeps."""
    part = torch.ones_like(x) if mask is None else mask[..., None].expand_as(x).to(x.dtype)
    return (x * part).sum(axes) / part.sum(axes)


def grouped(w, x, groups):
    """GroupNormalization with an epsilon of 1e-2."""
    parts = x.reshape(*x.shape[:-1], groups, -1)
    axes = (*range(1, x.ndim - 1), x.ndim)
    return standardized([a.reshape(groups, -1) for a in w], parts, axes, 1e-2).reshape(x.shape)


def loss_by(kind, logits):
    """The loss of (output, target)."""
    return {
        "mse": F.mse_loss,
        "mae": F.l1_loss,
        "huber": F.huber_loss,
        "log_cosh": lambda p, y: (p - y).cosh().log().mean(),
        "binary": F.binary_cross_entropy_with_logits if logits else F.binary_cross_entropy,
        "classes": F.cross_entropy if logits else lambda p, y: F.nll_loss(p.log(), y),
    }[kind]
