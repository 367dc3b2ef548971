"""What a GPU is asked to show: one line for each figure, ours and the peers' in one process, on a device or simulated.

`table` has the lines and the targets, `costs` what the device itself does, `place` where arrays live, `timing` how a
figure is taken, and the other files make the calls of the lines. `python benchmarks/gpu_check.py` runs all of it.
"""
