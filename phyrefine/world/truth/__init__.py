"""Ground truth: scenes, their rendering and captions, and the training of the generator.

Nothing on the inference side may import this package.
"""
