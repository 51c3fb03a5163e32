"""Production of single parts as on records: amplifier, compression, equalizer, chorus, echo, reverb and sidechain.

Every song draws a chain for each of its parts. What a stem is to be generated in keeps its onsets: its chain has no
chorus, echo, reverb or sidechain. Effects on whole mixes are in `latentstem.data.render.random_effects`.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from scipy.signal import butter, sosfilt
from torch import Tensor

from latentstem.audio.rate import SAMPLING_RATE
from latentstem.data.render.effects import add_room, compress, equalize
from latentstem.data.rng import SeededRandom

_WORKING_PEAK = 0.5
"""Peak at which a part enters its chain, so that a drive means one thing whatever the part's level."""
_ATTACK = 0.005
"""Seconds in which a sidechain turns a part down."""
AMPLIFIED = ("bass", "chords", "lead")
"""Kinds of parts that may be played through an amplifier."""
DUCKED = ("chords", "lead")
"""Kinds of parts that a kick drum may turn down."""


def produce(audio: np.ndarray, kind: str, rng: SeededRandom, dry: bool) -> np.ndarray:
    """Apply a random chain of effects to a part.

    Args:
        audio: `(samples,)`.
        kind: Name of the part without its number, "chords" for "chords2".
        rng: Source of the draws.
        dry: Whether to leave out what spreads a sound in time: chorus, echo and reverb.

    Returns:
        `(samples,)` float32 of another level, without delay.

    Example:
        >>> tone = 0.3 * np.sin(np.arange(44100) / 40).astype(np.float32)
        >>> produce(tone, "bass", SeededRandom(1), dry=True).shape
        (44100,)
    """
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0.0:
        return audio
    audio = audio * np.float32(_WORKING_PEAK / peak)
    amplifier, colour = rng.child("amplifier"), rng.child("colour")
    if kind in AMPLIFIED and amplifier.child("used").bernoulli(0.35):
        audio = amplify(audio, amplifier)
    if rng.child("compressor used").bernoulli(0.5):
        audio = _compressed(audio, rng.child("compressor"))
    if colour.child("used").bernoulli(0.7):
        points = torch.tensor([[4.0 * _normal(colour.child(f"point {index}")) for index in range(8)]])
        audio = equalize(_batch(audio), points)[0, 0].numpy()
    if not dry:
        for name, probability, effect in (("chorus", 0.2, chorus), ("echo", 0.15, echo), ("reverb", 0.5, reverb)):
            if rng.child(f"{name} used").bernoulli(probability):
                audio = effect(audio, rng.child(name))
    return audio.astype(np.float32, copy=False)


def amplify(audio: np.ndarray, rng: SeededRandom) -> np.ndarray:
    """Play a sound through a random amplifier and cabinet, mixed with the direct sound.

    The amplifier is `tanh(g x + b) - tanh(b)`, whose bias b adds even harmonics; the cabinet a band from 40 to 120 Hz
    up to 1.5 to 7 kHz with a peak below its upper edge.

    Args:
        audio: `(samples,)`, with a peak near a half.
        rng: Source of the draws.

    Returns:
        `(samples,)` float32.
    """
    gain, bias = 10 ** rng.child("gain").uniform(-0.3, 1.6), rng.child("bias").uniform(0.0, 0.5)
    driven = (np.tanh(gain * audio + bias) - np.tanh(bias)) / np.tanh(max(gain * _WORKING_PEAK, 0.3))
    low, high = rng.child("low").uniform(40.0, 120.0), 1500.0 * (7000.0 / 1500.0) ** rng.child("high").uniform(0, 1)
    played = _butterworth(driven, 2, low, "highpass")
    played = _butterworth(played, rng.child("slope").choice((2, 4)), high)
    played = played + rng.child("peak").uniform(0.0, 2.0) * _butterworth(
        played, 1, (0.5 * high, 0.8 * high), "bandpass"
    )
    # Basses are recorded from the pickup and in front of the cabinet at once.
    share = rng.child("share").uniform(0.3, 1.0)
    return (share * played + (1 - share) * audio).astype(np.float32)


def chorus(audio: np.ndarray, rng: SeededRandom) -> np.ndarray:
    """Add one or two copies whose delay moves slowly.

    Args:
        audio: `(samples,)`.
        rng: Source of the draws.

    Returns:
        `(samples,)`.
    """
    samples = np.arange(len(audio), dtype=np.float64)
    result = audio.astype(np.float64)
    for voice in range(1 + rng.child("voices").integer(2)):
        stream = rng.child(f"voice {voice}")
        delay = stream.child("delay").uniform(0.006, 0.025) * SAMPLING_RATE
        depth = stream.child("depth").uniform(0.0005, 0.003) * SAMPLING_RATE
        speed = 2 * np.pi * stream.child("speed").uniform(0.1, 3.0) / SAMPLING_RATE
        phase = stream.child("phase").uniform(0.0, 2 * np.pi)
        place = samples - delay - depth * np.sin(speed * samples + phase)
        result += stream.child("level").uniform(0.3, 0.9) * np.interp(place, samples, audio, left=0.0)
    return result.astype(np.float32)


