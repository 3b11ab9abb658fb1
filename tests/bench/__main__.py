"""`make bench`: measure what the README promises. One part alone: `python -m tests.bench.lambda_terms`."""

from tests.bench import (
    demo,
    density,
    embed,
    lambda_terms,
    novelty,
    operation,
    prompt_map,
    reducer,
    text_map,
    token_vectors,
    training,
    transport,
)

if __name__ == "__main__":
    lambda_terms.main()
    embed.main()
    density.main()
    prompt_map.main()
    text_map.main()
    token_vectors.main()
    transport.main()
    training.main()
    novelty.main()
    reducer.main()
    demo.main()
    operation.main([])
