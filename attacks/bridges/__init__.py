"""Attacks of other libraries, run by their own code on our objective: to check ours against.

One file a library, which is imported when one of its attacks is used. Not here: attacks of our own, which work in
batches, and which do the same on every positive multiple of a metric: the code of these libraries has absolute floors,
so a distance in a very small unit looks robust to it.

    attack.build(Ref.parse("autoattack:apgd-ce"))            # needs pip install 'perceptbench[autoattack]'
"""
