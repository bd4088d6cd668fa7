"""Pipelines that are forked while other threads use them."""

import os
import signal
import threading
import time

import pytest
from spacy.tokens import Doc

N_FORKS = 20
CONFIG = {
    "model": {
        "@architectures": "spacy.Tagger.v2",
        "tok2vec": {
            "@architectures": "spacy_rnn.Tok2Vec.v1",
            "embed": {"@architectures": "spacy_rnn.CharEmbed.v1", "width": 8, "cache_size": 50},
            "encode": {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8},
        },
    }
}


@pytest.fixture
def busy(make_nlp):
    """A pipeline, while three threads annotate texts of ever new words with it."""
    nlp, _ = make_nlp("rnn_tagger", config=CONFIG)
    is_over = threading.Event()

    def predict(name):
        i = 0
        while not is_over.is_set():
            nlp.get_pipe("rnn_tagger").predict([Doc(nlp.vocab, words=[f"{name}{i % 997 + j}" for j in range(20)])])
            i += 1

    threads = [threading.Thread(target=predict, args=[name], daemon=True) for name in "abc"]
    for thread in threads:
        thread.start()
    yield nlp
    is_over.set()
    for thread in threads:
        thread.join()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_lock_does_not_survive_a_fork(busy):
    docs = [Doc(busy.vocab, words=["They", "book", "rooms"])]
    for _ in range(int(os.environ.get("SPACY_RNN_FORKS", N_FORKS))):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = 0 if len(busy.get_pipe("rnn_tagger").predict(docs)[0]) == 3 else 2
            finally:
                os._exit(status)
        assert _wait(pid) == 0


def _wait(pid, seconds=20):
    """Wait for a process to end, and give its exit status; one that hangs is killed."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise AssertionError(f"the forked process still hung after {seconds} seconds")
