"""Damaged and hostile files: a ValueError, nothing run, little memory."""

from __future__ import annotations

import contextlib
import json
import sys
import tracemalloc

import numpy as np
import pytest

import strop
from strop.layers import Dense, Embedding, GlobalAveragePooling1D
from strop.models import load_model


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


AUDITED = []
WATCHED = {"exec", "compile", "pickle.find_class", "os.system", "subprocess.Popen", "marshal.loads"}


def watch(event, _):
    if AUDITED and event in WATCHED:
        AUDITED.append(event)


sys.addaudithook(watch)


def test_thousands_of_damages_give_only_value_errors(tmp_path, whole):
    rng = np.random.default_rng(7)
    path = tmp_path / "m.safetensors"
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
