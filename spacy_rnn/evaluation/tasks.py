"""Which components `report` and `compare` can look at, and what these predict."""

from functools import partial
from typing import Dict, List, Mapping

from spacy.language import Language

from .decisions import Task, decide_class, decide_classes, decide_entities, decide_tokens

TAG = Task("token.tag", "token", True, partial(decide_tokens, "tag"))
POS = Task("token.pos", "token", True, partial(decide_tokens, "pos"))
CLASS = Task("doc.cats, classes that exclude each other", "text", True, decide_class)
CLASSES = Task("doc.cats, classes that do not exclude each other", "text and class", False, decide_classes)
ENTITIES = Task("doc.ents", "entity", False, decide_entities)

TASKS: Mapping[str, Task] = {
    "rnn_tagger": TAG,
    "tagger": TAG,
    "rnn_pos_tagger": POS,
    "rnn_textcat": CLASS,
    "textcat": CLASS,
    "rnn_textcat_multilabel": CLASSES,
    "textcat_multilabel": CLASSES,
    "rnn_ner": ENTITIES,
    "ner": ENTITIES,
}


def find_tasks(nlp: Language) -> Dict[str, Task]:
    """Find the components of a pipeline whose predictions can be compared with annotation.

    nlp (Language): The pipeline.
    RETURNS (Dict[str, Task]): What each of them predicts, by its name, in the order of the pipeline.
    """
    factories: List[str] = [nlp.get_pipe_meta(name).factory for name in nlp.pipe_names]
    return {name: TASKS[factory] for name, factory in zip(nlp.pipe_names, factories, strict=True) if factory in TASKS}
