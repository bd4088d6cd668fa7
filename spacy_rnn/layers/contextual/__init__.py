"""Embeddings of tokens that depend on the text around them."""
