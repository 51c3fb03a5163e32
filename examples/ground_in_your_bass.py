"""Generate a bass in the sound of a recording, at three strengths. Run it from the root of the repository."""

import torch
from safetensors.torch import save_file

from latentstem import StemAccompanimentPipeline, StyleGrounding, read_audio, resample, write_audio

MIX = "examples/audio/mix-1.flac"
REFERENCE = "docs/pages/assets/listen/style-slap.mp3"  # or a recording of your own bass, alone

pipe = StemAccompanimentPipeline.from_pretrained("bass")
mix, reference = (resample(*read_audio(path), pipe.sampling_rate) for path in (MIX, REFERENCE))
for strength in (0.0, 0.5, 1.0):
    out = pipe(
        mix,
        sampling_rate=pipe.sampling_rate,
        style=reference,
        style_strength=strength,
        generator=0,  # the same noise each time: what differs is the style
    )
    write_audio(f"bass-style-{strength:g}.wav", out.audios[0], out.sampling_rate)

# A style is the mean of 64 latent channels and a code of 16 numbers; they can be stored instead of the recording.
mean = StyleGrounding.from_audio(reference[None], pipe.autoencoder).reference
code = pipe.encode_style_code(reference[None], None)["style"]
save_file({"mean": mean, "code": code}, "my-bass.safetensors")
preset = pipe(mix, sampling_rate=pipe.sampling_rate, style_latents=mean, conditions={"style": code}, generator=0).audios
assert torch.allclose(preset, out.audios, atol=1e-3), "the preset is the recording, as far as the pipeline is concerned"
