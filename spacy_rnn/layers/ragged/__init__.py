"""Batches of sequences as one array of rows."""
