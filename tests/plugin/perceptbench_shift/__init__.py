"""A task on pairs of images (`pairs-below`), data for it (`photo-pairs`), and shifts as a threat (`shift`).

bench run --metric lipsim --data photo-pairs --task pairs-below --tau 0.3 --threat shift --attack pgd --eps 1,2
"""
