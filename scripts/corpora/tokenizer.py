"""The tokenizer of a language, by the name that a command was given."""

import spacy
from spacy.language import Language


def make_tokenizer(lang: str) -> Language:
    """Make a pipeline that only has the tokenizer of a language.

    lang (str): The language's code.
    RETURNS (Language): The pipeline.
    RAISES (ValueError): If spaCy does not know the language, or it needs a package that is not installed.
    """
    try:
        return spacy.blank(lang)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"--lang {lang}: spaCy has no tokenizer for it: {error}") from error
