"""A network in plain NumPy with its own back-propagation: its hand-written Adam becomes one line.

python examples/numpy_network.py [steps] [width]
"""

import sys
import time
from itertools import pairwise

import numpy as np

import strop

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
width = int(sys.argv[2]) if len(sys.argv) > 2 else 1024


# ---- the model, as its owner wrote it: nothing here changes
def make_params():
    rng = np.random.default_rng(0)
    sizes = [784, width, width, 10]
    params = []
    for fan_in, fan_out in pairwise(sizes):
        params.append((rng.standard_normal((fan_in, fan_out)) * np.sqrt(2 / fan_in)).astype(np.float32))
        params.append(np.zeros(fan_out, np.float32))
    return params


def loss_and_grads(params, x, label):
    inputs = []
    for i in range(0, len(params), 2):  # forward; relu between the layers
        inputs.append(x)
        x = x @ params[i] + params[i + 1]
        if i + 2 < len(params):
            x = np.maximum(x, 0)
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    n = np.arange(len(label))
    loss = -np.log(p[n, label]).mean()
    p[n, label] -= 1
    delta = p / np.float32(len(label))
    grads = []
    for i in reversed(range(0, len(params), 2)):  # backward
        grads[:0] = [inputs[i // 2].T @ delta, delta.sum(axis=0)]
        delta = (delta @ params[i].T) * (inputs[i // 2] > 0)
    return float(loss), grads


# ---- before: Adam by hand
class HandwrittenAdam:
    def __init__(self, params, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.params, self.lr, self.beta1, self.beta2, self.eps = params, lr, beta1, beta2, eps
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]
        self.t = 0

    def step(self, grads):
        self.t += 1
        for i, g in enumerate(grads):
            self.m[i] = self.beta1 * self.m[i] + (1 - self.beta1) * g
            self.v[i] = self.beta2 * self.v[i] + (1 - self.beta2) * g**2
            m_hat = self.m[i] / (1 - self.beta1**self.t)
            v_hat = self.v[i] / (1 - self.beta2**self.t)
            self.params[i] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


# ---- training, with either
def train(make_optimizer):
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((10, 784), np.float32)
    params = make_params()
    optimizer = make_optimizer(params)
    losses, in_optimizer, start = [], 0.0, time.perf_counter()
    for _ in range(steps):
        label = rng.integers(0, 10, 64)
        x = 0.2 * centres[label] + rng.standard_normal((64, 784), np.float32)
        loss, grads = loss_and_grads(params, x, label)
        begin = time.perf_counter()
        optimizer.step(grads)
        in_optimizer += time.perf_counter() - begin
        losses.append(loss)
    return losses, in_optimizer, time.perf_counter() - start


runs = {
    "before": train(lambda params: HandwrittenAdam(params, lr=1e-3)),
    "after": train(lambda params: strop.optim.Adam(params, lr=1e-3)),  # the line that changes
}
for name, (losses, in_optimizer, total) in runs.items():
    print(f"{name:7} loss {losses[-1]:.6f}, {in_optimizer:.2f} s in the optimizer, {total:.2f} s in all")
difference = np.abs(np.subtract(runs["before"][0], runs["after"][0])).max()
ratio = runs["before"][1] / runs["after"][1]
print(f"the optimizer is {ratio:.1f} times as fast; no loss differs by more than {difference:.0e}")
