"""What a language model says of texts, and what it writes."""
