"""Static optimisation: which activations give the joint torques, for many frames at once.

In each frame, minimise ``1/2 |a|^2 + 1/(2 e^2) |s|^2`` subject to ``A a + s = b`` and
``low <= a <= high``: the usual least sum of squared activations (Crowninshield and Brand, J Biomech
14, 1981; Anderson and Pandy, J Biomech 34, 2001), with a costly slack s, so that a frame beyond the
muscles' strength has an answer too. The dual has one number l per joint:

    a = clip(A^T l, low, high),   s = e^2 l,   g(l) = b - A a - e^2 l = 0.

g is the gradient of a concave, once differentiable function that is quadratic in pieces, so
Newton's method with ``H = A D A^T + e^2 I`` (D: 1 for the muscles between their bounds) ends after
a few steps. Alone it cycles between sets of clipped muscles in some frames; a search along each
step, cheap because ``A^T l`` is linear along it, makes it converge from anywhere. It starts from
the answer without bounds in every fourth frame, and in the others from what lies between those.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kinefed.biomechanics.line_search import BoolArray, Line, Which, search
from kinefed.datasets.errors import DataError, DataReason
from kinefed.datasets.types import FloatArray

LOWEST_ACTIVATION = 0.01
# Frames a block: the tables of a block stay in the cache.
_BLOCK = 2048
# Of so many frames one is solved without knowing its neighbours.
_STRIDE = 4
_FIRST_STEPS, _MAX_STEPS = 2, 60
# The gradient that ends the search, as a share of the torques of a frame.
_TOLERANCE = 1e-9


def static_optimisation(
    torque_per_activation: FloatArray,
    torque: FloatArray,
    *,
    low: FloatArray | float = LOWEST_ACTIVATION,
    high: FloatArray | float = 1.0,
    slack_nm: float = 1.0,
    start: FloatArray | None = None,
) -> FloatArray:
    """Find the activations of every frame.

    Parameters
    ----------
    torque_per_activation
        A, (frames, joints, muscles), N m: moment arm times force at full activation.
    torque
        b, (frames, joints), N m: the wanted torque less the passive one.
    low, high
        Bounds, one number, (muscles,) or (frames, muscles).
    slack_nm
        e: the torque error that costs as much as one full activation. At 1 N m the error of an
        ordinary frame is some 0.01 N m. Below 0.1 N m rounding shows in the activations.
    start
        (frames, muscles): the answer to a problem that differs in its bounds alone, to begin from.

    Returns
    -------
    activation
        (frames, muscles).

    Raises
    ------
    DataError
        ``mismatch``, ``not_finite``, or ``out_of_range`` for bounds that cross and a search that
        finds no answer, which torques within a million times the muscles' own have not done.
    """
    frames, _, muscles = _check(torque_per_activation, torque)
    lower = np.broadcast_to(np.asarray(low, dtype=np.float64), (frames, muscles))
    upper = np.broadcast_to(np.asarray(high, dtype=np.float64), (frames, muscles))
    if (lower > upper).any() or not slack_nm >= 0.1:
        raise DataError(
            DataReason.OUT_OF_RANGE,
            f"a lower bound lies above the upper one, or slack_nm {slack_nm} is below 0.1",
        )
    # Torques in units of the muscles' own, so that one tolerance and damping fit leg and arm.
    own = float(np.linalg.norm(torque_per_activation)) / math.sqrt(torque_per_activation.size)
    size = math.hypot(own, slack_nm)
    # Frames last: every operation below runs along contiguous memory.
    table, wanted = torque_per_activation.transpose(1, 2, 0), torque.T / size

    def block(part: slice | NDArray[np.intp]) -> _Block:
        return _Block(
            np.divide(table[:, :, part], size, order="C"),
            wanted[:, part],
            np.ascontiguousarray(lower.T[:, part]),
            np.ascontiguousarray(upper.T[:, part]),
            (slack_nm / size) ** 2,
        )

    # Neighbouring frames are alike: what some of them come to is where the rest begin.
    if start is None:
        some = block(slice(0, frames, _STRIDE))
        # Without bounds the answer is at hand; at l = 0 all muscles are clipped and Newton knows
        # nothing.
        found = _solve(some, some.direction(None, some.b))
    dual = np.empty(wanted.shape)
    activation = np.empty((muscles, frames))
    late = []
    for begin in range(0, frames, _BLOCK):
        part = slice(begin, min(begin + _BLOCK, frames))
        rest = block(part)
        if start is None:
            near = _between(found, part)
        else:
            # s = e^2 l
            near = (rest.b - np.einsum("jmf,mf->jf", rest.a, start.T[:, part])) / rest.e2
        dual[:, part], left = _advance(rest, near, _FIRST_STEPS)
        activation[:, part] = np.clip(rest.back(dual[:, part]), rest.low, rest.high)
        late.append(begin + left)
    # Few frames need more steps. All together they cost fewer calls than block by block.
    few = np.concatenate(late)
    rest = block(few)
    activation[:, few] = np.clip(rest.back(_solve(rest, dual[:, few])), rest.low, rest.high)
    return activation.T


def antagonist_floor(
    torque_per_activation: FloatArray,
    torque: FloatArray,
    activation: FloatArray,
    share: float,
    low: float = LOWEST_ACTIVATION,
) -> FloatArray:
    """Give lower bounds that make antagonists take part, for a second `static_optimisation`.

    An antagonist of a joint gets `share` of the mean activation of the joint's agonists (weighted
    by their torque), times its own leverage there over that of the strongest antagonist; a muscle
    of several joints gets the largest of these.

    Parameters
    ----------
    torque_per_activation, torque
        As of `static_optimisation`.
    activation
        (frames, muscles), without co-contraction.
    share
        Of the agonists' activation, 0..1.
    low
        Lower bound of the rest.
    """
    _check(torque_per_activation, torque)
    if not 0.0 <= share <= 1.0:
        raise DataError(DataReason.OUT_OF_RANGE, f"the share {share} is not in 0..1")
    # Frames last: every operation below runs along contiguous memory.
    table = torque_per_activation.transpose(1, 2, 0)
    floor = np.full(table.shape[1:], low)
    for own, sign in zip(table, np.sign(torque.T), strict=True):
        agonist = own * sign
        antagonist = np.maximum(-agonist, 0.0)
        np.maximum(agonist, 0.0, out=agonist)
        strength = np.maximum(agonist.sum(axis=0), 1e-9)
        level = np.einsum("mf,mf->f", agonist, activation.T) / strength
        antagonist *= share * level / np.maximum(antagonist.max(axis=0), 1e-9)
        np.maximum(floor, antagonist, out=floor)
    return np.asarray(np.minimum(floor, 1.0)).T


def _check(a: FloatArray, b: FloatArray) -> tuple[int, int, int]:
    if a.ndim != 3 or b.shape != a.shape[:2]:
        raise DataError(
            DataReason.MISMATCH,
            f"static optimisation of torque per activation {a.shape} and torque {b.shape}",
            next_step="Give (frames, joints, muscles) and (frames, joints)",
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(
            DataReason.NOT_FINITE,
            "static optimisation of torques that are not finite",
            next_step="Leave out the frames that are masked",
        )
    frames, joints, muscles = a.shape
    return frames, joints, muscles


@dataclass
class _Block:
    """Frames still being solved; every array has its frames last."""

    a: FloatArray
    b: FloatArray
    low: FloatArray
    high: FloatArray
    e2: float

    def keep(self, which: Which) -> _Block:
        return _Block(
            self.a[:, :, which], self.b[:, which], self.low[:, which], self.high[:, which], self.e2
        )

    def gradient(self, dual: FloatArray, y: FloatArray) -> FloatArray:
        """Give g for the dual variables and y = A^T l."""
        x = np.minimum(np.maximum(y, self.low), self.high)
        return np.asarray(self.b - np.einsum("jmf,mf->jf", self.a, x) - self.e2 * dual)

    def back(self, dual: FloatArray) -> FloatArray:
        """Give y = A^T l, (muscles, frames)."""
        y: FloatArray = self.a[0] * dual[0]
        for joint in range(1, len(self.a)):
            y += self.a[joint] * dual[joint]
        return y

    def direction(self, free: BoolArray | None, g: FloatArray) -> FloatArray:
        """Solve (A D A^T + e^2 I) d = g in each frame; None: all muscles are free."""
        some = self.a if free is None else self.a * free
        joints = range(len(self.a))
        # Cholesky's factor of the small matrix, one row at a time, along the frames.
        factor: dict[tuple[int, int], FloatArray] = {}
        for j in joints:
            for k in range(j + 1):
                entry = np.einsum("mf,mf->f", some[j], self.a[k])
                for i in range(k):
                    entry -= factor[j, i] * factor[k, i]
                root = np.sqrt(entry + self.e2) if j == k else entry / factor[k, k]
                factor[j, k] = root
        d = g.copy()
        for j in joints:
            for i in range(j):
                d[j] -= factor[j, i] * d[i]
            d[j] /= factor[j, j]
        for j in reversed(joints):
            for i in range(j + 1, len(self.a)):
                d[j] -= factor[i, j] * d[i]
            d[j] /= factor[j, j]
        return d


def _between(dual: FloatArray, part: slice) -> FloatArray:
    """Dual variables of every frame of a part, in straight lines between every `_STRIDE`-th."""
    frames = np.arange(part.start, part.stop) / _STRIDE
    below = np.minimum(frames.astype(np.intp), dual.shape[1] - 1)
    above = np.minimum(below + 1, dual.shape[1] - 1)
    return np.asarray(dual[:, below] + (frames - below) * (dual[:, above] - dual[:, below]))


def _solve(block: _Block, dual: FloatArray) -> FloatArray:
    """Give the dual variables of one block, (joints, frames), beginning with some."""
    found, left = _advance(block, dual, _MAX_STEPS)
    if len(left):
        raise DataError(
            DataReason.OUT_OF_RANGE,
            f"static optimisation finds no answer for {len(left)} frames",
            next_step="Look for torques out of all proportion to the muscles",
        )
    return found


def _advance(block: _Block, dual: FloatArray, steps: int) -> tuple[FloatArray, NDArray[np.intp]]:
    """Take so many of Newton's steps at most; also give the frames that need more."""
    out = np.empty_like(dual)
    left = np.arange(dual.shape[1])
    limit = _TOLERANCE * (1.0 + np.abs(block.b).max(axis=0))
    y = block.back(dual)
    g = block.gradient(dual, y)
    for step in range(steps + 1):
        going = np.abs(g).max(axis=0) > limit
        if not going.all():
            out[:, left] = dual
            left, block, limit = left[going], block.keep(going), limit[going]
            dual, y, g = dual[:, going], y[:, going], g[:, going]
        if step == steps or len(left) == 0:
            break
        d = block.direction((y > block.low) & (y < block.high), g)
        line = Line(
            block.low,
            block.high,
            y,
            block.back(d),
            np.einsum("jf,jf->f", d, block.b - block.e2 * dual),
            block.e2 * np.einsum("jf,jf->f", d, d),
        )
        size = search(line, np.einsum("jf,jf->f", g, d))
        dual = dual + size * d
        y = y + size * line.z
        g = block.gradient(dual, y)
    out[:, left] = dual
    return out, left
