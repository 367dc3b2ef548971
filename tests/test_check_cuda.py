"""What `make cuda-budget` holds the compiler to, on texts as ptxas and cuobjdump write them."""

from __future__ import annotations

import json

import check_cuda

PTXAS = """ptxas info    : Compiling entry function '_ZN5strop4cuda4stepEv' for 'sm_90'
ptxas info    : Function properties for _ZN5strop4cuda4stepEv
    0 bytes stack frame, {spilled} bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 72 bytes smem
"""


def test_the_budget_of_a_kernel_is_its_limit(monkeypatch):
    monkeypatch.setattr(check_cuda, "plain", lambda names: ["step"] * len(names))
    use = check_cuda.usage(PTXAS.format(spilled=0))
    assert use == {"step": {"registers": 40, "shared": 72, "spilled": 0}}

    def faults(limits, found=use):
        return check_cuda.faults("90", "adam", found, {"90": {"adam": limits}})

    assert faults({"step": [40, 72]}) == []
    assert faults({"step": [39, 72]}) == ["sm_90 adam step: 40 registers; the budget is 39"]
    assert faults({"step": [40, 64]}) == ["sm_90 adam step: 72 shared; the budget is 64"]
    assert faults({"step": [40, 72], "other": [1, 0]}) == ["sm_90 adam other: is gone"]
    assert faults({}) == ["sm_90 adam step: has no budget; run python tests/check_cuda.py --write"]
    spilled = check_cuda.usage(PTXAS.format(spilled=8))
    assert faults({"step": [40, 72]}, spilled) == ["sm_90 adam step: 8 bytes are spilled"]


def test_kernels_of_a_template_are_told_apart():
    names = check_cuda.plain(
        ["_ZN5strop4cuda4runsILNS_6ReduceE2EfEEvPKT0_x", "_ZN5strop4cuda4runsILNS_6ReduceE1EfEEvPKT0_x"]
    )
    assert names == ["runs<(Reduce)2, float>", "runs<(Reduce)1, float>"]


def test_machine_code_has_what_is_meant_and_no_local_memory():
    code = {"step<float>": "LDG.E.128.CONSTANT R4 ; STG.E.128", "step<double>": "LDG.E.64 R4 ; STL [R1], R3"}
    meant = [(r"step<float", [check_cuda.LOAD, check_cuda.STORE])]
    assert check_cuda.sass_faults("sm_90 adam", code, meant) == ["sm_90 adam step<double>: local memory"]
    meant = [(r"step<double", [check_cuda.LOAD]), (r"steps", [])]
    assert check_cuda.sass_faults("sm_90 adam", code, meant)[1:] == [
        r"sm_90 adam step<double>: no LDG\.E\S*\.128",
        "sm_90 adam: no kernel is named steps",
    ]


def test_the_budget_has_the_architectures_of_a_release():
    presets = json.loads((check_cuda.ROOT / "CMakePresets.json").read_text())["configurePresets"]
    release = next(p for p in presets if p["name"] == "cuda-release")["cacheVariables"][
        "STROP_CUDA_ARCHITECTURES"
    ]
    assert {name.removesuffix("-real") for name in release.split(";")} <= set(check_cuda.ARCHITECTURES)


def test_what_is_meant_is_of_files_that_are_there():
    assert set(check_cuda.MEANT) <= {path.stem for path in check_cuda.CUDA.glob("*.cu")}


def test_every_kernel_file_has_a_budget_on_every_architecture():
    budget = json.loads(check_cuda.BUDGET.read_text())
    files = {path.stem for path in check_cuda.CUDA.glob("*.cu")}
    assert {name: set(stems) for name, stems in budget.items()} == dict.fromkeys(
        check_cuda.ARCHITECTURES, files
    )
