"""Tokens of tweets: what is one token, what is alike, and that the text stays as it is."""

import copy
import pickle
import sys

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.vocab import Vocab
from thinc.api import fix_random_seed

from spacy_rnn.text.tweets.escapes import unescape
from spacy_rnn.text.tweets.patterns import compile_patterns
from spacy_rnn.text.tweets.tokenizer import TweetTokenizer
from spacy_rnn.text.tweets.words import split_words


def blank(lang="en", **arguments):
    return spacy.blank(lang, config={"nlp": {"tokenizer": {"@tokenizers": "spacy_rnn.TweetTokenizer.v1", **arguments}}})


NLP = blank()
UNSPLIT = blank(split_hashtags=False)
PLAIN = spacy.blank("en")
# What is escaped, elongated, glued, and half of something.
BITS = [
    *(
        "@user",
        "#MakeItSo",
        "#1",
        "don't",
        "sooooo",
        "&amp;",
        "&amp;lt;3",
        "&#39;",
        "&#x1F602;",
        "&nbsp;",
        "&foo;",
        "&",
        ";",
        "\\u2019",
    ),
    *(
        "\\ud83d\\ude02",
        "\\ud83d",
        "\\u0020",
        "http://t.co/a",
        "https:",
        "www.",
        ":-)",
        ":(",
        "<3",
        "👍🏽",
        "👨‍👩‍👧",
        "🇺🇸",
        "🇺",
        "❤️",
        "\u200d",
    ),
    *(
        "\\u0026",
        "&#92;",
        "amp;",
        "u2019",
        "\\",
        "ftp://a.b/(c)",
        "bit.ly/a",
        "pic.twitter.com/a",
        "＠",
        "＃",
        "हिन्दी",
        "日本",
        "\u0301",
    ),
    *("\ufe0f", "1️⃣", " ", "  ", "\n", "\t", "\xa0", ".", '""', "it", "9:30", "é", "мир", "猫", "\x00"),
]


def tokens(text, nlp=NLP):
    doc = nlp(text)
    assert doc.text == text
    return [token.text for token in doc]


def norms(text, nlp=NLP):
    return [token.norm_ for token in nlp(text)]


@settings(deadline=None, database=None, max_examples=150)
@given(st.one_of(st.lists(st.sampled_from(BITS), max_size=12).map("".join), st.text(max_size=40)))
def test_the_text_stays_as_it_is(text):
    doc = NLP(text)
    assert doc.text == text
    assert "".join(token.text_with_ws for token in doc) == text
    assert all(token.text and token.norm_ for token in doc)
    # As spaCy's own tokens: white space is never part of another token.
    assert all(token.is_space or not any(character.isspace() for character in token.text) for token in doc)
    assert [(token.text, token.norm_) for token in NLP(text)] == [(token.text, token.norm_) for token in doc]


@settings(deadline=None, database=None, max_examples=300)
@given(st.lists(st.one_of(st.sampled_from(BITS), st.characters(exclude_categories=["Cs"])), max_size=12).map("".join))
def test_what_is_unescaped_stays_and_has_its_place(text):
    plain, origins = unescape(text)
    assert unescape(plain)[0] == plain
    assert len(origins) == len(plain) + 1
    assert origins[0] == 0 and origins[-1] == len(text)
    assert origins == sorted(set(origins))
    for character, begin, end in zip(plain, origins, origins[1:], strict=False):
        assert end == begin + 1 or not (character.isspace() or character == "\x00")


@settings(deadline=None, database=None, max_examples=300)
@given(st.text(st.characters(categories=["L", "M", "Nd"]), min_size=1, max_size=12), st.sampled_from("#＃"))
def test_a_hashtag_of_letters_marks_and_digits_is_whole_in_every_script(word, sign):
    # A combining mark that encloses # is none of a word, and variation selectors are those of emoji.
    word = "".join(character for character in word if character not in "\ufe0e\ufe0f\u20e3")
    text = f"a {sign}x{word} b"
    assert tokens(text, UNSPLIT) == ["a", f"{sign}x{word}", "b"]
    assert "".join(split_words(word)) == word


