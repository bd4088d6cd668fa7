"""The classes that texts are annotated with."""

from typing import Dict, Iterable

from spacy.errors import Errors
from spacy.pipeline.textcat import TextCategorizer
from spacy.training import Example


def balanced_weights(examples: Iterable[Example], labels: Iterable[str]) -> Dict[str, float]:
    """Weight classes so that all of them count the same, and a text counts 1 on average.

    examples (Iterable[Example]): The training examples.
    labels (Iterable[str]): The classes.
    RETURNS (Dict[str, float]): The weight of each class that a text has.
    """
    counts = dict.fromkeys(labels, 0.0)
    for example in examples:
        for label in counts:
            counts[label] += example.reference.cats.get(label, 0.0)
    filled = {label: count for label, count in counts.items() if count}
    return {label: sum(filled.values()) / (len(filled) * count) for label, count in filled.items()}


def own_cats(component: TextCategorizer, example: Example) -> Dict[str, float]:
    """Find what the annotation of a text says about the classes of a component.

    component (TextCategorizer): The component.
    example (Example): The text.
    RETURNS (Dict[str, float]): The value of each class; without those of other tasks, if the component was given its classes.
    """
    cats = example.reference.cats
    if component.cfg.get("all_labels"):
        return dict(cats)
    return {label: value for label, value in cats.items() if label in component.labels}


def require_known_classes(component: TextCategorizer, examples: Iterable[Example]) -> None:
    """Refuse texts of a class that a component does not know, unless it was given the classes that it learns.

    component (TextCategorizer): The component.
    examples (Iterable[Example]): The texts.
    RAISES (ValueError): If a text has such a class.
    """
    if not component.cfg.get("all_labels"):
        return
    known = set(component.labels)
    for example in examples:
        for label, value in example.reference.cats.items():
            if value == 1.0 and label not in known:
                raise ValueError(
                    f"'{component.name}' was given a text of class {label!r}, which it had not seen when it was initialized. Its "
                    f"classes are {', '.join(component.labels)}. Add the missing one with add_label, or in a labels file"
                )


def require_known_values(cats: Dict[str, float]) -> None:
    """Refuse values of classes besides 0 and 1.

    cats (Dict[str, float]): The value of each class.
    RAISES (ValueError): spaCy's E851, if there is one.
    """
    for value in cats.values():
        if value not in (0.0, 1.0):
            raise ValueError(Errors.E851.format(val=value))
