"""Errors of audio files and signals: each is one line that says what is wrong and what to do."""


class AudioError(ValueError):
    """An audio file or signal that cannot be used; the message is one line that says why and what to do."""


class AudioFileError(AudioError):
    """A file that is missing, is not audio, is cut short, or cannot be written."""


class AudioLengthError(AudioError):
    """A file that is longer, by its header, than the limit."""


class AudioContentError(AudioError):
    """Audio that was read but cannot be used: empty, not finite, out of range, or of too many channels."""
