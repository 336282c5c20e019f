"""A small random model of every family, written once for the tests of a file."""

import pytest

from tests.models.small_models import MODELS, write_model


@pytest.fixture(scope="module", params=list(MODELS))
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(name, tmp_path_factory):
    return write_model(name, tmp_path_factory.mktemp("models") / name)
