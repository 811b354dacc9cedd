"""The architecture study of LipSim (docs/lipsim.md): networks that differ in one thing, and their scores.

python -m benchmarks.study --images photographs.tar --data photos --steps 100
"""
