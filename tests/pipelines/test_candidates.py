"""Candidates: each that of its seed alone, and only the best are held."""

import weakref

import pytest
import torch

from latentstem.pipelines import Candidate, best_candidates, draw_candidates


@pytest.fixture
def pipe(build_pipeline):
    return build_pipeline(with_reranker=True)


def test_each_is_what_its_seed_gives_alone_and_none_is_drawn_before_it_is_asked_for(pipe):
    mix_latents, asked = torch.randn(1, 4, 6), []

    def seeds():
        for seed in (4, 2, 9):
            asked.append(seed)
            yield seed

    drawn = draw_candidates(pipe, seeds(), mix_latents, num_inference_steps=2, guidance_scale=2.0)
    assert asked == []
    assert next(drawn).seed == 4 and asked == [4]
    second = next(drawn)
    call = {"num_inference_steps": 2, "guidance_scale": 2.0, "output_type": "latent"}
    alone = pipe(mix_latents=mix_latents, generator=torch.Generator().manual_seed(2), **call).audios
    assert second.seed == 2 and second.score is None and torch.equal(second.latents, alone)


def test_the_best_come_first_with_their_scores_and_the_others_are_let_go(pipe, monkeypatch):
    scores = {0: 1.0, 1: 3.0, 2: -2.0, 3: 3.0, 4: 2.0}
    held = []

    def candidates():
        for seed in scores:
            latents = torch.full((1, 4, 6), float(seed))
            assert sum(one() is not None for one in held) <= 3  # the best two, and the last that was looked at
            held.append(weakref.ref(latents))
            one = Candidate(seed, latents)
            del latents
            yield one
            del one

    monkeypatch.setattr(type(pipe), "score", lambda self, mix, latents: torch.tensor([scores[int(latents[0, 0, 0])]]))
    best = best_candidates(pipe, torch.zeros(1, 4, 6), candidates(), 2)
    assert [(one.seed, one.score) for one in best] == [(1, 3.0), (3, 3.0)]
