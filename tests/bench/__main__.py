"""`make bench`: measure what the README promises. One part alone: `python -m tests.bench.demo`."""

from tests.bench import demo

if __name__ == "__main__":
    demo.main()
