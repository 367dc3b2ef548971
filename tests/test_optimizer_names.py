"""docs/optimizer-names.md says what is so of strop, and of torch, Keras and optax where they are installed."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from fractions import Fraction

import numpy as np
import pytest

import strop
from conftest import ROOT, absent

PAGE = (ROOT / "docs" / "optimizer-names.md").read_text()
TOKEN = re.compile(r"`([A-Za-z_][\w.]*)(?:=([^`]+))?`(?: \((strop|torch|Keras)\))?")
#: Where the names of each column stand, in strop and in the peer.
STROP = [["optim", "optim.lr_scheduler"], ["optimizers", "optimizers.schedules", "callbacks"], []]
PEERS = [
    ["torch.optim", "torch.optim.lr_scheduler", "torch.optim.swa_utils", "torch.nn.utils"],
    ["keras.optimizers", "keras.optimizers.schedules", "keras.callbacks"],
    ["optax", "optax.contrib"],
]


def tables():
    """Each table as a list of rows of cells, without its head."""
    for block in re.findall(r"(?:^\|.*\n)+", PAGE, re.M):
        rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        yield rows[0], rows[2:]


SETTINGS = [rows for _, rows in tables() if rows[0][0] == "call"]


def titles():
    return [" ".join(dict.fromkeys(re.findall(r"`(\w+)`", " ".join(rows[0][1:3])))) for rows in SETTINGS]


def tokens(cell):
    """Names, their defaults or None, and the owner, of a cell."""
    for name, value, owner in TOKEN.findall(cell):
        yield name, value or None, owner


def number(text):
    return Fraction(text) if re.fullmatch(r"\d+/\d+", text) else ast.literal_eval(text)


def defaults(thing):
    """The arguments of a function or of a class and its bases, with their defaults."""
    if not isinstance(thing, type):
        return inspect.signature(thing).parameters
    found = {}
    for cls in reversed(thing.__mro__):
        if "__init__" in vars(cls) and cls is not object:
            found |= inspect.signature(cls.__init__).parameters
    return found


def check(rows, column, spaces, owners):
    """Every token of a column of settings is an argument of what the column's call names, or a name beside it."""

    def lookup(name):
        for space in spaces:
            thing = space
            for part in name.split("."):
                thing = getattr(thing, part, None)
            if thing is not None:
                return thing
        return None

    called = next((name for name, _, owner in tokens(rows[0][column]) if owner in owners), None)
    if called is None:
        return
    arguments = defaults(lookup(called)) if lookup(called) is not None else pytest.fail(f"no {called}")
    for row in rows[1:]:
        for name, value, owner in tokens(row[column]):
            if owner not in owners:
                continue
            where = f"{called}, {row[0]}: {name}"
            if name not in arguments:
                assert value is None, where
                assert lookup(name) is not None, where
                continue
            default = arguments[name].default
            if value is None:
                assert default is inspect.Parameter.empty, where
            elif isinstance(number(value), Fraction):
                assert default == float(number(value)), where
            else:
                assert default == number(value), where


@pytest.mark.parametrize("rows", SETTINGS, ids=titles())
def test_the_names_and_defaults_of_strop(rows):
    for column, paths in enumerate(STROP):
        spaces = [importlib.import_module(f"strop.{path}") for path in paths]
        if spaces:
            check(rows, column + 1, spaces, ("", "strop"))


@pytest.mark.parametrize(("column", "owner"), [(0, "torch"), (1, "Keras"), (2, "optax")])
@pytest.mark.filterwarnings("ignore")
def test_the_names_and_defaults_of_the_peers(column, owner, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    try:
        spaces = [importlib.import_module(path) for path in PEERS[column]]
    except ImportError as error:
        absent(owner.lower(), f"{owner} is not installed: {error}")
    for rows in SETTINGS:
        check(rows, column + 1, spaces, ("", owner))


def test_every_scheduler_schedule_and_rule_is_named():
    named = set(re.findall(r"`(\w+)[`(]", PAGE))
    for space in (strop.optim, strop.optim.lr_scheduler):
        assert set(space.__all__) - named <= {"LRScheduler", "Optimizer", "lr_scheduler"}
    assert set(strop.optimizers.registry) <= named
    assert set(strop.optimizers.schedules.registry) <= named


# ---- states ----------------------------------------------------------------

STATES = next(rows for head, rows in tables() if head[0] == "rule")
RULES = {
    "SGD with momentum": ("SGD", "SGD", "sgd", {"momentum": 0.9}),
    "Adam, AdamW, with amsgrad": ("Adam", "Adam", "adam", {"amsgrad": True}),
    "NAdam": ("NAdam", "Nadam", "nadam", {}),
    "RAdam": ("RAdam", None, "radam", {}),
    "Adamax": ("Adamax", "Adamax", "adamax", {}),
    "Adagrad": ("Adagrad", "Adagrad", "adagrad", {}),
    "Adadelta": ("Adadelta", "Adadelta", "adadelta", {}),
    "RMSprop with momentum, centered": ("RMSprop", "RMSprop", "rmsprop", {"momentum": 0.9, "centered": True}),
    "Rprop": ("Rprop", None, "rprop", {}),
    "Lion": ("Lion", "Lion", "lion", {}),
    "LAMB": ("LAMB", "Lamb", "lamb", {}),
}


def words(cell):
    return set(re.findall(r"`(\w+)`", cell))


@pytest.mark.parametrize("row", STATES, ids=[row[0] for row in STATES])
def test_the_names_in_states_of_strop(row):
    torch_name, keras_name, _, settings = RULES[row[0]]
    optimizer = getattr(strop.optim, torch_name)([np.ones(3)], **settings)
    optimizer.step([np.ones(3)])
    assert set(optimizer.state_dict()["state"][0]) == words(row[1])
    if keras_name is not None:
        optimizer = getattr(strop.optimizers, keras_name)(**settings)
        optimizer.apply([np.ones(3)], [np.ones(3)])
        assert {name.split("/")[0] for name in optimizer.state_tensors()} == words(row[2])


@pytest.mark.parametrize("row", STATES, ids=[row[0] for row in STATES])
def test_the_names_in_states_of_torch(row):
    torch = pytest.importorskip("torch", reason="torch is the peer of this test")
    name, *_, settings = RULES[row[0]]
    if name in ("Lion", "LAMB"):
        assert not hasattr(torch.optim, name)
        return
    param = torch.ones(3, requires_grad=True)
    optimizer = getattr(torch.optim, name)([param], **settings)
    param.grad = torch.ones(3)
    optimizer.step()
    assert set(optimizer.state_dict()["state"][0]) == words(row[1])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", STATES, ids=[row[0] for row in STATES])
def test_the_names_in_states_of_optax(row):
    optax = pytest.importorskip("optax", reason="optax is the peer of this test")
    *_, name, settings = RULES[row[0]]
    settings = {key: value for key, value in settings.items() if key != "amsgrad"}

    def fields(state):
        if isinstance(state, tuple):
            return set(getattr(state, "_fields", ())).union(*map(fields, state))
        return set()

    assert words(row[3]) <= fields(getattr(optax, name)(0.1, **settings).init(np.ones(3)))
