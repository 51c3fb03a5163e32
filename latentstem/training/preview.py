"""Previews of a training: what was played, as FLAC to listen to and as a spectrogram to look at."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import soundfile
from torch import Tensor

from latentstem.audio.stft import stft


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
    figure, axes = plt.subplots(len(sounds), 1, figsize=(10, 2.5 * len(sounds)), sharex=True, squeeze=False)
    for axis, (name, audio) in zip(axes[:, 0], sounds.items(), strict=True):
        soundfile.write(f"{path}-{name}.flac", audio.clamp(-1, 1).T.numpy(), sampling_rate)
        whole = audio.mean(0)[: audio.shape[-1] // 512 * 512]
        decibels = (20 * (stft(whole, 4096, 512).abs() + 1e-5).log10()).numpy()
        extent = (0.0, whole.shape[-1] / sampling_rate, 0.0, sampling_rate / 2)
        axis.imshow(decibels, origin="lower", aspect="auto", extent=extent, vmin=-100, vmax=0, cmap="magma")
        axis.set(title=name, ylabel="Hz", ylim=(0, 2000))
    axes[-1, 0].set_xlabel("s")
    figure.savefig(f"{path}.png", dpi=80, bbox_inches="tight")
    plt.close(figure)
