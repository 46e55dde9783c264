"""Protect the faces of a folder of photos for one recognizer, write them, and print who accepts them.

python examples/protect_and_prove.py PHOTOS OUT [RECOGNIZER]
"""

import sys
from pathlib import Path

from bauta import PMT, Pipeline, load, load_dataset, prove, to_text, write_image

photos, out = Path(sys.argv[1]), Path(sys.argv[2])
service = load(sys.argv[3] if len(sys.argv) > 3 else "mobilefacenet-casia")
faces = load_dataset(photos)
pictures = Pipeline(service, PMT(steps=80).fit(None, service)).images(faces)
for source, picture in zip(faces.source, pictures, strict=True):
    write_image(out / f"{source.digest[:16]}.png", picture)
print(to_text(prove(faces, pictures, [service])))
