"""A cell that the package does not have: the minimal gated unit (Zhou et al. 2016, "Minimal gated unit for recurrent neural
networks", equations 6a-6c), with a gate f and a candidate g.

    f = σ(W_f x + b_f + R_f ĥ)
    g = tanh(W_g x + b_g + R_g (f ∘ ĥ))
    h = (1 - f) ∘ h' + f ∘ g
"""

from spacy_rnn.recurrence import Cell


def _forward(xp, z, state, params, mask):
    h_prev = state["h"]
    h_in = h_prev if mask is None else h_prev * mask
    nH = h_prev.shape[1]
    f = 1 / (1 + xp.exp(-(z[:, :nH] + h_in @ params["R"][:nH].T)))
    g = xp.tanh(z[:, nH:] + (f * h_in) @ params["R"][nH:].T)
    return {"h": (1 - f) * h_prev + f * g}, (h_prev, h_in, f, g)


def _backward(xp, d_state, saved, params, mask, grads):
    h_prev, h_in, f, g = saved
    nH = h_prev.shape[1]
    dh = d_state["h"]
    dz_g = dh * f * (1 - g * g)
    d_gated = dz_g @ params["R"][nH:]
    dz_f = (dh * (g - h_prev) + d_gated * h_in) * f * (1 - f)
    grads["R"][:nH] += dz_f.T @ h_in
    grads["R"][nH:] += dz_g.T @ (f * h_in)
    d_in = d_gated * f + dz_f @ params["R"][:nH]
    dh_prev = dh * (1 - f) + (d_in if mask is None else d_in * mask)
    return xp.concatenate((dz_f, dz_g), axis=1), {"h": dh_prev}


MGU = Cell("mgu", ("f", "g"), ("h",), _forward, _backward)
