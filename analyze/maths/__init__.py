"""Pure functions over columns: numpy arrays in, frozen results out that carry their settings and counts.

Nothing here knows a request or a database. Choices come as the columns `chosen`, `rejected` and `strength` (0 = tie:
then the two are no order); votes of people as `votes.Votes`. Heavy libraries are imported where they are used.
"""
