"""The HTTP API, the pages and the command line."""

import os

# A process that starts another while a matrix is computed by several threads waits for ever: OpenBLAS stops its threads
# before a fork. This must stand before numpy is loaded. Matrices are small here, so that one thread is faster anyway.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
