"""Which problem an error is that tells its HTTP status alone."""

import pytest

from receiver.http.problems import Problem, of_status


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (400, Problem.BAD_REQUEST),
        (401, Problem.UNAUTHORIZED),
        (403, Problem.FORBIDDEN),
        (404, Problem.NOT_FOUND),
        (405, Problem.METHOD_NOT_ALLOWED),
        (408, Problem.TOO_SLOW),
        (413, Problem.TOO_LARGE),
        (431, Problem.HEAD_TOO_LARGE),
        (500, Problem.INTERNAL),
        (503, Problem.UNAVAILABLE),
        pytest.param(409, Problem.BAD_REQUEST, id="409 has only special problems"),
        pytest.param(418, Problem.BAD_REQUEST, id="unknown, of the client"),
        pytest.param(599, Problem.INTERNAL, id="unknown, of the server"),
    ],
)
def test_of_status(status: int, problem: Problem) -> None:
    """A status has its general problem, whatever special ones share it."""
    assert of_status(status) is problem
