"""Singing voices and choirs: a glottal source through the resonances of a vocal tract.

The source is the derivative of Rosenberg's glottal flow (JASA 1971, pulse C): for the time Tp the flow rises as
0.5 (1 - cos(pi t / Tp)), for Tn it falls as cos(pi (t - Tp) / 2 Tn), then it is 0. The open quotient is (Tp + Tn) times
the pitch, small for a pressed voice, great for a breathy one. The tract is a cascade of five resonators
A / (1 - B z^-1 - C z^-2) of gain 1 at 0 Hz (Klatt, JASA 1980, equations 1 and 2). Its first three resonances are the
means that Peterson and Barney measured for men (JASA 1952, table II), scaled by the length of the tract.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import butter, sosfilt

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws, add_at, frequency_of, loudness_of
from latentstem.data.render.engines.filters import CONTROL_BLOCK, sweep
from latentstem.data.render.engines.lines import STEP, Articulation, Line, lines_of
from latentstem.data.render.engines.tone import tilt
from latentstem.data.render.engines.wavetables import HARMONICS, LENGTH, Waveform
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

VOWELS = {
    "a": (730.0, 1090.0, 2440.0),
    "ae": (660.0, 1720.0, 2410.0),
    "e": (530.0, 1840.0, 2480.0),
    "i": (270.0, 2290.0, 3010.0),
    "o": (570.0, 840.0, 2410.0),
    "u": (300.0, 870.0, 2240.0),
    "uh": (640.0, 1190.0, 2390.0),
}
"""First three formants in Hz of a man's vowels."""
_UPPER = (3500.0, 4500.0)
_CLUSTER = (2500.0, 2900.0, 3300.0)  # where trained singers gather the upper three
_WIDTHS = np.array((60.0, 90.0, 120.0, 160.0, 220.0))
_STEPS = 16  # in which a vowel changes to the next


