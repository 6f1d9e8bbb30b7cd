"""The birth-death chain of one replica, for a block of R pairs at once.

State n is the number of requests in the replica, at most N of them in service and at most K in all. Arrivals
have rate lambda, departures mu(n) up to N and mu(N) above, so p_n is proportional to the product of
lambda / mu(i), i = 1 .. n. Weights are kept as logarithms, and the states above N are summed in closed form.

The unit of rates is mu(N): theta = log(lambda / mu(N)) is what a chain is evaluated at.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from inferno_optimizer.queueing.arrays import FloatArray
from inferno_optimizer.queueing.geometric import mean_index, scaled_sums

_REST = -460.0  # log of the load, relative to mu(1), that stands for no load at all: about 1e-200


@dataclass(frozen=True, eq=False)
class Chain:
    """Chains of R pairs.

    `n` and `room` (K - N) have shape (R,). `log_product` has shape (R, width), width the largest N: entry n
    is the sum of log(mu(i) / mu(N)) over i = 1 .. n, and infinite from N on, which makes the weight 0.
    `log_product_n` is the same sum at n = N; `log_mu_n` and `log_mu_1` are logarithms of rates per ms.
    """

    n: FloatArray
    room: FloatArray
    log_product: FloatArray
    log_product_n: FloatArray
    log_mu_n: FloatArray
    log_mu_1: FloatArray

    @classmethod
    def build(cls, log_mu: FloatArray, n: FloatArray, room: FloatArray) -> "Chain":
        """From log mu(1) .. log mu(width) per ms, shape (R, width); columns above a row's N are not read."""
        rows, width = log_mu.shape
        last = n.astype(np.int64) - 1
        log_mu_n = log_mu[np.arange(rows), last]
        above = np.arange(1, width + 1) > n[:, None]
        relative = np.cumsum(np.where(above, 0.0, log_mu - log_mu_n[:, None]), axis=1)
        head = np.zeros((rows, width))
        head[:, 1:] = relative[:, :-1]
        head[np.arange(width) >= n[:, None]] = np.inf
        return cls(
            n=n,
            room=room,
            log_product=head,
            log_product_n=relative[:, -1],
            log_mu_n=log_mu_n,
            log_mu_1=log_mu[:, 0].copy(),
        )

    @cached_property
    def _moment_basis(self) -> FloatArray:
        """Columns 1 and n, for n = 0 .. width - 1."""
        width = self.log_product.shape[1]
        return np.stack([np.ones(width), np.arange(width, dtype=np.float64)], axis=1)

    def theta(self, rate_per_ms: FloatArray) -> FloatArray:
        """log(lambda / mu(N)); no load becomes a load so small that its chain is the empty replica's."""
        log_rate = np.full_like(rate_per_ms, -np.inf)
        np.log(rate_per_ms, out=log_rate, where=rate_per_ms > 0)
        return np.maximum(log_rate, self.log_mu_1 + _REST) - self.log_mu_n

    def at(self, theta: FloatArray) -> "State":
        """The stationary distribution at arrival rate mu(N) exp(theta); `theta` has shape (R,)."""
        weights = self._moment_basis[:, 1] * theta[:, None]
        weights -= self.log_product
        log_weight_n = self.n * theta - self.log_product_n
        growth = np.maximum(theta, 0.0)
        largest = np.maximum(weights.max(axis=1), log_weight_n + self.room * growth)
        weights -= largest[:, None]
        np.exp(weights, out=weights)
        below_n, requests_below_n = (weights @ self._moment_basis).T
        log_n = log_weight_n - largest
        sum_accepting, sum_all = scaled_sums(theta, self.room)
        tail = np.exp(log_n + self.room * growth) * sum_all
        tail_accepting = np.exp(log_n + (self.room - 1) * growth) * sum_accepting
        return State(
            chain=self,
            theta=theta,
            weights=weights,
            total=below_n + tail,
            accepting=below_n + tail_accepting,
            requests_below_n=requests_below_n,
            below_n=below_n,
            tail=tail,
            tail_accepting=tail_accepting,
            full=np.exp(log_n + self.room * theta),
        )


@dataclass(frozen=True, eq=False)
class State:
    """Stationary distributions of R chains, as weights that sum to `total`; everything has shape (R,).

    `weights`, of shape (R, width), are those of the states below N. `tail` is the weight of the states
    N .. K, `tail_accepting` that of N .. K - 1, `accepting` that of 0 .. K - 1, `full` that of K.
    """

    chain: Chain
    theta: FloatArray
    weights: FloatArray
    total: FloatArray
    accepting: FloatArray
    below_n: FloatArray
    requests_below_n: FloatArray
    tail: FloatArray
    tail_accepting: FloatArray
    full: FloatArray

    @property
    def blocking(self) -> FloatArray:
        """p_K, the share of arrivals that find the queue full."""
        return self.full / self.total

    @property
    def busy(self) -> FloatArray:
        """1 - p_0."""
        return np.maximum(self.total - self.weights[:, 0], 0.0) / self.total

    @cached_property
    def throughput(self) -> FloatArray:
        """X = lambda (1 - p_K), requests per ms."""
        return np.exp(self.theta + self.chain.log_mu_n) * (self.accepting / self.total)

    @cached_property
    def in_service(self) -> FloatArray:
        """Ls, the mean of min(n, N)."""
        return (self.requests_below_n + self.chain.n * self.tail) / self.total

    @cached_property
    def waiting(self) -> FloatArray:
        """The mean number of requests that wait: the sum of (n - N) p_n above N."""
        return self.tail * mean_index(self.theta, self.chain.room + 1) / self.total

    @cached_property
    def wait_ms(self) -> FloatArray:
        """W, mean wait of an accepted request (Little's law on the waiting ones; T - S would cancel)."""
        return self.waiting / self.throughput

    @property
    def service_ms(self) -> FloatArray:
        """S = Ls / X, mean time in service."""
        return self.in_service / self.throughput

    @property
    def joined_batch(self) -> FloatArray:
        """Mean number in service that a served request counts, itself included: the effective batch n_e.

        It is the mean of min(n + 1, N) over the states n < K that accept. By flow balance
        lambda p_{n-1} = mu(n) p_n it is also the mean batch weighted by completions, so that a service time
        a + b n gives S = Ls / X = a + b n_e exactly: n_e = (S - a) / b without the division by b, which may
        be 0, and without its cancellation.
        """
        joined = self.requests_below_n + self.below_n + self.chain.n * self.tail_accepting
        return joined / self.accepting

    @property
    def delay_probability(self) -> FloatArray:
        """The probability that an accepted request has to wait."""
        return self.tail_accepting / self.accepting
