"""An output projection whose logits are bounded."""

from __future__ import annotations

import torch


class CappedHead(torch.nn.Module):
    """Logits of a projection, drawn by tanh to within `cap` of 0 (arXiv:2408.00118, section 2)."""

    def __init__(self, projection: torch.nn.Linear, cap: float):
        super().__init__()
        self.projection = projection
        self.cap = cap
        self.in_features, self.out_features = projection.in_features, projection.out_features

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits [..., V] of hidden states [..., d]."""
        return self.cap * torch.tanh(self.projection(hidden) / self.cap)
