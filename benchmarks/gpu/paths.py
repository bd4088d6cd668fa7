"""Lets the scripts of this folder import what all benchmarks share, which is in the folder above."""

import sys
from pathlib import Path

# Behind the folder of the script itself.
sys.path.insert(1, str(Path(__file__).parent.parent))
