"""The questions that can be put of a comparison, one file each. Pure: no request, no database.

A question has `verdicts(dataset)`, what may be answered, and `choices(order, verdict)`, what an answer states.
"""
