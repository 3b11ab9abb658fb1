//! Times a whole run and prints its coverage: `cargo run --release --example run_bench -- FOLDER [examples] [workers] [profile] [format]`.
use lambda_gen_rs::claim::SplitShares;
use lambda_gen_rs::part::{Format, Places};
use lambda_gen_rs::profile::Profile;
use lambda_gen_rs::run::{write_run, Spec};
use lambda_gen_rs::stats::{Histogram, Stats};
use lambda_gen_rs::trace::Limits;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("which folder shall the run be written to?")?;
    let examples = arguments.next().map_or(Ok(1_000_000), |a| a.parse())?;
    let workers = arguments.next().map_or(Ok(2), |a| a.parse())?;
    let profile = Profile::named(&arguments.next().unwrap_or("covering".into()))?;
    let format = Format::named(&arguments.next().unwrap_or("parquet".into()))?;
    let limits = Limits { size_limit: 250, max_steps: 1000 };
    let spec = Spec { seed: 1, examples, profile, limits, format, shares: SplitShares { val: 10_000, test: 10_000 } };

    let places = Places { records: format!("{folder}/records").into(), output: folder.into() };
    let start = Instant::now();
    let report = write_run(&places, &spec, workers, |_| true)?;
    let seconds = start.elapsed().as_secs_f64();

    let mut stats = Stats::default();
    report.parts.iter().for_each(|part| stats.merge(&part.stats));
    let bytes: u64 = report.parts.iter().flat_map(|part| part.bytes).sum();
    println!("{examples} rows in {} parts ({} reused), {bytes} bytes, {seconds:.2} s, {:.2} µs a row and worker", report.parts.len(), report.reused, seconds * workers as f64 * 1e6 / examples as f64);
    let of_rows = |count: u64| 100.0 * count as f64 / stats.rows as f64;
    println!("depth > 10: {:.1} %, size > 150: {:.1} %", of_rows(above(&stats.depth, 10)), of_rows(above(&stats.size, 150)));
    println!("redex depth > 4: {:.1} %, >= 10: {:.1} %", of_rows(above(&stats.redex_depth, 4)), of_rows(above(&stats.redex_depth, 9)));
    println!("growth: {:.1} % of rows, {:.1} % of first steps", of_rows(stats.growing), 100.0 * stats.growing_first_steps as f64 / stats.first_steps as f64);
    println!("prefix >= 3 with a redex: {:.1} %, normal forms: {:.1} %, under ten nodes: {:.2} %, cut: {:.2} %", of_rows(stats.prefixed), of_rows(stats.normal_forms), of_rows(stats.under_ten_nodes), of_rows(stats.incomplete));
    println!("cycles {:?}, strata {:?}", stats.cycle.0, stats.stratum);
    Ok(())
}

fn above(histogram: &Histogram, value: usize) -> u64 {
    histogram.0.iter().skip(value + 1).sum()
}
