"""Named random streams: draws from one stream change no other stream."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from latentstem.data.compose import composer
from latentstem.data.compose.bassnet_sets import compose_artificial
from latentstem.data.compose.composer import compose
from latentstem.data.compose.drums import Drummer
from latentstem.data.rng import SeededRandom
from latentstem.data.splits import TEST_SEEDS

seeds = st.integers(0, 2**70)
names = st.text(max_size=12)
songs = st.integers(0, TEST_SEEDS.stop - 1)


def draws(rng, count=8):
    return [rng.uniform(0.0, 1.0) for _ in range(count)]


def test_the_draws_stand_on_the_raw_stream_alone():
    # PCG64 of seed 0, as NumPy has written it since 1.17: a corpus must not change with the NumPy version.
    assert SeededRandom(0).uniform(0.0, 1.0) == 0.6369616873214543
    assert [SeededRandom(seed).integer(10) for seed in range(3)] == [6, 5, 2]


def test_many_uniform_draws_are_the_single_ones_in_turn():
    rng = SeededRandom(0)
    assert SeededRandom(0).uniforms(-1.0, 1.0, 5).tolist() == [rng.uniform(-1.0, 1.0) for _ in range(5)]


def test_a_child_is_the_stream_that_seed_sequence_spawns_for_the_hash_of_its_name():
    # `printf drums | b2sum -l 128` says b9acaddd 45a1cc6b 5dcdc0f5 fbe622e2, read as little-endian words.
    words = (0xDDADACB9, 0x6BCCA145, 0xF5C0CD5D, 0xE222E6FB)
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence(5, spawn_key=words)))
    assert draws(SeededRandom(5).child("drums"), 4) == generator.random(4).tolist()


@given(seeds, names, names, st.integers(0, 20))
def test_a_child_is_independent_of_draws_siblings_and_order(seed, name, other, count):
    expected = draws(SeededRandom(seed).child(name))
    root = SeededRandom(seed)
    draws(root, count)
    draws(root.child(other), count)
    child = root.child(name)
    draws(root, 1)
    assert draws(child) == expected == draws(root.child(name))


@given(seeds, names, names)
def test_a_child_leaves_the_parent_as_it_is(seed, name, other):
    root = SeededRandom(seed)
    draws(root.child(name).child(other))
    assert draws(root) == draws(SeededRandom(seed))


@given(seeds, st.lists(names, min_size=2, max_size=6, unique=True))
def test_names_seeds_and_generations_give_other_streams(seed, children):
    root, first, second = SeededRandom(seed), *children[:2]
    streams = [root, SeededRandom(seed + 1).child(first), *(root.child(name) for name in children)]
    streams += [root.child(first).child(second), root.child(second).child(first)]
    drawn = [tuple(draws(stream)) for stream in streams]
    assert len(set(drawn)) == len(drawn)


def test_children_are_not_correlated():
    columns = np.array([draws(SeededRandom(0).child(f"part {index}"), 2000) for index in range(20)])
    columns = np.vstack([columns, draws(SeededRandom(0), 2000), draws(SeededRandom(1).child("part 0"), 2000)])
    others = np.corrcoef(columns)[np.triu_indices(len(columns), 1)]
    assert np.abs(others).max() < 0.1  # 4.5 standard deviations
    assert columns.mean(axis=1) == pytest.approx(0.5, abs=0.03)


# --- the composer


def parts_of(song):
    return {part.name: part for part in song.parts}


@given(songs)
def test_more_draws_of_the_drummer_change_the_drums_alone(seed):
    song = compose(seed, 15.0)
    with pytest.MonkeyPatch.context() as patch:
        init, bar = Drummer.__init__, Drummer.bar

        def init_and_draw(self, rng, *arguments):
            rng.uniform(0.0, 1.0)
            init(self, rng, *arguments)

        def draw_and_write(self, **what):
            self.rng.uniform(0.0, 1.0)
            return bar(self, **what)

        patch.setattr(Drummer, "__init__", init_and_draw)
        patch.setattr(Drummer, "bar", draw_and_write)
        other = compose(seed, 15.0)
    before, after = parts_of(song), parts_of(other)
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == ({"drums"} if before.get("drums") and before["drums"].notes else set())
    assert (song.chords, song.keys, song.sections) == (other.chords, other.keys, other.sections)


@given(songs, st.sampled_from(["lead", "chords3"]))
def test_a_further_part_leaves_the_others_as_they_are(seed, name):
    song = compose(seed, 15.0)
    assume(name not in parts_of(song))
    band = composer._band
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composer, "_band", lambda *arguments: [*band(*arguments), name])
        other = compose(seed, 15.0)
    before, after = parts_of(song), parts_of(other)
    assert after.keys() == before.keys() | {name}
    # The bass depends on the patterns of the chord instruments.
    same = before.keys() - ({"bass"} if name == "chords3" else set())
    assert {part: after[part] for part in same} == {part: before[part] for part in same}
    assert (song.chords, song.keys, song.beats) == (other.chords, other.keys, other.beats)


def test_a_song_is_the_same_in_a_process_that_hashes_otherwise():
    script = (
        "from latentstem.data.compose.composer import compose\n"
        "from latentstem.data.compose.bassnet_sets import compose_artificial\n"
        "from hashlib import sha256\n"
        "songs = [compose(seed, 12.0) for seed in range(4)] + [compose_artificial('A4', 3)]\n"
        "print(sha256(repr(songs).encode()).hexdigest())"
    )
    digests = set()
    for hash_seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": hash_seed, "PATH": "", "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)
    here = [compose(seed, 12.0) for seed in range(4)] + [compose_artificial("A4", 3)]
    assert digests == {hashlib.sha256(repr(here).encode()).hexdigest() + "\n"}
