"""Chat: a person talks with the models of a dataset and judges each pair of answers; preferences from real use.

A turn is a prompt with the chat before it, its answers are a comparison that stays out of the queue, and the verdict is
saved by annotate/judging. talks.py has the acts of a person, answering.py asks the models, deletion.py forgets.
"""
