"""Back-off models in dictionaries and fractions, straight from the papers: what the arrays are compared with."""

from collections import Counter, defaultdict
from fractions import Fraction

START, END = 1, 2


class Oracle:
    """The probabilities of n-grams of some texts, none of which may be pruned unless said so."""

    def __init__(self, texts, order, n_symbols, smoothing, k=1, prune=None, discounts=None):
        self.order, self.n_symbols, self.smoothing, self.k = order, n_symbols, smoothing, Fraction(k)
        self.prune = prune or [0] * order
        padded = [[START] * (order - 1) + list(text) + [END] for text in texts]
        self.raw = Counter()
        before = defaultdict(set)
        for text in padded:
            for i in range(order - 1, len(text)):
                for n in range(1, order + 1):
                    ngram = tuple(text[i - n + 1 : i + 1])
                    # Of several starts in a row, one counts.
                    if ngram[1:2] == (START,):
                        continue
                    self.raw[ngram] += 1
                    if i - n >= 0:
                        before[ngram].add(text[i - n])
        self.counts = dict(self.raw)
        if smoothing == "kneser_ney":
            for ngram in self.raw:
                if len(ngram) < order and ngram[0] != START:
                    self.counts[ngram] = len(before[ngram])
        self.children = defaultdict(dict)
        for ngram, count in self.counts.items():
            self.children[ngram[:-1]][ngram[-1]] = count
        self.discounts = [self._discount(n, discounts) for n in range(1, order + 1)] if smoothing == "kneser_ney" else None

    def _discount(self, n, fallback):
        counted = [Fraction(sum(1 for g, c in self.counts.items() if len(g) == n and c == i)) for i in range(5)]
        if all(counted[1:4]):
            y = counted[1] / (counted[1] + 2 * counted[2])
            found = [Fraction(0)] + [i - (i + 1) * y * counted[i + 1] / counted[i] for i in (1, 2, 3)]
            if all(0 <= found[i] <= i for i in (1, 2, 3)):
                return found
        return [Fraction(0), *map(Fraction, fallback)]

    def probability(self, context, symbol):
        if symbol == START:
            return Fraction(0)
        context = tuple(context)
        starts = [i for i, each in enumerate(context) if each == START]
        context = context[starts[-1] if starts else 0 :]
        return self._after(context[max(0, len(context) - self.order + 1) :], symbol)

    def _kept(self, ngram):
        return len(ngram) == 1 or self.raw[ngram] > self.prune[len(ngram) - 1]

    def _lower(self, context, symbol):
        return self._after(context[1:], symbol) if context else Fraction(1, self.n_symbols - 1)

    def _after(self, context, symbol):
        seen = self.children.get(context)
        if not seen:
            return self._lower(context, symbol)
        kept = {s: c for s, c in seen.items() if self._kept((*context, s))}
        count, total = kept.get(symbol, 0), sum(seen.values())
        if self.smoothing == "none":
            total = sum(kept.values())
            return Fraction(count, total) if total else self._lower(context, symbol)
        if self.smoothing == "add_k":
            if len(context) < self.order - 1 and context[:1] != (START,):
                return Fraction(1, self.n_symbols - 1)
            added = self.k * (self.n_symbols - 1)
            left = (total - sum(kept.values()) + added) / (total + added)
            return Fraction(count) / (total + added) + left / (self.n_symbols - 1)
        if self.smoothing == "witten_bell":
            numerators, total = kept, total + len(seen)
        else:
            d = self.discounts[len(context)]
            numerators = {s: c - d[min(c, 3)] for s, c in kept.items()}
        left = Fraction(total - sum(numerators.values())) / total
        return Fraction(numerators.get(symbol, 0)) / total + left * self._lower(context, symbol)
