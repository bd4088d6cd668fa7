#!/usr/bin/env bash
# All there is to run on a machine with an NVIDIA GPU, within 400 seconds and without a network: whether kernels are right, how fast
# layers and trainings are, what the rest of the tests say. See "Running it on a borrowed machine" in docs/gpu.md.
#
#     benchmarks/gpu.sh OUTPUT [--seconds 400] [--only layers,training]
#
# It runs what benchmarks/pack/cp312.tar.gz brings (see gpu_pack.sh), or, where there is none or Python is not 3.12, what is
# installed. PYTHON (environment) names the interpreter if it is not `python3`.
exec "${PYTHON:-python3}" "$(dirname "$(readlink -f "$0")")/gpu/parts.py" "$@"
