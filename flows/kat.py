"""The main flow: from preference pairs to two trained policies, their comparison and a map.

terms ─┐
       ├→ pairs → prompts → sft → embed → density → reward → policy (uniform | density) → diversity → map
hub ───┘
"""

from collections.abc import Iterator
from pathlib import Path

from prefect import flow

from flows.cli import publish_until, run
from flows.embed import embedded
from flows.params import KatParams
from tasks.artifact import Artifact
from tasks.density.task import weigh_by_density
from tasks.diversity.task import compare_models, sample_model
from tasks.embed.task import embedding_model
from tasks.pairs.task import collect_pairs, needs_terms, resolve_sources
from tasks.policy.task import train_policy
from tasks.prompt_map.task import draw_prompt_map
from tasks.prompts.task import unique_prompts
from tasks.reward.task import train_reward_model
from tasks.sft.task import find_sft_model, train_sft_model
from tasks.terms.task import generate_terms


@flow(name="kat", flow_run_name="kat {params.preset} to {params.until}")
def kat(params: KatParams = KatParams()) -> dict[str, Path]:
    """Map what preference data covers, train more on what is rare in it, and measure whether that helps."""
    return publish_until(params.until, params.out, stages(params))


def stages(p: KatParams) -> Iterator[tuple[str, dict[str, Artifact]]]:
    """Each stage's name and what it publishes, made when asked for."""
    terms = generate_terms(p.terms) if needs_terms(p.pairs) else None
    yield "terms", {"terms.parquet": terms} if terms else {}

    collected = collect_pairs(p.pairs, terms, *resolve_sources(p.pairs))
    pairs = collected.part("pairs.parquet")
    yield "pairs", {"pairs.parquet": pairs, "bad_rows.jsonl": collected.part("bad_rows.jsonl")}

    prompts = unique_prompts(pairs)
    yield "prompts", {"prompts.parquet": prompts}

    sft = train_sft_model(pairs, find_sft_model(p.sft), p.sft)
    yield "sft", {"policy_base": sft.part("base"), "policy_sft": sft.part("model")}

    own = {"base": sft.path / "base", "sft": sft.path / "model"}
    embeddings = embedded(prompts, embedding_model(p.embed, own), p.embed)
    yield "embed", {"embeddings.parquet": embeddings}

    density = weigh_by_density(embeddings, prompts, p.density)
    weights = density.part("weights.parquet")
    chosen = {name: density.part(name) for name in ("sampled_ids.txt", "density.md")}
    yield "density", {"weights.parquet": weights, **chosen}

    reward = train_reward_model(pairs, sft, p.reward)
    yield "reward", {"reward_model": reward.part("model")}

    policies: dict[str, Artifact] = {
        arm: train_policy(arm, prompts, weights, sft, reward, p.policy) for arm in p.policy.arms
    }
    yield "policy", {f"policy_{arm}": policy.part("model") for arm, policy in policies.items()}

    models = {"sft": sft, **policies}
    samples = [sample_model(name, prompts, model, p.diversity) for name, model in models.items()]
    diversity = compare_models(
        list(models), samples, list(policies.values()), density, reward, p.policy.reward, p.diversity
    )
    yield (
        "diversity",
        {"comparison.json": diversity.part("comparison.json"), "report.md": diversity.part("report.md")},
    )

    drawn = draw_prompt_map(prompts, embeddings, density, p.map)
    yield "map", {name: drawn.part(name) for name in ("embeddings_3d.json", "prompt_map.html")}


if __name__ == "__main__":
    run(kat, KatParams)
