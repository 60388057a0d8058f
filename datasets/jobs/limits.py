"""What takes a moment only is done at once, and nobody has to look at a bar."""

BYTES_AT_ONCE, ROWS_AT_ONCE = 1 << 20, 2000  # of an upload
PROMPTS_AT_ONCE, COMPARISONS_AT_ONCE = 1000, 2000  # of a dataset
