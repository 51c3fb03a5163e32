"""From a mix to its files: heard, accompanied, chosen, written."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from latentstem.audio.formats import Bits
from latentstem.cli.errors import library_errors
from latentstem.cli.outputs import Job
from latentstem.cli.report import MadeStem, Report
from latentstem.cli.signals import stop_if_interrupted
from latentstem.cli.stderr import quiet_decoders
from latentstem.pipelines.candidates import Candidate, best_candidates, draw_candidates
from latentstem.pipelines.file_to_file import InitStemFile, MixFile
from latentstem.pipelines.init_stem import Ranges
from latentstem.pipelines.stem_accompaniment import StemAccompanimentPipeline


@dataclass(frozen=True)
class StemMaker:
    """Makes the stems of one mix after another, all in the same way.

    Attributes:
        pipe: Which makes them.
        call: What its call is given, whatever the mix; `loop` says whether a mix is one turn of a loop.
        seeds: Of the candidates.
        keep_best: How many of these are chosen, by the judge; None takes all as they come.
        init: A stem to start from, with how far to go from it and what of it to keep.
        bits: How samples are stored.
        tempo: Of the MIDI files, in beats a minute.
        max_duration: Longest input, in seconds.
        report: Is told of each stem.
        console: Where progress is shown; None shows none.
    """

    pipe: StemAccompanimentPipeline
    call: dict[str, Any]
    seeds: Sequence[int]
    keep_best: int | None
    init: tuple[Path, float | None, Ranges | None] | None
    bits: Bits | None
    tempo: float
    max_duration: float
    report: Report
    console: Console | None

    def make(self, job: Job) -> None:
        """Write all files of a job.

        Raises:
            UsageError: An input cannot be used, or an output not written.
        """
        read = [job.mix, *([self.init[0]] if self.init else []), *(files.stem for files in job.stems if files.midi)]
        # Not for every file: it silences the progress bars too.
        quietly = quiet_decoders if ".mp3" in (path.suffix.lower() for path in read) else nullcontext
        with library_errors(), quietly():
            encode = MixFile.encode_loop if self.call["loop"] else MixFile.encode
            mix = encode(self.pipe, job.mix, self.max_duration)
            init = None if self.init is None else self._init_stem(mix, *self.init)
        _say_what_stays(self.init)
        with library_errors():
            for rank, (files, candidate) in enumerate(zip(job.stems, self._chosen(mix, init), strict=True), start=1):
                stop_if_interrupted()
                files.stem.parent.mkdir(parents=True, exist_ok=True)
                with quietly():
                    peak = mix.write_stem(
                        self.pipe,
                        candidate.latents,
                        files.stem,
                        files.remix,
                        None if files.picture is None else partial(_draw, files.picture),
                        init,
                        self.bits,
                    )
                    notes = None if files.midi is None else self._write_midi(files.stem, files.midi)
                rate = mix.reader.sampling_rate
                place = None if self.keep_best is None else rank
                seconds = mix.samples / rate
                made = MadeStem(job.mix, files, candidate.seed, seconds, rate, peak, candidate.score, place, notes)
                self.report.made(made)

    def _init_stem(self, mix: MixFile, path: Path, strength: float | None, keep: Ranges | None) -> InitStemFile:
        return InitStemFile.read(self.pipe, path, mix, strength, keep, self.max_duration)

    def _chosen(self, mix: MixFile, init: InitStemFile | None) -> Iterable[Candidate]:
        options = {**self.call, **({} if init is None else init.options)}
        drawn = draw_candidates(self.pipe, _until_interrupted(self.seeds), mix.latents, **options)
        return drawn if self.keep_best is None else best_candidates(self.pipe, mix.latents, drawn, self.keep_best)

    def _write_midi(self, stem: Path, path: Path) -> int:
        """Write the notes of a stem, and say how many."""
        from latentstem.data.render.midi import write_midi
        from latentstem.evaluation.transcription import transcribe_file

        with Progress(console=self.console, transient=True, disable=self.console is None) as progress:
            task = progress.add_task("writing down the notes", total=1.0)
            notes = transcribe_file(stem, on_progress=lambda share: progress.update(task, completed=share))
        write_midi(notes, path, self.tempo)
        return len(notes)


def _say_what_stays(init: tuple[Path, float | None, Ranges | None] | None) -> None:
    """For whoever took 1:30 for minutes."""
    if init is None:
        return
    path, _, keep = init
    for start, end in keep or ():
        until = "the end" if end is None else f"{end:g} s"
        print(f"note: what is from {start:g} s to {until} of {path} stays", file=sys.stderr)


def _until_interrupted(seeds: Iterable[int]) -> Iterator[int]:
    for seed in seeds:
        stop_if_interrupted()
        yield seed


def _draw(picture: Path, signals: Any, sampling_rate: int) -> None:
    from latentstem.plotting.spectrogram import plot_spectrograms

    plot_spectrograms(picture, signals, sampling_rate)
