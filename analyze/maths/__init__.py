"""Pure functions over columns: numpy arrays in, frozen results out that carry their settings and counts.

Nothing here knows a request or a database. Choices come as three columns: `chosen`, `rejected` and `strength` (0 is a
tie, where the other two columns imply no order). The votes of annotators come as `votes.Votes`. Functions import heavy
libraries where they use them.
"""