def test_words_of_hashtags_begin_with_a_letter_not_with_its_mark():
    assert split_words("cafe\u0301Time") == ["cafe\u0301", "Time"]
    assert split_words("e\u0301te\u03012017x\u0304Y") == ["e\u0301te\u0301", "2017", "x\u0304", "Y"]
    assert split_words("हिन्दी१२") == ["हिन्दी", "१२"]


@settings(deadline=None, database=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["A", "film", "isn't", "it", "?", "9:30", "(", "U.S.", "  ", "\n", "naïve"]), max_size=10).map(
        " ".join
    )
)
def test_other_text_has_the_tokens_of_its_language(text):
    assert tokens(text) == [token.text for token in PLAIN(text)]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("@user's here,@you!", ["@user", "'s", "here", ",", "@you", "!"]),
        ("mail a@b.com @ home", ["mail", "a@b.com", "@", "home"]),
        ("see:https://t.co/x_1?a=b, (www.a.b/c).", ["see", ":", "https://t.co/x_1?a=b", ",", "(", "www.a.b/c", ")", "."]),
        ("good👍🏽👍🏽!", ["good", "👍🏽", "👍🏽", "!"]),
        ("👨‍👩‍👧🇺🇸🇩🇪❤️1️⃣🏴󠁧󠁢󠁥󠁮󠁧󠁿", ["👨‍👩‍👧", "🇺🇸", "🇩🇪", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]),
        ("film:-))) :/ <33 </3 10:30 :place", ["film", ":-)))", ":/", "<33", "</3", "10:30", ":", "place"]),
        ("#MakeItSo #1", ["#", "Make", "It", "So", "#", "1"]),
        ("a&b AT&T R&D", ["a&b", "AT&T", "R&D"]),
    ],
)
def test_what_is_one_token(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize(
    "word",
    [
        "हिन्दी",
        "สวัสดี",
        "العَرَبِيَّة",
        "کتاب\u200cها",
        "ශ්\u200dරීලංකා",
        "தமிழ்",
        "ქართული",
        "한국말",
        "日本語",
        "サッカー",
        "メ～テレ",
        "il·lusió",
    ]
    + ["עַל־יְדֵי", "བོད་སྐད", "cafe\u0301", "ՄահաթմաՄ", "x१२३", "\U00020021", "አማርኛ", "မြန်မာ", "Việt"],
)
@pytest.mark.parametrize("sign", "#＃")
def test_hashtags_of_every_script(word, sign):
    assert tokens(f"so {sign}{word}! 😂{sign}{word}。", UNSPLIT) == ["so", f"{sign}{word}", "!", "😂", f"{sign}{word}", "。"]
    assert norms(f"{sign}{word}", UNSPLIT)[0].startswith("#")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("@userさん", ["@user", "さん"]),
        ("の@userに", ["の", "@user", "に"]),
        ("＠user hi", ["＠user", "hi"]),
        ("@userहै", ["@user", "है"]),
        ("RT@user rt:@user", ["RT", "@user", "rt", ":", "@user"]),
        ("@one@two", ["@one", "@two"]),
        ("@user😂@user1️⃣", ["@user", "😂", "@user", "1️⃣"]),
        ("hey!@user", ["hey", "!", "@user"]),
        ("@userhttps://t.co/a@user", ["@user", "https://t.co/a", "@user"]),
        ("a #tag@user", ["a", "#", "tag", "@user"]),
    ],
)
def test_names_are_words_of_ascii(text, expected):
    assert tokens(text) == expected
    found = [norm for token, norm in zip(expected, norms(text), strict=True) if token[0] in "@＠"]
    assert set(found) == {"@user"}


@pytest.mark.parametrize(
    "text",
    ["@_@", "@aliceì", "@alice\u0300", "@test@example.com", "f$@kn", "josé@example.com", "почта@example.com", "@http://a.b"],
)
def test_what_is_no_name(text):
    assert "@user" not in norms(text)


