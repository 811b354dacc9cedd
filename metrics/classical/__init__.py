"""Metrics with nothing learnt: pixels, SSIM and MS-SSIM, FSIM.

Not here: whatever loads weights.

    SSIM()(x, y)          # 1 - SSIM, (n,)
"""
