"""Metrics that other programs compute: a class of yours (`py`), a backbone of timm, a score of IQA-PyTorch.

Not here: metrics with code of their own, even where their weights come from such a program.

    metric.build(Ref.parse("py:mine.py:Mine"))
    metric.build(Ref.parse("timm:vit_small_patch16_224"))
"""
