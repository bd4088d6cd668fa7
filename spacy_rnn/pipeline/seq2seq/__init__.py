"""From a text to a text: translation, and whatever else is learned from pairs."""
