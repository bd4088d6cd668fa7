#!/usr/bin/env bash
# Pack what a borrowed machine with an NVIDIA GPU and no network lacks: spaCy and its dependencies, this package as it is installed,
# converted corpora, compiled kernels. `gpu.sh` finds the archive.
#
#     EWT=assets/ewt SST2=assets/sst2 benchmarks/gpu_pack.sh
#
# EWT, SST2 (environment): folders of the corpora, as of project.yml; what is not named is left out, and said to be
# PYTHON (environment): Python 3.12, if it is not `python3.12`
# ARCH (environment): what the kernels are compiled for, sm_90 if it is not set
#
# It takes a network, a C++ compiler with the headers of Python 3.12, and strip. benchmarks/pack/cp312.tar.gz is written only if it
# has at most 40 MiB. It is for x86-64, Linux, Python 3.12, and NumPy and CuPy, which the machine has.
set -euo pipefail

limit=$((40 * 2**20))
checkout=$(cd "$(dirname "$0")/.." && pwd)
python=$(command -v "${PYTHON:-python3.12}") || { echo "Python 3.12 is not here: say where with PYTHON" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' || { echo "$python is not Python 3.12" >&2; exit 1; }
# Folders are named from where the command is given.
ewt=${EWT:+$(cd "$EWT" && pwd)}
sst2=${SST2:+$(cd "$SST2" && pwd)}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
site=$folder/pack/site
mkdir -p "$site" "$folder/pack/corpus" "$folder/pack/kernels"

echo "== dependencies"
requirements=$checkout/benchmarks/gpu/requirements.txt
grep -v '#' "$requirements" >"$folder/carried.txt"
grep -v '# there$' "$requirements" >"$folder/packing.txt"
"$python" -m venv "$folder/venv"
install=("$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps --only-binary=:all:)
"${install[@]}" -r "$folder/packing.txt"
"${install[@]}" --no-compile --target "$site" -r "$folder/carried.txt"

echo "== this package"
mkdir "$folder/source"
# Without what was built in the checkout, perhaps for another Python.
tar -C "$checkout" --exclude '*.so' --exclude __pycache__ -c setup.py setup.cfg pyproject.toml README.md LICENSE spacy_rnn |
    tar -C "$folder/source" -x
"$folder/venv/bin/python" -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation \
    --wheel-dir "$folder" "$folder/source"
"$folder/venv/bin/python" -m zipfile -e "$folder"/spacy_rnn-*.whl "$site"

export PYTHONPATH=$site
cd "$checkout"
"$folder/venv/bin/python" -P -c 'from spacy_rnn.native import problem; assert problem is None, problem'
echo "== corpora"
if [ -n "$ewt" ]; then
    "$folder/venv/bin/python" scripts/convert_conllu.py "$ewt" "$folder/pack/corpus/ewt"
else
    echo "EWT is not set: no tagger will be trained"
fi
if [ -n "$sst2" ]; then
    "$folder/venv/bin/python" scripts/convert_textcat.py "$sst2" "$folder/pack/corpus/sst2" --name 0=negative --name 1=positive
else
    echo "SST2 is not set: no categorizer will be trained"
fi

echo "== kernels"
"$folder/venv/bin/python" scripts/compile_kernels.py --needed --arch "${ARCH:-sm_90}" --jobs "$(nproc)" --output "$folder/pack/kernels" \
    >"$folder/kernels.log" || { cat "$folder/kernels.log"; exit 1; }

# What is not needed to run it.
find "$site" \( -name __pycache__ -o -name tests -o -name bin \) -type d -prune -exec rm -rf {} +
find "$site" -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.cpp' -o -name '*.h' -o -name '*.hh' \
    -o -name '*.pyi' \) -delete
find "$site" -name '*.so*' -exec strip -g {} +

"$folder/venv/bin/python" -P -c '
import spacy, sys
nlp = spacy.blank("en")
nlp.add_pipe("rnn_tagger").add_label("X")
nlp.initialize()
nlp("It computes.")
'
mkdir -p benchmarks/pack
echo "== sizes before they are packed, MiB"
(cd "$folder/pack" && du -sm --apparent-size -- site corpus/* kernels)
tar -C "$folder/pack" -I "gzip -9" -cf "$folder/pack.tar.gz" site corpus kernels
size=$(stat -c %s "$folder/pack.tar.gz")
echo "== the archive: $((size / 1024)) KiB of at most $((limit / 1024))"
[ "$size" -le "$limit" ] || { echo "the archive is too large" >&2; exit 1; }
mv "$folder/pack.tar.gz" benchmarks/pack/cp312.tar.gz
echo "benchmarks/pack/cp312.tar.gz"
