"""Imports: the pipeline from an uploaded file to rows that annotators judge.

Check (store.check, validate.py). Each file is read as a stream. Its format is detected from the first rows, or its
columns are read by a mapping that an admin gave (columns.py, column_forms.py). A row is either accepted or refused with
a reason. A vote that contradicts an earlier vote of the same annotator is refused. Of the upload, only the Import
reaches the database, in the state `checked`; if the columns of a file are ambiguous, it waits in the state `unsure`.

Spool (spool.py). The check writes rows, refusals and warnings to a SQLite file in DATA_DIR/spool, so that memory use
does not grow with the upload. warnings.py looks at one row at a time; near_duplicates.py is an optional second pass
that compares rows with each other and with the dataset. estimate.py tells how many comparisons and judgments the rows
ask for. The admin sees the result and stores, drops or reduces it.

Prefetch (batches.py). Storing takes the rows from the spool in batches. For each batch, fingerprints, word counts and
encoded rows are computed before the database is needed; with `hurry` this happens in a thread while the previous batch
commits.

COPY (batch_writer.py, datasets/db/bulk.py). Each batch is one short transaction, so that judging continues in between.
It looks up which prompts, responses and votes exist, bulk inserts the new ones (by COPY on PostgreSQL, by executemany
on SQLite), and advances `stored_upto`. The Import is in the state `storing`, at most one per dataset, and its rows are
invisible everywhere.

Generate comparisons (store.generate_comparisons). Once all rows are stored, the Import is in the state `asking`: its
rows become visible, the comparisons that the dataset's policy wants for the new prompts are created, and comparisons
with imported votes are opened. Then the Import is `done`, and the spool is deleted or keeps only the refusals.

Resume (store.resume_unfinished, store.resume). An import whose process died has a stale `touched_at`. Another process
claims it and continues after `stored_upto`; without its spool, an import in the state `storing` is removed.

Undo (undo.py). As long as nobody has judged or leased its comparisons and no later import builds on it, an import can
be undone: its comparisons are held back, in the state `undoing`, and then everything that it stored is removed. Each
step is idempotent, so an interrupted undo can be resumed. The Import stays as a record, in the state `undone`.

tasks.py runs check and store as background tasks; summary.py describes the result.
"""
