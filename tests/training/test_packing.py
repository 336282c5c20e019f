"""The packed form against the repeated one: same log-probs, same gradients, whatever the batching."""

import dataclasses

import numpy as np
import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared import audio_family
from rlaudio.training import packing
from rlaudio.training.packing import (
    Branch,
    PackedRow,
    branch_of,
    micro_batches,
    pack,
    repeated,
    unlearned_branch,
)
from rlaudio.training.policy import Distribution, token_logprobs
from rlaudio.types import Completion, Segment
from rlaudio.utils import onednn_linear
from tests.conftest import TINY, make_prompt, tone


def make_rows(family, support_width=0):
    """Three rows with prompts and completions of different lengths, random tokens."""
    rng = np.random.default_rng(0)
    allowed = [t for t in range(100, 300) if t not in family.forbidden_token_ids]
    rows = []
    for seed, (seconds, lengths) in enumerate([(0.5, (3, 1, 7)), (1.1, (2,)), (2.6, (5, 4))]):
        branches = []
        for length in lengths:
            ids = rng.choice(allowed, length, replace=False)
            support = None
            if support_width:
                others = [rng.choice(allowed, support_width, replace=False) for _ in ids]
                support = np.stack([[t, *(o for o in other if o != t)][:support_width]
                                    for t, other in zip(ids, others, strict=True)])  # fmt: skip
            branches.append(
                Branch(
                    ids,
                    rng.normal(size=length).astype(np.float32),
                    np.full(length, rng.normal()),
                    1 / length,
                    support,
                )
            )
        rows.append(PackedRow(make_prompt(family, seed, seconds, words=1 + seed), tuple(branches)))
    return rows


def forward_backward(family, batches, temperature=1.0, **options):
    """Log-probs by (prompt, token) order and gradients of a weighted sum of them."""
    family.model.zero_grad()
    logprobs = []
    for batch in batches:
        result = token_logprobs(family, batch, Distribution(temperature=temperature), **options)
        (result.logprobs * batch.weights * batch.advantages).sum().backward()
        logprobs.append(result.logprobs.detach())
    gradients = {n: p.grad.clone() for n, p in family.model.named_parameters() if p.grad is not None}
    return torch.cat(logprobs), gradients


def assert_same_gradients(first, second, tolerance):
    assert first.keys() == second.keys()
    for name, gradient in first.items():
        scale = gradient.abs().max().clamp(min=1e-6)
        assert ((gradient - second[name]).abs().max() / scale) < tolerance, name


@pytest.mark.parametrize("support_width", [0, 4])
def test_packed_rows_give_the_logprobs_and_gradients_of_repeated_prompts(family, support_width):
    rows = make_rows(family, support_width)
    packed, packed_gradients = forward_backward(family, [pack(rows)], temperature=1.5)
    plain, plain_gradients = forward_backward(family, [pack([r]) for r in repeated(rows)], temperature=1.5)
    torch.testing.assert_close(packed, plain, atol=2e-5, rtol=0)
    assert_same_gradients(packed_gradients, plain_gradients, 1e-5)


def with_completions(row, completions):
    """The row with those completions, each with advantages of its own."""
    rng = np.random.default_rng(len(completions))
    branches = [
        Branch(np.array(ids), np.zeros(len(ids), np.float32), rng.normal(size=len(ids)), 1 / (1 + number))
        for number, ids in enumerate(completions)
    ]
    return dataclasses.replace(row, branches=tuple(branches))


@pytest.mark.parametrize(
    ("completions", "computed"),
    [
        (([120, 121, 122], [120, 121, 122]), 3),
        (([120, 121, 122], [120, 121, 123, 124], [120, 121, 122]), 2 + 1 + 2),
        (([120, 121], [120, 121, 122], [120, 121]), 1 + 1 + 2),
        (([120], [121, 120], [120]), 1 + 2),
        (([120],), 1),
        (([120], [120], [120]), 1),
    ],
)
def test_what_completions_have_in_common_is_computed_once(family, completions, computed):
    first, second, third = make_rows(family)
    rows = [with_completions(first, completions), second, with_completions(third, completions)]
    once = pack(rows, media=family.forbidden_token_ids)
    prompts = [len(row.prompt.token_ids) for row in rows]
    text = once.branching.shared
    assert text == rows[0].prompt.token_ids.tolist().index(family.audio_token_id) - 1  # audio_bos is no text
    assert once.tokens == text + sum(prompt - text for prompt in prompts) + 2 * computed + 2
    packed, packed_gradients = forward_backward(family, [once])
    plain, plain_gradients = forward_backward(family, [pack([r]) for r in repeated(rows)])
    torch.testing.assert_close(packed, plain, atol=2e-5, rtol=0)
    assert_same_gradients(packed_gradients, plain_gradients, 5e-5)  # of weights up to 1 in sum


