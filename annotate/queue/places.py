"""Where each person begins among comparisons of equal priority, so that no two walk through a dataset in step.

Priorities have 62 random bits and form a ring: a person begins at a place of their own, and goes on from the start
once they reach the end. A dataset in the order of information has LEVELS such rings, one after the other: the upper
bits of a priority hold the level, the most informative lowest (analyze/queue_order.py).
"""

import hashlib

from datasets.models import Dataset

RING = 2**62
LEVELS = 16
LEVEL_SIZE = RING // LEVELS


def get_ring_size(dataset: Dataset) -> int:
    """The number of priorities that are equal in this dataset."""
    return LEVEL_SIZE if dataset.order == Dataset.Order.INFORMATIVE else RING


def compute_place(user_id: int, dataset_id: int, ring: int) -> int:
    """The priority, in the first ring, where this person begins: always the same one."""
    digest = hashlib.blake2b(f"{user_id} {dataset_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) % ring
