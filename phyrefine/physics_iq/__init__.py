"""Physics-IQ, Original (arXiv 2501.09038) and Verified (arXiv 2606.18943).

Nothing is imported here: ``metrics`` needs NumPy alone, ``masks`` OpenCV, the rest what it names.
"""
