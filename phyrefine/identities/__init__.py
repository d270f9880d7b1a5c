"""What distinguishes two backends: a digest of code, settings and everything a call can see.

Equal digests must mean equal replies, because stored replies are found by them. So everything that
a function reads counts: its code, its defaults, partial arguments, the object it is bound to, what
its closure holds, the globals it names, and the functions and classes of the same project that it
calls. What cannot be compared in another process (a client, a socket, a large array) makes the
backend *unnamed*: :func:`identified` gives it a name.

What the call itself writes (a list it appends to, a counter it raises) is a record and no setting,
so it does not count.
"""

from phyrefine.identities.naming import (
    Identified,
    digest_of,
    identified,
    identity,
    name_of,
    refresh,
    why_unnamed,
)
from phyrefine.identities.values import UnnamedError

__all__ = [
    "Identified",
    "UnnamedError",
    "digest_of",
    "identified",
    "identity",
    "name_of",
    "refresh",
    "why_unnamed",
]
