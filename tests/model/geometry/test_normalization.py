import numpy as np
import pytest

from model.geometry.normalization import Normalization
from tests import shapes


def test_bounding_box_center_goes_to_the_origin_and_the_farthest_point_to_norm_one():
    # Corners of a box off the origin, one of them pulled: the mean is not the center.
    points = np.array([[1.0, 1, 1], [3, 1, 1], [1, 5, 1], [1, 1, 2]])
    frame = Normalization.of_points(points)
    assert frame.center == (2.0, 3.0, 1.5)
    canonical = frame.apply(points)
    assert np.allclose(canonical.min(axis=0), -canonical.max(axis=0))
    assert np.linalg.norm(canonical, axis=1).max() == pytest.approx(1.0)


def test_a_box_has_the_closed_form_frame():
    frame = Normalization.of_points(shapes.moved(shapes.box((2, 4, 4)).mesh, (1, 2, 3)).vertices)
    assert frame.center == pytest.approx((1, 2, 3))
    assert frame.scale == pytest.approx(1 / 3)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_invert_undoes_apply(scale: float, offset: float):
    points = np.random.default_rng(0).normal(size=(100, 3)) * scale + offset * scale
    frame = Normalization.of_points(points)
    assert np.allclose(frame.invert(frame.apply(points)), points, rtol=1e-12, atol=0)


def test_float32_points_are_transformed_in_float64():
    points = np.array([[1000.0, 0, 0], [1000.001, 0, 0]], dtype=np.float32)
    frame = Normalization.of_points(points)
    assert frame.apply(points).dtype == np.float64
    assert np.allclose(frame.apply(points)[:, 0], [-1, 1])


def test_identity_leaves_points_alone():
    points = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert np.array_equal(Normalization.identity().apply(points), points)


@pytest.mark.parametrize("points", [np.empty((0, 3)), np.ones((4, 3)), np.full((4, 3), np.nan)])
def test_points_without_extent_are_an_error(points: np.ndarray):
    with pytest.raises(ValueError, match=r"points|finite"):
        Normalization.of_points(points)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_cannot_be_undone_is_an_error(scale: float):
    with pytest.raises(ValueError, match="scale"):
        Normalization(center=(0.0, 0.0, 0.0), scale=scale)
