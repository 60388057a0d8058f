"""Policies: how a dataset's bot answers, given people's choices. The models give n answers, a picker chooses one.

choices.py reads what people chose; pickers/ has one file per picker; learning.py says which picker is used and what its
picks are worth; coverage.py whether a prompt is like those that people judged; picking.py picks; trial.py does so for
the page, serving.py for /v1; arms.py draws the models of a chat.
"""
