"""Sums over the micro-batches of an update."""

import torch

from rlaudio.training.totals import Totals


def test_the_logged_loss_is_the_mean_over_updates_and_its_parts_the_mean_over_tokens():
    totals = Totals()
    for loss, parts, weights in ((1.0, [1.0, 4.0], [0.75, 0.25]), (3.0, [2.0, 8.0], [0.5, 0.5])):
        totals.count(torch.tensor(loss), {"loss/kl": torch.tensor(parts)}, torch.tensor(weights), 3)
    actual = totals.means(updates=2)
    assert actual["loss/total"] == 2.0
    assert actual["loss/kl"] == (1.0 * 0.75 + 4.0 * 0.25 + 2.0 * 0.5 + 8.0 * 0.5) / 2
    assert actual["optimizer/tokens"] == 4.0
