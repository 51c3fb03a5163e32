"""Generate a bass for a mix in a few lines. Run it from the root of the repository; it writes bass.wav."""

from latentstem import StemAccompanimentPipeline, read_audio, resample, write_audio

pipe = StemAccompanimentPipeline.from_pretrained("bass")
mix, sampling_rate = read_audio("examples/audio/mix-1.flac")
mix = resample(mix, sampling_rate, pipe.sampling_rate)
out = pipe(mix, sampling_rate=pipe.sampling_rate, generator=0)
write_audio("bass.wav", out.audios[0], out.sampling_rate)
