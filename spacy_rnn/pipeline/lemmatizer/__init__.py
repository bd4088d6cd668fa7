"""The lemmatizer: from forms and tags to lemmas, by a dictionary and a network of characters."""
