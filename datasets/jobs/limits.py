"""Up to these sizes, work is done within the request; above, in a background task with a progress bar."""

BYTES_AT_ONCE, ROWS_AT_ONCE = 1 << 20, 2000  # of an upload
PROMPTS_AT_ONCE, COMPARISONS_AT_ONCE = 1000, 2000  # of a dataset
