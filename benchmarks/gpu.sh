#!/usr/bin/env bash
# All there is to run on a machine with an NVIDIA GPU, within ten minutes: the tests, the smallest ones under compute-sanitizer, layers
# against cuDNN's, nlp.update, and trainings of whole projects.
#
#     benchmarks/gpu.sh OUTPUT [WHEELS]
#
# OUTPUT   a folder for figures and logs; its .json files belong into benchmarks/results
# WHEELS   a folder of wheels to install first, where nothing can be fetched
# EWT, SST2 (environment): folders of the corpora, as of project.yml; what is not there is left out
#
# It takes Python 3.10 or newer with CuPy 14, torch, pytest, hypothesis, typer, setuptools and Cython, and spaCy, installed or in WHEELS.
# Every part has a limit of time, and one that fails does not keep the others from running.
set -uo pipefail

output=$(mkdir -p "$1" && cd "$1" && pwd)
wheels=${2:+$(cd "$2" && pwd)}
cd "$(dirname "$0")/.."
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
export PYTHONPATH=$site PYTHONUNBUFFERED=1
failed=()

part() {
    local name=$1 seconds=$2 start=$SECONDS
    shift 2
    timeout "$seconds" "$@" >"$output/$name.log" 2>&1 || failed+=("$name")
    echo "== $name: $((SECONDS - start)) s"
    tail -n 12 "$output/$name.log"
}

install=(python3 -m pip install --quiet --no-deps --no-compile --no-index --target "$site")
if [ -n "$wheels" ]; then
    part wheels 60 "${install[@]}" "$wheels"/*.whl
fi
part install 120 "${install[@]}" --no-build-isolation .
nvidia-smi --query-gpu=name,driver_version --format=csv >"$output/device.csv" 2>&1

# The package is run as it was installed, not as it lies in the folder.
mkdir "$site/checkout"
cp -r benchmarks configs scripts tests assets project.yml pyproject.toml setup.cfg "$site/checkout"
cd "$site/checkout"
part tests 150 python3 -m pytest -q -x tests/test_gpu.py
if command -v compute-sanitizer >/dev/null; then
    for tool in memcheck racecheck; do
        part "$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 1 \
            python3 -m pytest -q tests/test_gpu.py -k "reference and one and float32 and forward"
    done
else
    echo "== compute-sanitizer is not here: left out"
fi
if [ -n "${EWT:-}" ]; then
    part convert 60 python3 -m spacy project run ewt-convert . --vars.ewt "$EWT"
    part layers 180 python3 benchmarks/gpu.py layers --output "$output/gpu-layers.json" --seconds 0.6
    part training 60 python3 benchmarks/gpu.py training --output "$output/gpu-training.json"
    part ewt 120 python3 -m spacy project run ewt . --vars.ewt "$EWT" --vars.gpu 0 --vars.max_steps 800
fi
if [ -n "${SST2:-}" ]; then
    part sst2 60 python3 -m spacy project run sst2 . --vars.sst2 "$SST2" --vars.gpu 0 --vars.max_steps 400
fi
cp metrics/*.json "$output" 2>/dev/null
echo "failed: ${failed[*]:-nothing}"
[ ${#failed[@]} -eq 0 ]
