"""The numbers: what people's choices say of answers, of sources and of the people themselves."""

import os

# A report is made beside people who judge: it takes one core. Its matrices are small, threads would only wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
