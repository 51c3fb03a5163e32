"""The default sampling rate: that of the shipped nets and of the composed songs."""

SAMPLING_RATE = 44100
"""Default sampling rate in Hz."""