def echo(audio: np.ndarray, rng: SeededRandom) -> np.ndarray:
    """Add up to six repeats, each duller and quieter than the one before.

    Args:
        audio: `(samples,)`.
        rng: Source of the draws.

    Returns:
        `(samples,)`.
    """
    delay = round(rng.child("delay").uniform(0.08, 0.6) * SAMPLING_RATE)
    feedback, level = rng.child("feedback").uniform(0.0, 0.6), rng.child("level").uniform(0.1, 0.5)
    tone = rng.child("tone").uniform(1500.0, 8000.0)
    result, repeat = audio.astype(np.float64), audio.astype(np.float64)
    for count in range(1, 7):
        if count * delay >= len(audio) or level < 0.01:
            break
        repeat = _butterworth(repeat, 1, tone)
        result[count * delay :] += level * repeat[: len(audio) - count * delay]
        level *= feedback
    return result.astype(np.float32)


def reverb(audio: np.ndarray, rng: SeededRandom) -> np.ndarray:
    """Add a room or hall: noise that falls by 60 dB in 0.2 to 3 s, its highs faster.

    Args:
        audio: `(samples,)`.
        rng: Source of the draws.

    Returns:
        `(samples,)`.
    """
    decay = 0.2 * 15.0 ** rng.child("decay").uniform(0.0, 1.0)
    time = np.arange(round(decay * SAMPLING_RATE)) / SAMPLING_RATE
    tail = rng.child("noise").uniforms(-1.0, 1.0, len(time)) * np.exp(-6.9 / decay * time)
    tail[: round(rng.child("gap").uniform(0.001, 0.06) * SAMPLING_RATE)] = 0.0
    dark = _butterworth(tail, 1, rng.child("tone").uniform(1000.0, 6000.0))
    fade = np.exp(-2.0 / decay * time)
    tail = fade * tail + (1 - fade) * dark
    wet = 10 ** (rng.child("level").uniform(-20.0, -4.0) / 20)
    response = wet * tail / max(float(np.linalg.norm(tail)), 1e-9)
    return add_room(_batch(audio), torch.from_numpy(response.astype(np.float32))[None])[0, 0].numpy()


def duck(audio: np.ndarray, kicks: Sequence[float], rng: SeededRandom) -> np.ndarray:
    """Turn a part down at each stroke of the kick drum, as a compressor does whose sidechain is given the kick.

    The gain falls by 3 to 20 dB in 5 ms and rises in a line over decibels, which takes 0.1 to 0.4 s.

    Args:
        audio: `(samples,)`.
        kicks: Times of the strokes in seconds, in order.
        rng: Source of the draws.

    Returns:
        `(samples,)` float32.
    """
    depth, release = rng.child("depth").uniform(3.0, 20.0), rng.child("release").uniform(0.1, 0.4)
    strokes = [kicks[0]] if kicks else []
    for kick in kicks:
        if kick - strokes[-1] >= 2 * _ATTACK:
            strokes.append(kick)
    times, decibels, left = [0.0], [0.0], 0.0
    for stroke, following in zip(strokes, [*strokes, np.inf][1:], strict=True):
        end = min(stroke + _ATTACK + release, following)
        times += [stroke, stroke + _ATTACK, end]
        decibels += [left, -depth, left := -depth * (1 - (end - stroke - _ATTACK) / release)]
    gain = 10 ** (np.interp(np.arange(len(audio)) / SAMPLING_RATE, times, decibels) / 20)
    return (gain * audio).astype(np.float32)


def _compressed(audio: np.ndarray, rng: SeededRandom) -> np.ndarray:
    threshold = torch.tensor([rng.child("threshold").uniform(-35.0, -12.0)])
    ratio = torch.tensor([2.0 * 6.0 ** rng.child("ratio").uniform(0.0, 1.0)])
    release = torch.tensor([20.0 * 20.0 ** rng.child("release").uniform(0.0, 1.0)])
    return compress(_batch(audio), threshold, ratio, release)[0, 0].numpy()


def _butterworth(audio: np.ndarray, order: int, edge: float | tuple[float, float], kind: str = "lowpass") -> np.ndarray:
    """Filter by a Butterworth filter with edges in Hz."""
    sections = butter(order, edge, kind, output="sos", fs=SAMPLING_RATE)
    return cast(np.ndarray, sosfilt(sections, audio))


def _batch(audio: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))[None, None]


def _normal(rng: SeededRandom) -> float:
    """Draw from about a normal distribution: the sum of twelve uniform draws less six."""
    return sum(rng.uniform(0.0, 1.0) for _ in range(12)) - 6.0
