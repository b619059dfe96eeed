// An image, as far as its first bytes tell: every byte value is in it, and no text holds them all.
"use strict";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

exports.IMAGE = Buffer.from([...SIGNATURE, ...Array(256).keys()]);
