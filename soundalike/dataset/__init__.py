"""The frame of all clips, and who may stand where in a split."""
