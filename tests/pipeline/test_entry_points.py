"""What spaCy finds without an import."""

import inspect
import json
import re
from importlib.metadata import distribution

import pytest

FACTORIES = [
    "rnn_tagger",
    "rnn_pos_tagger",
    "rnn_ner",
    "rnn_textcat",
    "rnn_textcat_multilabel",
    "rnn_lm",
    "rnn_lemmatizer",
    "rnn_seq2seq",
]
# The commands are no function: tests/cli looks at them.
ENTRY_POINTS = [ep for ep in distribution("spacy-rnn").entry_points if ep.group != "spacy_cli"]


def by_group(entry_point):
    return f"{entry_point.group}-{entry_point.name}"


@pytest.mark.parametrize("entry_point", ENTRY_POINTS, ids=by_group)
def test_an_entry_point_is_a_named_function(entry_point):
    function = entry_point.load()
    assert inspect.isfunction(function)
    if entry_point.group == "spacy_factories":
        assert function.__name__ == f"make_{entry_point.name}"
    else:
        assert re.fullmatch(r"spacy_rnn\.\w+\.v[1-9]\d*", entry_point.name)
        assert function.__name__.startswith("build_")


def test_the_factories_are_entry_points():
    assert {ep.name for ep in ENTRY_POINTS if ep.group == "spacy_factories"} == set(FACTORIES)


@pytest.fixture(scope="module")
def fresh(python):
    """What a fresh interpreter sees that never imports this package."""
    code = f"""
import json, sys
import spacy
import spacy.pipeline, spacy.scorer, spacy.training
before = set(sys.modules)
nlp = spacy.blank("en")
own = {{name for name in set(sys.modules) - before if name.split(".")[0] == "spacy_rnn"}}
loaded = sorted(own)
for name in {FACTORIES!r}:
    nlp.add_pipe(name)
print(json.dumps({{"loaded": loaded, "pipes": nlp.pipe_names}}))
"""
    process = python("-c", code)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_every_factory_is_found_without_an_import(fresh):
    assert fresh["pipes"] == FACTORIES


@pytest.mark.parametrize(
    "room", ["recurrence", "crf", "text", "layers", "models", "streaming", "interop", "evaluation", "pages", "cli"]
)
def test_a_blank_pipeline_imports_no_lower_room(fresh, room):
    assert "spacy_rnn.pipeline.tagger" in fresh["loaded"]
    assert not [name for name in fresh["loaded"] if name.startswith(f"spacy_rnn.{room}")]


def test_importing_the_factories_imports_nothing_but_them(python):
    # Compared with an interpreter that has all of spaCy's components, so what spaCy itself imports does not count.
    code = """
import json, sys
import spacy
from spacy.pipeline import ner, tagger, textcat, textcat_multilabel, tok2vec
import spacy.pipeline.factories
before = set(sys.modules)
import spacy_rnn.pipeline.ner, spacy_rnn.pipeline.tagger, spacy_rnn.pipeline.textcat
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    process = python("-c", code)
    assert process.returncode == 0, process.stderr
    new = [name for name in json.loads(process.stdout) if name.split(".")[0] in ("spacy_rnn", "torch", "cupy", "spacy")]
    assert {name for name in new if not name.startswith("spacy_rnn.pipeline")} <= {"spacy_rnn"}


@pytest.fixture(scope="module")
def without_engine(python):
    code = f"""
import json, sys
sys.modules["spacy_rnn.recurrence"] = None
import spacy
nlp = spacy.blank("en")
results = {{}}
for name in {FACTORIES!r}:
    try:
        nlp.add_pipe(name)
    except Exception as error:
        results[name] = [isinstance(error, ImportError), str(error)]
    else:
        results[name] = [False, "no error"]
print(json.dumps([results, nlp.pipe_names, [token.text for token in nlp("It still works")]]))
"""
    process = python("-c", code)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_a_blank_pipeline_needs_no_engine(without_engine):
    _, pipes, tokens = without_engine
    assert pipes == []
    assert tokens == ["It", "still", "works"]


@pytest.mark.parametrize("factory", FACTORIES)
def test_a_missing_engine_is_an_import_error(without_engine, factory):
    is_import_error, message = without_engine[0][factory]
    assert is_import_error, message
    assert "spacy_rnn.recurrence" in message
