"""Previews of a training: what was played, as FLAC to listen to and as spectrograms to look at."""

from pathlib import Path

from torch import Tensor

from latentstem.audio.io import write_audio
from latentstem.preview import draw_spectrograms


def write_preview(path: Path, sounds: dict[str, Tensor], sampling_rate: int) -> None:
    """Write one FLAC a sound and one picture of all.

    Args:
        path: Where to, without a suffix; folders are made.
        sounds: Name to audio `(channels, samples)`, all of one length.
        sampling_rate: In Hz.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_preview(Path(folder) / "a", {"noise": 0.1 * torch.randn(1, 22050)}, 44100)
        ...     sorted(file.name for file in Path(folder).iterdir())
        ['a-noise.flac', 'a.png']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for name, audio in sounds.items():
        write_audio(Path(f"{path}-{name}.flac"), audio.clamp(-1, 1), sampling_rate)
    draw_spectrograms(f"{path}.png", sounds, sampling_rate)
