"""Train a denoiser on a folder of stems, and accompany a mix with it. Run it from the root of the repository.

The folder holds a folder a song, `my-stems/<song>/bass.wav` and what sounds with it. Where there is none, a dozen songs
of the composer take its place (FluidSynth is needed for these). Stopped and run again, it goes on.
"""

from pathlib import Path

import latentstem
from latentstem import StemAccompanimentPipeline, read_audio, resample, write_audio
from latentstem.data.stems.check import check_folder
from latentstem.training.unet import UNetTraining, train

STEMS = Path("my-stems")
TARGET = "bass"  # any stem that your songs share: "drums", "guitar", ...

if __name__ == "__main__":
    if not STEMS.exists():
        from latentstem.data.corpus import write_corpus
        from latentstem.data.splits import VALIDATION_SEEDS

        write_corpus(STEMS, VALIDATION_SEEDS[:12], duration=20.0)

    report = check_folder(STEMS, TARGET)
    for problem in report.problems:
        print(problem.track, problem.place, problem.finding)
    print(f"{report.usable} of {report.tracks} songs can be used, {report.seconds / 60:.1f} minutes")

    weights = train(
        UNetTraining(
            data=STEMS,
            output=Path("runs/my-stems"),
            autoencoder=Path(latentstem.pretrained_path("bass")) / "autoencoder",
            target=TARGET,
            minutes=60,  # on two cores; a dozen songs need less, a thousand songs more
        )
    )
    pipe = StemAccompanimentPipeline.from_pretrained(weights)
    mix = resample(*read_audio("examples/audio/mix-1.flac"), pipe.sampling_rate)
    out = pipe(mix, sampling_rate=pipe.sampling_rate)
    write_audio(f"{TARGET}.wav", out.audios[0], out.sampling_rate)
