"""What a pipeline does, in numbers: decisions, scores, comparisons, speed, gradients."""
