"""Layers that give each token a vector."""
