"""The HTTP API, the pages and the command line."""

import gc
import os

# A process that starts another while a matrix is computed by several threads waits for ever: OpenBLAS stops its threads
# before a fork. This must stand before numpy is loaded. Matrices are small here, so that one thread is faster anyway.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Nothing of what is loaded is garbage: to look for it after each 700 objects takes a ninth of a server's start.
# A server that is ready has limits of its own (`web.http.process`).
gc.set_threshold(10_000)
