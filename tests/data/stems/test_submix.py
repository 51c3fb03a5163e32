"""Random sub-mixes: which stems they hold, at which gains, and that the seed decides both."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentstem.data.rng import SeededRandom
from latentstem.data.stems.submix import SubmixSampler

NAMES = ["drums", "keys", "voice"]


@given(st.integers(0, 2**32), st.integers(1, 6), st.floats(0, 1), st.tuples(st.floats(0, 1), st.floats(1, 2)))
def test_a_submix_holds_one_to_all_stems_at_gains_of_the_range(seed, count, full_mix_share, gain_range):
    names = [str(index) for index in range(count)]
    gains = SubmixSampler(full_mix_share, gain_range).draw(SeededRandom(seed), names)
    assert 1 <= len(gains) <= count and set(gains) <= set(names)
    assert all(gain_range[0] <= gain <= gain_range[1] for gain in gains.values())
    assert gains == SubmixSampler(full_mix_share, gain_range).draw(SeededRandom(seed), names)


@pytest.mark.parametrize(("full_mix_share", "expected"), [(0.0, (1 / 3, 1 / 3, 1 / 3)), (0.5, (1 / 6, 1 / 6, 2 / 3))])
def test_each_number_of_stems_and_each_stem_is_as_likely(full_mix_share, expected):
    sampler, rng, draws = SubmixSampler(full_mix_share), SeededRandom(0), 3000
    submixes = [sampler.draw(rng, NAMES) for _ in range(draws)]
    sizes = Counter(map(len, submixes))
    # Five standard deviations of a proportion of a half: 0.046.
    assert [sizes[size] / draws for size in (1, 2, 3)] == pytest.approx(expected, abs=0.046)
    alone = Counter(name for gains in submixes if len(gains) == 1 for name in gains)
    assert [alone[name] / sizes[1] for name in NAMES] == pytest.approx([1 / 3] * 3, abs=0.12)


def test_a_full_mix_holds_every_stem():
    assert all(set(SubmixSampler(1.0).draw(SeededRandom(seed), NAMES)) == set(NAMES) for seed in range(50))
