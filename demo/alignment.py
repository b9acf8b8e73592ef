"""Where the words of a clip are, according to the encoder itself, and attention that looks there.

With speech anywhere in the window the decoder is slow to find out where to listen. The CTC head
finds the words earlier; the most likely path through its output says at which encoder position it
heard each word. Training asks some attention heads of the last decoder layer to look there, and the
encoder to tell there the how-manieth word it is.
"""

import numpy as np
import torch
from torch import nn

NEAR = 3  # encoder positions (20 ms each) around a word's position that count as right


def word_positions(logits: torch.Tensor, sentences: list[list[int]]) -> np.ndarray:
    """Encoder position of every word, int [B, longest], -1 behind the end.

    `logits` [B, T, classes] are of CTC, class 0 blank; `sentences` hold classes. The position is
    where the word is most likely on the best path (Viterbi).
    """
    scores = logits.detach().log_softmax(-1).numpy()
    rows, length, _ = scores.shape
    longest = max(1, *(len(sentence) for sentence in sentences))
    labels = np.zeros((rows, 2 * longest + 1), np.int64)  # blanks between and around
    for row, sentence in enumerate(sentences):
        labels[row, 1 : 2 * len(sentence) : 2] = sentence
    emitted = np.take_along_axis(scores, labels[:, None, :].repeat(length, 1), axis=2)
    skips = np.zeros(labels.shape, bool)  # from one word to the next without a blank
    skips[:, 3::2] = labels[:, 3::2] != labels[:, 1:-2:2]
    best = np.full(labels.shape, -np.inf, np.float32)
    best[:, :2] = emitted[:, 0, :2]
    came = np.zeros((length, *labels.shape), np.int64)
    for at in range(1, length):
        one, two = (np.full_like(best, -np.inf) for _ in range(2))
        one[:, 1:] = best[:, :-1]
        two[:, 2:] = np.where(skips[:, 2:], best[:, :-2], -np.inf)
        options = np.stack([best, one, two])
        came[at] = options.argmax(0)
        best = options.max(0) + emitted[:, at]
    ends = 2 * np.array([len(sentence) for sentence in sentences])
    index = np.arange(rows)
    state = np.where(best[index, ends] >= best[index, np.maximum(ends - 1, 0)], ends, ends - 1)
    state = np.maximum(state, 0)
    positions = np.full((rows, longest), -1)
    heard = np.full((rows, longest), -np.inf)
    for at in range(length - 1, -1, -1):
        word = np.where(state % 2 == 1, state // 2, 0)
        score = np.where(state % 2 == 1, emitted[index, at, state], -np.inf)
        better = score > heard[index, word]
        positions[index[better], word[better]] = at
        heard[index[better], word[better]] = score[better]
        state = state - came[at, index, state]
    return positions


class CrossAttention:
    """Records the queries and keys of one cross-attention layer as it runs."""

    def __init__(self, attention: nn.Module, heads: int) -> None:
        self.attention, self.heads = attention, heads
        attention.q_proj.register_forward_hook(lambda *call: setattr(self, "queries", call[2]))
        attention.k_proj.register_forward_hook(lambda *call: setattr(self, "keys", call[2]))

    def log_weights(self, bias: torch.Tensor) -> torch.Tensor:
        """Logarithm of the first heads' attention [N, heads, U, T] in the last forward pass."""
        size = self.attention.head_dim

        def split(states: torch.Tensor) -> torch.Tensor:
            return states[..., : self.heads * size].unflatten(-1, (-1, size)).transpose(1, 2)

        products = split(self.queries) @ split(self.keys).transpose(2, 3)
        return (products * self.attention.scaling + bias).log_softmax(-1)


def attention_loss(
    log_weights: torch.Tensor, words: torch.Tensor, positions: np.ndarray
) -> torch.Tensor:
    """Negative logarithm of the attention near the word that a token belongs to, averaged.

    `log_weights` [2 B, heads, U, T]; `words` [2 B, U], number of the word that is predicted there
    or -1; `positions` [B, longest] from `word_positions`.
    """
    table = torch.from_numpy(positions).repeat(2, 1)
    target = table.gather(1, words.clamp(min=0))
    counted = (words >= 0) & (target >= 0)
    row, step = counted.nonzero(as_tuple=True)
    near = target[counted][:, None] + torch.arange(-NEAR, NEAR + 1)
    chosen = log_weights[row, :, step]  # [tokens, heads, T]
    near = near.clamp(0, chosen.shape[-1] - 1)[:, None].expand(-1, chosen.shape[1], -1)
    # clamping may count a position twice at the edges, which does no harm
    near_weight = chosen.gather(2, near).logsumexp(-1)
    return -near_weight.sum() / max(1, near_weight.numel())  # none in a batch of silence
