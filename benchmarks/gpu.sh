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
# It takes Python 3.10 or newer with CuPy 14, torch, pytest, hypothesis, typer, setuptools and Cython, and spaCy, installed or in WHEELS;
# and g++ with the headers of Python, for the engine on the CPU. Every part has a limit of time, all together have one of 570 seconds, and
# a part that fails does not keep the others from running. OUTPUT/all.tar.gz has everything in one file.
set -uo pipefail
SECONDS=0

output=$(mkdir -p "$1" && cd "$1" && pwd)
wheels=${2:+$(cd "$2" && pwd)}
cd "$(dirname "$0")/.."
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
export PYTHONPATH=$site PYTHONUNBUFFERED=1
failed=()

part() {
    local name=$1 seconds=$2 start=$SECONDS left=$((570 - SECONDS))
    shift 2
    if [ "$left" -le 0 ]; then
        echo "== $name: no time is left"
        failed+=("$name")
        return
    fi
    [ "$seconds" -le "$left" ] || seconds=$left
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
workers=()
if python3 -c 'import xdist' 2>/dev/null; then
    workers=(-n 8)
fi
part tests 200 python3 -m pytest -q --maxfail=20 -rf "${workers[@]}" tests/test_gpu.py
if timeout 30 compute-sanitizer --error-exitcode 1 python3 -c 'import cupy; cupy.ones(1) + 1' >"$output/sanitizer.log" 2>&1; then
    for tool in memcheck racecheck; do
        part "$tool" 60 compute-sanitizer --tool "$tool" --error-exitcode 1 \
            python3 -m pytest -q tests/test_gpu.py -k "tiny and (float32 or tf32) and forward and (elman_tanh or gru_reset_before)"
    done
else
    echo "== compute-sanitizer is not here, or refuses the device (sanitizer.log): left out"
fi
if [ -n "${EWT:-}" ]; then
    part convert 60 python3 -m spacy project run ewt-convert . --vars.ewt "$EWT"
    part layers 180 python3 benchmarks/gpu.py layers --output "$output/gpu-layers.json" --seconds 0.6
    part training 60 python3 benchmarks/gpu.py training --output "$output/gpu-training.json"
    for step in ewt-train-pos ewt-train-tag ewt-evaluate; do
        part "$step" 60 python3 -m spacy project run "$step" . --vars.ewt "$EWT" --vars.gpu 0 --vars.max_steps 400
    done
fi
if [ -n "${SST2:-}" ]; then
    for step in sst2-convert sst2-train sst2-evaluate; do
        part "$step" 60 python3 -m spacy project run "$step" . --vars.sst2 "$SST2" --vars.gpu 0 --vars.max_steps 400
    done
fi
cp metrics/*.json "$output" 2>/dev/null
tar -czf "$site/all.tar.gz" -C "$output" --exclude=all.tar.gz . && mv "$site/all.tar.gz" "$output"
echo "failed: ${failed[*]:-nothing}"
[ ${#failed[@]} -eq 0 ]
