"""Evaluate a generated bass on an annotated song. Run it from the root of the repository.

The example mixes are composed songs without their basses, with annotations. Each metric is compared with the same
metric against the other song, which is the score of a bass that ignores its mix.
"""

import json
from pathlib import Path

import torch

from latentstem import Quality, StemAccompanimentPipeline, read_audio, resample
from latentstem.data.render.midi import write_midi
from latentstem.data.score import Song
from latentstem.evaluation import chord_share, onset_f1, onset_times, root_on_downbeat, track_pitch, transcribe
from latentstem.evaluation.scores import written_onsets

pipe = StemAccompanimentPipeline.from_pretrained("bass")
mix = resample(*read_audio("examples/audio/mix-1.flac"), pipe.sampling_rate)
out = pipe(
    mix,
    sampling_rate=pipe.sampling_rate,
    num_inference_steps=Quality.FAST.apply_to(pipe),
    generator=torch.Generator().manual_seed(0),
    output_type="np",
)
bass = out.audios[0, 0]

annotations = [json.loads(Path(f"examples/audio/mix-{number}.json").read_text()) for number in (1, 2)]
song, other = (Song.from_dict(annotation["song"]) for annotation in annotations)
track, onsets = track_pitch(bass, out.sampling_rate), onset_times(bass, out.sampling_rate)
print(f"{'':24} this song  the other")
for name, measure in (
    ("notes of the chord", lambda song: chord_share(track, song.chords)),
    ("root on the downbeats", lambda song: root_on_downbeat(track, song.chords, song.bars)),
    ("onsets of the true bass", lambda song: onset_f1(written_onsets(song.part("bass")), onsets)),
):
    print(f"{name:24} {measure(song):9.2f}  {measure(other):9.2f}")

notes = transcribe(bass, out.sampling_rate)
write_midi(notes, "bass.mid", tempo=song.tempo)
print(f"bass.mid: {len(notes)} notes")
