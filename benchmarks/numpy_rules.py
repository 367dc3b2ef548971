"""Optimizers in NumPy, each written twice: as people write it, and carefully, in place without a temporary.

The rules are torch's, with the defaults of torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray
Step = Callable[[], None]


@dataclass(frozen=True)
class Rule:
    """A rule of both kinds.

    Args:
        name: of the class in `strop.optim` and `torch.optim`.
        settings: what both are given.
        passes: arrays that a fused step reads or writes, of the parameter's size.
        plain: (param, grad, step number, states) to the new parameter and states.
        careful: (param, grad, step number, states, two scratch arrays); all in place.
        states: how many.
    """

    name: str
    settings: dict[str, Any]
    passes: int
    plain: Callable[..., tuple[Array, ...]]
    careful: Callable[..., None]
    states: int

    def stepper(self, params: Sequence[Array], grads: Sequence[Array], *, careful: bool) -> Step:
        """A function that takes a step; the parameters are updated in place."""
        states = [[np.zeros_like(p) for _ in range(self.states)] for p in params]
        most = max(p.size for p in params)
        scratch = [np.zeros(most, params[0].dtype) for _ in range(2)] if careful else []
        count = 0

        def step() -> None:
            nonlocal count
            count += 1
            for p, g, state in zip(params, grads, states, strict=True):
                if careful:
                    self.careful(p, g, count, *state, *(s[: p.size].reshape(p.shape) for s in scratch))
                else:
                    move, *state[:] = self.plain(g, p, count, *state)
                    p -= move

        return step


LR = 1e-3


def sgd_plain(g, p, t, b):
    b = 0.9 * b + g
    return LR * b, b


def sgd_careful(p, g, t, b, a, _):
    b *= 0.9
    b += g
    np.multiply(b, LR, out=a)
    p -= a


def adam_plain(g, p, t, m, v):
    m = 0.9 * m + (1 - 0.9) * g
    v = 0.999 * v + (1 - 0.999) * g**2
    m_hat = m / (1 - 0.9**t)
    v_hat = v / (1 - 0.999**t)
    return LR * m_hat / (np.sqrt(v_hat) + 1e-8), m, v


def adam_careful(p, g, t, m, v, a, b):
    m *= 0.9
    np.multiply(g, 1 - 0.9, out=a)
    m += a
    v *= 0.999
    np.multiply(g, g, out=a)
    a *= 1 - 0.999
    v += a
    np.sqrt(v, out=a)
    a *= 1 / np.sqrt(1 - 0.999**t)
    a += 1e-8
    np.divide(m, a, out=a)
    a *= LR / (1 - 0.9**t)
    p -= a


def adamw_plain(g, p, t, m, v):
    move, m, v = adam_plain(g, p, t, m, v)
    return move + LR * 1e-2 * p, m, v


def adamw_careful(p, g, t, m, v, a, b):
    p *= 1 - LR * 1e-2
    adam_careful(p, g, t, m, v, a, b)


def rmsprop_plain(g, p, t, v):
    v = 0.99 * v + (1 - 0.99) * g**2
    return LR * g / (np.sqrt(v) + 1e-8), v


def rmsprop_careful(p, g, t, v, a, b):
    v *= 0.99
    np.multiply(g, g, out=a)
    a *= 1 - 0.99
    v += a
    np.sqrt(v, out=a)
    a += 1e-8
    np.divide(g, a, out=a)
    a *= LR
    p -= a


def lion_plain(g, p, t, m):
    move = LR * np.sign(0.9 * m + (1 - 0.9) * g)
    return move, 0.99 * m + (1 - 0.99) * g


def lion_careful(p, g, t, m, a, b):
    np.multiply(m, 0.9, out=a)
    np.multiply(g, 1 - 0.9, out=b)
    a += b
    np.sign(a, out=b)  # onto itself it takes 13 times as long
    b *= LR
    p -= b
    m *= 0.99
    np.multiply(g, 1 - 0.99, out=a)
    m += a


def adagrad_plain(g, p, t, s):
    s = s + g**2
    return 1e-2 * g / (np.sqrt(s) + 1e-10), s


def adagrad_careful(p, g, t, s, a, b):
    np.multiply(g, g, out=a)
    s += a
    np.sqrt(s, out=a)
    a += 1e-10
    np.divide(g, a, out=a)
    a *= 1e-2
    p -= a


def adadelta_plain(g, p, t, s, u):
    s = 0.9 * s + (1 - 0.9) * g**2
    move = np.sqrt(u + 1e-6) / np.sqrt(s + 1e-6) * g
    return move, s, 0.9 * u + (1 - 0.9) * move**2


def adadelta_careful(p, g, t, s, u, a, b):
    s *= 0.9
    np.multiply(g, g, out=a)
    a *= 1 - 0.9
    s += a
    np.add(s, 1e-6, out=a)
    np.sqrt(a, out=a)
    np.add(u, 1e-6, out=b)
    np.sqrt(b, out=b)
    b /= a
    b *= g
    p -= b
    u *= 0.9
    b *= b
    b *= 1 - 0.9
    u += b


def adamax_plain(g, p, t, m, u):
    m = 0.9 * m + (1 - 0.9) * g
    u = np.maximum(0.999 * u, np.abs(g) + 1e-8)
    return 2e-3 / (1 - 0.9**t) * m / u, m, u


def adamax_careful(p, g, t, m, u, a, b):
    m *= 0.9
    np.multiply(g, 1 - 0.9, out=a)
    m += a
    u *= 0.999
    np.abs(g, out=a)
    a += 1e-8
    np.maximum(u, a, out=u)
    np.divide(m, u, out=a)
    a *= 2e-3 / (1 - 0.9**t)
    p -= a


def nadam_numbers(t):
    """This step's momentum and the next one's, and the products of all up to each."""
    momenta = [0.9 * (1 - 0.5 * 0.96 ** (4e-3 * i)) for i in range(1, t + 2)]
    return momenta[-2], momenta[-1], np.prod(momenta[:-1]), np.prod(momenta)


def nadam_plain(g, p, t, m, v):
    mu, mu_next, product, product_next = map(float, nadam_numbers(t))
    m = 0.9 * m + (1 - 0.9) * g
    v = 0.999 * v + (1 - 0.999) * g**2
    m_hat = mu_next * m / (1 - product_next) + (1 - mu) * g / (1 - product)
    v_hat = v / (1 - 0.999**t)
    return 2e-3 * m_hat / (np.sqrt(v_hat) + 1e-8), m, v


def nadam_careful(p, g, t, m, v, a, b):
    mu, mu_next, product, product_next = map(float, nadam_numbers(t))
    m *= 0.9
    np.multiply(g, 1 - 0.9, out=a)
    m += a
    v *= 0.999
    np.multiply(g, g, out=a)
    a *= 1 - 0.999
    v += a
    np.sqrt(v, out=a)
    a *= 1 / (1 - 0.999**t) ** 0.5
    a += 1e-8
    np.multiply(m, 2e-3 * mu_next / (1 - product_next), out=b)
    b /= a
    p -= b
    np.multiply(g, 2e-3 * (1 - mu) / (1 - product), out=b)
    b /= a
    p -= b


def radam_numbers(t):
    """What multiplies the mean gradient, and whether the mean square counts yet."""
    most = 2 / (1 - 0.999) - 1
    now = most - 2 * t * 0.999**t / (1 - 0.999**t)
    if now <= 5:
        return LR / (1 - 0.9**t), False
    rectified = ((now - 4) * (now - 2) * most / ((most - 4) * (most - 2) * now)) ** 0.5
    return LR * rectified * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t), True


def radam_plain(g, p, t, m, v):
    factor, adaptive = radam_numbers(t)
    m = 0.9 * m + (1 - 0.9) * g
    v = 0.999 * v + (1 - 0.999) * g**2
    return factor * m / (np.sqrt(v) + 1e-8) if adaptive else factor * m, m, v


def radam_careful(p, g, t, m, v, a, b):
    factor, adaptive = radam_numbers(t)
    m *= 0.9
    np.multiply(g, 1 - 0.9, out=a)
    m += a
    v *= 0.999
    np.multiply(g, g, out=a)
    a *= 1 - 0.999
    v += a
    np.multiply(m, factor, out=a)
    if adaptive:
        np.sqrt(v, out=b)
        b += 1e-8
        a /= b
    p -= a


RULES = [
    Rule("SGD", {"lr": LR, "momentum": 0.9}, 5, sgd_plain, sgd_careful, 1),
    Rule("Adam", {}, 7, adam_plain, adam_careful, 2),
    Rule("AdamW", {}, 7, adamw_plain, adamw_careful, 2),
    Rule("RMSprop", {"lr": LR}, 5, rmsprop_plain, rmsprop_careful, 1),
    Rule("Lion", {"lr": LR}, 5, lion_plain, lion_careful, 1),
    Rule("Adagrad", {}, 5, adagrad_plain, adagrad_careful, 1),
    Rule("Adadelta", {}, 7, adadelta_plain, adadelta_careful, 2),
    Rule("Adamax", {}, 7, adamax_plain, adamax_careful, 2),
    Rule("NAdam", {}, 7, nadam_plain, nadam_careful, 2),
    Rule("RAdam", {}, 7, radam_plain, radam_careful, 2),
]
