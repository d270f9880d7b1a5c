"""Video generators on many machines, held together by Ray.

The loop, the run folder and the calls of services stay in one process, the *driver*: it alone
writes results, so that a run on a cluster is kept, resumed and read like any other. What needs a
device lives in *workers*, Ray actors that load a model once. Ray is imported on use only.
"""
