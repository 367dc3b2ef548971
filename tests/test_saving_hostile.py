"""Damaged and hostile files: a ValueError, nothing run, little memory."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import strop
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.models import load_model, saving


def build():
    model = strop.Sequential([strop.Input((4,)), Embedding(6, 2), GlobalAveragePooling1D(), Dense(1)])
    model.compile(optimizer="adam", loss="mse", metrics=["mae"])
    model.fit(np.zeros((4, 4), int), np.zeros(4), verbose=0)
    return model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "m.safetensors"
    build().save(path)
    return path.read_bytes()


def parts(content):
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.fixture
def ram_path(tmp_path):
    """A path in memory where there is one: emptying a file on a disk takes a millisecond."""
    folder = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=folder) as made:
        yield Path(made) / "m"


AUDITED = []
WATCHED = {
    "exec",
    "import",
    "ctypes.dlopen",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "compile",
    "pickle.find_class",
    "os.system",
    "subprocess.Popen",
    "marshal.loads",
}


def watch(event, _):
    if AUDITED and event in WATCHED:
        AUDITED.append(event)


sys.addaudithook(watch)


def test_thousands_of_damages_give_only_value_errors(ram_path, whole):
    rng = np.random.default_rng(7)
    path = ram_path
    path.write_bytes(whole)
    load_model(path)  # everything is imported now
    AUDITED.append("on")
    try:
        for i in range(4000):
            content = bytearray(whole)
            kind = i % 4
            if kind == 0:
                content = content[: rng.integers(0, len(content))]
            elif kind == 1:
                for at in rng.integers(0, len(content), rng.integers(1, 5)):
                    content[at] = rng.integers(0, 256)
            elif kind == 2:
                at = rng.integers(0, len(content))
                content[at:at] = rng.bytes(rng.integers(1, 20))
            else:
                at = rng.integers(8, 1500)
                del content[at : at + rng.integers(1, 9)]
            path.write_bytes(content)
            with contextlib.suppress(ValueError):  # anything else fails the test
                load_model(path)
    finally:
        events, AUDITED[:] = AUDITED[1:], []
    assert not events


@pytest.mark.parametrize(
    "change",
    [
        lambda h, d: (h | {"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, d),  # overlap
        lambda h, d: (h | {"x": {"dtype": "F32", "shape": [1], "data_offsets": [len(d), len(d) + 4]}}, d),
        lambda h, d: (
            h | {"x": {"dtype": "F32", "shape": [1] * 9, "data_offsets": [len(d), len(d) + 4]}},
            d + b"0000",
        ),
        lambda h, d: (
            h | {"../x": {"dtype": "F32", "shape": [1], "data_offsets": [len(d), len(d) + 4]}},
            d + b"0000",
        ),
        lambda h, d: (
            h | {"x": {"dtype": "O", "shape": [1], "data_offsets": [len(d), len(d) + 8]}},
            d + b"0" * 8,
        ),
        lambda h, d: (h | {"x": {"dtype": "F32", "shape": [-1], "data_offsets": [len(d), len(d) - 4]}}, d),
        lambda h, d: (h | {"x": {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [len(d), len(d)]}}, d),
        lambda h, d: (
            h | {"x": {"dtype": "F32", "shape": [1.0], "data_offsets": [len(d), len(d) + 4]}},
            d + b"0000",
        ),
        lambda h, d: (h, d + b"trailing"),
        lambda h, d: (b"[1, 2]", d),
        lambda h, d: (b'{"a": NaN}', d),
        lambda h, d: (b"[" * 100_000, d),
        lambda h, d: (json.dumps(h).replace("{", '{"__metadata__": {},', 1).encode(), d),  # duplicate key
        lambda h, d: ({k: v for k, v in h.items() if k != "__metadata__"}, d),
    ],
)
def test_a_hostile_header_is_refused(tmp_path, whole, change):
    path = tmp_path / "m.safetensors"
    path.write_bytes(joined(*change(*parts(whole))))
    with pytest.raises(ValueError, match="load_model"):
        load_model(path)


def edited(whole, edit):
    header, data = parts(whole)
    content = json.loads(header["__metadata__"]["strop"])
    edit(content)
    header["__metadata__"]["strop"] = json.dumps(content)
    return joined(header, data)


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.update(format=2),
        lambda c: c["model"]["layers"][0].update({"class": "os.system"}),
        lambda c: c["model"]["layers"][0]["config"].update(input_dim=10**9),
        lambda c: c["model"]["layers"][2]["config"].update(units=2**40),
        lambda c: c["model"]["layers"][2]["config"].update(activation={"class_name": "eval", "config": {}}),
        lambda c: c["model"]["layers"][2]["config"].update(
            kernel_initializer={"class_name": "open", "config": {}}
        ),
        lambda c: c["model"].update(layers=c["model"]["layers"] * 5000),
        lambda c: c["model"].pop("layers"),
        lambda c: c["compile"]["optimizer"].update({"class": "Popen"}),
        lambda c: c["compile"].update(loss={"custom": "print"}),
        lambda c: c.update(iterations=-1),
        lambda c: c.update(iterations="many"),
        lambda c: c.update(random={"seed": 1e300}),
    ],
)
def test_a_hostile_config_is_refused(tmp_path, whole, edit):
    path = tmp_path / "m.safetensors"
    path.write_bytes(edited(whole, edit))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_a_huge_claimed_header_costs_nothing(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")
    tracemalloc.start()
    with pytest.raises(ValueError, match="a header of"):
        load_model(path)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.safetensors")


# ---- headers, message by message -------------------------------------------


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def refusal(path, content, call=load_model):
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        call(path)
    return str(caught.value).replace(str(path), "m")


WHOLE = "load_model: m must be a whole safetensors file; got "


@pytest.mark.parametrize(
    ("header", "size", "problem"),
    [
        ({"a": entry([1], 0, 4), "b": entry([1], 2, 6)}, 6, "a gap or an overlap at byte 2"),
        ({"a": entry([1], 0, 4), "b": entry([1], 0, 4)}, 4, "a gap or an overlap at byte 0"),
        ({"a": entry([1], 0, 4), "b": entry([1], 6, 10)}, 10, "a gap or an overlap at byte 4"),
        ({"a": entry([1], 4, 8)}, 8, "a gap or an overlap at byte 0"),
        ({"a": entry([1], 0, 4)}, 5, "tensors of 4 bytes in 5"),
        ({"a": entry([2], 0, 8)}, 4, "tensors of 8 bytes in 4"),
        ({}, 1, "tensors of 0 bytes in 1"),
        ({"a": entry([2**31, 2**31, 4], 0, 0)}, 0, "0 bytes for shape [2147483648, 2147483648, 4] of 'a'"),
        ({"a": entry([2**63], 0, 0)}, 0, "the shape or the place of 'a'"),
        ({"a": entry([-1], 0, 4)}, 4, "the shape or the place of 'a'"),
        ({"a": entry([True], 0, 4)}, 4, "the shape or the place of 'a'"),
        ({"a": entry([1.0], 0, 4)}, 4, "the shape or the place of 'a'"),
        ({"a": entry("1", 0, 4)}, 4, "the shape or the place of 'a'"),
        ({"a": entry([1] * 9, 0, 4)}, 4, "the shape or the place of 'a'"),
        ({"a": entry([1], 4, 0)}, 4, "-4 bytes for shape [1] of 'a'"),
        ({"a": entry([1], 0, -4)}, 4, "the shape or the place of 'a'"),
        ({"a": entry([1], 0, 4, "O")}, 4, "the dtype 'O' of 'a'"),
        ({"a": entry([1], 0, 4, ["F32"])}, 4, "the dtype ['F32'] of 'a'"),
        ({"a": entry([1], 0, 4) | {"x": 1}}, 4, "an entry of 'a' without dtype, shape and data_offsets"),
        ({"a": []}, 0, "an entry of 'a' without dtype, shape and data_offsets"),
        ({"../../etc/passwd": entry([1], 0, 4)}, 4, "the name '../../etc/passwd'"),
        ({"a b": entry([1], 0, 4)}, 4, "the name 'a b'"),
        ({"": entry([1], 0, 4)}, 4, "the name ''"),
        ({"a" * 256: entry([1], 0, 4)}, 4, f"the name {'a' * 64!r}"),
        ({"a\n": entry([1], 0, 4)}, 4, "the name 'a\\n'"),
        ({"__metadata__": {"a": 1}}, 0, "metadata that is not text"),
        ({"__metadata__": "a"}, 0, "metadata that is not text"),
        (b"[]", 0, "a header that is no object"),
        (b'"a"', 0, "a header that is no object"),
    ],
)
def test_a_header_is_refused_with_what_is_wrong(tmp_path, header, size, problem):
    assert refusal(tmp_path / "m", joined(header, bytes(size))) == WHOLE + problem


@pytest.mark.parametrize("name", ["a" * 255, "A-z_0.9/b"])
def test_names_at_the_edge_are_read(tmp_path, name):
    problem = refusal(
        tmp_path / "m", joined({name: entry([1] * 8, 0, 4), "z": entry([0, 2**62], 4, 4)}, bytes(4))
    )
    assert "in its metadata" in problem  # the header is good


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", WHOLE + "0 bytes"),
        (b"1234567", WHOLE + "7 bytes"),
        (bytes(8), "load_model: m: JSON must be well formed; got Expecting value: line 1 column 1 (char 0)"),
        ((3).to_bytes(8, "little") + b"{}", WHOLE + "a header of 3 bytes in 10"),
        ((2**64 - 1).to_bytes(8, "little") + b"{}", WHOLE + f"a header of {2**64 - 1} bytes in 10"),
        (joined(b'{"a":NaN}', b""), "load_model: m: JSON must be well formed; got the constant NaN"),
        (joined(b'{"a":1,"a":1}', b""), "load_model: m: JSON must be well formed; got a duplicate key"),
        (joined(b"[" * 65, b""), "load_model: m: JSON must be at most 64 levels deep; got more"),
        (joined(b'"\xff"', b""), "load_model: m: JSON must be UTF-8; got invalid start byte"),
        (
            joined({"__metadata__": {"format": "pt"}}, b""),
            "load_model: m must be a model that strop saved; got a file without 'strop' in its metadata",
        ),
        (
            joined({"__metadata__": {"strop": '{"format": 2}'}}, b""),
            "load_model: m must have format 1; got 2",
        ),
        (joined({"__metadata__": {"strop": "[]"}}, b""), "load_model: m must have format 1; got []"),
    ],
)
def test_a_file_is_refused_with_what_is_wrong(tmp_path, content, problem):
    assert refusal(tmp_path / "m", content) == problem


def test_a_header_that_is_too_long_is_not_read(tmp_path):
    length = (16 << 20) + 1
    with (tmp_path / "m").open("wb") as file:
        file.write(length.to_bytes(8, "little"))
        file.truncate(8 + length)
    with pytest.raises(ValueError, match=f"a header of {length} bytes in {8 + length}"):
        load_model(tmp_path / "m")


# ---- settings --------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (
            lambda c: c.update({"class": "Popen"}),
            "model class must be known or in custom_objects; got 'Popen'",
        ),
        (
            lambda c: c["model"]["layers"][0].update({"class": "Embeding"}),
            "layer classes must be known or in custom_objects; got 'Embeding'; did you mean 'Embedding'",
        ),
        (
            lambda c: c["model"]["layers"][2]["config"].update(units=2**40),
            f"'dense/kernel' must be float32 of shape (2, {2**40}); got float32 (2, 1)",
        ),
        (
            lambda c: c["model"]["layers"][0]["config"].update(dtype="float64"),
            "'embedding/embeddings' must be float64 of shape (6, 2); got float32 (6, 2)",
        ),
        (
            lambda c: c["model"]["layers"][2]["config"].update(name="other"),
            "file must hold 'other/kernel'; got none",
        ),
        (
            lambda c: c["model"]["layers"][2]["config"].update(use_bias=False),
            "file must hold the model's weights only; got 'dense/bias' too",
        ),
        (
            lambda c: c["model"].update(layers={}),
            "layers must be a list of at most 10000; got something else",
        ),
        (
            lambda c: c["model"].update(layers=[]),
            "settings must be those of a built model; got no layers or no input shape",
        ),
        (
            lambda c: c["model"].update(build_input_shape=[None, "4"]),
            "build_input_shape must be a list of sizes; got list",
        ),
        (
            lambda c: c["model"].update(build_input_shape=[None, -4]),
            "build_input_shape must be a list of sizes; got list",
        ),
        (lambda c: c.update(iterations=2**31), f"iterations must lie in [0, {2**31 - 1}); got {2**31}"),
        (lambda c: c.update(iterations=True), f"iterations must lie in [0, {2**31 - 1}); got True"),
        (lambda c: c.update(no_decay=["dense"]), "no_decay must name weights; got 'dense'"),
        (
            lambda c: c.update(layer_random={"dense": {}}),
            "random streams must be those of layers with a seed; got ['dense']",
        ),
        (
            lambda c: c["compile"]["optimizer"]["config"].update(amsgrad=True),
            "optimizer state must be ['moment1', 'moment2', 'max_moment2'] of each weight it trains; "
            "got a part of them",
        ),
        (
            lambda c: c["compile"].update(optimizer={"class": "SGD", "config": {"momentum": 0.5}}),
            "optimizer state must be ['velocity'] of the weights; got 'moment1/dense/bias'",
        ),
        (lambda c: c["compile"].update(loss={"custom": "print"}), "custom_objects must have 'print'; got []"),
        (lambda c: c.pop("no_decay"), "m must hold a whole model; got KeyError: 'no_decay'"),
        (
            lambda c: c["model"].update(layers=[3]),
            "layers must be dicts of class and config; got 3",
        ),
    ],
)
def test_settings_are_refused_with_what_is_wrong(tmp_path, whole, edit, problem):
    before = strop._random.get_state()
    assert refusal(tmp_path / "m", edited(whole, edit)) == f"load_model: {problem}"
    assert strop._random.get_state() == before


def nodes(value, path=()):
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from nodes(inner, (*path, key))


WEIRD = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**70, 10**39, 0.5, -0.5, 1e308, 5e-324, "", "a", "relu", "float64",
    "os.system", "__class__", "\ud800", [], [[]], [None], [1, 2], ["a"], {}, {"custom": "a"}, {"custom": []},
    {"class_name": "L2", "config": {"l2": 1}}, {"class_name": [], "config": {}},
    {"class_name": "Dense", "config": None}, {"class": "Dense", "config": {}},
    {"name": "elu", "alpha": 1}, {"self": 1}, {"seed": -1},
]  # fmt: skip


def test_any_setting_may_be_anything(ram_path, whole):
    # Structure stays whole, so that every damage reaches the layers, the loss, the optimizer.
    rng = np.random.default_rng(11)
    header, data = parts(whole)
    text = header["__metadata__"]["strop"]
    places = [path for path in nodes(json.loads(text)) if path]
    before = strop._random.get_state()
    refused = 0
    for i in range(1500):
        content = json.loads(text)
        for _ in range(1 + i % 2):
            holder = content
            *way, last = places[rng.integers(len(places))]
            try:
                for key in way:
                    holder = holder[key]
                weird = WEIRD[rng.integers(len(WEIRD))]
                if rng.integers(6) or not isinstance(holder, dict):
                    holder[last] = weird
                elif rng.integers(2):
                    holder.pop(last)
                else:
                    holder[str(weird)] = weird
            except (TypeError, KeyError, IndexError):
                continue  # the second place was inside the first
        header["__metadata__"]["strop"] = json.dumps(content)
        ram_path.write_bytes(joined(header, data))
        try:
            load_model(ram_path)
        except ValueError:
            refused += 1
            assert strop._random.get_state() == before
        strop._random.set_state(before)
    assert refused > 700


@pytest.mark.parametrize("rule", sorted(strop.optimizers.registry))
def test_a_setting_of_a_rule_may_be_anything(ram_path, rule):
    # What is not refused trains: nothing waits for the first step to surface.
    rng = np.random.default_rng(12)
    model = strop.Sequential([strop.Input((4,)), Dense(1)])
    schedule = strop.optimizers.schedules.CosineDecay(0.1, 10)
    model.compile(optimizer=strop.optimizers.registry[rule](schedule), loss="mse")
    x, y = np.zeros((4, 4)), np.zeros(4)
    model.fit(x, y, verbose=0)
    model.save(ram_path)
    header, data = parts(ram_path.read_bytes())
    text = header["__metadata__"]["strop"]
    settings = json.loads(text)["compile"]["optimizer"]["config"]
    refused = 0
    for way in (path for path in nodes(settings) if path):
        for weird in rng.choice(len(WEIRD), 4, replace=False):
            content = json.loads(text)
            holder = content["compile"]["optimizer"]["config"]
            for key in way[:-1]:
                holder = holder[key]
            holder[way[-1]] = WEIRD[weird]
            header["__metadata__"]["strop"] = json.dumps(content)
            ram_path.write_bytes(joined(header, data))
            try:
                loaded = load_model(ram_path)
            except ValueError:
                refused += 1
            else:
                with np.errstate(all="ignore"):
                    loaded.fit(x, y, verbose=0)
    assert refused > 30


# ---- damage ----------------------------------------------------------------


def damages(whole, rng, count):
    """Files with bytes changed, cut, doubled, or moved; most of it in the header."""
    header_end = 8 + int.from_bytes(whole[:8], "little")
    for i in range(count):
        content = bytearray(whole)
        at = int(rng.integers(0, header_end if i % 8 else len(content)))
        kind = i % 5
        if kind == 0:
            content[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            content[at] = int(rng.integers(256))
        elif kind == 2:
            del content[at : at + int(rng.integers(1, 40))]
        elif kind == 3:
            piece = content[at : at + int(rng.integers(1, 40))]
            to = int(rng.integers(0, header_end))
            content[to:to] = piece
        else:
            content[at : at + 1] = b'{}[]",:0123456789-.eE\\n'[int(rng.integers(23)) :][:1]
        if kind > 1 and i % 3:  # keep the length true, so that the damage gets further
            content[:8] = max(header_end - 8 + len(content) - len(whole), 0).to_bytes(8, "little")
        yield content


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_damage_gives_value_errors_and_runs_nothing(ram_path, count):
    small = strop.Sequential([strop.Input((2,)), Dense(2, activation="relu"), Dense(1)])
    small.compile("sgd", "mse")
    small.save(ram_path)
    whole = ram_path.read_bytes()
    load_model(ram_path)  # everything is imported now
    refused = 0
    peak = 0
    AUDITED.append("on")
    try:
        for i, content in enumerate(damages(whole, np.random.default_rng(count), count)):
            ram_path.write_bytes(content)
            if i % 100 == 0:
                tracemalloc.start()
            try:
                load_model(ram_path)
            except ValueError:  # anything else fails the test
                refused += 1
            if tracemalloc.is_tracing():
                peak = max(peak, tracemalloc.get_traced_memory()[1])
                tracemalloc.stop()
    finally:
        events, AUDITED[:] = AUDITED[1:], []
    assert not events
    assert refused > 0.6 * count
    assert peak < 1 << 20


def test_damaged_weights_leave_the_model_as_it_was(ram_path, whole):
    model = build()
    before, state = model.get_weights(), model.optimizer.state_tensors()
    refused = 0
    for content in damages(whole, np.random.default_rng(5), 1500):
        ram_path.write_bytes(content)
        try:
            model.load_weights(ram_path)
        except ValueError:
            refused += 1
            for got, want in zip(model.get_weights(), before, strict=True):
                np.testing.assert_array_equal(got, want)
        else:
            model.set_weights(before)
    assert refused > 500
    for name, want in model.optimizer.state_tensors().items():
        np.testing.assert_array_equal(want, state[name])


def test_a_file_cut_while_it_is_read_changes_nothing(tmp_path, monkeypatch):
    model, path = strop.Sequential([strop.Input((100,)), Dense(100), Dense(100)]), tmp_path / "m"
    before = model.get_weights()
    model.save_weights(path)
    check = saving.misfit

    def misfit(*arguments):  # the header has been read, most numbers have not
        with path.open("r+b") as file:
            file.truncate(50_000)
        return check(*arguments)

    monkeypatch.setattr(saving, "misfit", misfit)
    with pytest.raises(ValueError) as caught:
        model.load_weights(path)
    assert str(caught.value) == (
        f"load_weights: {path} must be a whole safetensors file; got a file that changes while it is read"
    )
    for got, want in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, want)


# ---- memory ----------------------------------------------------------------


def peak_of(call):
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused_peak(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError):
        load_model(path)  # what is kept from call to call is made now

    def call():
        with pytest.raises(ValueError):
            load_model(path)

    return peak_of(call)


def test_loading_holds_each_number_once(tmp_path):
    # 10 MB of weights, 20 MB of state: a copy of either would show.
    rows = 160_000
    model = strop.Sequential([strop.Input((4,)), Embedding(rows, 16), GlobalAveragePooling1D(), Dense(1)])
    model.compile("adam", "mse")
    model.fit(np.zeros((4, 4), int), np.zeros(4), verbose=0)
    path = tmp_path / "m"
    model.save(path)
    size = path.stat().st_size
    assert peak_of(lambda: load_model(path)) < 1.5 * size
    assert peak_of(lambda: load_model(path, compile=False)) < 0.4 * size
    assert peak_of(lambda: model.load_weights(path)) < 0.4 * size


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c["model"]["layers"][0]["config"].update(input_dim=2**40, output_dim=2**20),
        lambda c: c["model"]["layers"][2]["config"].update(units=2**50),
        # The product of an input and a layer that each look harmless: 4 TB.
        lambda c: c["model"].update(
            layers=[{"class": "Dense", "config": c["model"]["layers"][2]["config"] | {"units": 10**6}}],
            build_input_shape=[None, 3, 10**6],
        ),
        lambda c: c["model"]["layers"][2]["config"].update(
            kernel_initializer={"class_name": "Constant", "config": {"value": 1}}, units=10**9
        ),
        lambda c: c["model"]["layers"][0]["config"].update(weights=[[0] * 10] * 10),
    ],
)
def test_settings_cannot_ask_for_memory(tmp_path, whole, edit):
    assert refused_peak(tmp_path / "m", edited(whole, edit)) < 1 << 20


def test_an_optimizer_without_its_state_makes_none(tmp_path):
    # Adam beside weights alone would be three times the file.
    model = strop.Sequential([strop.Input((1000,)), Dense(1000)])
    model.compile("adam", "mse")
    model.save(tmp_path / "m")
    size = (tmp_path / "m").stat().st_size
    assert peak_of(lambda: load_model(tmp_path / "m")) < 1.2 * size


FILL = (16 << 20) - 200


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":[' + b"{}," * (FILL // 3) + b"0]}",
        b'{"a":[' + b'{"a":0},' * 150_000 + b"0]}",
        b'{"a":[' + b"[[]]," * (FILL // 5) + b"0]}",
        b'{"a":"' + "é".encode() * (FILL // 2) + b'"}',
        b'{"a":"' + "\U0001f600".encode() + b"a" * FILL + b'"}',
        b'{"a":"\\ud83d\\ude00' + b"a" * FILL + b'"}',
        b'{"' + b"a" * FILL + b'":0}',
        b'{"a":{"dtype":"F32","shape":[' + b"1," * 400_000 + b'1],"data_offsets":[0,4]}}',
        b'{"__metadata__":{"strop":"\\ud83d\\ude00' + b"a" * FILL + b'"}}',
        json.dumps({"__metadata__": {"strop": "[" + "[[]]," * 100_000 + "0]"}}).encode(),
        json.dumps({"__metadata__": {"strop": "[" + "{}," * 240_000 + '"' + "a" * 14_000_000 + '"]'}}).encode(),
        json.dumps({"__metadata__": {"strop": '{"format":1,"class":"' + "a" * 16_000_000 + '"}'}}).encode(),
    ],
    ids=[
        "objects", "pairs", "lists", "wide", "widest", "escaped", "name", "axes", "wide settings", "many settings",
        "many and long settings", "long class",
    ],
)  # fmt: skip
def test_a_header_cannot_ask_for_memory(tmp_path, header):
    content = joined(header, b"")
    assert refused_peak(tmp_path / "m", content) < 2 * len(content) + 64_000_000
