"""What the converters share: reading corpora, making documents of them, and writing these."""
