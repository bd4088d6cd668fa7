"""Objectives for `spacy pretrain`."""
