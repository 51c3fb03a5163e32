"""Organs: drawbars with percussion, key click and a rotating speaker, and ranks of pipes with chiff.

An organ adds stops whose pitches are harmonics of the 16 foot stop, an octave below the written pitch: 16', 5 1/3', 8',
4', 2 2/3', 2', 1 3/5', 1 1/3' and 1' are its harmonics 1, 3, 2, 4, 6, 8, 10, 12 and 16. The wheels of an electric organ
are sines; a pipe has harmonics of its own, k^-slope. A rotating horn is a source on a circle: its distance changes the
delay, which is vibrato, and its direction the level, which is tremolo (Smith et al., "Doppler Simulation and the
Leslie", DAFx 2002).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, sosfilt

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.engines.engine import PatchDraws, add_at, frequency_of, loudness_of, monophonic
from latentstem.data.render.engines.envelopes import Envelope
from latentstem.data.render.engines.lines import STEP, Line
from latentstem.data.render.engines.wavetables import HARMONICS, Waveform
from latentstem.data.rng import SeededRandom
from latentstem.data.score import Note

STOPS = (1, 3, 2, 4, 6, 8, 10, 12, 16)
"""Harmonics of the 16 foot stop that the nine stops sound at."""
_DYNAMICS = 15.0  # dB by which the least velocity is softer
_LAYERS = 8  # steps of the velocity between which the spectrum does not change
_CROSSOVER = 800.0  # Hz above which the horn sounds, below which the drum
_RADIUS = 0.0004  # seconds that sound takes along the radius of the horn


@dataclass(frozen=True)
class Organ:
    """An organ.

    Attributes:
        monophonic: Whether a note ends the one before.
        stops: Level of each of the `STOPS`.
        slope: Exponent by which the harmonics of a stop fall; 8 and more are sines.
        odd: Factor of a stop's even harmonics: 0 for stopped pipes.
        touch: Exponent by which the stops above the 8 foot lose level at a low velocity.
        attack: Attack in seconds.
        release: Time constant of the release in seconds.
        celeste: Cents by which a second rank is higher; 0 for none.
        percussion: Level of the percussion.
        percussion_stop: Its harmonic of the 16 foot stop.
        percussion_decay: Its time constant in seconds.
        click: Level of the noise at the start of a note: key click, or the chiff of a pipe.
        click_time: Time constant of that noise in seconds.
        click_centre: Its lowest frequency in Hz.
        drive: Gain before the saturation of the amplifier; 0 for none.
        rotor_depth: Depth of the rotating speaker, 0 to 1.
        rotor_speeds: Slow and fast rotations a second.
        rotor_change: Seconds between changes of the speed.

    Example:
        >>> organ = Organ.draw(PatchDraws(SeededRandom(0)), "chords")
        >>> audio = organ.render([Note(0.5, 1.0, pitch=60, velocity=90)], 2.0, SeededRandom(1))
        >>> audio.shape, bool(audio[:22050].any()), bool(audio[22050:44100].any())
        ((88200,), False, True)
    """

    monophonic: bool
    stops: tuple[float, ...]
    slope: float
    odd: float
    touch: float
    attack: float
    release: float
    celeste: float
    percussion: float
    percussion_stop: int
    percussion_decay: float
    click: float
    click_time: float
    click_centre: float
    drive: float
    rotor_depth: float
    rotor_speeds: tuple[float, float]
    rotor_change: float

    @classmethod
    def draw(cls, draws: PatchDraws, part: str) -> "Organ":
        """Draw an organ of wheels or of pipes; see `Engine.draw`."""
        pipes, bass = draws.bernoulli("pipes", 0.4), part == "bass"
        fall = draws.main("fall", -0.4, 1.8)
        stops = [
            draws.uniform(f"stop {stop}", 0.2, 1.0) * (stop / 2) ** -fall
            if draws.bernoulli(f"pulled {stop}", 0.6)
            else 0
            for stop in STOPS
        ]
        # The 8 foot stop always sounds; those that would make another note of it stay behind.
        stops[2] = 1.0
        stops[0] *= 0.25 if bass else 0.6
        stops[1] *= 0.15 if bass else 0.5
        speeds = draws.uniform("slow", 0.5, 1.2), draws.main("fast", 4.5, 8.0)
        return cls(
            monophonic=part in ("bass", "lead", "voice"),
            stops=tuple(stops),
            slope=draws.uniform("slope", 0.7, 3.5) if pipes else draws.uniform("slope", 3.0, 9.0),
            odd=draws.uniform("odd", 0.0, 1.0) if draws.bernoulli("stopped", 0.3) else 1.0,
            touch=draws.uniform("touch", 0.3, 1.2),
            attack=draws.main("pipe attack", 0.005, 0.06, True) if pipes else draws.log_uniform("attack", 5e-4, 4e-3),
            release=draws.log_uniform("pipe release", 0.015, 0.08)
            if pipes
            else draws.log_uniform("release", 3e-3, 0.02),
            celeste=draws.uniform("celeste", 2.0, 12.0) if draws.bernoulli("ranks", 0.4 if pipes else 0.1) else 0.0,
            percussion=0.0 if pipes or draws.bernoulli("no percussion", 0.6) else draws.uniform("percussion", 0.3, 1.5),
            percussion_stop=draws.choice("percussion stop", (4, 6)),
            percussion_decay=draws.log_uniform("percussion decay", 0.05, 0.4),
            click=draws.log_uniform("click", 0.01, 0.4),
            click_time=draws.log_uniform("chiff time", 0.01, 0.05)
            if pipes
            else draws.log_uniform("click time", 1e-3, 6e-3),
            click_centre=draws.log_uniform("click centre", 400.0, 4000.0),
            drive=0.0 if pipes or draws.bernoulli("clean", 0.4) else draws.log_uniform("drive", 0.3, 6.0),
            rotor_depth=0.0 if pipes or draws.bernoulli("still", 0.3) else draws.uniform("rotor depth", 0.2, 1.0),
            rotor_speeds=speeds,
            rotor_change=draws.log_uniform("rotor change", 2.0, 40.0),
        )

    def render(self, notes: Sequence[Note], duration: float, rng: SeededRandom) -> np.ndarray:
        """Play notes; see `Engine.render`."""
        track = np.zeros(round(duration * SAMPLING_RATE), np.float32)
        notes = monophonic(notes) if self.monophonic else list(notes)
        if not notes or len(track) == 0:
            return track
        layers: dict[int, Waveform] = {}
        envelope = Envelope(self.attack, 1.0, 1.0, self.release)
        chiff = self._chiff(rng.child("click"))
        for note, phase in zip(notes, rng.child("phase").uniforms(0.0, 1.0, len(notes)), strict=True):
            layer = round(_LAYERS * note.velocity / 127)
            if layer not in layers:
                layers[layer] = Waveform(self._harmonics(max(layer, 0.5) / _LAYERS))
            level = envelope.over(note.end - note.start)
            sound = self._pipes(layers[layer], frequency_of(note.pitch) / 2, float(phase), len(level))
            loudness = np.float32(loudness_of(note.velocity, _DYNAMICS))
            add_at(track, loudness * level * sound, note.start)
            add_at(track, loudness**2 * chiff, note.start)
        if self.drive:
            track = np.tanh(np.float32(self.drive) * track)
        return self._rotate(track, notes, rng.child("rotor")) if self.rotor_depth else track

    def _harmonics(self, velocity: float) -> np.ndarray:
        """Return the amplitudes of the 16 foot stop's harmonics: the stops, each with its own."""
        amplitude = np.zeros(HARMONICS)
        for stop, level in zip(STOPS, self.stops, strict=True):
            orders = np.arange(1, HARMONICS // stop + 1)
            own = orders**-self.slope * np.where(orders % 2, 1.0, self.odd)
            # Soft notes have less of the high stops and of the high harmonics.
            own *= np.maximum(orders * stop / 2, 1.0) ** (self.touch * np.log(velocity))
            amplitude[stop * orders - 1] += level * own
        return -1j * amplitude / np.sqrt(np.sum(amplitude**2))

    def _pipes(self, waveform: Waveform, frequency: float, begin: float, samples: int) -> np.ndarray:
        time = np.arange(samples) / SAMPLING_RATE
        phase = frequency * time
        # Half of the ranks' distance to either side keeps the pitch.
        apart = 2.0 ** (self.celeste / 2400)
        sound = waveform.read(phase / apart + begin, frequency)
        if self.celeste:
            sound += 0.7 * waveform.read(phase * apart + begin + 0.3, frequency)
        if self.percussion:
            stop = self.percussion_stop * frequency
            short = time[: round(7 * self.percussion_decay * SAMPLING_RATE)]
            fall = self.percussion * np.exp(-short / self.percussion_decay) * np.sin(2 * np.pi * stop * short)
            sound[: len(short)] += fall.astype(np.float32)
        return sound

    def _chiff(self, rng: SeededRandom) -> np.ndarray:
        samples = round(7 * self.click_time * SAMPLING_RATE)
        passed = butter(1, self.click_centre, "highpass", fs=SAMPLING_RATE, output="sos")
        noise = np.asarray(sosfilt(passed, rng.uniforms(-1.0, 1.0, samples)))
        return (self.click * noise * np.exp(-np.arange(samples) / (self.click_time * SAMPLING_RATE))).astype(np.float32)

    def _rotate(self, track: np.ndarray, notes: Sequence[Note], rng: SeededRandom) -> np.ndarray:
        """Play a track through a drum and a horn that rotate, with changes between two speeds."""
        line = Line(notes, len(track))
        changes = np.arange(0.0, len(track) / SAMPLING_RATE, self.rotor_change)
        speeds = [rng.choice(self.rotor_speeds) for _ in changes]
        low = np.asarray(sosfilt(butter(2, _CROSSOVER, fs=SAMPLING_RATE, output="sos"), track), np.float32)

        def angle(inertia: float) -> np.ndarray:
            speed = line.approach(changes.tolist(), speeds, [inertia] * len(speeds), speeds[0])
            return 2 * np.pi * STEP * np.cumsum(speed)

        # The horn follows its motor quickly, the drum slowly.
        horn, drum = angle(0.4), angle(2.0)
        delay = self.rotor_depth * _RADIUS * SAMPLING_RATE * (1 + np.sin(horn))
        high = _delayed(track - low, line.to_samples(delay))
        return self._swing(line, drum, 0.3) * low + self._swing(line, horn, 0.6) * high

    def _swing(self, line: Line, angle: np.ndarray, depth: float) -> np.ndarray:
        return line.to_samples(1.0 + depth * self.rotor_depth * np.cos(angle))


def _delayed(audio: np.ndarray, delay: np.ndarray) -> np.ndarray:
    """Delay by a changing number of samples, 0 and more, with linear interpolation."""
    whole = delay.astype(np.int32)
    fraction = delay - whole.astype(np.float32)
    padded = np.concatenate([np.zeros(int(whole.max(initial=0)) + 2, np.float32), audio])
    place = np.arange(len(audio), dtype=np.int32) + (len(padded) - len(audio)) - whole
    return padded[place] + fraction * (padded[place - 1] - padded[place])
