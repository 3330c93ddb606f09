"""The one thing that pyproject.toml cannot say: the compiled plane, which may fail to build without harm."""

import os

from setuptools import Extension, setup

SANITIZE = os.environ.get("CHATTER_SANITIZE", "")
WARNINGS = ["-Wall", "-Wextra", "-Werror"]
# What Cython writes is not warning-free under -Wextra; what we write is.
CYTHON = ["-Wno-unused-parameter", "-Wno-unused-function", "-Wno-missing-field-initializers"]
# A finding ends the program: a test that goes on after one would pass.
SANITIZED = ["-O1", "-g", f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
FLAGS = SANITIZED if SANITIZE else ["-O3"]

NATIVE = (
    "address",
    "delay",
    "dependency",
    "drop",
    "gate",
    "gcm",
    "history",
    "layering",
    "level",
    "nack",
    "number_map",
    "pictures",
    "plane",
    "port",
    "probe",
    "reception",
    "repair",
    "route",
    "rtcp",
    "rtp",
    "sent",
    "srtp",
    "twcc",
)
native = [f"sfu/plane/native/{name}.c" for name in NATIVE]
fast = Extension(
    "sfu.plane._fast",
    ["sfu/plane/_fast.pyx", *native],
    depends=[f"sfu/plane/native/{name}.h" for name in (*NATIVE, "out")],
    include_dirs=["sfu/plane"],
    define_macros=[("_GNU_SOURCE", "1")],
    extra_compile_args=["-std=gnu11", *WARNINGS, *CYTHON, *FLAGS],
    extra_link_args=[f"-fsanitize={SANITIZE}"] if SANITIZE else [],
    # Without a compiler Chatter runs on the reference plane.
    optional=not SANITIZE,
)

setup(ext_modules=[fast])
