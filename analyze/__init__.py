"""Analysis of the judgments: what they say about answers, sources and annotators."""

import os

# Reports run next to people who judge: they get one core. Their matrices are small, and threads would only wait.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
