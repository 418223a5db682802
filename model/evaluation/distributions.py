"""How alike two sets of shapes are: pure functions of features and of Chamfer distances.

FPD and KPD compare sets of features (VecSet's surface metrics, the paper's Table 6). MMD, COV and
1-NNA compare sets by the distances between their members (Achlioptas et al. 2018, Lopez-Paz and
Oquab 2017, Yang et al. 2019).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64
from scipy.spatial import cKDTree
from tqdm import tqdm


def frechet_distance(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]) -> float:
    """Squared Frechet distance between the Gaussians of two feature sets (FPD), 0 or more.

    |mean_a - mean_b|^2 + Tr(A + B - 2 (A B)^(1/2)), with the covariances A and B of the sets
    (divisor n - 1). With roots of them, A = R'R and B = S'S, the last trace is the sum of the
    singular values of R S': no matrix square root is taken and nothing is added to a diagonal, so
    that covariances may be singular, as they are of sets with fewer shapes than features.

    Small sets give large values: compare only values of sets of the same sizes.

    Raises:
        ValueError: a set has fewer than two rows.
    """
    shift = a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)
    root_a, root_b = _covariance_root(a), _covariance_root(b)
    shared = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    spread = (root_a**2).sum() + (root_b**2).sum() - 2 * shared
    return float(shift @ shift + max(spread, 0.0))


def _covariance_root(features: Float[np.ndarray, "n f"]) -> Float64[np.ndarray, "r f"]:
    """R with R'R the covariance, and no more rows than features."""
    count = _require_two(features)
    centred = features - features.mean(axis=0, dtype=np.float64)
    return np.asarray(np.linalg.qr(centred / np.sqrt(count - 1), mode="r"))


def kernel_distance(a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]) -> float:
    """Squared maximum mean discrepancy of two feature sets (KPD), by KID's cubic kernel.

    k(x, y) = (x . y / f + 1)^3 with f features (Binkowski et al. 2018). This is the unbiased
    estimate over all pairs of different rows: 0 on average for sets of one distribution, whatever
    their sizes, and so at times below 0.

    Raises:
        ValueError: a set has fewer than two rows.
    """
    within = sum(_mean_of_pairs(_cubic_kernel(rows, rows)) for rows in (a, b))
    return float(within - 2 * _cubic_kernel(a, b).mean())


def _mean_of_pairs(kernel: Float64[np.ndarray, "n n"]) -> float:
    count = _require_two(kernel)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _cubic_kernel(
    a: Float[np.ndarray, "n f"], b: Float[np.ndarray, "m f"]
) -> Float64[np.ndarray, "n m"]:
    kernel: Float64[np.ndarray, "n m"] = (a.astype(np.float64) @ b.T / a.shape[1] + 1) ** 3
    return kernel


def _require_two(rows: np.ndarray) -> int:
    if len(rows) < 2:
        raise ValueError(f"a set needs at least 2 shapes to compare its features, got {len(rows)}")
    return len(rows)


def chamfer_matrix(
    a: Sequence[cKDTree], b: Sequence[cKDTree], title: str = "chamfer"
) -> Float64[np.ndarray, "n m"]:
    """Chamfer distances between the clouds of two sets, each cloud given as the tree of its points.

    As `model.evaluation.metrics.chamfer_distance`: mean of the two directed mean distances, not
    squared. Of a set with itself (the same object) each pair is measured once.
    """
    distances = np.zeros((len(a), len(b)))
    with tqdm(
        total=distances.size, desc=title, unit="pair", disable=not sys.stderr.isatty()
    ) as bar:
        for row, one in enumerate(a):
            for column in range(row + 1 if a is b else 0, len(b)):
                there, _ = b[column].query(one.data)
                back, _ = one.query(b[column].data)
                distances[row, column] = (there.mean() + back.mean()) / 2
            bar.update(len(b))
    return distances + distances.T if a is b else distances


def minimum_matching_distance(across: Float[np.ndarray, "samples references"]) -> float:
    """MMD: mean over references of the distance to the nearest sample; lower is better."""
    return float(across.min(axis=0).mean())


def coverage(across: Float[np.ndarray, "samples references"]) -> float:
    """COV: share of the references that are some sample's nearest, 0 to 1; higher is better.

    Of references at the same distance from a sample, the first counts. A sample at infinite
    distance from all covers none. With fewer samples than references, 1 is out of reach.
    """
    sound = across[np.isfinite(across).any(axis=1)]
    covered = set(sound.argmin(axis=1).tolist())
    return len(covered) / len(across.T)


def nearest_neighbour_accuracy(
    samples: Float[np.ndarray, "n n"],
    across: Float[np.ndarray, "n m"],
    references: Float[np.ndarray, "m m"],
) -> float:
    """1-NNA: how often a shape's nearest other shape tells its set, 0 to 1; 0.5 is ideal.

    Leave-one-out over both sets: the mean of the shares of samples and of references whose nearest
    other shape is of their own set. For sets of one size that is the accuracy over all shapes; for
    others too, 0.5 stays what two sets of one distribution get (less half a shape's share).

    A tie between both sets counts one half. A shape at infinite distance from every other one is
    told apart for sure and counts one.

    Args:
        samples: distances among the samples; the diagonal is not read.
        across: distances from samples to references.
        references: distances among the references; the diagonal is not read.
    """
    return (_told_apart(samples, across) + _told_apart(references, across.T)) / 2


def _told_apart(within: Float[np.ndarray, "n n"], across: Float[np.ndarray, "n m"]) -> float:
    """Share of the rows that are nearer to their own set than to the other one."""
    own = np.where(np.eye(len(within), dtype=bool), np.inf, within).min(axis=1)
    other = across.min(axis=1)
    told = np.where(own == other, 0.5, own < other)
    return float(np.where(np.isinf(own) & np.isinf(other), 1.0, told).mean())
