"""What happens to a picture on its way to whoever compares it, a channel a file: saved as JPEG, made smaller, rounded.

Here: the real codec, and the gradient that an attack follows through it. Not here: what an attacker may change
(`attacks/threats`), edits of copies that nobody attacks (`triplets/edits`).

    from perceptbench.attacks.through.base import Channel, channel

    @channel("flat", source="folklore")
    class Flat(Channel):
        def send(self, x): return np.full_like(x, round(x.mean()))
"""
