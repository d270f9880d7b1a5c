"""Blinded ratings by people: two clips side by side, which one obeys physics better?

A study is a folder. :func:`~phyrefine.rating.study.make_study` draws the pairs from finished runs,
:class:`~phyrefine.rating.serving.RatingServer` shows them on this machine,
:func:`~phyrefine.rating.page.write_page` writes them into one file to send, and
:func:`~phyrefine.rating.results.results` says what came of it.
"""
