"""Best of N: which stems are kept, in which order, and that only these are decoded."""

import json
import weakref

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import ContrastiveStemModel, StemAccompanimentPipeline
from latentstem.cli import load_pipeline
from latentstem.pipelines import Candidate, best_candidates, draw_candidates
from latentstem.pipelines.reranking import rank_scores

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def pipe(build_pipeline):
    return build_pipeline(with_reranker=True)


def seeds(*numbers):
    return [torch.Generator().manual_seed(number) for number in numbers]


def run(pipe, mix, **options):
    return pipe(mix, sampling_rate=44100, **{"num_inference_steps": 2, "generator": seeds(0)[0], **options})


def score_one_by_one(reranker, mix_latents, latents):
    """The logit of each stem alone with one mix."""
    with torch.no_grad():
        return torch.cat([reranker(mix_latents, stem[None])[0] for stem in latents])


@pytest.mark.parametrize("keep_best", [1, 3, 6])
def test_the_kept_are_those_with_the_highest_scores_and_the_best_comes_first(pipe, mix, keep_best):
    drawn = run(pipe, mix, num_waveforms_per_prompt=6, output_type="latent")
    scores = score_one_by_one(pipe.reranker, pipe.encode_mix(mix[None])[0], drawn.audios)
    best = scores.sort(descending=True).indices[:keep_best]
    assert drawn.scores is None and scores.std() > 1e-3

    kept = run(pipe, mix, num_waveforms_per_prompt=6, keep_best=keep_best, output_type="latent")
    assert torch.equal(kept.audios, drawn.audios[best])
    torch.testing.assert_close(kept.scores, scores[best])
    some, every = (run(pipe, mix, num_waveforms_per_prompt=6, keep_best=each).audios for each in (keep_best, None))
    torch.testing.assert_close(some, every[best], rtol=0, atol=1e-5)


def test_each_mix_has_its_own_best_at_its_own_level(pipe):
    mixes = torch.stack([0.1 * torch.randn(1, 9000), 0.01 * torch.sin(torch.arange(9000) * 0.05)[None]])
    numbers = [*range(4), *range(10, 14)]
    batch = run(pipe, mixes, num_waveforms_per_prompt=4, keep_best=2, generator=seeds(*numbers))
    assert batch.audios.shape == (4, 1, 9000)
    for item in range(2):
        one = {"num_waveforms_per_prompt": 4, "keep_best": 2, "generator": seeds(*numbers[4 * item : 4 * item + 4])}
        single = run(pipe, mixes[item], **one)
        torch.testing.assert_close(batch.audios[2 * item : 2 * item + 2], single.audios, rtol=0, atol=1e-4)
        torch.testing.assert_close(batch.scores[2 * item : 2 * item + 2], single.scores, rtol=0, atol=1e-4)


def test_a_stem_is_scored_by_its_own_mix(pipe):
    mixes, stems = torch.randn(2, 4, 9), torch.randn(6, 4, 9)
    expected = torch.cat([score_one_by_one(pipe.reranker, mixes[i : i + 1], stems[3 * i : 3 * i + 3]) for i in (0, 1)])
    torch.testing.assert_close(pipe.score(mixes, stems), expected)
    swapped = pipe.score(mixes.flip(0), stems)
    assert (swapped - expected).abs().min() > 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_reranker_gets_its_own_dtype_whatever_that_of_the_others(pipe, mix, dtype):
    pipe.reranker.to(dtype)
    dtypes = []
    pipe.reranker.register_forward_pre_hook(lambda reranker, latents: dtypes.extend(each.dtype for each in latents))
    kept = run(pipe, mix, num_waveforms_per_prompt=3, keep_best=1)
    assert dtypes == [dtype] * 2
    assert kept.scores.dtype == torch.float32 and kept.audios.isfinite().all()


def test_only_the_kept_are_decoded(pipe, mix, monkeypatch):
    decoded, decode = [], pipe.autoencoder.decode
    monkeypatch.setattr(pipe.autoencoder, "decode", lambda z, **options: decoded.append(len(z)) or decode(z, **options))
    assert len(run(pipe, mix, num_waveforms_per_prompt=5, keep_best=2).audios) == 2
    assert decoded == [2]


