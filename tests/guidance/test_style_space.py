"""The space of styles, on means whose instruments and songs are known."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from latentstem import StyleGrounding, StyleSpace
from latentstem.sampling import DenoisedStep


def means(seed=0, instruments=5, songs=30, channels=7):
    """Instruments differ in the first two channels, songs in all, most of all in the last."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.zeros(instruments, channels)
    centres[:, :2] = 3 * torch.randn(instruments, 2, generator=generator)
    labels = [number for number in range(instruments) for _ in range(songs)]
    noise = 0.3 * torch.randn(len(labels), channels, generator=generator)
    noise[:, -1] *= 10
    return centres[labels] + noise, labels, centres


@given(st.integers(0, 1000), st.integers(1, 4))
def test_readout_and_directions_are_dual_and_the_part_is_a_projection(seed, numbers):
    some, labels, _ = means(seed)
    space = StyleSpace.fit(some, labels, numbers)
    assert torch.allclose(space.readout @ space.directions.T, torch.eye(numbers), atol=1e-4)
    change = torch.randn(3, 7)
    assert torch.allclose(space.part(space.part(change)), space.part(change), atol=1e-4)
    assert torch.allclose(space.part(change) @ space.readout.T, change @ space.readout.T, atol=1e-4)


def test_a_change_of_instrument_is_style_and_a_change_of_song_is_not():
    some, labels, centres = means()
    space = StyleSpace.fit(some, labels, 2)
    change = centres[1] - centres[0]
    assert (space.part(change) - change).norm() < 0.1 * change.norm()
    song = torch.eye(7)[-1]
    assert space.part(song).norm() < 0.1


def test_it_spans_what_an_independent_discriminant_finds():
    some, labels, _ = means()
    space = StyleSpace.fit(some, labels, 2, ridge=0.0)
    found = torch.from_numpy(LinearDiscriminantAnalysis(solver="eigen").fit(some.numpy(), labels).scalings_[:, :2]).T
    spans = [torch.linalg.qr(rows.double().T)[0] for rows in (space.readout, found)]
    assert torch.linalg.svdvals(spans[0].T @ spans[1]).min() > 0.9999


def test_coordinates_have_deviation_one_among_the_songs_of_an_instrument():
    some, labels, centres = means(instruments=10, songs=60, channels=9)
    space = StyleSpace.fit(some, labels)
    assert space.readout.shape == (8, 9)
    within = (some - centres[labels]) @ space.readout.T
    assert within.std(0).sub(1).abs().max() < 0.1
    assert (within.T.corrcoef() - torch.eye(8)).abs().max() < 0.2


def test_fewer_songs_than_channels_are_enough():
    some, labels, centres = means(instruments=3, songs=2, channels=40)
    change = centres[1] - centres[0]
    assert StyleSpace.fit(some, labels, 2).part(change).isfinite().all()


@pytest.mark.parametrize(
    ("readout", "directions"),
    [
        (torch.zeros(2, 5), torch.zeros(2, 6)),
        (torch.zeros(5), torch.zeros(5)),
        (torch.zeros(1, 2, 5), torch.zeros(1, 2, 5)),
        (torch.full((2, 5), torch.nan), torch.zeros(2, 5)),
        (torch.zeros(2, 5), torch.full((2, 5), torch.inf)),
    ],
)
def test_matrices_that_are_none_are_refused(readout, directions):
    with pytest.raises(ValueError, match=r"expected two finite matrices \(numbers, channels\)"):
        StyleSpace(readout, directions)


def test_it_is_a_value_and_its_config_is_short():
    space = StyleSpace.fit(*means()[:2], 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        space.readout = space.directions
    for matrix in space.to_config().values():
        assert all(value == round(value, 6) for row in matrix for value in row)


def test_it_goes_through_a_config():
    space = StyleSpace.fit(*means()[:2], 3)
    back = StyleSpace.from_config(space.to_config())
    assert torch.allclose(back.readout, space.readout, atol=1e-6)
    assert torch.allclose(back.directions, space.directions, atol=1e-6)
    assert StyleSpace.from_config({"style_readout": None}) is None and StyleSpace.from_config({}) is None


def test_grounding_in_it_moves_the_style_numbers_to_the_reference_and_nothing_across():
    space = StyleSpace.fit(*means()[:2], 2)
    denoised, goal = torch.randn(2, 7, 11), torch.randn(7)
    step = DenoisedStep(0, 10, 0, torch.zeros(1), 0.6, 0.8)
    moved = StyleGrounding(goal, space=space)(denoised, step)
    assert torch.allclose(moved.mean(-1) @ space.readout.T, (goal @ space.readout.T).expand(2, -1), atol=1e-4)
    change = (moved - denoised).mean(-1)
    assert torch.allclose(space.part(change), change, atol=1e-4)
    assert torch.allclose(moved - moved.mean(-1, keepdim=True), denoised - denoised.mean(-1, keepdim=True), atol=1e-5)


@pytest.mark.parametrize(
    ("instruments", "numbers"), [([0, 0, 1], 1), ([0, 0, 1, 1], 2), ([0, 0, 1, 1], 0), ([0, 1, 2, 3], 1)]
)
def test_what_allows_no_fit_is_refused(instruments, numbers):
    with pytest.raises(ValueError, match="fewer numbers than instruments"):
        StyleSpace.fit(torch.randn(4, 3), instruments, numbers)


def test_one_instrument_with_two_songs_is_enough():
    assert StyleSpace.fit(torch.randn(4, 3), [0, 1, 2, 2], 2).readout.shape == (2, 3)
