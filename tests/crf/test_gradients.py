"""The gradients of a log-likelihood against central differences in float64."""

import pytest
from fields import ANNOTATIONS, draw, run
from numpy.testing import assert_allclose

from spacy_rnn.crf import log_likelihood

LENGTHS = [3, 0, 1, 5, 2]


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize("n_labels, forbidden", [(1, 0.0), (2, 0.0), (3, 0.5), (4, 0.9)])
def test_gradients_are_central_differences(difference_error, n_labels, forbidden, annotation):
    p = draw(n_labels, LENGTHS, annotation, forbidden=forbidden, dtype="float64")

    def loss():
        return float(log_likelihood(p.crf, p.scores, p.lengths, p.allowed)[0] @ p.weights)

    found = run(p)
    arrays = {"scores": p.scores, **p.crf._asdict()}
    for name, array in arrays.items():
        if annotation == "missing" or n_labels == 1:
            assert_allclose(found[f"gradient of {name}"], 0, atol=1e-12)
        else:
            assert difference_error(loss, array, found[f"gradient of {name}"]) < 1e-6, name