URLS = """
http://t.co/abc https://t.co/a_b?c=d HTTP://A.COM/X http://x.y/a_(b) http://x.y/a_(b_(c))/d http://x.y/f(v=1.0).aspx http://x.y/?q=(a)
http://x.y/@user/a http://x.y/a-b+c/ http://x.y/#a http://x.y?a=b&c=d http://x.y/a,b;c!d http://a.b:80/x http://localhost:8000/x
http://192.168.0.1/x http://[::1]:80/x http://user:pw@a.b/c http://пример.рф/слово http://foobar.中国/ http://foobar.みんな/ http://日本語.jp
http://xn--ls8h.la/ http://✪df.ws/ejp http://x.y/café http://x.y/cafe\u0301 http://no-tld
ftp://a.b/c ssh://git@a.com/x git+https://a.b/c.git irc://a.b file:///a/b www.a.com www.ü.de/x pic.twitter.com/aBc1
""".split()


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize(
    "before, after",
    [
        ("", ""),
        ("(", ")"),
        ("(see ", ")."),
        ("“", "”"),
        ("「", "」"),
        ("日本", "これは"),
        ("😂", "😂"),
        ("見て ", "。"),
        ("a ", "…"),
        ("", "、次"),
        ("", "👨‍👩‍👧"),
        ("🇺🇸", "🇺🇸"),
        ("", " 1️⃣"),
        ("", "!?"),
        ("", "،"),
        ("", "한국"),
    ],
)
def test_urls_end_where_twitter_text_says(url, before, after):
    text = before + url + after
    doc = NLP(text)
    assert doc.text == text
    assert (url, "http") in [(token.text, token.norm_) for token in doc]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("https://t.co/abc's site", ["https://t.co/abc", "'s", "site"]),
        ("texthttp://a.b/c", ["text", "http://a.b/c"]),
        ("#LoveIthttps://t.co/a#SoMuch", ["#", "Love", "It", "https://t.co/a", "#", "So", "Much"]),
        ("https://t.co/ahttps://t.co/b", ["https://t.co/a", "https://t.co/b"]),
        ("http://t.co/a1️⃣", ["http://t.co/a", "1️⃣"]),
        ("http://a.com.これは", ["http://a.com", ".これは"]),
        ("http://a.b/c).", ["http://a.b/c", ")", "."]),
        ("?pic.twitter.com/abcこれは", ["?", "pic.twitter.com/abc", "これは"]),
        ("@http://a.b #http://a.b", ["@", "http://a.b", "#", "http://a.b"]),
        ("bit.ly/abcこれは foo.com bit.ly/a_(b)", ["bit.ly/abc", "これは", "foo.com", "bit.ly/a_(b)"]),
        ("a.b@c.com, mailto:a@b.com", ["a.b@c.com", ",", "mailto:a@b.com"]),
    ],
)
def test_what_stands_beside_a_url(text, expected):
    assert tokens(text) == expected


@pytest.mark.parametrize("text", ["bit.ly/abc", "example.com", "a@b.com"])
def test_what_has_no_scheme_has_its_own_norm(text):
    assert norms(text) == [text]


EMOJI = "👨‍👩‍👧‍👦 👩🏽‍❤️‍💋‍👨🏿 🏴‍☠️ 🏳️‍🌈 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇺🇸 🇩 👍🏽 ☝🏿️ ❤️ ☺︎ 1️⃣ #️⃣ *⃣ ™ ★ 🫠 🧑‍🧑‍🧒 🏽"


@pytest.mark.parametrize(
    "before, after", [("", ""), ("x", "y"), ("日本", "語"), ("@user", "@user"), ("#タグ", "#タグ"), ("<3", ":)"), ("हि", "हि")]
)
def test_emoji_are_whole(before, after):
    for emoji in EMOJI.split():
        if emoji != "🏽":
            assert emoji in tokens(before + emoji + after)
    assert tokens("".join(EMOJI.split()[:6])) == EMOJI.split()[:6]


@pytest.mark.parametrize(
    "hashtag, words",
    [
        ("MakeItSo", "Make It So"),
        ("NBAFinals2017", "NBA Finals 2017"),
        ("BB17", "BB 17"),
        ("5SOS", "5 SOS"),
        ("MH17crash", "MH 17 crash"),
        ("love_it", "love _ it"),
        ("nofilter", "nofilter"),
        ("WWE", "WWE"),
        ("iPhone", "i Phone"),
        ("ÉtéÀParis", "Été À Paris"),
        ("", ""),
    ],
)
def test_hashtags_are_split_where_their_spelling_says_so(hashtag, words):
    assert split_words(hashtag) == words.split(" ")


