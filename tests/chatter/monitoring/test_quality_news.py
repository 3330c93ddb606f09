import pytest

from chatter.monitoring.quality_news import QualityNews
from signaling.quality import CallQuality, Cause

GOOD = CallQuality(100, "good")
FAIR = CallQuality(70, "fair", Cause("downlink_loss", "your downlink loses 3 % of packets"))
LIKE_FAIR = CallQuality(66, "fair", Cause("downlink_loss", "your downlink loses 4 % of packets"))
FAR = CallQuality(70, "fair", Cause("round_trip", "your packets take 400 ms to the server and back"))
BAD = CallQuality(5, "bad", Cause("downlink_loss", "your downlink loses 12 % of packets"))

CASES = [
    # (seconds, quality) of each look → the seconds at which it is told
    ([(0, GOOD), (5, GOOD), (10, GOOD)], [0]),
    ([(0, GOOD), (5, FAIR), (10, LIKE_FAIR)], [0, 5]),
    ([(0, GOOD), (5, FAIR), (10, FAR)], [0, 5, 10]),
    ([(0, BAD), (5, GOOD), (10, GOOD), (15, GOOD)], [0, 15]),
    ([(0, BAD), (5, GOOD), (10, BAD), (15, GOOD), (20, BAD)], [0]),
    ([(0, BAD), (5, FAIR), (13, GOOD), (14, GOOD)], [0, 13]),
    ([(0, GOOD), (2, BAD), (4, BAD), (6, BAD)], [0, 4]),
]


@pytest.mark.parametrize(("looks", "told"), CASES)
def test_what_is_told_when(looks, told):
    news = QualityNews()
    assert [at for at, quality in looks if news.update({"bob": quality}, at)] == told


def test_who_has_gone_is_forgotten():
    news = QualityNews()
    news.update({"ann": GOOD, "bob": BAD}, 0)
    assert set(news.told) == {"ann", "bob"}
    assert news.update({"ann": GOOD}, 5) == {}
    assert set(news.told) == {"ann"}
    assert news.update({"ann": GOOD, "bob": BAD}, 6) == {"bob": BAD}
