"""The error tree and its table agree, and errors survive storage and processes."""

import http
import pickle
import re

import grpc
import pytest

from service import errors
from service.errors import ERROR_SPECS, EmptyMesh, ErrorCode, ServiceError, error_classes

EVERY_CODE = pytest.mark.parametrize("code", list(ErrorCode), ids=str)


def test_the_table_has_a_row_and_a_class_for_every_code() -> None:
    assert set(ERROR_SPECS) == set(ErrorCode) == set(error_classes())


@EVERY_CODE
def test_rows_name_statuses_that_exist(code: ErrorCode) -> None:
    spec = ERROR_SPECS[code]
    assert spec.http == 499 or http.HTTPStatus(spec.http) >= 400
    assert hasattr(grpc.StatusCode, spec.grpc)
    assert spec.title


@EVERY_CODE
def test_what_may_be_retried_is_a_matter_of_capacity_or_time(code: ErrorCode) -> None:
    assert ERROR_SPECS[code].retryable == (ERROR_SPECS[code].http in {429, 503, 504})


@EVERY_CODE
def test_the_drawn_tree_shows_every_class(code: ErrorCode) -> None:
    cls = error_classes()[code]
    assert errors.__doc__ is not None
    assert re.search(rf"─ {cls.__name__} +{code}$", errors.__doc__, re.MULTILINE)


@EVERY_CODE
def test_errors_survive_a_record_and_a_process_border(code: ErrorCode) -> None:
    error = error_classes()[code]("why", suggestion="do this", param="seed", job="job_1")
    stored = ServiceError.from_dict(error.to_dict(), job="job_1")
    sent = pickle.loads(pickle.dumps(error))
    for copy in (stored, sent):
        assert type(copy) is type(error)
        assert vars(copy) == vars(error)
        assert str(copy) == "why"


def test_a_record_with_an_unknown_code_is_refused() -> None:
    with pytest.raises(ValueError, match="surprise"):
        ServiceError.from_dict({"code": "surprise", "detail": "?"})


def test_groups_can_be_caught() -> None:
    error = EmptyMesh("The mesh has no faces.", param="file")
    assert isinstance(error, errors.MeshError)
    assert isinstance(error, errors.RequestError)
    assert error.spec.http == 422