def test_equal_prompts_share_their_text_alone(family):
    row = make_rows(family)[0]
    batch = pack([row, row], media=family.forbidden_token_ids)
    assert 0 < batch.branching.shared < row.prompt.token_ids.tolist().index(family.audio_token_id)
    both = token_logprobs(family, batch).logprobs.view(2, -1)
    torch.testing.assert_close(both[0], both[1], atol=1e-5, rtol=0)


def test_rows_that_a_model_adds_for_its_layers_change_nothing(family, monkeypatch):
    batch = pack(make_rows(family), media=family.forbidden_token_ids)
    results = []
    for missing in (0, 5):
        monkeypatch.setattr(audio_family, "missing_rows", lambda embeddings, missing=missing: missing)
        hidden = family.hidden(family.embed(batch.token_ids), batch.positions, batch.branching)
        assert hidden.shape[1] == batch.tokens
        results.append(forward_backward(family, [batch]))
    (plain, plain_gradients), (padded, gradients) = results
    torch.testing.assert_close(padded, plain, atol=1e-5, rtol=0)
    assert_same_gradients(gradients, plain_gradients, 1e-5)


def test_gradients_reach_the_audio_tower_and_the_language_model(family):
    _, gradients = forward_backward(family, [pack(make_rows(family))])
    assert any("audio_tower.layers" in name for name in gradients)
    assert any("model.layers" in name for name in gradients)


def test_gradients_do_not_depend_on_the_micro_batch_size(family):
    rows = make_rows(family)
    first, one_gradients = forward_backward(family, map(pack, micro_batches(rows, 10**6)))
    many, many_gradients = forward_backward(family, map(pack, micro_batches(rows, 1)))
    assert len(list(micro_batches(rows, 10**6))) == 1 and len(list(micro_batches(rows, 1))) == 3
    torch.testing.assert_close(first, many, atol=2e-5, rtol=0)
    assert_same_gradients(one_gradients, many_gradients, 1e-5)


@pytest.mark.parametrize("max_tokens", [1, 80, 10**6])
def test_rows_of_micro_batches_that_are_computed_at_once_keep_within_the_tokens_of_one(
    family, max_tokens, monkeypatch
):
    rows = make_rows(family)
    if max_tokens > 1:
        assert list(micro_batches(rows, max_tokens, 2)) == list(micro_batches(rows, max_tokens))  # so few
    monkeypatch.setattr(packing, "LANE_TOKENS", 1)
    in_turn = list(micro_batches(rows, max_tokens))
    at_once = list(micro_batches(rows, max_tokens, 2))
    halves = [[some[0::2], some[1::2]] for some in in_turn]
    assert at_once == [half for both in halves for half in both if half]


def test_chunked_logprobs_equal_those_in_one_piece(family):
    rows = make_rows(family)
    whole, whole_gradients = forward_backward(family, [pack(rows)], chunk=10**6)
    chunked, chunked_gradients = forward_backward(family, [pack(rows)], chunk=5)
    torch.testing.assert_close(whole, chunked, atol=1e-6, rtol=1e-6)  # float32 holds 7 digits
    assert_same_gradients(whole_gradients, chunked_gradients, 1e-5)


