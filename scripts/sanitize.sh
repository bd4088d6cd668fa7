#!/usr/bin/env bash
# Build the compiled engine with AddressSanitizer and UndefinedBehaviorSanitizer in a temporary folder, and run its tests there: a
# read or write outside an array, use of freed memory, overflow or misaligned access ends them with an error.
#
#     scripts/sanitize.sh [arguments of pytest]
#
# On Linux with gcc, in an environment where the package is installed with its extra `test`. The environment variable PYTHON names
# the interpreter if it is not `python`.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

mkdir "$folder/source"
cd "$checkout"
cp -r setup.py setup.cfg pyproject.toml README.md LICENSE spacy_rnn "$folder/source"
switches="-fsanitize=address,undefined"
CC=gcc CXX=g++ SPACY_RNN_CXXFLAGS="$switches -fno-sanitize-recover=all -O0 -g1" SPACY_RNN_LDFLAGS="$switches" \
    "$python" -m pip install --quiet --no-deps --target "$folder/installed" "$folder/source"

# Python is not built with them, so they have to be loaded first; what it never frees is not of interest.
export LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)"
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc
export PYTHONPATH="$folder/installed"
cd "$checkout/tests"
"$python" -c "import spacy_rnn.native as n; assert n.problem is None and n.__file__.startswith('$folder'), (n.problem, n.__file__)"
"$python" -m pytest --capture=sys -p no:cacheprovider recurrence/engines/test_cpu.py recurrence/engines/test_packed_weights.py \
    recurrence/test_checkpoint.py layers/test_ops.py layers/recurrent/test_precision.py crf/test_cpu.py native/test_arguments.py \
    native/test_attention.py native/test_empty.py native/test_checked_batches.py native/test_symbol_scorer.py "$@"
