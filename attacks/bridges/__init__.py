"""Attacks of other libraries, run by their own code on our objective: to check ours against.

One file a library, which is imported when one of its attacks is used. Not here: attacks of our own, which work in
batches.

    attack.build(Ref.parse("autoattack:apgd-ce"))            # needs pip install 'perceptbench[autoattack]'
"""