def test_a_hashtag_can_stay_one_token():
    nlp = blank(split_hashtags=False)
    assert tokens("so #MakeItSo!", nlp) == ["so", "#MakeItSo", "!"]
    assert norms("so #MakeItSo!", nlp) == ["so", "#makeitso", "!"]


@pytest.mark.parametrize(
    "text, plain",
    [
        ("R&amp;D &lt;3 &amp;lt;3 &amp;amp;quot;", 'R&D <3 <3 "'),
        ("\\u0026lt;3 \\u0026amp;lt;3 &#92;u2019 \\u005cu2019 \\\\u2019", "<3 <3 ’ ’ ’"),
        ("\\u0026\\u0061\\u006d\\u0070\\u003b &lt\\u003b3 \\u005cud83d\\u005cude02", "& <3 😂"),
        ("\\ud83d\\udc68\\u200d&#x1F469; &zwnj; AT&amp;T; &amp;foo; &#0000039;", "👨\u200d👩 \u200c AT&T; &foo; '"),
        ("can\\u2019t&#039;&#x2764;\\ud83d\\ude02", "can’t'❤😂"),
        # White space, control characters and what means nothing.
        ("a&nbsp;b&#10;c\\u0020d&#0;e&foo;f\\ud83dg&amp;nbsp;h \\u0026nbsp; &#92;u0020 \\\\u000a \ufffd&#xd83d;", None),
        ("AT&T &c; &copy2 C:\\users", None),
        ("", None),
    ],
)
def test_what_is_escaped_is_found(text, plain):
    found, origins = unescape(text)
    assert found == (text if plain is None else plain)
    assert len(origins) == len(found) + 1
    assert origins[0] == 0 and origins[-1] == len(text)
    assert origins == sorted(set(origins))


def test_escaped_text_has_the_tokens_and_norms_of_what_it_means():
    assert tokens("don&#039;t can\\u2019t &amp;lt;3 x&amp;y") == ["do", "n&#039;t", "ca", "n\\u2019t", "&amp;lt;3", "x&amp;y"]
    assert norms("don&#039;t can\\u2019t &amp;lt;3 x&amp;y") == ["do", "not", "can", "not", "<3", "x&y"]
    assert norms("don&#039;t", blank(unescape=False)) != norms("don't")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("@user @Somebody_1", ["@user", "@user"]),
        ("http://t.co/1 WWW.A.B", ["http", "http"]),
        ("9:30 2nd 2015 1st", ["0:00", "0nd", "0000", "0st"]),
        ("sooooo SOOOO good Hmmm", ["soo", "soo", "good", "hmm"]),
        ("👍🏽 👍 ❤️ ❤ ☝🏿️", ["👍", "👍", "❤", "❤", "☝"]),
        (":-))) :) :DD :D <333 <3", [":)", ":)", ":d", ":d", "<3", "<3"]),
        ("#GoGoooo isn't", ["#", "go", "goo", "is", "not"]),
    ],
)
def test_what_is_alike_has_one_norm(text, expected):
    assert norms(text) == expected


@pytest.mark.parametrize(
    "setting, text, expected",
    [
        ("names", "@Ann http://t.co/a", ["@ann", "http://t.co/a"]),
        ("digits", "9:30", ["9:30"]),
        ("repeated_letters", "Sooooo", ["sooooo"]),
    ],
)
def test_each_of_them_can_be_turned_off(setting, text, expected):
    assert norms(text, blank(**{setting: False})) == expected
    assert norms(text) != expected


def test_emoji_become_emoticons_where_there_is_one():
    nlp = blank(emoji_as_emoticons=True)
    assert norms("😂 ❤️ 😍 😢 💔 🙂 😉 👍🏽 🇺🇸", nlp) == [":d", "<3", "<3", ":(", "</3", ":)", ";)", "👍", "🇺🇸"]
    assert norms("😂") == ["😂"]


@pytest.mark.slow
def test_other_languages_have_their_own_rules():
    assert tokens("l'équipe #AllezLesBleus 👏🏽", blank("fr")) == ["l'", "équipe", "#", "Allez", "Les", "Bleus", "👏🏽"]
    assert tokens("مرحبا @user #كأس_العالم", blank("ar")) == ["مرحبا", "@user", "#", "كأس", "_", "العالم"]


