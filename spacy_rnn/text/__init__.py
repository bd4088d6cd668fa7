"""What stands between text and numbers."""
