"""A fault at every system call that writes: full disk, broken disk, read-only folder, killed process, little memory.

    python -m benchmarks.faults --keep            every call of `bench run` and `bench report`
    python -m benchmarks.faults --stride 7        every seventh

SQLite's method: the n-th call fails, for n = 1, 2, ... until none is left. After each case what was there before is
whole, the command has said one sentence, and the same command given again ends with the undisturbed numbers. The calls
fail in the C library (shim.c), so those of pyarrow and safetensors fail too. Linux, with gcc.
"""
