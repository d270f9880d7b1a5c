"""What scores a clip or a pool without ground truth: one file each."""
