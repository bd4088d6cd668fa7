"""Make spaCy's documents from the sentences of a treebank."""

import re
from pathlib import Path
from typing import List, NamedTuple, Optional, Union

from spacy.tokens import Doc
from spacy.vocab import Vocab

from corpora.conllu import Sentence, Word
from corpora.entity_tags import TagError, has_ends, is_tag, to_bio

_BARE_TAG = re.compile("O|[BIESLU]-[A-Z][A-Z0-9_]*")


class Tree(NamedTuple):
    """What a document can hold of a sentence's heads.

    heads (List[Optional[int]]): The position of each word's head in the sentence, itself at the root, None where it is missing.
    deps (List[Optional[str]]): The relation of each word to its head, None where it is missing.
    """

    heads: List[Optional[int]]
    deps: List[Optional[str]]


def make_tree(words: List[Word]) -> Tree:
    """Make a tree that keeps a sentence one: to spaCy each root begins a sentence where the words below it begin.

    words (List[Word]): The words of the sentence.
    RETURNS (Tree): Their heads. Only the root above the first word is kept, the heads of other roots are missing.
    """
    top = 0
    while head := words[top].head:
        top = head - 1
    heads: List[Optional[int]] = []
    deps: List[Optional[str]] = []
    for i, word in enumerate(words):
        is_kept = word.head is not None and (word.head > 0 or i == top)
        heads.append((word.head or i + 1) - 1 if is_kept else None)
        deps.append(("ROOT" if word.deprel == "root" else word.deprel or None) if is_kept else None)
    return Tree(heads, deps)


def read_entities(path: Path, sentences: List[Sentence]) -> Optional[List[List[str]]]:
    """Read named entities from the column MISC: name=TAG, NE=TAG or TAG alone.

    path (Path): The file they are from.
    sentences (List[Sentence]): All sentences of the file.
    RETURNS (Optional[List[List[str]]]): The tags of each sentence in BIO2; a word without one is outside. None if the file has no
        tags at all.
    RAISES (ValueError): With the file, if the tags are of two schemes, or one cannot follow another.
    """
    found = [[_find_tag(word.misc) for word in sentence.words] for sentence in sentences]
    if not any(tag for tags in found for tag in tags):
        return None
    try:
        ends = has_ends([tag or "O" for tags in found for tag in tags])
    except TagError as error:
        words = [word for sentence in sentences for word in sentence.words]
        raise ValueError(f"{path}, line {words[error.index].line}: {error}") from None
    entities: List[List[str]] = []
    for sentence, tags in zip(sentences, found, strict=True):
        try:
            entities.append(to_bio([tag or "O" for tag in tags], ends))
        except TagError as error:
            raise ValueError(f"{path}, line {sentence.words[error.index].line}: {error}") from None
    return entities


class Part(NamedTuple):
    """A sentence as a document has it.

    words (List[Word]): Its words.
    spaces (List[bool]): For each whether a space follows.
    tags (List[str]): Their tags, "" where there is none.
    entities (Optional[List[str]]): The tags of named entities in BIO2, or None if they are not annotated.
    tree (Tree): Their heads.
    """

    words: List[Word]
    spaces: List[bool]
    tags: List[str]
    entities: Optional[List[str]]
    tree: Tree


def make_doc(vocab: Vocab, parts: List[Part]) -> Doc:
    """Make a document. Its sentences are those of the file: where spaCy would find others by their heads, it has no heads.

    vocab (Vocab): The vocabulary.
    parts (List[Part]): Its sentences.
    RETURNS (Doc): The document, with a space between two sentences.
    """
    starts = [i == 0 for part in parts for i in range(len(part.words))]
    doc = _make_doc(vocab, parts, starts, with_trees=True)
    if [bool(token.is_sent_start) for token in doc][1:] == starts[1:]:
        return doc
    return _make_doc(vocab, parts, starts, with_trees=False)


def _make_doc(vocab: Vocab, parts: List[Part], starts: List[bool], with_trees: bool) -> Doc:
    words = [word for part in parts for word in part.words]
    spaces = [space for part in parts for space in part.spaces]
    heads: List[Optional[int]] = []
    for part in parts:
        begin = len(heads)
        heads += [None if head is None else begin + head for head in part.tree.heads]
        if begin and not words[begin - 1].form.isspace():
            spaces[begin - 1] = True
    deps = [dep for part in parts for dep in part.tree.deps]
    is_parsed = with_trees and any(deps)
    sent_starts: List[Union[bool, int, None]] = [*starts]
    doc = Doc(
        vocab,
        words=[word.form for word in words],
        spaces=spaces,
        tags=[tag for part in parts for tag in part.tags],
        pos=[word.upos for word in words],
        morphs=[word.feats for word in words],
        lemmas=[word.lemma for word in words],
        heads=heads if is_parsed else None,  # type: ignore[arg-type]
        deps=deps if is_parsed else None,  # type: ignore[arg-type]
        sent_starts=None if is_parsed else sent_starts,
        ents=[tag for part in parts for tag in part.entities or []] if parts[0].entities is not None else None,
    )
    for token, word in zip(doc, words, strict=True):
        # No features are an annotation where the part of speech is one.
        if not word.feats and not word.upos:
            token.set_morph(None)  # type: ignore[attr-defined]
    return doc


def _find_tag(misc: str) -> Optional[str]:
    for part in misc.split("|"):
        key, equals, tag = part.strip().partition("=")
        if equals and key in ("name", "NE") and is_tag(tag):
            return tag
        if not equals and _BARE_TAG.fullmatch(key):
            return key
    return None
