"""Progress only grows and ends at one."""

import itertools

import pytest

from service.jobs import Operation, Stage
from service.worker.progress import ProgressMeter, surface_work

STAGES = {
    Operation.ENCODE: [Stage.ENCODE],
    Operation.DECODE: [],
    Operation.GENERATE: [Stage.DENOISE_L3, Stage.DENOISE_L2, Stage.DENOISE_L1],
    Operation.RESAMPLE: [Stage.DENOISE_L2, Stage.DENOISE_L1],
}
SURFACE = [Stage.DECODE, Stage.MESH, Stage.EXPORT]


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("surfaces", [0.1, 1.0, 20.0])
def test_a_whole_job_goes_from_zero_to_one(
    operation: Operation, samples: int, surfaces: float
) -> None:
    meter = ProgressMeter(operation, samples, surfaces)
    steps = [(stage, 0) for stage in STAGES[operation]]
    steps += [(stage, sample) for sample in range(samples) for stage in SURFACE]
    values = [
        meter.at(stage, fraction, sample) for stage, sample in steps for fraction in (0.0, 0.5, 1.0)
    ]
    assert values[0] == 0.0
    assert values[-1] == pytest.approx(1.0)
    assert all(before <= after for before, after in itertools.pairwise(values))
    assert len(set(values)) > len(values) / 2


def test_work_done_again_does_not_take_progress_back() -> None:
    meter = ProgressMeter(Operation.GENERATE, 1)
    reached = meter.at(Stage.DENOISE_L1, 0.5)
    assert meter.at(Stage.DENOISE_L3, 0.0) == reached


def test_where_latents_are_there_already_all_the_work_is_on_surfaces() -> None:
    meter = ProgressMeter(Operation.GENERATE, 2)
    meter.skip_latents()
    assert meter.at(Stage.DECODE, 0.0, 0) == 0.0
    assert meter.at(Stage.DECODE, 0.0, 1) == 0.5


def test_fine_surfaces_and_few_steps_leave_more_to_do_when_latents_are_there() -> None:
    made = []
    for params in (
        {"resolution": 32},
        {"resolution": 128},
        {"resolution": 512},
        {"resolution": 512, "exhaustive": True},
    ):
        meter = ProgressMeter(Operation.GENERATE, 1, surface_work(params))
        made.append(meter.at(Stage.DECODE, 0.0))
    assert made == sorted(made, reverse=True)
    assert made[1] == pytest.approx(0.88)
    assert surface_work({"resolution": 128, "steps": 2}) > 1
