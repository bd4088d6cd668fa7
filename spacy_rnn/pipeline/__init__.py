"""spaCy components: what `nlp.add_pipe` takes. Importing them imports no layer and no engine."""
