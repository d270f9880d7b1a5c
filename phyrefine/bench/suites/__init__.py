"""One file per benchmark; :mod:`phyrefine.bench.registry` lists them."""
