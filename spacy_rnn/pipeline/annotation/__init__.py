"""Between the annotation of texts and arrays. Importing it imports no layer and no engine."""
