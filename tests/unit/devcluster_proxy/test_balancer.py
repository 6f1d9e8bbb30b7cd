"""Least outstanding requests, equals in turn."""

from devcluster.proxy.balancer import Backend, Balancer

A, B, C = (Backend(f"127.1.0.{last}", 8200) for last in (1, 2, 3))


def a_balancer(*backends: Backend) -> Balancer:
    balancer = Balancer()
    balancer.offer(backends)
    return balancer


def test_idle_pods_take_turns() -> None:
    balancer = a_balancer(A, B, C)
    taken = []
    for _ in range(6):
        backend = balancer.take()
        assert backend is not None
        taken.append(backend)
        balancer.give_back(backend)
    assert taken == [A, B, C, A, B, C]


def test_the_pod_with_the_fewest_requests_is_next() -> None:
    balancer = a_balancer(A, B)
    assert [balancer.take(), balancer.take()] == [A, B]
    balancer.give_back(B)
    assert balancer.take() == B


def test_a_new_pod_gets_the_next_requests() -> None:
    balancer = a_balancer(A)
    for _ in range(2):
        balancer.take()
    balancer.offer([A, B])
    assert [balancer.take(), balancer.take(), balancer.take()] == [B, B, A]


def test_a_pod_that_left_gets_nothing_while_its_requests_end() -> None:
    balancer = a_balancer(A, B)
    assert balancer.take() == A
    balancer.offer([B])
    assert [balancer.take(), balancer.take()] == [B, B]
    assert balancer.outstanding(A) == 1
    balancer.give_back(A)
    assert balancer.outstanding(A) == 0


def test_a_refusing_pod_is_passed_over() -> None:
    balancer = a_balancer(A, B)
    assert balancer.take(excluding={A}) == B
    assert balancer.take(excluding={A, B}) is None


def test_nobody_there() -> None:
    assert a_balancer().take() is None
