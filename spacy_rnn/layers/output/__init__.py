"""Layers that turn scores into labels and probabilities."""
