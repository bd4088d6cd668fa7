"""Rows of handwritten digits, and the network that reads them."""
