"""The product's settings plus the URL of the baseline view."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "bench.bare"
