#!/usr/bin/env bash
# Batches and a NUTS fit on an accelerator, in at most eight minutes; two with --quick.
# Any machine with CUDA JAX will do: bash benchmarks/gpu.sh [--quick] > gpu.json
# PYTHON names the interpreter; benchmarks/gpu.py --help has the options.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
export PYTHONPATH="$root/src${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" "$root/benchmarks/gpu.py" "$@"
