# The commands people type. Each target is a thin line over public tools.
#
#   make demo              train the review classifier from a fresh checkout
#   make demo DATA=path    the same on your own file of reviews
#   make test              the whole test suite, on every core
#   make native            the kernels alone, under the address and undefined-behaviour sanitizers
#   make tsan openmp       the same under the thread sanitizer; with OpenMP in place of the pool
#   make simt              the CUDA kernels without CUDA: as fibres, in many orders, bounds and races checked
#   make cuda-budget       registers, shared memory and spills of every kernel on every architecture, by nvcc
#   make gpu-check         on a machine with a GPU: build, tests, sanitizer, figures; under nine minutes, nothing installed
#   make test-all          the suite on every Python from 3.11 that is present
#   make bench             every benchmark, into benchmarks/results; ARGS="adam --quick" for less
#   make lint dist         style and types; sdist, and the wheel without CUDA
#   make dist-cuda         the wheel with CUDA, for the architectures of a release

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?=
ARGS ?=
# What the tests install: this checkout, or a wheel that was built from it.
PACKAGE ?= .

SOURCES := pyproject.toml CMakeLists.txt README.md $(wildcard benchmarks/*.py tests/cases/*.py) \
  $(shell find csrc python -type f ! -name '*.pyc' ! -name '*.so')

.PHONY: demo test native tsan openmp simt cuda-budget gpu-check test-all lint format bench dist dist-cuda clean

$(BIN)/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "strop needs Python 3.11 or newer; say make PYTHON=python3.x"'
	$(PYTHON) -m venv $(VENV)

# One environment for everything; each stamp adds what its target needs.
$(VENV)/installed: $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(PACKAGE)[plot]"
	@touch $@

# The tools of an extra alone, so that the package is not compiled again for them.
tools = $(shell sed -n 's/^$(1) = \[\(.*\)\]/\1/p' pyproject.toml | sed "s/, / /g; s/\"/'/g")

# The libraries of the examples are not compiled.
wheels = $(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all:

$(VENV)/installed-test: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(call tools,test)
	@$(wheels) $(call tools,examples) || for one in $(call tools,examples); do \
	  $(wheels) "$$one" || echo "$$one: no wheel here, so what needs it is skipped"; \
	done
	@touch $@

$(VENV)/installed-lint: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(call tools,lint)
	@touch $@

# They read machine code; without them the compiler's own account is looked at alone.
$(VENV)/installed-cuda-tools: | $(BIN)/python
	@$(wheels) nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm || echo "no cuobjdump and nvdisasm here: machine code is not read"
	@touch $@

$(VENV)/installed-cmake: | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "cmake>=3.25" ninja pybind11
	@touch $@

demo: $(VENV)/installed
	$(BIN)/python -m strop train imdb $(if $(DATA),--data "$(DATA)") --output demo-output $(ARGS)

test: $(VENV)/installed-test
	$(BIN)/python -m pytest tests --pyargs strop --numprocesses auto $(ARGS)

# Compiled, run, and silent but for what fails.
preset = export PATH="$(abspath $(BIN)):$$PATH" && cmake --preset $(1) $(2) -Wno-dev >/dev/null && \
  cmake --build --preset $(1) && ctest --preset $(1) --parallel 2

native: $(VENV)/installed-cmake
	$(call preset,asan-native)

tsan: $(VENV)/installed-cmake
	$(call preset,tsan-native)

openmp: $(VENV)/installed-cmake
	$(call preset,openmp-native)

simt: $(VENV)/installed-cmake
	$(call preset,simt,-DPython_EXECUTABLE=$(abspath $(BIN)/python) \
	  -Dpybind11_DIR="$$($(BIN)/python -m pybind11 --cmakedir)")

cuda-budget: $(VENV)/installed-cuda-tools
	$(BIN)/python tests/check_cuda.py $(ARGS)

gpu-check:
	$(PYTHON) benchmarks/gpu_check.py $(ARGS)

test-all:
	@for version in 3.11 3.12 3.13 3.14; do \
	  python$$version -c '' 2>/dev/null || { echo "python$$version: not present"; continue; }; \
	  $(MAKE) test PYTHON=python$$version VENV=.venv-$$version || exit 1; \
	done

lint: $(VENV)/installed-lint $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $$(find csrc tests/native tests/simt -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')

format: $(VENV)/installed-lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $$(find csrc tests/native tests/simt -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh')

bench: $(VENV)/installed
	$(BIN)/python -m strop bench --output benchmarks/results $(ARGS)

# The preset names the architectures of a release.
release = $(shell sed -n 's/.*"STROP_CUDA_ARCHITECTURES": "\(.*\)".*/\1/p' CMakePresets.json)

dist: $(BIN)/python
	rm -rf dist
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	$(BIN)/python -m build --outdir dist . -Ccmake.define.STROP_CUDA=OFF
	$(BIN)/python tests/check_dist.py dist --cuda no

dist-cuda: $(BIN)/python
	rm -rf dist-cuda
	$(BIN)/python -m pip install --quiet --disable-pip-version-check build
	$(BIN)/python -m build --wheel --outdir dist-cuda . -Ccmake.define.STROP_CUDA=ON \
	  "-Ccmake.define.STROP_CUDA_ARCHITECTURES=$(release)"
	$(BIN)/python tests/check_dist.py dist-cuda --cuda yes

clean:
	rm -rf build dist dist-cuda demo-output $(VENV) .venv-*
