"""Which of two answers is better?"""


def verdicts(dataset):
    """The verdicts that the dataset's settings allow."""
    allowed = ["left", "right"]
    if dataset.allow_tie:
        allowed.append("tie")
    if dataset.allow_both_bad:
        allowed.append("both_bad")
    return allowed


def choices(order, verdict):
    """[(chosen, rejected, strength)] that a verdict states of the responses shown in this order (left, right).

    A tie is one choice of strength 0, in id order, so that it says nothing of the sides; both bad is no choice.
    """
    left, right = order
    stated = {"left": [(left, right, 1)], "right": [(right, left, 1)], "tie": [(*sorted(order), 0)], "both_bad": []}
    return stated[verdict]
