"""Commands about language models: training, scores, texts and mixtures."""
