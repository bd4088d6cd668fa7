"""Recurrent networks for spaCy, without torch."""
