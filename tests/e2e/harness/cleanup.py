"""Everything a test opens is closed after it, in reverse order, whether it failed or not."""

_opened = []


def remember(thing):
    """`thing` has a close() that may be called twice."""
    _opened.append(thing)
    return thing


def forget(thing):
    """It was closed for good: a test of hours must not pile them up."""
    if thing in _opened:
        _opened.remove(thing)


def close_all():
    errors = []
    while _opened:
        try:
            _opened.pop().close()
        except Exception as error:  # the others are closed all the same
            errors.append(error)
    if errors:
        raise errors[0]


def opened():
    return tuple(_opened)
