"""A language model in a pipeline: the component, the state that its training carries, and what it writes."""
