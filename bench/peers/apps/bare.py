"""Decoding and the engine alone, without any server: a process of one thread for each worker, over the same pictures.

    bare.py SECONDS PICTURE...        (the model, the processes and the scale from the environment, as for the peers)

Prints JSON: images a second of all processes together, and the median milliseconds of both halves.
"""

import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path

from classifier import WORKERS, Classifier, answer, tensor


def work(number: int, seconds: float, files: list[bytes], ready, results) -> None:
    classify = Classifier()
    classify(files[0])
    decoding, inference = [], []
    ready.wait()
    began = now = time.perf_counter()
    # Each begins elsewhere, so that not all decode the same picture at the same time.
    turn = number * len(files) // WORKERS
    while now - began < seconds:
        values = tensor(files[turn % len(files)])
        decoded = time.perf_counter()
        answer(classify.run(values))
        decoding.append(decoded - now)
        now = time.perf_counter()
        inference.append(now - decoded)
        turn += 1
    results.put((len(inference) / (now - began), decoding, inference))


def main() -> None:
    seconds, files = float(sys.argv[1]), [Path(name).read_bytes() for name in sys.argv[2:]]
    ready, results = multiprocessing.Barrier(WORKERS), multiprocessing.Queue()
    processes = [
        multiprocessing.Process(target=work, args=(number, seconds, files, ready, results)) for number in range(WORKERS)
    ]
    for process in processes:
        process.start()
    done = [results.get() for _ in processes]
    for process in processes:
        process.join()
    median_ms = lambda which: 1e3 * statistics.median(value for one in done for value in one[which])
    figures = {"images_per_s": sum(one[0] for one in done), "decoding_ms": median_ms(1), "inference_ms": median_ms(2)}
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
