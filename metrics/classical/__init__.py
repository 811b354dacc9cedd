"""Metrics with nothing learnt: pixels, SSIM and MS-SSIM, FSIM.

Not here: whatever loads weights, and perceptual hashes (`metrics/hashes`).

    SSIM()(x, y)          # 1 - SSIM, (n,)
"""
