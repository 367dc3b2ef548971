"""A model of MyGrad tensors: its hand-written Adam becomes strop's, which updates the tensors' data in place.

pip install mygrad
python examples/mygrad_model.py [steps] [width]
"""

import sys
import time
from itertools import pairwise

import mygrad as mg
import numpy as np
from mygrad.nnet import softmax_crossentropy
from mygrad.nnet.activations import relu

import strop

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
width = int(sys.argv[2]) if len(sys.argv) > 2 else 1024


# ---- the model, as its owner wrote it: nothing here changes
class Model:
    def __init__(self):
        rng = np.random.default_rng(0)
        sizes = [784, width, width, 10]
        self.parameters = []
        for m, n in pairwise(sizes):
            weight = rng.standard_normal((m, n), np.float32) * np.float32(np.sqrt(2 / m))
            self.parameters += [mg.tensor(weight), mg.tensor(np.zeros(n, np.float32))]

    def __call__(self, x):
        w1, b1, w2, b2, w3, b3 = self.parameters
        return relu(relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3


# ---- before: Adam by hand
class HandwrittenAdam:
    def __init__(self, params, lr):
        self.params, self.lr, self.t = params, lr, 0
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]

    def step(self, grads):
        self.t += 1
        for i, g in enumerate(grads):
            self.m[i] = 0.9 * self.m[i] + 0.1 * g
            self.v[i] = 0.999 * self.v[i] + 0.001 * g**2
            m_hat, v_hat = self.m[i] / (1 - 0.9**self.t), self.v[i] / (1 - 0.999**self.t)
            self.params[i] -= self.lr * m_hat / (np.sqrt(v_hat) + 1e-8)


# ---- training, with either
def train(make_optimizer):
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((10, 784), np.float32)
    model = Model()
    optimizer = make_optimizer([tensor.data for tensor in model.parameters])
    losses, in_optimizer, start = [], 0.0, time.perf_counter()
    for _ in range(steps):
        label = rng.integers(0, 10, 64)
        x = np.float32(0.2) * centres[label] + rng.standard_normal((64, 784), np.float32)
        loss = softmax_crossentropy(model(x), label)
        loss.backward()
        begin = time.perf_counter()
        optimizer.step([tensor.grad for tensor in model.parameters])
        in_optimizer += time.perf_counter() - begin
        losses.append(float(loss))
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
