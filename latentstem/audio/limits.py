"""Limits of audio from outside, compared with what its header or its samples say before anything is made of it."""

MAX_DURATION = 3 * 3600.0
"""Longest audio that is read or made unless told otherwise, in seconds."""

VALUES_PER_SECOND = 2 * 48_000
"""Samples of all channels for each second of the longest duration: stereo at 48 kHz. Three hours at 384 kHz would be 33
GB."""

MAX_SAMPLING_RATE = 768_000
"""Greatest sampling rate in Hz."""

LOUDEST = 1e12
"""Greatest amplitude, 240 dB over full scale: integers of 32 bits reach 2e9, and the energy of a thousand times as much
still fits in float32."""