@dataclass(frozen=True)
class SingingVoice:
    """A singer, or a choir with one or two singers for each voice of a chord.

    Attributes:
        single: Whether a note ends the one before.
        articulation: How notes begin, move and end.
        singers: Singers of each voice.
        spread: Cents by which singers differ in pitch.
        open_quotient: Part of the period in which the glottis is open.
        skew: Part of the open phase in which the flow rises.
        tilt: Harmonic above which the source is duller, by 6 dB an octave.
        softness: Exponent of the brightness over the level.
        aspiration: Level of the noise in the glottis.
        jitter: Semitones by which the pitch shakes.
        shimmer: Part of the level by which it shakes.
        tract: Factor of the formants: 1 for men, about 1.17 for women, 1.35 for children.
        cluster: How far the upper formants gather to a singer's formant, 0 to 1.
        widths: Factor of the formants' bandwidths.
        vowels: Vowels that the singer uses, as places in `VOWELS`.
        transition: Seconds from one vowel to the next.
        consonants: Part of the notes that begin with a consonant.
        consonant_time: Longest consonant in seconds.
        breaths: Level of the breath before a phrase.

    Example:
        >>> singer = SingingVoice.draw(PatchDraws(SeededRandom(0)), "voice")
        >>> audio = singer.render([Note(0.5, 1.0, pitch=60, velocity=90)], 2.0, SeededRandom(1))
        >>> audio.shape, bool(audio[:22050].any()), bool(audio[22050:44100].any())
        ((88200,), False, True)
    """

    single: bool
    articulation: Articulation
    singers: int
    spread: float
    open_quotient: float
    skew: float
    tilt: float
    softness: float
    aspiration: float
    jitter: float
    shimmer: float
    tract: float
    cluster: float
    widths: float
    vowels: tuple[int, ...]
    transition: float
    consonants: float
    consonant_time: float
    breaths: float

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> "SingingVoice":
        """Draw a singer, or a choir for chords; see `Engine.draw`."""
        choir = part == "chords"
        count = draws.choice("vowel count", (1, 2, 4, 7))
        places = list(range(len(VOWELS)))
        order = draws.rng.child("vowels")
        vowels = tuple(places.pop(order.integer(len(places))) for _ in range(count))
        return cls(
            single=not choir,
            articulation=Articulation.draw(
                draws.child("articulation"), attack=(0.005, 0.025), vibrato=0.8, glide=0.06, scoop=1.5
            ),
            singers=draws.choice("singers", (1, 2)) if choir else 1,
            spread=draws.uniform("spread", 4.0, 22.0),
            open_quotient=draws.main("open quotient", 0.35, 0.95),
            skew=draws.uniform("skew", 0.55, 0.96),
            tilt=draws.log_uniform("tilt", 3.0, 150.0),
            softness=draws.uniform("softness", 0.2, 1.2),
            aspiration=draws.main("aspiration", 0.01, 1.0, logarithmic=True),
            jitter=draws.log_uniform("jitter", 0.005, 0.08),
            shimmer=draws.log_uniform("shimmer", 0.01, 0.2),
            tract=draws.main("tract", 0.85, 1.1) if part == "bass" else draws.main("tract", 0.88, 1.4),
            cluster=draws.uniform("cluster", 0.0, 1.0) if draws.bernoulli("trained", 0.4) else 0.0,
            widths=draws.log_uniform("widths", 0.7, 2.0),
            vowels=vowels,
            transition=draws.uniform("transition", 0.06, 0.12),
            consonants=0.0 if draws.bernoulli("vocalise", 0.4) else draws.uniform("consonants", 0.1, 0.9),
            consonant_time=draws.uniform("consonant time", 0.015, 0.045),
            breaths=draws.log_uniform("breaths", 0.003, 0.06) if draws.bernoulli("audible", 0.5) else 0.0,
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        samples = round(duration * SAMPLING_RATE)
        lines = lines_of(notes, samples, self.articulation.gap, self.single)
        if not lines or samples == 0:
            return np.zeros(samples, np.float32)
        # All singers share one text: the vowels and consonants of the times at which any of them begins.
        text = lines[0] if self.single else Line(_first_of_each_start(notes), samples)
        bursts = self._consonants(text, rng.child("consonants"))
        later = {note.start: seconds for note, seconds, _ in bursts}
        source, level = np.zeros(samples, np.float32), np.zeros(lines[0].blocks)
        waveform = Waveform(self._glottis())
        for index, line in enumerate(lines):
            sung = [
                replace(note, start=note.start + min(later.get(note.start, 0.0), 0.3 * (note.end - note.start)))
                for note in line.notes
            ]
            for singer in range(self.singers):
                voiced = Line(sung, samples, self.articulation.gap)
                sound, loudness = self._sing(voiced, waveform, singer, rng.child(f"singer {index} {singer}"))
                source += sound
                level += loudness
        white = rng.child("aspiration").uniforms(-1.0, 1.0, samples).astype(np.float32)
        # Most of the noise arises while air flows, so it pulses with the source; a soft voice has less of it.
        soft = np.clip(level / (len(lines) * self.singers), 0.0, 1.0) ** self.softness
        amount = text.to_samples(self.aspiration * soft)
        source += amount * white * (text.to_samples(0.15 * level) + np.float32(0.5) * source)
        if self.breaths:
            source += white * text.to_samples(self._breaths(text))
        audio = sweep(source, self._tract(text, rng.child("vowels")))
        for index, (note, seconds, centre) in enumerate(bursts):
            loudness = np.float32(loudness_of(note.velocity, self.articulation.dynamics))
            add_at(audio, loudness * _burst(seconds, centre, rng.child(f"burst {index}")), note.start)
        return audio

    def _glottis(self) -> np.ndarray:
        """Return the complex amplitudes of the harmonics of the glottal flow's derivative."""
        time = np.arange(LENGTH) / LENGTH
        rise = self.open_quotient * self.skew
        fall = self.open_quotient - rise
        flow = np.where(
            time < rise, 0.5 * (1 - np.cos(np.pi * time / rise)), np.cos(0.5 * np.pi * (time - rise) / fall)
        )
        flow[time > self.open_quotient] = 0.0
        order = np.arange(1, HARMONICS + 1)
        harmonics = 2j * np.pi * order * np.fft.rfft(flow)[1 : HARMONICS + 1] * 2 / LENGTH
        harmonics /= np.sqrt(1 + (order / self.tilt) ** 2)
        return harmonics / np.sqrt(np.sum(np.abs(harmonics) ** 2))

    def _sing(self, line: Line, waveform: Waveform, singer: int, rng: SeededRandom) -> tuple[np.ndarray, np.ndarray]:
        """Return the source of one singer, `(samples,)`, and its level, `(blocks,)`."""
        pitch = self.articulation.pitch(line, rng.child("pitch"))
        pitch += self.jitter * line.wander(60.0, rng.child("jitter"))
        pitch += self.spread / 200 * (2 * singer - 1 if self.singers > 1 else 0.0)
        level = self.articulation.level(line, rng.child("level"))
        level *= 1 + self.shimmer * line.wander(60.0, rng.child("shimmer"))
        sound = line.oscillate(waveform, line.frequency(pitch), rng.uniform(0.0, 1.0))
        bright = line.to_samples(np.clip(level, 0.0, 1.0) ** self.softness)
        return tilt(sound, bright, 700.0) * line.to_samples(level), level

    def _tract(self, line: Line, rng: SeededRandom) -> np.ndarray:
        """Return the resonators of each block, `(blocks, 5, 6)`, moving from vowel to vowel."""
        table = np.array([(*formants, *_UPPER) for formants in VOWELS.values()])[list(self.vowels)]
        table[:, 2:] += self.cluster * (np.array(_CLUSTER) - table[:, 2:])
        table = np.log(np.sort(table, axis=1) * self.tract)
        goals = table[[rng.integer(len(table)) for _ in line.notes]]
        # Above the first formant of its vowel a singer opens the mouth, until the formant is at the pitch.
        goals[:, 0] = np.maximum(goals[:, 0], np.log([frequency_of(note.pitch) for note in line.notes]))
        goals[:, 1] = np.maximum(goals[:, 1], goals[:, 0] + 0.1)
        age = line.age
        edges = [0, *(line.block_of(start) for start in line.starts[1:]), line.blocks]
        formants, current = np.empty((line.blocks, 5)), goals[0]
        for first, last, goal in zip(edges, edges[1:], goals, strict=False):
            if last > first:
                way = 0.5 - 0.5 * np.cos(np.pi * np.minimum(age[first:last] / self.transition, 1.0))
                way = np.round(_STEPS * way) / _STEPS
                formants[first:last] = current + way[:, None] * (goal - current)
                current = formants[last - 1]
        return _resonators(np.exp(formants), self.widths * _WIDTHS * np.sqrt(self.tract))

    def _consonants(self, line: Line, rng: SeededRandom) -> list[tuple[Note, float, float]]:
        """Draw the notes with a consonant, its length and frequency: noise that the vowel follows."""
        bursts = []
        for note in line.notes:
            if rng.bernoulli(self.consonants):
                seconds = self.consonant_time * rng.uniform(0.3, 1.0)
                bursts.append((note, seconds, rng.choice((900.0, 1800.0, 2800.0, 4500.0, 6500.0)) * self.tract))
        return bursts

    def _breaths(self, line: Line) -> np.ndarray:
        """Return the level of the breath taken in rests of half a second and more, `(blocks,)`."""
        level = np.zeros(line.blocks)
        for end, start in zip(line.ends, line.starts[1:], strict=False):
            if start - end > 0.5:
                first, last = line.block_of(start - 0.4), line.block_of(start - 0.06)
                level[first:last] = self.breaths * np.sin(np.pi * np.arange(last - first) / max(last - first, 1))
        return level


def _first_of_each_start(notes: Sequence[Note]) -> list[Note]:
    return [note for index, note in enumerate(notes) if index == 0 or note.start - notes[index - 1].start > 2 * STEP]


def _resonators(frequency: np.ndarray, bandwidth: np.ndarray) -> np.ndarray:
    """Compute the sections of Klatt's cascade for frequencies in Hz `(blocks, formants)`, `(blocks, formants, 6)`."""
    c = -np.exp(-2 * np.pi * bandwidth / SAMPLING_RATE) + 0 * frequency
    b = 2 * np.exp(-np.pi * bandwidth / SAMPLING_RATE) * np.cos(2 * np.pi * frequency / SAMPLING_RATE)
    zero, one = np.zeros_like(b), np.ones_like(b)
    return np.stack([1 - b - c, zero, zero, one, -b, -c], -1)


def _burst(seconds: float, centre: float, rng: SeededRandom) -> np.ndarray:
    """Return noise around a frequency, as loud as a soft vowel, that fades into what follows."""
    samples = round(2 * seconds * SAMPLING_RATE) + CONTROL_BLOCK
    band = butter(1, (0.7 * centre, min(1.4 * centre, 18000.0)), "bandpass", fs=SAMPLING_RATE, output="sos")
    noise = np.asarray(sosfilt(band, rng.uniforms(-1.0, 1.0, samples)))
    return (0.4 * noise * np.hanning(2 * samples)[samples:]).astype(np.float32)
