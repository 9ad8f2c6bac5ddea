from hypothesis import given
from hypothesis import strategies as st

from stacknb.timing.spans import Cover, Span, levels

MOMENTS = st.integers(0, 12)
SPANS = st.lists(st.tuples(MOMENTS, MOMENTS), max_size=6)


def seconds(spans: list[Span]) -> list[int]:
    """Return each second of each stretch, by when it begins."""
    return [second for start, end in spans for second in range(start, end)]


@given(SPANS, SPANS, MOMENTS, MOMENTS)
def test_a_cover_counts_each_second_once(
    spans: list[Span], others: list[Span], start: int, end: int
) -> None:
    cover, taken = Cover(spans), Cover(others)
    covered = {*seconds(spans)}
    assert seconds(cover.spans) == sorted(covered)
    assert cover.length == len(covered)
    assert all(one[1] < other[0] for one, other in zip(cover.spans, cover.spans[1:], strict=False))
    assert cover.within(start, end) == len(covered & {*range(start, end)})
    left = cover.without(taken)
    assert seconds(left.spans) == sorted(covered - {*seconds(others)})
    if start < end:
        assert seconds(cover.cut(start, end)) == sorted(covered & {*range(start, end)})


@given(SPANS)
def test_as_many_overlap_as_share_a_second(spans: list[Span]) -> None:
    every = seconds(spans)
    known = levels((start, end, 1) for start, end in spans if start < end)
    assert max((level for _, level in known), default=0) == max(map(every.count, every), default=0)
