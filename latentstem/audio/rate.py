"""The sampling rate that everything has where nothing else says one: the shipped nets, the composed songs."""

SAMPLING_RATE = 44100
"""In Hz."""
