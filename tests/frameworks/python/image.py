"""An image, as far as its first bytes tell: every byte value is in it, and no text holds them all."""

IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
