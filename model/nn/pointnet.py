"""PointNet (Qi et al., CVPR 2017): features of a surface point cloud, and what it is of.

Not of the paper's model: it is the measure that generated shapes are compared by
(`model.evaluation.extractors`). It has layer norms instead of batch norms, so that the features
of a shape never depend on its batchmates.
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class PointNet(nn.Module):
    """A classifier of surface point clouds; its features are the layer before the logits.

    A shared network lifts each point to `point_widths[-1]` channels, their maximum over the points
    is the shape, and a second network takes it to `features` channels of zero mean and unit
    variance. The order of the points means nothing, their number little.
    """

    def __init__(
        self,
        classes: int,  # logits
        point_widths: Sequence[int] = (64, 128, 256),  # of the layers that every point goes through
        hidden: int = 256,  # channels of the one layer between the maximum and the features
        features: int = 64,  # few: the covariance of a set of shapes needs more shapes than that
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((3, *point_widths[:-1]), point_widths, strict=True):
            layers += [nn.Linear(before, width), nn.LayerNorm(width), nn.ReLU()]
        self.points = nn.Sequential(*layers)
        self.shape = nn.Sequential(
            nn.Linear(point_widths[-1], hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Linear(hidden, features),
            nn.LayerNorm(features, elementwise_affine=False),
        )
        self.to_logits = nn.Linear(features, classes)

    def features(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b f"]:
        """Features of surface points in the canonical frame (unit sphere, Y up)."""
        out: Tensor = self.shape(self.points(points).amax(dim=1))
        return out

    def forward(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b classes"]:
        """Logits of the classes."""
        out: Tensor = self.to_logits(self.features(points))
        return out
