#!/usr/bin/env bash
# Rehearse gpu.sh where there is no GPU: a copy of the checkout and the archive of gpu_pack.sh alone in an empty folder, an environment
# that holds no more than a borrowed machine has, no network. It passes if the run ends in its time, leaves at most eight files, says
# "no device" of every part, and the matrix is right on the emulator.
#
#     benchmarks/gpu_rehearsal.sh
#
# PYTHON (environment): Python 3.12, if it is not `python3.12`. It takes a network first (for the environment), g++ and git.
set -euo pipefail

seconds=400
checkout=$(cd "$(dirname "$0")/.." && pwd)
python=$(command -v "${PYTHON:-python3.12}") || { echo "Python 3.12 is not here: say where with PYTHON" >&2; exit 1; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv "$folder/venv"
grep 'there$' "$checkout/benchmarks/gpu/requirements.txt" >"$folder/there.txt"
"$folder/venv/bin/python" -m pip --disable-pip-version-check install --quiet --only-binary=:all: -r "$folder/there.txt"

mkdir "$folder/copy"
(cd "$checkout" && git ls-files -z --cached --others --exclude-standard | tar --null -c -T - benchmarks/pack/cp312.tar.gz) |
    tar -x -C "$folder/copy"
echo "== what travels: $(du -sm --apparent-size "$folder/copy" | cut -f 1) MiB"

alone=(unshare --user --map-root-user --net)
if ! "${alone[@]}" true 2>/dev/null; then
    echo "== the network cannot be cut off here (unshare)"
    alone=()
fi
start=$SECONDS
cd "$folder"
PYTHON=$folder/venv/bin/python "${alone[@]}" "$folder/copy/benchmarks/gpu.sh" "$folder/output" --seconds "$seconds"
taken=$((SECONDS - start))

files=$(find "$folder/output" -type f | wc -l)
said=$(grep -c '^[a-z]*: no device' "$folder/output/summary.txt")
echo "== $taken s of $seconds, $files files of 8, no device: $said parts of 8 that need one"
[ "$taken" -le "$seconds" ] && [ "$files" -le 8 ] && [ "$said" -eq 8 ]
grep -q '^matrix: ok' "$folder/output/summary.txt"
grep -q '"status": "ok"' "$folder/output/matrix.jsonl"