def test_special_cases_are_added_as_to_spacys_own():
    nlp = blank()
    nlp.tokenizer.add_special_case("gimme", [{"ORTH": "gim", "NORM": "give"}, {"ORTH": "me"}])
    assert tokens("gimme #this", nlp) == ["gim", "me", "#", "this"]
    assert norms("gimme #this", nlp) == ["give", "me", "#", "this"]


TEXT = "@Ann don&#39;t #GoThere sooooo 👍🏽 9:30"


def test_it_is_saved_with_the_pipeline(tmp_path, python):
    nlp = blank(digits=False)
    nlp.to_disk(tmp_path)
    expected = [(token.text, token.norm_) for token in nlp(TEXT)]
    code = f"import spacy; print([(t.text, t.norm_) for t in spacy.load({str(tmp_path)!r})({TEXT!r})])"
    process = python("-c", code)
    assert process.stdout.strip() == str(expected), process.stderr
    for other in (pickle.loads(pickle.dumps(nlp)), copy.deepcopy(nlp), blank(digits=False).from_bytes(nlp.to_bytes())):
        assert [(token.text, token.norm_) for token in other(TEXT)] == expected


def test_it_works_in_a_memory_zone():
    nlp = blank()
    for _ in range(2):
        with nlp.memory_zone():
            assert norms("@Zork #ZorkIsZooooorking 42", nlp) == ["@user", "#", "zork", "is", "zoorking", "00"]


def test_norms_are_stored_with_the_text():
    doc = NLP(TEXT)
    (other,) = DocBin(docs=[doc]).get_docs(NLP.vocab)
    for again in (other, Doc(NLP.vocab).from_bytes(doc.to_bytes())):
        assert [token.norm_ for token in again] == [token.norm_ for token in doc]


def test_a_categorizer_learns_from_what_is_alike():
    """Trained on one spelling, it knows the others."""
    fix_random_seed(0)
    nlp = blank()
    embed = {"@architectures": "spacy_rnn.Embed.v1", "width": 8, "size": 50, "attr": "NORM"}
    encode = {"@architectures": "spacy_rnn.RNNEncoder.v1", "width": 8}
    tok2vec = {"@architectures": "spacy.Tok2Vec.v2", "embed": embed, "encode": encode}
    model = {"@architectures": "spacy_rnn.TextCat.v1", "tok2vec": tok2vec, "exclusive_classes": True, "dropout": 0.0}
    model["linear_model"] = {"@architectures": "spacy_rnn.NGrams.v1", "attr": "NORM"}
    nlp.add_pipe("rnn_textcat", config={"model": model})
    texts = {"@a sooo nice <3": "good", "@b I don't like it :(": "bad", "#SoNice :)": "good", "9 times bad": "bad"}
    examples = [
        Example.from_dict(nlp.make_doc(text), {"cats": {label: float(label == gold) for label in ("good", "bad")}})
        for text, gold in texts.items()
    ]
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    pairs = [("@a sooo nice <3", "@xyz SOOOOOO nice &amp;lt;333"), ("@b I don't like it :(", "@b I don\\u2019t like it :-((")]
    for text, other in pairs:
        assert nlp(text).cats == pytest.approx(nlp(other).cats, abs=1e-6)
    assert [round(nlp(text).cats[gold]) for text, gold in texts.items()] == [1, 1, 1, 1]


@pytest.mark.parametrize("arguments", [{"hashtags": True}, {"digits": "maybe"}], ids=str)
def test_settings_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        blank(**arguments)


def test_a_vocabulary_without_norms_has_words_in_small_letters():
    doc = TweetTokenizer(Vocab())("Soooo :-D <33 @Ann #ThisWay 😂 9:30 isn't")
    assert [token.norm_ for token in doc] == ["soo", ":d", "<3", "@user", "#", "this", "way", "😂", "0:00", "isn't"]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "regex", None)
    compile_patterns.cache_clear()
    with pytest.raises(ImportError, match=r'python -m pip install "spacy-rnn\[tweets\]"'):
        blank()
