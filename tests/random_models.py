"""Networks drawn from a seed: random layers and settings, branches, layers called twice, masks."""

from __future__ import annotations

import numpy as np

import strop
from strop import config, layers, losses
from torch_formulas import (
    CELLS,
    MERGES,
    NAMES,
    activated,
    averaged,
    convolved,
    grouped,
    loss_by,
    merged,
    pooled,
    standardized,
    stepped,
    torch,
)


class Drawing:
    """A network that is drawn: `draw` calls a layer of ours and notes the formula beside it."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        kind = self.pick("vector", "steps", "steps", "image", "image", "ids", "ids")
        shape = {"image": (self.upto(8), self.upto(8), self.upto(4))}.get(kind, (self.upto(9), self.upto(5)))
        self.x = self.rng.normal(size=(7, *(shape[:1] if kind == "vector" else shape)))
        if kind == "ids":
            self.x = self.rng.integers(0, 6, (7, shape[0]))
            self.x[:, self.rng.integers(shape[0])] = 3  # no empty row: an all-pad row has no mean in torch
        self.nodes, self.tensor = [], strop.Input(self.x.shape[1:])
        if kind == "ids":
            made = layers.Embedding(6, self.upto(5), mask_zero=self.coin())
            zero = made.mask_zero
            self.draw(made, lambda w, x, m, t: (w[0][x], x != 0 if zero else None))
        while len(self.nodes) < 5:
            self.grow()
        shape = self.tensor.shape
        if len(shape) > 2:
            self.flatten() if self.coin() else self.pool_all()
        self.finish()
        self.model = strop.Model(self.input, self.tensor)
        for layer in self.model.layers:
            new = [self.rng.normal(size=a.shape) * 0.5 for a in layer.get_weights()]
            if layer.op == "BatchNormalization":
                new[3] = np.abs(new[3]) + 0.5
            layer.set_weights([a.astype(config.floatx()) for a in new])

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def upto(self, most):
        return int(self.rng.integers(1, most + 1))

    def coin(self):
        return bool(self.rng.random() < 0.5)

    def draw(self, layer, formula, other=None):
        """Append a call; `other` is the place of a second tensor, of a merge."""
        if not self.nodes:
            self.input, self.tensors = self.tensor, [self.tensor]
        given = self.tensor if other is None else [self.tensors[other], self.tensor]
        made = layer(given)
        if 0 in made.shape[1:] or np.prod(made.shape[1:]) > 600:
            return
        self.nodes.append((layer, formula, (*([] if other is None else [other]), len(self.tensors) - 1)))
        self.tensor = made
        self.tensors.append(made)

    def simple(self, layer, function, masked=True):
        self.draw(layer, lambda w, x, m, t: (function(w, x), m if masked else None))

    def grow(self):
        rank, before = len(self.tensor.shape), len(self.tensors) if self.nodes else 1
        by_rank = {2: [self.repeat], 3: [self.conv, self.recurrent, self.recurrent, self.both_ways]}
        by_rank[3] += [self.pool, self.permute]
        by_rank[4] = [self.conv, self.depthwise, self.separable, self.pool, self.permute]
        drawn = self.pick(self.dense, self.activation, self.norm, self.rescale, *by_rank[rank] * 2)
        drawn()
        if self.nodes and len(self.tensors) > before and self.coin():
            shape, old = self.tensor.shape, before - 1
            name = self.pick(*MERGES)
            same = self.tensors[old].shape == shape
            if same or (name == "Concatenate" and self.tensors[old].shape[:-1] == shape[:-1]):
                self.merge(name, old)

    def merge(self, name, old):
        def formula(w, a, b, masks, t):
            return merged(name, a, b, masks), None if None in masks else masks[0]

        self.draw(getattr(layers, name)(), formula, other=old)

    def dense(self):
        name, units = self.pick(*NAMES), self.upto(7)
        if self.coin():
            units = self.tensor.shape[-1]
        layer = layers.Dense(units, activation=name)
        if len(self.tensor.shape) == 3 and self.coin():
            layer = layers.TimeDistributed(layer)
        for _ in range(2 if units == self.tensor.shape[-1] else 1):  # called twice: the sum of both gradients
            self.simple(layer, lambda w, x: activated(x @ w[0] + w[1], name))

    def activation(self):
        name = self.pick(*NAMES)
        self.simple(layers.Activation(name), lambda w, x: activated(x, name))

    def rescale(self):
        self.simple(layers.Rescaling(0.7, 0.2), lambda w, x: x * 0.7 + 0.2)

    def repeat(self):
        n = self.upto(3)
        self.simple(layers.RepeatVector(n), lambda w, x: x[:, None].expand(-1, n, -1))

    def permute(self):
        order = [int(i) + 1 for i in self.rng.permutation(len(self.tensor.shape) - 1)]
        self.simple(layers.Permute(order), lambda w, x: x.permute(0, *order), masked=False)

    def flatten(self):
        self.simple(layers.Flatten(), lambda w, x: x.flatten(1), masked=False)

    def norm(self):
        channels = self.tensor.shape[-1]
        kind = self.pick("Batch", "Layer", "Group")
        if kind == "Batch":

            def formula(w, x, m, training):
                axes = tuple(range(x.ndim - 1))
                if training:
                    return standardized(w, x, axes, 1e-2, m, (w[2], w[3], 0.8)), m
                return (x - w[2]) / (w[3] + 1e-2).sqrt() * w[0] + w[1], m

            self.draw(layers.BatchNormalization(epsilon=1e-2, momentum=0.8), formula)
        elif kind == "Layer":
            self.simple(layers.LayerNormalization(epsilon=1e-2), lambda w, x: standardized(w, x, -1, 1e-2))
        else:
            groups = self.pick(*[g for g in range(1, channels + 1) if channels % g == 0])

            self.simple(layers.GroupNormalization(groups, epsilon=1e-2), lambda w, x: grouped(w, x, groups))

    def windows(self, *paddings, square=False):
        """Settings of a layer of windows, in Keras' words and as tuples; never strides and dilation both."""
        rank = len(self.tensor.shape) - 2
        size = tuple(self.upto(3) for _ in range(rank))
        wide = tuple(self.upto(3) for _ in range(1 if square else rank)) * (rank if square else 1)
        one, stretched = (1,) * rank, self.coin()
        stride, dilation, padding = (
            one if stretched else wide,
            wide if stretched else one,
            self.pick(*paddings),
        )
        reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
        if padding == "valid" and any(n < r for n, r in zip(self.tensor.shape[1:-1], reach, strict=True)):
            padding = "same"
        words = {"strides": stride, "dilation_rate": dilation, "padding": padding}
        return {"kernel_size": size} | words, {
            "size": size, "stride": stride, "dilation": dilation, "padding": padding,
        }  # fmt: skip

    def conv(self):
        rank, groups = len(self.tensor.shape) - 2, self.pick(1, 1, self.tensor.shape[-1])
        words, own = self.windows("valid", "same", *(["causal"] if rank == 1 else []))
        name = self.pick(*NAMES)
        made = (layers.Conv1D if rank == 1 else layers.Conv2D)(
            groups * self.upto(3), groups=groups, activation=name, **words
        )
        function = lambda w, x: activated(convolved(w[0], x, groups=groups, **own) + w[1], name)  # noqa: E731
        self.simple(made, function, masked=False)

    def depthwise(self):
        words, own = self.windows("valid", "same", square=True)
        made = layers.DepthwiseConv2D(depth_multiplier=self.upto(2), **words)
        self.simple(made, lambda w, x: convolved(w[0], x, True, **own) + w[1])

    def separable(self):
        words, own = self.windows("valid", "same", square=True)
        made = layers.SeparableConv2D(self.upto(4), depth_multiplier=self.upto(2), **words)
        self.simple(made, lambda w, x: convolved(w[0], x, True, **own) @ w[1][0, 0] + w[2])

    def pool(self):
        _, own = self.windows("valid", "same")
        kind, size, stride, padding = self.pick("Max", "Average"), own["size"], own["stride"], own["padding"]
        made = getattr(layers, f"{kind}Pooling{len(size)}D")(size, strides=stride, padding=padding)
        self.simple(made, lambda w, x: pooled(x, kind, size, stride, padding), masked=False)

    def pool_all(self):
        rank = len(self.tensor.shape) - 2
        axes = tuple(range(1, rank + 1))
        if self.coin():
            return self.simple(
                getattr(layers, f"GlobalMaxPooling{rank}D")(), lambda w, x: x.amax(axes), False
            )

        layer = getattr(layers, f"GlobalAveragePooling{rank}D")()
        return self.draw(layer, lambda w, x, m, t: (averaged(x, m, axes), None))

    def cell(self):
        """A recurrent layer and its formula's settings."""
        name, act, back = self.pick(*CELLS), self.pick("tanh", "relu", "softsign"), self.coin()
        own = {"cell": name, "act": act, "back": back, "sequences": self.coin()}
        words = {"activation": act, "go_backwards": back, "return_sequences": own["sequences"]}
        if name == "GRU":
            own["after"] = words["reset_after"] = self.coin()
        return getattr(layers, name)(self.upto(5), **words), own

    def recurrent(self):
        layer, own = self.cell()
        kept = own["sequences"]
        self.draw(layer, lambda w, x, m, t: (stepped(w, x, m, **own), m if kept else None))

    def both_ways(self):
        layer, own = self.cell()
        mode = self.pick("concat", "sum", "mul", "ave")
        own = own | {"zeros": own["sequences"]}
        join = {
            "concat": "Concatenate", "sum": "Add", "mul": "Multiply", "ave": "Average",
        }[mode]  # fmt: skip

        def formula(w, x, m, t):
            a, b = (stepped(w[i : i + 3], x, m, **own | {"back": own["back"] ^ (i > 0)}) for i in (0, 3))
            b = b.flip(1) if own["sequences"] else b
            return MERGES[join](a, b), m if own["sequences"] else None

        self.draw(layers.Bidirectional(layer, merge_mode=mode), formula)

    def finish(self):
        """The last layer, the loss and its formula, and targets."""
        count, classes = len(self.x), self.rng.integers(2, 5)
        kind, logits = (
            self.pick("mse", "mae", "huber", "log_cosh", "binary", "classes", "classes"),
            self.coin(),
        )
        units = int({"binary": 1, "classes": classes}.get(kind, 2))
        name = None if logits else {"binary": "sigmoid", "classes": "softmax"}.get(kind)
        last = layers.Dense(units, activation=name)
        self.simple(last, lambda w, x: activated(x @ w[0] + w[1], name or "linear"))
        self.by = lambda p, y: loss_by(kind, logits)(p, y)
        if kind == "binary":
            self.y = self.rng.integers(0, 2, (count, 1)).astype(float)
            self.loss = losses.BinaryCrossentropy(from_logits=logits)
        elif kind == "classes":
            self.y = self.rng.integers(0, classes, count)
            self.loss = losses.SparseCategoricalCrossentropy(from_logits=logits)
        else:
            self.y, self.loss = self.rng.normal(size=(count, units)), losses.get(kind)

    def torch_output(self, weights, training):
        values = [(torch.tensor(self.x), None)]
        for layer, formula, places in self.nodes:
            given, masks = zip(*(values[i] for i in places), strict=True)
            values.append(
                formula(weights[layer.name], *given, masks if len(places) > 1 else masks[0], training)
            )
        return values[-1][0]
