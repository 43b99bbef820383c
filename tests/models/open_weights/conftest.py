"""Imported models of every family."""

import pathlib

import imported_models
import pytest
import random_models


@pytest.fixture(scope="session")
def directory(tmp_path_factory) -> pathlib.Path:
  return tmp_path_factory.mktemp("open_weights")


@pytest.fixture(params=list(random_models.CONFIGS))
def model(request, directory) -> imported_models.Model:
  return imported_models.make(request.param, directory)
