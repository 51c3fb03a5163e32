"""Biased attention is one function by three ways, each equal to a loop over queries and keys."""

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.profiler import ProfilerActivity, profile

from latentstem.nn import SelfAttention1D, biased_attention
from latentstem.nn.attention import DENSE_FRAMES, _add_table


def looped_attention(query, key, value, table):
    """The definition, one query and one key at a time."""
    out = torch.zeros_like(value)
    batch, heads, length, dim = query.shape
    for b in range(batch):
        for h in range(heads):
            for i in range(length):
                logits = [
                    float(query[b, h, i] @ key[b, h, j]) / math.sqrt(dim) + float(table[h, j - i + length - 1])
                    for j in range(length)
                ]
                weights = [math.exp(logit - max(logits)) for logit in logits]
                out[b, h, i] = sum(w * value[b, h, j] for j, w in enumerate(weights)) / sum(weights)
    return out


def random_case(batch, heads, length, dim, dtype=torch.float64):
    query, key, value = torch.randn(3, batch, length, heads, dim, dtype=dtype).transpose(2, 3).unbind()
    return query, key, value, torch.randn(heads, 2 * length - 1, dtype=dtype)


shapes = st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 9), st.integers(1, 8))


@given(shape=shapes, training=st.booleans())
def test_equals_the_loop(shape, training):
    query, key, value, table = random_case(*shape)
    with torch.set_grad_enabled(training):
        out = biased_attention(query, key, value, table.requires_grad_(training))
    torch.testing.assert_close(out.detach(), looped_attention(query, key, value, table.detach()))


@pytest.mark.parametrize("length", [1, 17, 100, 513])
def test_inference_equals_training_on_lengths_that_fill_no_tile(length):
    query, key, value, table = random_case(2, 4, length, 32, torch.float32)
    written_out = biased_attention(query, key, value, table.clone().requires_grad_()).detach()
    # Float32 sums of up to 513 terms in another order.
    torch.testing.assert_close(biased_attention(query, key, value, table), written_out, atol=2e-6, rtol=1e-5)


def test_a_trainable_table_serves_inference():
    query, key, value, table = random_case(1, 2, 12, 8)
    expected = biased_attention(query, key, value, table)
    with torch.no_grad():
        torch.testing.assert_close(biased_attention(query, key, value, table.requires_grad_()), expected)


def test_gradients_equal_those_of_the_gathered_bias():
    query, key, value, table = leaves = [t.requires_grad_() for t in random_case(2, 3, 11, 4)]
    weight = torch.randn_like(value)
    (biased_attention(*leaves) * weight).sum().backward()
    got = [t.grad.clone() for t in leaves]
    for t in leaves:
        t.grad = None
    position = torch.arange(11)
    bias = table[:, position[None, :] - position[:, None] + 10]
    logits = query @ key.transpose(-1, -2) / 2 + bias  # head_dim is 4
    ((logits.softmax(-1) @ value) * weight).sum().backward()
    for name, leaf, gradient in zip(("query", "key", "value", "table"), leaves, got, strict=True):
        torch.testing.assert_close(gradient, leaf.grad, msg=name)


def test_no_table_is_a_table_of_zeros():
    query, key, value, table = random_case(1, 2, 7, 8)
    torch.testing.assert_close(biased_attention(query, key, value), biased_attention(query, key, value, 0 * table))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("autocast", [False, True])
def test_inference_never_holds_the_matrix(dtype, autocast):
    length, heads = 1024, 4
    query, key, value, table = random_case(1, heads, length, 16, dtype)
    table = table.float()  # as DynamicPositionBias gives it
    with (
        profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace,
        torch.no_grad(),
        torch.autocast("cpu", torch.bfloat16, enabled=autocast),
    ):
        biased_attention(query, key, value, table)
    allocated = sum(max(0, event.self_cpu_memory_usage) for event in trace.key_averages())
    assert 0 < allocated < heads * length * length  # bytes: the matrix takes two or four times this


