"""Layers without state or labels."""
