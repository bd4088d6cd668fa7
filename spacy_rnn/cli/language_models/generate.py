"""`generate`: texts that a language model writes."""

import re
from dataclasses import fields
from itertools import chain
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Union

from spacy.tokens import Doc

from ...evaluation.components import find_language_model
from ...evaluation.language.documents import find_reading, read_text
from ...generation import Sampling
from ...pipeline.language_model.component import RNNLanguageModel
from ..errors import CommandError, as_option, as_refusal
from ..loading import load_pipeline
from ..printing import to_stdout, write

# Between two texts, which may have empty lines themselves.
SEPARATOR = "=" * 10
# What goes with a search, and with greedy choice.
_OF_SEARCH, _OF_GREEDY = ("no_repeat_ngram",), ("greedy", "repetition_penalty", "no_repeat_ngram")
# Where a message names a setting.
_SETTING = re.compile(
    rf"^({'|'.join(field.name for field in fields(Sampling))}|seed)(?=:)"
    r"|(?<=\(for none, )(greedy)=True|(?<=\()(replace_unknown)=True|(?<=, but )(stop)(?= has )"
)


class Options(NamedTuple):
    """What a user chooses.

    number (int): How many texts are written for each prompt.
    beam (Optional[int]): How many texts a search keeps at each step; None to draw symbols.
    max_symbols (int): The largest number of symbols after a prompt.
    stop (List[str]): Strings that end a text.
    seed (int): What random numbers begin with.
    replace_unknown (bool): Whether what the model has never seen is read as unknown.
    """

    number: int
    beam: Optional[int]
    max_symbols: int
    stop: List[str]
    seed: int
    replace_unknown: bool


def write_texts(pipeline: str, prompts: List[str], component: Optional[str], options: Options, sampling: Dict[str, Any]) -> None:
    """Print texts that go on from prompts, or end with them if the model reads backward; a single one as it is written.

    pipeline (str): A directory, or the name of an installed package.
    prompts (List[str]): The prompts; the beginning of a text if there are none.
    component (Optional[str]): The component's name; the first language model if None.
    options (Options): The rest.
    sampling (Dict[str, Any]): The settings of `spacy_rnn.generation.Sampling`.
    RAISES (CommandError): If there is no such pipeline, a prompt has symbols that the model has never seen, or a setting is out
        of its range.
    RAISES (ValueError): If the pipeline has no such language model.
    """
    _check_drawing(options, [field.name for field in fields(Sampling) if sampling[field.name] != field.default])
    nlp = load_pipeline(pipeline)
    _, lm = find_language_model(nlp, component)
    reading = find_reading(nlp, lm)
    try:
        texts = _begin(lm, [read_text(nlp, reading, prompt) for prompt in prompts or [""]], options, sampling)
        with to_stdout():
            for i, pieces in enumerate(texts):
                write(f"{SEPARATOR}\n" if i else "")
                for piece in pieces:
                    write(piece)
                write("\n")
    except ValueError as error:
        raise as_refusal(error, _SETTING) from error


def _begin(
    lm: RNNLanguageModel, prompts: List[Union[str, Doc]], options: Options, sampling: Dict[str, Any]
) -> Iterable[Iterable[str]]:
    """Give each text in pieces. What is wrong with the settings is said before anything is printed."""
    settings: Dict[str, Any] = {
        "max_symbols": options.max_symbols,
        "stop": options.stop,
        "replace_unknown": options.replace_unknown,
    }
    if options.beam is not None:
        no_repeat_ngram = sampling["no_repeat_ngram"]
        found = lm.search(prompts, width=options.beam, n=options.number, no_repeat_ngram=no_repeat_ngram, **settings)
    # What stands before a prompt is known when it has been written.
    elif len(prompts) == options.number == 1 and not lm.symbols.backward:
        return [chain([str(prompts[0])], lm.stream(prompts[0], seed=options.seed, **settings, **sampling))]
    else:
        found = lm.generate(prompts, n=options.number, seed=options.seed, **settings, **sampling)
    return [(each.whole,) for each in found]


def _check_drawing(options: Options, changed: List[str]) -> None:
    """Refuse settings that mean nothing where nothing is drawn."""
    option = "--beam" if options.beam is not None else "--greedy"
    goes_with = _OF_SEARCH if options.beam is not None else _OF_GREEDY
    idle = [as_option(name) for name in changed if name not in goes_with]
    if idle and (options.beam is not None or "greedy" in changed):
        raise CommandError(f"{option} draws nothing, so it goes without {', '.join(idle)}", "Leave out the one or the other.")
    if options.beam is not None and options.number > options.beam:
        raise CommandError(
            f"A beam of {options.beam} finds at most {options.beam} texts for a prompt, not {options.number}",
            "Set a wider --beam, or a lower --number.",
        )
