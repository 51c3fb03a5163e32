"""Generate the stems of a mix and write their files: encode, sample, rank, decode."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from latentstem.audio.formats import Bits
from latentstem.cli.errors import library_errors
from latentstem.cli.outputs import Job, StemFiles
from latentstem.cli.report import GeneratedStem, Report
from latentstem.cli.signals import stop_if_interrupted
from latentstem.cli.stderr import quiet_decoders
from latentstem.conditioning import Controls
from latentstem.pipelines.init_stem import Ranges
from latentstem.pipelines.input_files import EncodedMix, LoadedInitStem, encode_mix_file, read_init_stem_file
from latentstem.pipelines.output_files import add_to_mix, decode_stem, file_tags, write_temporary_audio
from latentstem.pipelines.reranking import Candidate, best_candidates, draw_candidates
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


@dataclass(frozen=True)
class StemMaker:
    """Generate the stems of one mix after another, with the same options.

    Attributes:
        pipe: Pipeline that generates the stems.
        call: Arguments of the pipeline's call for every mix; `loop` says whether a mix is one turn of a loop.
        controls: Controls of the stems, computed for each mix.
        seeds: Seeds of the candidates.
        keep_best: Number of candidates to keep by their scores; None keeps all.
        init: Stem to start from, with its strength and the ranges to keep; None starts from noise.
        bits: Sample format of wav and flac files.
        gain: Change of the stems' level in dB.
        tempo: Tempo of the MIDI files, in beats per minute.
        max_duration: Longest file that is read, in seconds.
        report: Report of the stems.
        console: Console for progress bars; None shows none.
    """

    pipe: StemAccompanimentPipeline
    call: dict[str, Any]
    controls: Controls
    seeds: Sequence[int]
    keep_best: int | None
    init: tuple[Path, float | None, Ranges | None] | None
    bits: Bits | None
    gain: float
    tempo: float
    max_duration: float
    report: Report
    console: Console | None

    def make(self, job: Job) -> None:
        """Write all files of a job.

        Args:
            job: Mix, and the files to write for it.

        Raises:
            UsageError: An input cannot be used, or an output cannot be written.
        """
        read = [job.mix, *([self.init[0]] if self.init else []), *(files.stem for files in job.stems if files.midi)]
        # Not for every file: it silences the progress bars too.
        quietly = quiet_decoders if ".mp3" in (path.suffix.lower() for path in read) else nullcontext
        with library_errors(), quietly():
            mix = encode_mix_file(self.pipe, job.mix, self.max_duration, self.call["loop"])
            init = None if self.init is None else self._read_init_stem(mix, *self.init)
        _print_kept_ranges(self.init)
        with library_errors():
            for rank, (files, candidate) in enumerate(zip(job.stems, self._choose(mix, init), strict=True), start=1):
                stop_if_interrupted()
                files.stem.parent.mkdir(parents=True, exist_ok=True)
                with quietly():
                    peak = self._write_audio(mix, candidate, files, init)
                    notes = None if files.midi is None else self._write_midi(files.stem, files.midi)
                stem = GeneratedStem(
                    mix=job.mix,
                    files=files,
                    seed=candidate.seed,
                    seconds=mix.samples / mix.reader.sampling_rate,
                    sampling_rate=mix.reader.sampling_rate,
                    peak=peak,
                    score=candidate.score,
                    rank=None if self.keep_best is None else rank,
                    notes=notes,
                )
                self.report.add_stem(stem)

    def _read_init_stem(
        self, mix: EncodedMix, path: Path, strength: float | None, keep: Ranges | None
    ) -> LoadedInitStem:
        return read_init_stem_file(self.pipe, path, mix, strength, keep, self.max_duration)

    def _choose(self, mix: EncodedMix, init: LoadedInitStem | None) -> Iterable[Candidate]:
        options = {**self.call, "controls": self.controls, **({} if init is None else init.options)}
        drawn = draw_candidates(self.pipe, _until_interrupted(self.seeds), mix.latents, **options)
        return drawn if self.keep_best is None else best_candidates(self.pipe, mix.latents, drawn, self.keep_best)

    def _write_audio(
        self, mix: EncodedMix, candidate: Candidate, files: StemFiles, init: LoadedInitStem | None
    ) -> float:
        """Write the stem, the mix with the stem in it, and the picture of both; return the stem's peak."""
        folder, rate, tags = files.stem.parent, mix.reader.sampling_rate, file_tags(mix)
        with decode_stem(self.pipe, mix, candidate.latents, folder, init, self.gain) as stem:
            peak = write_temporary_audio(stem, files.stem, rate, self.bits, tags) * stem.peak
            if files.remix is None and files.picture is None:
                return peak
            with add_to_mix(mix, stem, folder) as tracks:
                if files.remix is not None:
                    write_temporary_audio(tracks["both"], files.remix, rate, self.bits, tags)
                if files.picture is not None:
                    from latentstem.plotting.spectrogram import plot_spectrograms

                    plot_spectrograms(files.picture, tracks, rate)
        return peak

    def _write_midi(self, stem: Path, path: Path) -> int:
        """Write the transcribed notes of a stem, and return their number."""
        from latentstem.data.render.midi import write_midi
        from latentstem.evaluation.transcription import transcribe_file

        with Progress(console=self.console, transient=True, disable=self.console is None) as progress:
            task = progress.add_task("transcribing the notes", total=1.0)
            notes = transcribe_file(stem, on_progress=lambda fraction: progress.update(task, completed=fraction))
        write_midi(notes, path, self.tempo)
        return len(notes)


def _print_kept_ranges(init: tuple[Path, float | None, Ranges | None] | None) -> None:
    """Print which ranges stay, for a caller who takes 1:30 for minutes."""
    if init is None:
        return
    path, _, keep = init
    for start, end in keep or ():
        until = "the end" if end is None else f"{end:g} s"
        print(f"note: {path} stays as it is from {start:g} s to {until}", file=sys.stderr)


def _until_interrupted(seeds: Iterable[int]) -> Iterator[int]:
    for seed in seeds:
        stop_if_interrupted()
        yield seed
