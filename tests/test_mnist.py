"""MNIST is read from any of its places, and hostile files give a ValueError."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from strop.datasets import mnist


def digits(path, **changed):
    arrays = {
        "x_train": np.arange(3 * 784, dtype=np.uint8).reshape(3, 28, 28),
        "y_train": np.array([5, 0, 9], np.uint8),
        "x_test": np.zeros((1, 28, 28), np.uint8),
        "y_test": np.array([7], np.uint8),
    }
    np.savez_compressed(path, **{k: v for k, v in (arrays | changed).items() if v is not None})
    return path


def test_digits_from_a_path_and_from_a_folder(tmp_path, capsys):
    path = digits(tmp_path / "mnist.npz", y_test=np.array([7], np.int64))
    for place in (path, tmp_path):
        (x, y), (x_test, y_test) = mnist.load_data(place)
        assert (x.shape, x.dtype, y.tolist(), y.dtype) == ((3, 28, 28), np.uint8, [5, 0, 9], np.uint8)
        assert (x_test.shape, y_test.tolist(), y_test.dtype) == ((1, 28, 28), [7], np.uint8)
        x[0] = 0  # the caller's own
    assert capsys.readouterr().out.splitlines() == ["mnist.load_data: digits from the given path"] * 2


def test_the_cache_has_the_published_hash(tmp_path, monkeypatch):
    monkeypatch.setenv("STROP_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("STROP_OFFLINE", "1")
    monkeypatch.delenv("STROP_DATA", raising=False)
    with pytest.raises(OSError, match=r"mnist\.load_data: mnist\.npz must be on disk, since STROP_OFFLINE"):
        mnist.load_data()
    digits(tmp_path / "mnist.npz")
    with pytest.raises(ValueError, match="must have the hash 731c5ac602752760"):
        mnist.load_data()
    monkeypatch.setenv("STROP_DATA", str(tmp_path))
    assert len(mnist.load_data()[0][1]) == 3


@pytest.mark.data
def test_the_real_set(shared):
    (x, y), (x_test, y_test) = mnist.load_data(shared / "data" / "images" / "mnist.npz")
    assert (x.shape, x_test.shape) == ((60000, 28, 28), (10000, 28, 28))
    assert np.bincount(y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert x.mean() == pytest.approx(33.3184, abs=1e-4)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"x_test": None}, "must hold the digits; got no 'x_test'"),
        (
            {"x_train": np.zeros((3, 28, 28))},
            "must hold uint8 (N, 28, 28) and labels (N,); got float64 (3, 28, 28) and uint8 (3,) of train",
        ),
        (
            {"y_train": np.zeros(2, np.uint8)},
            "must hold uint8 (N, 28, 28) and labels (N,); got uint8 (3, 28, 28) and uint8 (2,) of train",
        ),
        ({"y_test": np.array([10])}, "must hold labels in [0, 10); got 10 to 10 of test"),
        ({"y_test": np.array([-1])}, "must hold labels in [0, 10); got -1 to -1 of test"),
    ],
)
def test_other_content_is_refused(tmp_path, changed, text):
    path = digits(tmp_path / "mnist.npz", **changed)
    with pytest.raises(ValueError) as caught:
        mnist.load_data(path)
    assert str(caught.value) == f"mnist.load_data: {path} {text}"


def test_pickles_and_damages_give_only_value_errors(tmp_path):
    rows = np.empty(2, object)
    rows[:] = [[1], [2, 3]]
    with pytest.raises(ValueError, match=r"mnist\.load_data: .* must hold arrays of numbers"):
        mnist.load_data(digits(tmp_path / "mnist.npz", x_train=rows))
    whole = digits(tmp_path / "mnist.npz").read_bytes()
    rng = np.random.default_rng(4)
    for i in range(600):
        content = bytearray(whole)
        if i % 3 == 0:
            content = content[: rng.integers(0, len(content))]
        else:
            for at in rng.integers(0, len(content), rng.integers(1, 6)):
                content[at] = rng.integers(0, 256)
        (tmp_path / "mnist.npz").write_bytes(content)
        with contextlib.suppress(ValueError):
            mnist.load_data(tmp_path / "mnist.npz")