def test_a_narrow_support_gives_the_renormalised_full_distribution(family):
    rows = make_rows(family, support_width=4)
    batch, tempered = pack(rows), Distribution(temperature=0.7)
    narrow = token_logprobs(family, batch, tempered).logprobs
    without = dataclasses.replace(batch, support=None)
    in_support = [  # full log-probs of each supported token in the place of the target
        token_logprobs(family, dataclasses.replace(without, targets=tokens), tempered).logprobs
        for tokens in batch.support.unbind(1)
    ]
    target = token_logprobs(family, without, tempered).logprobs
    expected = target - torch.stack(in_support).logsumexp(0)
    torch.testing.assert_close(narrow, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("by_onednn", [False, True])
def test_a_narrow_support_leaves_the_rest_of_the_head_out(by_onednn, monkeypatch):
    monkeypatch.setattr(onednn_linear, "onednn_is_faster", lambda: by_onednn)
    family = Qwen2_5Omni(path=str(TINY), device="cpu")
    family.head.register_forward_pre_hook(lambda *_: pytest.fail("computes all logits"))
    token_logprobs(family, pack(make_rows(family, support_width=4)), Distribution(temperature=0.7))


def test_a_token_outside_its_support_is_refused(family):
    support = np.array([[121, 122], [121, 122]])
    branch = Branch(np.array([121, 120]), np.zeros(2, np.float32), np.ones(2), 1.0, support)
    with pytest.raises(ValueError, match="outside its recorded sampling support"):
        pack([PackedRow(make_prompt(family, 0), (branch,))])


def test_every_token_is_predicted_by_the_one_before_it_and_stands_at_the_position_after_it(family):
    rows = make_rows(family)
    batch = pack(rows)
    token_ids, positions = batch.token_ids[0].tolist(), batch.positions[0].tolist()
    predictor, targets = iter(batch.predictor.tolist()), iter(batch.targets.tolist())
    place = 0
    for row in rows:
        place += len(row.prompt.token_ids)
        end_of_prompt = place - 1
        for branch in row.branches:
            before = end_of_prompt
            for token in branch.token_ids:
                assert next(predictor) == before and next(targets) == token_ids[place] == token
                assert positions[place] == positions[before] + 1
                before, place = place, place + 1
    assert place == len(token_ids) and next(predictor, None) is None


def test_eager_attention_gives_the_same_logprobs_and_gradients(family):
    rows = make_rows(family)
    packed, packed_gradients = forward_backward(family, [pack(rows)])
    eager = Qwen2_5Omni(path=TINY, device="cpu", attention="eager")
    masked, masked_gradients = forward_backward(eager, [pack(rows)])
    torch.testing.assert_close(packed, masked, atol=2e-5, rtol=0)
    assert_same_gradients(packed_gradients, masked_gradients, 1e-5)


# --- completions of several segments ---------------------------------------------------------------------


def several_turns(family, inserted=3):
    """A completion of three segments: sampled, inserted by an environment, sampled."""
    rng = np.random.default_rng(5)
    ids = rng.choice([t for t in range(100, 300) if t not in family.forbidden_token_ids], 9 + inserted)
    parts = np.split(ids, [4, 4 + inserted])

    def segment(ids, sampled):
        logprobs = rng.normal(size=len(ids)).astype(np.float32) if sampled else None
        return Segment(ids, logprobs, family.decode(ids), family.token_texts(ids))

    segments = [segment(part, number != 1) for number, part in enumerate(parts)]
    return Completion(tuple(segments), "stop", weights_version=0)


def test_inserted_tokens_are_context_and_no_targets(family):
    prompt, completion = make_prompt(family, 0), several_turns(family)
    assert completion.length == 9 and completion.mask.tolist() == [True] * 4 + [False] * 3 + [True] * 5
    assert completion.text == completion.segments[0].text + completion.segments[2].text
    branch = branch_of(completion, np.arange(9.0), 0.1)
    plain = Branch(completion.token_ids, np.zeros(12, np.float32), np.zeros(12), 0.1)
    batch, whole = pack([PackedRow(prompt, (branch, branch))]), pack([PackedRow(prompt, (plain, plain))])
    assert batch.targets.tolist() == 2 * completion.token_ids[completion.mask].tolist()
    assert batch.tokens == whole.tokens and len(batch.advantages) == len(batch.completions) == 18
    np.testing.assert_array_equal(batch.behaviour_logprobs.numpy(), np.tile(completion.logprobs, 2))
    with torch.no_grad():
        learned = token_logprobs(family, batch).logprobs
        every = token_logprobs(family, whole).logprobs
    torch.testing.assert_close(learned, every[torch.from_numpy(np.tile(completion.mask, 2))])


def test_what_is_inserted_changes_what_comes_after_it(family):
    prompt, completion = make_prompt(family, 0), several_turns(family)
    first, _, last = completion.segments
    skipped = dataclasses.replace(completion, segments=(first, last))

    def logprobs(of):
        with torch.no_grad():
            return token_logprobs(family, pack([PackedRow(prompt, (unlearned_branch(of),))])).logprobs

    with_it, without = logprobs(completion), logprobs(skipped)
    torch.testing.assert_close(with_it[:4], without[:4])
    assert (with_it[4:] - without[4:]).abs().max() > 1e-3


def test_a_completion_with_clips_of_its_own_cannot_be_packed_yet(family):
    completion = several_turns(family)
    heard = dataclasses.replace(completion.segments[1], clips=(tone(0.5, 1),))
    segments = (completion.segments[0], heard, completion.segments[2])
    with pytest.raises(ValueError, match="expected clips in the prompt alone"):
        unlearned_branch(dataclasses.replace(completion, segments=segments))
