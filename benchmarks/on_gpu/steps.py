"""The training step of the review model: ours as `fit` takes it, torch eager and compiled with CUDA graphs, jitted JAX.

All have the samples on the device, draw each batch from a shuffled order there, and take one step: mean of a bag of 500
ids, a layer of 16 with relu, one logit, binary cross-entropy, Adam. Ours moves the table's rows by exact deferred Adam.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

import strop
from strop.layers import Dense, Embedding, GlobalAveragePooling1D

from .optimizers import RATE, compiled
from .place import Place
from .prepared import Prepared
from .tables import reviews

UNITS = 16


DRAWN = 25_000  # reviews; more of them are the same ones again


def _samples(samples: int, length: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    places = np.arange(samples) % DRAWN
    x = reviews(min(samples, DRAWN), length, rows)[places]
    return x, np.random.default_rng(2).integers(0, 2, samples).astype(np.float32)


class Fit:
    """Our epochs: a call is one, `steps` of them long; the host's clock over whole epochs is divided by that."""

    def __init__(self, place: Place, batch: int, length: int, width: int, rows: int, samples: int) -> None:
        strop.utils.set_random_seed(0)
        x, y = _samples(samples, length, rows)
        layers = [
            Embedding(rows, width, mask_zero=True, input_length=length),
            GlobalAveragePooling1D(),
            Dense(UNITS, activation="relu"),
            Dense(1, activation="sigmoid"),
        ]
        self.model = strop.Sequential(layers)
        self.model.compile(optimizer=strop.optimizers.Adam(RATE), loss="binary_crossentropy")
        self.model.to("cuda")
        self.place, self.x, self.y, self.batch = place, place.array(x), place.array(y), batch
        self.steps = -(-samples // batch)
        self.losses: list[float] = []

    def __call__(self, epochs: int = 1) -> None:
        history = self.model.fit(self.x, self.y, batch_size=self.batch, epochs=epochs, verbose=0)
        self.losses += history.history["loss"]

    def seconds(self, budget: float) -> list[float]:
        """Seconds a step, one figure an epoch, after one that captures."""
        self()
        self.place.synchronize()
        found: list[float] = []
        start = time.perf_counter()
        while len(found) < 3 or (len(found) < 30 and time.perf_counter() - start < budget):
            begin = time.perf_counter()
            self()
            self.place.synchronize()
            found.append((time.perf_counter() - begin) / self.steps)
        return found


class TorchSteps:
    """torch's step on static arrays, so that it can be captured; `index` is drawn anew for each call."""

    def __init__(
        self, place: Place, batch: int, x: Any, y: Any, rows: int, width: int, *, whole: bool
    ) -> None:
        torch = self.torch = place.torch
        torch.manual_seed(0)
        device = place.torch_device
        self.bag = torch.nn.EmbeddingBag(rows, width, mode="mean", padding_idx=0, device=device)
        self.head = torch.nn.Sequential(
            torch.nn.Linear(width, UNITS), torch.nn.ReLU(), torch.nn.Linear(UNITS, 1)
        ).to(device)
        self.weights = [*self.bag.parameters(), *self.head.parameters()]
        on_device = {"capturable": True} if whole and not place.simulated else {}
        self.optimizer = torch.optim.Adam(self.weights, lr=RATE, eps=1e-7, fused=True, **on_device)
        self.x, self.y, self.batch, self.place = x, y, batch, place
        self.order = torch.randperm(len(x), device=device)
        self.index = self.order[:batch].clone()
        self.at = 0
        self.loss_of: Any = self._loss
        self.loss: Any = None

    def _loss(self, x: Any, y: Any) -> Any:
        logits = self.head(self.bag(x)).squeeze(1)
        return self.torch.nn.functional.binary_cross_entropy_with_logits(logits, y)

    def _body(self) -> None:
        for weight in self.weights:
            weight.grad = None
        self.loss = self.loss_of(self.x.index_select(0, self.index), self.y.index_select(0, self.index))
        self.loss.backward()
        self.optimizer.step()

    def _draw(self) -> None:
        self.at = 0 if self.at + 2 * self.batch > len(self.order) else self.at + self.batch
        self.index.copy_(self.order[self.at : self.at + self.batch])

    def eager(self) -> None:
        self._draw()
        self._body()

    def captured(self) -> Any:
        """The whole step as one graph, its forward and backward compiled."""
        self.loss_of = compiled(self.place, self._loss)
        for _ in range(3):
            self.eager()
        if self.place.simulated:
            return self.eager
        graph = self.torch.cuda.CUDAGraph()
        self.torch.cuda.synchronize()
        with self.torch.cuda.graph(graph):
            self._body()

        def call() -> None:
            self._draw()
            graph.replay()

        return call

    def partly(self) -> Any:
        """Where a whole step cannot be captured: torch's own graphs around forward and backward."""
        self.loss_of = compiled(self.place, self._loss, mode="reduce-overhead")
        return self.eager


def _jax_step(place: Place, x: Any, y: Any, batch: int, rows: int, width: int) -> Any:
    import optax

    jax, numpy = place.jax, place.jax.numpy
    keys = jax.random.split(jax.random.key(0), 3)
    weights = {
        "table": 0.05 * jax.random.normal(keys[0], (rows, width)),
        "w1": 0.2 * jax.random.normal(keys[1], (width, UNITS)),
        "b1": numpy.zeros(UNITS),
        "w2": 0.2 * jax.random.normal(keys[2], (UNITS, 1)),
        "b2": numpy.zeros(1),
    }
    rule = optax.adam(RATE, eps=1e-7)

    def loss_of(w: Any, ids: Any, target: Any) -> Any:
        real = (ids != 0)[..., None]
        pooled = (numpy.take(w["table"], ids, axis=0) * real).sum(1) / numpy.maximum(real.sum(1), 1)
        z = (jax.nn.relu(pooled @ w["w1"] + w["b1"]) @ w["w2"] + w["b2"])[:, 0]
        return (numpy.logaddexp(0, z) - z * target).mean()

    def one(w: Any, state: Any, x: Any, y: Any, order: Any, at: Any) -> Any:
        index = jax.lax.dynamic_slice(order, (at,), (batch,))
        loss, grads = jax.value_and_grad(loss_of)(w, x[index], y[index])
        updates, state = rule.update(grads, state, w)
        return optax.apply_updates(w, updates), state, loss

    step = jax.jit(one, donate_argnums=(0, 1))
    order = jax.random.permutation(jax.random.key(1), len(x))
    kept: list[Any] = [weights, rule.init(weights)]
    places = [numpy.asarray(b * batch) for b in range(max(1, len(x) // batch))]
    count = [0]

    def call() -> None:
        count[0] += 1
        *kept[:], _ = step(*kept, x, y, order, places[count[0] % len(places)])

    return call


def step(place: Place, batch: int, length: int, width: int, rows: int, samples: int) -> Prepared:
    fit = Fit(place, batch, length, width, rows, samples)
    line = Prepared(
        fit, note=f"ours: whole epochs of {fit.steps} steps by the host's clock, as fit runs them"
    )
    x, y = fit.x, fit.y
    if place.torch is not None:
        given = place.to_torch(x), place.to_torch(y)
        line.peer("torch", lambda: TorchSteps(place, batch, *given, rows, width, whole=False).eager)
        line.peer(
            "torch compiled", lambda: TorchSteps(place, batch, *given, rows, width, whole=True).captured()
        )
        if "torch compiled" in line.failed:
            reason = line.failed["torch compiled"]
            line.note += f"; torch captures forward and backward alone, the whole step failed: {reason}"
            line.peer(
                "torch compiled", lambda: TorchSteps(place, batch, *given, rows, width, whole=False).partly()
            )
    if place.jax is not None:
        line.peer("jax", lambda: _jax_step(place, place.to_jax(x), place.to_jax(y), batch, rows, width))

    def check() -> None:
        fit()
        first = fit.losses[0]
        assert np.isfinite(first), f"a loss of {first}"
        assert 0.3 < first < 1.2, f"a loss of {first} for labels that are drawn"

    line.check = check
    return line
