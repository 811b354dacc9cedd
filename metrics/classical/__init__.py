"""Metrics with nothing learnt: pixels, SSIM and MS-SSIM, FSIM. A hash of images would belong here too.

Not here: whatever loads weights.

    SSIM()(x, y)          # 1 - SSIM, (n,)
"""
