"""The compiled engine. Everything else about the package stands in setup.cfg.

Each instruction set is one source file built with switches of its own; which of them runs is decided when the engine is loaded.
The engine is optional: without a compiler the package installs all the same and works on the reference engine.
"""

import os
import re
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import List

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError, CompileError
from setuptools.modified import newer_group


def is_x86() -> bool:
    """Tell whether what is built is for x86-64 and nothing else: on macOS that may be another processor than this one, or two."""
    targets = re.findall(r"-arch\s+(\S+)", os.environ.get("ARCHFLAGS", "")) or [sysconfig.get_platform().split("-")[-1]]
    return sys.maxsize > 2**32 and all(target.lower() in ("x86_64", "amd64") for target in targets)


SOURCE = Path("spacy_rnn", "native")
COMMON = [
    "_native.pyx",
    "src/engine.cpp",
    "src/call.cpp",
    "src/buffer.cpp",
    "src/crf_paths.cpp",
    "src/crf_paths_exact.cpp",
    "src/generate.cpp",
    "src/ngram_rows.cpp",
    "src/ngram_trie.cpp",
    "src/ngram_query.cpp",
    "src/ngram_lines.cpp",
    "src/processor.cpp",
    "src/sampling.cpp",
    "src/score_symbols.cpp",
]
KERNELS = {"portable": []}
X86 = is_x86()
if X86:
    AVX512 = ["-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl"]
    KERNELS |= {"avx2": ["-mavx2", "-mfma"], "avx512": AVX512, "avx512_bf16": [*AVX512, "-mavx512bf16"]}
# gcc 12 warns of its own AVX-512 header; Python's switches may ask for debug symbols, which take longer than all else.
GCC_SWITCHES = ["-O3", "-std=c++17", "-ffp-contract=fast", "-fvisibility=hidden", "-g0"]
GCC_SWITCHES += ["-Wno-unknown-warning-option", "-Wno-uninitialized", "-Wno-maybe-uninitialized"]
MSVC_SWITCHES = {"portable": [], "avx2": ["/arch:AVX2"], "avx512": ["/arch:AVX512"], "avx512_bf16": ["/arch:AVX512"]}
COMPILERS = "gcc 10, clang 10 or Visual Studio 2022, or newer, and the header files of Python"


class BuildEngine(build_ext):
    """Build the kernels of each instruction set with its own switches, and link them into the extension."""

    def build_extension(self, ext: Extension) -> None:
        if not self.force and not newer_group([*ext.sources, *ext.depends], self.get_ext_fullpath(ext.name)):
            return
        try:
            ext.extra_objects = self.build_kernels(ext)
            super().build_extension(ext)
        except (BaseError, CCompilerError) as error:
            # As the extension is optional, this becomes a warning.
            raise CompileError(f"spacy-rnn will work without it, many times slower. It takes {COMPILERS}.\n{error}") from error

    def build_kernels(self, ext: Extension) -> List[str]:
        is_msvc = self.compiler.compiler_type == "msvc"
        if is_msvc and not self.compiler.initialized:
            self.compiler.initialize()
        common = ["/O2", "/std:c++17"] if is_msvc else list(GCC_SWITCHES)
        common += os.environ.get("SPACY_RNN_CXXFLAGS", "").split()
        ext.extra_compile_args = common
        ext.extra_link_args = [] if is_msvc else ["-pthread"]
        ext.extra_link_args += os.environ.get("SPACY_RNN_LDFLAGS", "").split()
        ext.cython_c_in_temp = True

        def build(name: str) -> List[str]:
            return self.compiler.compile(
                [str(SOURCE / "src" / f"kernels_{name}.cpp")],
                output_dir=self.build_temp,
                extra_postargs=common + (MSVC_SWITCHES[name] if is_msvc else KERNELS[name]),
            )

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return [path for paths in pool.map(build, KERNELS) for path in paths]


setup(
    ext_modules=[
        Extension(
            "spacy_rnn.native._native",
            [str(SOURCE / name) for name in COMMON],
            include_dirs=[str(SOURCE / "src")],
            define_macros=[("SPACY_RNN_X86", "1")] if X86 else [],
            depends=[str(path) for pattern in ("*.pxi", "src/*.h", "src/kernels_*.cpp") for path in sorted(SOURCE.glob(pattern))],
            language="c++",
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildEngine},
)
