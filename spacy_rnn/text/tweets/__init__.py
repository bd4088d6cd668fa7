"""A tokenizer of tweets."""
