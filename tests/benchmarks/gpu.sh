#!/bin/sh
# Numbers and times of the engine on a machine with a GPU, in under six minutes. From the root:
#
#   tests/benchmarks/gpu.sh --wheels DIR  fills DIR with wheels of what the machine's Python lacks
#   tests/benchmarks/gpu.sh DIR           runs everything there, without a network
#   tests/benchmarks/gpu.sh --dry         the same on the CPU, with small shapes
#
# The machine is taken to have Python 3.12 on Linux with torch, transformers, numpy, pandas and pytest.
set -eu

# What transformer_lens, the package and the tests import beyond those. TransformerLens names more
# that running a model does not need, so what these ask for is not followed.
needed="transformer-lens datasets pydantic pydantic-core annotated-types typing-inspection
    multiprocess dill beartype anywidget psygnal ipywidgets
    ipython traitlets comm decorator jedi parso stack-data executing asttokens pure-eval
    ipython-pygments-lexers matplotlib-inline prompt-toolkit wcwidth pexpect ptyprocess plotly msgspec
    platformdirs"

if [ "${1-}" = "--wheels" ]; then
    for name in $needed; do
        grep -i "^$(echo "$name" | tr - .)==" constraints.txt || echo "$name"
    done > "$2.txt"
    platforms="2_28 2_24 2_17 2_12 2_5"
    exec python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
        --implementation cp $(printf -- '--platform manylinux_%s_x86_64 ' $platforms) \
        --platform manylinux2014_x86_64 --dest "$2" --requirement "$2.txt"
fi

if [ "${1-}" != "--dry" ]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    python3 -m pip install --quiet --no-index --no-deps --no-compile --find-links "$1" \
        --target "$site" "$1"/*.whl
    PYTHONPATH="$site:${PYTHONPATH-}"
fi
export PYTHONPATH="$PWD:${PYTHONPATH-}" PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
timeout 340 python3 -m tests.benchmarks.gpu "$@"
