"""Benchmarks of the weights and of the parts: each is a command that writes JSON and a picture."""
