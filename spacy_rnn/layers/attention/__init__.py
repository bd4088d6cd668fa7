"""Attention of the rows of one sequence to the rows of another one."""