def test_what_is_kept_of_a_stem_comes_back_in_every_one_of_the_best(pipe):
    mixes, stems = 0.1 * torch.randn(2, 1, 20_000), 0.1 * torch.randn(2, 1, 20_000)
    keep = [(0.0, 0.2)]
    best = run(pipe, mixes, init_stem=stems, keep=keep, num_waveforms_per_prompt=3, keep_best=2).audios
    for item in range(4):
        assert torch.equal(best[item, :, :7000], stems[item // 2, :, :7000])


def test_what_is_not_finite_fits_nothing(pipe):
    stems = torch.randn(3, 4, 9)
    stems[1, 2, 5] = torch.nan
    scores = pipe.score(torch.randn(1, 4, 9), stems)
    assert scores.isneginf().tolist() == [False, True, False]
    assert set(rank_scores(scores[None], 2)[0].tolist()) == {0, 2}


@given(st.data(), st.integers(1, 4), st.integers(1, 6))
def test_the_best_of_each_mix_are_in_order_and_of_equal_ones_the_earlier(data, mixes, drawn):
    keep_best = data.draw(st.integers(1, drawn))
    scores = data.draw(st.lists(st.integers(0, 3), min_size=mixes * drawn, max_size=mixes * drawn))
    scores = torch.tensor(scores, dtype=torch.float32).reshape(mixes, drawn)
    ranks = rank_scores(scores, keep_best)
    for row, own in zip(ranks.tolist(), scores.tolist(), strict=True):
        assert row == sorted(range(drawn), key=lambda i: -own[i])[:keep_best]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep_best": 0}, "from 1 to num_waveforms_per_prompt, which is 4, got 0"),
        ({"keep_best": -1}, "got -1"),
        ({"keep_best": 5}, "which is 4, got 5"),
        ({"keep_best": 1.0}, "got 1.0"),
    ],
)
def test_refuses_numbers_that_cannot_be_kept(pipe, mix, options, message):
    with pytest.raises(ValueError, match=message):
        run(pipe, mix, num_waveforms_per_prompt=4, **options)


def test_refuses_to_rank_without_a_reranker_or_without_a_mix(pipe, build_pipeline, mix):
    with pytest.raises(ValueError, match="keep_best without a mix"):
        pipe(duration=0.1, num_waveforms_per_prompt=2, keep_best=1)
    with pytest.raises(ValueError, match=r"no reranker to choose by.*register_modules"):
        run(build_pipeline(), mix, num_waveforms_per_prompt=2, keep_best=1)
    with pytest.raises(ValueError, match="no reranker to score"):
        build_pipeline().score(torch.randn(1, 4, 9), torch.randn(1, 4, 9))
    with pytest.raises(ValueError, match="3 stems for 2 mixes"):
        pipe.score(torch.randn(2, 4, 9), torch.randn(3, 4, 9))


def test_folders_without_a_reranker_load_whether_they_say_so_or_know_of_none(
    build_pipeline, mix, tmp_path, has_weights_of
):
    plain = build_pipeline()
    plain.save_pretrained(tmp_path)
    index = tmp_path / "model_index.json"
    stated = json.loads(index.read_text())
    assert stated.pop("reranker") == [None, None]
    earlier = {**stated, "judge": [None, None]}
    for content in (index.read_text(), json.dumps(stated), json.dumps(earlier)):
        index.write_text(content)
        for loaded in (StemAccompanimentPipeline.from_pretrained(tmp_path), load_pipeline(str(tmp_path))):
            assert loaded.reranker is None
            loaded.set_progress_bar_config(disable=True)
            assert has_weights_of(loaded.unet, plain.unet)
            torch.testing.assert_close(run(loaded, mix).audios, run(plain, mix).audios)


def test_a_reranker_that_is_added_is_saved_and_loaded(build_pipeline, pipe, mix, tmp_path, has_weights_of):
    plain = build_pipeline()
    plain.register_modules(reranker=pipe.reranker)
    plain.save_pretrained(tmp_path)
    best = {"num_waveforms_per_prompt": 3, "keep_best": 1}
    for loaded in (StemAccompanimentPipeline.from_pretrained(tmp_path), load_pipeline(str(tmp_path))):
        assert isinstance(loaded.reranker, ContrastiveStemModel) and not loaded.reranker.training
        loaded.set_progress_bar_config(disable=True)
        assert has_weights_of(loaded.reranker, pipe.reranker) and has_weights_of(loaded.unet, pipe.unet)
        torch.testing.assert_close(run(loaded, mix, **best).audios, run(pipe, mix, **best).audios)


def test_a_reranker_takes_its_turn_after_the_net_when_nets_are_offloaded(pipe):
    turns = StemAccompanimentPipeline.model_cpu_offload_seq.split("->")
    nets = {name for name, component in pipe.components.items() if isinstance(component, torch.nn.Module)}
    assert set(turns) == nets | {"style_encoder"}
    assert turns.index("style_encoder") < turns.index("unet") < turns.index("reranker")


def test_each_candidate_is_what_its_seed_gives_alone_and_none_is_drawn_before_it_is_asked_for(pipe):
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


def test_the_best_candidates_come_first_with_their_scores_and_the_others_are_let_go(pipe, monkeypatch):
    scores = {0: 1.0, 1: 3.0, 2: -2.0, 3: 3.0, 4: 2.0}
    held = []

    def candidates():
        for seed in scores:
            latents = torch.full((1, 4, 6), float(seed))
            assert sum(alive() is not None for alive in held) <= 3  # the best two, and the last that was looked at
            held.append(weakref.ref(latents))
            candidate = Candidate(seed, latents)
            del latents
            yield candidate
            del candidate

    monkeypatch.setattr(type(pipe), "score", lambda self, mix, latents: torch.tensor([scores[int(latents[0, 0, 0])]]))
    best = best_candidates(pipe, torch.zeros(1, 4, 6), candidates(), 2)
    assert [(kept.seed, kept.score) for kept in best] == [(1, 3.0), (3, 3.0)]
