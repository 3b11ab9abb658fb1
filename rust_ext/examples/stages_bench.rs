//! What a row costs, stage by stage, on one thread.
use lambda_gen_rs::claim::{words, Ledger, SplitShares};
use lambda_gen_rs::part::{Encoder, Format};
use lambda_gen_rs::plan::Roots;
use lambda_gen_rs::profile::Profile;
use lambda_gen_rs::rows::for_each_row;
use lambda_gen_rs::sample::Random;
use lambda_gen_rs::trace::{Chunk, Limits, CHUNK_ROWS};
use std::time::{Duration, Instant};

const CHUNKS: u64 = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let shares = SplitShares { val: 10_000, test: 10_000 };
    let limits = Limits { size_limit: 250, max_steps: 1000 };
    let start = Instant::now();
    let roots = Roots::new(&Profile::named("covering")?)?;
    println!("tables: {:?}", start.elapsed());
    let encoder = Encoder::new(Format::Parquet, shares)?;
    let mut ledger = Ledger::new(15_000_000, true)?;
    let mut spent = [Duration::ZERO; 5];
    let (mut steps, mut traces) = (0, 0);
    for number in 0..CHUNKS {
        let mut clock = Instant::now();
        let mut lap = |stage: usize| {
            spent[stage] += clock.elapsed();
            clock = Instant::now();
        };
        let chunk = Chunk::generate(1, number, &roots, limits);
        lap(0);
        let mut random = Random::new(2, number);
        let mut root = Vec::new();
        (0..chunk.traces.len()).for_each(|_| _ = roots.draw(&mut random, chunk.cycle, &mut root));
        lap(1);
        let keep = ledger.claim(&words(&chunk, &shares), CHUNK_ROWS)?;
        lap(2);
        let mut characters = 0;
        for_each_row(&chunk, &keep, |_, row| characters += row.term.len());
        lap(3);
        let encoded = encoder.encode(&chunk, &keep)?;
        lap(4);
        drop((encoded, characters));
        steps += chunk.steps.len();
        traces += chunk.traces.len();
    }
    let rows = (CHUNKS as usize * CHUNK_ROWS) as f64;
    let names = ["generate (draw and reduce)", "  of it drawing", "claim", "print", "encode (print included)"];
    for (name, time) in names.iter().zip(spent) {
        println!("{name}: {:.0} ns a row", time.as_nanos() as f64 / rows);
    }
    println!("{:.2} rows a trace, {:.2} terms a row", rows / traces as f64, steps as f64 / rows);
    Ok(())
}
