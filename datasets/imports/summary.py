"""What an import came to."""

COUNTS = (
    "rows",
    "prompts",
    "responses",
    "choices",
    "duplicates",
    "refused",
)  # fields of Import


def build_summary(run, seconds):
    """The contract's summary."""
    return {
        "dataset": run.slug,
        "format": run.format,
        **{name: getattr(run, name) for name in COUNTS},
        "seconds": round(seconds, 3),
    }
