"""The compiled engine. Everything else about the package stands in setup.cfg.

Each instruction set is one source file built with switches of its own; which of them runs is decided when the engine is loaded. The
engine is optional: without a compiler the package installs all the same and works on the reference engine.
"""

import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import List

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = Path("spacy_rnn", "native")
COMMON = ["_native.pyx", "src/engine.cpp", "src/buffer.cpp", "src/processor.cpp"]
KERNELS = {"portable": []}
X86 = platform.machine().lower() in ("x86_64", "amd64") and sys.maxsize > 2**32
if X86:
    AVX512 = ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
    KERNELS |= {"avx2": ["-mavx2", "-mfma"], "avx512": AVX512, "avx512_bf16": [*AVX512, "-mavx512bf16"]}
# gcc 12 warns of its own AVX-512 header; Python's switches may ask for debug symbols, which take longer than all else.
GCC_SWITCHES = ["-O3", "-std=c++17", "-ffp-contract=fast", "-fvisibility=hidden", "-g0", "-Wno-uninitialized", "-Wno-maybe-uninitialized"]
MSVC_SWITCHES = {"portable": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"], "avx512_bf16": ["/arch:AVX512"]}


class BuildEngine(build_ext):
    """Build the kernels of each instruction set with its own switches, and link them into the extension."""

    def build_extension(self, ext: Extension) -> None:
        msvc = self.compiler.compiler_type == "msvc"
        common = ["/O2", "/std:c++17"] if msvc else GCC_SWITCHES
        common += os.environ.get("SPACY_RNN_CXXFLAGS", "").split()
        ext.extra_compile_args = common
        ext.extra_link_args = os.environ.get("SPACY_RNN_LDFLAGS", "").split()


        def build_kernels(name: str) -> List[str]:
            return self.compiler.compile(
                [str(SOURCE / "src" / f"kernels_{name}.cpp")],
                output_dir=self.build_temp,
                extra_postargs=common + (MSVC_SWITCHES[name] if msvc else KERNELS[name]),
                depends=ext.depends,
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ext.extra_objects = [path for paths in pool.map(build_kernels, KERNELS) for path in paths]
        super().build_extension(ext)


setup(
    ext_modules=[
        Extension(
            "spacy_rnn.native._native",
            [str(SOURCE / name) for name in COMMON],
            include_dirs=[str(SOURCE / "src")],
            define_macros=[("SPACY_RNN_X86", "1")] if X86 else [],
            depends=[str(path) for path in sorted((SOURCE / "src").glob("*.h"))],
            language="c++",
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildEngine},
)
