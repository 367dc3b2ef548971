"""Forked children, many Python threads, environment variables, the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import strop
from conftest import ROOT
from strop.__main__ import main
from strop.layers import Dense, Embedding, GlobalAveragePooling1D

X = np.random.default_rng(0).integers(0, 200, (400, 30))
Y = np.random.default_rng(1).integers(0, 2, 400)


def make():
    strop.utils.set_random_seed(1)
    model = strop.Sequential(
        [Embedding(200, 16), GlobalAveragePooling1D(), Dense(8, "relu"), Dense(1, "sigmoid")]
    )
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


FORK = """
import os, numpy as np, strop
from strop import ops
from strop.layers import Dense
a = np.ones((600, 600), np.float32)
big = np.zeros(6_000_000, np.float32)
def use():
    ops.matmul(a, a)
    ops.adam_step(param=big.copy(), grad=big, moment1=big.copy(), moment2=big.copy(), learning_rate=0.1, step=1)
    model = strop.Sequential([Dense(64, "relu"), Dense(1)])
    model.compile(optimizer="adam", loss="mse")
    model.fit(a[:, :32], np.ones(600), epochs=2, verbose=0)
with strop.config.threads(2):
    use()
    for _ in range(3):
        child = os.fork()
        if child == 0:
            use()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    use()
print("done")
"""


def test_a_forked_child_trains_and_ends():
    assert run(FORK) == (0, "done\n", "")


def test_many_threads_predict_as_one_does():
    model = make()
    model.fit(X, Y, verbose=0)
    want = model.predict(X, verbose=0)
    results = [None] * 32

    def work(i):
        for _ in range(5):
            results[i] = model.predict(X, verbose=0)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        np.testing.assert_array_equal(result, want)


def test_a_second_fit_at_once_is_refused():
    model = make()
    errors = []

    class Meanwhile(strop.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            thread = threading.Thread(target=self.second)
            thread.start()
            thread.join()

        def second(self):
            try:
                model.fit(X, Y, verbose=0)
            except RuntimeError as error:
                errors.append(str(error))

    model.fit(X, Y, verbose=0, callbacks=[Meanwhile()])
    assert errors == ["fit: model must be trained by one call at a time; got a second one"]


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"STROP_ISA": "sse9"}, "ValueError: STROP_ISA: value must be one of baseline"),
        (
            {"STROP_NUM_THREADS": "many"},
            "STROP_NUM_THREADS: value must be a whole number in [1, 1024]; got 'many'",
        ),
        ({"STROP_NUM_THREADS": "0"}, "STROP_NUM_THREADS: value must be a whole number in [1, 1024]; got '0'"),
    ],
)
def test_a_wrong_environment_is_refused_at_import(environment, text):
    code, _, error = run("import strop", **environment)
    assert code == 1
    assert text in error


def test_the_environment_chooses_set_and_threads():
    code = "import strop, os; print(strop.config.isa(), strop.config.num_threads(), os.environ.get('GOMP_SPINCOUNT'))"
    first = next(iter(strop._backend.cpu.built_isas()))
    assert run(code, STROP_ISA=first, STROP_NUM_THREADS="3")[1] == f"{first} 3 None\n"
    assert run(code, OMP_NUM_THREADS="1")[1].split()[1] == "1"


# ---- the command line ------------------------------------------------------


def test_info_shows_the_page(capsys):
    assert main(["info"]) == 0
    text = capsys.readouterr().out
    for word in ("strop", "sets built", "set in use", "threads", "compiler", "cuda", "plot"):
        assert word in text


def test_the_demo_on_a_file_of_ones_own(tmp_path, capsys):
    rng = np.random.default_rng(0)
    good, bad = ["great", "lovely", "brilliant"], ["dull", "awful", "boring"]
    lines = ["label,text"]
    for i in range(200):
        words = (
            rng.choice(good if i % 2 else bad, 4).tolist() + rng.choice(["film", "plot", "scene"], 3).tolist()
        )
        lines.append(f'{i % 2},"{" ".join(words)}"')
    (tmp_path / "reviews.csv").write_text("\n".join(lines))
    output = str(tmp_path / "out")
    code = main(
        ["train", "imdb", "--data", str(tmp_path / "reviews.csv"), "--epochs", "30", "--output", output]
    )
    text = capsys.readouterr().out
    assert code == 0
    assert "Test accuracy 1.0000, precision 1.0000, recall 1.0000" in text
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"reviews.safetensors", "words.json"}
    assert main(["predict", "--model", output, "a lovely film", "a boring scene"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "-> good" in first
    assert "-> bad" in second


def test_mistakes_on_the_command_line_are_one_line(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("wrong,columns\n1,2\n")
    assert main(["train", "imdb", "--data", str(tmp_path / "a.csv")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "must be a CSV with the columns label" in error
    assert main(["predict", "--model", str(tmp_path), "text"]) == 1


@pytest.mark.data
def test_the_keras_script_runs(shared):
    script = ROOT / "examples" / "imdb_keras_script.py"
    data = str(shared / "data" / "imdb")
    done = subprocess.run(
        [sys.executable, script, data, "1"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Epoch 1/1 - loss: " in done.stdout
    accuracy = float(done.stdout.split("Test accuracy: ")[1].split()[0])
    assert accuracy > 0.8
