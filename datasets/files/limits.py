"""What a file may hold. Read through this module: tests set smaller ones."""

HEAD = 1 << 20
LONGEST_ROW = 16 << 20  # bytes; a row beyond is refused, and memory stays bounded
MOST_COLUMNS = 16_384  # of a table, as in .xlsx
BOMB_FROM, BOMB_RATIO = 64 << 20, 200  # a .gz may hold so much in any case, beyond it so many times its size
