"""Write a bass line under a control of two numbers, and give it the sound of a recording.

Run it from the root of the repository; it writes bassline.wav, bassline.mid and bass-of-line.wav. BassNet writes the
line, which is played plainly; the denoiser starts from that sound, so that its notes survive.
"""

import torch

from latentstem import BassNetPipeline, StemAccompanimentPipeline, read_audio, resample, write_audio
from latentstem.data.render.line_synth import LineSynthesizer
from latentstem.pipelines import write_line_midi

MIX = "examples/audio/mix-1.flac"
REFERENCE = "docs/pages/assets/listen/style-slap.mp3"  # or a recording of your own bass, alone
CONTROL = (0.5, -0.5)

bassnet = BassNetPipeline.from_pretrained("bassnet-gm")
mix, rate = read_audio(MIX)
line = bassnet(resample(mix, rate, bassnet.sampling_rate), bassnet.sampling_rate, control=CONTROL).lines[0]
write_line_midi(line, "bassline.mid")

pipe = StemAccompanimentPipeline.from_pretrained("bass")
sound = torch.from_numpy(LineSynthesizer(pipe.sampling_rate)(line))[None]
write_audio("bassline.wav", sound, pipe.sampling_rate)

mix, reference = resample(mix, rate, pipe.sampling_rate), resample(*read_audio(REFERENCE), pipe.sampling_rate)
sound = torch.nn.functional.pad(sound, (0, mix.shape[1]))[:, : mix.shape[1]]
out = pipe(
    mix,
    sampling_rate=pipe.sampling_rate,
    init_stem=sound,
    strength=0.7,
    style=reference,
    generator=torch.Generator().manual_seed(0),
)
write_audio("bass-of-line.wav", out.audios[0], out.sampling_rate)
