"""Plain text as a corpus: reading it, and cutting it into batches."""
