"""Limits on files. Read them as attributes of this module: tests patch them."""

HEAD = 1 << 20  # bytes read to detect what a file holds
LONGEST_ROW = 16 << 20  # bytes; longer rows are refused, so memory stays bounded
MOST_COLUMNS = 16_384  # of a table, as in .xlsx
BOMB_FROM, BOMB_RATIO = 64 << 20, 200  # bytes any .gz may unpack to; beyond, at most this multiple of its size
