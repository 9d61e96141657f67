"""The peer of `benchmarks.als`: `implicit`'s ALS, in an environment of its own.

python benchmarks/peers/implicit_als.py MATRIX.npz FACTORS.npz '{"factors": 64, …}'

Prints the seconds that fitting took; the factors go to the second file.
"""

import json
import sys
import time

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import load_npz

matrix, output, settings = load_npz(sys.argv[1]).tocsr(), sys.argv[2], json.loads(sys.argv[3])
model = AlternatingLeastSquares(**settings)
started = time.monotonic()
model.fit(matrix, show_progress=False)
print(time.monotonic() - started)
np.savez(output, users=model.user_factors, items=model.item_factors)
