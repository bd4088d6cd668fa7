"""`python -m spacy rnn …`: what spaCy's own commands do not do. Importing this room imports no other one."""
