"""The state of the torch dialect: torch's layout, bit for bit, all or nothing; in a file too."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import safetensors.numpy

from strop import RowGrad, optim

RULES = [
    (optim.SGD, {}, set()),
    (optim.SGD, {"momentum": 0.9, "dampening": 0.5}, {"momentum_buffer"}),
    (optim.Adam, {}, {"step", "exp_avg", "exp_avg_sq"}),
    (optim.Adam, {"amsgrad": True}, {"step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"}),
    (optim.AdamW, {}, {"step", "exp_avg", "exp_avg_sq"}),
    (optim.SparseAdam, {}, {"step", "exp_avg", "exp_avg_sq"}),
    (optim.NAdam, {}, {"step", "mu_product", "exp_avg", "exp_avg_sq"}),
    (optim.RAdam, {}, {"step", "exp_avg", "exp_avg_sq"}),
    (optim.Adamax, {}, {"step", "exp_avg", "exp_inf"}),
    (optim.Adagrad, {"lr_decay": 0.1}, {"step", "sum"}),
    (optim.Adadelta, {}, {"step", "square_avg", "acc_delta"}),
    (optim.RMSprop, {}, {"step", "square_avg"}),
    (
        optim.RMSprop,
        {"momentum": 0.9, "centered": True},
        {"step", "square_avg", "momentum_buffer", "grad_avg"},
    ),
    (optim.Rprop, {}, {"step", "prev", "step_size"}),
    (optim.Lion, {}, {"step", "exp_avg"}),
    (optim.LAMB, {}, {"step", "exp_avg", "exp_avg_sq"}),
]
SHAPES = [(3, 2), (), (0, 4), (5,)]


def make(cls, settings, seed=3):
    rng = np.random.default_rng(seed)
    params = [rng.standard_normal(shape) for shape in SHAPES]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.02}]
    return params, cls(groups, lr=0.01, **settings)


def steps(optimizer, seed, count=3):
    rng = np.random.default_rng(seed)
    for step in range(count):
        grads = [np.asarray(rng.standard_normal(shape)) for shape in SHAPES]
        grads[step % 2] = None
        optimizer.step(grads)


def message(call, *args, **kwargs):
    with pytest.raises((TypeError, ValueError)) as caught:
        call(*args, **kwargs)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize(("cls", "settings", "keys"), RULES)
@pytest.mark.parametrize("through_file", [False, True])
def test_a_run_goes_on_bit_for_bit(cls, settings, keys, through_file, tmp_path):
    params, optimizer = make(cls, settings)
    steps(optimizer, 1)
    optimizer.param_groups[1] |= {"lr": 0.3, "initial_lr": 0.02}
    kept = optimizer.state_dict()
    assert all(set(state) == keys for state in kept["state"].values())
    optimizer.save(tmp_path / "a.safetensors")
    start = copy.deepcopy(params)
    steps(optimizer, 2)

    others, twin = make(cls, settings, seed=4)
    steps(twin, 5, count=1)
    for other, wanted in zip(others, start, strict=True):
        other[...] = wanted
    if through_file:
        twin.load(tmp_path / "a.safetensors")
    else:
        twin.load_state_dict(kept)
        for state in kept["state"].values():  # copies, here and there
            for value in state.values():
                if isinstance(value, np.ndarray):
                    value[...] = np.nan
    assert twin.param_groups[1]["lr"] == 0.3
    assert twin.param_groups[1]["initial_lr"] == 0.02
    steps(twin, 2)
    for other, wanted in zip(others, params, strict=True):
        np.testing.assert_array_equal(other, wanted)
    np.testing.assert_equal(twin.state_dict(), optimizer.state_dict())


def test_a_deferred_table_goes_on_bit_for_bit(rng):
    grads = [RowGrad(rng.integers(0, 9, 3), rng.standard_normal((3, 2)), (9, 2)) for _ in range(20)]
    table, other = np.ones((9, 2)), np.zeros((9, 2))
    optimizer, twin = (optim.AdamW([t], lr=0.1, sparse="exact") for t in (table, other))
    twin.step(grads[:1])
    for grad in grads[:10]:
        optimizer.step([grad])
    kept = optimizer.state_dict()
    other[...] = table  # caught up by state_dict
    twin.load_state_dict(kept)
    np.testing.assert_array_equal(other, table)
    for each in (optimizer, twin):
        for grad in grads[10:]:
            each.step([grad])
        each.flush()
    np.testing.assert_array_equal(other, table)


def test_the_layout_is_torchs():
    optimizer = optim.Adam([{"params": {"W": np.ones(2)}}, {"params": {"b": np.ones(1)}, "lr": 0.5}])
    optimizer.step([np.ones(2), None])
    kept = optimizer.state_dict()
    assert set(kept) == {"state", "param_groups"}
    assert list(kept["state"]) == [0]
    assert kept["state"][0]["step"] == 1
    assert [group["params"] for group in kept["param_groups"]] == [[0], [1]]
    assert [group["param_names"] for group in kept["param_groups"]] == [["W"], ["b"]]
    assert kept["param_groups"][1]["lr"] == 0.5


def test_names_are_matched_whatever_their_order():
    a, b = np.ones(1), np.ones(2)
    one = optim.Adam({"a": a, "b": b})
    one.step({"a": np.ones(1), "b": np.full(2, 2.0)})
    two = optim.Adam({"b": b.copy(), "a": a.copy()})
    two.load_state_dict(one.state_dict())
    np.testing.assert_array_equal(two.state[0]["exp_avg"], one.state[1]["exp_avg"])
    assert two.param_groups[0]["param_names"] == ["b", "a"]


def changed(change):
    kept = make(optim.Adam, {})[1]
    steps(kept, 1, count=4)
    kept = kept.state_dict()
    change(kept)
    return kept


def set_in(*path, value):
    def change(kept):
        for key in path[:-1]:
            kept = kept[key]
        kept[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "want"),
    [
        (
            lambda kept: kept.pop("state"),
            "be a dict with 'state', a dict, and 'param_groups', a list; got none",
        ),
        (lambda kept: kept["param_groups"].pop(), "have as many groups as the optimizer (2); got 1"),
        (
            lambda kept: kept["param_groups"][1]["params"].pop(),
            "have as many params in group 1 as the optimizer (3); got 2",
        ),
        (set_in("param_groups", 0, value=7), "have as many params in group 0 as the optimizer (1); got none"),
        (
            set_in("param_groups", 1, "params", 0, value=0),
            "name each of its params once; got 0",
        ),
        (set_in("state", 9, value={}), "be of these params alone; got one for 9"),
        (set_in("state", 0, value=[]), "hold a dict for params[0][0]; got list"),
        (
            lambda kept: kept["state"][0].pop("exp_avg"),
            "hold step, exp_avg, exp_avg_sq for params[0][0]; got no 'exp_avg'",
        ),
        (
            set_in("state", 0, "momentum_buffer", value=np.ones((3, 2))),
            "hold step, exp_avg, exp_avg_sq for params[0][0]; got 'momentum_buffer' too",
        ),
        (
            set_in("state", 3, "exp_avg", value=np.ones(6)),
            "have 'exp_avg' of params[1][2] as float64 of shape (5,); got float64 (6,)",
        ),
        (
            set_in("state", 3, "exp_avg_sq", value=np.ones(5, np.float32)),
            "have 'exp_avg_sq' of params[1][2] as float64 of shape (5,); got float32 (5,)",
        ),
        (
            set_in("state", 3, "step", value=1.5),
            "have a whole number in [0, 2147483647) as 'step' of params[1][2]; got 1.5",
        ),
        (
            set_in("state", 3, "step", value=-1),
            "have a whole number in [0, 2147483647) as 'step' of params[1][2]; got -1.0",
        ),
        (
            set_in("state", 3, "step", value="x"),
            "have a number as 'step' of params[1][2]; got str",
        ),
        (
            set_in("param_groups", 1, "lr", value=np.inf),
            "have the settings of Adam in group 1; Adam: lr must be a finite number; got inf",
        ),
        (
            lambda kept: kept["param_groups"][1].pop("betas"),
            "have the settings of Adam in group 1; "
            "Adam: param_groups must have every setting; got none for 'betas'",
        ),
    ],
)
def test_a_state_of_another_optimizer_changes_nothing(change, want):
    params, optimizer = make(optim.Adam, {})
    steps(optimizer, 6)
    before = copy.deepcopy(params), optimizer.state_dict()
    assert message(optimizer.load_state_dict, changed(change)) == f"ValueError: Adam: state must {want}"
    np.testing.assert_equal((params, optimizer.state_dict()), before)


def test_a_state_of_other_names_is_refused():
    one, two = optim.SGD({"a": np.ones(1)}), optim.SGD({"b": np.ones(1)})
    assert message(two.load_state_dict, one.state_dict()) == (
        "ValueError: SGD: state must have the param_names ['b'] in group 0; got ['a']"
    )


def test_flags_that_older_states_lack_take_their_defaults():
    optimizer = optim.Adam([np.ones(1)])
    kept = optimizer.state_dict()
    del kept["param_groups"][0]["maximize"], kept["param_groups"][0]["decoupled_weight_decay"]
    optimizer.load_state_dict(kept)
    assert optimizer.param_groups[0]["maximize"] is False


def test_adamw_stays_decoupled_whatever_it_loads():
    kept = optim.Adam([np.ones(1)], weight_decay=0.1).state_dict()
    optimizer = optim.AdamW([np.ones(1)])
    optimizer.load_state_dict(kept)
    assert optimizer.param_groups[0]["decoupled_weight_decay"] is True


# ---- files ------------------------------------------------------------------


def test_any_safetensors_reader_opens_the_file(tmp_path):
    _, optimizer = make(optim.Adam, {})
    steps(optimizer, 1)
    optimizer.save(tmp_path / "a.strop")
    tensors = safetensors.numpy.load_file(tmp_path / "a.strop")
    np.testing.assert_array_equal(tensors["state/3/exp_avg"], optimizer.state[3]["exp_avg"])


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("a.pt", "ValueError: Adam: filepath must end in .safetensors or .strop; got 'a.pt'"),
        (3, "TypeError: Adam: filepath must be a text or a path; got int"),
    ],
)
def test_file_names_that_lie_are_refused(name, want):
    optimizer = optim.Adam([np.ones(1)])
    assert message(optimizer.save, name) == want
    assert message(optimizer.load, name) == want


def test_an_existing_file_is_kept_if_asked(tmp_path):
    path = tmp_path / "a.strop"
    path.write_text("mine")
    with pytest.raises(FileExistsError):
        optim.Adam([np.ones(1)]).save(path, overwrite=False)
    assert path.read_text() == "mine"


def test_a_setting_that_json_lacks_is_refused(tmp_path):
    optimizer = optim.Adam([np.ones(1)])
    optimizer.param_groups[0]["mine"] = {1, 2}
    assert message(optimizer.save, tmp_path / "a") == (
        "ValueError: Adam: settings of param_groups must be what JSON holds; "
        "got Object of type set is not JSON serializable"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_another_rule_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    optim.SGD([np.ones(1)]).save("a")
    assert message(optim.Adam([np.ones(1)]).load, "a") == (
        "ValueError: Adam: a must hold the state of Adam; got SGD"
    )


def test_a_damaged_file_changes_nothing(tmp_path, rng):
    params, optimizer = make(optim.Adam, {})
    steps(optimizer, 1)
    path = tmp_path / "a.strop"
    optimizer.save(path)
    whole = path.read_bytes()
    steps(optimizer, 2)
    before = copy.deepcopy(params), optimizer.state_dict()
    loaded = 0
    for _ in range(600):
        data = bytearray(whole)
        kind = rng.integers(3)
        if kind == 0:
            data = data[: rng.integers(len(data))]
        else:
            for _ in range(rng.integers(1, 4)):
                data[rng.integers(len(data) if kind == 1 else 900)] = rng.integers(256)
        path.write_bytes(data)
        try:
            optimizer.load(path)
        except ValueError:
            np.testing.assert_equal((params, optimizer.state_dict()), before)
        else:  # a byte of a number, which nobody can tell
            loaded += 1
            optimizer.load_state_dict(before[1])
    assert loaded < 300


@pytest.mark.parametrize(
    "change",
    [
        {"class": None},
        {"state": [], "class": "Adam"},
        {"state": {"0": 3}},
        {"state": {"-1": {}}},
        {"state": {"0" * 99: {}}},
        {"state": {}},
        {"param_groups": None},
        {"param_groups": [{"params": [0]}, {"params": [[], {}, None]}]},
        {"param_groups": [{}, {}]},
    ],
)
def test_a_file_with_other_content_changes_nothing(tmp_path, change):
    params, optimizer = make(optim.Adam, {})
    steps(optimizer, 1)
    path = tmp_path / "a.strop"
    optimizer.save(path)
    with safetensors.safe_open(path, "np") as file:
        content = json.loads(file.metadata()["strop"])
    content["optimizer"] |= change
    safetensors.numpy.save_file(
        safetensors.numpy.load_file(path), path, metadata={"strop": json.dumps(content)}
    )
    before = copy.deepcopy(params), optimizer.state_dict()
    assert message(optimizer.load, path).startswith("ValueError: Adam: ")
    np.testing.assert_equal((params, optimizer.state_dict()), before)


@pytest.mark.parametrize("place", [0, 1])
def test_a_state_that_its_owner_clears_starts_anew(place):
    params, fresh = [np.ones(2), np.ones(2)], [np.ones(2), np.ones(2)]
    optimizer, other = optim.Adam(params, lr=0.1), optim.Adam(fresh, lr=0.1)
    grads = [np.array([1.0, 2.0]), np.array([3.0, -1.0])]
    for _ in range(3):
        optimizer.step(grads)
    fresh[place][...] = params[place]
    optimizer.state[place].clear()
    optimizer.step(grads)
    other.step(grads)
    assert [state["step"] for state in optimizer.state] == [1 if i == place else 4 for i in range(2)]
    np.testing.assert_array_equal(params[place], fresh[place])


def test_an_array_that_its_owner_puts_into_the_state_is_the_one_that_is_used():
    param = np.ones(2)
    optimizer = optim.SGD([param], lr=1.0, momentum=0.5)
    optimizer.step([np.zeros(2)])
    optimizer.state[0]["momentum_buffer"] = buffer = np.array([2.0, 4.0])
    optimizer.step([np.zeros(2)])
    np.testing.assert_array_equal(param, [0.0, -1.0])
    np.testing.assert_array_equal(buffer, [1.0, 2.0])


def test_a_masked_state_is_refused():
    optimizer = optim.SGD([np.ones(2)], momentum=0.5)
    state = {
        "state": {0: {"momentum_buffer": np.ma.ones(2)}},
        "param_groups": optimizer.state_dict()["param_groups"],
    }
    with pytest.raises(ValueError) as caught:
        optimizer.load_state_dict(state)
    assert str(caught.value) == (
        "SGD: state must have an array as 'momentum_buffer' of params[0]; got MaskedArray"
    )


def test_a_rate_that_a_schedule_has_left_below_0_is_saved_and_loaded(tmp_path):
    optimizer = optim.Adam([np.ones(2)], lr=0.1)
    scheduler = optim.lr_scheduler.LinearLR(optimizer, 1 / 3, end_factor=0.0, total_iters=4)
    for _ in range(4):
        optimizer.step([np.ones(2)])
        scheduler.step()
    assert -1e-17 < optimizer.lr < 0  # the roundings of torch, whose numbers these are
    other = optim.Adam([np.ones(2)])
    other.load_state_dict(optimizer.state_dict())
    assert other.lr == optimizer.lr
    optimizer.save(tmp_path / "adam.safetensors")
    other.load(tmp_path / "adam.safetensors")
    assert other.lr == optimizer.lr