def test_flex_attention_reads_the_same_bias():
    from torch.nn.attention.flex_attention import flex_attention

    query, key, value, table = random_case(2, 3, 13, 16, torch.float32)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "flex_attention called without torch.compile", UserWarning)
        out = flex_attention(query, key, value, score_mod=_add_table(table))
    torch.testing.assert_close(out, biased_attention(query, key, value, table), atol=1e-5, rtol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("length", [5, 128, 323, DENSE_FRAMES + 100])
def test_cuda_equals_the_cpu(length):
    query, key, value, table = random_case(2, 4, length, 32, torch.float32)
    out = biased_attention(query.cuda(), key.cuda(), value.cuda(), table.cuda())
    # Tensor cores may round products to TF32.
    torch.testing.assert_close(out.cpu(), biased_attention(query, key, value, table), atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("shape", [(2, 18), (3, 19), (2, 19, 1)])
def test_a_table_that_does_not_fit_is_refused(shape):
    query, key, value, _ = random_case(1, 2, 10, 4)
    with pytest.raises(ValueError, match=r"expected as many queries as keys and a table of shape \(2, 19\)"):
        biased_attention(query, key, value, torch.zeros(shape))


def awake(module):
    """The module with its zero-initialised parameters set to something."""
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return module


def test_self_attention_starts_as_the_identity():
    hidden = torch.randn(2, 16, 9)
    assert torch.equal(SelfAttention1D(16, 4)(hidden, torch.randn(4, 17)), hidden)


def test_without_a_table_frames_have_no_order_and_with_one_they_do():
    attention, hidden, order = awake(SelfAttention1D(16, 4)), torch.randn(1, 16, 9), torch.randperm(9)
    torch.testing.assert_close(attention(hidden[..., order]), attention(hidden)[..., order], atol=1e-5, rtol=1e-5)
    table = torch.randn(4, 17)
    assert not torch.allclose(attention(hidden[..., order], table), attention(hidden, table)[..., order], atol=1e-2)


@given(length=st.integers(1, 40))
def test_log_n_scaling_acts_on_longer_sequences_only(length):
    torch.manual_seed(2)
    plain = awake(SelfAttention1D(16, 4))
    scaled = SelfAttention1D(16, 4, log_n_scaling=True, train_length=8)
    scaled.load_state_dict(plain.state_dict())
    hidden, table = torch.randn(1, 16, length), torch.randn(4, 2 * length - 1)
    out = scaled(hidden, table)
    with torch.no_grad():
        plain.to_q.weight *= max(math.log(length), math.log(8)) / math.log(8)
    torch.testing.assert_close(out, plain(hidden, table), atol=1e-5, rtol=1e-5)


def test_logits_are_scaled_where_asked_for_and_from_a_training_length_of_128_on():
    hidden, plain = torch.randn(1, 8, 300), awake(SelfAttention1D(8, 2))
    scaled, not_yet = (
        SelfAttention1D(8, 2, log_n_scaling=True),
        SelfAttention1D(8, 2, log_n_scaling=True, train_length=300),
    )
    for other in (scaled, not_yet):
        other.load_state_dict(plain.state_dict())
    torch.testing.assert_close(not_yet(hidden), plain(hidden))
    torch.testing.assert_close(scaled(hidden[..., :128]), plain(hidden[..., :128]))
    with torch.no_grad():
        plain.to_q.weight *= math.log(300) / math.log(128)
    torch.testing.assert_close(scaled(hidden), plain(hidden), atol=1e-5, rtol=1e-5)
    SelfAttention1D(8, 2, train_length=2)


def test_other_numbers_of_keys_than_of_queries_are_refused():
    query, key, value, table = random_case(1, 2, 10, 4)
    with pytest.raises(ValueError, match="got 10 queries, 9 keys"):
        biased_attention(query, key[:, :, :9], value[:, :, :9], table)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"channels": 10, "num_heads": 4}, "10 channels for 4 heads"),
        ({"channels": 8, "num_heads": 4, "train_length": 1}, "train_length is 1"),
    ],
)
def test_impossible_sizes_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        SelfAttention1D(**kwargs)
