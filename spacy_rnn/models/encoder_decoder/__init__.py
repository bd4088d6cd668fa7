"""Encoder-decoders: a network that reads, and one that writes."""
