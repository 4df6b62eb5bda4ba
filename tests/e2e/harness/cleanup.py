"""Everything a test opens is closed after it, in reverse order, whether it failed or not."""

_opened = []


def remember(thing):
    """`thing` has a close() that may be called twice."""
    _opened.append(thing)
    return thing


def close_all():
    while _opened:
        _opened.pop().close()


def opened():
    return tuple(_opened)
